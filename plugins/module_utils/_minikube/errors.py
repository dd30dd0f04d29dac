# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of this package raises. Private to the collection."""

from __future__ import annotations


class MinikubeError(Exception):
    """A profile cannot be had as asked for; the text says why and what to do."""
