# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not get ready: every way in which the kubelet and the scheduler say it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._rollout.pods import (
    lookup_failure,
    node_finding,
    not_ready,
    pod_findings,
    probe_target,
    probe_words,
    unready,
)
from rollout_objects import Object, bound, crashed, event, node, pod, running, unhealthy, unscheduled, waiting

OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        (waiting("ImagePullBackOff", "Back-off pulling"), "image_pull_failed", "todo-api:1"),
        (
            waiting("ImagePullBackOff", "Back-off: ErrImagePull: manifest unknown"),
            "image_not_found",
            "manifest unknown",
        ),
        (
            waiting("ErrImagePull", "pull access denied for a, repository does not exist"),
            "image_pull_refused",
            "denied",
        ),
        (
            waiting("ErrImagePull", "code = Unknown desc = authorization failed: no basic auth"),
            "image_pull_refused",
            "a",
        ),
        (waiting("ErrInvalidImageName", "couldn't parse"), "image_name_invalid", "parse"),
        (
            waiting("CreateContainerConfigError", 'secret "todo-api" not found'),
            "config_missing",
            'secret "todo-api" not found. It is asked for JWT_SECRET.',
        ),
        (waiting("CreateContainerConfigError", 'configmap "a" not found'), "config_missing", "All its keys"),
        (
            waiting("CreateContainerConfigError", "image has non-numeric user (node), cannot verify user is non-root"),
            "runs_as_root",
            "non-numeric user",
        ),
        (
            waiting("CreateContainerConfigError", "container's runAsUser breaks non-root policy"),
            "runs_as_root",
            "non-root policy",
        ),
        (waiting("CreateContainerError", "no command specified"), "container_start_failed", "no command"),
        (
            crashed(128, "StartError", ready=False),
            "container_start_failed",
            "cannot be started",
        ),
        (waiting("CrashLoopBackOff", restartCount=2, lastState=OOM), "out_of_memory", "limit of 64Mi"),
        (pod(state=OOM), "out_of_memory", "memory"),
    ],
)
def test_container_that_cannot_get_ready(item: Object, code: str, words: str) -> None:
    (found,) = pod_findings(item)
    assert found.code == code and words in found.cause and found.object == "Pod/api-1"


@pytest.mark.parametrize(
    "item",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("ErrImagePull", "i/o timeout"),
        running(),
        running(ready=True, lastState=OOM),
        waiting("CrashLoopBackOff", restartCount=0),
        pod(),
    ],
)
def test_container_that_may_still_get_ready(item: Object) -> None:
    assert list(pod_findings(item)) == []


def test_older_clusters_say_why_a_pull_failed_in_the_event_alone() -> None:
    item = waiting("ImagePullBackOff", 'Back-off pulling image "todo-api:1"')
    told = event("Failed", 'Failed to pull image "todo-api:1": rpc error: code = NotFound desc = todo-api:1: not found')
    (found,) = pod_findings(item, [told])
    assert found.code == "image_not_found" and found.cause.endswith("todo-api:1: not found.")
    (found,) = pod_findings(item, [event("Failed", "not found", about="uid-of-another")])
    assert found.code == "image_pull_failed"


def test_init_containers_count() -> None:
    item = pod()
    item["status"]["initContainerStatuses"] = [{"name": "init", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}]
    assert [found.container for found in pod_findings(item)] == ["init"]


def test_evicted_pod() -> None:
    item = pod()
    item["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    (found,) = pod_findings(item)
    assert found.code == "node_pressure" and "low on resource: memory" in found.cause


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('MountVolume.SetUp failed for volume "a" : secret "b" not found', "config_missing"),
        ('MountVolume.SetUp failed for volume "a" : configmap "b" not found', "config_missing"),
        ("references non-existent secret key: tls.crt", "config_missing"),
        ('MountVolume.SetUp failed for volume "a" : mount failed: exit status 32', "volume_failed"),
    ],
)
def test_volume_that_cannot_be_mounted(message: str, code: str) -> None:
    (found,) = pod_findings(waiting("ContainerCreating"), [event("FailedMount", message)])
    assert found.code == code and found.may_heal() and message in found.cause
    # A container that has been made has its volumes.
    assert list(pod_findings(running(), [event("FailedMount", message)])) == []


def test_the_newest_mount_error_is_told() -> None:
    old, new = event("FailedMount", 'secret "old" not found'), event("FailedMount", 'secret "new" not found')
    old["lastTimestamp"], new["lastTimestamp"] = "2026-01-01T10:00:00Z", "2026-01-01T10:00:09Z"
    for events in ([old, new], [new, old]):
        (found,) = pod_findings(waiting("ContainerCreating"), events)
        assert '"new"' in found.cause and '"old"' not in found.cause


def test_network_of_the_pod() -> None:
    (found,) = pod_findings(
        waiting("ContainerCreating"), [event("FailedCreatePodSandBox", "plugin type bridge failed")]
    )
    assert found.code == "container_start_failed" and found.may_heal()


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (
            "0/1 nodes are available: 1 Insufficient memory, 1 Insufficient cpu.",
            "unschedulable",
            "not enough free memory; not enough free cpu",
        ),
        (
            "1 node(s) didn't match Pod's node affinity/selector.",
            "unschedulable",
            "no node matches the node selector disk=ssd",
        ),
        (
            "1 node(s) had untolerated taint(s) {gpu: only}, 1 node(s) didn't have free ports for the requested pod ports.",
            "unschedulable",
            "the taint gpu: only is not tolerated; a port that the pod wants on the node is taken",
        ),
        ("1 node(s) had untolerated taint {gpu: }", "unschedulable", "the taint gpu is not tolerated"),
        ("1 Too many pods", "unschedulable", "as many pods as it may"),
        ("something new", "unschedulable", "something new"),
        ('persistentvolumeclaim "data" not found', "volume_failed", '"data" not found'),
        ("had untolerated taint {node.kubernetes.io/disk-pressure: }", "node_pressure", "low on disk"),
        ("had untolerated taint {node.kubernetes.io/not-ready: }", "node_not_ready", "not ready"),
    ],
)
def test_pod_that_no_node_takes(message: str, code: str, words: str) -> None:
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    (found,) = pod_findings(unscheduled(message, nodeSelector={"disk": "ssd"}, volumes=[claim]))
    assert found.code == code and words in found.cause
    assert found.related == (("PersistentVolumeClaim/data",) if code == "volume_failed" else ())


@pytest.mark.parametrize("kind", ["Liveness", "Startup"])
def test_probe_that_ends_the_container_is_told_from_a_crash(kind: str) -> None:
    seen = [unhealthy(kind, "HTTP probe failed with statuscode: 503", count=3)]
    for code, expected in ((137, "probe_failing"), (143, "probe_failing"), (0, "probe_failing"), (1, "crash_loop")):
        (found,) = pod_findings(crashed(code), seen)
        assert found.code == expected, code
    (found,) = pod_findings(crashed(137), seen)
    assert f"{kind.lower()} probe (GET /" in found.cause and found.probe == kind.lower() and not found.may_heal()
    (found,) = pod_findings(crashed(137), [unhealthy(kind, "refused", count=2)])
    assert found.code == "crash_loop"


def restarted() -> Object:
    return running(restartCount=1, lastState={"terminated": {"exitCode": 137}})


def test_container_that_runs_again_after_its_liveness_probe_ended_it() -> None:
    (found,) = pod_findings(restarted(), [unhealthy("Liveness", "timeout", count=3)])
    assert found.code == "probe_failing" and found.previous_log
    assert list(pod_findings(restarted(), [])) == []


def without(item: Object, *probes: str) -> Object:
    for name in probes:
        del item["spec"]["containers"][0][name]
    return item


def probed(item: Object, **probe: Any) -> Object:
    item["spec"]["containers"][0]["readinessProbe"] = {"failureThreshold": 3, **probe}
    return item


REFUSED = "Get http://10.0.0.1:8000/ready: dial tcp 10.0.0.1:8000: connect: connection refused"
STATUS = "HTTP probe failed with statuscode: 503"


@pytest.mark.parametrize(
    ("item", "answer", "count", "seen"),
    [
        (running(), STATUS, 3, True),
        (running(), STATUS, 2, False),
        (running(), REFUSED, 3, True),
        (without(running(), "startupProbe"), STATUS, 3, True),
        (without(running(), "startupProbe"), REFUSED, 9, False),
        (probed(running(), exec={"command": ["pg_isready"]}), "no response", 3, True),
        (probed(without(running(), "startupProbe"), exec={"command": ["pg_isready"]}), "no response", 3, True),
        (probed(running(), tcpSocket={"port": 5432}), "dial tcp 10.0.0.1:5432: connection refused", 3, True),
        (probed(without(running(), "startupProbe"), tcpSocket={"port": 5432}), "connection refused", 9, False),
        (running(ready=True), STATUS, 3, False),
        (pod(state={"running": {}}, started=False), STATUS, 3, False),
    ],
)
def test_readiness_probe_is_believed_when_it_failed_as_often_as_it_may(
    item: Object, answer: str, count: int, seen: bool
) -> None:
    found = list(unready([item], [unhealthy("Readiness", answer, count)]))
    assert [one.code for one in found] == (["probe_failing"] if seen else [])


@pytest.mark.parametrize("threshold", [0, -1])
def test_without_an_event_no_readiness_probe_has_failed(threshold: int) -> None:
    item = probed(running(), httpGet={"path": "/"}, failureThreshold=threshold)
    assert list(unready([item], [])) == []
    assert [one.code for one in unready([item], [unhealthy("Readiness", STATUS, 1)])] == ["probe_failing"]


def test_init_container_that_runs_on_is_not_taken_for_a_failing_probe() -> None:
    item = pod()
    item["status"]["initContainerStatuses"] = [{"name": "init", "state": {"running": {}}}]
    assert not_ready([item]) is None
    assert not_ready([without(running(), "readinessProbe")]) is None


def test_container_that_runs_without_getting_ready_is_named_with_its_probe() -> None:
    assert not_ready([pod(), waiting("ContainerCreating"), running(ready=True)]) is None
    found = not_ready([running()])
    assert found and found.probe == "readiness" and "has not passed" in found.cause
    found = not_ready([pod(state={"running": {}})], [unhealthy("Startup", REFUSED, 1)])
    assert found and found.probe == "startup" and "connection refused" in found.cause


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"httpGet": {"path": "/ready", "port": 80}}, "readiness probe (GET /ready on port 80)"),
        ({"tcpSocket": {"port": 5432}}, "readiness probe (connects to port 5432)"),
        ({"grpc": {"port": 9000}}, "readiness probe (asks gRPC port 9000)"),
        ({"exec": {"command": ["pg_isready", "-U", "todo"]}}, "readiness probe (runs pg_isready -U todo)"),
        ({}, "readiness probe"),
    ],
)
def test_words_for_a_probe(probe: dict[str, Any], words: str) -> None:
    item = pod()
    item["spec"]["containers"][0]["readinessProbe"] = probe
    assert probe_words(item, "api", "readiness") == words


def test_only_a_plain_http_probe_can_be_asked_again() -> None:
    item = pod()
    assert probe_target(item, "api", "readiness") == ("8000", "/ready")
    item["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 1, "scheme": "HTTPS"}}
    assert probe_target(item, "api", "readiness") is None
    item["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["true"]}}
    assert probe_target(item, "api", "readiness") is None


@pytest.mark.parametrize(
    "line",
    [
        "socket.gaierror: [Errno -2] Name or service not known",
        "Error: getaddrinfo ENOTFOUND todo-postgresql",
        'could not translate host name "db" to address: Name or service not known',
        "dial tcp: lookup db on 10.96.0.10:53: no such host",
        "psycopg.OperationalError: [Errno -3] Temporary failure in name resolution",
        "java.net.UnknownHostException: db",
    ],
)
def test_log_line_of_a_failed_lookup(line: str) -> None:
    assert lookup_failure(["start", line, "Traceback ends"]) == line
    assert lookup_failure(["start", "connection refused"]) == ""


def test_node_of_a_pod() -> None:
    assert node_finding(pod(), [node(ready="False")]) is None
    assert node_finding(bound(), [node("node-2", ready="False"), node()]) is None
    found = node_finding(bound(), [node(ready="False", pressure="True")])
    assert found and found.code == "node_not_ready" and found.related == ("Node/node-1",)


@pytest.mark.parametrize("threshold", [0, -1])
def test_without_an_event_no_probe_has_ended_a_container(threshold: int) -> None:
    item = crashed(137)
    item["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"path": "/"}, "failureThreshold": threshold}
    assert [one.code for one in pod_findings(item, [])] == ["crash_loop"]


def test_a_ready_container_does_not_hide_one_that_is_not() -> None:
    item = running()
    item["status"]["containerStatuses"].insert(0, {"name": "side", "ready": True, "started": True})
    found = not_ready([item])
    assert found and found.container == "api"
