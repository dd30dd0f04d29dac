# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSocket (RFC 6455) over a connection of a health check: one handshake, a few messages, the end. Private to the collection.

The handshake is an HTTP/1.1 request, read by h11. The frames are written by hand, because the libraries that frame WebSocket without
sockets of their own are not among those that a deploy needs anyway.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.http11 import ResponseReader, encode_request
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NO_STATUS = 1005
"""Stands for a close frame without a code (RFC 6455, 7.4.1)."""
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(f"{key}{_ACCEPT}".encode(), usedforsecurity=False).digest()).decode()


def frame(kind: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Encode one whole message as a frame; a client's has a mask of four bytes (RFC 6455, 5.2)."""
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else struct.pack(">BH", 126, size)
        if size < 1 << 16
        else struct.pack(">BQ", 127, size)
    )
    if mask is None:
        return bytes([0x80 | kind]) + length + payload
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 | kind, 0x80 | length[0]]) + length[1:] + mask + masked


@dataclass
class WebSocket:
    """An open WebSocket, the client's side."""

    connection: Connection
    limit: int
    subprotocol: str = ""
    _pieces: list[bytes] = field(default_factory=list)
    _received: int = 0

    async def send(self, text: str) -> None:
        """Send a text message."""
        await self._send(TEXT, text.encode())

    async def _send(self, kind: int, payload: bytes) -> None:
        await self.connection.send(frame(kind, payload, os.urandom(4)))

    async def receive(self) -> str | bytes | int:
        """Return the next message, or the code of the close frame that the server sends in its place. Raises CheckError."""
        binary = False
        while True:
            final, kind, payload = await self._frame()
            if kind == PING:
                await self._send(PONG, payload)
            elif kind == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else NO_STATUS
                await self._send(CLOSE, payload[:2])
                return int(code)
            elif kind in (TEXT, BINARY, CONTINUATION):
                if (kind == CONTINUATION) != bool(self._pieces):
                    raise CheckError("websocket_failed", "A fragment of a message stands in the wrong place.")
                binary = kind == BINARY if kind != CONTINUATION else binary
                # An empty first fragment counts, too.
                self._pieces += [payload or b""]
                if final:
                    message, self._pieces = b"".join(self._pieces), []
                    return message if binary else self._text(message)
            elif kind != PONG:
                raise CheckError("websocket_failed", f"It sent a frame of the unknown kind {kind}.")

    async def close(self, code: int = 1000) -> None:
        """Say good-bye; the answer is not waited for."""
        await self._send(CLOSE, struct.pack(">H", code))

    def _text(self, message: bytes) -> str:
        try:
            return message.decode()
        except UnicodeError:
            raise CheckError("websocket_failed", "A text message is not UTF-8.") from None

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self.connection.exactly(2)
        size = second & 0x7F
        if first & 0x70 or second & 0x80:
            raise CheckError("websocket_failed", "It sent a frame that is masked or compressed.")
        if size > 125:
            size = int.from_bytes(await self.connection.exactly(2 if size == 126 else 8), "big")
        self._received += size
        if self._received > self.limit:
            raise CheckError("body_too_large", f"The limit is {self.limit} bytes.")
        return bool(first & 0x80), first & 0x0F, await self.connection.exactly(size)


async def open_websocket(
    connection: Connection, url: str, headers: Mapping[str, str], subprotocols: Sequence[str], limit: int
) -> tuple[WebSocket, Response]:
    """Shake hands over a connection; raises CheckError websocket_refused when the server does not switch."""
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    if subprotocols:
        asked["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    http = url.replace("ws", "http", 1)
    protocol, data = encode_request(Request("GET", http, {**headers, **asked}))
    await connection.send(data)
    reader = ResponseReader(connection, protocol, may_switch=True)
    response = await reader.head()
    response.url, response.certificate = url, connection.certificate
    if response.status != 101:
        raise CheckError("websocket_refused", f"It answered {response.status}.")
    if response.header("sec-websocket-accept") != [accept_key(key)]:
        raise CheckError("websocket_refused", "Its Sec-WebSocket-Accept does not belong to this request.")
    chosen = ", ".join(response.header("sec-websocket-protocol"))
    if chosen not in (subprotocols or ("",)):
        named = f"It chose the subprotocol {chosen[:40]!r}" if chosen else "It chose no subprotocol"
        raise CheckError("websocket_refused", f"{named}, offered are {', '.join(subprotocols) or 'none'}.")
    connection.put_back(reader.rest())
    return WebSocket(connection, limit, chosen), response
