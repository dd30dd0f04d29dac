# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What placeholders stand for in a version that is in service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.filter.deployed_variables import deployed_variables

IMAGES = ["registry.example:5000/todo-api:sha-old@sha256:abc", "todo-web:sha-same", "postgres:17"]


def component(name: str, tag: str) -> dict[str, str]:
    return {"repository": f"todo-{name}", "tag": tag}


@pytest.fixture
def plan() -> dict[str, Any]:
    components = {
        "api": component("api", "sha-new"),
        "web": component("web", "sha-same"),
        "mail": component("mail", "sha-m"),
    }
    variables = {"application.name": "todo"}
    for name, one in components.items():
        facts = {**one, "image": f"{one['repository']}:{one['tag']}", "source_digest": f"sha256:{name}"}
        variables.update({f"components.{name}.{fact}": value for fact, value in facts.items()})
    return {"components": components, "variables": variables}


def test_deployed_images_say_what_placeholders_stand_for(plan: dict[str, Any]) -> None:
    before = dict(plan["variables"])
    found = deployed_variables(plan, IMAGES)
    assert found == {
        **before,
        "components.api.tag": "sha-old",
        "components.api.image": "todo-api:sha-old",
        "components.api.source_digest": None,
        "components.mail.tag": None,
        "components.mail.image": None,
        "components.mail.source_digest": None,
    }
    assert plan["variables"] == before, "the plan itself must stay"


def test_what_is_deployed_of_a_plan_that_is_not_there() -> None:
    assert deployed_variables({}, IMAGES) == {}
