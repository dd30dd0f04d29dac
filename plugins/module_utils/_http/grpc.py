# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gRPC health protocol (grpc.health.v1.Health/Check) in the few HTTP/2 frames it needs. Private.

Written by hand for now: grpcio would bring a compiled library with threads of its own to every host, for one call with one message.
One call on one connection: preface, settings, headers, one message; then frames are read until the message or
the end. Header compression is written in its literal form only, and the answer's headers are not decoded: the
answer's message says all there is, and a call that ends without one was refused.
Sources: RFC 9113 (frames), RFC 7541 section 6.2 (literal fields), the gRPC over HTTP/2 protocol description.
"""

from __future__ import annotations

import struct

from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
MAX_FRAME = 16384
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


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


def request(authority: str, scheme: str, service: str) -> bytes:
    """Return all bytes that the client sends for one call."""
    name = service.encode()
    message = b"\x0a" + varint(len(name)) + name if name else b""
    fields = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "slipway-health-check"),
    ]
    body = b"\0" + struct.pack(">I", len(message)) + message
    head = frame(HEADERS, END_HEADERS, 1, header_block(fields))
    return PREFACE + frame(SETTINGS, 0, 0) + head + frame(DATA, END_STREAM, 1, body)


def serving_status(message: bytes) -> int:
    """Read the enum field 1 of a HealthCheckResponse; an absent field means 0 as in all of proto3."""
    if not message:
        return 0
    if message[0] != 0x08 or len(message) < 2:
        raise CheckError("protocol_error", f"The health message begins with {message[:8]!r}.")
    return message[1]


async def ask(connection: Connection, authority: str, scheme: str, service: str) -> str:
    """Make the call and return the state's name; raises CheckError when there is no answer."""
    await connection.send(request(authority, scheme, service))
    data = b""
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
        elif kind == GOAWAY or (kind == RST_STREAM and stream == 1):
            raise CheckError("grpc_unimplemented", "It ended the call without an answer.")
        elif kind == DATA and stream == 1:
            if flags & PADDED and payload:
                payload = payload[1 : len(payload) - payload[0]]
            data += payload
            if len(data) >= 5 and int.from_bytes(data[1:5], "big") > MAX_FRAME:
                raise CheckError("protocol_error", "Its health message announces more bytes than one can have.")
            if len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5], "big"):
                if data[0]:
                    raise CheckError("encoding_error", "The health message is compressed.")
                number = serving_status(data[5 : 5 + int.from_bytes(data[1:5], "big")])
                return STATES.get(number, str(number))
        if kind in (DATA, HEADERS) and stream == 1 and flags & END_STREAM:
            raise CheckError("grpc_unimplemented", f"Service {service!r}." if service else "")
