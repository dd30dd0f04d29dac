# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that a module uses: the options that ``_kube.module_base.ARGUMENTS`` declares."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.kubernetes``"""

    DOCUMENTATION = r"""
requirements:
  - python >= 3.11
  - kubernetes
options:
  kubeconfig:
    description: Path of the kubeconfig; by default the usual one.
    type: path
  context:
    description: Context in the kubeconfig; by default the current one.
    type: str
"""
