# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that misbehave, certificates of every kind, and a way to run checks against them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import parse_checks
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._health.runner import Runner
from certificates import Authority, make_authority
from http_server import ROUTES, Server, answer, sequence


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(context: ssl.SSLContext | None = None, family: int = socket.AF_INET, address: Any = None) -> Server:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.bind(address or (("::1", 0) if family == socket.AF_INET6 else ("127.0.0.1", 0)))
        sock.listen(512)
        server = Server(sock, context, routes=dict(ROUTES))
        servers.append(server)
        threading.Thread(target=server.serve, daemon=True).start()
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def run() -> Callable[..., list[dict[str, Any]]]:
    """Run checks given as option dictionaries; return the masked results in order."""

    def go(*params: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        hidden = options.pop("secrets", {})
        variables = {**options.pop("variables", {}), **hidden}
        checks = parse_checks([{"retry_for": 0, **item} for item in params], list(variables), compile_path)
        masker = Masker(hidden.values())
        runner = Runner(checks, {"run_id": "12345678", **variables}, masker, **{"deadline": 20.0, **options})
        runner.prepare()
        found: list[dict[str, Any]] = masker.tree([record.as_result(masker) for record in runner.run()])
        return found

    return go


@pytest.fixture
def stuck() -> Iterator[Callable[..., Any]]:
    """A function that does not return before the test has ended: who goes on has left it behind."""
    over = threading.Event()
    yield lambda *_arguments, **_options: over.wait()
    over.set()


@pytest.fixture
def refused_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def responses() -> Any:
    """The helpers that make answers."""

    class Helpers:
        answer = staticmethod(answer)
        sequence = staticmethod(sequence)

    return Helpers


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))
