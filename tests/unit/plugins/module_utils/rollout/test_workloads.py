# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far workloads are, which pods count, and what workloads say against their end."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import belongs, is_hook, is_test, selects
from ansible_collections.slipway.kube.plugins.module_utils._rollout.workloads import (
    current_pods,
    progress,
    workload_finding,
)
from rollout_objects import LABELS, deployment, event, failed, job, job_pod, pod, replica_set


@pytest.mark.parametrize(
    ("changes", "done", "words"),
    [
        ({}, True, ""),
        ({"observedGeneration": 1}, False, "not seen"),
        ({"updatedReplicas": 1}, False, "1 of 2 pods run the new revision"),
        ({"replicas": 3}, False, "1 old pods"),
        ({"availableReplicas": None}, False, "0 of 2 pods are available"),
    ],
)
def test_deployment(changes: dict[str, Any], done: bool, words: str) -> None:
    found = progress("Deployment", deployment(**changes))
    assert found.done is done and words in found.message


@pytest.mark.parametrize(
    ("spec", "status", "done"),
    [
        ({}, {"readyReplicas": 1, "updatedReplicas": 1}, True),
        ({}, {"readyReplicas": 1, "updatedReplicas": 0}, False),
        ({}, {"updatedReplicas": 1}, False),
        ({"replicas": 0}, {}, True),
        ({"updateStrategy": {"type": "OnDelete"}}, {"readyReplicas": 1}, True),
        (
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            {"readyReplicas": 2, "updatedReplicas": 1},
            True,
        ),
    ],
)
def test_stateful_set(spec: dict[str, Any], status: dict[str, Any], done: bool) -> None:
    assert progress("StatefulSet", {"metadata": {"name": "db"}, "spec": spec, "status": status}).done is done


def test_daemon_set() -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}
    item: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {}, "status": status}
    assert "1 of 2" in progress("DaemonSet", item).message
    assert progress("DaemonSet", {**item, "status": {**status, "numberAvailable": 2}}).done


def test_job() -> None:
    item: dict[str, Any] = {"metadata": {"name": "j", "generation": 1}, "spec": {"completions": 1}, "status": {}}
    assert not progress("Job", item).done
    item["status"] = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    assert progress("Job", item).done
    item["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    found = workload_finding("Job", item, [pod("j-1"), pod("j-2")])
    assert found and found.code == "job_failed" and found.pod == "j-2" and "BackoffLimitExceeded" in found.cause


def test_only_pods_of_the_newest_revision_count() -> None:
    old, new = pod("old", "rs1"), pod("new", "rs2")
    gone = pod("gone", "rs2")
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    sets = [replica_set("rs2", 10), replica_set("rs1", 9)]
    assert current_pods("Deployment", deployment(), [old, new, gone], sets) == [new]


def test_stateful_set_names_its_newest_revision() -> None:
    item = deployment()
    item["status"] = {"updateRevision": "b"}
    old, new = pod("a-0"), pod("a-1")
    old["metadata"]["labels"] = {**LABELS, "controller-revision-hash": "a"}
    new["metadata"]["labels"] = {**LABELS, "controller-revision-hash": "b"}
    assert current_pods("StatefulSet", item, [old, new]) == [new]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ({"key": "app.kubernetes.io/name", "operator": "In", "values": ["api"]}, True),
        ({"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["api"]}, False),
        ({"key": "app.kubernetes.io/name", "operator": "Exists"}, True),
        ({"key": "app.kubernetes.io/name", "operator": "DoesNotExist"}, False),
    ],
)
def test_selector_expressions(expression: dict[str, Any], result: bool) -> None:
    item = {"metadata": {"namespace": "todo"}, "spec": {"selector": {"matchExpressions": [expression]}}}
    assert selects(item, pod()) is result


def test_nothing_is_selected_without_a_selector_or_elsewhere() -> None:
    assert not selects({"metadata": {"namespace": "todo"}, "spec": {}}, pod())
    other = deployment()
    other["metadata"]["namespace"] = "other"
    assert not selects(other, pod())


def test_owner_is_helms_annotation_before_the_label() -> None:
    assert belongs(deployment(), "todo") and not belongs(deployment(), "other")
    item = deployment()
    item["metadata"]["annotations"] = {"meta.helm.sh/release-name": "other"}
    assert belongs(item, "other") and not belongs(item, "todo")


def test_hook_that_is_only_for_helm_test_is_none() -> None:
    item = job({}, hook="pre-install, post-install")
    assert is_hook(item) and not is_test(item)
    item["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    assert not is_hook(item) and is_test(item)


def test_job_is_given_up_when_it_fails_once_more_than_the_restarts() -> None:
    once, twice = job({"failed": 1}, hook="pre-upgrade"), job({"failed": 2}, hook="pre-upgrade")
    pods = [job_pod("migration-a", state=failed(1)), job_pod("migration-b", state=failed(7))]
    assert workload_finding("Job", once, pods) is None
    found = workload_finding("Job", twice, pods)
    assert found and found.code == "job_failed" and found.pod == "migration-b"
    assert found.cause == "The hook migration failed 2 times in a row, last with exit code 7."
    assert workload_finding("Job", twice, pods, crash_restarts=2) is None


def test_hook_that_is_a_bare_pod() -> None:
    item = job_pod("check", state=failed(4))
    assert not progress("Pod", item).done and workload_finding("Pod", item, [item]) is None
    item["status"]["phase"] = "Failed"
    found = workload_finding("Pod", item, [item])
    assert found and found.code == "job_failed" and found.object == "Pod/check" and "exit code 4" in found.cause
    item["status"]["phase"] = "Succeeded"
    assert progress("Pod", item).done and current_pods("Pod", item, []) == [item]


@pytest.mark.parametrize(
    ("message", "code", "heals"),
    [
        ('violates PodSecurity "restricted:latest"', "admission_denied", False),
        ('admission webhook "policy.example" denied the request', "admission_denied", False),
        ('failed calling webhook "policy.example": connection refused', "admission_denied", True),
        ("exceeded quota: small", "quota_exceeded", True),
        ("failed quota: small: must specify limits.memory for: api", "quota_exceeded", True),
        ('error looking up service account todo/api: serviceaccount "api" not found', "pods_refused", True),
    ],
)
def test_refused_pods(message: str, code: str, heals: bool) -> None:
    told = event("FailedCreate", message, "rs2")
    found = workload_finding("Deployment", deployment(), [], [replica_set("rs2", 2)], [told])
    assert found and found.code == code and found.may_heal() is heals and message in found.cause
    assert found.related == ("ReplicaSet/rs2",)
    assert workload_finding("Deployment", deployment(), [pod()], [replica_set("rs2", 2)], [told]) is None
    found = workload_finding("Job", job({}), [], (), [event("FailedCreate", message, "j1")])
    assert found and found.code == code and found.object == "Job/migration"


def test_refusal_of_an_older_revision_does_not_count() -> None:
    sets = [replica_set("rs1", 1), replica_set("rs2", 2)]
    assert workload_finding("Deployment", deployment(), [], sets, [event("FailedCreate", "quota", "rs1")]) is None
