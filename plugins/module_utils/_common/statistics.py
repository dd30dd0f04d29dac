# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles. Private to the collection."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the nearest-rank percentile: the smallest value that rank percent do not exceed.

    Nearest rank is the definition that never invents a value nobody measured. Raises ValueError without values.
    """
    if not values:
        raise ValueError("no values")
    if not 0 < rank <= 100:
        raise ValueError("the rank must be between 0 and 100")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(rank * len(ordered) / 100) - 1)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p95, p99 and max in the unit of the values, empty without values."""
    if not values:
        return {}
    found = {f"p{rank}": round(percentile(values, rank), 3) for rank in (50, 90, 95, 99)}
    found["max"] = round(max(values), 3)
    return found
