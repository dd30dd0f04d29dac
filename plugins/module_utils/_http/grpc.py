# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gRPC health protocol (grpc.health.v1.Health/Check) in the few HTTP/2 frames it needs. Private.

The frames are written by hand: grpcio would bring a compiled library with threads of its own to every host, and h2 closes its state
machine at GOAWAY, after which a server may still answer what it has taken (RFC 9113, 6.8). Headers are decoded by hpack.
One call on one connection: preface, settings, headers, one message; then frames are read to the end of the call. Header compression is
written in its literal form only.
Sources: RFC 9113 (frames), RFC 7541 section 6.2 (literal fields), the gRPC over HTTP/2 protocol description.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.slipway.kube.plugins.module_utils._http.address import authority_of
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

with contextlib.suppress(ImportError):  # the modules say so, by _common.requires
    import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
MAX_FRAME = 16384
MAX_HEADER_BYTES = 64 * 1024
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of the values of grpc-status, in their order."""
NO_HEALTH = frozenset({"NOT_FOUND", "UNIMPLEMENTED"})
"""What a server answers that does not know the service, or health at all."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode one frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _length(count: int) -> bytes:
    if count < 127:
        return bytes((count,))
    rest, out = count - 127, bytearray((127,))
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes((*out, rest))


def header_block(fields: list[tuple[str, str]]) -> bytes:
    """Encode header fields as literals without indexing and without Huffman coding (RFC 7541, 6.2.2)."""
    block = bytearray()
    for name, value in fields:
        block += b"\0" + _length(len(name)) + name.encode("ascii") + _length(len(value.encode())) + value.encode()
    return bytes(block)


def varint(number: int) -> bytes:
    """Encode a Protocol Buffers varint."""
    out = bytearray()
    while number > 127:
        out.append(number % 128 + 128)
        number //= 128
    return bytes((*out, number))


def request(host: str, port: int, scheme: str, service: str) -> bytes:
    """Return all bytes that the client sends for one call."""
    name = service.encode()
    message = b"\x0a" + varint(len(name)) + name if name else b""
    fields = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority_of(host, port)),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "slipway-health-check"),
    ]
    body = b"\0" + struct.pack(">I", len(message)) + message
    head = frame(HEADERS, END_HEADERS, 1, header_block(fields))
    return PREFACE + frame(SETTINGS, 0, 0) + head + frame(DATA, END_STREAM, 1, body)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a Protocol Buffers varint and the index behind it. Raises IndexError for one without an end."""
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _varint_fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Yield number and value of each varint field; all others are passed over, as Protocol Buffers demand of unknown ones."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(message, at)
            yield key >> 3, value
        elif kind == 2:
            size, at = _read_varint(message, at)
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise IndexError
    if at > len(message):
        raise IndexError


def serving_status(message: bytes) -> int:
    """Read the enum field 1 of a HealthCheckResponse; an absent field means 0 as in all of proto3, of several the last counts."""
    try:
        return dict(_varint_fields(message)).get(1, 0)
    except IndexError:
        raise CheckError("protocol_error", f"The health message begins with {message[:8]!r}.") from None


@dataclass
class _Call:
    """What has arrived of the answer to one call."""

    decoder: hpack.Decoder
    block: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)

    def add_block(self, payload: bytes, *, ends: bool) -> None:
        self.block += payload
        if len(self.block) > MAX_HEADER_BYTES:
            raise CheckError("headers_too_large")
        if not ends:
            return
        try:
            fields = self.decoder.decode(bytes(self.block))
        except hpack.HPACKError:
            raise CheckError("protocol_error", "Its header block cannot be decoded.") from None
        self.headers |= {str(name): str(value) for name, value in fields}
        self.block.clear()

    def add_data(self, payload: bytes) -> None:
        self.data += payload
        if len(self.data) > MAX_FRAME or (len(self.data) >= 5 and int.from_bytes(self.data[1:5], "big") > MAX_FRAME):
            raise CheckError("protocol_error", "Its health message announces more bytes than one can have.")

    def state(self, service: str) -> str:
        """Return the name of the state that the call ended with; raises CheckError when it ended with none."""
        status = self.headers.get(":status", "")
        if status != "200":
            raise CheckError("grpc_failed", f"It answered HTTP {status or 'nothing'}.")
        number = self.headers.get("grpc-status", "")
        if not number.isdigit():
            raise CheckError("grpc_failed", "The call ended without grpc-status.")
        code = CODES[int(number)] if int(number) < len(CODES) else number
        if code in NO_HEALTH:
            raise CheckError("grpc_unimplemented", f"{code}{f' for service {service!r}' if service else ''}.")
        if code != "OK":
            said = self.headers.get("grpc-message", "")[:120]
            raise CheckError("grpc_failed", f"It ended with {code}{f': {said}' if said else ''}.")
        size = int.from_bytes(self.data[1:5], "big")
        if len(self.data) < 5 or len(self.data) < 5 + size:
            raise CheckError("protocol_error", "The health message is missing.")
        if self.data[0]:
            raise CheckError("encoding_error", "The health message is compressed.")
        found = serving_status(bytes(self.data[5 : 5 + size]))
        return STATES.get(found, str(found))


def _unpadded(flags: int, payload: bytes, *, headers: bool) -> bytes:
    """Return what a frame carries, without padding and priority (RFC 9113, 6.1 and 6.2)."""
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise CheckError("protocol_error", "The padding of a frame is longer than the frame.")
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if headers and flags & PRIORITY else payload


async def ask(connection: Connection, host: str, port: int, scheme: str, service: str) -> str:
    """Make the call and return the state's name; raises CheckError when there is no answer."""
    await connection.send(request(host, port, scheme, service))
    call = _Call(hpack.Decoder(max_header_list_size=MAX_HEADER_BYTES))
    ending = False
    while True:
        head = await connection.exactly(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        if size > MAX_FRAME or head.startswith(b"HTTP/"):
            raise CheckError("protocol_error", "It does not speak HTTP/2.")
        payload = await connection.exactly(size)
        if kind == SETTINGS and not flags & ACK:
            await connection.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            await connection.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY and int.from_bytes(payload[:4], "big") & 0x7FFFFFFF < 1:
            # It has not taken the call. Of one that it has taken the answer may still come.
            raise CheckError("grpc_failed", "It is shutting down (GOAWAY).")
        elif kind == RST_STREAM and stream == 1:
            raise CheckError("grpc_failed", f"It reset the call with HTTP/2 error {int.from_bytes(payload, 'big')}.")
        elif kind == DATA and stream == 1:
            call.add_data(_unpadded(flags, payload, headers=False))
        elif kind == HEADERS and stream == 1:
            ending = bool(flags & END_STREAM)
            call.add_block(_unpadded(flags, payload, headers=True), ends=bool(flags & END_HEADERS))
        elif kind == CONTINUATION and stream == 1:
            call.add_block(payload, ends=bool(flags & END_HEADERS))
        ended = (kind == DATA and flags & END_STREAM) or (ending and not call.block)
        if stream == 1 and ended:
            return call.state(service)
