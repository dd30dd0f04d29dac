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


def clock(seconds: float) -> str:
    """Render seconds as m:ss, or h:mm:ss from an hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def duration(seconds: float) -> str:
    """Render seconds shortly: `0.4 s`, `12 s`, `1:15`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds:.0f} s" if seconds < 59.5 else clock(seconds + 0.5)
