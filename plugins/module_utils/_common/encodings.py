# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The encodings in which a value may stand in a text. Private to the collection.

Text and value are decoded alike, so that no list of a value's spellings is needed: JSON, JavaScript and Python escapes, percent encoding,
HTML entities and octal escapes each lose one layer in L(decoded), and what quoting and wrapping add (quotes, backslashes, blanks, line
ends and the plus sign that stands for a blank) is left out by L(squeezed). Only base64 and hexadecimal digits, which carry no sign of what
they are, are computed from the value (L(spellings)).
"""

from __future__ import annotations

import base64
import bisect
import html
import re
from collections.abc import Callable, Iterator

LAYERS = 4  # of encodings around each other that are taken off
# Each alternative begins with a character, by which the engine skips what holds none of them.
_ESCAPE = re.compile(
    r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
    r"|\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*|\\[0-3][0-7]{2}(?:\\[0-3][0-7]{2})*|\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*"
    r"|\\U[0-9A-Fa-f]{8}|\\u\{[0-9A-Fa-f]{1,6}\}|\\[abefnrtv0]|\\[^A-Za-z0-9]"
)
_SHORT = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_DROPPED = " \t\r\n\v\f\\\"'+"
_SQUEEZE = dict.fromkeys(map(ord, _DROPPED))
_DROPPED_RUN = re.compile(rf"[{re.escape(_DROPPED)}]+")
_NOT_UTF8 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}


def _decoded_escape(found: re.Match[str]) -> str:
    text = found[0]
    if text[0] == "%":
        return _text_of(bytes.fromhex(text.replace("%", "")))
    if text[0] == "&":
        return html.unescape(text)
    kind = text[1]
    if kind == "x":
        return _text_of(bytes.fromhex(text.replace("\\x", "")))
    if kind in "0123" and len(text) > 2:
        return _text_of(bytes(int(digits, 8) for digits in text[1:].split("\\")))
    if kind in "uU":
        if kind == "u" and text[2] != "{":
            units = "".join(chr(int(digits, 16)) for digits in text[2:].split("\\u"))
            return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        code = int(text[2:].strip("{}"), 16)
        return chr(code) if code <= 0x10FFFF else text
    return _SHORT.get(kind, kind)


def _text_of(data: bytes) -> str:
    """Return bytes as text; what is no UTF-8 counts as Latin-1, in which Python writes a text's own characters."""
    return data.decode("utf-8", "surrogateescape").translate(_NOT_UTF8)


def decoded(text: str) -> str:
    """Return the text without one layer of escapes."""
    return _ESCAPE.sub(_decoded_escape, text)


def squeezed(text: str) -> str:
    """Return the text without what quoting and wrapping may add."""
    return text.translate(_SQUEEZE)


class Layer:
    """A text after some layers of escapes were taken off it. It finds its way back only when it is asked, which takes longer."""

    def __init__(self, text: str, outer: Layer | None = None) -> None:
        self.text = text
        self._outer = outer
        self._view: View | None = None

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from start to end (at least one) stand in the text with all its escapes."""
        if self._outer is None:
            return start, end
        if self._view is None:
            self._view = View(self._outer.text, _ESCAPE, _decoded_escape)
        return self._outer.origin(*self._view.origin(start, end))


def layers(text: str) -> Iterator[Layer]:
    """Yield the text as it is, and after each layer of escapes that can be taken off."""
    layer = Layer(text)
    yield layer
    for _turn in range(LAYERS):
        inner = decoded(layer.text)
        if inner == layer.text:
            return
        layer = Layer(inner, layer)
        yield layer


def spellings(data: bytes) -> set[str]:
    """Return how bytes read in base64 and base64url, wherever they begin in what is encoded, and in hexadecimal digits.

    In base64 the outermost characters depend on the neighbours and are left out.
    """
    found = {data.hex(), data.hex().upper()}
    for before, unknown in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(data)) * 8 // 6
        code = base64.b64encode(b"\0" * before + data).decode()[unknown:whole]
        found |= {code, code.replace("+", "-").replace("/", "_")}
    return found


class View:
    """A text without some of its characters or with others in their place, which knows where each came from."""

    def __init__(self, source: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> None:
        pieces: list[str] = []
        self._starts: list[int] = []  # of each replacement, in the view
        self._tokens: list[tuple[int, int, int]] = []  # its end in the view, its start and end in the source
        length = position = 0
        for found in pattern.finditer(source):
            start, end = found.span()
            new = replace(found)
            length += start - position
            self._starts.append(length)
            pieces += (source[position:start], new)
            length += len(new)
            self._tokens.append((length, start, end))
            position = end
        pieces.append(source[position:])
        self.text = "".join(pieces)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from start to end of the view (at least one) stand in the source."""
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, index: int) -> tuple[int, int]:
        number = bisect.bisect_right(self._starts, index) - 1
        if number < 0:
            return index, index + 1
        new_end, start, end = self._tokens[number]
        if index < new_end:
            return start, end
        return end + index - new_end, end + index - new_end + 1


def squeezed_view(source: str) -> View:
    """Return the view of a text without what quoting and wrapping may add."""
    return View(source, _DROPPED_RUN, lambda _found: "")
