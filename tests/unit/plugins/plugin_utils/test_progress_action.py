# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing what a long module says about its work."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils import _progress


class Task:
    check_mode = False
    async_val = 0
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
        self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any], wrap_async: int = 0
    ) -> dict[str, Any]:
        assert module_name == self.module and wrap_async == self._task.async_val
        self.calls.append(module_args)
        self._module_begins()
        return dict(self._work(module_args))

    def _async_status(self, job: Mapping[str, Any], mode: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.calls.append({"mode": mode, "job": job["ansible_job_id"]})
        return dict(json.loads(Path(job["results_file"]).read_text()))

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": run.stdout, "rc": run.returncode}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "INTERVAL", 0.02)
    monkeypatch.setattr(_progress, "JOB_INTERVAL", 0.02)
    monkeypatch.setattr(_progress.ForkedModule, "run", lambda self, tmp, task_vars: {})


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


def job(place: Path, limit: float = 30) -> dict[str, Any]:
    """What a task with C(async) returned whose job still runs."""
    results = place / "results"
    results.write_text(json.dumps({"started": True, "finished": False, "ansible_job_id": "7"}))
    said = place / "said"
    return {"ansible_job_id": "7", "results_file": str(results), "progress_file": str(said), "limit": limit}


def test_job_in_the_background_is_told_apart_and_leaves_its_file() -> None:
    action = Action(lambda options: {"started": True, "ansible_job_id": "7"}, option=1)
    action._task.async_val = 60
    result = action.run()
    assert result["limit"] == 60 and result["progress_file"] == action.calls[0]["progress_file"]


def test_later_task_shows_what_a_job_says_and_returns_its_result(tmp_path: Path) -> None:
    started = job(tmp_path)
    Path(started["progress_file"]).write_text("said before\n")
    action = Action(lambda options: pytest.fail("nothing is to be started"), job=started)

    def go_on() -> None:
        while not action._display.lines:
            time.sleep(0.01)
        with Path(started["progress_file"]).open("a") as file:
            file.write("said meanwhile\n")
        Path(started["results_file"]).write_text(json.dumps({"changed": True, "finished": True}))

    thread = threading.Thread(target=go_on)
    thread.start()
    result = action.run()
    thread.join()
    assert result["changed"]
    assert action._display.lines == ["    said before", "    said meanwhile"]
    assert action.calls == [{"mode": "status", "job": "7"}, {"mode": "cleanup", "job": "7"}]
    assert not Path(started["progress_file"]).exists()


def test_job_that_was_killed_does_not_make_the_run_wait_for_ever(tmp_path: Path) -> None:
    action = Action(lambda options: pytest.fail("nothing is to be started"), job=job(tmp_path, limit=0.1))
    result = action.run()
    assert result["failed"] and "0.1 seconds" in result["msg"]


def test_nothing_was_begun(tmp_path: Path) -> None:
    action = Action(lambda options: {"changed": True}, job={}, option=1)
    assert action.run() == {"changed": True}
    assert "job" not in action.calls[0]


def test_what_takes_long_is_told_from_a_thread_that_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(threading.Timer, "start", lambda _self: None)
    timer = _progress.tell_after(2.0, said.append, "reading")
    assert (timer.interval, timer.daemon, said) == (2.0, True, [])
    timer.function(*timer.args)
    assert said == ["    reading"]
