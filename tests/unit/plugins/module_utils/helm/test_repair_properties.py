# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever people change, a deploy makes the objects as they are declared, and Helm finds nothing in its way."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._helm import live
from ansible_collections.slipway.kube.plugins.module_utils._helm.preparation import Permissions, Preparer
from fake_kubernetes import FakeKubernetes
from field_managers import GONE, applied, created, edited
from hypothesis import given
from hypothesis import strategies as st

Object = dict[str, Any]
CONTAINER = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}')
ENV = (*CONTAINER, "f:env")
DECLARED: dict[str, Object] = {
    "configmaps": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "data": {"LEVEL": "info", "MODE": "fast"},
    },
    "services": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    },
    "deployments": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "web:1",
                            "env": [{"name": "A", "value": "1"}],
                            "resources": {"requests": {"cpu": "1"}},
                        }
                    ]
                },
            },
        },
    },
}
# Fields that people change, remove or add, each with a value.
FIELDS: dict[str, list[tuple[tuple[str, ...], Any]]] = {
    "configmaps": [
        (("f:data", "f:LEVEL"), "debug"),
        (("f:data", "f:LEVEL"), GONE),
        (("f:data", "f:MODE"), ""),
        (("f:data", "f:MORE"), "added"),
        (("f:metadata", "f:labels", "f:app"), "else"),
        (("f:metadata", "f:labels", "f:mine"), "yes"),
        (("f:metadata", "f:annotations", "f:note"), "mine"),
    ],
    "services": [
        (("f:spec", "f:selector", "f:app"), "else"),
        (("f:spec", "f:selector", "f:more"), "added"),
        (("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"), "web"),
        (("f:metadata", "f:annotations", "f:note"), "mine"),
    ],
    "deployments": [
        (("f:spec", "f:replicas"), 5),
        ((*CONTAINER, "f:image"), "web:2"),
        ((*CONTAINER, "f:resources", "f:requests", "f:cpu"), "2"),
        ((*CONTAINER, "f:resources", "f:limits"), {"cpu": "4"}),
        ((*ENV, 'k:{"name":"A"}', "f:value"), "2"),
        ((*ENV, 'k:{"name":"B"}'), {"name": "B", "value": "added"}),
        (("f:spec", "f:paused"), True),
        (("f:spec", "f:template", "f:metadata", "f:annotations", "f:mine"), "yes"),
    ],
}
PEOPLE = ["kubectl-patch", "kubectl-edit", "kubectl-set", "kubectl-client-side-apply", "kubectl-annotate"]
EDIT = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.sampled_from(FIELDS[kind]), st.sampled_from(PEOPLE))
)
DELETION = st.tuples(st.sampled_from(sorted(FIELDS)), st.none(), st.none())


def as_written(kind: str) -> Object:
    return live.as_helm_writes(DECLARED[kind], "web", "shop")


def cluster_after(edits: list[Any]) -> FakeKubernetes:
    """A release that Helm has installed, after some edits."""
    api = FakeKubernetes("shop")
    for kind in DECLARED:
        item: Object | None = created(as_written(kind))
        for where, field, person in edits:
            if where == kind and item is not None:
                item = None if field is None else edited(item, *copy.deepcopy(field), manager=person)
        if item is not None:
            item["metadata"] |= {"uid": f"uid-{kind}", "resourceVersion": "1"}
            api.put(kind, [item])
    return api


def manifest() -> str:
    return yaml.safe_dump_all(list(DECLARED.values()))


def plain(item: Object) -> Object:
    """An object without what the API server keeps for itself, and without what is empty."""
    kept = {key: item["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
    found: Object = without_empty({**item, "metadata": kept})
    return found


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: without_empty(below) for key, below in value.items()}
        return {key: below for key, below in found.items() if below not in ({}, [], None)}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


@given(st.lists(EDIT | DELETION, max_size=8))
def test_repair_makes_everything_as_declared(edits: list[Any]) -> None:
    api = cluster_after(edits)
    preparer = Preparer(api, "web", "shop", Permissions())
    preparer.repair(manifest())
    for kind in DECLARED:
        assert plain(api.get(kind, "web")) == as_written(kind)
    assert preparer.repair(manifest()) == [], "a second deploy has nothing to do"


@given(st.lists(EDIT, max_size=8))
def test_helm_finds_no_conflict_after_the_preparation_and_leaves_nothing_of_people(edits: list[Any]) -> None:
    api = cluster_after(edits)
    preparer = Preparer(api, "web", "shop", Permissions())
    preparer.apply(preparer.find_out(manifest(), manifest(), back=True))
    for kind in DECLARED:
        after = applied(api.get(kind, "web"), as_written(kind), force=False)
        assert plain(after) == as_written(kind)


@given(
    st.lists(EDIT, max_size=8), st.sampled_from(["kube-controller-manager", "vpa-updater", "istio-sidecar-injector"])
)
def test_what_controllers_add_stays(edits: list[Any], controller: str) -> None:
    api = cluster_after(edits)
    item = edited(
        api.get("deployments", "web"), ("f:metadata", "f:annotations", "f:theirs"), "kept", manager=controller
    )
    api.put("deployments", [item])
    Preparer(api, "web", "shop", Permissions()).repair(manifest())
    assert api.get("deployments", "web")["metadata"]["annotations"]["theirs"] == "kept"


@pytest.mark.parametrize("kind", sorted(DECLARED))
def test_nothing_is_written_where_nobody_has_changed_anything(kind: str) -> None:
    api = cluster_after([])
    assert Preparer(api, "web", "shop", Permissions()).repair(yaml.safe_dump(DECLARED[kind])) == [] and not api.writes
