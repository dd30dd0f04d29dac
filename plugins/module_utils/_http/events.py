# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events (WHATWG HTML, 9.2). Private to the collection."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

MAX_LINE = 1 << 20
"""Characters of a line that has no end yet."""


@dataclass(frozen=True)
class Event:
    """One event: its name, its data, and the last identifier that the stream has given."""

    name: str
    data: str
    id: str


class EventReader:
    """Makes events of the pieces of a stream, however they are cut."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text, self._first = "", True
        self._name, self._data, self._id = "", list[str](), ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that are complete with these bytes."""
        self._text += self._decoder.decode(data)
        if self._first and self._text:
            self._text, self._first = self._text.removeprefix("\ufeff"), False
        while (line := self._line()) is not None:
            if line:
                self._field(line)
                continue
            if self._data:
                yield Event(self._name or "message", "\n".join(self._data), self._id)
            self._name, self._data = "", []
        if len(self._text) > MAX_LINE:
            raise CheckError("body_too_large", f"A line has more than {MAX_LINE} characters.")

    def _line(self) -> str | None:
        """Take the next line, which ends in CR LF, LF or CR; None when its end has not arrived."""
        ends = [at for at in (self._text.find("\n"), self._text.find("\r")) if at >= 0]
        if not ends:
            return None
        end = min(ends)
        # What follows a CR at the end may be its LF.
        if self._text[end] == "\r" and end + 1 == len(self._text):
            return None
        line = self._text[:end]
        self._text = self._text[end + (2 if self._text.startswith("\r\n", end) else 1) :]
        return line

    def _field(self, line: str) -> None:
        name, _colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
