# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put what depends on each other in order. Private to the collection."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)


class DependencyCycleError(ValueError):
    """Names that depend on each other in a cycle.

    C(cycle) holds each after the one that depends on it, begins with the one that was given first, and repeats that at
    the end; the text is the same with arrows.
    """

    def __init__(self, cycle: list[Any]) -> None:
        self.cycle = cycle
        super().__init__(" -> ".join(map(str, cycle)))


def order(depends: Mapping[Name, Iterable[Name]]) -> list[Name]:
    """Return the names so that each comes after those it depends on.

    Raises DependencyCycleError. Unknown names must have been refused before.
    """
    try:
        return list(TopologicalSorter(depends).static_order())
    except CycleError as error:
        # The library lists each before the one that depends on it (graphlib.CycleError).
        cycle = error.args[1][:0:-1]
        first = next(at for name in depends for at, other in enumerate(cycle) if other == name)
        raise DependencyCycleError([*cycle[first:], *cycle[: first + 1]]) from None


def ancestors(depends: Mapping[Name, Iterable[Name]]) -> dict[Name, set[Name]]:
    """Return for each name all names it depends on, directly or through others."""
    found: dict[Name, set[Name]] = {}
    for name in order(depends):
        direct = set(depends[name])
        found[name] = direct.union(*(found[other] for other in direct))
    return found
