# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of health checks as pure functions over values. Private to the collection.

Nothing here opens a socket or reads a clock, so all of it is tested with plain values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean

SHORT = 160
"""Observed values are cut to this many characters in results."""

_LOOKED_AT = 4000  # characters
_RANGE = re.compile(r"([1-5][0-9]{2})\s*-\s*([1-5][0-9]{2})", re.ASCII)
_CLASS = re.compile(r"([1-5])xx", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[1-5][0-9]{2}", re.ASCII)


# ---------------------------------------------------------------- what a path finds
class Absent:
    """Stands for what a path does not find where it could be."""

    def __str__(self) -> str:
        return "nothing"


class Unknown:
    """Stands for what cannot be found out: the path does not fit the body. No predicate is true of it."""

    def __str__(self) -> str:
        return "the path does not fit the body"


ABSENT, UNKNOWN = Absent(), Unknown()

COMPARISONS = ("equals", "not_equals", "less", "greater", "in", "exists", "matches", "length", "type")


# ---------------------------------------------------------------- status
def parse_status(items: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Turn 204, 200-204 and 2xx into inclusive ranges.

    Raises ValueError with the wrong item in it.
    """
    ranges: list[tuple[int, int]] = []
    for item in items:
        text = str(item).strip()
        if _NUMBER.fullmatch(text):
            ranges.append((int(text), int(text)))
        elif found := _CLASS.fullmatch(text):
            low = int(found.group(1)) * 100
            ranges.append((low, low + 99))
        elif found := _RANGE.fullmatch(text):
            first, last = int(found.group(1)), int(found.group(2))
            if first > last:
                raise ValueError(f"{text!r} runs backwards, write {last}-{first}")
            ranges.append((first, last))
        else:
            raise ValueError(
                f"{text!r} is not a valid status: write a number (204), a range (200-204) or a class (2xx)"
            )
    if not ranges:
        raise ValueError("the list is empty: name at least one status")
    return tuple(ranges)


def status_matches(status: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Say whether a status lies in one of the inclusive ranges."""
    return any(first <= status <= last for first, last in ranges)


# ---------------------------------------------------------------- values
def json_type(value: object) -> str:
    """Return the JSON name of a value's type; whole numbers are integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "object"
    return "array"


def same(left: object, right: object) -> bool:
    """Compare as JSON does: true is not 1, "1" is not 1, but 1 equals 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def unmasked(text: str) -> str:
    """The mask for values in which nothing is secret."""
    return text


def shorten(value: object, limit: int = SHORT, mask: Callable[[str], str] = unmasked) -> str:
    """Render a value on one line of at most limit characters.

    The mask is applied before the cut: half a secret would not be recognised any more.
    """
    if value is ABSENT or value is UNKNOWN:
        value = str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # A body may be long, of which only the beginning is shown; the mark tells the mask that it was cut.
    text = text if len(text) <= _LOOKED_AT else f"{text[:_LOOKED_AT]}…"
    text = " ".join(mask(clean(text)).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def compare(kind: str, wanted: Any, value: object) -> bool:
    """Decide one predicate of COMPARISONS over an observed JSON value, or ABSENT or UNKNOWN.

    Of what is absent only C(exists: false) is true, of what is unknown nothing is.
    """
    if value is UNKNOWN or value is ABSENT:
        return value is ABSENT and kind == "exists" and not wanted
    if kind == "equals":
        return same(value, wanted)
    if kind == "not_equals":
        return not same(value, wanted)
    if kind in ("less", "greater"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return bool(value < wanted if kind == "less" else value > wanted)
    if kind == "in":
        return any(same(value, item) for item in wanted)
    if kind == "exists":
        return (value is not None) is bool(wanted)
    if kind == "matches":
        if value is None:
            return False
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return re.search(wanted, text) is not None
    if kind == "length":
        return isinstance(value, (str, list, tuple, Mapping)) and len(value) == wanted
    if kind == "type":
        found = json_type(value)
        return found == wanted or (wanted == "number" and found == "integer")
    raise KeyError(kind)


@dataclass(frozen=True)
class Assertion:
    """One predicate and what it was decided on; passed is the verdict, unknown says that there could be none."""

    subject: str
    predicate: str
    expected: Any
    observed: Any
    passed: bool
    unknown: bool = False

    def as_result(self, mask: Callable[[str], str] = unmasked) -> dict[str, Any]:
        """Return the shape of one entry of the result's assertions."""
        return {
            "subject": self.subject,
            "predicate": self.predicate,
            "expected": shorten(self.expected, mask=mask),
            "observed": shorten(self.observed, mask=mask),
            "passed": self.passed,
        }

    def sentence(self, mask: Callable[[str], str] = unmasked) -> str:
        """Say expectation and observation in one sentence."""
        hint = ""
        if self.predicate in ("equals", "in") and not self.passed:
            wanted = self.expected if self.predicate == "in" else [self.expected]
            if any(str(item) == str(self.observed) and json_type(item) != json_type(self.observed) for item in wanted):
                hint = f" (of type {json_type(self.observed)}: the types differ)"
        expected, observed = shorten(self.expected, 60, mask), shorten(self.observed, 60, mask)
        return f"{self.subject} {self.predicate} {expected}: observed {observed}{hint}"


def assert_json(
    search: Callable[[Any], Any], path: str, predicates: Mapping[str, Any], document: Any
) -> list[Assertion]:
    """Decide all predicates of one JMESPath; search returns a value, ABSENT or UNKNOWN."""
    value = search(document)
    return [
        Assertion(f"json {path}", kind, wanted, value, compare(kind, wanted, value), value is UNKNOWN)
        for kind, wanted in predicates.items()
    ]


def assert_text(subject: str, text: str, patterns: Sequence[str], negated: Sequence[str]) -> list[Assertion]:
    """Decide that every pattern is found in the text and that no negated one is."""
    done = [Assertion(subject, "matches", item, text, re.search(item, text) is not None) for item in patterns]
    done += [Assertion(subject, "not_matches", item, text, re.search(item, text) is None) for item in negated]
    return done


def assert_header(name: str, predicates: Mapping[str, Any], values: Sequence[str]) -> list[Assertion]:
    """Decide the predicates of one header; repeated headers are joined by a comma as HTTP says."""
    value = ", ".join(values) if values else ABSENT
    return [
        Assertion(f"header {name}", kind, wanted, value, compare(kind, wanted, value))
        for kind, wanted in predicates.items()
    ]


# ---------------------------------------------------------------- waiting
def backoff(interval: float, factor: float, ceiling: float, jitter: float, failures: int, chance: float) -> float:
    """Return the seconds to wait after the n-th failure in a row.

    chance in [0, 1) spreads the wait by jitter, a share of it in both directions. The wait grows by
    factor per failure and never exceeds ceiling, jitter included.
    """
    if interval <= 0:
        return 0.0
    # Beyond this exponent every factor that is allowed (up to 100) is over any ceiling; it keeps the power finite.
    grown = interval * factor ** min(max(failures - 1, 0), 64)
    spread = min(grown, ceiling) * (1 + jitter * (2 * chance - 1))
    return max(0.0, min(spread, max(ceiling, interval)))
