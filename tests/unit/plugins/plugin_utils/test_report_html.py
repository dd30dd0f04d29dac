# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each part of the report's page, read as a browser reads it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._report_html import render

VOID = ("meta", "br", "img", "link", "input")


class Node:
    """An element: its tag, attributes, and what it holds, which is elements and texts."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.content: list[Node | str] = []

    def __iter__(self) -> Iterator[Node]:
        """Yield all elements below, in the order of the page."""
        for item in self.content:
            if isinstance(item, Node):
                yield item
                yield from item

    @property
    def text(self) -> str:
        return "".join(item if isinstance(item, str) else item.text for item in self.content)

    @property
    def classes(self) -> list[str]:
        return (self.attributes.get("class") or "").split()

    def all(self, tag: str, kind: str = "") -> list[Node]:
        return [one for one in self if one.tag == tag and (not kind or kind in one.classes)]

    def one(self, tag: str, kind: str = "") -> Node:
        [found] = self.all(tag, kind)
        return found

    def texts(self, tag: str, kind: str = "") -> list[str]:
        return [" ".join(one.text.split()) for one in self.all(tag, kind)]

    def pairs(self) -> list[tuple[str, str]]:
        """The names of a definition list with what stands beside each."""
        return list(zip(self.texts("dt"), self.texts("dd"), strict=True))

    def rows(self) -> list[list[str]]:
        """The cells of a table, its heads included."""
        return [
            [" ".join(cell.text.split()) for cell in row.content if isinstance(cell, Node)] for row in self.all("tr")
        ]


class Page(HTMLParser):
    """Builds the tree of a page, and refuses one that is not well formed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]
        self.feed(page)
        self.close()
        assert self._open == [self.root], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self._open[-1].content.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].content.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def task(name: str, status: str = "ok", duration_s: float = 0.3, **more: Any) -> dict[str, Any]:
    given = {"phase": "verify", "host": "alpha", "path": "", "check_mode": False, **more}
    return {"name": name, "status": status, "duration_s": duration_s, **given}


FAILURE = {
    "what": "Not ready.",
    "why": "Container <script>alert(1)</script> crashes.",
    "evidence": ["Log: one", "Log: </pre><img src=x>"],
    "remedy": "Read the log.",
    "in_service": "Revision 2 serves.",
    "code": "crash_loop",
}
BARE = {"what": "No.", "why": "", "evidence": [], "remedy": "", "in_service": "", "code": ""}
REPORT: dict[str, Any] = {
    "playbook": "site.yml",
    "started": "2026-11-29T12:00:00+00:00",
    "duration_s": 125.4,
    "check_mode": False,
    "result": "failed",
    "hosts": ["alpha", "beta"],
    "counts": {"ok": 2, "changed": 1, "failed": 1, "rescued": 1, "skipped": 1},
    "addresses": {"alpha": 'http://shop.localhost:8080/?a="b"', "beta": "javascript:alert(1)"},
    "summary": [{"phase": "verify", "host": "alpha", "line": "2 checks <i>are</i> healthy"}],
    "phases": [
        {"name": "plan", "duration_s": 0.3, "counts": {"ok": 1}, "spans": [[0.0, 0.3]]},
        {
            "name": "release & a name that is long",
            "duration_s": 60.0,
            "counts": {"changed": 1},
            "spans": [[0.4, 30.4], [125.3, 125.4]],
        },
        {"name": "verify", "duration_s": 5.0, "counts": {"rescued": 1}, "spans": [[62.7, 67.7]]},
    ],
    "tasks": [
        task("Make the plan", phase="plan"),
        task("Install shop", "changed", 30.0, phase="release", host="beta"),
        task("Try it", "changed", check_mode=True),
        task(
            "Wait <b>here</b>", "rescued", 4.0, path="roles/v.yml:3", failure=FAILURE, result={"msg": "</pre><script>"}
        ),
        task("Give up", "failed", failure=BARE, result={}),
        task("Reach it", "unreachable", failure=BARE),
        task("Let it be", "ignored", failure=BARE),
        task("Skip it", "skipped", 0.0),
        task("Take long", "ok", 2.1),
        task("Take two seconds", "ok", 2.0),
    ],
    "checks": [
        {
            "name": "page <u>x</u>",
            "state": "healthy",
            "attempts": 3,
            "elapsed": 1.25,
            "last_error": {"code": "connect_refused", "message": "Nothing listens."},
            "timings": {"connect": 0.61, "total": 12.5, "tls": None},
            "percentiles": {},
        },
        {
            "name": "api",
            "state": "unhealthy",
            "attempts": 7,
            "elapsed": 12.0,
            "last_error": {"code": "status", "message": "503.", "suggestion": "Wait."},
            "percentiles": {"p50": 3.24, "p99": 80.7},
            "timings": {"total": 1},
        },
        {"name": "db", "state": "skipped", "last_error": None},
    ],
}


def page(**changes: Any) -> Node:
    return Page(render({**REPORT, **changes})).root


def section(root: Node, title: str) -> Node:
    [found] = [one for one in root.all("section") if one.texts("h2") == [title]]
    return found


@pytest.fixture(scope="module")
def shown() -> Node:
    return page()


def test_nothing_that_was_logged_becomes_markup(shown: Node) -> None:
    tags = {one.tag for one in shown}
    assert not tags & {"script", "img", "b", "i", "u", "link", "iframe"}
    assert not [one for one in shown if {"src", "onload", "style"} & set(one.attributes)]
    assert [one.attributes["href"] for one in shown.all("a") if "href" in one.attributes] == [
        'http://shop.localhost:8080/?a="b"'
    ]


def test_the_page_may_load_nothing(shown: Node) -> None:
    [policy] = [one for one in shown.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in shown.one("style").text and "@import" not in shown.one("style").text


def test_the_head_names_the_run(shown: Node) -> None:
    assert shown.one("head").one("title").text == "The run failed: site.yml"
    assert shown.one("html").attributes["lang"] == "en"
    assert shown.all("meta")[0].attributes == {"charset": "utf-8"}


def test_the_header_says_what_came_of_it(shown: Node) -> None:
    header = shown.one("header")
    assert header.classes == ["bad"]
    assert header.texts("h1") == ["The run failed"]
    assert header.texts("p")[0].startswith("site.yml on alpha, beta, ")
    assert "November 2026" in header.text and "check mode" not in header.text
    assert header.one("dl").pairs() == [
        ("took", "2:05"),
        ("changed", "1"),
        ("failed", "1"),
        ("rescued", "1"),
        ("healthy checks", "1 of 3"),
        ("tasks", "10"),
    ]
    assert header.texts("a", "open") == [
        'alpha: http://shop.localhost:8080/?a="b"',
        "beta: javascript:alert(1)",
    ]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"counts": {"changed": 2}}, "Done"),
        ({"counts": {"ok": 2}}, "Done, nothing had to change"),
        ({"counts": {"changed": 1}, "check_mode": True}, "1 task would change something"),
        ({"counts": {"changed": 2}, "check_mode": True}, "2 tasks would change something"),
        ({"counts": {}, "check_mode": True}, "Nothing would change"),
    ],
)
def test_titles_of_runs_that_went_well(changes: dict[str, Any], title: str) -> None:
    header = page(result="ok", addresses={"alpha": "https://shop/"}, **changes).one("header")
    assert header.classes == ["good"]
    assert header.texts("h1") == [title]
    assert header.texts("p")[0].endswith(", check mode") is bool(changes.get("check_mode"))
    assert header.texts("a") == ["Open https://shop/"]
    assert header.all("a")[0].attributes["href"] == "https://shop/"


def test_what_went_wrong_is_told_from_the_cause_to_the_place(shown: Node) -> None:
    wrong = section(shown, "What went wrong")
    assert wrong.texts("h3") == [
        "Wait <b>here</b> (rescued)",
        "Give up",
        "Reach it (unreachable)",
        "Let it be (ignored)",
    ]
    assert [one.classes for one in wrong.all("h3")] == [["rescued"], ["failed"], ["unreachable"], ["ignored"]]
    full, bare = wrong.all("div", "failure")[:2]
    assert full.one("dl").pairs() == [
        ("What failed", "Not ready."),
        ("Why", "Container <script>alert(1)</script> crashes."),
        ("Code", "crash_loop"),
        ("Evidence", "Log: one Log: </pre><img src=x>"),
        ("What to do", "Read the log."),
        ("In service", "Revision 2 serves."),
        ("Where", "roles/v.yml:3"),
    ]
    assert full.one("dl").one("pre").text == "Log: one\nLog: </pre><img src=x>"
    assert full.one("code").text == "crash_loop"
    assert full.one("details").texts("summary") == ["The whole result"]
    assert full.one("details").one("pre").text == '{\n  "msg": "</pre><script>"\n}'
    assert bare.one("dl").pairs() == [("What failed", "No.")]
    assert not bare.all("details")


def test_phases_are_bars_on_the_time_of_the_run(shown: Node) -> None:
    drawing = section(shown, "Phases").one("svg")
    assert drawing.attributes["viewbox"] == "0 0 950 94"
    assert drawing.attributes["role"] == "img"
    assert drawing.attributes["aria-label"] == (
        "Durations of the phases: plan 0.3 s; release & a name that is long 1:00; verify 5.0 s"
    )
    assert [(one.text, one.attributes["x"], one.attributes["y"]) for one in drawing.all("text")] == [
        ("plan", "0", "19"),
        ("0.3 s", "882", "19"),
        ("release & a name t\u2026", "0", "49"),
        ("1:00", "882", "49"),
        ("verify", "0", "79"),
        ("5.0 s", "882", "79"),
    ]
    assert [
        (one.attributes["x"], one.attributes["width"], one.attributes["y"]) for one in drawing.all("rect", "track")
    ] == [
        ("150", "720", "6"),
        ("150", "720", "36"),
        ("150", "720", "66"),
    ]
    assert {one.attributes["height"] for one in drawing.all("rect")} == {"16"}
    bars = [(one.attributes["x"], one.attributes["width"], one.attributes["y"]) for one in drawing.all("rect", "bar")]
    # The shortest are widened so that they are seen, the last of them to the left.
    assert bars == [
        ("150.0", "3.0", "6"),
        ("152.3", "172.2", "36"),
        ("867.0", "3.0", "36"),
        ("510.0", "28.7", "66"),
    ]
    assert [one.classes for one in drawing.all("rect", "bar")] == [["bar"], ["bar"], ["bar"], ["bar", "bad"]]
    assert drawing.texts("title")[1:3] == ["release & a name that is long: 1:00"] * 2


@pytest.mark.parametrize("status", ["failed", "unreachable", "rescued", "ignored"])
def test_a_phase_in_which_something_failed_is_red(status: str) -> None:
    phases = [{"name": "plan", "duration_s": 0.0, "counts": {status: 1}, "spans": [[0.0, 0.0]]}]
    [bar] = page(phases=phases, duration_s=0.0).all("rect", "bar")
    assert ("bad" in bar.classes) is (status != "ignored")


def test_the_summary_is_shown_by_phase(shown: Node) -> None:
    assert section(shown, "In short").rows() == [["verify", "2 checks <i>are</i> healthy"]]


def test_checks_have_their_state_and_times(shown: Node) -> None:
    checks = section(shown, "Health checks")
    assert checks.rows() == [
        ["check", "state", "attempts", "took", "times in ms"],
        # An error that a later attempt overcame is not told.
        ["page <u>x</u>", "healthy", "3", "1.2 s", "connect 0.6, total 12"],
        ["api503. [status] Wait.", "unhealthy", "7", "12 s", "p50 3.2, p99 81"],
        ["db", "skipped", "", "", ""],
    ]
    assert [one.classes[1] for one in checks.all("td", "mark")] == ["healthy", "unhealthy", "skipped"]
    assert checks.texts("span", "soft") == ["503. [status] Wait."]


def test_tasks_that_tell_something_stand_first_and_all_are_to_be_had(shown: Node) -> None:
    tasks = section(shown, "Tasks")
    telling, everything = tasks.all("table")
    head = ["phase", "host", "task", "result", "took"]
    assert telling.rows() == [
        head,
        ["release", "beta", "Install shop", "changed", "30 s"],
        ["verify", "alpha", "Try it", "would change", "0.3 s"],
        ["verify", "alpha", "Wait <b>here</b>", "failed, rescued", "4.0 s"],
        ["verify", "alpha", "Give up", "failed", "0.3 s"],
        ["verify", "alpha", "Reach it", "unreachable", "0.3 s"],
        ["verify", "alpha", "Let it be", "failed, ignored", "0.3 s"],
        ["verify", "alpha", "Take long", "ok", "2.1 s"],
    ]
    assert [one.classes[1] for one in telling.all("td", "mark")] == [
        *("changed", "changed", "rescued", "failed", "unreachable", "ignored", "ok"),
    ]
    assert tasks.one("details").texts("summary") == ["All 10 tasks, with those that changed nothing"]
    assert [row[2] for row in everything.rows()[1:]] == [one["name"] for one in REPORT["tasks"]]


def test_parts_without_content_are_left_out() -> None:
    small = page(
        result="ok", hosts=["alpha"], addresses={}, summary=[], phases=[], checks=[], tasks=[task("Install", "changed")]
    )
    assert small.texts("h2") == ["Tasks"]
    assert section(small, "Tasks").rows() == [
        ["phase", "task", "result", "took"],
        ["verify", "Install", "changed", "0.3 s"],
    ]
    assert not small.all("details") and not small.all("a") and not small.all("svg")
    quiet = page(tasks=[task("Look")])
    assert len(section(quiet, "Tasks").all("table")) == 1
    assert "healthy checks" not in page(checks=[]).one("header").text


def test_the_footer_names_the_other_file(shown: Node) -> None:
    assert shown.texts("footer") == ["Written by Slipway. The same facts are in the JSON file beside this page."]
