# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a manifest and the cluster, who has changed it, and what an apply makes of it."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm import drift, managed_fields
from ansible_collections.slipway.kube.plugins.module_utils._helm.managed_fields import Path
from field_managers import GONE, LATER, applied, created, edited
from hypothesis import given
from hypothesis import strategies as st

Object = dict[str, Any]
WEB = 'k:{"name":"web"}'
CONTAINER: Path = ("f:spec", "f:template", "f:spec", "f:containers", WEB)
ENV: Path = (*CONTAINER, "f:env")
REPLICAS: Path = ("f:spec", "f:replicas")


def deployment(**spec: Any) -> Object:
    container = {
        "name": "web",
        "image": "web:1",
        "args": ["--port", "8080"],
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "PASSWORD", "value": "canary"}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def told(declared: Object, live: Object | None, scaled: bool = False) -> str:
    """What is said of an object, empty for nothing."""
    found = drift.compare(declared, live, scaled)
    return str(found.as_result(Masker())["text"]) if found else ""


def test_what_the_cluster_has_as_declared_is_no_drift() -> None:
    declared = deployment()
    live = created(declared)
    live["spec"]["progressDeadlineSeconds"] = 600  # a default
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["terminationMessagePath"] = "/dev/termination-log"
    container["ports"][0]["protocol"] = "TCP"
    container["resources"]["limits"] = {"cpu": "1", "memory": "1024Mi"}
    declared["spec"] |= {"paused": False, "minReadySeconds": 0}  # the API server leaves them out
    live["status"] = {"replicas": 1}
    assert drift.compare(declared, live) is None


@pytest.mark.parametrize(
    ("path", "value", "manager", "words"),
    [
        (REPLICAS, 5, "kubectl", "spec.replicas is 5 instead of 2 (by kubectl, 2026-11-30T12:00:00Z)"),
        (
            (*CONTAINER, "f:image"),
            "web:2",
            "kubectl-set",
            'spec.template.spec.containers[web].image is "web:2" instead of "web:1" (by kubectl-set, ',
        ),
        (
            (*ENV, 'k:{"name":"FOO"}'),
            {"name": "FOO", "value": "bar"},
            "kubectl-set",
            'containers[web].env[FOO] was added: {"name": "FOO", "value": "bar"} (by kubectl-set, ',
        ),
        (("f:metadata", "f:labels", "f:team"), "a", "kubectl-label", 'metadata.labels.team was added: "a"'),
        (("f:metadata", "f:annotations"), {"note": "x"}, "kubectl-annotate", 'annotations.note was added: "x"'),
        (("f:spec", "f:paused"), True, "kubectl-rollout", "spec.paused was added: true"),
        (
            (*CONTAINER, "f:args"),
            ["--port", "9"],
            "kubectl-edit",
            'args is ["--port", "9"] instead of ["--port", "8080"]',
        ),
        ((*CONTAINER, "f:image"), GONE, "kubectl-patch", 'image was removed; it is to be "web:1"'),
        ((*ENV, 'k:{"name":"LEVEL"}'), GONE, "kubectl-set", "env[LEVEL] was removed"),
    ],
)
def test_what_a_person_has_changed_is_told_with_the_person(path: Path, value: Any, manager: str, words: str) -> None:
    declared = deployment()
    assert words in told(declared, edited(created(declared), path, value, manager))


@pytest.mark.parametrize(
    ("path", "value", "manager", "subresource"),
    [
        (REPLICAS, 5, "kube-controller-manager", "scale"),  # an autoscaler
        ((*CONTAINER, "f:image"), "mirror/web:1", "image-webhook", ""),
        ((*ENV, 'k:{"name":"SIDE"}'), {"name": "SIDE", "value": "car"}, "istio-operator", ""),
        (
            ("f:spec", "f:template", "f:metadata", "f:annotations"),
            {"kubectl.kubernetes.io/restartedAt": "x"},
            "kubectl-rollout",
            "",
        ),
        (
            ("f:metadata", "f:annotations"),
            {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "kubectl-client-side-apply",
            "",
        ),
        (("f:metadata", "f:annotations"), {"deployment.kubernetes.io/revision": "3"}, "kube-controller-manager", ""),
    ],
)
def test_what_controllers_and_restarts_have_set_is_no_drift(
    path: Path, value: Any, manager: str, subresource: str
) -> None:
    declared = deployment()
    assert told(declared, edited(created(declared), path, value, manager, subresource=subresource)) == ""


def test_replicas_of_an_autoscaler_or_of_nobody_are_left_alone() -> None:
    declared = deployment()
    live = edited(created(declared), REPLICAS, 5, "kubectl", subresource="scale")
    assert told(declared, live, scaled=True) == "" and told(declared, live)
    assert drift.to_take(declared, live, scaled=True) == {} and drift.to_take(declared, live)
    del declared["spec"]["replicas"]
    assert told(declared, live) == "" and drift.to_take(declared, live) == {}
    scaler = {"kind": "HorizontalPodAutoscaler", "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}
    assert drift.scaled_by([scaler, declared]) == {("Deployment", "web")}
    scaler["spec"]["scaleTargetRef"] = {"kind": "StatefulSet", "name": "db"}
    assert drift.scaled_by([scaler, declared]) == {("StatefulSet", "db")}


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (("f:spec", "f:replicas"), True),
        (("f:status", "f:replicas"), False),
        (("f:metadata", "f:labels", "f:team"), True),
        (("f:metadata", "f:labels"), False),
        (("f:metadata", "f:finalizers", "f:x"), False),
    ],
)
def test_settings_are_what_a_release_may_declare(path: Path, is_one: bool) -> None:
    assert drift.is_setting(path) is is_one


def test_a_removed_annotation_is_not_put_down_to_who_manages_another() -> None:
    declared = deployment()
    declared["metadata"]["annotations"] = {"note": "x"}
    live = edited(
        created(declared),
        ("f:metadata", "f:annotations", "f:deployment.kubernetes.io/revision"),
        "1",
        "kube-controller-manager",
    )
    live["metadata"]["managedFields"][-1]["fieldsV1"]["f:metadata"]["f:annotations"]["."] = {}
    live = edited(live, ("f:metadata", "f:annotations", "f:note"), GONE, "kubectl-annotate")
    assert told(declared, live) == 'Deployment/web: metadata.annotations.note was removed; it is to be "x"'


def test_missing_objects_are_drift_unless_they_go_by_themselves() -> None:
    assert told(deployment(), None) == "Deployment/web is missing"
    job = {"kind": "Job", "metadata": {"name": "once"}, "spec": {"ttlSecondsAfterFinished": 60}}
    assert told(job, None) == ""


def test_secret_values_are_never_told() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "key"}, "stringData": {"KEY": "canary"}}
    same = {"kind": "Secret", "metadata": {"name": "key"}, "data": {"KEY": base64.b64encode(b"canary").decode()}}
    assert told(secret, created(same)) == ""
    other = edited(created(same), ("f:data", "f:KEY"), base64.b64encode(b"other").decode())
    words = told(secret, other)
    assert "data.KEY is" in words and "canary" not in words and base64.b64encode(b"other").decode() not in words
    declared = deployment()
    live = edited(created(declared), (*ENV, 'k:{"name":"PASSWORD"}', "f:value"), "othercanary", "kubectl-set")
    live = edited(live, (*ENV, 'k:{"name":"API_TOKEN"}'), {"name": "API_TOKEN", "value": "tokencanary"}, "kubectl-set")
    words = told(declared, live)
    assert "env[PASSWORD].value is" in words and "env[API_TOKEN] was added" in words and "canary" not in words


def test_quantities_are_compared_as_numbers_only_where_they_are_some() -> None:
    assert drift.quantity("1Gi") == drift.quantity("1024Mi") == 1 << 30 and drift.quantity("500m") == drift.quantity(
        0.5
    )
    assert drift.quantity("web") is None and drift.quantity("1X") is None
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"A": "1000m"}}
    assert "instead of" in told(config, edited(created(config), ("f:data", "f:A"), "1"))


def test_what_a_controller_keeps_is_not_applied() -> None:
    declared = deployment()
    live = edited(created(declared), REPLICAS, 5, "keda-operator")
    assert drift.kept_by_controllers(declared, live) == [REPLICAS]
    assert "replicas" not in drift.without(declared, [REPLICAS])["spec"] and declared["spec"]["replicas"] == 2
    without = drift.without(declared, [(*ENV, 'k:{"name":"LEVEL"}')])
    assert [one["name"] for one in without["spec"]["template"]["spec"]["containers"][0]["env"]] == ["PASSWORD"]


# ---------------------------------------------------------------- any edits
_VALUES = st.one_of(st.integers(0, 9), st.text("ab", min_size=1, max_size=3), st.booleans())
_NAMES = st.sampled_from(["LEVEL", "PASSWORD", "FOO", "BAR"])
_EDITS = st.one_of(
    st.tuples(st.just(REPLICAS), st.integers(0, 9)),
    st.tuples(st.just((*CONTAINER, "f:image")), st.sampled_from(["web:1", "web:2", GONE])),
    st.tuples(st.just((*CONTAINER, "f:args")), st.lists(st.text("ab", max_size=2), max_size=3)),
    _NAMES.flatmap(
        lambda name: st.tuples(
            st.just((*ENV, f'k:{{"name":"{name}"}}')),
            st.one_of(st.just(GONE), st.text("ab", min_size=1).map(lambda value: {"name": name, "value": value})),
        )
    ),
    st.tuples(
        st.sampled_from(["f:app", "f:team"]).map(lambda key: ("f:metadata", "f:labels", key)),
        st.one_of(st.just(GONE), st.text("ab")),
    ),
    st.tuples(st.sampled_from(["f:minReadySeconds", "f:paused"]).map(lambda key: ("f:spec", key)), _VALUES),
)
_PEOPLE = st.sampled_from(["kubectl", "kubectl-edit", "kubectl-patch", "kubectl-set", "k9s"])


@given(st.lists(st.tuples(_EDITS, _PEOPLE), max_size=6))
def test_any_edits_are_told_and_gone_after_an_apply(edits: list[tuple[tuple[Path, Any], str]]) -> None:
    declared = deployment()
    live = created(declared)
    for (path, value), manager in edits:
        live = edited(live, path, value, manager)
    found = drift.compare(declared, live)
    plain = copy.deepcopy(live)
    del plain["metadata"]["managedFields"]
    ordered = [
        sorted(one["spec"]["template"]["spec"]["containers"][0].get("env", []), key=str) for one in (plain, declared)
    ]
    for one, env in zip((plain, expected := copy.deepcopy(declared)), ordered, strict=True):
        one["spec"]["template"]["spec"]["containers"][0]["env"] = env
    assert (found is None) == (plain == expected)

    taken = drift.to_take(declared, live)
    before = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    live["metadata"]["managedFields"] = managed_fields.handed_over(live, taken)
    assert {key: value for key, value in live["metadata"].items() if key != "managedFields"} == before
    # Without force: nobody is left to be in conflict with.
    after = applied(live, declared, force=False)
    assert drift.compare(declared, after) is None
    assert {entry["manager"] for entry in after["metadata"]["managedFields"]} == {"helm"}
    del after["metadata"]["managedFields"]
    container = after["spec"]["template"]["spec"]["containers"][0]
    container["env"].sort(key=lambda one: str(one))
    expected["spec"]["template"]["spec"]["containers"][0]["env"].sort(key=lambda one: str(one))
    assert after == expected


@given(st.sets(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"]), min_size=1, max_size=4).map(tuple)))
def test_trees_of_fields_hold_the_same_paths(found: set[Path]) -> None:
    assert set(managed_fields.paths(managed_fields.tree(found))) == found


def test_times_and_names_of_fields() -> None:
    live = edited(created(deployment()), REPLICAS, 3, "kubectl-edit")
    (entry,) = [one for one in managed_fields.managers(live) if one.is_person]
    assert (entry.name, entry.time, entry.paths) == ("kubectl-edit", LATER, {REPLICAS})
    assert managed_fields.text_of(("f:data", "f:a.b")) == "data[a.b]"
    assert managed_fields.text_of(("f:spec", "f:finalizers", 'v:"x"')) == "spec.finalizers[x]"
