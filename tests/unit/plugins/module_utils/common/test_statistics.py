# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles are measured values."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import statistics
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 100))
def test_percentile_is_a_measured_value_that_covers_its_share(values: list[float], rank: float) -> None:
    found = statistics.percentile(values, rank)
    assert found in values
    assert sum(value <= found for value in values) >= rank / 100 * len(values) - 1e-6


def test_percentiles_of_a_known_row() -> None:
    values = [float(value) for value in range(1, 101)]
    assert statistics.percentiles(values) == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
    assert statistics.percentiles([]) == {}
    with pytest.raises(ValueError):
        statistics.percentile([], 50)


def test_a_percentile_of_many_values_is_the_one_at_its_rank() -> None:
    values = range(1, 1001)
    assert [statistics.percentile(values, rank) for rank in (0.1, 50, 99.9, 100)] == [1, 500, 999, 1000]


@pytest.mark.parametrize("rank", [-1, 0, 100.5])
def test_a_rank_lies_between_0_and_100(rank: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        statistics.percentile([1.0], rank)


def test_percentiles_have_three_digits() -> None:
    assert statistics.percentiles([0.12345, 2.98765])["p50"] == 0.123
    assert statistics.percentiles([0.12345, 2.98765])["max"] == 2.988
