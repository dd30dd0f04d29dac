# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster a module talks to: the options that ``_kube_module.ARGUMENTS`` declares."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.kubernetes``"""

    DOCUMENTATION = r"""
requirements:
  - python >= 3.11
  - kubernetes
options:
  kubeconfig:
    description: The kubeconfig's path; the usual one if omitted.
    type: path
  context:
    description: The kubeconfig's context; the current one if omitted.
    type: str
"""
