# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How closely the cache is looked at."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.check_sums``"""

    DOCUMENTATION = r"""
options:
  check_sums:
    description:
      - Whether to read every cached file and compare its SHA-256 with the one in its receipt. Otherwise only the receipt and the size
        are compared. A file that has changed counts as missing.
    type: bool
    default: false
"""
