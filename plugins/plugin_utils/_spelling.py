# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that YAML 1.1 reads as another than was written. Private to the collection.

It reads 3.10 as the number 3.1, 0644 as 420, 12:30:45 as 45045 and the name on as true, and what was written is in none of the values
that Ansible loads: it is in the nodes of the file that a value comes from.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import yaml
from ansible_collections.slipway.kube.plugins.plugin_utils._origins import Position, position_of, shortened

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EXACT = 2**53  # Helm keeps numbers as floating-point numbers of 64 bits
_BOOLEANS = ("yes", "no", "on", "off", "true", "false")
_TEXTS = ("name", "namespace", "chart")
_Mark = tuple[int, int]


class Expected(Enum):
    """What a value is for: a text, a secret text, a value of a chart, or something that is a number by itself."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105  the kind of a value
    CHART = "chart"
    NUMBER = "number"


@dataclass(frozen=True)
class Misread:
    """A value that is another than was written: its place with dots and indices, what is wrong, and where it was written."""

    place: str
    sentence: str
    at: Position | None

    @property
    def where(self) -> str:
        """The file and line, empty when unknown."""
        return f"{shortened(self.at[0])}:{self.at[1]}" if self.at else ""


@dataclass(frozen=True)
class _Document:
    """The plain scalars of a YAML file by where they begin; those of dictionaries and lists also by where these begin."""

    scalars: Mapping[_Mark, str] = field(default_factory=dict)
    by_key: Mapping[_Mark, str] = field(default_factory=dict)
    keys: Mapping[_Mark, Sequence[tuple[str, _Mark]]] = field(default_factory=dict)
    elements: Mapping[_Mark, Sequence[str | None]] = field(default_factory=dict)


class Spellings:
    """How values were written, by the file, line and column that Ansible keeps with them. Reads each file once."""

    def __init__(self) -> None:
        self._documents: dict[str, _Document] = {}

    def of(self, value: Any) -> str | None:
        """Return a plain scalar as it was written, None when that is unknown."""
        found = position_of(value)
        return self._document(found[0]).scalars.get(found[1:]) if found else None

    def below(self, key: Any) -> str | None:
        """Return what was written as the plain value of a key."""
        found = position_of(key)
        return self._document(found[0]).by_key.get(found[1:]) if found else None

    def inside(self, sequence: Any, index: int) -> str | None:
        """Return what was written as a plain element of a list."""
        found = position_of(sequence)
        elements = self._document(found[0]).elements.get(found[1:], ()) if found else ()
        return elements[index] if len(elements) == len(sequence) else None

    def boolean_keys(self, mapping: Any) -> list[tuple[str, Position]]:
        """Return the keys of a dictionary that are read as booleans, as they were written and where."""
        found = position_of(mapping)
        if not found:
            return []
        keys = self._document(found[0]).keys.get(found[1:], ())
        return [(key, (found[0], *mark)) for key, mark in keys if key.lower() in _BOOLEANS]

    def _document(self, path: str) -> _Document:
        if path not in self._documents:
            try:
                with open(path, encoding="utf-8") as file:
                    self._documents[path] = _read(yaml.compose(file, Loader=_LOADER))
            except (OSError, ValueError, yaml.YAMLError):
                self._documents[path] = _Document()  # encrypted, or not YAML
        return self._documents[path]


def _read(root: yaml.Node | None) -> _Document:
    scalars: dict[_Mark, str] = {}
    by_key: dict[_Mark, str] = {}
    keys: dict[_Mark, list[tuple[str, _Mark]]] = {}
    elements: dict[_Mark, list[str | None]] = {}
    waiting = [root] if root else []
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if _is_plain(node):
            scalars[_mark(node)] = node.value
        elif isinstance(node, yaml.SequenceNode):
            elements[_mark(node)] = [one.value if _is_plain(one) else None for one in node.value]
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys[_mark(node)] = [(key.value, _mark(key)) for key, _value in node.value if _is_plain(key)]
            by_key.update({_mark(key): value.value for key, value in node.value if _is_plain(value)})
            waiting += [part for pair in node.value for part in pair]
    return _Document(scalars, by_key, keys, elements)


def _mark(node: yaml.Node) -> _Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _is_plain(node: yaml.Node) -> bool:
    """Say whether a node is a scalar without quotes."""
    return isinstance(node, yaml.ScalarNode) and not node.style


def parts(specification: Mapping[str, Any]) -> Iterator[tuple[str, Any, Expected]]:
    """Yield the parts of a specification by their places, with what their values are for."""
    given = dict(specification)
    for name, one in _items(given.pop("components", None)):
        fields = dict(one) if isinstance(one, Mapping) else {"": one}
        yield f"application_components.{name}.build_args", fields.pop("build_args", None), Expected.TEXT
        yield f"application_components.{name}", fields, Expected.TEXT
    for index, one in enumerate(_elements(given.pop("releases", None))):
        fields = dict(one) if isinstance(one, Mapping) else {"": one}
        yield f"application_releases[{index}].values", fields.pop("values", None), Expected.CHART
        yield f"application_releases[{index}]", {key: fields.get(key) for key in _TEXTS if key in fields}, Expected.TEXT
    for index, one in enumerate(_elements(given.pop("secrets", None))):
        for key, source in _items(one.get("keys") if isinstance(one, Mapping) else None):
            place = f"application_secrets[{index}].keys.{key}"
            while isinstance(source, Mapping):
                fields = {name: item for name, item in source.items() if name == "value"}
                yield place, fields, Expected.SECRET
                place, source = f"{place}.fallback", source.get("fallback")
    for name in ("name", "namespace", "hosts"):
        yield f"application_{name}", given.pop(name, None), Expected.TEXT
    for name, value in given.items():
        yield f"application_{name}", value, Expected.NUMBER


def _items(value: Any) -> Sequence[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _elements(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else []


def misread(place: str, value: Any, expected: Expected, spellings: Spellings, key: Any = None) -> Iterator[Misread]:
    """Yield whatever in a value is another than was written; C(key) is the one that it stands under, as Ansible read it."""
    if isinstance(value, Mapping):
        for written, at in spellings.boolean_keys(value) if any(isinstance(one, bool) for one in value) else ():
            yield Misread(place, f"the key {written} is read as a boolean; quote it: '{written}'.", at)
        for name, one in value.items():
            yield from misread(f"{place}.{name}", one, expected, spellings, name)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for index, one in enumerate(value):
            where = f"{place}[{index}]"
            if isinstance(one, bool):
                yield from _judged(where, one, spellings.inside(value, index), expected, value)
            else:
                yield from misread(where, one, expected, spellings)
    elif isinstance(value, bool):
        yield from _judged(place, value, spellings.below(key), expected, key)
    else:
        yield from _judged(place, value, spellings.of(value), expected, value)


def _judged(place: str, value: Any, written: str | None, expected: Expected, near: Any) -> Iterator[Misread]:
    """Yield what is wrong with one value; what stands C(near) it has the place that a boolean lacks."""
    if sentence := judge(value, written, expected):
        yield Misread(place, sentence, position_of(near))


def judge(value: Any, written: str | None, expected: Expected) -> str | None:
    """Say what is wrong with a value that is read otherwise than it was written; None when nothing is.

    C(written) is None where that is unknown, as for the result of an expression.
    """
    if isinstance(value, bool):
        changed = written is not None and expected in (Expected.TEXT, Expected.SECRET)
    elif isinstance(value, int):
        if abs(value) >= _EXACT and expected is Expected.CHART:
            return f"{value} is read as a number, which Helm keeps only below 2^53; quote it: '{written or value}'."
        changed = written not in (None, str(value))
    elif isinstance(value, float):
        changed = expected in (Expected.TEXT, Expected.SECRET)
        changed = changed or (expected is Expected.CHART and written not in (None, _plain(value)))
    elif isinstance(value, datetime.date):
        changed = expected is not Expected.NUMBER
    else:
        return None
    if not changed:
        return None
    if expected is Expected.SECRET:
        return "YAML reads it as another value than is written; quote it."
    return _sentence(value, written, expected)


def _sentence(value: Any, written: str | None, expected: Expected) -> str:
    kinds = {bool: str(value).lower(), datetime.date: "a date"}
    read = next((said for kind, said in kinds.items() if isinstance(value, kind)), f"the number {_plain(value)}")
    quoted = f"quote it: '{written}'" if written else "write it as a text in quotes"
    other = "" if expected is Expected.TEXT or isinstance(value, datetime.date) else f", or write {_plain(value)}"
    return f"{written or 'it'} is read as {read}; {quoted}{other}."


def _plain(value: Any) -> str:
    """Return a number as Helm writes it: without a fraction that is nothing."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
