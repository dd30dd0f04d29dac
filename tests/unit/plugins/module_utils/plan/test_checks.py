# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks: their placeholders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from specifications import assert_mistake, specification


def test_placeholders_stay_until_the_checks_are_asked(project: Path) -> None:
    checks = [
        {
            "name": "page",
            "url": "${application.url}/${run_id}",
            "kubernetes": {"namespace": "${application.namespace}"},
        },
        {"name": "digest", "url": "$${components.x.tag}", "expect": {"identity": {"equals": "${components.api.tag}"}}},
    ]
    assert build_plan(specification(checks=checks), project).as_dict()["checks"] == checks


def test_old_name_of_the_source_digest_works_and_is_said(project: Path) -> None:
    checks = [
        {"name": "a", "body": {"built": ["of ${components.api.digest}"]}},
        {"name": "b", "body": "$${components.api.digest}"},
    ]
    plan = build_plan(specification(checks=checks), project)
    found = plan.as_dict()
    assert found["checks"][0]["body"] == {"built": ["of ${components.api.source_digest}"]}
    assert found["checks"][1] == checks[1]
    assert plan.warnings == (
        "application_checks[0].body.built[0]: ${components.api.digest} is deprecated and will be removed in version 1.0.0. "
        "Use ${components.api.source_digest}.",
    )


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"checks": [{"name": "a"}, {"name": "a"}]}, "application_checks[1]", "twice"),
        ({"checks": [{"url": "x"}]}, "application_checks[0].name", "missing"),
        (
            {"checks": [{"name": "a", "url": "${components.apy.tag}"}]},
            "application_checks[0].url",
            "did you mean components.api.tag",
        ),
        (
            {"journey": [{"name": "a", "body": [{"x": "${application.hots}"}]}]},
            "application_journey[0].body[0].x",
            "did you mean application.host",
        ),
        (
            {"hosts": [], "checks": [{"name": "a", "url": "${application.host}"}]},
            "application_checks[0].url",
            "is empty",
        ),
        ({"journey": "x"}, "application_journey", "write a list"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


def test_without_hosts_only_a_check_of_the_first_one_is_a_mistake(project: Path) -> None:
    checks = [{"name": "a", "url": "http://x/"}]
    assert build_plan(specification(hosts=[], checks=checks), project).as_dict()["checks"] == checks
    assert_mistake(project, {"hosts": []}, "application_checks[0].url", "which is empty")
