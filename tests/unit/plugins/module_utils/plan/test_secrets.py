# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: templates that lead somewhere, and what is wrong with a key's source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from specifications import assert_mistake, problems, specification


def key(source: Any) -> dict[str, Any]:
    return {"secrets": [{"name": "todo-api", "keys": {"K": source}}]}


def test_circle_over_two_secrets(project: Path) -> None:
    secrets = [
        {"name": "a", "keys": {"X": {"template": "{Y}"}}},
        {"name": "b", "keys": {"Y": {"env": "Y", "fallback": {"template": "{a/X}"}}}},
    ]
    (found,) = problems(project, secrets=secrets, releases=[])
    assert "a.X -> b.Y -> a.X" in found


def test_environment_is_asked_for_only_when_told(project: Path) -> None:
    """Without C(available) nobody looked, as for a run that deploys nothing."""
    build_plan(specification(releases=[], **key({"env": "A"})), project)


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"secrets": [{"name": "a", "keys": {}}], "releases": []}, "application_secrets[0].keys", "no key"),
        (
            {"secrets": [{"name": "A_", "keys": {"K": {"generate": 16}}}], "releases": []},
            "secrets[0].name",
            "not a valid",
        ),
        (
            {"secrets": [{"name": "a", "keys": {"K": {"generate": 16}}}] * 2, "releases": []},
            "application_secrets[1]",
            "twice",
        ),
        (key({}), "keys.K", "no source is given"),
        (key("text"), "keys.K", "a text"),
        (key({"env": "A", "generate": 16}), "keys.K", "env and generate are given"),
        (key({"generate": 8}), "keys.K.generate", "16 to 1024"),
        (key({"generate": 15}), "keys.K.generate", "16 to 1024"),
        (key({"generate": 1025}), "keys.K.generate", "16 to 1024"),
        (key({"generate": True}), "keys.K.generate", "not a valid length"),
        (key({"generate": "32"}), "keys.K.generate", "not a valid length"),
        (key({"generate": 16, "required": True}), "keys.K.required", "unknown"),
        (key({"env": "1A"}), "keys.K.env", "not a valid name"),
        (key({"env": "A", "available": False}), "keys.K", "environment variable A is not set"),
        (key({"env": "A", "required": True, "fallback": {"generate": 16}}), "keys.K", "both given"),
        (key({"env": "A", "fallback": {"generate": 1}}), "keys.K.fallback.generate", "not a valid length"),
        (key({"value": False}), "keys.K.value", "not a string"),
        (key({"template": "{NOWHERE}"}), "keys.K.template", "names no declared key"),
        (key({"template": "{K}"}), "keys.K", "circle"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


@pytest.mark.parametrize("source", [{"generate": 16}, {"generate": 1024}, {"value": True}])
def test_sources_that_are_right(project: Path, source: dict[str, Any]) -> None:
    secrets = [{"name": "todo-api", "keys": {"K": source, "T": {"template": "<{K}>"}}}]
    (found,) = build_plan(specification(secrets=secrets), project).as_dict()["secrets"]
    assert [one["name"] if isinstance(one, dict) else one for one in found["keys"]] == ["K", "T"]


def test_a_value_that_nobody_means_is_refused(project: Path) -> None:
    assert_mistake(
        project, {**key({"value": "it is empty"}), "releases": []}, "keys.K.value", "it is empty; write a string"
    )
    source = {"env": "K", "available": True, "flaw": "it ends with a newline"}
    assert_mistake(
        project,
        {**key(source), "releases": []},
        "keys.K",
        "the environment variable K cannot be meant: it ends with a newline",
    )
