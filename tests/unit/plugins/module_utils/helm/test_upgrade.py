# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm and what watches beside it, with programs in Helm's place that end as they are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import upgrade
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import ApiError
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding

FINDING = Finding("job_failed", "The hook failed.", "todo", "Job/migration")


class HookWatcher:
    """Finds something at the given look, the first being 1; fails to look before that when told so."""

    def __init__(self, finds_at: int = 0, broken: bool = False) -> None:
        self.finds_at, self.broken, self.looks, self.began = finds_at, broken, 0, False

    def begin(self) -> None:
        self.began = True

    def step(self) -> Finding | None:
        assert self.began
        self.looks += 1
        if self.broken:
            raise ApiError(403, "Forbidden", "no")
        return FINDING if self.looks >= self.finds_at > 0 else None

    def explain(self, finding: Finding) -> dict[str, Any]:
        return {"code": finding.code}


def run(program: str, watcher: HookWatcher, **values: Any) -> upgrade.HelmResult:
    return upgrade.run([sys.executable, "-c", program], values, watcher, interval=0.05)


def test_success_is_told_without_a_diagnosis() -> None:
    ended = run("pass", HookWatcher())
    assert (ended.code, ended.diagnosis, ended.stopped) == (0, None, False)


def test_values_come_by_standard_input(tmp_path: Path) -> None:
    seen = tmp_path / "values"
    ended = run(
        f"import sys; open({str(seen)!r}, 'w').write(sys.stdin.read())", HookWatcher(), a={"b": 1}, c="x" * 200_000
    )
    assert ended.code == 0 and json.loads(seen.read_text()) == {"a": {"b": 1}, "c": "x" * 200_000}


def test_helm_is_ended_when_a_hook_cannot_succeed() -> None:
    ended = run("import time; time.sleep(60)", HookWatcher(finds_at=3))
    assert ended.stopped and ended.code != 0 and ended.diagnosis == {"code": "job_failed"}


def test_helm_may_write_down_that_it_failed() -> None:
    program = (
        "import signal, sys, time\n"
        "def over(*_):\n    print('Error: release cancelled', file=sys.stderr); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, over)\nprint('ready', file=sys.stderr, flush=True)\ntime.sleep(60)"
    )
    ended = run(program, HookWatcher(finds_at=20))
    assert ended.stopped and ended.code == 1 and "release cancelled" in ended.errors


def test_helm_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_PATIENCE", 0.2)
    ended = run(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", HookWatcher(finds_at=20)
    )
    assert ended.stopped and ended.code == -9


def test_helm_that_succeeds_after_all_has_succeeded() -> None:
    program = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('ready', file=sys.stderr, flush=True)\ntime.sleep(60)"
    )
    ended = run(program, HookWatcher(finds_at=20))
    assert ended.code == 0 and ended.diagnosis is None and not ended.stopped


def test_failure_of_helm_itself_is_explained_if_it_can_be() -> None:
    program = "import sys; print('Error: no', file=sys.stderr); sys.exit(3)"
    ended = run(program, HookWatcher())
    assert (ended.code, ended.diagnosis, ended.stopped) == (3, None, False) and ended.errors == "Error: no\n"
    ended = run(program, HookWatcher(finds_at=1))
    assert ended.code != 0 and ended.diagnosis == {"code": "job_failed"}


def test_a_look_that_fails_does_not_disturb_helm() -> None:
    ended = run("import time; time.sleep(0.3)", HookWatcher(broken=True))
    assert (ended.code, ended.diagnosis) == (0, None)


def test_helm_is_killed_when_the_lease_is_lost() -> None:
    watcher = HookWatcher()
    ended = upgrade.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"],
        {},
        watcher,
        interval=0.01,
        lost=lambda: "Bob has it." if watcher.looks == 3 else "",
    )
    assert (ended.code, ended.stopped) == (-9, False) and watcher.looks == 4  # the last one explains what is left


def test_program_that_is_missing_is_the_callers_matter() -> None:
    with pytest.raises(OSError):
        upgrade.run(["/no/such/helm"], {}, HookWatcher())


def test_command_holds_no_value() -> None:
    command = upgrade.upgrade_command("helm", "todo", "shop", "/charts/todo", 30, 5, "/k", "slipway")
    assert command[:3] == ["helm", "upgrade", "todo"] and command[command.index("--values") + 1] == "-"
    assert command[-4:] == ["--kubeconfig", "/k", "--kube-context", "slipway"]
    short = upgrade.upgrade_command("helm", "todo", "shop", "/charts/todo", 30, 5, None, None)
    assert "--kubeconfig" not in short and "--kube-context" not in short


def test_lines_of_helms_libraries_are_left_out() -> None:
    errors = 'level=WARN msg="x"\nI1121 12:00:00 wait.go:1\n\nError: UPGRADE FAILED:\n   timed out  waiting\n'
    assert upgrade.error_lines(errors) == ["Error: UPGRADE FAILED:", "timed out waiting"]
