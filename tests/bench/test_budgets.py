# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/bench/budgets.py makes of figures, without a deployment."""

from __future__ import annotations

import http.server
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
budgets = importlib.import_module("tests.bench.budgets")
pages = importlib.import_module("tests.bench.pages")
text = importlib.import_module("tests.bench.text")
web = importlib.import_module("tests.integration.web")


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1, 100), (0, 1)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert budgets.percentile([float(one) for one in range(100, 0, -1)], share) == value


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        budgets.percentile([], 0.5)


@pytest.mark.parametrize(
    ("text", "value"),
    [("139556022n", 0.139556022), ("250m", 0.25), ("2", 2), ("1121632Ki", 1121632 * 1024), ("1G", 1e9)],
)
def test_quantities(text: str, value: float) -> None:
    assert budgets.quantity(text) == pytest.approx(value)


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="5mm"):
        budgets.quantity("5mm")


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.24, "4.2 s"), (99.94, "99.9 s"), (99.95, "1 min 40 s"), (185, "3 min 05 s")]
)
def test_seconds_are_written_as_a_person_writes_them(seconds: float, words: str) -> None:
    assert text.minutes(seconds) == words


@pytest.mark.parametrize(
    ("measured", "limit", "kind", "verdict"),
    [(299e6, 300e6, "MB", "kept"), (300e6, 300e6, "MB", "MISSED"), (0, 0, "count", "kept"), (1, 0, "count", "MISSED")],
)
def test_verdict(measured: float, limit: float, kind: str, verdict: str) -> None:
    assert pages.Budget("it", measured, limit, kind).row()[3] == verdict


def test_section_is_replaced_and_the_others_stay() -> None:
    document = "# All\n\n<!-- other: begin -->\nkeep\n<!-- other: end -->\n"
    once = text.with_section(document, "budgets", "first\n")
    twice = text.with_section(once, "budgets", "second")
    assert once == document + "\n<!-- budgets: begin -->\nfirst\n<!-- budgets: end -->\n"
    assert twice == once.replace("first", "second")


def test_section_with_one_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="only one of the marks"):
        text.with_section("<!-- budgets: begin -->\n", "budgets", "text")


def test_process_start_is_that_of_the_containers_first_process() -> None:
    fields = " ".join(["S", *["0"] * 18])
    listing = f"7 (pause) {fields} 100 0\n9 (a) b) {fields} 900 0\n12 (node) {fields} 700 0\n1000.5 10.5\n"
    assert budgets.process_start(listing, 100) == pytest.approx(1000.5 - 10.5 + 7)


def test_process_start_without_a_process_is_refused() -> None:
    with pytest.raises(budgets.MeasureError, match="No process"):
        budgets.process_start("1000.5 10.5\n", 100)


@pytest.mark.parametrize("url", ["https://todo.localhost", "todo.localhost", "http://todo.localhost/page", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        web.Address(url)


@pytest.mark.parametrize(
    ("url", "host", "endpoint"),
    [
        ("http://todo.localhost:8080/", "todo.localhost:8080", ("127.0.0.1", 8080)),
        ("http://192.168.49.2:30000", "192.168.49.2:30000", ("192.168.49.2", 30000)),
        ("http://todo.local", "todo.local", ("todo.local", 80)),
    ],
)
def test_address(url: str, host: str, endpoint: tuple[str, int]) -> None:
    address = web.Address(url)
    assert (address.host, address.endpoint) == (host, endpoint)


class Sometimes(http.server.BaseHTTPRequestHandler):
    """Answers 200, but every tenth request 503."""

    protocol_version = "HTTP/1.1"
    numbers = iter(range(1, 1_000_000))

    def do_GET(self) -> None:
        self.send_response(503 if next(self.numbers) % 10 == 0 else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Address of a server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sometimes) as found:
        found.daemon_threads = True
        thread = threading.Thread(target=found.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_every_request_of_the_load_is_counted(server: str) -> None:
    answers = budgets.load(web.Address(server), ("GET", "/", None, ""), 200, 1.0)
    assert len(answers.latencies) + len(answers.failures) == budgets.RATE
    assert answers.failures == ["503: {}"] * (budgets.RATE // 10)
    assert all(latency >= 0 for latency in answers.latencies)


def test_what_does_not_answer_is_told_with_a_remedy(server: str) -> None:
    closed = web.Address("http://127.0.0.1:9")
    with pytest.raises(budgets.MeasureError, match="http://127.0.0.1:9 does not answer.*make status"):
        budgets.ask(closed, 200, "GET", "/")
    with pytest.raises(budgets.MeasureError, match="GET / answered (200|503) instead of 201"):
        budgets.ask(web.Address(server), 201, "GET", "/")
