# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All mistakes in checks at once, before there is anything to ask. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.options import read_options
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import (
    SCHEMES,
    Check,
    CheckError,
    Search,
    parse_check,
    relation_mistakes,
    written_nulls,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.module import secrets_in
from ansible_collections.slipway.kube.plugins.module_utils._health.options import (
    HAS_JMESPATH,
    argument_spec,
    compile_path,
)

_STEP = re.compile(r"\[\d+\]|[^.\[]+")

Mistake = tuple[int, str, str]


def find_mistakes(checks: Sequence[Mapping[str, Any]], variables: Sequence[str]) -> list[Mistake]:
    """Return every mistake as the index of its check, the key with dots and indices, and a sentence.

    C(variables) are the names that exist before any check runs. The names of the checks must differ for what is wrong between
    them to be found.
    """
    options = argument_spec()["checks"]["options"]
    found: list[Mistake] = []
    parsed: list[Check] = []
    extracted: list[str] = []
    for index, given in enumerate(checks):
        item, wrong = read_options(given, options)
        wrong += [(key, reason) for key, reason in written_nulls(given) if key not in dict(wrong)]
        found += [(index, key, reason) for key, reason in wrong]
        extracted += map(str, item.get("extract") or ())
        if {"name", "type", "via"}.isdisjoint(key for key, _reason in wrong):
            for key, _reason in wrong:
                item = _without(item, key)
            check, errors = _parse(item)
            found += [(index, error.key, error.reason) for error in errors]
            parsed += [check] if check else []
    places = {str(check.get("name", "")).strip(): index for index, check in enumerate(checks)}
    if len(parsed) == len(places) == len(checks):
        known = {*variables, *extracted} - {name for check in parsed for name in check.extract}
        found += [(places[error.check], error.key, error.reason) for error in relation_mistakes(parsed, known)]
    masker = Masker(secrets_in({"checks": checks}))
    return [(index, key, masker(reason)) for index, key, reason in sorted(found, key=lambda mistake: mistake[0])]


def _parse(item: dict[str, Any]) -> tuple[Check | None, list[CheckError]]:
    """Return a check without whatever is wrong in it, and all that is; None when nothing is left to read."""
    errors: list[CheckError] = []
    while True:
        try:
            return parse_check(item, compile_path if HAS_JMESPATH else _unread, {}), errors
        except CheckError as error:
            if error.key in [other.key for other in errors]:
                return None, errors
            errors.append(error)
            item = _without(item, error.key)


def _unread(_path: str) -> Search:
    """Stand for an expression that cannot be judged without its library."""
    return lambda _value: None


def _without(check: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a copy of a check in which what stands at a key is gone, or is something right where one is needed."""
    kind = check.get("type") or "http"
    right: dict[str, dict[str, Any]] = {
        "url": {"url": f"{SCHEMES[kind][0]}://unread.invalid:1"} if SCHEMES[kind] else {},
        "kubernetes": {"kubernetes": {"service": "unread"}},
        "command": {"command": ["unread"]} if kind == "command" else {},
        "unix_socket": {"unix_socket": "/unread"},
        "query": {"query": "unread"},
        "field": {"field": "unread"},
        "path": {"path": "unread"},
        "equals": {"equals": "unread"},
        "matches": {"exists": True},
        "length": {"exists": True},
    }
    copied: dict[str, Any] = _replaced(check, key, right)
    return copied


def _replaced(value: Any, place: str, right: Mapping[str, Mapping[str, Any]]) -> Any:
    step, below = (_STEP.match(place) or [place])[0], ""
    if not isinstance(value, Mapping) or place not in value:
        below = place[len(step) :].removeprefix(".")
    if isinstance(value, list) and step.startswith("["):
        at = int(step[1:-1])
        return [_replaced_element(one, below, right) if index == at else one for index, one in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    name = step if below else place
    copied = dict(value)
    if below and name in value:
        copied[name] = _replaced(value[name], below, right)
    else:
        copied.pop(name, None)
        copied.update(right.get(name, {}))
    return copied


def _replaced_element(value: Any, place: str, right: Mapping[str, Mapping[str, Any]]) -> Any:
    if place:
        return _replaced(value, place, right)
    return {**value, "path": "unread", "exists": True} if isinstance(value, Mapping) else "unread"
