# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two versions of a Kubernetes object without secret values: what differs can still be told. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import MASK, is_sensitive
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import secret_values

# What stands for a hidden value where two versions are compared.
SAME = "(hidden)"
OTHER = "(hidden, differs)"
_VALUES = ("data", "stringData")
# Where kubectl keeps a copy of what it applied, with its values.
_COPY = "kubectl.kubernetes.io/last-applied-configuration"


def all_secret_values(found: Any) -> Iterator[str]:
    """Yield the values of all Secrets in an object, a list or a mapping of objects, however deep they stand."""
    if isinstance(found, Mapping):
        if found.get("kind") == "Secret":
            yield from secret_values(found).values()
        for value in found.values():
            yield from all_secret_values(value)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from all_secret_values(value)


def redacted(was: Any, becomes: Any, masker: Masker) -> tuple[Any, Any]:
    """Return both sides of an object (None for one that is not there) without secret values.

    Hidden are the values of Secrets, at any depth; texts under names that mean a secret, such as the keys of a ConfigMap; variables
    and options of a command with such a name; and, within all other texts, credentials and the values that the masker knows. Both
    sides are looked at together, to tell whether what is hidden differs.
    """
    return _Pair(masker).walk(was, becomes)


class _Pair:
    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    def walk(self, was: Any, becomes: Any) -> tuple[Any, Any]:
        if isinstance(was, Mapping) or isinstance(becomes, Mapping):
            return self._mappings(was, becomes)
        if isinstance(was, list) or isinstance(becomes, list):
            return self._lists(was, becomes)
        return self._texts(was, becomes)

    def _mappings(self, was: Any, becomes: Any) -> tuple[Any, Any]:
        if not (_is(was, Mapping) and _is(becomes, Mapping)):
            return self._apart(was, becomes)
        sides: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        old, new = _mapping(was), _mapping(becomes)
        secret = "Secret" in (old.get("kind"), new.get("kind"))
        named = any(is_sensitive(side["name"]) for side in (old, new) if isinstance(side.get("name"), str))
        for key in {**old, **new}:
            pair = old.get(key), new.get(key)
            if secret and key in _VALUES:
                shown = self._hidden(_mapping(pair[0]), _mapping(pair[1]))
            elif key == _COPY or ((is_sensitive(str(key)) or (named and key == "value")) and _is_text(pair)):
                shown = _hide(*pair)
            else:
                shown = self.walk(*pair)
            for side, given, value in zip(sides, (old, new), shown, strict=True):
                if key in given:
                    side[key] = value
        return None if was is None else sides[0], None if becomes is None else sides[1]

    @staticmethod
    def _hidden(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Hide all values of a Secret."""
        pairs = {key: _hide(old.get(key), new.get(key)) for key in {**old, **new}}
        return {key: pairs[key][0] for key in old}, {key: pairs[key][1] for key in new}

    def _lists(self, was: Any, becomes: Any) -> tuple[Any, Any]:
        if not (_is(was, list) and _is(becomes, list)):
            return self._apart(was, becomes)
        old, new = list(was or []), list(becomes or [])
        by_name = {_name(item): item for item in old if _name(item)}
        pairs_of_new = [
            by_name.get(_name(item)) if _name(item) else (old[index] if index < len(old) else None)
            for index, item in enumerate(new)
        ]
        named_new = {_name(item): item for item in new if _name(item)}
        pairs_of_old = [
            named_new.get(_name(item)) if _name(item) else (new[index] if index < len(new) else None)
            for index, item in enumerate(old)
        ]
        shown_old = [self.walk(item, other)[0] for item, other in zip(old, pairs_of_old, strict=True)]
        shown_new = [self.walk(other, item)[1] for item, other in zip(new, pairs_of_new, strict=True)]
        for shown, given, others, newer in ((shown_old, old, new, False), (shown_new, new, old, True)):
            for index in _after_options(given):
                other = others[index] if index < len(others) else None
                shown[index] = OTHER if newer and other not in (None, given[index]) else SAME
        return None if was is None else shown_old, None if becomes is None else shown_new

    def _apart(self, was: Any, becomes: Any) -> tuple[Any, Any]:
        """Return sides of different kinds."""
        return self.walk(was, None)[0], self.walk(None, becomes)[1]

    def _texts(self, was: Any, becomes: Any) -> tuple[Any, Any]:
        old, new = self._text(was), self._text(becomes)
        differs = isinstance(old, str) and old == new and was != becomes
        return (
            old.replace(MASK, SAME) if isinstance(old, str) else old,
            new.replace(MASK, OTHER if differs else SAME) if isinstance(new, str) else new,
        )

    def _text(self, value: Any) -> Any:
        return self._masker.outside(value) if isinstance(value, str) else value


def _hide(was: Any, becomes: Any) -> tuple[Any, Any]:
    differs = was is not None and becomes is not None and was != becomes
    return None if was is None else SAME, None if becomes is None else OTHER if differs else SAME


def _after_options(items: Iterable[Any]) -> Iterator[int]:
    """Yield the places of a command's words that follow an option whose name means a secret."""
    before = ""
    for index, item in enumerate(items):
        word = item if isinstance(item, str) else ""
        if before and word and not word.startswith("-"):
            yield index
        before = word if word.startswith("-") and "=" not in word and is_sensitive(word) else ""


def _is(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _is_text(pair: tuple[Any, Any]) -> bool:
    return any(isinstance(value, str) for value in pair) and all(
        value is None or isinstance(value, (str, int, float)) for value in pair
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name(item: Any) -> str:
    return item["name"] if isinstance(item, Mapping) and isinstance(item.get("name"), str) else ""
