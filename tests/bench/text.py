# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the measurements write figures, tables and marked sections."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence


def minutes(seconds: float) -> str:
    """Seconds as a person writes them: ``4.2 s``, ``3 min 05 s``."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s"


# By kind of figure: bytes as MB or GB, CPUs, seconds as s or ms, a count.
WRITE: Mapping[str, Callable[[float], str]] = {
    "MB": lambda value: f"{value / 1e6:.0f} MB",
    "GB": lambda value: f"{value / 1e9:.2f} GB",
    "CPU": lambda value: f"{value:.2f} CPU",
    "s": minutes,
    "ms": lambda value: f"{value * 1e3:.1f} ms",
    "count": lambda value: f"{value:.0f}",
}


def three(values: Sequence[float]) -> list[float]:
    """Least, median and greatest."""
    return [min(values), statistics.median(values), max(values)]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def with_section(document: str, name: str, body: str) -> str:
    """The document with C(body) between the marks of section C(name), added at the end when it has none.

    Raises ValueError when only one of the two marks is there.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if (begin in document) != (end in document):
        raise ValueError(f"only one of the marks {begin!r} and {end!r} is there: add the other or remove it")
    if begin not in document:
        return f"{document.rstrip()}\n\n{section}\n"
    before, _, rest = document.partition(begin)
    return before + section + rest.partition(end)[2]
