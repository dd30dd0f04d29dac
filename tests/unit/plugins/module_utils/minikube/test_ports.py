# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this machine and of a node."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube import ports
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from minikube_objects import Container


def test_free_port_passes_over_taken_ones() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < ports.free_port("127.0.0.1", port) < port + ports.PORTS_TRIED
    assert ports.free_port("127.0.0.1", port) == port


def test_the_last_port_that_is_tried_may_be_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS_TRIED", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert ports.free_port("127.0.0.1", port) == port


def test_a_port_whose_connections_have_just_ended_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            # The side that closes first keeps the connection for a while, in the state TIME_WAIT.
            server.accept()[0].close()
            assert client.recv(1) == b""
    assert ports.free_port("127.0.0.1", port) == port


def test_no_free_port_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS_TRIED", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            MinikubeError, match=f"No port from {port} to {port} is free.*minikube_setup_ingress_first_port"
        ):
            ports.free_port("127.0.0.1", port)


def test_address_of_another_machine_has_no_free_port() -> None:
    with pytest.raises(MinikubeError, match=r"is free on 192\.0\.2\.1"):
        ports.free_port("192.0.2.1", 8080)


def test_api_server_without_a_port_does_not_live() -> None:
    assert ports.api_server_lives(Container()) is False


def test_api_server_that_nobody_answers_for_does_not_live() -> None:
    container = Container()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    container.attrs["NetworkSettings"]["Ports"]["8443/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    assert ports.api_server_lives(container) is False


@pytest.mark.parametrize(
    ("status", "lives"), [("200 OK", True), ("500 Internal Server Error", False), ("what is this?", False)]
)
def test_api_server_with_the_certificate_of_its_own_cluster_lives_when_it_is_well(
    make_server: Callable[..., Any], authority: Any, responses: Any, status: str, lives: bool
) -> None:
    # Of another name, and by an authority that this machine does not know.
    server = make_server(authority.context("minikube"))
    server.routes["/livez"] = responses.answer(status, b"ok")
    container = Container()
    container.attrs["NetworkSettings"]["Ports"]["8443/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
    assert ports.api_server_lives(container) is lives
