# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call of gRPC's health service, frame by frame."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import grpc
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.grpc import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PING,
    RST_STREAM,
    SETTINGS,
    frame,
)

SERVING = b"\0\0\0\0\2\x08\1"


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
    return asyncio.run(grpc.ask(wire, "api:50051", "http", service))


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ([frame(DATA, 0, 1, SERVING)], "SERVING"),
        # In pieces, after the head of the response, and among what belongs to other streams.
        ([frame(HEADERS, 4, 1, b"\x88"), frame(DATA, 0, 1, SERVING[:3]), frame(DATA, 0, 1, SERVING[3:])], "SERVING"),
        (
            [frame(DATA, 0, 3, b"\0\0\0\0\2\x08\2"), frame(RST_STREAM, 0, 3, b"\0" * 4), frame(DATA, 0, 1, SERVING)],
            "SERVING",
        ),
        ([frame(DATA, PADDED, 1, b"\3" + SERVING + b"\0\0\0")], "SERVING"),
        # No field at all, whatever follows the message.
        ([frame(DATA, END_STREAM, 1, b"\0\0\0\0\0")], "UNKNOWN"),
        ([frame(DATA, END_STREAM, 1, b"\0\0\0\0\0!")], "UNKNOWN"),
        ([frame(DATA, 0, 1, b"\0\0\0\0\2\x08\2")], "NOT_SERVING"),
        ([frame(DATA, 0, 1, b"\0\0\0\0\2\x08\x09")], "9"),
    ],
)
def test_the_state_is_read(frames: list[bytes], state: str) -> None:
    assert ask(Wire(*frames)) == state


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "protocol_error"),
        ([struct.pack(">I", MAX_FRAME + 1)[1:] + bytes(6) + bytes(MAX_FRAME + 1)], "protocol_error"),
        ([frame(GOAWAY, 0, 0, b"\0" * 8)], "grpc_unimplemented"),
        ([frame(RST_STREAM, 0, 1, b"\0" * 4)], "grpc_unimplemented"),
        ([frame(HEADERS, 4 | END_STREAM, 1, b"\x88")], "grpc_unimplemented"),
        ([frame(DATA, 0, 1, b"\1" + SERVING[1:])], "encoding_error"),
        ([frame(DATA, 0, 1, b"\0\0\xff\0\0")], "protocol_error"),
        ([frame(DATA, 0, 1, b"\0\0\0\0\2\x10\1")], "protocol_error"),
        ([frame(DATA, 0, 1, b"\0\0\0\0\1\x08")], "protocol_error"),
        ([frame(DATA, 0, 1, SERVING[:-1])], "connection_closed"),
    ],
)
def test_what_is_no_answer_is_a_fault(frames: list[bytes], code: str) -> None:
    with pytest.raises(CheckError) as fault:
        ask(Wire(*frames))
    assert fault.value.code == code


def test_settings_and_pings_are_acknowledged_once() -> None:
    wire = Wire(
        frame(SETTINGS, 0, 0, b"\0\3\0\0\0\1"),
        frame(SETTINGS, ACK, 0),
        frame(PING, 0, 0, b"12345678"),
        frame(PING, ACK, 0, b"87654321"),
        frame(DATA, 0, 1, SERVING),
    )
    assert ask(wire) == "SERVING"
    assert wire.sent[1:] == [frame(SETTINGS, ACK, 0), frame(PING, ACK, 0, b"12345678")]


@pytest.mark.parametrize(
    ("service", "message"),
    [("", b""), ("todo", b"\x0a\x04todo"), ("x" * 300, b"\x0a\xac\x02" + b"x" * 300)],
    ids=["server", "short", "long"],
)
def test_the_message_names_the_service(service: str, message: bytes) -> None:
    wire = Wire(frame(DATA, 0, 1, SERVING))
    ask(wire, service)
    body = b"\0" + struct.pack(">I", len(message)) + message
    assert wire.sent[0].startswith(grpc.PREFACE + frame(SETTINGS, 0, 0))
    assert wire.sent[0].endswith(frame(DATA, END_STREAM, 1, body))
