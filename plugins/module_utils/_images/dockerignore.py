# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's rules for C(.dockerignore). Private to the collection.

Written by hand, because no library reads them as Docker does: pathspec knows Git's rules only, in which a pattern without a slash holds at every
depth, and docker-py's matcher takes C([^a]) for the opposite of what the engine does (findings/docker-sdk-ignore-classes.sh).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class ContextError(ValueError):
    """The build context cannot be read as Docker would read it. The text says what and what to do."""


@dataclass(frozen=True)
class Pattern:
    """One line of a .dockerignore."""

    text: str
    exception: bool
    matches: Callable[[str], bool]

    @property
    def literal(self) -> str:
        """The part before the first wildcard: nothing outside of it can match."""
        found = re.search(r"[*?\[\\]", self.text)
        return self.text[: found.start()] if found else self.text


def _regex(text: str) -> str:
    """Translate a pattern that holds wildcards into a regular expression for the whole path."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        letter = text[position]
        position += 1
        if letter == "*" and text[position : position + 1] == "*":
            position += 1
            if text[position : position + 1] == "/":
                position += 1
            parts.append(".*" if position >= len(text) else "(?:.*/)?")
        elif letter == "*":
            parts.append("[^/]*")
        elif letter == "?":
            parts.append("[^/]")
        elif letter == "\\" and position < len(text):
            parts.append("\\" + text[position])
            position += 1
        else:
            # Only what means something to an expression and nothing to a pattern: [a-c] and [^a-c] are meant.
            parts.append("\\" + letter if letter in ".+()|{}$" else letter)
    return "".join(parts)


def _matcher(text: str) -> Callable[[str], bool]:
    """Return the predicate of one cleaned pattern over slash-separated relative paths.

    Docker does not use a regular expression for the simple forms, and the two differ: ``**name`` matches every path
    that ends so, and ``name**`` every path that begins so, whatever slashes are in between.
    """
    rest = text[2:]
    if text.startswith("**") and not re.search(r"[*?\[\]\\]", rest):
        return lambda path: path.endswith(rest) or (rest[:1] == "/" and path == rest[1:])
    if text.endswith("**") and not re.search(r"[*?\[\]\\]", text[:-2]):
        return lambda path: path.startswith(text[:-2])
    if not re.search(r"[*?\[\]\\]", text):
        return lambda path: path == text
    if text.endswith("\\") or re.search(r"\[\^?\]", text) or text.count("[") > text.count("]"):
        raise ContextError(f"{text!r} is not a valid pattern")
    try:
        compiled = re.compile(_regex(text), re.ASCII)
    except re.error as error:
        raise ContextError(f"{text!r} is not a valid pattern ({error})") from None
    return lambda path: compiled.fullmatch(path) is not None


def _clean(text: str) -> str:
    """Normalise a path as Go's filepath.Clean does."""
    cleaned = posixpath.normpath(text)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned


def parse_dockerignore(content: str) -> list[Pattern]:
    """Read a .dockerignore's lines, in their order; ContextError names the line that Docker would refuse."""
    patterns: list[Pattern] = []
    for number, line in enumerate(content.removeprefix("\ufeff").splitlines(), start=1):
        # A comment begins at the line's very first letter; " #name" is a file of that name.
        if line.startswith("#") or not line.strip():
            continue
        text = line.strip()
        exception = text.startswith("!")
        text = text[1:].strip() if exception else text
        if not text:
            raise ContextError(f"line {number}: '!' must be followed by a pattern")
        text = _clean(text)
        if len(text) > 1:
            text = text.removeprefix("/")
        try:
            patterns.append(Pattern(text, exception, _matcher(text)))
        except ContextError as error:
            raise ContextError(f"line {number}: {error}") from None
    return patterns


def ignored(patterns: Sequence[Pattern], path: str) -> bool:
    """Tell whether a path is kept out: the last pattern that matches it or a directory above it decides."""
    parts = path.split("/")
    results = inherited(patterns, [])
    for count in range(1, len(parts) + 1):
        results = match_path(patterns, "/".join(parts[:count]), results)
    return verdict(patterns, results)


def inherited(patterns: Sequence[Pattern], results: list[bool]) -> list[bool]:
    return results or [False] * len(patterns)


def match_path(patterns: Sequence[Pattern], path: str, above: list[bool]) -> list[bool]:
    """Return, for every pattern, whether it matches the path or matched a directory above it."""
    return [known or pattern.matches(path) for pattern, known in zip(patterns, above, strict=True)]


def verdict(patterns: Sequence[Pattern], results: list[bool]) -> bool:
    out = False
    for pattern, matched in zip(patterns, results, strict=True):
        if matched:
            out = not pattern.exception
    return out


def may_hold_exception(patterns: Sequence[Pattern], directory: str) -> bool:
    """Tell whether an exception could bring back something below an ignored directory."""
    inside = directory + "/"
    return any(
        pattern.exception and (pattern.literal.startswith(inside) or _wild_from(pattern, inside))
        for pattern in patterns
    )


def _wild_from(pattern: Pattern, inside: str) -> bool:
    return pattern.literal != pattern.text and inside.startswith(pattern.literal)
