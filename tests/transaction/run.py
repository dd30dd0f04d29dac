#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run each file of a directory of tests beside the others: a deploy is one process that computes or waits, so two cores do two at once.

The one that interrupts runs at every point comes after them.

    run.py TESTS DIRECTORY [options of pytest]

TESTS is the directory of the tests; DIRECTORY takes what they write. Ends with one line of what passed and failed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Stops what the others use when SLIPWAY_KILLS=all.
ALONE = "test_points"


def worst(codes: Iterable[int]) -> int:
    """Return an exit code that is 0 only when all are; a signal counts as a shell counts it. Nothing that ran is a failure too."""
    return max((code if code >= 0 else 128 - code for code in codes), default=1)


def summary(text: str, code: int) -> str:
    """Return the last line that a pytest wrote, or which signal ended it."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return (text.splitlines() or ["said nothing"])[-1].strip("= ")


def main(tests: Path, base: Path, options: list[str]) -> int:
    """Return the worst of the exit codes of the tests in a directory."""
    base.mkdir(parents=True, exist_ok=True)
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--tb=short", *options]
    files = sorted(tests.glob("test_*.py"))
    groups = [[file for file in files if file.stem != ALONE], [file for file in files if file.stem == ALONE]]
    outcomes = [outcome for group in groups for outcome in run_beside(group, base, pytest)]
    print("\n".join(text for _name, _code, text in outcomes))
    print("; ".join(f"{name}: {summary(text, code)}" for name, code, text in outcomes))
    return worst(code for _name, code, _text in outcomes)


def run_beside(files: Iterable[Path], base: Path, pytest: list[str]) -> list[tuple[str, int, str]]:
    """Run files of tests at the same time; name, exit code and output of each."""
    runs: dict[Path, subprocess.Popen[bytes]] = {}
    try:
        for file in files:
            log = base / f"{file.stem}.log"
            # Not among the directories of other runs, of which pytest keeps only the last.
            command = [*pytest, f"--basetemp={base / file.stem}", str(file)]
            with log.open("wb") as output:
                runs[log] = subprocess.Popen(
                    command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
        codes = {log: process.wait() for log, process in runs.items()}
    finally:
        for process in runs.values():
            process.terminate()
    return [(log.stem, code, log.read_text(encoding="utf-8", errors="replace").rstrip()) for log, code in codes.items()]


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} TESTS DIRECTORY [options of pytest]")
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute(), sys.argv[3:]))
