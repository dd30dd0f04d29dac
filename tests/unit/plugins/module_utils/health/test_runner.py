# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journeys, stability, latency, identity and deadlines against the local server."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health import runner as running
from ansible_collections.slipway.kube.plugins.module_utils._http import grpc as grpc

TOKEN = 'top/secret"token+1234'


@pytest.fixture
def journey(server: Any, responses: Any) -> list[dict[str, Any]]:
    """Register, log in and create a task, against a server that hands out a token."""
    answer = responses.answer

    def login(_server: Any, connection: socket.socket, _method: str, _path: str, _headers: Any, body: bytes) -> None:
        given = json.loads(body)
        good = given["password"] == "hunter2-hunter2"
        text = json.dumps({"access_token": TOKEN, "user": {"id": 4711, "email": given["email"]}})
        connection.sendall(answer("200 OK" if good else "401 Unauthorized", text.encode() if good else body))

    def tasks(_server: Any, connection: socket.socket, _method: str, _path: str, headers: Any, body: bytes) -> None:
        good = headers.get("authorization") == f"Bearer {TOKEN}"
        text = json.dumps({"seen": headers.get("authorization"), "owner": 4711, **json.loads(body)})
        connection.sendall(answer("201 Created" if good else "403 Forbidden", text.encode()))

    server.routes |= {"/register": answer("201 Created", b"{}"), "/login": login, "/tasks": tasks}
    base: dict[str, Any] = {"method": "POST"}
    account = {"email": "probe-${run_id}@example.com", "password": "${password}"}
    return [
        {
            "name": "create",
            **base,
            "url": server.url("/tasks?owner=${user}"),
            "headers": {"Authorization": "Bearer ${token}"},
            "body": {"title": "Buy milk"},
            "depends_on": ["log in"],
            "expect": {
                "status": ["201"],
                "json": [{"path": "title", "equals": "Buy milk"}, {"path": "owner", "equals": "${user}"}],
            },
        },
        {"name": "register", **base, "url": server.url("/register"), "body": account, "expect": {"status": ["201"]}},
        {
            "name": "log in",
            **base,
            "url": server.url("/login"),
            "body": account,
            "depends_on": ["register"],
            "extract": {"token": "access_token", "user": "user.id"},
        },
    ]


def test_journey(server: Any, run: Any, journey: Any) -> None:
    results = run(*journey, secrets={"password": "hunter2-hunter2"})
    assert [item["state"] for item in results] == ["healthy"] * 3, results
    assert [seen.path for seen in server.seen] == ["/register", "/login", "/tasks?owner=4711"]
    assert json.loads(server.seen[0].body)["email"] == "probe-12345678@example.com"


@pytest.mark.parametrize(
    "expect",
    [
        {"json": [{"path": "seen", "equals": "other"}]},
        {"json": [{"path": "@", "equals": "other"}]},
        {"json": [{"path": "seen", "matches": "^Basic"}]},
        {"body_regex": ["nothing like that"]},
        {"body_not_regex": ["secret"]},
        {"status": ["204"]},
        {"min_bytes": 100000},
    ],
)
def test_extracted_values_appear_nowhere(run: Any, journey: Any, expect: dict[str, Any]) -> None:
    journey[0]["expect"] = expect
    results = run(*journey, secrets={"password": "hunter2-hunter2"})
    assert results[0]["state"] == "unhealthy"
    text = json.dumps(results)
    for secret in (TOKEN, json.dumps(TOKEN)[1:-1], json.dumps(json.dumps(TOKEN))[1:-1], "hunter2", "4711"):
        assert secret not in text
    assert "top/sec" not in text


def test_a_login_that_is_judged_bad_still_hides_its_token(run: Any, journey: Any) -> None:
    journey[2]["expect"] = {"status": ["204"], "body_regex": ["absent"]}
    results = run(*journey, secrets={"password": "hunter2-hunter2"})
    assert [item["state"] for item in results] == ["skipped", "healthy", "unhealthy"]
    assert results[0]["last_error"]["code"] == "dependency_failed"
    assert "top/sec" not in json.dumps(results) and "4711" not in json.dumps(results)


def test_fields_named_like_secrets_are_hidden_without_extract(run: Any, server: Any, responses: Any) -> None:
    server.routes["/a"] = responses.answer("500 Error", b'{"refresh_token": "abcdef", "why": "database down"}')
    [result] = run(
        {"name": "a", "url": server.url("/a"), "expect": {"json": [{"path": "refresh_token", "equals": "x"}]}}
    )
    assert "abcdef" not in json.dumps(result)
    assert "database down" in result["last_error"]["message"]


def test_missing_extract_is_a_fault(run: Any, server: Any) -> None:
    first, second = run(
        {"name": "a", "url": server.url("/json"), "extract": {"x": "nothing.here"}},
        {"name": "b", "url": server.url("/${x}"), "depends_on": ["a"]},
    )
    assert first["last_error"]["code"] == "extract_failed"
    assert (second["state"], second["attempts"]) == ("skipped", 0)


def test_every_kind_of_json_assertion_over_the_wire(run: Any, server: Any) -> None:
    good = [
        {
            "path": "status",
            "equals": "ok",
            "not_equals": "bad",
            "in": ["ok", "fine"],
            "matches": "^ok$",
            "type": "string",
        },
        {"path": "count", "less": 4, "greater": 2, "equals": 3},
        {"path": "items", "length": 2, "type": "array"},
        {"path": "none", "exists": False},
        {"path": "on", "equals": True, "exists": True},
        {"path": "length(items)", "equals": 2},
    ]
    bad = [
        {"path": "status", "equals": "bad"},
        {"path": "count", "less": 3},
        {"path": "items", "length": 3},
        {"path": "none", "exists": True},
        {"path": "on", "equals": 1},
        {"path": "length(count)", "equals": 1},
    ]
    results = run(
        {"name": "good", "url": server.url("/json"), "expect": {"json": good}},
        *({"name": str(at), "url": server.url("/json"), "expect": {"json": [item]}} for at, item in enumerate(bad)),
    )
    assert results[0]["state"] == "healthy", results[0]
    assert [item["last_error"]["code"] for item in results[1:]] == ["assertion_failed"] * 5 + ["expression_failed"]
    assert [item["passed"] for item in results[1]["assertions"]] == [True, False]


def test_a_page_is_not_json(run: Any, server: Any) -> None:
    [result] = run({"name": "a", "url": server.url("/"), "expect": {"json": [{"path": "a", "equals": 1}]}})
    assert result["last_error"]["code"] == "body_not_json"
    assert "hello" in result["last_error"]["message"]


# ---------------------------------------------------------------- stability
FAST = {"interval": 0.02, "jitter": 0, "max_interval": 0.05}


def test_retries_until_it_answers_well(run: Any, server: Any, responses: Any) -> None:
    bad, good = responses.answer("503 Unavailable", b"starting"), responses.answer()
    server.routes["/a"] = responses.sequence(bad, bad, good)
    [result] = run({"name": "a", "url": server.url("/a"), "retry_for": 5, **FAST})
    assert (result["state"], result["attempts"]) == ("healthy", 3)
    assert result["last_error"]["code"] == "status_unexpected"
    assert result["first_ok_at"]


def test_consecutive_successes_begin_anew_after_a_failure(run: Any, server: Any, responses: Any) -> None:
    bad, good = responses.answer("500 Error"), responses.answer()
    server.routes["/a"] = responses.sequence(good, good, bad, good)
    [result] = run({"name": "a", "url": server.url("/a"), "retry_for": 5, "consecutive_successes": 3, **FAST})
    assert (result["state"], result["attempts"]) == ("healthy", 6)


def test_a_flapping_server_is_not_stable(run: Any, server: Any, responses: Any) -> None:
    bad, good = responses.answer("500 Error"), responses.answer()
    server.routes["/a"] = responses.sequence(*[good, good, bad] * 200)
    check = {"name": "a", "url": server.url("/a"), "retry_for": 0.5, "consecutive_successes": 3, **FAST}
    [result] = run(check)
    assert result["state"] == "unhealthy"
    assert "2 times in a row" in result["last_error"]["message"]


def test_stable_for(run: Any, server: Any) -> None:
    [result] = run({"name": "a", "url": server.url("/"), "stable_for": 0.4, "interval": 0.1})
    assert result["state"] == "healthy"
    assert result["elapsed"] >= 0.4 and result["attempts"] >= 3


def test_deadline_before_stability(run: Any, server: Any) -> None:
    [result] = run({"name": "a", "url": server.url("/"), "stable_for": 30, "interval": 0.1}, deadline=0.5)
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "not_stable")


@pytest.mark.parametrize("path", ["/drip", "/silent", "/endless", "/drip-head"])
def test_deadline_is_kept(run: Any, server: Any, path: str) -> None:
    check = {"name": "a", "url": server.url(path), "timeout": 60, "max_body_bytes": 1 << 30}
    first, second = run(check, {"name": "b", "url": server.url("/"), "depends_on": ["a"]}, deadline=0.5)
    assert first["elapsed"] >= 0.4
    assert (first["state"], first["last_error"]["code"]) == ("unhealthy", "deadline")
    assert (second["state"], second["last_error"]["code"]) == ("skipped", "deadline")


def test_deadline_keeps_the_real_fault(run: Any, refused_port: int) -> None:
    [result] = run(
        {"name": "a", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}", "retry_for": 60}, deadline=0.3
    )
    assert result["last_error"]["code"] == "connect_refused"
    assert "deadline of 0.3 s" in result["last_error"]["message"]


def test_fail_fast_ends_the_others(run: Any, server: Any, refused_port: int) -> None:
    slow, bad = run(
        {"name": "slow", "url": server.url("/silent"), "timeout": 10},
        {"name": "bad", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}"},
        fail_fast=True,
    )
    assert (slow["state"], slow["last_error"]["code"]) == ("skipped", "cancelled")
    assert bad["state"] == "unhealthy"


@pytest.mark.parametrize(
    "options",
    [
        {"backoff": 100, "interval": 0.0001, "max_interval": 0.001, "retry_for": 0.2},
        {"interval": 0, "retry_for": 0.1},
        {"interval": 7 * 86400, "max_interval": 7 * 86400, "retry_for": 7 * 86400},
        {"consecutive_successes": 1_000_000, "interval": 0},
        {"stable_for": 7 * 86400, "interval": 7 * 86400},
        {"timeout": 0.001, "jitter": 1},
        {"max_body_bytes": 0},
        {"latency": {"samples": 1_000_000}},
    ],
)
@pytest.mark.parametrize("path", ["/", "/nowhere", "/chunked-gzip"])
def test_the_limits_of_all_numbers_work(run: Any, server: Any, options: dict[str, Any], path: str) -> None:
    [result] = run({"name": "a", "url": server.url(path), **options}, deadline=0.2)
    assert (result["last_error"] or {}).get("code") != "internal_error", result


def test_invert(run: Any, server: Any, refused_port: int) -> None:
    closed, opened, late = run(
        {"name": "closed", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}", "invert": True},
        {"name": "open", "url": server.url("/"), "invert": True},
        {"name": "wrong", "url": server.url("/nowhere"), "invert": True},
    )
    assert closed["state"] == late["state"] == "healthy"
    assert opened["last_error"]["code"] == "unexpectedly_healthy"


# ---------------------------------------------------------------- identity and latency
def test_an_old_pod_that_answers_well_is_a_failure(run: Any, server: Any, responses: Any) -> None:
    old, new = responses.answer("200 OK", b'{"digest": "old"}'), responses.answer("200 OK", b'{"image_tag": "new"}')
    server.routes["/mixed"] = responses.sequence(new, new, old, new)
    server.routes["/old"] = old
    identity = {"equals": "new", "consecutive": 3}
    mixed, stale, rolled_back, other_key, header = run(
        {"name": "mixed", "url": server.url("/mixed"), "retry_for": 5, "expect": {"identity": identity}, **FAST},
        {"name": "stale", "url": server.url("/old"), "expect": {"identity": identity}},
        {"name": "rolled back", "url": server.url("/old"), "expect": {"identity": {"equals": "old"}}},
        {
            "name": "other key",
            "url": server.url("/old"),
            "expect": {"identity": {"path": "image_tag", "equals": "old"}},
        },
        {
            "name": "header",
            "url": server.url("/json"),
            "expect": {"identity": {"header": "x-digest", "equals": "abc123", "consecutive": 1}},
        },
    )
    assert (mixed["state"], mixed["attempts"]) == ("healthy", 6)
    assert mixed["last_error"]["code"] == "identity_mismatch"
    assert stale["last_error"]["code"] == "identity_mismatch"
    assert "old" in stale["last_error"]["message"] and "new" in stale["last_error"]["message"]
    assert rolled_back["state"] == header["state"] == "healthy"
    assert other_key["last_error"]["code"] == "identity_mismatch"


def test_latency(run: Any, server: Any) -> None:
    fast, impossible = run(
        {"name": "fast", "url": server.url("/"), "latency": {"samples": 10, "p95_ms": 5000, "max_ms": 5000}},
        {"name": "impossible", "url": server.url("/"), "latency": {"samples": 5, "p50_ms": 0.0001}},
    )
    assert fast["state"] == "healthy" and fast["samples"] == 10 and fast["attempts"] == 11
    assert fast["percentiles"]["p50"] <= fast["percentiles"]["max"]
    assert impossible["last_error"]["code"] == "latency_exceeded"
    assert "p50_ms" in impossible["last_error"]["message"]


def test_error_rate(run: Any, server: Any, responses: Any) -> None:
    good, bad = responses.answer(), responses.answer("500 Error", b"boom")
    server.routes["/a"] = responses.sequence(good, good, good, bad, good)
    server.routes["/b"] = responses.sequence(good, good, good, bad, good)
    strict, lenient = run(
        {"name": "strict", "url": server.url("/a"), "latency": {"samples": 4}},
        {"name": "lenient", "url": server.url("/b"), "latency": {"samples": 4, "error_rate": 0.25}},
    )
    assert strict["last_error"]["code"] == "error_rate_exceeded" and strict["error_rate"] == 0.25
    assert "boom" in strict["last_error"]["message"]
    assert lenient["state"] == "healthy"


# ---------------------------------------------------------------- many at once
def test_two_hundred_slow_checks_run_side_by_side(run: Any, server: Any, responses: Any) -> None:
    together = threading.Barrier(200)  # nobody is answered before all have asked

    def wait(_server: Any, connection: socket.socket, *_rest: Any) -> None:
        together.wait()
        connection.sendall(responses.answer())

    server.routes["/together"] = wait
    threads = threading.active_count()
    checks = ({"name": str(at), "url": server.url("/together"), "timeout": 60} for at in range(200))
    results = run(*checks, max_parallel=256, deadline=60)
    assert {item["state"] for item in results} == {"healthy"}
    assert threading.active_count() <= threads + 210  # the server's own threads; the client adds none per check


def test_max_parallel_is_a_bound(run: Any, server: Any, responses: Any) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def count(_server: Any, connection: socket.socket, *_rest: Any) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        connection.sendall(responses.answer())

    server.routes["/count"] = count
    run(*({"name": str(at), "url": server.url("/count")} for at in range(20)), max_parallel=3)
    assert 1 < most <= 3


# ---------------------------------------------------------------- gRPC
def _grpc_server(state: int | None) -> tuple[socket.socket, threading.Thread]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(1)

    def serve() -> None:
        connection, _peer = sock.accept()
        with connection:
            data = b""
            while b"/grpc.health.v1.Health/Check" not in data:
                data += connection.recv(65536)
            assert data.startswith(grpc.PREFACE)
            connection.sendall(grpc.frame(grpc.SETTINGS, 0, 0))
            if state is None:
                trailers = b"\x88" + grpc.header_block([("grpc-status", "12")])
                connection.sendall(grpc.frame(grpc.HEADERS, grpc.END_STREAM | grpc.END_HEADERS, 1, trailers))
            else:
                message = b"\x08" + bytes((state,))
                connection.sendall(grpc.frame(grpc.HEADERS, grpc.END_HEADERS, 1, b"\x88"))
                connection.sendall(grpc.frame(grpc.PING, 0, 0, b"12345678"))
                connection.sendall(grpc.frame(grpc.DATA, 0, 1, b"\0" + struct.pack(">I", len(message)) + message))
                trailers = grpc.header_block([("grpc-status", "0")])
                connection.sendall(grpc.frame(grpc.HEADERS, grpc.END_STREAM | grpc.END_HEADERS, 1, trailers))
            while connection.recv(65536):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return sock, thread


@pytest.mark.parametrize(("state", "code"), [(1, None), (2, "grpc_not_serving"), (None, "grpc_unimplemented")])
def test_grpc(run: Any, state: int | None, code: str | None) -> None:
    sock, _thread = _grpc_server(state)
    with sock:
        [result] = run(
            {
                "name": "a",
                "type": "grpc",
                "url": f"grpc://127.0.0.1:{sock.getsockname()[1]}",
                "grpc_service": "todo",
                "timeout": 3,
            }
        )
    assert (result["last_error"] or {}).get("code") == code, result


def test_grpc_to_an_http_server(run: Any, server: Any) -> None:
    [result] = run({"name": "a", "type": "grpc", "url": f"grpc://127.0.0.1:{server.port}", "timeout": 1})
    assert result["state"] == "unhealthy"


def test_grpc_lengths() -> None:
    assert grpc.header_block([("a", "b" * 200)]) == b"\0\x01a\x7f\x49" + b"b" * 200
    assert grpc.varint(300) == b"\xac\x02"


# ---------------------------------------------------------------- Kubernetes
class FakeStreams:
    """Stands in for the Kubernetes API: a forward to the local server, and commands with fixed results."""

    def __init__(self, port: int = 0, code: int = 0, output: bytes = b"") -> None:
        self.port, self.code, self.output = port, code, output
        self.asked: list[Any] = []

    def forward(self, target: Any, port: int, _timeout: float) -> socket.socket:
        self.asked.append((target.service, port))
        return socket.create_connection(("127.0.0.1", self.port))

    def run(self, target: Any, command: Any, _timeout: float, _limit: int) -> tuple[int, bytes]:
        self.asked.append((target.pod, tuple(command)))
        return self.code, self.output

    def close(self) -> None:
        """Nothing is open."""


def test_port_forward(run: Any, server: Any) -> None:
    streams = FakeStreams(server.port)
    check = {
        "name": "a",
        "via": "port_forward",
        "url": "http://backend:8000/json",
        "kubernetes": {"service": "backend"},
    }
    [result] = run(check, cluster=streams)
    assert result["state"] == "healthy", result
    assert streams.asked == [("backend", 8000)]
    assert server.seen[0].headers["host"] == "backend:8000"


def test_command(run: Any) -> None:
    check: dict[str, Any] = {"name": "a", "type": "command", "command": ["pg_isready"], "kubernetes": {"pod": "db"}}
    [good] = run({**check, "expect": {"body_regex": ["accepting"]}}, cluster=FakeStreams(0, 0, b"accepting\n"))
    [bad] = run(check, cluster=FakeStreams(0, 2, b"no response"))
    [allowed] = run({**check, "expect": {"rc": [2]}}, cluster=FakeStreams(0, 2))
    assert good["state"] == allowed["state"] == "healthy"
    assert bad["last_error"]["code"] == "command_failed"
    assert "ended with 2: no response" in bad["last_error"]["message"]


def test_an_unknown_failure_is_one_checks_own(run: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "judge", lambda *_arguments: 1 / 0)
    first, second = run(
        {"name": "a", "url": server.url("/")}, {"name": "b", "type": "tcp", "url": f"tcp://127.0.0.1:{server.port}"}
    )
    assert first["last_error"]["code"] == "internal_error"
    assert second["state"] == "healthy"
