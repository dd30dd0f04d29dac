# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every object of every chart with every values file is what the API describes, judged by kubeconform with strict schemas."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rendering import CASES, CHARTS, Object, binary, by_kind, directory, render, title

Judge = Callable[[list[Object]], dict[str, str]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """A function that returns what is wrong with objects: a sentence by the name of each object that is not valid."""
    program = binary("KUBECONFORM", "kubeconform")
    template = f"{directory('KUBERNETES_SCHEMAS', 'schemas')}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"

    def run(objects: list[Object]) -> dict[str, str]:
        result = subprocess.run(
            [program, "-strict", "-verbose", "-output", "json", "-schema-location", template, "-"],
            # As JSON, in which a text such as y stays one.
            input="\n---\n".join(json.dumps(item) for item in objects),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not result.stderr, result.stderr
        answers = json.loads(result.stdout)["resources"]
        # A kind without a schema would be passed over in silence.
        assert len(answers) == len(objects), result.stdout
        return {
            f"{answer['kind']}/{answer['name']}": answer["msg"]
            for answer in answers
            if answer["status"] != "statusValid"
        }

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_objects_are_valid(judge: Judge, objects: list[Object]) -> None:
    """Every object is valid, HTTPRoutes and hooks too."""
    assert objects
    assert judge(objects) == {}


def set_in(item: Object, path: str, value: object) -> None:
    """Set what a dotted path leads to."""
    *way, last = path.split(".")
    place = item
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value


CONTAINER = "spec.template.spec.containers.0"
MISTAKES = {
    "unknown field": ("Deployment", "spec.replica", 2, "additional properties 'replica' not allowed"),
    "unknown inner field": (
        "Deployment",
        f"{CONTAINER}.imagePullPolicies",
        "Always",
        "additional properties 'imagePullPolicies' not allowed",
    ),
    "unknown field of a hook's pod": ("Pod", "spec.restart", "Never", "additional properties 'restart' not allowed"),
    "field of metadata": ("Service", "metadata.label", {}, "additional properties 'label' not allowed"),
    "text for a number": ("Deployment", "spec.replicas", "2", "got string, want integer"),
    "number for a text": ("ConfigMap", "data.LOG_LEVEL", 1, "got number, want string"),
    "number that is too large": ("Deployment", "spec.replicas", 2**31, "maximum"),
    "null": ("Deployment", f"{CONTAINER}.resources.limits", None, "got null, want object"),
    "no quantity": ("Deployment", f"{CONTAINER}.resources.limits.memory", "256MB", "does not match pattern"),
    "list for a port": (
        "Deployment",
        f"{CONTAINER}.readinessProbe.httpGet.port",
        [],
        "got array, want integer or string",
    ),
    "version of another kind": ("Deployment", "apiVersion", "apps/v2", "could not find schema"),
    "unknown field of a route": ("HTTPRoute", "spec.hosts", [], "additional properties 'hosts' not allowed"),
    "unknown field of a route's metadata": (
        "HTTPRoute",
        "metadata.label",
        {},
        "additional properties 'label' not allowed",
    ),
    "path that a route cannot match": (
        "HTTPRoute",
        "spec.rules.0.matches.0.path.type",
        "Prefix",
        "value must be one of",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(helm: str, charts: Path, judge: Judge, mistake: str) -> None:
    """One wrong field makes its object invalid, and no other one."""
    kind, path, value, message = MISTAKES[mistake]
    objects = render(helm, charts, "todo-app", "-f", str(CHARTS / "todo-app/ci/httproute-values.yaml"))
    wrong = by_kind(objects, kind)[0]
    set_in(wrong, path, value)
    found = judge(objects)
    assert list(found) == [title(wrong)]
    assert message in found[title(wrong)]


def test_quantities_and_ports_of_either_type_are_valid(helm: str, charts: Path, judge: Judge) -> None:
    """What Kubernetes takes as a number or a text passes as both."""
    objects = render(helm, charts, "component", "-f", str(CHARTS / "component/ci/default-values.yaml"))
    deployment = by_kind(objects, "Deployment")[0]
    for quantity in ("1", "0.5", 1, 1.5, "100m", "1Gi", "1e3", "2E"):
        set_in(deployment, f"{CONTAINER}.resources.limits.memory", quantity)
        assert judge([deployment]) == {}, quantity
    for port in (8080, "http"):
        set_in(deployment, f"{CONTAINER}.readinessProbe.httpGet.port", port)
        assert judge([deployment]) == {}, port
