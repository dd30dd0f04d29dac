# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secret values out of everything that is shown or written. Private to the collection.

Written by hand, because no library does it: Ansible's no_log knows values only, and none that a module reads from an answer;
scanners of repositories (detect-secrets, gitleaks) report where a secret stands, they do not replace it in the encodings it travels
in; and what is masked wrongly, such as a state or a name, costs a person the cause of a failure.

There are four ways, from the surest to the weakest: by value (C(Masker)), by name (C(redact), C(scrub)), by what Kubernetes says of a
field (C(redact_objects)), and by how a text looks (C(mask_text)).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import placeholders
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean

MASK = "********"
# What stands for a hidden value where two versions are compared.
SAME = "(hidden)"
OTHER = "(hidden, differs)"
_SENSITIVE = re.compile(
    r"authorization|cookie|passw|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential|session|signature"
    r"|(?:^|[-_.])(?:auth|jwt|otp|pwd|csrf|xsrf)(?:$|[-_.])",
    re.IGNORECASE,
)
# Arguments may hold secrets, diffs whole files, and exceptions tracebacks.
_NEVER_WRITTEN = ("invocation", "module_args", "diff", "exception")
# Also of an address that cannot be parsed and that a message is about to name; a password may hold an @.
_PASSWORD = re.compile(r"://[^/@\s]*?:([^/\s]+)@")
_SECRET_TEXTS = (
    # postgresql://user:password@host
    (re.compile(r"(://)[^/@:\s]*:[^/\s]+@"), rf"\g<1>{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\g<1> {MASK}"),
    (re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", re.DOTALL), MASK),
)
# password=..., "apiKey": "...", but not the plain words "Secret: todo-backend"
_ASSIGNMENT = re.compile(r"((?<![\w.-])[\w.-]+)(\s*=\s*|[\"']\s*:\s*)(\"[^\"]*\"|'[^']*'|[^\s,;\"'}&]+)")
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


def scrub(value: Any, longest: int = 8000) -> Any:
    """Return a copy of a task's result that may be written to a file: plain types, no arguments of modules, no secrets.

    Keys that begin with C(_ansible), arguments, diffs and exceptions are dropped, values of sensitive keys are masked, and texts are
    masked and cut to the longest number of characters (their end is kept).
    """
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = str(key)
            if name in _NEVER_WRITTEN or name.startswith("_ansible"):
                continue
            result[name] = _mask_leaves(item) if is_sensitive(name) else scrub(item, longest)
        return result
    if isinstance(value, (list, tuple, set, frozenset)):
        return [scrub(item, longest) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        # JSON has no word for the infinite.
        return value if math.isfinite(value) else None
    text = mask_text(clean(str(value)))
    return text if len(text) <= longest else "... " + text[-longest:]


def _mask_leaves(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _mask_leaves(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_leaves(item) for item in value]
    # Truth values and nothing carry no secret, and say whether one was given.
    return value if value is None or isinstance(value, bool) else MASK


def mask_text(text: str) -> str:
    """Hide what looks like a credential within a text: whose it is, where an address says so, and its value."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    shown, position = "", 0
    while found := _ASSIGNMENT.search(text, position):
        hidden = is_sensitive(found[1])
        shown += text[position : found.end(2)] + (MASK if hidden else "")
        # What is assigned to a plain name may itself be an assignment.
        position = found.end(3 if hidden else 2)
    return shown + text[position:]


def secrets_in_address(address: str) -> set[str]:
    """Find the password of an address and the values of query fields whose names mean a secret."""
    query = address.partition("?")[2].partition("#")[0]
    passwords = {text for found in _PASSWORD.findall(address) for text in (found, unquote(found))}
    return sensitive_values(None, dict(parse_qsl(query))) | passwords


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


def redact_objects(was: Any, becomes: Any, kind: str) -> tuple[Any, Any]:
    """Return both sides of an object without secret values; they are looked at together, to tell whether they differ."""
    fields = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}.get(kind, ())
    sides = [dict(side) if side is not None else None for side in (was, becomes)]
    for field in fields:
        halves = [dict((side or {}).get(field) or {}) for side in sides]
        for key in {**halves[0], **halves[1]}:
            if kind == "Secret" or is_sensitive(str(key)):
                _hide(halves[0], halves[1], key)
        for side, half in zip(sides, halves, strict=True):
            if side is not None and half:
                side[field] = half
    return _variables(sides[0], sides[1])


def _hide(was: dict[str, Any], becomes: dict[str, Any], key: str) -> None:
    same = was.get(key) == becomes.get(key)
    if key in was:
        was[key] = SAME
    if key in becomes:
        becomes[key] = SAME if same or key not in was else OTHER


def _variables(was: Any, becomes: Any) -> tuple[Any, Any]:
    """Hide the values of environment variables whose names mean a secret, anywhere in an object."""
    known: dict[str, set[str]] = {}

    def collect(item: Any, place: str = "") -> None:
        if isinstance(item, Mapping):
            if _is_secret(item):
                known.setdefault(f"{place}/{item['name']}", set()).add(str(item["value"]))
            for key, value in item.items():
                collect(value, f"{place}/{key}")
        elif isinstance(item, list):
            for value in item:
                collect(value, place)

    def replace(item: Any, newer: bool, place: str = "") -> Any:
        if isinstance(item, Mapping):
            shown = {key: replace(value, newer, f"{place}/{key}") for key, value in item.items()}
            if _is_secret(item):
                shown["value"] = OTHER if newer and len(known[f"{place}/{item['name']}"]) > 1 else SAME
            return shown
        if isinstance(item, list):
            return [replace(value, newer, place) for value in item]
        return item

    collect(was)
    collect(becomes)
    return replace(was, False), replace(becomes, True)


def _is_secret(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("name"), str) and item.get("value") is not None and is_sensitive(item["name"])
