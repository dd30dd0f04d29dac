# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a value that people write, in words and with the remedy. Private to the collection.

Options are those of Ansible's argument specs: C(type), C(elements), C(choices), C(required) and C(options).
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.common import validation

_TYPES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "str": (validation.check_type_str, "a text"),
    "path": (validation.check_type_str, "a path"),
    "int": (validation.check_type_int, "a whole number"),
    "float": (validation.check_type_float, "a number"),
    "bool": (validation.check_type_bool, "true or false"),
    "list": (validation.check_type_list, "a list"),
    "dict": (validation.check_type_dict, "a dictionary"),
}


class OptionError(ValueError):
    """A value that an option does not take: C(what) is wrong with it, and the C(remedy). Neither repeats more than a choice."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}; {remedy}.")


def kind_of(value: object) -> str:
    """Say what kind of value this is, in words that go after "it is"."""
    if value is None:
        return "nothing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", datetime.date: "a date"}
    for kind, name in names.items():
        if isinstance(value, kind):
            return name
    return "a dictionary" if isinstance(value, Mapping) else "a list"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the remedy for a misspelt word: the known one that is like it, or all that are known."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}" if close else f"known are {', '.join(known)}"


def read_value(value: Any, option: Mapping[str, Any]) -> Any:
    """Return a value as Ansible hands it to a module that has the option. Raises OptionError.

    What stands below it in C(options) is not looked at.
    """
    kind = option.get("type", "str")
    if value is None or kind not in _TYPES:
        return value
    read = _read(value, kind)
    if option.get("choices") and read not in option["choices"]:
        raise OptionError(f"{read!r} is unknown", nearest(str(read), [str(one) for one in option["choices"]]))
    return read


def _read(value: Any, kind: str) -> Any:
    check, expected = _TYPES[kind]
    try:
        if kind == "str" and isinstance(value, (list, dict)):
            raise TypeError
        return check(value)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(f"it is {kind_of(value)}", f"write {expected}") from None


def read_options(
    given: Mapping[Any, Any], options: Mapping[str, Mapping[str, Any]], place: str = ""
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what can be read of a dictionary of options, and the dotted place and the sentence of each mistake.

    Whatever has a mistake is left out.
    """
    read: dict[str, Any] = {}
    mistakes: list[tuple[str, str]] = []
    for key, value in given.items():
        where = f"{place}{key}"
        if key not in options:
            mistakes.append((where, f"this key is unknown; {nearest(str(key), options)}."))
            continue
        try:
            converted = read_value(value, options[key])
        except OptionError as error:
            mistakes.append((where, str(error)))
            continue
        if isinstance(converted, list):
            converted = list(_elements(converted, options[key], where, mistakes))
        elif isinstance(converted, Mapping) and "options" in options[key]:
            converted, below = read_options(converted, options[key]["options"], f"{where}.")
            mistakes += below
        read[key] = converted
    for key, option in options.items():
        if option.get("required") and given.get(key) is None:
            mistakes.append((f"{place}{key}", "it is missing; write it."))
    return read, mistakes


def _elements(
    values: Iterable[Any], option: Mapping[str, Any], place: str, mistakes: list[tuple[str, str]]
) -> Iterator[Any]:
    """Yield the elements of a list that can be read."""
    for index, value in enumerate(values):
        where = f"{place}[{index}]"
        try:
            converted = read_value(value, {"type": option.get("elements", "raw")})
        except OptionError as error:
            mistakes.append((where, str(error)))
            continue
        if isinstance(converted, Mapping) and "options" in option:
            converted, below = read_options(converted, option["options"], f"{where}.")
            mistakes += below
        yield converted
