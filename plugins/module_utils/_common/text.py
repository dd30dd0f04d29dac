# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people. Private to the collection."""

from __future__ import annotations

import re

# ECMA-48: CSI sequences such as colours, strings such as window titles, and the short ones; each also with its one-character beginning.
_COLOUR = r"\x1b\[[0-9;:]*m"
_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_SEQUENCES = re.compile(_SEQUENCE)
_SEQUENCES_BUT_COLOURS = re.compile(rf"({_COLOUR})|{_SEQUENCE}")
_ASCII: dict[int, str | None] = {code: None for code in (*range(0x20), 0x7F) if chr(code) not in "\n\t"}
# Unicode's C1, and the format characters that nobody sees: the soft hyphen, marks and isolates of direction, the byte order mark and
# tags. The joiners U+200C and U+200D belong to the writing of some languages and to emoji.
_INVISIBLE = (
    *range(0x80, 0xA0), 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070),
    0xFEFF, *range(0xFFF9, 0xFFFC), 0xE0001, *range(0xE0020, 0xE0080),
)  # fmt: skip
_ALL: dict[int, str | None] = {
    **_ASCII,
    **dict.fromkeys(_INVISIBLE),
    # A line of its own is what they are used to feign.
    0x2028: " ",
    0x2029: " ",
    # Halves of characters, which no file and no terminal takes.
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def sentence(text: object, longest: int = 300) -> str:
    """Return a text as one line that ends like a sentence."""
    words = " ".join(clean(str(text)).split())
    words = words if len(words) <= longest else words[: longest - 1] + "…"
    return words if not words or words[-1] in ".…" else words + "."


def clean(text: str, colours: bool = False) -> str:
    """Return what others have written without anything that a terminal or a page would obey. What is left is split at newlines only.

    Removed are terminal sequences, the control characters C0 and C1 except newline and tab (which becomes blanks), carriage returns,
    bidirectional controls and other invisible format characters. U+2028 and U+2029 become blanks, lone surrogates U+FFFD. With
    C(colours), sequences that only set a colour stay.
    """
    if not colours:
        return _printable(_SEQUENCES.sub("", text))
    parts = _SEQUENCES_BUT_COLOURS.split(text)
    # What the pattern captures, colours or None, stands at the odd places.
    return "".join((part or "") if index % 2 else _printable(part) for index, part in enumerate(parts))


def _printable(text: str) -> str:
    return text.translate(_ASCII if text.isascii() else _ALL).expandtabs(4)


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
