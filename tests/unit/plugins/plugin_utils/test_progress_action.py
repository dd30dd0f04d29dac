# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing what a long module says about its work."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils import _progress


class Task:
    check_mode = False
    args: dict[str, Any] = {}


class Display:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, text: str) -> None:
        self.lines.append(text)


class Action(_progress.ProgressAction):
    """The action without Ansible: the module is a function of its options, commands run here."""

    module = "slipway.kube.example"

    def __init__(self, work: Any, check_mode: bool = False, **options: Any) -> None:
        self._task = Task()
        self._task.args = options
        self._task.check_mode = check_mode
        self._display = Display()
        self._work = work
        self.calls: list[dict[str, Any]] = []

    def _execute_module(
        self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        assert module_name == self.module
        self.calls.append(module_args)
        return dict(self._work(module_args))

    def _low_level_execute_command(self, command: str) -> dict[str, str]:
        return {"stdout": subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "INTERVAL", 0.02)
    monkeypatch.setattr(_progress.ActionBase, "run", lambda self, tmp, task_vars: {})


def test_lines_are_shown_while_the_module_runs_and_once_each(tmp_path: Path) -> None:
    shown_meanwhile: list[str] = []

    def work(options: dict[str, Any]) -> dict[str, Any]:
        file = Path(options["progress_file"])
        file.write_text("one\n")
        end = time.monotonic() + 5
        while not action._display.lines and time.monotonic() < end:
            time.sleep(0.01)
        shown_meanwhile.extend(action._display.lines)
        with file.open("a") as more:
            more.write("two\nthree\n")
        return {"changed": True}

    action = Action(work, progress_file=str(tmp_path / "file with spaces"), option=1)
    assert action.run(task_vars={}) == {"changed": True}
    assert shown_meanwhile == ["    one"]
    assert action._display.lines == ["    one", "    two", "    three"]
    assert not (tmp_path / "file with spaces").exists()
    assert action.calls[0]["option"] == 1


def test_module_that_says_nothing_is_fine(tmp_path: Path) -> None:
    action = Action(lambda options: {"changed": False}, progress_file=str(tmp_path / "never"))
    assert action.run() == {"changed": False}
    assert action._display.lines == []


def test_two_runs_do_not_share_a_file() -> None:
    files = []
    for _run in range(2):
        action = Action(lambda options: {"changed": False})
        action.run()
        files.append(action.calls[0]["progress_file"])
    assert len(set(files)) == 2


def test_last_words_are_shown_when_the_module_breaks(tmp_path: Path) -> None:
    def work(options: dict[str, Any]) -> dict[str, Any]:
        Path(options["progress_file"]).write_text("last words\n")
        raise RuntimeError("connection lost")

    action = Action(work, progress_file=str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="connection lost"):
        action.run()
    assert action._display.lines == ["    last words"]
    assert not (tmp_path / "file").exists()


def test_check_mode_follows_nothing() -> None:
    action = Action(lambda options: {"changed": True}, check_mode=True, option=1)
    assert action.run() == {"changed": True}
    assert action.calls == [{"option": 1}]
