# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the options: each is refused by one sentence that names the check and the key."""

from __future__ import annotations

import re
import socket
import time
from types import SimpleNamespace
from typing import Any

import jmespath
import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import (
    Check,
    Target,
    needs_jmespath,
    parse_checks,
    unknown_keys,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.address import split_address
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, SpecError
from ansible_collections.slipway.kube.plugins.module_utils._kube import streams as kube
from ansible_collections.slipway.kube.plugins.modules.health_check import argument_spec

URL = "http://a.example/"


def parse(*checks: dict[str, Any], variables: tuple[str, ...] = ()) -> list[Check]:
    return parse_checks(checks, list(variables), lambda path: jmespath.compile(path).search)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://a/"}, "url"),
        ({"url": "http://a b/"}, "url"),
        ({"url": "http://u:p@a/"}, "url"),
        ({"url": "http://a:99999/"}, "url"),
        ({"url": "http://a:0/"}, "url"),
        ({"url": "http://[::1/"}, "url"),
        ({"type": "tcp", "url": "tcp://a"}, "url"),
        ({"url": "http://a/${x}"}, "url"),
        ({"headers": {"X-A": "${x}"}}, "headers.X-A"),
        ({"headers": {"a b": "1"}}, "headers.a b"),
        ({"headers": {"X": "1\r\nY: 2"}}, "headers.X"),
        ({"headers": {"Content-Length": "1"}}, "headers.Content-Length"),
        ({"body": {"a": ["${x}"]}}, "body"),
        ({"body": "x", "body_format": "form"}, "body"),
        ({"body": {"a": 1}, "body_format": "raw"}, "body"),
        ({"method": "GET IT"}, "method"),
        ({"resolve": {"a": "b c"}}, "resolve.a"),
        ({"resolve": {"a": "1.2.3.4:0"}}, "resolve.a"),
        ({"via": "unix_socket"}, "unix_socket"),
        ({"type": "tcp", "via": "api_proxy", "url": "tcp://a:1"}, "via"),
        ({"via": "port_forward"}, "kubernetes"),
        ({"via": "port_forward", "kubernetes": {"pod": "a", "service": "b"}}, "kubernetes"),
        ({"via": "api_proxy", "kubernetes": {"selector": "a=b"}}, "kubernetes.selector"),
        ({"via": "api_proxy", "kubernetes": {"pod": "a"}, "headers": {"authorization": "x"}}, "headers.authorization"),
        ({"via": "api_proxy", "kubernetes": {"pod": "a"}, "follow_redirects": 1}, "follow_redirects"),
        ({"type": "command", "kubernetes": {"pod": "a"}}, "command"),
        ({"proxy": "socks5://a:1"}, "proxy"),
        ({"proxy": "http://p:1", "resolve": {"a.example": "192.0.2.1"}}, "proxy"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"interval": -1}, "interval"),
        ({"backoff": 0.5}, "backoff"),
        ({"jitter": 2}, "jitter"),
        ({"backoff": 101.0}, "backoff"),
        ({"retry_for": float("inf")}, "retry_for"),
        ({"stable_for": 1e9}, "stable_for"),
        ({"follow_redirects": 101}, "follow_redirects"),
        ({"max_body_bytes": 1 << 31}, "max_body_bytes"),
        ({"latency": {"samples": 10**7}}, "latency.samples"),
        ({"resolve": {"a": None}}, "resolve.a"),
        ({"environment_proxy": True, "type": "tcp", "url": "tcp://a:1"}, "environment_proxy"),
        ({"environment_proxy": True, "via": "unix_socket", "unix_socket": "/s"}, "environment_proxy"),
        ({"workload": {"kind": "Deployment", "name": " "}}, "workload.name"),
        ({"consecutive_successes": 0}, "consecutive_successes"),
        ({"follow_redirects": -1}, "follow_redirects"),
        ({"extract": {"a b": "c"}}, "extract.a b"),
        ({"extract": {"run_id": "c"}}, "extract.run_id"),
        ({"extract": {"a": "c["}}, "extract.a"),
        ({"extract": {"a": "c"}, "invert": True}, "extract"),
        ({"tls": {"client_key": "k"}}, "tls.client_key"),
        ({"expect": {"status": ["2x"]}}, "expect.status"),
        ({"expect": {"status": []}}, "expect.status"),
        ({"expect": {"body_regex": ["("]}}, "expect.body_regex"),
        ({"expect": {"body_not_regex": ["["]}}, "expect.body_not_regex"),
        ({"expect": {"location": "*"}}, "expect.location"),
        ({"expect": {"json": [{"path": "a"}]}}, "expect.json[0]"),
        ({"expect": {"json": [{"path": "a", "exists": True}, {"path": "a[", "exists": True}]}}, "expect.json[1].path"),
        ({"expect": {"json": [{"path": "a", "matches": "("}]}}, "expect.json[0].matches"),
        ({"expect": {"json": [{"path": "a", "length": -1}]}}, "expect.json[0].length"),
        ({"expect": {"json": [{"path": "a", "equals": "${x}"}]}}, "expect.json[0]"),
        ({"expect": {"headers": [{"name": "a"}]}}, "expect.headers[0]"),
        ({"expect": {"identity": {"equals": ""}}}, "expect.identity.equals"),
        ({"expect": {"identity": {"equals": "a", "path": "["}}}, "expect.identity.path"),
        ({"type": "tcp", "url": "tcp://a:1", "expect": {"body_regex": ["a"]}}, "expect"),
        ({"latency": {"samples": -1}}, "latency.samples"),
        ({"latency": {"error_rate": 2}}, "latency.error_rate"),
        ({"latency": {"p95_ms": -1}}, "latency.p95_ms"),
        ({"latency": {"samples": 3}, "invert": True}, "latency"),
        ({"depends_on": ["other"]}, "depends_on"),
        ({"depends_on": ["the check"]}, "depends_on"),
    ],
)
def test_a_mistake_is_named_by_check_and_key(options: dict[str, Any], key: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "the check", "url": URL, **options})
    assert str(caught.value).startswith(f"check 'the check': {key}: "), caught.value
    assert "\n" not in str(caught.value)


def test_names_and_circles() -> None:
    with pytest.raises(SpecError, match=re.escape("check 'a': name: another check has this name")):
        parse({"name": "a", "url": URL}, {"name": "a", "url": URL})
    with pytest.raises(SpecError, match=re.escape("checks[1]: name: it is empty")):
        parse({"name": "a", "url": URL}, {"name": " ", "url": URL})
    with pytest.raises(
        SpecError, match=re.escape("check 'b': depends_on: the checks wait for each other: b -> c -> b")
    ):
        parse(
            {"name": "b", "url": URL, "depends_on": ["c"]},
            {"name": "c", "url": URL, "depends_on": ["b"]},
        )
    with pytest.raises(SpecError, match="the list is empty"):
        parse()


def test_a_placeholder_needs_its_maker_among_the_dependencies() -> None:
    maker = {"name": "log in", "url": URL, "extract": {"token": "t"}}
    user = {"name": "use", "url": URL + "${token}"}
    with pytest.raises(SpecError, match=r"check 'use': url: \$\{token\} comes from check 'log in': name that check"):
        parse(maker, user)
    middle = {"name": "middle", "url": URL, "depends_on": ["log in"]}
    assert len(parse(maker, middle, {**user, "depends_on": ["middle"]})) == 3
    with pytest.raises(SpecError, match=re.escape("check 'again': extract.token: the name is already taken by")):
        parse(maker, {**maker, "name": "again"})


def test_a_close_name_is_offered() -> None:
    with pytest.raises(SpecError, match="did you mean 'log in'"):
        parse({"name": "log in", "url": URL}, {"name": "b", "url": URL, "depends_on": ["login"]})


def test_what_changes_something_is_not_repeated_unless_asked() -> None:
    get, post, asked = parse(
        {"name": "get", "url": URL},
        {"name": "post", "url": URL, "method": "post"},
        {"name": "asked", "url": URL, "method": "PUT", "retry_for": 5.0},
    )
    assert (get.retry_for, post.retry_for, asked.retry_for) == (30.0, 0.0, 5.0)
    assert post.method == "POST"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", None)),
        ("192.0.2.1:8080", ("192.0.2.1", 8080)),
        ("node.example:1", ("node.example", 1)),
        ("[2001:db8::1]:8080", ("2001:db8::1", 8080)),
        ("[::1]", ("::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
    ],
)
def test_addresses(text: str, expected: Any) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", "a:b", "a:70000", "http://a", "[::1", "a/b"])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        split_address(text)


def test_unknown_keys_are_named_with_their_check_and_removed() -> None:
    params: dict[str, Any] = {
        "_ansible_check_mode": True,
        "deadlin": 3,
        "checks": [{"name": "front", "urll": URL, "expect": {"jsn": 1, "json": [{"path": "a", "equal": 1}]}}],
    }
    found = unknown_keys(argument_spec(), params)
    assert found[0] == "deadlin: there is no such option; did you mean deadline?"
    assert found[1] == "check 'front': urll: there is no such option; did you mean url?"
    assert found[2].startswith("check 'front': expect.jsn: there is no such option; did you mean json?")
    assert found[3].startswith("check 'front': expect.json[0].equal: there is no such option; did you mean equals?")
    assert params == {
        "_ansible_check_mode": True,
        "checks": [{"name": "front", "expect": {"json": [{"path": "a"}]}}],
    }


def test_jmespath_is_needed_only_where_it_is_used() -> None:
    assert not needs_jmespath(
        [{"name": "a"}, {"expect": {"json": None, "identity": {"header": "x", "path": "digest"}}}]
    )
    assert needs_jmespath([{"extract": {"a": "b"}}])
    assert needs_jmespath([{"expect": {"identity": {"path": "digest"}}}])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": URL + "?secret=1"}, "GET http://a.example/, expecting status 200-299"),
        (
            {
                "url": URL,
                "method": "post",
                "resolve": {"a.example": "192.0.2.1:80"},
                "expect": {"status": ["201", "3xx"]},
            },
            "POST http://a.example/ (resolved to 192.0.2.1:80), expecting status 201, 300-399",
        ),
        ({"type": "tcp", "url": "tcp://a:1", "invert": True}, "tcp tcp://a:1, inverted"),
        (
            {"type": "command", "command": ["psql", "-c", "x"], "kubernetes": {"namespace": "todo", "pod": "db"}},
            "run psql in a pod of todo/db, expecting code 0",
        ),
    ],
)
def test_what_would_be_asked(options: dict[str, Any], text: str) -> None:
    [check] = parse({"name": "a", **options})
    assert check.summary() == text


# ---------------------------------------------------------------- Kubernetes objects
def _pod(phase: str = "Running", ready: str = "True", deleted: Any = None, ports: Any = ()) -> Any:
    condition = SimpleNamespace(type="Ready", status=ready)
    container = SimpleNamespace(ports=[SimpleNamespace(name=name, container_port=port) for name, port in ports])
    return SimpleNamespace(
        metadata=SimpleNamespace(name="p", deletion_timestamp=deleted),
        status=SimpleNamespace(phase=phase, conditions=[condition]),
        spec=SimpleNamespace(containers=[container]),
    )


def test_ready_pods() -> None:
    assert kube.is_ready(_pod())
    assert not kube.is_ready(_pod(phase="Pending"))
    assert not kube.is_ready(_pod(ready="False"))
    assert not kube.is_ready(_pod(deleted="now"))


def test_service_ports_become_pod_ports() -> None:
    ports = [SimpleNamespace(port=80, target_port="http"), SimpleNamespace(port=81, target_port=9000)]
    service = SimpleNamespace(spec=SimpleNamespace(ports=ports))
    pod = _pod(ports=[("http", 8000)])
    assert [kube.pod_port(service, pod, port) for port in (80, 81, 82)] == [8000, 9000, 82]


def test_proxy_paths() -> None:
    service, pod = Target(namespace="todo", service="web"), Target(namespace="todo", pod="web-0")
    assert kube.proxy_path(service, "http", 80, "/x") == "/api/v1/namespaces/todo/services/http:web:80/proxy/x"
    assert kube.proxy_path(pod, "http", 80, "") == "/api/v1/namespaces/todo/pods/web-0:80/proxy/"
    assert kube.proxy_path(pod, "https", 443, "/") == "/api/v1/namespaces/todo/pods/https:web-0:443/proxy/"


class _Session:
    """An exec session that sends its words in pieces, the last ones together with its end."""

    def __init__(self, *turns: tuple[str, str], returncode: int = 0) -> None:
        self.turns, self.returncode, self.closed = list(turns), returncode, False
        self.out = self.err = ""

    def is_open(self) -> bool:
        return bool(self.turns)

    def update(self, timeout: float) -> None:
        assert timeout > 0
        if self.turns:
            self.out, self.err = self.turns.pop(0)

    def read_stdout(self, timeout: float) -> str:
        text, self.out = self.out, ""
        return text

    def read_stderr(self, timeout: float) -> str:
        text, self.err = self.err, ""
        return text

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the kubernetes library with one ready pod behind a service."""
    service = SimpleNamespace(
        spec=SimpleNamespace(selector={"app": "web"}, ports=[SimpleNamespace(port=80, target_port="http")])
    )
    found = SimpleNamespace(pods=[_pod(ports=[("http", 8000)])], asked=[])
    core = SimpleNamespace(
        read_namespaced_pod=lambda *_a, **_k: _pod(),
        read_namespaced_service=lambda *_a, **_k: service,
        list_namespaced_pod=lambda *_a, **_k: SimpleNamespace(items=found.pods),
        connect_get_namespaced_pod_exec="exec",
        connect_get_namespaced_pod_portforward="portforward",
    )
    client = SimpleNamespace(
        CoreV1Api=lambda _client: core,
        ApiClient=lambda configuration: configuration,
        Configuration=lambda: SimpleNamespace(),
    )
    parts = {
        "client": client,
        "config": SimpleNamespace(load_kube_config=lambda **_options: None),
        "stream": SimpleNamespace(
            stream=lambda *_a, **_k: found.session,
            portforward=lambda _method, name, _namespace, ports, **_k: (
                found.asked.append((name, ports)) or found.forward
            ),
        ),
    }
    monkeypatch.setattr(kube, "_library", parts.__getitem__)
    return found


def test_exec_collects_both_streams_to_the_end(library: SimpleNamespace) -> None:
    library.session = _Session(("one ", ""), ("", "two "), ("three", ""), returncode=3)
    assert kube.Cluster().run(Target(pod="db"), ["x"], 5, 1000) == (3, b"one two three")
    assert library.session.closed


@pytest.mark.parametrize(("timeout", "limit", "code"), [(0.05, 1000, "read_timeout"), (5, 3, "body_too_large")])
def test_exec_is_bounded(library: SimpleNamespace, timeout: float, limit: int, code: str) -> None:
    library.session = _Session(*[("abcd", "")] * 10)
    if code == "read_timeout":
        library.session.update = lambda timeout: time.sleep(timeout)
    with pytest.raises(CheckError) as caught:
        kube.Cluster().run(Target(pod="db"), ["x"], timeout, limit)
    assert caught.value.code == code
    assert library.session.closed


def test_forward_translates_the_port_and_ends_with_our_socket(library: SimpleNamespace) -> None:
    near, far = socket.socketpair()
    library.forward = SimpleNamespace(socket=lambda _port: near)
    ours = kube.Cluster().forward(Target(service="web"), 80, 5)
    assert library.asked == [("p", "8000")]
    ours.sendall(b"hello")
    assert far.recv(10) == b"hello"
    ours.close()
    assert far.recv(10) == b""
    far.close()


def test_a_service_without_a_ready_pod(library: SimpleNamespace) -> None:
    library.pods = [_pod(ready="False")]
    with pytest.raises(CheckError) as caught:
        kube.Cluster().forward(Target(service="web"), 80, 5)
    assert caught.value.code == "pod_not_found"
    assert "1 match app=web" in caught.value.detail
