# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collecting what is wrong with a specification, each mistake with its place. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of, nearest

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
RESERVED = "kube-"
ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SpecificationError(ValueError):
    """The specification is wrong. C(problems) holds one sentence for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        head = (
            "The application's specification has a mistake" if count == 1 else f"The specification has {count} mistakes"
        )
        super().__init__(f"{head}. Nothing was changed.\n" + "\n".join(f"- {problem}" for problem in self.problems))


class Validator:
    """Reads values of the expected kinds; C(errors) holds a sentence for each that is wrong, in the order found.

    What cannot be read is returned empty, so that one run finds all mistakes.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, place: str, what: str, remedy: str) -> None:
        """Note one mistake: where it is, what is wrong, and what to do."""
        self.errors.append(f"{place}: {what}; {remedy}.")

    def keys(self, place: str, value: Mapping[Any, Any], known: Sequence[str]) -> None:
        """Note the keys that are not known."""
        for key in value:
            if key not in known:
                self.error(f"{place}.{key}", "this key is unknown", nearest(str(key), known))

    def mapping(self, place: str, value: Any) -> Mapping[Any, Any]:
        """Return a dictionary; nothing is an empty one."""
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.error(place, f"it is {kind_of(value)}", "write a dictionary")
        return {}

    def items(self, place: str, value: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """Yield the dictionaries of a list with their places, and note whatever is not one."""
        if value is None:
            return
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            self.error(place, f"it is {kind_of(value)}", "write a list")
            return
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield f"{place}[{index}]", item
            else:
                self.error(f"{place}[{index}]", f"it is {kind_of(item)}", "write a dictionary")

    def text(self, place: str, value: Any, default: str = "", example: str = "") -> str:
        """Return a text that is not empty."""
        if value is None and default:
            return default
        if isinstance(value, str) and value:
            return value
        what = "it is missing" if value is None else "it is empty" if value == "" else f"it is {kind_of(value)}"
        self.error(place, what, f"write a text, such as {example}" if example else "write a text")
        return ""

    def label(self, place: str, value: Any, default: str = "", longest: int = 63) -> str:
        """Return a name that Kubernetes takes as a label (RFC 1123)."""
        text = self.text(place, value, default, "todo")
        if text and not (LABEL.fullmatch(text) and len(text) <= longest):
            self.error(
                place,
                f"{text!r} is not a valid Kubernetes name",
                f"use at most {longest} lower-case letters, digits and hyphens, with a letter or digit at both ends",
            )
        return text

    def namespace(self, place: str, value: Any, default: str = "") -> str:
        """Return the name of a namespace that may be an application's."""
        text = self.label(place, value, default)
        if value is not None and text.startswith(RESERVED):  # a default is reported where it was written
            self.error(place, f"{text!r} belongs to Kubernetes itself", "use a namespace of the application's own")
        return text

    def host(self, place: str, value: Any) -> str:
        """Return a host name, which may begin with a wildcard."""
        text = self.text(place, value, example="todo.localhost")
        labels = text.removeprefix("*.").split(".")
        if text and (len(text) > 253 or not all(LABEL.fullmatch(label) and len(label) <= 63 for label in labels)):
            self.error(
                place, f"{text!r} is not a valid host name", "use labels of a-z, 0-9 and hyphens with dots between"
            )
        return text

    def no_twice(self, place: str, names: Sequence[str]) -> None:
        """Note the names of a list that are there before."""
        for index, name in enumerate(names):
            if name and name in names[:index]:
                self.error(f"{place}[{index}]", f"{name!r} is used twice", "remove or rename one of them")
