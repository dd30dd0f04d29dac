# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A specification that is right, and what is found wrong with one that is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import SpecificationError


def make_project(directory: Path) -> Path:
    """Write the files that the specification names."""
    (directory / "src/api").mkdir(parents=True)
    (directory / "src/api/Dockerfile").write_text("FROM scratch")
    (directory / "chart").mkdir()
    (directory / "chart/Chart.yaml").write_text("name: app\nversion: 1.2.3\n")
    return directory


def specification(**changes: Any) -> dict[str, Any]:
    """Return it with some of its keys changed."""
    base: dict[str, Any] = {
        "name": "todo",
        "hosts": ["todo.localhost"],
        "components": {"api": {"source": "src/api"}},
        "releases": [
            {
                "name": "todo",
                "chart": "chart",
                "values": {"api": {"replicas": 2, "image": {"pullPolicy": "Never"}}},
                "images": {"api": "api.image"},
                "secret_checksums": {"todo-api": "api.secretChecksum"},
            }
        ],
        "secrets": [
            {"name": "todo-db", "keys": {"PASSWORD": {"generate": 32}}},
            {
                "name": "todo-api",
                "keys": {
                    "URL": {"env": "URL", "available": False, "fallback": {"template": "db://{PASSWORD}@x"}},
                    "KEY": {"env": "KEY", "required": False, "available": False},
                    "OWN": {"value": True},
                },
            },
        ],
        "checks": [
            {
                "name": "page",
                "url": "http://${application.host}/",
                "expect": {"identity": {"equals": "${components.api.tag}"}},
            }
        ],
        "journey": [{"name": "log in", "url": "http://x/${run_id}"}],
        "given": ["application_name", "application_plan"],
    }
    base.update(changes)
    return base


def problems(project: Path, **changes: Any) -> list[str]:
    """Return what is wrong with it once it is changed."""
    with pytest.raises(SpecificationError) as caught:
        build_plan(specification(**changes), project)
    return caught.value.problems


def assert_mistake(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    """Demand that a mistake is found at the place, and said in these words."""
    found = problems(project, **changes)
    assert any(place in problem.split(": ")[0] and words in problem for problem in found), found
