# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that need a cluster or an engine fail when they have nothing to run on, or not all of it ran."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
run = importlib.import_module("tests.transaction.run")
faults = importlib.import_module("faults")


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([0, -9], 137), ([1, -15], 143), ([0, 2, 1], 2), ([-11], 139), ([], 1)]
)
def test_no_pytest_that_failed_or_was_killed_is_lost(codes: list[int], expected: int) -> None:
    assert run.worst(codes) == expected


def test_a_killed_pytest_fails_the_run_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = {
        "test_a.py": "print('= 3 passed =')",
        "test_b.py": f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})",
    }
    for name, program in ends.items():
        (tmp_path / name).write_text(program, encoding="utf-8")
    # Stands for Python with pytest: runs the file that comes last.
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nfor file; do :; done\nexec {sys.executable} "$file"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run.sys, "executable", str(program))
    assert run.main(tmp_path / "base", []) == 128 + signal.SIGKILL
    assert capsys.readouterr().out.splitlines()[-1] == "test_a: 3 passed; test_b: ended by SIGKILL"


def test_faults_are_chosen_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_FAULTS_ONLY", raising=False)
    assert faults.chosen() == list(faults.FAULTS)
    monkeypatch.setenv("SLIPWAY_FAULTS_ONLY", "quiet")
    assert [fault.name for fault in faults.chosen()] == ["quiet"]
    monkeypatch.setenv("SLIPWAY_FAULTS_ONLY", "quiet quite")
    with pytest.raises(ValueError, match="no fault by quite"):
        faults.chosen()


def test_without_an_engine_its_tests_fail(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock",
        "SLIPWAY_IMAGE_BUILD": str(tmp_path / "no"),
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", "tests/engine"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    assert "What to do: " in done.stdout and "skipped" not in done.stdout
