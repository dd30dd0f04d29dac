# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that need a cluster or an engine fail when they have nothing to run on, or not all of it ran."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
run = importlib.import_module("tests.transaction.run")
points = importlib.import_module("tests.transaction.test_points")
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
    monkeypatch.setattr(run.sys, "executable", str(program))
    assert run.main(tmp_path, tmp_path / "base", []) == 128 + signal.SIGKILL
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


INTERRUPTED = """
import os, subprocess, sys
here = sys.argv[1]
code = compile('''
with open(here + "/written", "w") as file:
    file.write("x")
open(here + "/written").close()
os.rename(here + "/written", here + "/moved")
subprocess.run(["true"])
sys.audit("http.client.send", None, b"PATCH /api/v1/namespaces/todo HTTP/1.1")
sys.audit("http.client.send", None, b"GET /api/v1/namespaces/todo HTTP/1.1")
''', "/x/ansible_collections/slipway/kube/plugins/modules/any.py", "exec")
open(here + "/not-ours", "w").close()
exec(code)
"""


def interrupted(place: Path, wanted: dict[str, object] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program whose points are counted, and that is interrupted at the one that is wanted."""
    points = place / "points"
    points.mkdir()
    if wanted:
        (points / "wanted").write_text(json.dumps(wanted), encoding="utf-8")
    environment = {
        **os.environ,
        "SLIPWAY_POINTS": str(points),
        "PYTHONPATH": str(ROOT / "tests/transaction/points"),
        "TMPDIR": "/var/tmp",
    }
    command = [sys.executable, "-c", INTERRUPTED, str(place)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_points_of_a_run_are_its_writes_programs_and_requests(tmp_path: Path) -> None:
    assert interrupted(tmp_path).returncode == 0
    counted = [json.loads(line) for line in (tmp_path / "points" / "points").read_text().splitlines()]
    assert counted == [
        [1, "file", f"open {tmp_path}/written"],
        [2, "file", f"os.rename {tmp_path}/written"],
        [3, "program", "true"],
        [4, "request", "PATCH /api/v1/namespaces/todo"],
    ]


@pytest.mark.parametrize(
    ("fault", "number", "error"),
    [("full disk", 1, "No space left on device"), ("read-only file system", 2, "Read-only file system")],
)
def test_the_disk_refuses_what_comes_after_a_point(tmp_path: Path, fault: str, number: int, error: str) -> None:
    done = interrupted(tmp_path, {"number": number, "fault": fault})
    assert done.returncode == 1 and error in done.stderr
    assert (tmp_path / "written").exists() == (number == 2)
    assert not (tmp_path / "moved").exists()


def test_each_kind_of_fault_comes_at_each_point_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [(number, "file", "open") for number in range(1, 9)]
    met: dict[int, set[str]] = {number: set() for number, _kind, _words in counted}
    for night in range(7):
        monkeypatch.setattr(points, "NIGHT", night)
        for point in points.with_faults(counted):
            met[point.number].add(point.fault)
    assert all(faults == set(points.FAULTS["file"]) for faults in met.values())


def test_a_sample_of_points_has_all_kinds_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "ALL", False)
    kinds = ["file"] * 90 + ["program"] * 10 + ["request"] * 50
    sample = points.with_faults(points.chosen([(number, kind, "") for number, kind in enumerate(kinds, 1)]))
    assert Counter(point.kind for point in sample) == points.SAMPLE
    assert {point.fault for point in sample} == {fault for faults in points.FAULTS.values() for fault in faults}
