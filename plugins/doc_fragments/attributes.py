# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of every module. A module adds its level of support for each."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.attributes``, and ``slipway.kube.attributes.reads`` for a module that only reads."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return what it would change, without changing anything.
  diff_mode:
    description: Can show changes as a diff.
  idempotent:
    description: A second run with the same options changes nothing.
"""

    READS = r"""
attributes:
  check_mode:
    description: Can run in check mode and return what it would change, without changing anything.
    support: full
  diff_mode:
    description: Can show changes as a diff.
    support: none
    details: Nothing is changed, so there is no difference to show.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
    details: The module only reads.
"""
