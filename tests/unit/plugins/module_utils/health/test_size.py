# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand checks in one task stay within 200 MB and 64 threads."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MOST_MEMORY = 200_000  # KiB
MOST_THREADS = 128  # each of the hundred names may have one while it is looked up
# The module in a process of its own, with name servers that are slow and then know nothing.
PROGRAM = """
import json, socket, sys, time
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.modules import health_check

def unknown(*_arguments, **_options):
    time.sleep(0.02)
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

socket.getaddrinfo = unknown
with patch_module_args(json.load(sys.stdin)):
    health_check.main()
"""


@pytest.fixture
def endpoints(authority: Any) -> Iterator[tuple[int, int]]:
    """Ports of a plain and a TLS server that answer after 50 ms, all connections side by side in one thread."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        body = b'{"status": "ok", "filler": "' + b"x" * 20_000 + b'"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def start() -> tuple[int, int]:
        servers = [
            await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512, ssl=context)
            for context in (None, authority.context("todo.local"))
        ]
        first, second = (int(server.sockets[0].getsockname()[1]) for server in servers)
        return first, second

    ports = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield ports
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def status(pid: int) -> dict[str, int]:
    """Return threads and the greatest memory (KiB) so far of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(Threads|VmHWM):\s+(\d+)", text, re.MULTILINE))
    return {key: int(value) for key, value in found.items()}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
def test_a_thousand_checks(endpoints: tuple[int, int], authority: Any, tmp_path: Path) -> None:
    plain, secure = endpoints
    ok = {"json": [{"path": "status", "equals": "ok"}]}
    checks: list[dict[str, Any]] = [
        {"name": f"plain {at}", "url": f"http://127.0.0.1:{plain}/{at}", "expect": ok} for at in range(700)
    ]
    checks += [
        {
            "name": f"tls {at}",
            "url": f"https://127.0.0.1:{secure}/{at}",
            # Options of their own must not mean authorities of their own.
            "tls": {"verify": False, "server_name": f"name{at}.example", "min_days_left": at % 7},
        }
        for at in range(200)
    ]
    checks += [{"name": f"name {at}", "url": f"http://name{at}.example/", "retry_for": 0} for at in range(100)]
    params = {"checks": checks, "deadline": 60, "report_json": str(tmp_path / "result.json")}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(params))
    process.stdin.close()
    seen = {"Threads": 0, "VmHWM": 0}
    while process.poll() is None:
        now = status(process.pid)
        seen = {key: max(most, now.get(key, 0)) for key, most in seen.items()}
        time.sleep(0.005)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["summary"] == {"total": 1000, "healthy": 900, "unhealthy": 100, "skipped": 0}, result["msg"]
    assert {item["last_error"]["code"] for item in result["checks"] if item["last_error"]} == {"dns_failed"}
    assert 0 < seen["Threads"] <= MOST_THREADS, seen
    assert 0 < seen["VmHWM"] <= MOST_MEMORY, seen


def test_port_forwards_are_few_at_a_time(run: Any, server: Any) -> None:
    lock, now, most = threading.Lock(), 0, 0

    class Streams:
        """Counts the connections that are open; each costs two threads."""

        def close(self) -> None:
            """Nothing is open."""

        def forward(self, _target: Any, _port: int, _timeout: float) -> socket.socket:
            nonlocal now, most
            sock = Counted(socket.AF_INET, socket.SOCK_STREAM)
            sock.connect(("127.0.0.1", server.port))
            with lock:
                now += 1
                most = max(most, now)
            return sock

    class Counted(socket.socket):
        def close(self) -> None:
            nonlocal now
            with lock:
                now -= self.fileno() >= 0
            super().close()

    def late(_server: Any, connection: socket.socket, *_rest: Any) -> None:
        time.sleep(0.02)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server.routes["/late"] = late
    check = {"url": "http://web/late", "via": "port_forward", "kubernetes": {"pod": "web"}, "timeout": 5}
    results = run(*({"name": str(at), **check} for at in range(100)), cluster=Streams())
    assert {item["state"] for item in results} == {"healthy"}
    assert 1 < most <= 16


def test_ssl_contexts_are_few() -> None:
    from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls, make_context

    contexts = {id(make_context(Tls(server_name=str(at), min_days_left=at))) for at in range(50)}
    assert len(contexts) == 1
    assert isinstance(make_context(Tls()), ssl.SSLContext)
