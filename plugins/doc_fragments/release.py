# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm release that a module manages: the options that ``_kube.module_base.RELEASE`` declares."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.release``"""

    DOCUMENTATION = r"""
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Namespace of the release.
    type: str
    required: true
"""
