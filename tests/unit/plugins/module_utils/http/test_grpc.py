# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call of gRPC's health service, frame by frame."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import hpack
import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import grpc
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.grpc import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    frame,
)

SERVING = b"\0\0\0\0\2\x08\1"
_UNKNOWN = MAX_FRAME - 10  # what its field and the other one leave of a frame
LONGEST = (
    b"\0"
    + struct.pack(">I", MAX_FRAME - 5)
    + bytes([0x12, _UNKNOWN & 127 | 128, _UNKNOWN >> 7])
    + bytes(_UNKNOWN)
    + SERVING[5:]
)


def headers(*fields: tuple[str, str], ends: bool = False, stream: int = 1) -> bytes:
    """A block of headers as another implementation encodes it."""
    block = hpack.Encoder().encode(fields)
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block)


HEAD = headers((":status", "200"), ("content-type", "application/grpc"))
OK = headers(("grpc-status", "0"), ends=True)


def trailers_only(status: str, message: str = "") -> bytes:
    return headers((":status", "200"), ("grpc-status", status), ("grpc-message", message), ends=True)


class Wire:
    """A connection whose server sends what it is given and then ends."""

    def __init__(self, *frames: bytes) -> None:
        self.sent: list[bytes] = []
        self._data = b"".join(frames)

    async def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def exactly(self, count: int) -> bytes:
        if len(self._data) < count:
            raise CheckError("connection_closed", "The server has ended.")
        found, self._data = self._data[:count], self._data[count:]
        return found


def ask(wire: Any, service: str = "") -> str:
    return asyncio.run(grpc.ask(wire, "api", 50051, "http", service))


@pytest.mark.parametrize(
    ("message", "state"),
    [
        pytest.param([frame(DATA, 0, 1, SERVING)], "SERVING", id="one frame"),
        pytest.param([frame(DATA, 0, 1, SERVING[:3]), frame(DATA, 0, 1, SERVING[3:])], "SERVING", id="two frames"),
        pytest.param(
            [frame(DATA, 0, 3, b"\0\0\0\0\2\x08\2"), frame(RST_STREAM, 0, 3, b"\0" * 4), frame(DATA, 0, 1, SERVING)],
            "SERVING",
            id="other streams",
        ),
        pytest.param([frame(DATA, PADDED, 1, b"\3" + SERVING + b"\0\0\0")], "SERVING", id="padding"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\0")], "UNKNOWN", id="no field"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\2\x08\2")], "NOT_SERVING", id="not serving"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\3\x08\x89\1")], "137", id="unknown state"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\4\x10\5\x08\1")], "SERVING", id="unknown number"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\7\x12\3abc\x08\1")], "SERVING", id="unknown text"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\7\x08\1\x1d\0\0\0\0")], "SERVING", id="unknown fixed number"),
        pytest.param([frame(DATA, 0, 1, b"\0\0\0\0\4\x08\2\x08\1")], "SERVING", id="the last one counts"),
        pytest.param([frame(DATA, 0, 1, SERVING + b"\x08")], "SERVING", id="more than the message"),
        pytest.param([frame(DATA, 0, 1, LONGEST)], "SERVING", id="as long as one can be"),
        pytest.param(
            [frame(GOAWAY, 0, 0, struct.pack(">II", 1, 0)), frame(DATA, 0, 1, SERVING)],
            "SERVING",
            id="GOAWAY after the call",
        ),
    ],
)
def test_the_state_is_read(message: list[bytes], state: str) -> None:
    assert ask(Wire(HEAD, *message, OK)) == state


def test_headers_may_be_continued_and_padded() -> None:
    block = hpack.Encoder().encode([("grpc-status", "0"), ("x-long", "y" * 300)])
    padded = frame(HEADERS, PADDED | PRIORITY | END_STREAM, 1, b"\2" + bytes(5) + block[:9] + b"\0\0")
    assert (
        ask(Wire(HEAD, frame(DATA, 0, 1, SERVING), padded, frame(CONTINUATION, END_HEADERS, 1, block[9:]))) == "SERVING"
    )


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "protocol_error"),
        ([struct.pack(">I", MAX_FRAME + 1)[1:] + bytes(6) + bytes(MAX_FRAME + 1)], "protocol_error"),
        ([frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))], "grpc_failed"),
        ([frame(RST_STREAM, 0, 1, b"\0\0\0\7")], "grpc_failed"),
        ([headers((":status", "200"), ends=True)], "grpc_failed"),
        ([headers((":status", "502"), ends=True)], "grpc_failed"),
        ([trailers_only("14", "the pool is empty")], "grpc_failed"),
        ([trailers_only("5")], "grpc_unimplemented"),
        ([trailers_only("12")], "grpc_unimplemented"),
        ([trailers_only("99")], "grpc_failed"),
        ([trailers_only("0")], "protocol_error"),
        ([HEAD, frame(DATA, 0, 1, SERVING), headers(("grpc-status", "13"), ends=True)], "grpc_failed"),
        ([HEAD, frame(DATA, 0, 1, b"\1" + SERVING[1:]), OK], "encoding_error"),
        ([HEAD, frame(DATA, 0, 1, b"\0\0\xff\0\0"), OK], "protocol_error"),
        ([HEAD, frame(DATA, 0, 1, b"\0\0\0\0\3\x0b\x08\1"), OK], "protocol_error"),
        ([HEAD, frame(DATA, 0, 1, b"\0\0\0\0\1\x08"), OK], "protocol_error"),
        ([HEAD, frame(DATA, 0, 1, b"\0\0\0\0\3\x12\x7fa"), OK], "protocol_error"),
        ([HEAD, frame(DATA, PADDED, 1, b"\x0f" + SERVING), OK], "protocol_error"),
        ([frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff")], "protocol_error"),
        (
            [frame(HEADERS, 0, 1, bytes(MAX_FRAME)), *[frame(CONTINUATION, 0, 1, bytes(MAX_FRAME))] * 4],
            "headers_too_large",
        ),
        ([HEAD, frame(DATA, 0, 1, SERVING)], "connection_closed"),
    ],
)
def test_what_is_no_answer_is_a_fault(frames: list[bytes], code: str) -> None:
    with pytest.raises(CheckError) as fault:
        ask(Wire(*frames))
    assert fault.value.code == code


def test_the_reason_that_a_server_gives_is_told() -> None:
    with pytest.raises(CheckError, match="UNAVAILABLE: the pool is empty"):
        ask(Wire(trailers_only("14", "the pool is empty")))


@pytest.mark.parametrize(
    ("host", "authority"), [("api", b"api:50051"), ("::1", b"[::1]:50051"), ("fe80::1%eth0", b"[fe80::1]:50051")]
)
def test_the_authority_of_an_ipv6_address_has_brackets(host: str, authority: bytes) -> None:
    assert b":authority" + bytes([len(authority)]) + authority in grpc.request(host, 50051, "http", "")


def test_settings_and_pings_are_acknowledged_once() -> None:
    wire = Wire(
        frame(SETTINGS, 0, 0, b"\0\3\0\0\0\1"),
        frame(SETTINGS, ACK, 0),
        frame(PING, 0, 0, b"12345678"),
        frame(PING, ACK, 0, b"87654321"),
        HEAD,
        frame(DATA, 0, 1, SERVING),
        OK,
    )
    assert ask(wire) == "SERVING"
    assert wire.sent[1:] == [frame(SETTINGS, ACK, 0), frame(PING, ACK, 0, b"12345678")]


@pytest.mark.parametrize(
    ("service", "message"),
    [("", b""), ("todo", b"\x0a\x04todo"), ("x" * 300, b"\x0a\xac\x02" + b"x" * 300)],
    ids=["server", "short", "long"],
)
def test_the_message_names_the_service(service: str, message: bytes) -> None:
    wire = Wire(HEAD, frame(DATA, 0, 1, SERVING), OK)
    ask(wire, service)
    body = b"\0" + struct.pack(">I", len(message)) + message
    assert wire.sent[0].startswith(grpc.PREFACE + frame(SETTINGS, 0, 0))
    assert wire.sent[0].endswith(frame(DATA, END_STREAM, 1, body))
