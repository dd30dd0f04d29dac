# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure decisions: status, predicates, backoff, shortening."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health import predicates as decide
from hypothesis import given
from hypothesis import strategies as st

statuses = st.integers(100, 599)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


# ---------------------------------------------------------------- status
@given(statuses, statuses, statuses)
def test_a_range_holds_exactly_what_lies_in_it(first: int, last: int, status: int) -> None:
    low, high = sorted((first, last))
    assert decide.status_matches(status, decide.parse_status([f"{low}-{high}"])) is (low <= status <= high)


@given(statuses, st.integers(1, 5))
def test_a_class_is_its_hundred(status: int, digit: int) -> None:
    for text in (f"{digit}xx", f"{digit}XX"):
        assert decide.status_matches(status, decide.parse_status([text])) is (status // 100 == digit)


@given(st.text())
def test_any_text_is_a_status_or_refused_by_name(text: str) -> None:
    try:
        ranges = decide.parse_status([text])
    except ValueError as error:
        assert repr(text.strip()) in str(error) or text.strip() in str(error)
    else:
        assert all(100 <= low <= high <= 599 for low, high in ranges)


@pytest.mark.parametrize(
    "text", ["", "99", "600", "2x", "6xx", "200-", "300-200", "-200", "200-600", "\u0662\u0660\u0660"]
)
def test_wrong_statuses(text: str) -> None:
    with pytest.raises(ValueError):
        decide.parse_status([text])
    with pytest.raises(ValueError):
        decide.parse_status([])


# ---------------------------------------------------------------- predicates
@given(json_values, json_values)
def test_equals_and_its_negation_never_agree(value: Any, wanted: Any) -> None:
    assert decide.compare("equals", wanted, value) is not decide.compare("not_equals", wanted, value)
    assert decide.compare("equals", value, value)
    assert decide.compare("equals", wanted, value) == decide.compare("equals", value, wanted)
    assert decide.compare("in", [wanted], value) is decide.compare("equals", wanted, value)


@given(json_values)
def test_a_value_has_one_type_and_exists_unless_null(value: Any) -> None:
    types = [
        name
        for name in ("array", "boolean", "integer", "null", "number", "object", "string")
        if decide.compare("type", name, value)
    ]
    assert types in ([decide.json_type(value)], ["integer", "number"])
    assert decide.compare("exists", True, value) is (value is not None)
    assert decide.compare("exists", False, value) is (value is None)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_less_and_greater_are_those_of_numbers(value: float, wanted: float) -> None:
    assert decide.compare("less", wanted, value) is (value < wanted)
    assert decide.compare("greater", wanted, value) is (value > wanted)


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "expected"),
    [
        ("equals", 1, True, False),
        ("equals", 1, 1.0, True),
        ("equals", "1", 1, False),
        ("equals", [1, True], [1, 1], False),
        ("equals", {"a": [1]}, {"a": [1.0]}, True),
        ("equals", {"a": 1}, {"a": 1, "b": 2}, False),
        ("less", 5, "3", False),
        ("less", 5, None, False),
        ("greater", 0, True, False),
        ("in", ["a", 2], 2, True),
        ("in", [], None, False),
        ("matches", "^ok", "okay", True),
        ("matches", "1", [1], True),
        ("matches", "None|null", None, False),
        ("length", 2, [1, 2], True),
        ("length", 2, {"a": 1}, False),
        ("length", 0, 0, False),
        ("length", 0, None, False),
        ("type", "number", 3, True),
        ("type", "integer", 3.5, False),
        ("type", "boolean", 1, False),
        ("type", "null", None, True),
    ],
)
def test_predicates(kind: str, wanted: Any, value: Any, expected: bool) -> None:
    assert decide.compare(kind, wanted, value) is expected


def test_every_comparison_is_decided() -> None:
    wanted = {"less": 1, "greater": 1, "in": [], "matches": "", "length": 1, "type": "null"}
    for kind in decide.COMPARISONS:
        assert decide.compare(kind, wanted.get(kind, True), "x") in (True, False)
    with pytest.raises(KeyError):
        decide.compare("unknown", 1, 1)


def test_sentence_names_a_difference_of_types_only() -> None:
    item = decide.Assertion("json id", "equals", "7", 7, False)
    assert item.sentence() == "json id equals 7: observed 7 (of type integer: the types differ)"
    assert "types" not in decide.Assertion("json id", "equals", "8", 7, False).sentence()


@given(json_values, st.integers(10, 200))
def test_shortened_values_are_short_and_one_line(value: Any, limit: int) -> None:
    text = decide.shorten(value, limit)
    assert len(text) <= limit
    assert text.splitlines() in ([], [text])


# ---------------------------------------------------------------- backoff and shortening
@given(
    st.floats(0, 60), st.floats(1, 100), st.floats(0, 120), st.floats(0, 1), st.integers(0, 10_000),
    st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_backoff_is_bounded(
    interval: float, factor: float, ceiling: float, jitter: float, failures: int, chance: float
) -> None:
    wait = decide.backoff(interval, factor, ceiling, jitter, failures, chance)
    assert 0 <= wait <= max(ceiling, interval)


def test_backoff_grows_to_the_ceiling() -> None:
    waits = [decide.backoff(1, 2, 10, 0, count, 0.5) for count in range(1, 7)]
    assert waits == [1, 2, 4, 8, 10, 10]
    assert decide.backoff(1, 1, 10, 0.5, 1, 0.0) == 0.5


def test_masking_before_shortening() -> None:
    masker = Masker(["abcdefghijkl"])
    text = decide.shorten("x" * 150 + "abcdefghijkl", 160, masker)
    assert "abc" not in text


def test_patterns_that_must_and_must_not_be_found() -> None:
    found = decide.assert_text("body", "all is well", ["^all", "ill$"], ["error", "well"])
    assert [(one.predicate, one.expected, one.passed) for one in found] == [
        ("matches", "^all", True),
        ("matches", "ill$", False),
        ("not_matches", "error", True),
        ("not_matches", "well", False),
    ]


def test_types_are_told_apart_only_where_that_is_the_mistake() -> None:
    assert "the types differ" in decide.Assertion("a", "equals", "1", 1, False).sentence()
    assert "the types differ" not in decide.Assertion("a", "equals", "1", 1, True).sentence()
    assert "the types differ" not in decide.Assertion("a", "contains", "1", 1, False).sentence()
