# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that is drawn on a terminal and taken back before anything else is shown."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._live import LiveLine

ERASE = "\r\x1b[K"


class Display:
    """Ansible's display: what it shows goes to the terminal too."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def display(self, msg: str, **options: Any) -> None:
        print(msg, end="" if options.get("newline") is False else "\n")


@pytest.fixture
def display() -> Display:
    return Display()


def test_a_line_is_drawn_once_and_taken_back_once(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    line = LiveLine(display, enabled=True)
    for text in ("0:01 Wait", "0:01 Wait", "0:02 Wait"):
        line.draw(text)
    assert capsys.readouterr().out == f"{ERASE}0:01 Wait{ERASE}0:02 Wait"
    line.erase()
    line.erase()
    assert capsys.readouterr().out == ERASE


def test_nothing_is_drawn_where_there_is_no_terminal_or_in_a_fork(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    LiveLine(display, enabled=False).draw("0:01 Wait")
    line = LiveLine(display, enabled=True)
    line.attach(lambda msg: print(f"header of {msg}"), str)
    line._owner = 0
    line.draw("0:01 Wait")
    display.display("from a worker")
    assert capsys.readouterr().out == "from a worker\n"


def test_the_line_makes_room_for_what_is_displayed(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    line = LiveLine(display, enabled=True)
    line.attach(lambda msg: print(f"header of {msg}"), str)
    line.draw("0:01 Wait")
    display.display("a warning")
    assert capsys.readouterr().out == f"{ERASE}0:01 Wait{ERASE}header of a warning\na warning\n"
    line.draw("0:02 Wait")
    capsys.readouterr()
    display.display("for the log", log_only=True)
    assert capsys.readouterr().out == "for the log\n"


def test_what_is_displayed_is_cleaned_before_anybody_sees_it(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    LiveLine(display, enabled=True).attach(lambda msg: print(f"header of {msg}"), str.upper)
    display.display("a warning")
    assert capsys.readouterr().out == "header of A WARNING\nA WARNING\n"


def test_a_question_is_not_drawn_over(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    line = LiveLine(display, enabled=True)
    line.attach(lambda _msg: None, str)
    display.display("Continue?", newline=False)
    line.draw("0:01 Wait")
    assert capsys.readouterr().out == "Continue?"
    display.display("yes")
    line.draw("0:02 Wait")
    assert capsys.readouterr().out == f"yes\n{ERASE}0:02 Wait"


def test_the_display_gets_its_method_back(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    line = LiveLine(display, enabled=True)
    line.attach(lambda msg: print(f"header of {msg}"), str)
    LiveLine(display, enabled=True).attach(lambda msg: print("a second one"), str)
    line.draw("0:01 Wait")
    line.detach()
    display.display("over")
    assert capsys.readouterr().out == f"{ERASE}0:01 Wait{ERASE}over\n"


def test_the_lock_is_that_of_the_display(display: Display) -> None:
    assert LiveLine(display, enabled=True).lock is display._lock
    with LiveLine(object(), enabled=True).lock:
        pass
