# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw answers, valid, odd and broken, read as curl reads them; tests/tools/raw_answers.py makes the table."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import http11
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request

TABLE = json.loads((Path(__file__).parent / "raw_answers.json").read_text(encoding="utf-8"))

# A server that answers so has a fault that other clients and proxies meet: RFC 9112 forbids each.
STRICTER = {
    **dict.fromkeys(
        (
            "status line: 2.0", "status line: 2", "status line: letters for a version", "status line: version with a minus",
            "status line: lower case", "status line: two blanks before the code", "header: no name",
            "header: blank before the colon", "header: blank in the name", "header: tab in the name",
            "header: bracket in the name", "header: Latin-1 in the name", "header: bare CR in the value", "length: plus",
            "length: hexadecimal", "length: fraction", "length: letters behind", "length: twice, differing",
            "length: a list, differing", "chunks: blank before the extension", "chunks: bare line feed behind the size",
            "chunks: bare line feed behind the data", "chunks: less data than its size", "transfer encoding: twice",
            "transfer encoding: identity", "transfer encoding: identity, chunked", "transfer encoding: empty",
            "interim: 101 that nobody asked for",
        ),
        "protocol_error",
    ),
    "length: beyond 64 bits": "body_too_large",
    "length: half the headers": "connection_closed",
    "chunks: bare line feeds": "connection_closed",
    **dict.fromkeys(
        ("encoding: gzip cut in its data", "encoding: gzip cut in its sum", "encoding: deflate cut"), "encoding_error"
    ),
}  # fmt: skip
"""What curl accepts and a check refuses, with the fault."""
LAXER = {
    "status line: 1.2": "minor versions are compatible (RFC 9110, 2.5)",
    "status line: 1.9": "minor versions are compatible (RFC 9110, 2.5)",
    "chunks: sixteen zeros": "leading zeros change no size",
    "encoding: gzip of two members": "RFC 1952, 2.2",
    "encoding: gzip with something behind": "browsers drop what is behind the end",
    "encoding: deflate without frame, byte by byte": "how a body is cut on its way says nothing about it",
}
"""What curl refuses and a check accepts, with the reason."""


class Whole:
    """A stream that arrives in pieces of some size, and ends."""

    received, cut = 0, False

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[at : at + size] for at in range(0, len(data), size)]

    async def receive(self) -> bytes:
        data = self._pieces.pop(0) if self._pieces else b""
        self.received += len(data)
        return data


def reading(answer: bytes, size: int) -> tuple[int, str] | str:
    """What a check makes of an answer: status and body, or the code of its fault."""
    protocol, _data = http11.encode_request(Request("GET", "http://127.0.0.1/", {}))
    try:
        response = asyncio.run(http11.ResponseReader(Whole(answer, size), protocol).read("GET", 1 << 20))
    except CheckError as error:
        return error.code
    return response.status, response.body.decode("latin-1")


def test_the_table_is_large_enough() -> None:
    names = [row["name"] for row in TABLE["answers"]]
    assert len(names) == len(set(names)) >= 150
    assert set(STRICTER) | set(LAXER) <= set(names)


@pytest.mark.parametrize("row", TABLE["answers"], ids=[row["name"] for row in TABLE["answers"]])
def test_an_answer_is_read_as_curl_reads_it(row: dict[str, Any]) -> None:
    answer = zlib.decompress(base64.b64decode(row["answer"]))
    found = reading(answer, 1 << 16)
    assert found == reading(answer, 7), "it does not matter how the answer is cut on its way"
    name, accepted = row["name"], row["exit"] == 0
    if name in STRICTER:
        assert accepted and found == STRICTER[name]
    elif name in LAXER:
        assert not accepted and not isinstance(found, str)
    elif accepted:
        assert found == (row["status"], row["body"])
    else:
        assert isinstance(found, str), f"curl refuses it with {row['exit']}"
