# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module tells while it works."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile, StepReporter


def test_progress_file_grows_by_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "deeper" / "progress"
    progress = ProgressFile(str(file))
    progress.say("one")
    assert file.read_text() == "one\n"
    progress.say("two")
    assert file.read_text() == "one\ntwo\n"
    ProgressFile(file).say("drei ü")
    assert file.read_text(encoding="utf-8") == "one\ntwo\ndrei ü\n"


def test_progress_without_a_file_goes_nowhere() -> None:
    ProgressFile(None).say("one")


def test_step_is_told_at_its_start_at_its_end_and_between() -> None:
    words: list[str] = []
    reporter = StepReporter(words.append)

    def work(tell: Callable[[str], None]) -> None:
        reporter.tell_running()
        tell("[2/3] RUN make")
        reporter.tell_running()

    reporter.run("build todo", work, "build todo (2 more after it)", lambda: "1:00 in all")
    reporter.tell_running()
    assert [re.sub(r"\d+\.\d s", "0.0 s", line) for line in words] == [
        "build todo (2 more after it)",
        "build todo: 0.0 s so far, 1:00 in all",
        "build todo: 0.0 s so far, [2/3] RUN make",
        "build todo: done in 0.0 s",
    ]
    assert set(reporter.seconds) == {"build todo"}


def test_failed_step_is_not_told_as_done() -> None:
    words: list[str] = []
    reporter = StepReporter(words.append)

    def work(_tell: Callable[[str], None]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        reporter.run("build todo", work)
    reporter.tell_running()
    assert words == ["build todo"] and reporter.seconds == {}


def test_reporter_speaks_by_itself_until_its_block_ends() -> None:
    told = threading.Event()
    words: list[str] = []

    def say(text: str) -> None:
        words.append(text)
        if "so far" in text:
            told.set()

    before = set(threading.enumerate())
    with StepReporter(say, 0.001) as reporter:

        def work(_tell: Callable[[str], None]) -> None:
            assert told.wait(10), "it gave no sign of life"

        reporter.run("build todo", work)
    assert set(threading.enumerate()) <= before
    assert words[0] == "build todo" and words[-1].startswith("build todo: done in ")
