# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 over one connection: h11 frames, the limits and the faults are decided here. Private to the collection."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._http.address import DEFAULT_PORTS, Origin, authority_of
from ansible_collections.slipway.kube.plugins.module_utils._http.decoders import ACCEPTED, BodyDecoder
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response

with contextlib.suppress(ImportError):  # the modules say so, by _common.requires
    import h11

MAX_HEADER_BYTES = 64 * 1024
MAX_CHUNK_LINE = 4096
MAX_TUNNEL_BYTES = 16 * 1024
MAX_INTERIM = 10
# h11 looks at lines when all headers are there, which a port that speaks something else may never send.
# An HTTP/2 server that is asked in HTTP/1.1 must not claim another major version (RFC 9112, 2.3).
_BEGINNING = re.compile(rb"HTTP/1\.\d [1-9]\d\d(?: [^\r\n]*)?\r?\n(?![ \t])")
_BYTES = re.compile(r"bytearray\(b(.*)\)", re.DOTALL)


class Stream(Protocol):
    """What an answer is read from."""

    @property
    def received(self) -> int: ...

    @property
    def cut(self) -> bool: ...

    async def receive(self) -> bytes: ...


def encode_request(
    request: Request, *, absolute: bool = False, extra: Mapping[str, str] | None = None
) -> tuple[h11.Connection, bytes]:
    """Return the bytes of a request and the state in which its answer is read; absolute form is what a plain proxy wants.

    Raises CheckError placeholder_invalid when a header cannot be sent.
    """
    scheme, host, port = Origin.of(request.url)
    parts = urlsplit(request.url)
    authority = authority_of(host, None if port == DEFAULT_PORTS[scheme] else port)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    headers = {"Host": authority, "User-Agent": "slipway-health-check", "Accept": "*/*"}
    headers |= {"Accept-Encoding": ACCEPTED, **(extra or {})}
    for key, value in request.headers.items():
        for default in [known for known in headers if known.lower() == key.lower()]:
            del headers[default]
        headers[key] = value
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(request.body or b""))
    if not any(name.lower() == "connection" for name in headers):
        headers["Connection"] = "close"
    return _encode(request.method, f"{scheme}://{authority}{path}" if absolute else path, headers, request.body or b"")


def _encode(
    method: str, target: str, headers: Mapping[str, str], body: bytes = b"", limit: int = MAX_HEADER_BYTES
) -> tuple[h11.Connection, bytes]:
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=limit)
    try:
        # White space around a value is no part of it (RFC 9110, 5.5).
        pairs = [(key.encode("latin-1"), value.strip(" \t").encode("latin-1")) for key, value in headers.items()]
        parts = [protocol.send(h11.Request(method=method, target=target, headers=pairs))]
        parts += [protocol.send(h11.Data(data=body))] if body else []
        parts.append(protocol.send(h11.EndOfMessage()))
    except UnicodeEncodeError:
        raise CheckError("placeholder_invalid", "A header holds letters outside Latin-1.") from None
    except h11.LocalProtocolError:
        # Its text is not shown, because it quotes the header.
        raise CheckError("placeholder_invalid", "A header holds a line break or another control character.") from None
    return protocol, b"".join(part for part in parts if part)


@dataclass
class _Body:
    """The body of an answer while it arrives."""

    decoder: BodyDecoder
    length: int | None
    arrived: int = 0


class ResponseReader:
    """Reads the answer to the request whose state is given (RFC 9112)."""

    def __init__(self, stream: Stream, protocol: h11.Connection, *, may_switch: bool = False) -> None:
        """Read from a stream; the answer may switch to another protocol (101) if told so."""
        self._stream, self._protocol, self._may_switch = stream, protocol, may_switch
        self._in_head, self._ended = True, False

    async def read(self, method: str, limit: int) -> Response:
        """Return the answer, interim ones skipped; its body has at most C(limit) decoded bytes. Raises CheckError."""
        response = await self.head()
        body = self._body(response, method, limit)
        parts: list[bytes] = []
        while body and (pieces := await self._pieces(body)) is not None:
            parts += pieces
        response.body = b"".join(parts)
        return response

    async def head(self) -> Response:
        """Return the answer without its body, interim ones skipped. Raises CheckError."""
        head = await self._head()
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers.raw_items()]
        return Response(head.status_code, head.http_version.decode("ascii"), headers)

    async def pieces(self, response: Response, method: str, limit: int) -> AsyncIterator[bytes]:
        """Yield the body in decoded pieces, altogether at most C(limit) bytes. Raises CheckError."""
        body = self._body(response, method, limit)
        while body and (pieces := await self._pieces(body)) is not None:
            for piece in pieces:
                yield piece

    def _body(self, response: Response, method: str, limit: int) -> _Body | None:
        """Return what reads the body of an answer, None for one without a body."""
        if method == "HEAD" or response.status in (204, 304):
            return None
        decoder = BodyDecoder(", ".join(response.header("content-encoding")).strip().lower(), limit)
        given = [] if response.header("transfer-encoding") else response.header("content-length")
        length = int(given[0]) if given else None
        if length is not None and length > limit and not decoder.encoded:
            raise CheckError("body_too_large", f"It announces {length} bytes, the limit is {limit} bytes.")
        return _Body(decoder, length)

    async def _pieces(self, body: _Body) -> list[bytes] | None:
        """Return the next decoded pieces, None at the end."""
        try:
            event = await self._event()
        except _EndedError:
            of = f" of {body.length}" if body.length is not None else ""
            raise CheckError("connection_closed", f"{body.arrived}{of} bytes of the body had arrived.") from None
        if isinstance(event, h11.Data):
            body.arrived += len(event.data)
            return list(body.decoder.feed(bytes(event.data)))
        if self._ended and self._stream.cut:
            # Nothing but the end of the connection ends this body, and without TLS's own end anybody may have cut it.
            text = f"TLS was cut after {body.arrived} bytes of a body without a length."
            raise CheckError("connection_closed", text)
        body.decoder.finish()
        return None

    async def _head(self) -> h11.Response | h11.InformationalResponse:
        for _turn in range(MAX_INTERIM):
            try:
                event = await self._event()
            except _EndedError:
                raise self._no_head() from None
            if isinstance(event, h11.Response):
                if sum(len(name) + len(value) + 4 for name, value in event.headers.raw_items()) > MAX_HEADER_BYTES:
                    raise CheckError("headers_too_large")
                self._in_head = False
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101 and self._may_switch:
                return event
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise CheckError("protocol_error", "It switches to another protocol (101).")
        raise CheckError("protocol_error", f"It sent {MAX_INTERIM} interim answers.")

    def _no_head(self) -> CheckError:
        waiting = self._waiting()
        if not self._stream.received:
            return CheckError("connection_closed", "It sent nothing at all.")
        if waiting[:5] != b"HTTP/"[: len(waiting)]:
            return CheckError("protocol_error", f"It begins with {waiting[:40]!r}.")
        return CheckError("connection_closed", f"{self._stream.received} bytes had arrived.")

    def rest(self) -> bytes:
        """Return what has arrived behind an answer that switches to another protocol."""
        return self._waiting()

    def _waiting(self) -> bytes:
        """What has arrived and is not yet a whole event."""
        return self._protocol.trailing_data[0]

    async def _event(self) -> Any:
        """Return h11's next event; raises CheckError, and _EndedError when the stream ends before one is whole."""
        while True:
            if not self._in_head or self._has_first_line():
                event = self._next_event()
                if event is not h11.NEED_DATA:
                    return event
                if not self._in_head and len(waiting := self._waiting()) > MAX_CHUNK_LINE and b"\n" not in waiting:
                    raise CheckError("headers_too_large")
            data = await self._stream.receive()
            self._ended = not data
            self._protocol.receive_data(data)

    def _has_first_line(self) -> bool:
        """Whether h11 may judge the headers so far; raises CheckError when they are none."""
        waiting = self._waiting()
        if self._ended:
            return True
        if b"\n" in waiting:
            if not _BEGINNING.match(waiting):
                raise CheckError("protocol_error", f"It begins with {waiting[:40]!r}.")
            return True
        if len(waiting) > MAX_HEADER_BYTES:
            raise CheckError("headers_too_large")
        return False

    def _next_event(self) -> Any:
        try:
            return self._protocol.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                raise CheckError("headers_too_large") from None
            if self._ended:
                raise _EndedError from None
            text = _BYTES.sub(r"\1", str(error))
            raise CheckError("protocol_error", f"{text[:80]}.") from None


class _EndedError(Exception):
    """The other side closed the connection too early."""


async def open_tunnel(sock: socket.socket, host: str, port: int, headers: Mapping[str, str]) -> None:
    """Ask a proxy at the other end of a socket for a tunnel (RFC 9110, 9.3.6); raises CheckError proxy_failed."""
    loop, authority = asyncio.get_running_loop(), authority_of(host, port)
    protocol, data = _encode("CONNECT", authority, {"Host": authority, **headers}, limit=MAX_TUNNEL_BYTES)
    await loop.sock_sendall(sock, data)
    try:
        while (event := protocol.next_event()) is h11.NEED_DATA:
            # Byte by byte: what follows the proxy's answer belongs to the TLS handshake.
            data = await loop.sock_recv(sock, 1)
            if not data:
                raise CheckError("proxy_failed", "It closed the connection.")
            protocol.receive_data(data)
    except h11.RemoteProtocolError:
        raise CheckError("proxy_failed", "Its answer is not valid HTTP.") from None
    status = event.status_code if isinstance(event, h11.Response | h11.InformationalResponse) else 0
    if not 200 <= status < 300:
        raise CheckError("proxy_failed", f"It answered {status}.")
