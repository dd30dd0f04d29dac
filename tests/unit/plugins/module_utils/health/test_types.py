# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What applications speak beside plain HTTP, each against a server of its own on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health.mistakes import find_mistakes
from ansible_collections.slipway.kube.plugins.module_utils._http.websocket import CLOSE, PING, TEXT, accept_key, frame
from http_server import answer

Talk = Callable[[socket.socket], None]


@pytest.fixture
def talk() -> Iterator[Callable[[Talk], int]]:
    """Start a listener that has each connection talked to as told; return its port."""
    listeners: list[socket.socket] = []

    def start(one: Talk) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _peer = listener.accept()
                    with connection, contextlib.suppress(OSError, struct.error):
                        connection.settimeout(20)
                        one(connection)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fault(result: dict[str, Any]) -> str | None:
    return result["last_error"]["code"] if result["state"] != "healthy" else None


# ---------------------------------------------------------------- GraphQL
QUERY = "query Me { me { name } }"


def test_graphql(server: Any, run: Any, responses: Any) -> None:
    server.routes["/graphql"] = responses.answer("200 OK", b'{"data": {"me": {"name": "Ann"}}}')
    server.routes["/wrong"] = responses.answer(
        "200 OK", b'{"data": null, "errors": [{"message": "no such field xyz"}]}'
    )
    check = {"type": "graphql", "graphql": {"query": QUERY, "variables": {"id": "${run_id}"}, "operation": "Me"}}
    good, wrong, wanted, page = run(
        {
            **check,
            "name": "good",
            "url": server.url("/graphql"),
            "expect": {"json": [{"path": "data.me.name", "equals": "Ann"}]},
        },
        {**check, "name": "wrong", "url": server.url("/wrong")},
        {
            **check,
            "name": "wanted",
            "url": server.url("/wrong"),
            "expect": {"json": [{"path": "errors[0].message", "matches": "no such"}]},
        },
        {**check, "name": "page", "url": server.url("/")},
    )
    assert [fault(one) for one in (good, wrong, wanted, page)] == [None, "graphql_errors", None, "body_not_json"]
    assert "no such field xyz" in wrong["last_error"]["message"]
    sent = next(seen for seen in server.seen if seen.path == "/graphql")
    assert sent.method == "POST" and sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body) == {"query": QUERY, "variables": {"id": "12345678"}, "operationName": "Me"}


# ---------------------------------------------------------------- server-sent events
def _stream(*pieces: bytes, kind: str = "text/event-stream") -> Callable[..., None]:
    def handle(server: Any, connection: socket.socket, *_rest: Any) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(piece)
        if not pieces or pieces[-1] != b"":
            server.stopped.wait(20)

    return handle


EVENTS = b'\xef\xbb\xbf: hello\r\n\r\nevent: ready\rdata: {"pods": 2}\rid: 7\r\rdata: a\ndata: b\n\n'


@pytest.mark.parametrize(
    ("sse", "expect", "code"),
    [
        ({}, {"path": "events[0].event", "equals": "ready"}, None),
        ({}, {"path": "events[0].data.pods", "equals": 2}, None),
        ({"event": "message"}, {"path": "events[0].data", "equals": "a\nb"}, None),
        ({"count": 2}, {"path": "events[1].id", "equals": "7"}, None),
        ({"event": "other", "within": 0.1}, {"path": "events", "length": 1}, "event_missing"),
        ({"count": 3, "silence": 0.1}, {"path": "events", "length": 3}, "event_missing"),
    ],
)
def test_events(server: Any, run: Any, sse: dict[str, Any], expect: dict[str, Any], code: str | None) -> None:
    server.routes["/events"] = _stream(*(EVENTS[at : at + 1] for at in range(len(EVENTS))))
    [result] = run({"name": "a", "type": "sse", "url": server.url("/events"), "sse": sse, "expect": {"json": [expect]}})
    assert fault(result) == code, result["last_error"]
    assert server.seen[0].headers["accept"] == "text/event-stream"


def test_what_is_no_stream_of_events(server: Any, run: Any) -> None:
    server.routes |= {"/page": _stream(b"<p>", b"", kind="text/html"), "/ended": _stream(b"data: half", b"")}
    results = run(*({"name": path, "type": "sse", "url": server.url(path)} for path in ("/page", "/ended", "/nowhere")))
    assert [fault(one) for one in results] == ["event_missing", "event_missing", "status_unexpected"]
    assert "text/html" in results[0]["last_error"]["message"]


# ---------------------------------------------------------------- WebSocket
def _receive(connection: socket.socket) -> tuple[int, bytes]:
    """Read a frame of a client."""
    first, second = connection.recv(2, socket.MSG_WAITALL)
    size = second & 127
    size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0] if size == 126 else size
    mask = connection.recv(4, socket.MSG_WAITALL)
    payload = connection.recv(size, socket.MSG_WAITALL) if size else b""
    assert second & 128, "a client's frame has a mask"
    return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def _echo(*before: bytes, subprotocol: str = "", key: str = "", close: int = 0) -> Callable[..., None]:
    """Shake hands, send frames, then repeat what comes until the client closes."""

    def handle(_server: Any, connection: socket.socket, _method: str, _path: str, headers: Any, _body: bytes) -> None:
        chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        accept = key or accept_key(headers["sec-websocket-key"])
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
        connection.sendall(f"{head}{chosen}\r\n".encode() + b"".join(before))
        while True:
            kind, payload = _receive(connection)
            if kind == TEXT:
                connection.sendall(frame(TEXT, payload))
                connection.sendall(frame(CLOSE, struct.pack(">H", close)) if close else b"")
            elif kind == CLOSE:
                return

    return handle


WELCOME = bytes([TEXT, 3]) + b'{"a' + frame(PING, b"x") + bytes([0x80, 4]) + b'": 1' + b""


@pytest.mark.parametrize(
    ("handler", "options", "code"),
    [
        pytest.param(_echo(), {}, None, id="opened"),
        pytest.param(_echo(), {"send": {"op": "ping", "id": "${run_id}"}}, None, id="echo"),
        pytest.param(_echo(frame(TEXT, b"1"), frame(TEXT, b"2")), {"receive": 2}, None, id="two messages"),
        pytest.param(_echo(subprotocol="v2"), {"subprotocols": ["v1", "v2"]}, None, id="subprotocol"),
        pytest.param(_echo(), {"subprotocols": ["v1"]}, "websocket_refused", id="no subprotocol"),
        pytest.param(_echo(subprotocol="v3"), {}, "websocket_refused", id="a subprotocol nobody offered"),
        pytest.param(_echo(key="wrong"), {}, "websocket_refused", id="another handshake's key"),
        pytest.param(answer("200 OK", b"page"), {}, "websocket_refused", id="no switch"),
        pytest.param(_echo(frame(CLOSE, struct.pack(">H", 4001))), {"close_code": 4001}, None, id="closed as expected"),
        pytest.param(_echo(frame(CLOSE, b"")), {"close_code": 4001}, "websocket_failed", id="closed without a code"),
        pytest.param(
            _echo(frame(CLOSE, struct.pack(">H", 1011))), {"receive": 1}, "websocket_failed", id="closed too early"
        ),
        pytest.param(
            _echo(close=1000), {"send": "bye", "receive": 1, "close_code": 1000}, None, id="message, then closed"
        ),
        pytest.param(_echo(bytes([0x81, 0x81]) + b"mask."), {"receive": 1}, "websocket_failed", id="a masked frame"),
        pytest.param(_echo(bytes([0xC1, 1]) + b"x"), {"receive": 1}, "websocket_failed", id="a compressed frame"),
        pytest.param(_echo(bytes([0x80, 1]) + b"x"), {"receive": 1}, "websocket_failed", id="nothing to continue"),
        pytest.param(_echo(frame(TEXT, b"\xff")), {"receive": 1}, "websocket_failed", id="no UTF-8"),
        pytest.param(_echo(bytes([0x81, 127]) + b"\x7f" * 8), {"receive": 1}, "body_too_large", id="too large"),
    ],
)
def test_websocket(server: Any, run: Any, handler: Any, options: dict[str, Any], code: str | None) -> None:
    server.routes["/ws"] = handler
    url = f"ws://127.0.0.1:{server.port}/ws"
    [result] = run({"name": "a", "type": "websocket", "url": url, "websocket": options, "timeout": 5})
    assert fault(result) == code, result["last_error"]


def test_a_message_may_come_in_fragments(server: Any, run: Any) -> None:
    first, last = b'{"items": [', b"1, 2]}"
    pieces = bytes([TEXT, len(first)]) + first + frame(PING, b"between") + bytes([0x80, len(last)]) + last
    server.routes["/ws"] = _echo(pieces)
    expect = {"json": [{"path": "messages[0].items", "equals": [1, 2]}]}
    url = f"ws://127.0.0.1:{server.port}/ws"
    [result] = run({"name": "a", "type": "websocket", "url": url, "websocket": {"receive": 1}, "expect": expect})
    assert result["state"] == "healthy", result


# ---------------------------------------------------------------- MCP
def _mcp_result(message: dict[str, Any]) -> dict[str, Any]:
    method = message["method"]
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "todo", "version": "1"},
        }
    if method == "tools/list":
        if message["params"].get("cursor") is None:
            return {"tools": [{"name": "add_task"}], "nextCursor": "more"}
        return {"tools": [{"name": "list_tasks"}]}
    wrong = message["params"]["name"] == "list_tasks"
    return {"content": [{"type": "text", "text": "done"}], "isError": wrong}


def _streamable(kind: str) -> Callable[..., None]:
    def handle(_server: Any, connection: socket.socket, method: str, _path: str, headers: Any, body: bytes) -> None:
        if method == "DELETE":
            connection.sendall(answer("200 OK"))
            return
        message = json.loads(body)
        if "id" not in message:
            connection.sendall(answer("202 Accepted"))
            return
        known = message["method"] == "initialize" or (
            headers.get("mcp-session-id") == "s1" and headers.get("mcp-protocol-version") == "2025-06-18"
        )
        if not known:
            connection.sendall(answer("400 Bad Request", b"no session"))
            return
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": _mcp_result(message)}).encode()
        if kind == "text/event-stream":
            log = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}).encode()
            text = b"data: " + log + b"\n\nevent: message\ndata: " + text + b"\n\n"
        connection.sendall(answer("200 OK", text, f"Content-Type: {kind}", "Mcp-Session-Id: s1"))

    return handle


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_mcp_over_streamable_http(server: Any, run: Any, kind: str) -> None:
    server.routes["/mcp"] = _streamable(kind)
    check = {"type": "mcp", "url": server.url("/mcp")}
    expect = {
        "json": [
            {"path": "server.name", "equals": "todo"},
            {"path": "tools", "equals": ["add_task", "list_tasks"]},
            {"path": "result.content[0].text", "equals": "done"},
        ]
    }
    called, listed, wrong, unknown = run(
        {**check, "name": "a", "mcp": {"tool": "add_task", "arguments": {"title": "${run_id}"}}, "expect": expect},
        {**check, "name": "b", "expect": {"json": [{"path": "result", "type": "null"}]}},
        {**check, "name": "c", "mcp": {"tool": "list_tasks"}},
        {**check, "name": "d", "mcp": {"tool": "ad_task"}},
    )
    assert [fault(one) for one in (called, listed, wrong, unknown)] == [None, None, "mcp_failed", "mcp_failed"]
    assert "Tool list_tasks says: done" in wrong["last_error"]["message"]
    assert "There is no tool 'ad_task'; it lists add_task, list_tasks." in unknown["last_error"]["message"]
    calls = [json.loads(seen.body) for seen in server.seen if b"tools/call" in seen.body]
    assert {"name": "add_task", "arguments": {"title": "12345678"}} in [call["params"] for call in calls]
    assert sum(seen.method == "DELETE" for seen in server.seen) == 4, "each session is ended"


def test_mcp_over_server_sent_events(server: Any, run: Any) -> None:
    streams: list[socket.socket] = []

    def sse(server: Any, connection: socket.socket, *_rest: Any) -> None:
        streams.append(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages?id=1\n\n"
        )
        server.stopped.wait(20)

    def messages(_server: Any, connection: socket.socket, _method: str, _path: str, _headers: Any, body: bytes) -> None:
        message = json.loads(body)
        connection.sendall(answer("202 Accepted"))
        if "id" in message:
            text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": _mcp_result(message)}).encode()
            streams[0].sendall(b"event: message\ndata: " + text + b"\n\n")

    server.routes |= {"/sse": sse, "/messages": messages}
    check = {"name": "a", "type": "mcp", "url": server.url("/sse"), "mcp": {"transport": "sse", "tool": "add_task"}}
    [result] = run({**check, "expect": {"json": [{"path": "protocol", "equals": "2025-06-18"}]}})
    assert result["state"] == "healthy", result


@pytest.mark.parametrize(
    ("response", "transport", "code"),
    [
        (answer("421 Misdirected Request", b"Invalid Host header"), "streamable_http", "mcp_host_refused"),
        (answer("421 Misdirected Request", b"Invalid Host header"), "sse", "mcp_host_refused"),
        (answer("404 Not Found"), "streamable_http", "mcp_failed"),
        (answer("200 OK", b"<p>", "Content-Type: text/html"), "streamable_http", "mcp_failed"),
        (answer("200 OK", b"<p>", "Content-Type: application/json"), "streamable_http", "mcp_failed"),
        (
            answer("200 OK", b'{"id": 1, "error": {"message": "no"}}', "Content-Type: application/json"),
            "streamable_http",
            "mcp_failed",
        ),
        (answer("200 OK", b"event: endpoint\ndata: http://other.example/\n\n"), "sse", "mcp_failed"),
        (answer("200 OK", b"data: /messages\n\n"), "sse", "mcp_failed"),
    ],
)
def test_what_is_no_mcp_server(server: Any, run: Any, response: bytes, transport: str, code: str) -> None:
    server.routes["/mcp"] = response
    [result] = run(
        {"name": "a", "type": "mcp", "url": server.url("/mcp"), "mcp": {"transport": transport}, "timeout": 5}
    )
    assert fault(result) == code, result["last_error"]


# ---------------------------------------------------------------- databases and names
def _postgres(kind: bytes, body: bytes, seen: list[bytes]) -> Talk:
    def one(connection: socket.socket) -> None:
        size = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))[0]
        request = connection.recv(size - 4, socket.MSG_WAITALL)
        seen.append(request)
        if request == struct.pack(">I", 80877103):
            connection.sendall(b"N")
        else:
            connection.sendall(kind + struct.pack(">I", len(body) + 4) + body)
        connection.recv(1)

    return one


def _refusal(code: str) -> bytes:
    return f"SFATAL\0C{code}\0Mthe database system is busy\0\0".encode()


@pytest.mark.parametrize(
    ("kind", "body", "found", "code"),
    [
        (b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0", ("authentication", "scram-sha-256"), None),
        (b"R", struct.pack(">I", 0), ("authentication", "none"), None),
        (b"E", _refusal("28000"), ("refused", "28000"), None),
        (b"E", _refusal("57P03"), None, "service_not_ready"),
        (b"E", _refusal("53300"), None, "service_not_ready"),
        (b"H", b"TTP/1.1 400 Bad Request", None, "greeting_unexpected"),
    ],
)
def test_postgres(talk: Any, run: Any, kind: bytes, body: bytes, found: Any, code: str | None) -> None:
    seen: list[bytes] = []
    url = f"postgres://127.0.0.1:{talk(_postgres(kind, body, seen))}"
    expect = {"json": [{"path": found[0], "equals": found[1]}]} if found else {}
    [result] = run(
        {"name": "a", "type": "postgres", "url": url, "postgres": {"user": "todo"}, "expect": expect, "timeout": 5}
    )
    assert fault(result) == code, result
    assert seen == [struct.pack(">I", 196608) + b"user\0todo\0database\0todo\0\0"]


def test_postgres_with_a_certificate_that_nobody_trusts(talk: Any, run: Any, authority: Any) -> None:
    def one(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(b"S")
        with contextlib.suppress(OSError):
            authority.context("todo.local").wrap_socket(connection, server_side=True)

    [result] = run(
        {
            "name": "a",
            "type": "postgres",
            "url": f"postgres://127.0.0.1:{talk(one)}",
            "tls": {"verify": True},
            "timeout": 5,
        }
    )
    assert fault(result) == "tls_untrusted", result


def test_postgres_without_tls_where_tls_is_demanded(talk: Any, run: Any) -> None:
    url = f"postgres://127.0.0.1:{talk(_postgres(b'R', bytes(4), []))}"
    [result] = run({"name": "a", "type": "postgres", "url": url, "tls": {"verify": True}, "timeout": 5})
    assert fault(result) == "tls_failed" and "does not offer TLS" in result["last_error"]["message"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"+PONG\r\n", None),
        (b"-NOAUTH Authentication required.\r\n", None),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "service_not_ready"),
        (b"HTTP/1.1 400 Bad Request\r\n", "greeting_unexpected"),
        (b"+" + b"x" * 2000, "greeting_unexpected"),
        (b"", "connection_closed"),
    ],
)
def test_redis(talk: Any, run: Any, line: bytes, code: str | None) -> None:
    def one(connection: socket.socket) -> None:
        assert connection.recv(14, socket.MSG_WAITALL) == b"*1\r\n$4\r\nPING\r\n"
        connection.sendall(line)

    expect = {"json": [{"path": "authentication", "type": "boolean"}]}
    url = f"redis://127.0.0.1:{talk(one)}"
    [result] = run({"name": "a", "type": "redis", "url": url, "expect": expect, "timeout": 5})
    assert fault(result) == code, result


def test_a_name_is_looked_up(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, *_rest: Any, **_options: Any) -> Any:
        if host != "web.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    expect = {"json": [{"path": "addresses", "equals": ["192.0.2.7"]}]}
    good, bad = run(
        {"name": "good", "type": "dns", "url": "dns://web.example", "expect": expect},
        {"name": "bad", "type": "dns", "url": "dns://wb.example"},
    )
    assert [fault(good), fault(bad)] == [None, "dns_failed"]


# ---------------------------------------------------------------- forms, cookies and journeys
PAGE = b'<form><input type="hidden" value="t&amp;ken-1" name="csrf"><input name="title"></form>'


def test_a_form_with_its_token_a_file_and_a_session(server: Any, run: Any, responses: Any, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_bytes(b"buy\r\nmilk")

    def submit(_server: Any, connection: socket.socket, _method: str, _path: str, headers: Any, body: bytes) -> None:
        parts = body.split(b"--" + headers["content-type"].partition("boundary=")[2].encode())
        wanted = [b'name="csrf"\r\n\r\nt&ken-1\r\n', b'name="list"\r\n\r\na\r\n', b'name="list"\r\n\r\nb\r\n']
        wanted.append(b'name="file"; filename="note.txt"\r\nContent-Type: text/plain\r\n\r\nbuy\r\nmilk\r\n')
        wanted.append(b'name="raw"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n12345678\r\n')
        good = [part.partition(b"form-data; ")[2] for part in parts[1:-1]] == wanted and parts[-1] == b"--\r\n"
        connection.sendall(
            answer("200 OK" if good and headers.get("cookie") == "sid=session-1234" else "403 Forbidden", body)
        )

    server.routes |= {
        "/new": responses.answer("200 OK", PAGE, "Set-Cookie: sid=session-1234; Path=/; HttpOnly"),
        "/submit": submit,
    }
    page, submitted = run(
        {"name": "page", "url": server.url("/new"), "extract": {"csrf": {"input": "csrf"}}},
        {
            "name": "submit",
            "url": server.url("/submit"),
            "method": "POST",
            "body_format": "multipart",
            "body": {"csrf": "${csrf}", "list": ["a", "b"]},
            "files": [
                {"field": "file", "path": str(tmp_path / "note.txt")},
                {"field": "raw", "content": "${run_id}", "filename": "x.bin"},
            ],
            "depends_on": ["page"],
        },
    )
    assert (page["state"], submitted["state"]) == ("healthy", "healthy"), submitted
    assert "session-1234" not in json.dumps([page, submitted])


@pytest.mark.parametrize(
    ("how", "value"),
    [
        ({"header": "x-digest"}, "abc123"),
        ({"cookie": "sid"}, "a=b"),
        ({"regex": '"status": "([a-z]+)"'}, "ok"),
        ({"regex": "ok"}, "ok"),
        ({"json": "status"}, "ok"),
        ("status", "ok"),
    ],
)
def test_where_values_come_from(server: Any, run: Any, responses: Any, how: Any, value: str) -> None:
    server.routes["/a"] = responses.answer(
        "200 OK", b'{"status": "ok"}', "X-Digest: abc123", "Set-Cookie: sid=a=b; Path=/"
    )
    _first, second = run(
        {"name": "a", "url": server.url("/a"), "extract": {"x": how}},
        {"name": "b", "url": server.url("/echo?x=${x}"), "depends_on": ["a"]},
    )
    assert second["state"] == "healthy"
    assert server.seen[-1].path == f"/echo?x={value.replace('=', '%3D')}"


@pytest.mark.parametrize("how", [{"header": "x-none"}, {"cookie": "none"}, {"regex": "none"}, {"input": "none"}])
def test_a_value_that_is_not_there_is_a_fault(server: Any, run: Any, how: dict[str, str]) -> None:
    [result] = run({"name": "a", "url": server.url("/"), "extract": {"x": how}})
    assert fault(result) == "extract_failed"


def test_cookies_of_a_redirect_are_kept_without_a_check_that_depends_on_it(
    server: Any, run: Any, responses: Any
) -> None:
    server.routes["/set"] = responses.answer("302 Found", b"", "Location: /echo", "Set-Cookie: a=1")
    results = run(
        {"name": "alone", "url": server.url("/set"), "follow_redirects": 1},
        {"name": "none", "url": server.url("/"), "cookies": False},
        {"name": "after none", "url": server.url("/"), "depends_on": ["none"]},
        max_parallel=1,
    )
    assert [one["state"] for one in results] == ["healthy"] * 3
    assert [one.headers.get("cookie") for one in server.seen] == [None, "a=1", None, None]


def test_cookies_are_sent_only_where_they_may_be(server: Any, run: Any, responses: Any) -> None:
    server.routes["/set"] = responses.answer(
        "302 Found", b"", "Location: /echo", "Set-Cookie: a=1; Path=/echo", "Set-Cookie: b=2; Path=/other",
        "Set-Cookie: c=3; Secure", "Set-Cookie: d=4; Domain=other.example", "Set-Cookie: e=5; Max-Age=0",
        "Set-Cookie: f=6; Domain=127.0.0.1",
    )  # fmt: skip
    run(
        {"name": "set", "url": server.url("/set"), "follow_redirects": 1},
        {"name": "after", "url": server.url("/echo"), "depends_on": ["set"]},
        {"name": "another host", "url": server.url("/echo", "todo.localhost"), "depends_on": ["set"]},
        {"name": "own", "url": server.url("/echo"), "depends_on": ["after"], "headers": {"Cookie": "z=9"}},
        {"name": "none", "url": server.url("/echo"), "depends_on": ["own"], "cookies": False},
        {"name": "independent", "url": server.url("/echo")},
        max_parallel=1,
    )
    sent = [seen.headers.get("cookie") for seen in server.seen if seen.path == "/echo"]
    assert sorted(map(str, sent)) == ["None", "None", "None", "a=1; f=6", "a=1; f=6", "z=9"]


def test_a_step_that_cleans_up_runs_whatever_happened(server: Any, run: Any, responses: Any) -> None:
    server.routes |= {"/made": responses.answer("201 Created", b'{"id": "task-77"}'), "/task-77": responses.answer()}
    made = {"name": "make", "url": server.url("/made"), "extract": {"id": "id"}}
    broken = {"name": "use", "url": server.url("/nowhere"), "depends_on": ["make"]}
    clean = {
        "name": "clean",
        "url": server.url("/${id}"),
        "method": "DELETE",
        "depends_on": ["use", "make"],
        "always": True,
    }
    results = run(made, broken, clean)
    assert [one["state"] for one in results] == ["healthy", "unhealthy", "healthy"]
    assert server.seen[-1].method == "DELETE"
    results = run({**made, "url": server.url("/nowhere")}, broken, clean)
    assert [one["state"] for one in results] == ["unhealthy", "skipped", "skipped"], "there is nothing to clean up"


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("options", "key", "reason"),
    [
        ({"type": "websockt", "url": "ws://a/"}, "type", "did you mean websocket"),
        ({"type": "websocket", "url": "http://a/"}, "url", "must begin with ws:// or wss://"),
        ({"type": "websocket", "url": "ws://a/", "websocket": {"sendd": 1}}, "websocket.sendd", "did you mean send"),
        (
            {"type": "websocket", "url": "ws://a/", "websocket": {"close_code": 7}},
            "websocket.close_code",
            "the least is 1000",
        ),
        (
            {"type": "websocket", "url": "ws://a/", "websocket": {"subprotocols": ["a b"]}},
            "websocket.subprotocols[0]",
            "no name",
        ),
        ({"type": "websocket", "url": "ws://a/", "mcp": {}}, "mcp", "it goes with mcp"),
        ({"type": "sse", "url": "http://a/", "sse": {"count": 0}}, "sse.count", "the least is 1"),
        ({"type": "sse", "url": "http://a/", "via": "api_proxy"}, "via", "cannot be combined"),
        ({"type": "mcp", "url": "http://a/", "mcp": {"arguments": {"a": 1}}}, "mcp.arguments", "they go with mcp.tool"),
        ({"type": "mcp", "url": "http://a/", "mcp": {"transport": "sze"}}, "mcp.transport", "did you mean sse"),
        (
            {"type": "mcp", "url": "http://a/", "expect": {"status": ["200"]}},
            "expect.status",
            "it goes with http, graphql",
        ),
        ({"type": "mcp", "url": "http://a/", "mcp": {"tool": "${x}"}}, "mcp", "nothing is known as ${x}"),
        ({"type": "graphql", "url": "http://a/"}, "graphql.query", "needs the query"),
        ({"type": "postgres", "url": "postgres://a", "headers": {"a": "b"}}, "headers", "it goes with http"),
        ({"type": "postgres", "url": "postgres://a", "postgres": {"user": "a\0b"}}, "postgres.user", "NUL"),
        ({"type": "redis", "url": "http://a"}, "url", "must begin with redis:// or rediss://"),
        ({"type": "dns", "url": "dns://a", "via": "unix_socket"}, "via", "cannot be combined"),
        ({"url": "http://a/", "files": [{"field": "f", "content": "x"}]}, "files", "body_format multipart"),
        ({"url": "http://a/", "body_format": "multipart", "files": [{"field": "f"}]}, "files[0]", "either the path"),
        (
            {"url": "http://a/", "body_format": "multipart", "files": [{"field": "f", "path": "/no/such"}]},
            "files[0].path",
            "cannot be read",
        ),
        ({"url": "http://a/", "body_format": "multipart", "body": "x"}, "body", "a dictionary of fields"),
        ({"url": "http://a/", "extract": {"x": {"inputt": "a"}}}, "extract.x.inputt", "did you mean input"),
        ({"url": "http://a/", "extract": {"x": {"regex": "("}}}, "extract.x.regex", "not a valid regular expression"),
        ({"url": "http://a/", "extract": {"x": {"header": "a", "json": "b"}}}, "extract.x", "exactly one of"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(options: dict[str, Any], key: str, reason: str) -> None:
    found = {where: text for _index, where, text in find_mistakes([{"name": "a", **options}], [])}
    assert re.search(re.escape(reason), found.get(key, "")), found


@pytest.mark.parametrize(
    ("options", "retries"),
    [
        ({"type": "graphql", "url": "http://a/", "graphql": {"query": "{ a }"}}, True),
        ({"type": "graphql", "url": "http://a/", "graphql": {"query": "mutation { a }"}}, False),
        ({"type": "mcp", "url": "http://a/"}, True),
        ({"type": "mcp", "url": "http://a/", "mcp": {"tool": "a"}}, False),
        ({"type": "websocket", "url": "ws://a/"}, True),
        ({"type": "websocket", "url": "ws://a/", "websocket": {"send": "a"}}, False),
    ],
)
def test_what_can_change_something_is_not_repeated(options: dict[str, Any], retries: bool) -> None:
    from ansible_collections.slipway.kube.plugins.module_utils._health.checks import parse_checks
    from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path

    [check] = parse_checks([{"name": "a", **options}], [], compile_path)
    assert (check.retry_for > 0) is retries
