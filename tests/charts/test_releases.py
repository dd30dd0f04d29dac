# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts installed as releases of their own in one namespace work together: names, ways in, and network policies.

The bridge network of a small cluster enforces no policies, so who may connect to whom is worked out here as Kubernetes defines
it: a connection needs an egress rule of the pod that asks and an ingress rule of the pod that answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from rendering import CHARTS, NAMESPACE, Object, backend_urls, by_kind, matches, pods, render, title

DEPLOYMENTS = {
    "two charts": {
        "database": "postgresql/separate",
        "backend": "backend/two-charts",
        "frontend": "frontend/two-charts",
    },
    "two charts, any host": {
        "database": "postgresql/separate",
        "backend": "backend/any-host",
        "frontend": "frontend/any-host",
    },
    "node port": {"database": "postgresql/separate", "backend": "backend/nodeport", "frontend": "frontend/nodeport"},
    "load balancer, one chart each": {
        "database": "postgresql/separate",
        "backend": "backend/loadbalancer",
        "frontend": "frontend/loadbalancer",
    },
    "umbrella": {"todo": "todo-app/default"},
    "umbrella with a load balancer": {"todo": "todo-app/loadbalancer"},
}
STRANGER = {"app.kubernetes.io/name": "other", "app.kubernetes.io/instance": "todo"}


@dataclass(frozen=True)
class Pod:
    """A pod of the deployment: who makes it, its labels and the port it listens on."""

    owner: str
    labels: dict[str, str]
    port: int


@pytest.fixture(params=DEPLOYMENTS)
def objects(request: pytest.FixtureRequest, helm: str, charts: Path) -> list[Object]:
    """The objects of all releases of a deployment."""
    found = []
    for release, case in DEPLOYMENTS[request.param].items():
        chart, variant = case.split("/")
        values = CHARTS / chart / "ci" / f"{variant}-values.yaml"
        found += render(helm, charts, chart, "-f", str(values), release=release)
    return found


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Tell whether a label selector with labels and In expressions selects these labels; an empty one selects all."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}, selector
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions), selector
    return matches(selector.get("matchLabels", {}), labels) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def names(peer: Object, labels: dict[str, str]) -> bool:
    """Tell whether a policy's peer is a pod with these labels in the releases' namespace."""
    if "ipBlock" in peer:
        return False
    namespace = {"kubernetes.io/metadata.name": NAMESPACE}
    return selects(peer.get("namespaceSelector", {}), namespace) and selects(peer.get("podSelector", {}), labels)


def lets(policies: list[Object], way: str, pod: Pod, other: Pod, port: int) -> bool:
    """Tell whether a pod's policies let connections in from (``ingress``) or out to (``egress``) another pod."""
    peers, kind = ("from", "Ingress") if way == "ingress" else ("to", "Egress")
    own = [
        item["spec"]
        for item in policies
        if selects(item["spec"]["podSelector"], pod.labels) and kind in item["spec"]["policyTypes"]
    ]
    return not own or any(
        ("ports" not in rule or port in [each["port"] for each in rule["ports"]])
        and (peers not in rule or any(names(peer, other.labels) for peer in rule[peers]))
        for spec in own
        for rule in spec[way]
    )


def connects(objects: list[Object], source: Pod, target: Pod) -> bool:
    """Tell whether one pod can open a connection to the port of another one."""
    policies = by_kind(objects, "NetworkPolicy")
    return lets(policies, "egress", source, target, target.port) and lets(
        policies, "ingress", target, source, target.port
    )


def everyone(objects: list[Object]) -> dict[str, Pod]:
    """Return the pods by component and kind: ``backend``, ``backend Job``, ``backend Pod`` (its helm test), ..."""
    found = {}
    for owner, metadata, spec in pods(objects):
        kind = owner.split("/")[0]
        ports = [port["containerPort"] for each in spec["containers"] for port in each.get("ports", [])]
        name = metadata["labels"]["app.kubernetes.io/name"] + (f" {kind}" if kind in {"Job", "Pod"} else "")
        assert name not in found, name
        found[name] = Pod(owner, metadata["labels"], ports[0] if ports else 0)
    return found


WAYS = [
    ("frontend", "backend", True),
    ("frontend", "postgresql", False),
    ("frontend Pod", "frontend", True),
    ("backend", "postgresql", True),
    ("backend Job", "postgresql", True),
    ("backend Pod", "backend", True),
    ("postgresql", "backend", False),
    ("postgresql", "frontend", False),
    ("stranger", "backend", False),
    ("stranger", "postgresql", False),
]


@pytest.mark.parametrize(("source", "target", "open_"), WAYS, ids=[f"{a} to {b}" for a, b, _ in WAYS])
def test_ways(objects: list[Object], source: str, target: str, open_: bool) -> None:
    """The ways that the application needs are open over releases, and those that it does not need are closed."""
    known = everyone(objects) | {"stranger": Pod("stranger", STRANGER, 0)}
    assert connects(objects, known[source], known[target]) is open_


def test_databases_of_two_applications_are_apart(helm: str, charts: Path) -> None:
    """In a namespace with two umbrellas, neither's backend reaches the other's database."""
    values = str(CHARTS / "todo-app/ci/default-values.yaml")
    one, two = (render(helm, charts, "todo-app", "-f", values, release=release) for release in ("one", "two"))
    backend, database = everyone(one)["backend"], everyone(two)["postgresql"]
    assert not connects(one + two, backend, database)
    assert connects(one + two, backend, everyone(one)["postgresql"])


def test_objects_do_not_collide(objects: list[Object]) -> None:
    """No two releases make the same object."""
    found = [title(item) for item in objects]
    assert len(found) == len(set(found)), found


def test_the_frontend_is_told_the_backends_service(objects: list[Object]) -> None:
    """BACKEND_URL is a Service that is there, and its port is one that the Service has."""
    urls, services = backend_urls(objects)
    assert len(urls) == 1
    assert urls == services


def test_every_path_of_a_host_leads_to_one_service(objects: list[Object]) -> None:
    """Ingresses of two releases share a host: together they are the application, and no path is claimed twice."""
    found: dict[str | None, list[tuple[str, str]]] = {}
    for item in by_kind(objects, "Ingress"):
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                found.setdefault(rule.get("host"), []).append((path["path"], path["backend"]["service"]["name"]))
    for paths in found.values():
        assert sorted(path for path, _service in paths) == ["/", "/api", "/mcp"]
        services = dict(paths)
        assert services["/api"] == services["/mcp"] != services["/"]
