# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put what depends on each other in order. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def order(depends: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names so that each comes after what it depends on, otherwise in the given order.

    Raises ValueError with the circle spelled out. Unknown names must have been refused before.
    """
    done: dict[str, None] = {}
    for start in depends:
        # An explicit stack: a chain of a thousand checks must not meet Python's recursion limit.
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                done[name] = None
                continue
            if name in done:
                continue
            if name in path:
                raise ValueError(" -> ".join([*path[path.index(name) :], name]))
            path.append(name)
            stack.append((name, True))
            stack.extend((other, False) for other in reversed(depends[name]))
    return list(done)


def ancestors(depends: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Return for each name all names it depends on, directly or through others."""
    found: dict[str, set[str]] = {}
    for name in order(depends):
        found[name] = set(depends[name]).union(*(found[other] for other in depends[name]))
    return found
