# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knows secret values, and hides them in whatever is shown or written. Private to the collection.

Written by hand, because no library does it: Ansible's no_log knows values only as they are, and none that a module reads from the cluster;
scanners of repositories (detect-secrets, gitleaks) report where a secret stands, they do not replace it in the encodings it travels in.

The order for everything that others have printed is: all of it, C(outside), then cut. Half a value would not be recognized any more.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common import encodings
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import (
    LINE,
    MASK,
    PrivateKeys,
    is_sensitive,
    leaves,
    lines_of,
    mask_text,
    secrets_in_address,
    sensitive_values,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean

SHORTEST = 4
"""Characters of a value that can be hidden wherever it stands. A shorter one is hidden only where it stands alone."""

WORDS = frozenset((
    "true", "false", "null", "none", "undefined", "default", "enabled", "disabled", "admin", "administrator", "root",
    "user", "users", "guest", "test", "tests", "testing", "demo", "example", "local", "localhost", "development",
    "production", "staging", "info", "debug", "warning", "warn", "error", "http", "https", "postgres", "postgresql",
    "mysql", "mariadb", "redis", "mongodb", "sqlite", "rabbitmq", "public", "private", "password", "passwd", "secret",
    "token", "changeme",
))  # fmt: skip
"""Words that stand in any log. Hidden wherever they occur, they would make it unreadable, and tell by that what the value is."""

# Arguments may hold secrets, diffs whole files, and exceptions tracebacks.
_NEVER_WRITTEN = ("invocation", "module_args", "diff", "exception")
_CUT = re.compile(r"…|\.\.\.")
_NUMBER = re.compile(r"[0-9]{1,5}")
_WRAP = re.compile(r"[ \t]*\r?\n[ \t]*")
_LONGEST_LINE = 1_000_000  # characters that are kept in wait for the end of a line
_BLANK = re.compile(r"[ \t\n+]")


def hard_to_hide(value: str) -> str:
    """Say why a value cannot be hidden in what others print; empty for one that can."""
    text = value.strip()
    if len(text) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if _NUMBER.fullmatch(text):
        return "is a short number"
    return "is a common word" if text.lower() in WORDS else ""


class Masker:
    """Knows the secret values and replaces them, in every encoding they travel in, by asterisks.

    The time it takes grows with the length of the text and with the number of values, with neither faster than that.
    """

    # Closed words and the person's own names: masking a state because a secret reads "healthy" helps nobody.
    KEPT = frozenset({"name", "state", "type", "via", "code", "suggestion", "predicate"})

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        # What is searched for in squeezed text, with whether it was squeezed itself, and whether blanks were left out of it.
        self._forms: dict[str, tuple[bool, bool]] = {}
        # What squeezing would leave nothing of, and what is hidden only where it stands alone.
        self._plain: set[str] = set()
        self._alone: set[str] = set()
        self._beginnings: dict[str, list[tuple[str, int]]] | None = None
        for secret in secrets:
            self.add(secret)

    def __bool__(self) -> bool:
        """Tell whether any value is known."""
        return bool(self._forms or self._plain or self._alone)

    def add(self, value: Any) -> None:
        """Learn a secret; of a list or mapping, all that is in it."""
        for text in leaves(value):
            # What others print is cleaned before it is searched.
            for one in {text, text.strip(), clean(text), *lines_of(text)}:
                if one.strip():
                    self._learn(one)
        self._beginnings = None

    def learn(self, values: Iterable[str]) -> None:
        """Learn values that may be anything, such as those of a Secret: those that can be hidden, and the secrets within them."""
        for value in values:
            for part in {value, *_parts(value)}:
                if not hard_to_hide(part):
                    self.add(part)

    def _learn(self, text: str) -> None:
        # JSON can hold halves of surrogate pairs, which no encoding has.
        data = text.encode("utf-8", "replace")
        if len(text) < SHORTEST:
            self._alone |= {text, json.dumps(text)[1:-1], "".join(f"%{byte:02X}" for byte in data)}
            return
        for layer in encodings.layers(text):
            self._note(layer.text)
        for form in encodings.spellings(data):
            self._note(form)

    def _note(self, form: str) -> None:
        core = encodings.squeezed(form)
        if len(core) < SHORTEST:
            self._plain |= {form, form.replace(" ", "+")}
        else:
            squeezed, blanks = self._forms.get(core, (False, False))
            self._forms[core] = (squeezed or core != form, blanks or _BLANK.search(form) is not None)

    def __call__(self, text: str) -> str:
        """Return the text with all secrets replaced."""
        if not self:
            return text
        shown, position = [], 0
        for start, end in _merged(self._spans(text)):
            shown += [text[position:start], MASK]
            position = end
        return "".join([*shown, text[position:]])

    def outside(self, text: str) -> str:
        """Return what others have printed as it may be shown: nothing that a terminal obeys, no known value, nothing that looks like one."""
        return mask_text(self(clean(text)))

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Return lines that others have printed as they may be shown; a secret of several lines becomes one."""
        return self.outside("\n".join(lines)).split("\n")

    def tree(self, value: Any) -> Any:
        """Return a copy of a result with secrets replaced in all texts, closed words excepted."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {
                key: item if key in self.KEPT and isinstance(item, str) else self.tree(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.tree(item) for item in value]
        return value

    # ---------------------------------------------------------------- finding
    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secrets stand in the text; they may overlap."""
        for found in re.finditer("|".join(map(_alone, sorted(self._alone, key=len, reverse=True))) or r"(?!)", text):
            yield found.span()
        for layer in encodings.layers(text):
            for start, end in self._in_layer(layer.text):
                yield layer.origin(start, end)

    def _in_layer(self, layer: str) -> Iterator[tuple[int, int]]:
        for plain in self._plain:
            yield from _occurrences(plain, layer)
        core = encodings.squeezed(layer)
        hits = [(start, end, form) for form in self._forms for start, end in _occurrences(form, core)]
        cuts = [found.start() for found in _CUT.finditer(core)]
        if not hits and not cuts:
            return
        view = encodings.squeezed_view(layer)
        for start, end, form in hits:
            place = view.origin(start, end)
            if self._is_whole(layer[place[0] : place[1]], form):
                yield place
        longest = self._longest() if cuts else 0
        for index in cuts:
            length = self._begun(core[max(0, index - longest) : index], SHORTEST)
            if length:
                yield view.origin(index - length, index)

    def _is_whole(self, found: str, form: str) -> bool:
        """Tell whether what was found is one value, and not the end of a word and the beginning of another."""
        squeezed, blanks = self._forms[form]
        if blanks or found == form:
            return True
        if len(form) < LINE and not squeezed:
            return False
        return _BLANK.search(_WRAP.sub("", found)) is None

    def _longest(self) -> int:
        return max(map(len, self._forms), default=1)

    def _begun(self, core: str, least: int) -> int:
        """Return how many of the last characters, and at least so many, are the beginning of a value that may go on."""
        if self._beginnings is None:
            self._beginnings = {}
            for form in self._forms:
                for length in range(1, len(form)):
                    self._beginnings.setdefault(form[max(0, length - SHORTEST) : length], []).append((form, length))
        longest = 0
        for size in range(1, SHORTEST + 1):
            for form, length in self._beginnings.get(core[-size:], ()) if len(core) >= size else ():
                if (size == SHORTEST or length == size) and length > longest and core.endswith(form[:length]):
                    longest = length
        return longest if longest >= least else 0

    def unfinished(self, text: str) -> int:
        """Return where in the text a value begins that may go on in what follows; its length where none does."""
        first = len(text)
        for layer in encodings.layers(text):
            view = encodings.squeezed_view(layer.text)
            length = self._begun(view.text[-self._longest() :], 1)
            if length:
                first = min(first, layer.origin(*view.origin(len(view.text) - length, len(view.text)))[0])
        return first


class Stream:
    """Hides secrets in what arrives in pieces, and gives it back by whole lines.

    A line whose end may be the beginning of a value is held until the next one shows whether it is.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._keys = PrivateKeys()
        self._held = ""

    def feed(self, piece: str) -> list[str]:
        """Take a piece, of any length; returns the lines that may be shown by now."""
        self._held += piece
        if len(self._held) > _LONGEST_LINE:
            self._held += "\n"
        whole = self._held.rfind("\n") + 1
        if not whole:
            return []
        ready = self._held[: self._held.rfind("\n", 0, self._masker.unfinished(self._held[:whole])) + 1]
        # Nothing follows the line end that was found, but what was held.
        self._held = self._held[len(ready) :]
        return self._shown(ready[:-1]) if ready else []

    def end(self) -> list[str]:
        """Return the lines that were held; nothing follows."""
        rest, self._held = self._held, ""
        return self._shown(rest.removesuffix("\n")) if rest else []

    def _shown(self, text: str) -> list[str]:
        return mask_text(self._masker(clean(text)), self._keys).split("\n")


def _parts(value: str) -> set[str]:
    """Return the secrets within a value: the password of an address, and the fields of a document such as the login of a registry."""
    found = secrets_in_address(value) if "://" in value else set()
    if value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            found |= sensitive_values(None, json.loads(value))
    return found


def scrub(value: Any, masker: Masker, longest: int = 8000) -> Any:
    """Return a copy of a task's result that may be written to a file: plain types, no arguments of modules, no secrets.

    Keys that begin with C(_ansible), arguments, diffs and exceptions are dropped, values of sensitive keys are masked, and texts are
    masked and cut to the longest number of characters (their end is kept).
    """
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = masker.outside(str(key))
            if name in _NEVER_WRITTEN or name.startswith("_ansible"):
                continue
            result[name] = _without_leaves(item) if is_sensitive(name) else scrub(item, masker, longest)
        return result
    if isinstance(value, (list, tuple, set, frozenset)):
        items = list(value)
        if items and all(isinstance(item, str) and "\n" not in item for item in items):
            # Lines: what is secret may begin in one and end in another.
            return [_end(line, longest) for line in masker.lines(items)]
        return [scrub(item, masker, longest) for item in items]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        # JSON has no word for the infinite.
        return value if math.isfinite(value) else None
    return _end(masker.outside(str(value)), longest)


def _end(text: str, longest: int) -> str:
    return text if len(text) <= longest else "... " + text[-longest:]


def _without_leaves(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_leaves(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_leaves(item) for item in value]
    # Truth values and nothing carry no secret, and say whether one was given.
    return value if value is None or isinstance(value, bool) else MASK


def _occurrences(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _alone(text: str) -> str:
    return rf"(?<![A-Za-z0-9_]){re.escape(text)}(?![A-Za-z0-9_])"
