# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people. Private to the collection."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def sentence(text: object, longest: int = 300) -> str:
    """Return a text as one line that ends like a sentence."""
    words = " ".join(str(text).split())
    words = words if len(words) <= longest else words[: longest - 1] + "…"
    return words if not words or words[-1] in ".…" else words + "."


def clean(text: str) -> str:
    """Drop colours and control characters, which a program's output may carry to the terminal."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n"))).expandtabs(4)
