# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that must not be green: whose fault it is, what nobody can know, and what was seen last. No test waits."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import Check, parse_checks
from ansible_collections.slipway.kube.plugins.module_utils._health.evaluate import judge
from ansible_collections.slipway.kube.plugins.module_utils._health.mistakes import find_mistakes
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._health.runner import HOPELESS, Runner
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import FAULTS, CheckError, Side
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from virtual_time import VirtualLoop

URL = "http://a.example/"
Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play() -> Play:
    """Run one check against answers that are each a status or the code of a fault, after so many seconds; the last one repeats."""

    def go(*answers: tuple[float, int | str], deadline: float = 120.0, **options: Any) -> dict[str, Any]:
        [check] = parse_checks([{"name": "a", "url": URL, "jitter": 0} | options], [], compile_path)
        turn = 0

        async def ask(_check: Check, timings: Timings) -> Response:
            nonlocal turn
            seconds, outcome = answers[min(turn, len(answers) - 1)]
            turn += 1
            timings.enter("read")
            await asyncio.sleep(seconds)
            if isinstance(outcome, str):
                raise CheckError(outcome)
            return Response(status=outcome, url=URL)

        runner = Runner([check], {}, Masker(), deadline=deadline, ask=ask, loop_factory=VirtualLoop)
        [record] = runner.run()
        return record.as_result(str)

    return go


# ---------------------------------------------------------------- whose fault it is
@pytest.mark.parametrize("code", sorted(FAULTS))
def test_only_a_fault_of_the_other_side_satisfies_invert(play: Play, code: str) -> None:
    result = play((0.1, code), invert=True, retry_for=0)
    healthy = FAULTS[code].side is Side.THERE
    assert result["state"] == ("healthy" if healthy else "unhealthy")
    assert (result["last_error"] or {}).get("code") == (None if healthy else code)


def test_what_does_not_heal_is_never_a_fault_of_the_other_side() -> None:
    assert all(FAULTS[code].side is Side.HERE for code in HOPELESS)


def test_a_name_that_does_not_exist_is_not_closed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    [result] = run({"name": "a", "type": "tcp", "url": "tcp://nowhere.example:5432", "invert": True})
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "dns_failed")


def test_a_dead_proxy_says_nothing_about_the_host(run: Any, refused_port: int) -> None:
    [result] = run({"name": "a", "url": URL, "proxy": f"http://127.0.0.1:{refused_port}", "invert": True})
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "proxy_failed")


def test_an_untrusted_certificate_is_no_closed_port(make_server: Any, authority: Any, run: Any) -> None:
    server = make_server(authority.context("todo.local"))
    common = {"url": "https://todo.local/", "resolve": {"todo.local": f"127.0.0.1:{server.port}"}, "invert": True}
    [result] = run({"name": "a", **common})
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "tls_untrusted")


# ---------------------------------------------------------------- time
def test_one_slow_answer_is_not_stable(play: Play) -> None:
    result = play((2.2, 200), (0.1, 200), stable_for=2)
    assert result["state"] == "healthy" and result["attempts"] >= 3
    assert result["elapsed"] == pytest.approx(2.2 + 2.0, abs=0.2)


def test_good_until_the_deadline_is_not_still_failing(play: Play) -> None:
    result = play((0.1, 503), (0.1, 200), stable_for=500, deadline=20)
    assert result["last_error"]["code"] == "not_stable"
    assert "It had answered well" in result["last_error"]["message"]
    assert "The last fault was: The status code is not the expected one." in result["last_error"]["message"]
    assert "still so" not in result["last_error"]["message"]


def test_what_hangs_at_the_deadline_is_said_to(play: Play) -> None:
    result = play((0.1, 503), (60, 200), timeout=60, deadline=20)
    assert result["last_error"]["code"] == "status_unexpected"
    assert "and the next request was under way at the deadline of 20 s" in result["last_error"]["message"]


def test_what_pauses_at_the_deadline_has_no_request_under_way(play: Play) -> None:
    result = play((0.1, 503), interval=60, max_interval=60, retry_for=120, deadline=20)
    assert "It was still so at the deadline of 20 s" in result["last_error"]["message"]


def test_an_answer_without_a_certificate_has_no_days_left(play: Play) -> None:
    result = play((0.1, 200), url="https://a.example/", tls={"min_days_left": 1}, retry_for=0)
    assert result["last_error"]["code"] == "tls_failed"
    assert "There is no certificate with an expiry date." in result["last_error"]["message"]


def test_samples_that_are_not_done_at_the_deadline(play: Play) -> None:
    result = play((1.0, 200), latency={"samples": 100}, deadline=20.5)
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "deadline")
    assert "19 of 100 samples had been taken" in result["last_error"]["message"]


def test_the_last_pause_ends_with_retry_for(play: Play) -> None:
    options = {"interval": 2, "backoff": 1, "retry_for": 3}
    assert play((0, 503), (0, 503), (0, 200), **options)["state"] == "healthy"
    late = play((0, 503), (0, 503), (0, 503), (0, 200), **options)
    assert (late["state"], late["attempts"], late["elapsed"]) == ("unhealthy", 3, 3)


def test_timed_out_samples_count_in_the_percentiles(play: Play) -> None:
    latency = {"samples": 4, "error_rate": 0.25, "max_ms": 500}
    result = play((0.1, 200), (0.1, 200), (9, 200), (0.1, 200), timeout=1, latency=latency)
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", "latency_exceeded")
    assert result["percentiles"]["max"] == pytest.approx(1000)
    assert result["percentiles"]["p50"] == pytest.approx(100)


# ---------------------------------------------------------------- what nobody can know
BODY = {"status": "ok", "null": None, "data": {"items": [], "share": 0.5}}


def _code(item: dict[str, Any], body: bytes | None = None) -> str | None:
    checks = [{"name": "a", "url": URL, "expect": {"json": [item]}}]
    [check] = parse_checks(checks, [], compile_path)
    fault = judge(check, Response(200, body=body or json.dumps(BODY).encode(), url=URL), {}, Masker()).fault
    return fault.code if fault else None


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"path": "statuz", "not_equals": "bad"}, "assertion_failed"),
        ({"path": "data.itemz", "not_equals": 1}, "assertion_failed"),
        ({"path": "dato.items", "not_equals": 1}, "expression_failed"),
        ({"path": "dato.error", "exists": False}, "expression_failed"),
        ({"path": "dato[0]", "exists": False}, "expression_failed"),
        ({"path": "dato[?a].b | [0]", "exists": False}, "expression_failed"),
        ({"path": "status.error", "exists": False}, "expression_failed"),
        ({"path": "length(data.share)", "not_equals": 1}, "expression_failed"),
        ({"path": "length(data.share)", "exists": False}, "expression_failed"),
        ({"path": "error", "exists": False}, None),
        ({"path": "data.error", "exists": False}, None),
        ({"path": "data.items[0]", "exists": False}, None),
        ({"path": "null", "exists": False}, None),
        ({"path": "error", "type": "null"}, "assertion_failed"),
        ({"path": '"null"', "type": "null"}, None),
        ({"path": '"null"', "not_equals": 1}, None),
        ({"path": "status", "not_equals": "bad"}, None),
        ({"path": "length(data.items)", "equals": 0}, None),
    ],
)
def test_what_is_absent_or_unknown_never_passes(item: dict[str, Any], code: str | None) -> None:
    assert _code(item) == code


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_json_is_not_read_as_json(word: bytes) -> None:
    assert _code({"path": "share", "not_equals": 1}, b'{"share": ' + word + b"}") == "body_not_json"


def test_the_document_itself_may_be_null() -> None:
    assert _code({"path": "@", "type": "null"}, b"null") is None


def test_what_is_unknown_does_not_satisfy_invert(run: Any, server: Any) -> None:
    unknown = {"path": "length(count)", "equals": 1}
    one, both = run(
        {"name": "one", "url": server.url("/json"), "invert": True, "expect": {"json": [unknown]}},
        {
            "name": "both",
            "url": server.url("/json"),
            "invert": True,
            "expect": {"json": [unknown, {"path": "status", "equals": "bad"}]},
        },
    )
    assert (one["state"], one["last_error"]["code"]) == ("unhealthy", "expression_failed")
    assert both["state"] == "healthy", "what is known to be wrong is enough"


def test_an_absent_header_is_not_another_one(run: Any, server: Any) -> None:
    results = run(
        {"name": "a", "url": server.url("/json"), "expect": {"headers": [{"name": "x-none", "not_equals": "b"}]}},
        {"name": "b", "url": server.url("/json"), "expect": {"headers": [{"name": "x-none", "exists": False}]}},
    )
    assert [item["state"] for item in results] == ["unhealthy", "healthy"]
    assert "observed nothing" in results[0]["last_error"]["message"]


@pytest.mark.parametrize("key", ["equals", "not_equals", "less"])
def test_null_is_refused_where_it_would_be_ignored(key: str) -> None:
    check = {"name": "a", "url": URL, "expect": {"json": [{"path": "x", "type": "string", key: None}]}}
    [(index, where, reason)] = find_mistakes([check], [])
    assert (index, where) == (0, f"expect.json[0].{key}")
    assert reason == "null cannot be compared with; use type: 'null' or exists: false."


def test_all_that_a_type_does_not_obey_is_listed() -> None:
    check = {"name": "a", "type": "tcp", "url": "tcp://a:1", "headers": {"a": "b"}, "expect": {"status": ["200"]}}
    found = {key: reason for _index, key, reason in find_mistakes([check], [])}
    assert found == {
        "headers": "type tcp has no use for it; it goes with http, graphql, sse, websocket, mcp.",
        "expect.status": "type tcp has no answer of this kind; it goes with http, graphql.",
    }


# ---------------------------------------------------------------- the text of a page
LATIN = "<h1>Störung</h1>".encode("latin-1")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(LATIN, "text/html; charset=ISO-8859-1", id="header"),
        pytest.param(LATIN, 'text/html; charset="latin1"', id="quoted label"),
        pytest.param(LATIN, "text/html", id="nothing declared and no UTF-8"),
        pytest.param(LATIN, "text/html; charset=none-such", id="unknown label"),
        pytest.param(b'<meta charset="iso-8859-1">' + LATIN, "text/html", id="meta"),
        pytest.param(b'<?xml version="1.0" encoding="iso-8859-1"?>' + LATIN, "application/xml", id="XML declaration"),
        pytest.param("Störung".encode(), "text/html", id="UTF-8"),
        pytest.param("\ufeffStörung".encode(), "text/html; charset=iso-8859-1", id="byte order mark wins"),
        pytest.param("Störung".encode("utf-16"), "text/plain", id="UTF-16 with its mark"),
        pytest.param("Störung".encode("utf-16-le"), "text/plain; charset=utf-16", id="UTF-16 by its label"),
    ],
)
def test_the_charset_of_a_page_is_obeyed(body: bytes, content_type: str) -> None:
    [check] = parse_checks([{"name": "a", "url": URL, "expect": {"body_not_regex": ["Störung"]}}], [], compile_path)
    response = Response(200, headers=[("Content-Type", content_type)], body=body, url=URL)
    fault = judge(check, response, {}, Masker()).fault
    assert fault is not None and fault.code == "assertion_failed"
