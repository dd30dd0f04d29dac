# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the wrong kind are noted with their place, and what cannot be read is empty."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of, nearest
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import SpecificationError, Validator


def test_each_mistake_is_a_sentence_with_place_and_remedy() -> None:
    validator = Validator()
    assert validator.mapping("a", []) == {} and validator.text("b", "") == "" and validator.label("c", "x_") == "x_"
    assert list(validator.items("d", [{}, 5])) == [("d[0]", {})] and list(validator.items("e", "text")) == []
    validator.keys("f", {"nmae": 1}, ["name"])  # codespell:ignore nmae
    validator.no_twice("g", ["x", "", "", "x"])
    assert validator.host("h", "*.todo.localhost") == "*.todo.localhost"
    assert validator.errors == [
        "a: it is a list; write a dictionary.",
        "b: it is empty; write a text.",
        "c: 'x_' is not a valid Kubernetes name; use at most 63 lower-case letters, digits and hyphens, with a letter or "
        "digit at both ends.",
        "d[1]: it is a number; write a dictionary.",
        "e: it is a text; write a list.",
        "f.nmae: this key is unknown; did you mean name.",  # codespell:ignore nmae
        "g[3]: 'x' is used twice; remove or rename one of them.",
    ]


def test_nothing_is_no_mistake_where_there_is_a_default() -> None:
    validator = Validator()
    assert validator.mapping("a", None) == {} and list(validator.items("b", None)) == []
    assert validator.text("c", None, default="x") == "x" and validator.errors == []


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "nothing"), (True, "a boolean"), (1, "a number"), ("", "a text"), ({}, "a dictionary"), ((), "a list")],
)
def test_kinds(value: object, name: str) -> None:
    assert kind_of(value) == name


def test_remedy_for_a_misspelt_word() -> None:
    assert nearest("backned", ["backend", "page"]) == "did you mean backend"  # codespell:ignore backned
    assert nearest("x", ["backend", "page"]) == "known are backend, page"


def test_all_mistakes_are_told_at_once() -> None:
    assert str(SpecificationError(["a: b; c."])) == (
        "The application's specification has a mistake. Nothing was changed.\n- a: b; c."
    )
    error = SpecificationError(["a: b; c.", "d: e; f."])
    assert str(error).startswith("The specification has 2 mistakes.") and error.problems == ["a: b; c.", "d: e; f."]


def test_a_newline_at_the_end_of_a_name_is_no_part_of_it() -> None:
    validator = Validator()
    validator.label("a", "todo\n")
    validator.host("b", "todo.localhost\n")
    assert [error.split(":")[0] for error in validator.errors] == ["a", "b"]
