# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as people read them, and text without what a terminal obeys."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean, clock, duration, sentence


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00"), (75, "1:15"), (3661, "1:01:01")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_clock_counts_whole_seconds() -> None:
    assert [clock(0.9), clock(61), clock(3600)] == ["0:00", "1:01", "1:00:00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m\x1b[2K\x1b[1;1H", "red"),
        ("\x1b]0;title\x07a\x1b]8;;http://a/\x1b\\b\x1bPx\x1b\\c", "abc"),
        ("\x9b31ma\x9d0;t\x9cb\x85c", "abc"),
        ("\x1bca\x1b(Bb\x1b", "ab"),
        ("10%\r20%\r\nnext\x08\x7f\x00", "10%20%\nnext"),
        ("a\u202eb\u2066c\u200ed\u061ce\ufefff\u00adg", "abcdefg"),
        ("#7 [1/2]\u2028#8 [2/2] x\u2029y\x0bz\x1cw", "#7 [1/2] #8 [2/2] x yzw"),
        ("half \ud800", "half \ufffd"),
        ("a\tb", "a   b"),
        ("naïve 日本 👩\u200d💻 \u0915\u094d\u200d", "naïve 日本 👩\u200d💻 \u0915\u094d\u200d"),
    ],
)
def test_nothing_is_left_that_a_terminal_obeys(text: str, expected: str) -> None:
    assert clean(text) == expected
    assert len(clean(text).splitlines()) == len(clean(text).split("\n"))


def test_colours_may_stay() -> None:
    assert clean("\x1b[0;32mok\x1b[0m\x1b[2K\u202e!", colours=True) == "\x1b[0;32mok\x1b[0m!"


def test_a_sentence_holds_no_control_characters() -> None:
    assert sentence("\x1b[31mred\nline") == "red line."
