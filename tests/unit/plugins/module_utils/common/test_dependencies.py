# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies come first, and a circle is told as a person reads it."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import dependencies
from hypothesis import given
from hypothesis import strategies as st


@given(st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=3), min_size=1))
def test_order_puts_dependencies_first(graph: dict[int, list[int]]) -> None:
    # Only edges to smaller numbers: such a graph has no circle.
    depends = {str(a): [str(b) for b in more if b < a and b in graph] for a, more in graph.items()}
    found = dependencies.order(depends)
    assert sorted(found) == sorted(depends)
    assert all(found.index(other) < found.index(name) for name in depends for other in depends[name])
    before = dependencies.ancestors(depends)
    assert all(before[other] <= before[name] for name in depends for other in depends[name])


def test_a_circle_is_spelled_out_and_a_long_chain_is_none() -> None:
    with pytest.raises(ValueError, match=re.escape("b -> c -> b")):
        dependencies.order({"a": ["b"], "b": ["c"], "c": ["b"]})
    chain = {str(at): [str(at + 1)] if at < 3000 else [] for at in range(3001)}
    assert dependencies.order(chain)[0] == "3000"


@pytest.mark.parametrize(
    ("depends", "circle"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"x": [], "c": ["a"], "a": ["b"], "b": ["c"]}, "c -> a -> b -> c"),
        ({"c": ["b"], "a": ["c"], "b": ["a"], "d": ["a"]}, "c -> b -> a -> c"),
    ],
)
def test_a_circle_begins_with_what_was_given_first_and_names_what_each_depends_on(
    depends: dict[str, list[str]], circle: str
) -> None:
    with pytest.raises(dependencies.DependencyCycleError) as caught:
        dependencies.order(depends)
    assert str(caught.value) == circle
    assert caught.value.cycle == circle.split(" -> ")


def test_a_circle_begins_with_what_was_given_first_in_whatever_order() -> None:
    depends = {"a": ["b"], "b": ["c"], "c": ["a"], "x": ["a"], "y": []}
    for names in itertools.permutations(depends):
        with pytest.raises(dependencies.DependencyCycleError) as caught:
            dependencies.order({name: depends[name] for name in names})
        assert caught.value.cycle[0] == caught.value.cycle[-1] == next(name for name in names if name in "abc")
