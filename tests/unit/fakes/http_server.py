# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server that misbehaves on demand, chosen by the path."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Handler = Callable[["Server", socket.socket, str, str, dict[str, str], bytes], None]


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    """Encode an answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunked(body: bytes, size: int = 7) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """One thread per connection; what it does is chosen by the path."""

    sock: socket.socket
    context: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    routes: dict[str, Handler | bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _peer = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.closing(connection):
            connection.settimeout(20)
            if self.context:
                connection = self._handshake(connection, self.context)
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            head, _blank, body = data.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _version = first.split(" ")
            headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
            while len(body) < int(headers.get("content-length", 0)):
                body += connection.recv(65536)
            self.seen.append(Seen(method, path, headers, body))
            key = path.partition("?")[0]
            self.counts[key] = self.counts.get(key, 0) + 1
            route = self.routes.get(key, answer("404 Not Found", b"no such page"))
            if isinstance(route, bytes):
                connection.sendall(route)
            else:
                route(self, connection, method, path, headers, body)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def _handshake(self, connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
        secure = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            secure.do_handshake()
        except ssl.SSLError:
            # Read on until the client goes: closing at once would reset the connection and lose the alert.
            raw = socket.socket(fileno=secure.detach())
            with contextlib.closing(raw), contextlib.suppress(OSError):
                raw.settimeout(2)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            raise
        return secure

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def sequence(*answers: bytes) -> Handler:
    """Give these answers one after the other, then the last one for ever."""

    def handle(server: Server, connection: socket.socket, _method: str, path: str, *_rest: Any) -> None:
        turn = server.counts[path.partition("?")[0]] - 1
        connection.sendall(answers[min(turn, len(answers) - 1)])

    return handle


def _drip(server: Server, connection: socket.socket, *_rest: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not server.stopped.wait(0.05):
        connection.sendall(b".")


def _drip_head(server: Server, connection: socket.socket, *_rest: Any) -> None:
    while not server.stopped.wait(0.05):
        connection.sendall(b"H")


def _endless(server: Server, connection: socket.socket, *_rest: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.stopped.is_set():
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def _reset(_server: Server, connection: socket.socket, *_rest: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    time.sleep(0.05)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _silent(server: Server, *_rest: Any) -> None:
    server.stopped.wait()


def _slow(_server: Server, connection: socket.socket, *_rest: Any) -> None:
    time.sleep(0.4)
    connection.sendall(answer(body=b"late"))


def _echo(_server: Server, connection: socket.socket, method: str, path: str, headers: Any, body: bytes) -> None:
    text = json.dumps({"method": method, "path": path, "headers": headers, "body": body.decode()})
    connection.sendall(answer(body=text.encode()))


PAGE = json.dumps({"text": "hello " * 20}).encode()
_raw = zlib.compressobj(wbits=-15)
ROUTES: dict[str, Handler | bytes] = {
    "/": answer("200 OK", b"<html>hello</html>"),
    "/drip": _drip,
    "/drip-head": _drip_head,
    "/endless": _endless,
    "/reset": _reset,
    "/silent": _silent,
    "/slow": _slow,
    "/echo": _echo,
    "/empty": b"",
    "/bad": b"SSH-2.0-OpenSSH_9.2\r\n",
    "/bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc",
    "/bad-header": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "/bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "/huge-headers": b"HTTP/1.1 200 OK\r\n" + b"X-Big: " + b"a" * 100_000 + b"\r\n\r\n",
    "/many-headers": b"HTTP/1.1 200 OK\r\n" + b"X-Many: aaaaaaaaaaaaaaaa\r\n" * 5000 + b"\r\n",
    "/chunked-gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    + chunked(gzip.compress(PAGE)),
    "/deflate": answer("200 OK", zlib.compress(PAGE), "Content-Encoding: deflate"),
    "/deflate-raw": answer("200 OK", _raw.compress(PAGE) + _raw.flush(), "Content-Encoding: deflate"),
    "/bomb": answer("200 OK", gzip.compress(b"\0" * 50_000_000), "Content-Encoding: gzip"),
    "/cut-gzip": answer("200 OK", gzip.compress(PAGE)[:-12], "Content-Encoding: gzip"),
    "/not-gzip": answer("200 OK", b"plain", "Content-Encoding: gzip"),
    "/brotli": answer("200 OK", b"x", "Content-Encoding: br"),
    "/until-close": b"HTTP/1.0 200 OK\r\nX-One: 1\r\nX-One: 2\r\n\r\nold",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + answer(body=b"final"),
    "/loop-a": answer("302 Found", b"", "Location: /loop-b"),
    "/loop-b": answer("302 Found", b"", "Location: /loop-a"),
    "/hop-1": answer("301 Moved", b"", "Location: /hop-2"),
    "/hop-2": answer("307 Moved", b"", "Location: /hop-3"),
    "/hop-3": answer(body=b"arrived"),
    "/hop-bad": answer("302 Found", b"", "Location: gopher://nowhere"),
    "/json": answer(
        "200 OK",
        json.dumps({"status": "ok", "count": 3, "items": [1, 2], "none": None, "share": 0.5, "on": True}).encode(),
        "Content-Type: application/json",
        "X-Digest: abc123",
    ),
}
