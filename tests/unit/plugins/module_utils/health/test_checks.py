# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the options: each is refused by one sentence that names the check and the key."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import (
    Check,
    needs_jmespath,
    parse_checks,
    unknown_keys,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.mistakes import find_mistakes
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._http.address import split_address
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError
from ansible_collections.slipway.kube.plugins.modules.health_check import argument_spec

URL = "http://a.example/"


def parse(*checks: dict[str, Any], variables: tuple[str, ...] = ()) -> list[Check]:
    return parse_checks(checks, list(variables), compile_path)


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
        ({"expect": {"body_regex": ["("]}}, "expect.body_regex[0]"),
        ({"expect": {"body_not_regex": ["["]}}, "expect.body_not_regex[0]"),
        ({"expect": {"location": "*"}}, "expect.location"),
        ({"expect": {"json": [{"path": "a"}]}}, "expect.json[0]"),
        ({"expect": {"json": [{"path": "a", "exists": True}, {"path": "a[", "exists": True}]}}, "expect.json[1].path"),
        ({"expect": {"json": [{"path": "a", "matches": "("}]}}, "expect.json[0].matches"),
        ({"expect": {"json": [{"path": "a", "length": -1}]}}, "expect.json[0].length"),
        ({"expect": {"json": [{"path": "a", "equals": "${x}"}]}}, "expect.json[0]"),
        ({"expect": {"headers": [{"name": "a"}]}}, "expect.headers[0]"),
        ({"expect": {"identity": {"equals": ""}}}, "expect.identity.equals"),
        ({"expect": {"identity": {"equals": "a", "path": "["}}}, "expect.identity.path"),
        ({"type": "tcp", "url": "tcp://a:1", "expect": {"body_regex": ["a"]}}, "expect.body_regex"),
        ({"type": "tcp", "url": "tcp://a:1", "expect": {"status": ["200"]}}, "expect.status"),
        ({"type": "tls", "url": "tls://a:1", "expect": {"max_bytes": 1}}, "expect.max_bytes"),
        ({"type": "grpc", "url": "grpc://a:1", "expect": {"rc": [0]}}, "expect.rc"),
        ({"expect": {"rc": [1]}}, "expect.rc"),
        ({"type": "tcp", "url": "tcp://a:1", "tls": {"verify": False}}, "tls"),
        ({"type": "tls", "url": "tls://a:1", "headers": {"a": "b"}}, "headers"),
        ({"type": "tcp", "url": "tcp://a:1", "method": "GET"}, "method"),
        ({"grpc_service": "a"}, "grpc_service"),
        ({"command": ["a"]}, "command"),
        ({"kubernetes": {"service": "a", "container": "b"}}, "kubernetes.container"),
        ({"type": "command", "command": ["a"], "kubernetes": {"pod": "a"}}, "url"),
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


def test_each_wrong_part_of_a_check_is_found_whatever_else_is_wrong() -> None:
    """What stands for the first mistake hides no other, and makes none of its own."""
    check = {
        "name": "x",
        "via": "port_forward",
        "url": "http://a/",
        "headers": {"a b": "1"},
        "resolve": {"shop.example": "b c"},
        "expect": {"identity": {"equals": ""}, "json": [{"path": "a", "matches": "("}, {"path": "b", "length": -1}]},
        "latency": {"samples": -1, "error_rate": 2},
    }
    assert [key for _index, key, _reason in find_mistakes([check], [])] == [
        *("headers.a b", "kubernetes", "resolve.shop.example", "expect.json[0].matches", "expect.json[1].length"),
        *("expect.identity.equals", "latency.samples", "latency.error_rate"),
    ]
    assert find_mistakes([{"name": "x", "type": "htp", "url": "tcp://a:1"}], []) == [
        (0, "type", "'htp' is unknown; did you mean http.")
    ]
