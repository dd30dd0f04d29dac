# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into a pod through the API server: what is chosen, and streams over a websocket of loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._kube import client
from ansible_collections.slipway.kube.plugins.module_utils._kube.streams import (
    PodStreams,
    Target,
    is_ready,
    pod_port,
    proxy_path,
)
from fake_kubernetes import Answer, FakeKubernetes, Served, refusal, serve


def pod(phase: str = "Running", ready: str = "True", ports: Any = (), **metadata: Any) -> dict[str, Any]:
    declared = [{"name": name, "containerPort": port} for name, port in ports]
    return {
        "metadata": {"name": "p", "labels": {"app": "web"}, **metadata},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        "spec": {"containers": [{"ports": declared}]},
    }


SERVICE: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 9000}],
    },
}


def test_ready_pods() -> None:
    assert is_ready(pod())
    assert not is_ready(pod(phase="Pending"))
    assert not is_ready(pod(ready="False"))
    assert not is_ready(pod(deletionTimestamp="2026-01-01T00:00:00Z"))


def test_service_ports_become_pod_ports() -> None:
    found = pod(ports=[("http", 8000)])
    assert [pod_port(SERVICE, found, port) for port in (80, 81, 82)] == [8000, 9000, 82]
    assert pod_port({"spec": {"ports": [{"port": 80}]}}, found, 80) == 80


def test_proxy_paths() -> None:
    service, one = Target(namespace="todo", service="web"), Target(namespace="todo", pod="web-0")
    assert proxy_path(service, "http", 80, "/x") == "/api/v1/namespaces/todo/services/http:web:80/proxy/x"
    assert proxy_path(one, "http", 80, "") == "/api/v1/namespaces/todo/pods/web-0:80/proxy/"
    assert proxy_path(one, "https", 443, "/") == "/api/v1/namespaces/todo/pods/https:web-0:443/proxy/"


# ---------------------------------------------------------------- streams
@pytest.fixture
def fake() -> FakeKubernetes:
    other = pod()
    other["metadata"] = {"name": "other", "labels": {"app": "other"}}
    return FakeKubernetes(pods=[pod(ports=[("http", 8000)]), other], services=[SERVICE])


@pytest.fixture
def server(fake: FakeKubernetes) -> Iterator[Served]:
    with serve(fake) as served:
        yield served


@pytest.fixture
def streams() -> Iterator[PodStreams]:
    found = PodStreams()
    yield found
    found.close()


@pytest.fixture
def behind() -> Iterator[socket.socket]:
    """A server that the pod is, which the test speaks for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def target(server: Served, place: Path, **more: Any) -> Target:
    return Target("todo", kubeconfig=server.kubeconfig(place, {"token": "hunter2-token"}), **more)


@pytest.mark.parametrize("code", [0, 3])
def test_exec_collects_both_streams_to_the_end(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path, code: int
) -> None:
    fake.commands["pg_isready -h /run"] = (code, "wörter".encode() * 1000)
    found = streams.run(target(server, tmp_path, pod="p", container="db"), ["pg_isready", "-h", "/run"], 5, 10_000)
    assert found == (code, "wörter".encode() * 1000)
    call = fake.calls[-1]
    assert call.path == "/api/v1/namespaces/todo/pods/p/exec" and call.query["container"] == "db"
    assert call.headers["authorization"] == "Bearer hunter2-token"


def test_exec_is_bounded(fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path) -> None:
    with pytest.raises(CheckError) as caught:
        streams.run(target(server, tmp_path, pod="p"), ["sleep"], 0.3, 100)
    assert caught.value.code == "read_timeout" and "still ran after 0.3 s" in caught.value.detail
    fake.commands["yes"] = (0, b"y" * 1000)
    with pytest.raises(CheckError) as caught:
        streams.run(target(server, tmp_path, pod="p"), ["yes"], 5, 100)
    assert caught.value.code == "body_too_large"


def test_exec_in_a_pod_that_is_gone(server: Served, streams: PodStreams, tmp_path: Path) -> None:
    with pytest.raises(CheckError) as caught:
        streams.run(target(server, tmp_path, pod="gone"), ["x"], 5, 100)
    assert caught.value.code == "pod_not_found" and "gone" in caught.value.detail


def test_forward_translates_the_port_and_ends_with_our_socket(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path, behind: socket.socket
) -> None:
    fake.forwarded = behind.getsockname()[1]
    ours = streams.forward(target(server, tmp_path, service="web"), 80, 5)
    theirs, _address = behind.accept()
    with theirs:
        assert (fake.calls[-1].path, fake.calls[-1].query["ports"]) == (
            "/api/v1/namespaces/todo/pods/p/portforward",
            "8000",
        )
        ours.sendall(b"x" * 100_000)
        received = b""
        while len(received) < 100_000:
            received += theirs.recv(65536)
        theirs.sendall(b"hello")
        assert ours.recv(10) == b"hello"
        ours.close()
        assert theirs.recv(10) == b""


@pytest.mark.parametrize("refused", [True, False])
def test_forward_ends_with_the_pod(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path, behind: socket.socket, refused: bool
) -> None:
    fake.forwarded = None if refused else behind.getsockname()[1]
    with streams.forward(target(server, tmp_path, pod="p", port=8000), 1, 5) as ours:
        assert fake.calls[-1].query["ports"] == "8000"
        if not refused:
            behind.accept()[0].close()
        ours.settimeout(5)
        assert ours.recv(10) == b""


def test_streams_speak_tls_with_the_name_of_the_kubeconfig(
    fake: FakeKubernetes, streams: PodStreams, tmp_path: Path, authority: Any
) -> None:
    fake.commands["x"] = (0, b"fine")
    with serve(fake, authority.context("kubernetes.default")) as server:
        trusted = {"certificate_authority": authority.path, "tls_server_name": "kubernetes.default"}
        path = server.kubeconfig(tmp_path, **trusted)
        assert streams.run(Target("todo", pod="p", kubeconfig=path), ["x"], 5, 100) == (0, b"fine")


def test_streams_go_around_a_proxy_that_must_not_be_used(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.commands["x"] = (0, b"fine")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert streams.run(target(server, tmp_path, pod="p"), ["x"], 5, 100) == (0, b"fine")


def test_api_proxy_has_what_the_kubeconfig_says(server: Served, streams: PodStreams, tmp_path: Path) -> None:
    found = streams.api_proxy(target(server, tmp_path, service="web"), "https://web/a?b=c")
    assert found.url == f"{server.url}/api/v1/namespaces/todo/services/https:web:443/proxy/a?b=c"
    assert found.headers == {"Authorization": "Bearer hunter2-token"} and found.tls.verify


def test_a_service_without_a_ready_pod(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path
) -> None:
    fake.put("pods", [pod(ready="False")])
    with pytest.raises(CheckError) as caught:
        streams.forward(target(server, tmp_path, service="web"), 80, 5)
    assert caught.value.code == "pod_not_found"
    assert "1 match app=web" in caught.value.detail
    fake.put("services", [{"metadata": {"name": "web"}, "spec": {}}])
    with pytest.raises(CheckError, match="selects no pods"):
        streams.forward(target(server, tmp_path, service="web"), 80, 5)


@pytest.mark.parametrize(
    ("answer", "code"), [(refusal(404, "no web"), "pod_not_found"), (refusal(403, "no right"), "kubernetes_api")]
)
def test_refusal_is_told(
    fake: FakeKubernetes, server: Served, streams: PodStreams, tmp_path: Path, answer: Answer, code: str
) -> None:
    fake.go_wrong(answer)
    with pytest.raises(CheckError) as caught:
        streams.forward(target(server, tmp_path, service="web"), 80, 5)
    assert caught.value.code == code and json.loads(answer.content())["message"] in caught.value.detail


def test_client_is_made_once_for_each_kubeconfig(server: Served, streams: PodStreams, tmp_path: Path) -> None:
    given = target(server, tmp_path, service="web")
    threads = [threading.Thread(target=streams.pod, args=(given, 5)) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (tmp_path / "kubeconfig").unlink()
    assert streams.pod(given, 5)[0] == "p"
    with pytest.raises(CheckError) as caught:
        streams.pod(Target("todo", service="web", kubeconfig=given.kubeconfig, context="other"), 5)
    assert caught.value.code == "kubeconfig_invalid"


def test_library_that_is_missing_is_told(streams: PodStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HAS_KUBERNETES", False)
    with pytest.raises(CheckError) as caught:
        streams.pod(Target(), 5)
    assert caught.value.code == "library_missing"


def test_closing_does_not_wait_for_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on, closed, ends = threading.Event(), threading.Event(), [], []

    class Slow:
        def __init__(self, *_key: object) -> None:
            begun.set()
            goes_on.wait(10)

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(client, "KubernetesClient", Slow)
    found = PodStreams()

    def ask() -> None:
        try:
            found.pod(Target(pod="p"), 1)
        except CheckError as error:
            ends.append(error.code)

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(10)
    closing = threading.Thread(target=found.close)
    closing.start()
    closing.join(10)
    stuck = closing.is_alive()
    goes_on.set()
    asking.join(10)
    assert not stuck
    assert (len(closed), ends) == (1, ["deadline"])
