# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 without a network: what is sent for a request, and what the bytes of an answer are read as."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import http11
from ansible_collections.slipway.kube.plugins.module_utils._http.decoders import ACCEPTED
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Pieces:
    """A stream that arrives in the pieces given, and ends."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.received = 0
        self.cut = False

    async def receive(self) -> bytes:
        data = self._pieces.pop(0) if self._pieces else b""
        self.received += len(data)
        return data


def read(*pieces: bytes, method: str = "GET", limit: int = 100_000) -> Response:
    protocol, _data = http11.encode_request(Request(method, "http://a.example/", {}))
    return asyncio.run(http11.ResponseReader(Pieces(*pieces), protocol).read(method, limit))


def refused(*pieces: bytes, limit: int = 100_000) -> CheckError:
    with pytest.raises(CheckError) as caught:
        read(*pieces, limit=limit)
    return caught.value


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(
    ("data", "method", "status", "body"),
    [
        (OK + b"Content-Length: 3\r\n\r\nabc", "GET", 200, b"abc"),
        (OK + b"Content-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabcdef", "GET", 200, b"abc"),
        (OK + b"\r\nuntil the end", "GET", 200, b"until the end"),
        (b"HTTP/1.0 200\n\nbare line feeds", "GET", 200, b"bare line feeds"),
        (CHUNKED + b"3;note=1\r\nabc\r\n2 \r\nde\r\n0\r\nTrailer: x\r\n\r\n", "GET", 200, b"abcde"),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n") + b"2\r\nab\r\n0\r\n\r\n", "GET", 200, b"ab"),
        (OK + b"Content-Length: 3\r\nContent-Encoding: br\r\n\r\n", "HEAD", 200, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "GET", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "GET", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK + b"\r\nx", "GET", 200, b"x"),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "GET", 999, b""),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"packed"), "GET", 200, b"packed"),
    ],
)
def test_answers(data: bytes, method: str, status: int, body: bytes) -> None:
    for pieces in ([data], byte_by_byte(data)):
        response = read(*pieces, method=method)
        assert (response.status, response.body) == (status, body)


def test_header_names_keep_their_case_and_folded_lines_are_joined() -> None:
    response = read(OK + b"X-One:  a \r\nx-one: b\r\nX-Folded: c\r\n  d\r\nX-Latin: \xe4\r\nX-Empty:\r\n\r\n")
    assert response.http_version == "1.1"
    assert response.headers == [
        ("X-One", "a"), ("x-one", "b"), ("X-Folded", "c d"), ("X-Latin", "\xe4"), ("X-Empty", ""),
    ]  # fmt: skip
    assert response.header("X-ONE") == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "connection_closed", "nothing at all"),
        (b"HT", "connection_closed", "2 bytes had arrived"),
        (OK + b"A: b", "connection_closed", "21 bytes had arrived"),
        (b"SSH-2.0-Open", "protocol_error", "begins with b'SSH-2.0-Open'"),
        (b"SSH-2.0-Open\r\n", "protocol_error", "begins with b'SSH"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "protocol_error", "begins with"),
        (b"HTTP/1.1 099 Low\r\n\r\n", "protocol_error", "begins with"),
        (OK + b"no colon\r\n\r\n", "protocol_error", "illegal header line: 'no colon'"),
        (OK + b"a b: c\r\n\r\n", "protocol_error", "illegal header line"),
        (OK + b"A: b\0c\r\n\r\n", "protocol_error", "illegal header line"),
        (OK + b" folded\r\n", "protocol_error", "begins with"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "protocol_error", "."),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10, "protocol_error", "10 interim answers"),
        (OK + b"Content-Length: 3, 4\r\n\r\nabc", "protocol_error", "Content-Length"),
        (OK + b"Content-Length: -1\r\n\r\n", "protocol_error", "Content-Length"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "protocol_error", "chunked"),
        (OK + b"Content-Length: 10\r\n\r\nabc", "connection_closed", "3 of 10 bytes"),
        (CHUNKED + b"5\r\nabc", "connection_closed", "3 bytes of the body"),
        (CHUNKED + b"zz\r\n", "protocol_error", "illegal chunk header: 'zz\\r\\n'"),
        (CHUNKED + b"1\r\nabc\r\n", "protocol_error", "chunk"),
        (CHUNKED + b"1;" + b"e" * 5000, "headers_too_large", ""),
        (CHUNKED + b"0\r\n" + b"T: t\r\n" * 12_000, "headers_too_large", ""),
        (OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", "headers_too_large", ""),
        (b"\0" * 70_000, "headers_too_large", ""),
        (OK + b"Content-Length: 100001\r\n\r\n", "body_too_large", "announces 100001 bytes"),
        (CHUNKED + b"186a1\r\n" + b"x" * 100_001, "body_too_large", "limit is 100000"),
        (OK + b"Content-Encoding: compress\r\n\r\nx", "encoding_error", "compress"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"packed")[:-4], "encoding_error", "too early"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(100_001)), "body_too_large", "limit is 100000"),
    ],
)
def test_faults(data: bytes, code: str, words: str) -> None:
    for pieces in ([data], [data[at : at + 1000] for at in range(0, len(data), 1000)]):
        fault = refused(*pieces)
        assert fault.code == code, fault
        assert words in fault.detail


def test_a_switch_that_only_the_headers_of_a_check_ask_for_is_refused() -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "other"}
    protocol, _data = http11.encode_request(Request("GET", "http://a.example/", headers))
    stream = Pieces(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", OK + b"\r\n")
    with pytest.raises(CheckError, match="switches to another protocol"):
        asyncio.run(http11.ResponseReader(stream, protocol).read("GET", 100))


def test_a_fault_shows_the_beginning_of_a_line_only() -> None:
    detail = refused(OK + b"Set-Cookie" + b"x" * 500 + b"\r\n\r\n").detail
    assert "Set-Cookie" in detail and len(detail) < 100


def test_the_bytes_of_a_request() -> None:
    headers = {"accept": "text/html", "HOST": "b", "X-Space": " a b "}
    _protocol, data = http11.encode_request(Request("POST", "http://a.example:8080/p q/\xe4?x=1 2", headers, b"hi"))
    head, _blank, body = data.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert first == "POST /p%20q/%C3%A4?x=1%202 HTTP/1.1"
    assert sorted(lines) == [
        f"Accept-Encoding: {ACCEPTED}", "Connection: close", "Content-Length: 2", "HOST: b",
        "User-Agent: slipway-health-check", "X-Space: a b", "accept: text/html",
    ]  # fmt: skip
    assert body == "hi"


@pytest.mark.parametrize(("method", "announced"), [("GET", False), ("DELETE", False), ("POST", True), ("PATCH", True)])
def test_a_request_that_could_have_a_body_says_that_it_has_none(method: str, announced: bool) -> None:
    _protocol, data = http11.encode_request(Request(method, "http://a.example/", {}))
    assert (b"\r\nContent-Length: 0\r\n" in data) is announced


@pytest.mark.parametrize(
    ("url", "absolute", "target", "host"),
    [
        ("http://a.example", False, "/", "a.example"),
        ("http://[::1]:8080/x", False, "/x", "[::1]:8080"),
        ("https://a.example:443/x?", False, "/x", "a.example"),
        ("http://\xfc.example:81/x", True, "http://xn--tda.example:81/x", "xn--tda.example:81"),
    ],
)
def test_target_and_host(url: str, absolute: bool, target: str, host: str) -> None:
    lines = http11.encode_request(Request("GET", url, {}), absolute=absolute)[1].decode().split("\r\n")
    assert lines[0] == f"GET {target} HTTP/1.1"
    assert f"Host: {host}" in lines


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\0b", "hunter22\x0bx", "\u2603hunter22"])
def test_headers_cannot_break_out(value: str) -> None:
    with pytest.raises(CheckError) as caught:
        http11.encode_request(Request("GET", "http://a/", {"X-A": value}))
    assert caught.value.code == "placeholder_invalid"
    assert "hunter22" not in caught.value.message
