# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sum of a run."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._record import PhaseRecord
from ansible_collections.slipway.kube.plugins.plugin_utils._summary import headline, is_bad, phase_times


@pytest.mark.parametrize(
    ("counts", "check_mode", "expected"),
    [
        ({"ok": 3}, False, "Done in 1:05: nothing changed."),
        ({"ok": 3}, True, "Done in 1:05: nothing would change."),
        ({"changed": 2, "ignored": 1, "rescued": 3}, False, "Done in 1:05: 2 changed, 3 rescued, 1 ignored."),
        ({"changed": 1}, True, "Done in 1:05: 1 would change."),
        ({"changed": 1, "failures": 2}, False, "Failed after 1:05: 1 changed, 2 failed."),
        ({"unreachable": 1}, False, "Failed after 1:05: 1 unreachable."),
    ],
)
def test_the_headline_counts_what_matters(counts: dict[str, int], check_mode: bool, expected: str) -> None:
    assert headline(Counter(counts), check_mode, 65.9) == expected
    assert is_bad(Counter(counts)) is expected.startswith("Failed")


def test_a_phase_stays_with_its_time() -> None:
    phases = [PhaseRecord(name, [(0.0, 61.0)], Counter()) for name in ("plan", "my own", "verify")]
    assert phase_times(phases, 80) == ["  plan 1:01   my own 1:01   verify 1:01"]
    assert phase_times(phases, 39) == ["  plan 1:01   my own 1:01   verify 1:01"]
    assert phase_times(phases, 38) == ["  plan 1:01   my own 1:01", "  verify 1:01"]
    assert phase_times(phases, 30) == ["  plan 1:01   my own 1:01", "  verify 1:01"]
    assert phase_times([], 80) == []


def test_a_long_name_stays_whole() -> None:
    assert phase_times([PhaseRecord("set-up-of-all", [(0.0, 61.0)], Counter())], 10) == ["  set-up-of-all 1:01"]
