# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the tasks that run."""

from __future__ import annotations

from ansible_collections.slipway.kube.plugins.plugin_utils._running import RunningTasks

WAIT, BUILD = ("1", "a"), ("2", "b")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_line_shows_what_runs_longest() -> None:
    clock = Clock()
    tasks = RunningTasks(clock)
    assert tasks.line("Deploy", False) == ""
    tasks.start(WAIT, "Wait", "verify", "a", False)
    clock.now += 61
    assert tasks.line("Deploy", False) == "  1:01  verify > Wait"
    assert tasks.line("Deploy", True) == "  1:01  verify > a > Wait"
    assert tasks.line("verify", False) == "  1:01  Wait"
    tasks.start(BUILD, "Build", "images", "b", False)
    assert tasks.line("Deploy", True) == "  1:01  verify > 2 hosts > Wait"
    tasks.end(WAIT)
    assert tasks.line("Deploy", False) == "  0:00  images > Build"


def test_how_far_a_task_is() -> None:
    tasks = RunningTasks(Clock())
    tasks.start(BUILD, "Build", "images", "b", False)
    tasks.count(BUILD)
    tasks.count(BUILD)
    tasks.count(WAIT)
    assert tasks.line("", False) == "  0:00  images > Build (2 done)"
    tasks.note(BUILD, "3 attempts left")
    tasks.note(WAIT, "gone")
    assert tasks.line("", False) == "  0:00  images > Build (3 attempts left)"


def test_reports_become_rare() -> None:
    clock = Clock()
    tasks = RunningTasks(clock)
    tasks.start(WAIT, "Wait", "verify", "a", False)
    said = []
    for _second in range(140):
        said += [words for _task, words in tasks.reports(10)]
        clock.now += 1
    assert said == [": 0:10", ": 0:20", ": 0:30", ": 0:40", ": 1:20", ": 2:00"]
    assert list(tasks.reports(0)) == []
    assert len(list(tasks.reports(0.5))) == 1


def test_a_task_that_asks_a_person() -> None:
    tasks = RunningTasks(Clock())
    tasks.start(WAIT, "Wait", "verify", "a", False)
    assert not tasks.waits_for_a_person()
    tasks.start(BUILD, "Ask", "images", "b", True)
    assert tasks.waits_for_a_person()
    tasks.clear()
    assert not tasks.waits_for_a_person() and list(tasks) == []
