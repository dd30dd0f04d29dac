# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callbacks' pure parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._live import fit, wanted
from ansible_collections.slipway.kube.plugins.plugin_utils._record import in_rescue, is_rescued, merge
from ansible_collections.slipway.kube.plugins.plugin_utils._text import (
    address_in,
    imperative,
    last_lines,
    phase_of,
    summary_in,
)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("slipway.kube.helm_release", "release"), ("toolchain", "tools"), ("acme.web.cache", "cache"), (None, "Deploy")],
)
def test_phase_of(role: str | None, expected: str) -> None:
    assert phase_of(role, "Deploy") == expected


def test_imperative_drops_only_the_file_prefix() -> None:
    assert imperative("load | Copy a | b") == "Copy a | b"
    assert imperative("Copy a | b") == "Copy a | b"


def test_last_lines_reduce_a_traceback_to_its_exception() -> None:
    text = "reading\nTraceback (most recent call last):\n  File 'x', line 1\n    f()\nKeyError: 'port'\n"
    assert last_lines(text, 5) == ["reading", "KeyError: 'port'"]


def test_last_lines_drop_what_would_move_the_cursor() -> None:
    assert last_lines("\x1b[31mred\x1b[0m\rx\x1b[2K\n\n", 5) == ["redx"]


def test_merge_joins_what_overlaps() -> None:
    assert merge([(5, 6), (0, 2), (1, 3), (3.05, 4)], gap=0.1) == [(0, 4), (5, 6)]


@pytest.mark.parametrize(
    ("environment", "terminal", "no_colour", "expected"),
    [
        ({"TERM": "xterm"}, True, False, True),
        ({"TERM": "xterm", "CI": "false"}, True, False, True),
        ({"TERM": "xterm", "CI": "true"}, True, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False, False),
        ({"TERM": "xterm"}, True, True, False),
        ({"TERM": "xterm"}, False, False, False),
        ({"TERM": "dumb"}, True, False, False),
    ],
)
def test_a_live_line_is_for_terminals(
    environment: dict[str, str], terminal: bool, no_colour: bool, expected: bool
) -> None:
    assert wanted(environment, terminal, no_colour) is expected


def test_a_live_line_never_wraps() -> None:
    assert len(fit("x" * 200, 80)) == 79


def _node(name: str, parent: Any = None, **sections: list[Any]) -> Any:
    node = SimpleNamespace(_uuid=name, _parent=parent, **{"block": [], "rescue": [], "always": [], **sections})
    for entry in (*node.block, *node.rescue, *node.always):
        entry._parent = node
    return node


def test_is_rescued_depends_on_the_section() -> None:
    tried, rescuing, cleaning = _node("tried"), _node("rescuing"), _node("cleaning")
    nested = _node("nested", block=[rescuing])
    outer = _node("outer", block=[tried], rescue=[nested], always=[cleaning])
    assert is_rescued(tried)
    assert not is_rescued(rescuing)
    assert not is_rescued(cleaning)
    _node("net", block=[outer], rescue=[_node("last")])
    assert is_rescued(rescuing)
    assert in_rescue(rescuing)
    assert not in_rescue(tried)
    assert not in_rescue(cleaning)


def test_an_address_is_found_in_results_items_and_facts() -> None:
    assert address_in({"slipway_address": " http://a/ "}) == "http://a/"
    assert (
        address_in({"results": [{"x": 1}, {"ansible_facts": {"slipway_address": "db://u:p@b"}}]}) == "db://********@b"
    )
    assert address_in({"slipway_address": " ", "ansible_facts": {"slipway_address": 7}}) is None


def test_summaries_of_all_items_are_told_in_order() -> None:
    found = {
        "slipway_summary": "one",
        "results": [{"slipway_summary": ["two\nthree", 4]}, {"slipway_summary": {"no": 1}}],
    }
    assert summary_in(found) == ["one", "two", "three", "4"]
    assert summary_in({}) == []
