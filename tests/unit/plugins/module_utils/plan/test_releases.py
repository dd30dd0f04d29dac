# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: values that name the images, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.releases import ValuesError, set_path
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from specifications import assert_mistake, problems, specification


def test_set_path() -> None:
    values: dict[str, Any] = {"a": {"b": {"c": 1}}}
    set_path(values, "a.b", {"d": 2})
    set_path(values, "x.y", "z")
    assert values == {"a": {"b": {"c": 1, "d": 2}}, "x": {"y": "z"}}
    with pytest.raises(ValuesError, match=r"a\.b\.c"):
        set_path(values, "a.b.c.d", 1)


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"releases": [{"name": "x", "chart": "chart", "wait": "yes"}]}, "application_releases[0].wait", "a text"),
        ({"releases": {"name": "x"}}, "application_releases", "write a list"),
        ({"releases": ["x"]}, "application_releases[0]", "a text"),
        (
            {"releases": [{"name": "x", "chart": "chart", "valeus": {}}]},  # codespell:ignore valeus
            "application_releases[0].valeus",  # codespell:ignore valeus
            "did you mean values",
        ),
        ({"releases": [{"name": "x", "chart": "chart", "images": {"ap": "a"}}]}, "images.ap", "did you mean api"),
        (
            {"releases": [{"name": "x", "chart": "chart", "migrations": {"api": "a"}}]},
            "migrations.api",
            "names no migrations",
        ),
        ({"releases": [{"name": "x", "chart": "chart", "images": {"api": "a..b"}}]}, "images.api", "not a path"),
        (
            {"releases": [{"name": "x", "chart": "chart", "values": {"a": 1}, "images": {"api": "a.b"}}]},
            "images.api",
            "not a dictionary",
        ),
        ({"releases": [{"name": "x", "chart": "chart"}] * 2}, "application_releases[1]", "twice"),
        (
            {"releases": [{"name": "x", "chart": "chart", "secret_checksums": {"no": "a"}}]},
            "secret_checksums.no",
            "no such secret",
        ),
        (
            {"releases": [{"name": "x", "chart": "chart", "secret_checksums": {"todo-api": "a..b"}}]},
            "secret_checksums.todo-api",
            "not a path",
        ),
        ({"releases": [{"name": "x", "chart": "nowhere"}]}, "application_releases[0].chart", "application_project_dir"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


def test_nothing_is_waited_for_unless_that_is_asked_for(project: Path) -> None:
    releases = [{"name": name, "chart": "chart", **wait} for name, wait in (("a", {}), ("b", {"wait": True}))]
    found = build_plan(specification(releases=releases), project).as_dict()["releases"]
    assert [release["wait"] for release in found] == [False, True]


def test_component_with_a_mistake_is_told_once(project: Path) -> None:
    (found,) = problems(project, components={"api": {"source": "src/nowhere"}}, checks=[])
    assert "application_components.api.source" in found
