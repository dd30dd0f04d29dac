# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Helm releases a module is about, as entries of a plan: the option that ``module_base.RELEASES`` declares."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.releases``, and ``slipway.kube.releases.optional`` for a module that can do without.

    Both are written out, because ansible-test reads the fragments without running them.
    """

    DOCUMENTATION = """
options:
  releases:
    description:
      - The releases, as entries of the plan that M(slipway.kube.application_plan) returns. A module needs name and namespace of each, and what
        its description names.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the release.
        type: str
        required: true
      namespace:
        description: Namespace of the release.
        type: str
        required: true
      chart:
        description: Directory of the chart.
        type: str
      chart_name:
        description: Name of the chart.
        type: str
      chart_version:
        description: Version of the chart.
        type: str
      chart_digest:
        description: Digest of the chart's files.
        type: str
      chart_snapshot:
        description: Directory with the copy of the chart that the plan made.
        type: str
      values:
        description: The values.
        type: dict
      secret_checksums:
        description: Dotted paths of the values that get the checksum of a Secret, by the names of the Secrets.
        type: dict
      wait:
        description: Whether the rollout has to end before the next release is started.
        type: bool
"""

    OPTIONAL = """
options:
  releases:
    description:
      - The releases, as entries of the plan that M(slipway.kube.application_plan) returns. A module needs name and namespace of each, and what
        its description names.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the release.
        type: str
        required: true
      namespace:
        description: Namespace of the release.
        type: str
        required: true
      chart:
        description: Directory of the chart.
        type: str
      chart_name:
        description: Name of the chart.
        type: str
      chart_version:
        description: Version of the chart.
        type: str
      chart_digest:
        description: Digest of the chart's files.
        type: str
      chart_snapshot:
        description: Directory with the copy of the chart that the plan made.
        type: str
      values:
        description: The values.
        type: dict
      secret_checksums:
        description: Dotted paths of the values that get the checksum of a Secret, by the names of the Secrets.
        type: dict
      wait:
        description: Whether the rollout has to end before the next release is started.
        type: bool
"""
