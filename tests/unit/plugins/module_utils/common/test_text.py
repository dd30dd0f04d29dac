# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as people read them."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clock, duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00"), (75, "1:15"), (3661, "1:01:01")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_clock_counts_whole_seconds() -> None:
    assert [clock(0.9), clock(61), clock(3600)] == ["0:00", "1:01", "1:00:00"]
