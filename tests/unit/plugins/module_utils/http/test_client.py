# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a server that misbehaves in every way a server can."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import client
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/drip", "read_timeout"),
        ("/drip-head", "read_timeout"),
        ("/silent", "read_timeout"),
        ("/endless", "body_too_large"),
        ("/bomb", "body_too_large"),
        ("/reset", "connection_reset"),
        ("/empty", "connection_closed"),
        ("/short", "connection_closed"),
        ("/bad", "protocol_error"),
        ("/bad-length", "protocol_error"),
        ("/bad-header", "protocol_error"),
        ("/bad-chunk", "protocol_error"),
        ("/huge-headers", "headers_too_large"),
        ("/many-headers", "headers_too_large"),
        ("/cut-gzip", "encoding_error"),
        ("/not-gzip", "encoding_error"),
        ("/brotli", "encoding_error"),
    ],
)
def test_misbehaviour_has_its_code(server: Any, run: Any, path: str, code: str) -> None:
    [result] = run({"name": "a", "url": server.url(path), "timeout": 0.5})
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", code)
    assert result["last_error"]["suggestion"]


def test_endless_body_within_the_size_limit_ends_in_time(server: Any, run: Any) -> None:
    [result] = run({"name": "a", "url": server.url("/endless"), "timeout": 0.2, "max_body_bytes": 1 << 30})
    assert result["last_error"]["code"] == "read_timeout"


@pytest.mark.parametrize("path", ["/chunked-gzip", "/deflate", "/deflate-raw"])
def test_encoded_bodies_are_decoded(server: Any, run: Any, path: str) -> None:
    expect = {"json": [{"path": "text", "matches": "^hello hello"}, {"path": "text", "length": 120}]}
    [result] = run({"name": "a", "url": server.url(path), "expect": expect})
    assert result["state"] == "healthy", result


@pytest.mark.parametrize(
    ("path", "text"), [("/until-close", "^old$"), ("/interim", "^final$"), ("/", "<html>hello</html>")]
)
def test_framings(server: Any, run: Any, path: str, text: str) -> None:
    [result] = run({"name": "a", "url": server.url(path), "expect": {"body_regex": [text]}})
    assert result["state"] == "healthy", result


def test_old_http_version_and_repeated_headers(server: Any, run: Any) -> None:
    expect: dict[str, Any] = {"http_version": "1.0", "headers": [{"name": "x-one", "equals": "1, 2"}]}
    [result] = run({"name": "a", "url": server.url("/until-close"), "expect": expect})
    assert result["state"] == "healthy", result
    expect["http_version"] = "1.1"
    [result] = run({"name": "a", "url": server.url("/until-close"), "expect": expect})
    assert result["last_error"]["code"] == "assertion_failed"


def test_refused_names_the_address(run: Any, refused_port: int) -> None:
    [result] = run({"name": "a", "url": f"http://127.0.0.1:{refused_port}/"})
    assert result["last_error"]["code"] == "connect_refused"
    assert str(refused_port) in result["last_error"]["message"]


def test_a_full_backlog_is_a_connect_timeout(run: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        port = sock.getsockname()[1]
        fillers = []
        for _turn in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        time.sleep(0.1)
        [result] = run({"name": "a", "type": "tcp", "url": f"tcp://127.0.0.1:{port}", "timeout": 0.4})
        for filler in fillers:
            filler.close()
    assert result["last_error"]["code"] == "connect_timeout"


def test_unknown_host(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    [result] = run({"name": "a", "url": "http://nowhere.example/"})
    assert result["last_error"]["code"] == "dns_failed"
    assert "nowhere.example" in result["last_error"]["message"]


def test_a_hanging_resolver_is_left_behind(run: Any, monkeypatch: pytest.MonkeyPatch, stuck: Any) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    [result] = run({"name": "a", "url": "http://nowhere.example/", "timeout": 0.3})
    assert result["last_error"]["code"] == "dns_timeout"


def test_resolve_sets_host_and_needs_no_dns(server: Any, run: Any) -> None:
    [result] = run(
        {"name": "a", "url": "http://todo.local/echo?x=1", "resolve": {"todo.local": f"127.0.0.1:{server.port}"}}
    )
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == "todo.local"
    assert server.seen[0].path == "/echo?x=1"


def test_names_below_localhost_are_loopback(server: Any, run: Any) -> None:
    [result] = run({"name": "a", "url": server.url("/echo", "todo.localhost")})
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == f"todo.localhost:{server.port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6(make_server: Any, run: Any) -> None:
    try:
        server = make_server(family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    [result] = run({"name": "a", "url": server.url("/", "[::1]")})
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == f"[::1]:{server.port}"


def test_unix_socket(make_server: Any, run: Any, tmp_path: Any) -> None:
    path = str(tmp_path / "s")
    server = make_server(family=socket.AF_UNIX, address=path)
    check = {"name": "a", "via": "unix_socket", "unix_socket": path, "url": "http://engine/json"}
    [result] = run(check)
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == "engine"
    [result] = run({**check, "unix_socket": path + "x"})
    assert result["last_error"]["code"] == "connect_failed"


def test_redirects_are_judged_unless_followed(server: Any, run: Any) -> None:
    expect = {"status": ["3xx"], "location": "^/hop-2$"}
    one, two, three = run(
        {"name": "judged", "url": server.url("/hop-1"), "expect": expect},
        {"name": "followed", "url": server.url("/hop-1"), "follow_redirects": 2, "expect": {"body_regex": ["arrived"]}},
        {"name": "limited", "url": server.url("/hop-1"), "follow_redirects": 1},
    )
    assert one["state"] == two["state"] == "healthy"
    assert three["last_error"]["code"] == "redirect_limit"


@pytest.mark.parametrize(("path", "code"), [("/loop-a", "redirect_loop"), ("/hop-bad", "redirect_invalid")])
def test_bad_redirects(server: Any, run: Any, path: str, code: str) -> None:
    [result] = run({"name": "a", "url": server.url(path), "follow_redirects": 10})
    assert result["last_error"]["code"] == code


def test_secret_headers_stay_with_their_origin(make_server: Any, run: Any, responses: Any) -> None:
    first, second = make_server(), make_server()
    first.routes["/away"] = responses.answer("302 Found", b"", f"Location: {second.url('/echo')}")
    first.routes["/here"] = responses.answer("302 Found", b"", "Location: /echo")
    headers = {"Authorization": "Bearer abcdef", "X-Api-Key": "abcdef", "X-Plain": "1"}
    common = {"headers": headers, "follow_redirects": 3}
    run({"name": "a", "url": first.url("/away"), **common})
    assert {"authorization", "x-api-key"}.isdisjoint(second.seen[0].headers)
    assert second.seen[0].headers["x-plain"] == "1"
    run({"name": "a", "url": first.url("/here"), **common})
    assert first.seen[-1].headers["authorization"] == "Bearer abcdef"


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
def test_method_after_redirect(status: int, method: str, expected: str) -> None:
    request = Request(method, "http://a/x", {"Content-Type": "text/plain"}, b"body")
    after = client.redirected(request, status, "y")
    assert (after.method, after.url) == (expected, "http://a/y")
    assert after.body == (b"body" if expected == method else None)


def test_bodies(server: Any, run: Any) -> None:
    variables = {"who": 'Ann "A"', "number": 7}
    common = {"url": server.url("/echo"), "method": "POST"}
    results = run(
        {"name": "json", **common, "body": {"a": ["${who}", "${number}", "n${number}"]}},
        {"name": "text", **common, "body": '{"a": "${who}"}'},
        {"name": "form", **common, "body": {"a": "${who}", "b": 1}, "body_format": "form"},
        {"name": "raw", **common, "body": "$${x} ${number}", "body_format": "raw", "headers": {"Content-Type": "a/b"}},
        variables=variables,
        max_parallel=1,
    )
    assert [item["state"] for item in results] == ["healthy"] * 4
    one, two, three, four = sorted(server.seen, key=lambda seen: ("raw" in seen.body.decode(), server.seen.index(seen)))
    assert json.loads(one.body) == {"a": ['Ann "A"', 7, "n7"]}
    assert json.loads(two.body) == {"a": 'Ann "A"'}
    assert three.body == b"a=Ann+%22A%22&b=1"
    assert three.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (four.body, four.headers["content-type"]) == (b"${x} 7", "a/b")
