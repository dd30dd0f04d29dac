# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` printed becomes a section of the measurements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import suite

LOG = """
== ruff
== a line of a step: passed (not a time)
== ruff: passed (1s)
== molecule: transaction: passed (305s)
== all steps (330s)
2 passed, 0 failed
"""


def test_each_step_and_the_whole_are_read() -> None:
    assert suite.steps_of(LOG) == {"steps": {"ruff": 1, "molecule: transaction": 305}, "seconds": 330}


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (LOG.replace("ruff: passed (1s)", "ruff: FAILED (1s)"), "These steps failed: ruff"),
        (LOG.replace("== all steps", "== some"), "no time of all steps"),
        ("", "no steps"),
    ],
)
def test_a_log_that_proves_nothing_is_refused(log: str, cause: str) -> None:
    with pytest.raises(suite.LogError, match=cause):
        suite.steps_of(log)


def test_a_cold_and_a_warm_run_stand_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, file = tmp_path / "log", tmp_path / "results.json"
    log.write_text(LOG)
    assert suite.main(["--cache", "cold", "--results", str(file), "--note", "Nothing else ran.", str(log)]) == 0
    log.write_text(LOG.replace("(305s)", "(95s)").replace("== ruff: passed (1s)\n", "== types: passed (2s)\n"))
    assert suite.main(["--cache", "warm", "--results", str(file), str(log)]) == 0
    shown = capsys.readouterr().out
    assert "| molecule: transaction | 5 min 05 s | 95.0 s |" in shown
    assert "| ruff | 1.0 s | – |" in shown and "| types | – | 2.0 s |" in shown
    assert "| the whole run | 5 min 30 s | 5 min 30 s |" in shown and "Nothing else ran." in shown
    assert list(json.loads(file.read_text())) == ["steps of make test"]


def test_a_log_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main(["--cache", "warm", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
