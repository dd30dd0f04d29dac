# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specification to plan, and every mistake in one go."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from specifications import assert_mistake, problems, specification


def test_plan(project: Path) -> None:
    given = specification()
    before = copy.deepcopy(given)
    plan = build_plan(given, project).as_dict()
    assert given == before
    api = plan["components"]["api"]
    # Letters first: a YAML reader must not take a tag for a number.
    assert api["image"] == f"todo-api:{api['tag']}" and api["tag"] == f"sha-{api['source_digest'][7:23]}"
    assert api["source"] == str(project / "src/api")
    (release,) = plan["releases"]
    assert release["namespace"] == plan["namespace"] == "todo"
    assert release["values"]["api"]["image"] == {"pullPolicy": "Never", "repository": "todo-api", "tag": api["tag"]}
    assert release["chart"] == str(project / "chart") and release["chart_version"] == "1.2.3"
    assert plan["secrets"] == [
        {"name": "todo-db", "namespace": "todo", "keys": ["PASSWORD"]},
        {"name": "todo-api", "namespace": "todo", "keys": ["KEY", "OWN", "URL"]},
    ]
    # They are filled when they are asked, of the plan or of what is deployed.
    assert plan["checks"] == given["checks"] and plan["journey"] == given["journey"]
    assert plan["variables"] == {
        "application.name": "todo",
        "application.namespace": "todo",
        "application.host": "todo.localhost",
        **{f"components.api.{fact}": api[fact] for fact in ("tag", "image", "repository", "source_digest")},
    }
    assert json.loads(json.dumps(plan)) == plan, "Ansible carries it as a fact"


def test_smallest_specification(project: Path) -> None:
    plan = build_plan({"name": "x"}, project).as_dict()
    assert plan["components"] == {} and plan["releases"] == [] and plan["namespace"] == "x"


def test_all_mistakes_are_reported_at_once(project: Path) -> None:
    found = problems(
        project,
        name="Todo!",
        hosts=["under_score"],
        components={"api": {"source": "nowhere", "sauce": 1}},
        releases=[{"name": "todo", "chart": "nochart"}],
        given=["application_componets"],
    )
    places = [problem.split(":")[0] for problem in found]
    assert places[:4] == [
        "application_componets",
        "application_name",
        "application_hosts[0]",
        "application_components.api.sauce",
    ]
    assert "application_components.api.source" in places and "application_releases[0].chart" in places
    assert "did you mean application_components" in found[0]
    assert all(problem.endswith(".") and ";" in problem for problem in found)


@pytest.mark.parametrize(
    ("given", "exposure"),
    [
        (None, {"kind": "ingress"}),
        ({"kind": "none"}, {"kind": "none"}),
        (
            {"kind": "node_port", "service": "page", "port": 80},
            {"kind": "node_port", "service": "page", "namespace": "todo", "port": "80"},
        ),
    ],
)
def test_exposure(project: Path, given: Any, exposure: dict[str, str]) -> None:
    assert build_plan(specification(exposure=given), project).as_dict()["exposure"] == exposure


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"name": None}, "application_name", "missing"),
        ({"name": 5}, "application_name", "a number"),
        ({"name": "a" * 54}, "application_name", "at most 53"),
        ({"namespace": "-x"}, "application_namespace", "not a valid Kubernetes name"),
        ({"project_dir": "missing"}, "application_project_dir", "no directory"),
        ({"hosts": "todo.local"}, "application_hosts", "write a list"),
        ({"hosts": ["a.b", "a.b"]}, "application_hosts[1]", "twice"),
        ({"exposure": {"kind": "nodeport"}}, "application_exposure.kind", "did you mean node_port"),
        (
            {"exposure": {"kind": "ingress", "service": "page"}},
            "application_exposure.service",
            "cannot be combined with",
        ),
        ({"exposure": {"kind": "node_port"}}, "application_exposure.service", "missing"),
        (
            {"exposure": {"kind": "load_balancer", "service": "page", "port": True}},
            "application_exposure.port",
            "a boolean",
        ),
        ({"exposure": {"knd": "ingress"}}, "application_exposure.knd", "did you mean kind"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


def test_plan_without_hosts_has_no_first_one(project: Path) -> None:
    variables = build_plan(specification(hosts=[], checks=[]), project).as_dict()["variables"]
    assert "application.host" not in variables and variables["application.name"] == "todo"


@pytest.mark.parametrize(("length", "valid"), [(63, True), (64, False)])
def test_labels_of_a_host_have_63_letters_at_most(project: Path, length: int, valid: bool) -> None:
    changes = {"hosts": [f"{'a' * length}.test"], "checks": []}
    if valid:
        build_plan(specification(**changes), project)
    else:
        assert_mistake(project, changes, "application_hosts[0]", "not a valid host name")
