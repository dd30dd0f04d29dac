# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code of the closed list is given for a world that shows it, and judging takes whatever the API returns."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import UnreachableError
from ansible_collections.slipway.kube.plugins.module_utils._rollout import pods, routes, workloads
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES
from ansible_collections.slipway.kube.plugins.module_utils._rollout.watcher import message, unreachable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rollout_objects import (
    INGRESS_CLASS,
    WORLDS,
    Object,
    bound,
    crashed,
    deployment,
    event,
    ingress,
    job,
    job_pod,
    node,
    pod,
    replica_set,
    running,
    service,
    slice_of,
    unhealthy,
    unscheduled,
    waiting,
)

# What a suggestion must name, so that none stands for another: what is to be done is told here once more, in a few words.
TO_DO = {
    "image_not_found": "Push the image",
    "image_pull_refused": "imagePullSecrets",
    "image_pull_failed": "Build and load the image",
    "image_missing": "Load the image into the node",
    "image_name_invalid": "Correct the image's repository and tag",
    "config_missing": "Add the key to application_secrets",
    "runs_as_root": "runAsUser",
    "container_start_failed": "Correct the command",
    "crash_loop": "Read the log lines, fix the component",
    "out_of_memory": r"resources\.limits\.memory",
    "probe_failing": "path, port or timing of the probe",
    "volume_failed": "Correct the claim",
    "unschedulable": "Lower the requests or replicas",
    "node_not_ready": "describe node",
    "node_pressure": "Free the resource on the node",
    "admission_denied": "the policy of the namespace",
    "quota_exceeded": "Raise the quota",
    "pods_refused": "in the chart",
    "job_failed": "fix the cause, and deploy again",
    "cluster_dns_failing": "Correct the host name",
    "no_endpoints": "Correct the Service's selector",
    "service_port_wrong": "targetPort",
    "ingress_class_missing": "Install the ingress controller",
    "ingress_backend_missing": "name and port of the Service in the Ingress",
    "ingress_no_address": "Start the ingress controller",
    "workloads_missing": "Deploy the release",
    "rollout_stalled": "Run kubectl describe on the pods",
    "deadline_passed": "Raise the deadline",
    "cluster_unreachable": "Start the cluster",
}


def test_no_code_is_without_a_world() -> None:
    assert set(TO_DO) == set(CODES)
    assert set(WORLDS) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_code_is_given_with_cause_evidence_and_suggestion(code: str) -> None:
    world, words, seconds = WORLDS[code]
    try:
        outcome = world.wait()
        diagnosis = outcome.diagnosis
        assert seconds <= outcome.seconds < seconds + 1, "told too early or too late"
    except UnreachableError as error:
        diagnosis = unreachable(error)
    assert diagnosis and diagnosis["code"] == code
    assert re.search(words, diagnosis["cause"]), diagnosis["cause"]
    assert re.search(TO_DO[code], diagnosis["suggestion"]), diagnosis["suggestion"]
    lines = message(diagnosis).splitlines()
    assert len(lines) <= 12 and lines[0].startswith(f"{code}: ") and lines[1].startswith("What to do: ")


@pytest.mark.parametrize("code", CODES)
def test_entry_is_written_as_a_sentence(code: str) -> None:
    entry = CODES[code]
    assert entry.meaning.endswith(".") and entry.suggestion.endswith(".") and re.fullmatch("[a-z_]+", code)


def test_sentence_is_one_line_of_bounded_length() -> None:
    assert sentence("a \n b") == "a b." and sentence("") == "" and sentence("x" * 400, 10) == "x" * 9 + "…"


WHOLE: list[Object] = [
    deployment(conditions=[{"type": "ReplicaFailure", "status": "True", "message": "quota"}]),
    replica_set("rs2", 2),
    crashed(),
    running(),
    waiting("ImagePullBackOff", "not found"),
    waiting("CreateContainerConfigError", 'secret "todo-api" not found'),
    unscheduled("1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}"),
    bound(),
    node(),
    job({"failed": 2, "conditions": [{"type": "Failed", "status": "True"}]}, hook="pre-install"),
    job_pod(state={"terminated": {"exitCode": 1}}),
    service(8080),
    slice_of(),
    ingress(),
    dict(INGRESS_CLASS),
    event("FailedMount", 'MountVolume.SetUp failed : secret "a" not found'),
    unhealthy("Readiness", "HTTP probe failed with statuscode: 503"),
]
ODD: list[Any] = [None, {}, [], "", "text", 0, -1, True, [None], [{}], {"a": None}]


def places(item: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in children:
        found += places(value, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> Object:
    """A whole object in which up to four parts are missing or of another kind."""
    item = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(item)))
        parent: Any = item
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.booleans()) and isinstance(parent, dict):
            del parent[path[-1]]
        else:
            parent[path[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        if not places(item):
            break
    return item


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(items=st.lists(damaged(), min_size=1, max_size=4))
def test_judging_never_raises_on_odd_objects(items: list[Object]) -> None:
    for item in items:
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"):
            shown = workloads.progress(kind, item)
            workloads.workload_finding(kind, item, workloads.current_pods(kind, item, items, items), items, items)
            workloads.mark([shown], items)
        list(pods.pod_findings(item, items))
        pods.not_ready([item], items)
        list(pods.unready([item], items))
        pods.node_finding(item, items)
        pods.probe_target(item, "api", "readiness")
        routes.service_finding(item, items, items)
        routes.undeclared_ports(item, items)
        routes.wrong_port(item, "http", 80, items)
        routes.ingress_finding(item, items, items)
        routes.serving(routes.class_words(item, items), items)
        routes.has_address(item)
        routes.unserved(item)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(item=st.recursive(st.sampled_from(ODD), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_judging_takes_anything_that_is_json(item: Any) -> None:
    top = item if isinstance(item, dict) else {"metadata": item, "spec": item, "status": item}
    assert list(pods.pod_findings(top, [top])) == []
    assert routes.service_finding(top, [top], [top]) is None
    assert workloads.selects(top, pod()) is False
