# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts: how far they are, why they cannot end, and how long is waited. Objects are as the API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._cluster import ApiError
from ansible_collections.slipway.kube.plugins.module_utils._rollout import (
    CODES,
    Finding,
    belongs,
    current_pods,
    pod_findings,
    progress,
    selects,
    workload_finding,
)
from ansible_collections.slipway.kube.plugins.module_utils._watch import Options, Outcome, Watcher

LABELS = {"app.kubernetes.io/name": "api", "app.kubernetes.io/instance": "todo"}


def deployment(**changes: Any) -> dict[str, Any]:
    status = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, **changes}
    return {
        "metadata": {"name": "api", "namespace": "todo", "uid": "d1", "generation": 2, "labels": LABELS},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "api"}}},
        "status": status,
    }


def replica_set(uid: str, revision: int) -> dict[str, Any]:
    return {
        "metadata": {
            "name": uid,
            "namespace": "todo",
            "uid": uid,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d1", "controller": True}],
        }
    }


def pod(name: str = "api-1", owner: str = "rs2", **container: Any) -> dict[str, Any]:
    status = {"name": "api", "image": "todo-api:1", "ready": False, "restartCount": 0, "state": {}, **container}
    return {
        "metadata": {
            "name": name,
            "namespace": "todo",
            "labels": LABELS,
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"containers": [{"name": "api", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Pending", "containerStatuses": [status]},
    }


def waiting(reason: str, message: str = "", **container: Any) -> dict[str, Any]:
    return pod(state={"waiting": {"reason": reason, "message": message}}, **container)


def unscheduled() -> dict[str, Any]:
    item = pod()
    item["status"] = {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/1 nodes: Insufficient cpu",
            }
        ],
    }
    return item


@pytest.mark.parametrize(
    ("changes", "done", "words"),
    [
        ({}, True, ""),
        ({"observedGeneration": 1}, False, "not seen"),
        ({"updatedReplicas": 1}, False, "1 of 2 pods are of the new revision"),
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


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        (waiting("ImagePullBackOff", "Back-off pulling"), "image_pull_failed", "todo-api:1"),
        (waiting("ErrImageNeverPull", "not present"), "image_missing", "todo-api:1"),
        (waiting("InvalidImageName", "couldn't parse"), "image_name_invalid", "parse"),
        (
            waiting("CreateContainerConfigError", "couldn't find key JWT_SECRET in Secret"),
            "config_missing",
            "JWT_SECRET",
        ),
        (waiting("RunContainerError", "exec: no such file"), "container_start_failed", "no such file"),
        (
            waiting("CrashLoopBackOff", restartCount=2, lastState={"terminated": {"exitCode": 3, "reason": "Error"}}),
            "crash_loop",
            "exit code 3",
        ),
        (
            waiting("CrashLoopBackOff", restartCount=2, lastState={"terminated": {"reason": "OOMKilled"}}),
            "out_of_memory",
            "limit of 64Mi",
        ),
        (pod(state={"terminated": {"reason": "OOMKilled", "exitCode": 137}}), "out_of_memory", "memory"),
        (unscheduled(), "unschedulable", "Insufficient cpu"),
    ],
)
def test_pod_that_cannot_get_ready(item: dict[str, Any], code: str, words: str) -> None:
    (found,) = pod_findings(item)
    assert found.code == code and words in found.cause and found.object == "Pod/api-1"


@pytest.mark.parametrize(
    "item",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("ErrImagePull", "timeout"),
        pod(state={"running": {}}),
        pod(state={"running": {}}, ready=True, lastState={"terminated": {"reason": "OOMKilled"}}),
        waiting("CrashLoopBackOff", restartCount=0),
    ],
)
def test_pod_that_may_still_get_ready(item: dict[str, Any]) -> None:
    assert list(pod_findings(item)) == []


def test_init_containers_count() -> None:
    item = pod()
    item["status"]["initContainerStatuses"] = [{"name": "init", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}]
    assert [found.container for found in pod_findings(item)] == ["init"]


def test_every_code_of_a_finding_is_in_the_closed_list() -> None:
    from ansible_collections.slipway.kube.plugins.module_utils import _rollout

    assert set(_rollout._WAITING.values()) <= set(CODES)


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


class FakeApi:
    """An API server with one namespace, and a clock that only sleeping moves."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {"deployments": [deployment()], **lists}
        self.now = 0.0
        self.later: dict[float, dict[str, list[dict[str, Any]]]] = {}
        self.calls: list[str] = []
        self.log: str | None = "first\nlast"

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        kind = path.rsplit("/", 1)[-1]
        self.calls.append(kind)
        for time, lists in self.later.items():
            if self.now >= time:
                self.lists.update(lists)
        return self.lists.get(kind, [])

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
    ) -> Any:
        self.calls.append("log previous" if (query or {}).get("previous") else "log")
        if self.log is None:
            raise ApiError(400, "BadRequest", "no log")
        return self.log

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "waiting without letting time pass"
        self.now += seconds

    def wait(self, **options: Any) -> Outcome:
        return Watcher(self, [("todo", "todo")], Options(**options), clock=lambda: self.now, sleep=self.sleep).wait()


STARTING = {"availableReplicas": 0}


def test_healthy_rollout_takes_four_calls_and_no_time() -> None:
    api = FakeApi()
    outcome = api.wait()
    assert outcome.diagnosis is None and api.now == 0
    assert api.calls == ["deployments", "statefulsets", "daemonsets", "jobs"]


def test_rollout_that_ends_later() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.later = {5.0: {"deployments": [deployment()]}}
    outcome = api.wait()
    assert outcome.diagnosis is None and 5 <= outcome.seconds < 6


def test_state_that_cannot_heal_ends_it_at_once_with_log_and_events() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=1, lastState={"terminated": {"exitCode": 1}})
    event = {"reason": "BackOff", "message": "Back-off  restarting", "metadata": {}}
    api = FakeApi(
        deployments=[deployment(**STARTING)], pods=[crash], replicasets=[replica_set("rs2", 2)], events=[event]
    )
    outcome = api.wait()
    assert outcome.diagnosis and api.now == 0
    assert outcome.diagnosis["code"] == "crash_loop" and outcome.diagnosis["log"] == ["first", "last"]
    assert outcome.diagnosis["events"] == ["BackOff: Back-off restarting"]
    assert outcome.diagnosis["suggestion"] == CODES["crash_loop"].suggestion
    assert "log previous" in api.calls


def test_diagnosis_does_without_a_log() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=1)
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[crash])
    api.log = None
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["log"] == []


def test_pod_of_an_older_revision_does_not_end_it() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=9)
    crash["metadata"]["ownerReferences"] = [{"uid": "rs1", "controller": True}]
    api = FakeApi(
        deployments=[deployment(**STARTING)], pods=[crash], replicasets=[replica_set("rs1", 1), replica_set("rs2", 2)]
    )
    api.later = {3.0: {"deployments": [deployment()]}}
    assert api.wait().diagnosis is None


def test_state_that_may_heal_is_given_time() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[unscheduled()])
    outcome = api.wait(heal=15)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "unschedulable" and 15 <= outcome.seconds < 16
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[unscheduled()])
    api.later = {10.0: {"deployments": [deployment()]}}
    assert api.wait(heal=15).diagnosis is None


def test_quiet_period_ends_a_rollout_in_which_nothing_moves() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    outcome = api.wait(quiet=20, deadline=100)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "rollout_stalled" and 20 <= outcome.seconds < 21


def test_movement_renews_the_quiet_period_but_not_the_deadline() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.later = {float(second): {"pods": [pod(f"api-{second}", state={"waiting": {}})]} for second in range(5, 100, 5)}
    outcome = api.wait(quiet=8, deadline=30)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "deadline_passed" and 30 <= outcome.seconds < 31


def test_running_pod_that_is_never_ready_is_told_from_other_stops() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[pod(state={"running": {}})])
    outcome = api.wait(quiet=5)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "probe_failing" and outcome.diagnosis["log"]


def test_release_without_workloads() -> None:
    outcome = FakeApi(deployments=[]).wait(deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "workloads_missing"
    assert outcome.diagnosis["events"] == []


def test_one_look_with_a_deadline_of_nothing() -> None:
    api = FakeApi(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    outcome = api.wait(deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "deadline_passed" and api.now == 0


def hook(status: dict[str, Any]) -> dict[str, Any]:
    annotations = {"helm.sh/hook": "post-install"}
    return {
        "metadata": {"name": "migration", "namespace": "todo", "labels": LABELS, "annotations": annotations},
        "spec": {},
        "status": status,
    }


def test_hooks_count_only_when_asked_for() -> None:
    failed = hook({"conditions": [{"type": "Failed", "status": "True", "message": "Job has reached the limit"}]})
    assert FakeApi(jobs=[failed]).wait().diagnosis is None
    outcome = FakeApi(jobs=[failed]).wait(hooks=True, deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "job_failed"


def test_refused_pods() -> None:
    item = deployment(
        availableReplicas=0, conditions=[{"type": "ReplicaFailure", "status": "True", "message": "quota"}]
    )
    found = workload_finding("Deployment", item, [])
    assert isinstance(found, Finding) and found.code == "pods_refused" and "quota" in found.cause
