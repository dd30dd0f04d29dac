# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart as the plan has kept it."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.chart_snapshot``"""

    DOCUMENTATION = r"""
options:
  chart_digest:
    description: Digest of the chart, as returned by M(slipway.kube.application_plan). The module fails if the chart is a different one.
    type: str
    version_added: 0.2.0
  chart_snapshot:
    description: Directory with the chart of O(chart_digest), as returned by M(slipway.kube.application_plan). It is used instead of
      O(chart) if it still exists.
    type: path
    version_added: 0.2.0
"""
