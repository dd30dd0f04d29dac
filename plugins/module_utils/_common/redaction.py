# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders, and keeping secret values out of everything that is shown. Private to the collection."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import placeholders

MASK = "********"
_SENSITIVE = re.compile(
    r"authorization|cookie|passw|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential|session|signature"
    r"|(?:^|[-_.])(?:auth|jwt|otp|pwd|csrf|xsrf)(?:$|[-_.])",
    re.IGNORECASE,
)
# A shorter value is masked only where it stands alone: masking each "7" would make results unreadable.
_LONG = 4


def is_sensitive(name: str) -> bool:
    """Say whether a header or field of this name usually carries a secret."""
    return _SENSITIVE.search(name) is not None


def leaves(value: Any) -> Iterable[str]:
    """Yield all texts and numbers in a value as text (keys are names, not secrets)."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield json.dumps(value)


def sensitive_values(headers: Mapping[str, str] | None, body: Any) -> set[str]:
    """Find the values that a person wrote into headers and body under names that mean a secret."""
    found: set[str] = set()
    for name, value in (headers or {}).items():
        if is_sensitive(str(name)):
            found.update(leaves(value))
            scheme, _blank, credential = str(value).partition(" ")
            if credential and scheme.lower() in ("bearer", "basic", "token"):
                found.add(credential)
    found.update(_sensitive_fields(body))
    found.update(line for value in list(found) for line in lines_of(value))
    return {value for value in found if len(value) >= _LONG and not placeholders(value)}


def _sensitive_fields(body: Any) -> Iterable[str]:
    if isinstance(body, Mapping):
        for key, value in body.items():
            if is_sensitive(str(key)):
                yield from leaves(value)
            else:
                yield from _sensitive_fields(value)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from _sensitive_fields(value)


def redact(value: Any) -> Any:
    """Return a copy in which the fields whose name means a secret are replaced by asterisks."""
    if isinstance(value, Mapping):
        return {
            key: MASK if is_sensitive(str(key)) and item is not None else redact(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


class Masker:
    """Knows the secret values and replaces them, in every encoding they travel in, by asterisks."""

    # Closed words and the person's own names: masking a state because a secret reads "healthy" helps nobody.
    KEPT = frozenset({"name", "state", "type", "via", "code", "suggestion", "predicate"})

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, value: Any) -> None:
        """Learn a secret; of a list or mapping, all that is in it."""
        for text in leaves(value):
            if not text.strip():
                continue
            self._values.update(_forms(text))
            self._pattern = None

    def __call__(self, text: str) -> str:
        """Return the text with all secrets replaced."""
        if not self._values:
            return text
        if self._pattern is None:
            ordered = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_guarded, ordered)))
        return self._pattern.sub(MASK, text)

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


def lines_of(text: str) -> list[str]:
    """Return the lines of a secret of several, which may be shown one by one or with other words for their ends."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if len(line) >= 2 * _LONG] if len(lines) > 1 else []


def _forms(text: str) -> set[str]:
    """Return a secret as it is, by lines, JSON-escaped, percent-encoded, on one line, and in base64."""
    found = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], " ".join(text.split())}
    found.update(lines_of(text))
    # JSON can hold halves of surrogate pairs, which no encoding has.
    data = text.encode("utf-8", "replace")
    found |= {quote(data, safe=""), quote(data), quote_plus(data)}
    if len(text) >= _LONG:
        found.add(base64.b64encode(data).decode().rstrip("="))
    return {item for item in found if item}


def _guarded(text: str) -> str:
    if len(text) >= _LONG:
        return re.escape(text)
    return rf"(?<![A-Za-z0-9_]){re.escape(text)}(?![A-Za-z0-9_])"
