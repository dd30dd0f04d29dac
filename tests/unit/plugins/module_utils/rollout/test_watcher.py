# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long is waited for a rollout, and what a diagnosis is made of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import ApiError, UnreachableError
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES
from fake_kubernetes import Answer, refusal
from rollout_objects import (
    STARTING,
    Object,
    Rollout,
    autoscaler,
    bound,
    crashed,
    deployment,
    dns_pod,
    event,
    failed,
    ingress,
    job,
    job_pod,
    node,
    pod,
    refused,
    replica_set,
    restarted,
    running,
    served,
    service,
    slice_of,
    unhealthy,
    unreachable,
    unscheduled,
    waiting,
    world,
)


def test_healthy_rollout_takes_one_call_for_each_kind_and_no_time() -> None:
    api = served(ingresses=[ingress()])
    assert api.wait().diagnosis is None and api.now == 0
    workloads = ["deployments", "statefulsets", "daemonsets", "jobs", "horizontalpodautoscalers"]
    assert api.kinds == [*workloads, "services", "endpointslices", "ingresses", "ingressclasses", "pods"]
    api = served()
    assert api.wait(routes=False, restart_period=0).diagnosis is None and api.kinds == workloads


def test_rollout_that_ends_later() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.later = {5.0: {"deployments": [deployment()]}}
    outcome = api.wait()
    assert outcome.diagnosis is None and 5 <= outcome.seconds < 6


def test_state_that_cannot_heal_ends_it_at_once_with_log_and_events() -> None:
    api = world(crashed(1), events=[event("BackOff", "Back-off  restarting")])
    outcome = api.wait()
    assert outcome.diagnosis and api.now == 0
    assert outcome.diagnosis["code"] == "crash_loop" and outcome.diagnosis["log"] == ["first", "last"]
    assert outcome.diagnosis["events"] == ["BackOff: Back-off restarting."]
    assert [call.query.get("previous") for call in api.calls if call.last == "log"] == ["true"]


def test_diagnosis_does_without_a_log() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=1)
    api = Rollout(deployments=[deployment(**STARTING)], pods=[crash])
    api.log = None
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["log"] == []


def test_pod_of_an_older_revision_does_not_end_it() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=9)
    crash["metadata"]["ownerReferences"] = [{"uid": "rs1", "controller": True}]
    api = Rollout(
        deployments=[deployment(**STARTING)], pods=[crash], replicasets=[replica_set("rs1", 1), replica_set("rs2", 2)]
    )
    api.later = {3.0: {"deployments": [deployment()]}}
    assert api.wait().diagnosis is None


def test_state_that_may_heal_is_given_time() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[unscheduled()])
    outcome = api.wait(heal=15)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "unschedulable" and 15 <= outcome.seconds < 16
    api = Rollout(deployments=[deployment(**STARTING)], pods=[unscheduled()])
    api.later = {10.0: {"deployments": [deployment()]}}
    assert api.wait(heal=15).diagnosis is None


def test_quiet_period_ends_a_rollout_in_which_nothing_moves() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    outcome = api.wait(quiet=20, deadline=100)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "rollout_stalled" and 20 <= outcome.seconds < 21


def test_movement_renews_the_quiet_period_but_not_the_deadline() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.later = {float(second): {"pods": [pod(f"api-{second}", state={"waiting": {}})]} for second in range(5, 100, 5)}
    outcome = api.wait(quiet=8, deadline=30)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "deadline_passed" and 30 <= outcome.seconds < 31


def test_running_pod_that_is_never_ready_is_told_from_other_stops() -> None:
    api = world(pod(state={"running": {}}))
    outcome = api.wait(quiet=5)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "probe_failing" and outcome.diagnosis["log"]


def test_release_without_workloads() -> None:
    outcome = Rollout(deployments=[]).wait(deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "workloads_missing"
    assert outcome.diagnosis["events"] == []


def test_one_look_with_a_deadline_of_nothing() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    outcome = api.wait(deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "deadline_passed" and api.now == 0


def test_hooks_count_only_when_asked_for() -> None:
    over = job({"conditions": [{"type": "Failed", "status": "True", "message": "reached the limit"}]}, "post-install")
    assert Rollout(jobs=[over]).wait().diagnosis is None
    outcome = Rollout(jobs=[over]).wait(hooks=True, deadline=0)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "job_failed"
    assert "The hook migration failed" in outcome.diagnosis["cause"]


def test_only_pods_that_are_hooks_are_workloads() -> None:
    bare = job_pod("check")
    bare["metadata"] |= {"labels": pod()["metadata"]["labels"], "annotations": {"helm.sh/hook": "pre-install"}}
    outcome = Rollout(pods=[pod(), bare]).wait(hooks=True, deadline=0)
    assert [item.name for item in outcome.workloads] == ["api", "check"]
    bare["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    assert [item.name for item in Rollout(pods=[bare]).wait(hooks=True, deadline=0).workloads] == ["api"]


def test_selector_picks_what_no_release_made() -> None:
    item = deployment()
    item["metadata"]["labels"] = {"app": "shop"}
    route = service("web")
    route["metadata"]["labels"] = {"app": "shop"}
    api = Rollout(deployments=[item], services=[route], endpointslices=[slice_of()])
    outcome = api.watcher(("todo", ""), selector="app=shop").wait()
    assert [one.name for one in outcome.workloads] == ["api"]
    assert outcome.diagnosis and outcome.diagnosis["code"] == "service_port_wrong"
    outcome = Rollout(deployments=[]).watcher(("todo", ""), selector="app=shop", deadline=0).wait()
    assert outcome.diagnosis and "todo/app=shop" in outcome.diagnosis["cause"]


# ---------------------------------------------------------------- an API server that is away for a while
@pytest.mark.parametrize("answer", [Answer(how="break"), refusal(429), refusal(500)])
def test_looks_that_fail_are_taken_again(answer: Answer) -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.later = {12.0: {"deployments": [deployment()]}}
    api.react("", lambda _call: answer if 3 <= api.now < 10 else None)
    outcome = api.wait()
    assert outcome.diagnosis is None and 12 <= outcome.seconds < 15


def test_api_server_that_stays_away_is_told_with_what_was_seen_before() -> None:
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.react("", lambda _call: refusal(503, "etcd is gone") if api.now >= 3 else None)
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "cluster_unreachable" and 15 < outcome.seconds < 20
    assert outcome.diagnosis["cause"].startswith("etcd is gone")
    assert outcome.diagnosis["cause"].endswith(
        "10 looks in a row failed. Before that: Deployment api: 0 of 2 pods are available."
    )
    assert [item.name for item in outcome.workloads] == ["api"]
    api = Rollout(deployments=[deployment(**STARTING)], pods=[waiting("ContainerCreating")])
    api.react("", lambda _call: Answer(how="break") if api.now >= 3 else None)
    assert api.wait(deadline=5).seconds == 5, "not beyond the deadline"


def test_cluster_that_was_never_seen_or_refuses_is_told_at_once() -> None:
    api = unreachable()
    with pytest.raises(UnreachableError):
        api.wait()
    assert api.now == 0
    api = Rollout(deployments=None)
    with pytest.raises(ApiError, match="may not list"):
        api.wait()
    assert api.now == 0
    api = Rollout()
    api.go_wrong(refusal(429), "deployments")
    assert api.wait().diagnosis is None


def test_diagnosis_does_without_what_explains_it_when_that_comes_too_late() -> None:
    api = world(crashed(1), log="gaierror: Name or service not known")
    # The events of one object are asked for when the diagnosis is made.
    late = Answer(how="break")
    api.react("/log$|/kube-system/", lambda _call: late)
    api.react("/events$", lambda call: late if "involvedObject" in call.query.get("fieldSelector", "") else None)
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "crash_loop"
    assert (outcome.diagnosis["log"], outcome.diagnosis["events"]) == ([], [])


STATUS = "HTTP probe failed with statuscode: 503"


def test_probe_is_not_believed_while_something_else_is_on_its_way() -> None:
    other = deployment(availableReplicas=0)
    other["metadata"] |= {"name": "db", "uid": "d2"}
    other["spec"] = {"selector": {"matchLabels": {"app": "db"}}}
    api = world(running(), deployments=[deployment(**STARTING), other], events=[unhealthy("Readiness", STATUS)])
    api.later = {40.0: {"deployments": [deployment(**STARTING)]}}
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "probe_failing" and 50 <= outcome.seconds < 51


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((503, '{"reason": "no schema"}'), "It answers 503: no schema."),
        ((404, '{"detail": "Not Found"}'), "It answers 404: Not Found."),
        ((500, "<h1>Oops</h1>"), "It answers 500: <h1>Oops</h1>."),
        (
            (503, '{"kind": "Status", "reason": "ServiceUnavailable", "message": "dial tcp: refused"}'),
            "dial tcp: refused.",
        ),
        ((200, "fine"), "statuscode: 503."),
        (None, "statuscode: 503."),
    ],
)
def test_answer_to_a_failing_probe(answers: tuple[int, str] | None, words: str) -> None:
    api = world(running(), events=[unhealthy("Readiness", STATUS)])
    api.answers = answers
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["cause"].endswith(words)
    assert api.asked == ["/api/v1/namespaces/todo/pods/api-1:8000/proxy/ready"]


def test_numbered_port_is_wrong_only_when_nobody_listens_there() -> None:
    api = served(services=[service(9999)])
    assert api.wait().diagnosis is None
    assert api.asked == ["/api/v1/namespaces/todo/services/api-svc:http/proxy/"]
    api.answers = None
    assert api.wait().diagnosis is None
    api.answers = (503, "error trying to reach service: dial tcp 10.0.0.1:9999: connect: connection refused")
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "service_port_wrong"
    assert (
        "maps port http to port 9999 of its pods, where nothing listens; they declare 8000"
        in outcome.diagnosis["cause"]
    )


def test_ingress_without_an_address_is_accepted_while_its_controller_is_there() -> None:
    controller = {
        "spec": {"containers": [{"image": "registry/ingress-nginx/controller:1"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    api = served(ingresses=[ingress(address=False)], controllers=[controller])
    assert api.wait().diagnosis is None and api.now == 0


def test_route_that_comes_right_in_time() -> None:
    api = served(endpointslices=[])
    api.later = {2.0: {"endpointslices": [slice_of()]}}
    outcome = api.wait()
    assert outcome.diagnosis is None and 2 <= outcome.seconds < 3


def test_what_may_not_be_read_is_not_judged() -> None:
    api = served(services=None, endpointslices=None, ingresses=None, ingressclasses=None)
    assert api.wait().diagnosis is None
    api = served(services=[service("web")], endpointslices=None)
    assert api.wait().diagnosis is None
    api = world(crashed(1), events=None, nodes=None)
    outcome = api.wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "crash_loop" and outcome.diagnosis["events"] == []


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ([dns_pod("True")], "CoreDNS is ready, so the name is wrong or the way to it is blocked."),
        ([dns_pod("False")], "CoreDNS is not ready: 0 of 1 pods are."),
        (None, "Name or service not known."),
    ],
)
def test_failed_lookup_names_the_state_of_the_name_servers(servers: list[Object] | None, words: str) -> None:
    outcome = world(crashed(1), log="gaierror: Name or service not known", dns=servers).wait()
    assert outcome.diagnosis and outcome.diagnosis["code"] == "cluster_dns_failing"
    assert outcome.diagnosis["cause"].endswith(words)


def test_password_in_a_url_is_not_shown() -> None:
    outcome = world(crashed(1), log="cannot reach postgresql://todo:hunter2@db/todo").wait()
    assert outcome.diagnosis and outcome.diagnosis["log"] == ["cannot reach postgresql://********@db/todo"]


def test_secrets_of_a_namespace_are_learnt_once() -> None:
    api = world(crashed(1))
    watcher = api.watcher()
    watcher.learn("")
    assert "secrets" not in api.kinds
    watcher.learn("shop")
    watcher.learn("shop")
    assert api.kinds.count("secrets") == 1


def test_nodes_are_asked_for_rarely() -> None:
    api = world(bound(), nodes=[node()])
    assert api.wait(quiet=30).seconds == 30
    assert 6 <= api.kinds.count("nodes") <= 7


def beside(api: Rollout, **changed: list[Object]) -> Any:
    """What is found beside Helm when these lists have changed since it began."""
    watcher = api.watcher(hooks=True)
    watcher.begin()
    api.change(**changed)
    return watcher


def test_failing_hook_is_found_beside_helm() -> None:
    hook = job({"failed": 2}, hook="pre-upgrade")
    found = beside(Rollout(), jobs=[hook], pods=[job_pod(state=failed(3))]).step()
    assert found and found.code == "job_failed" and "exit code 3" in found.cause


def test_hook_that_may_wait_for_a_database_is_given_time() -> None:
    database = deployment(**STARTING)
    database["metadata"] |= {"name": "db", "uid": "d2"}
    hook = job({"failed": 2}, hook="post-install")
    starting = pod("db-1", owner="rs2", state={"running": {}}, started=False)
    watcher = beside(Rollout(deployments=[]), deployments=[database], jobs=[hook], pods=[starting])
    assert watcher.step() is None
    answering = beside(
        Rollout(deployments=[]),
        deployments=[database],
        jobs=[hook],
        pods=[running()],
        events=[unhealthy("Readiness", STATUS)],
    ).step()
    assert answering and answering.code == "job_failed", "what answers that it is not ready may wait for the hook"
    hook["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    assert watcher.step().code == "job_failed"


def test_hook_that_an_earlier_attempt_left_is_not_judged() -> None:
    old = job({"conditions": [{"type": "Failed", "status": "True"}]}, hook="pre-upgrade")
    assert beside(Rollout(jobs=[old])).step() is None
    new = job({"failed": 2}, hook="pre-upgrade", uid="j2")
    assert beside(Rollout(jobs=[old]), jobs=[new]).step() is not None


def test_hook_without_labels_is_found_beside_helm_only() -> None:
    hook = job({"failed": 2}, hook="pre-install", labels={})
    assert beside(Rollout(deployments=[]), jobs=[hook]).step() is not None
    assert Rollout(jobs=[hook]).wait(hooks=True).diagnosis is None


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (waiting("ErrImageNeverPull"), "image_missing"),
        (crashed(1), ""),
        (waiting("CreateContainerConfigError", 'secret "a" not found'), ""),
        (running(), ""),
    ],
)
def test_workloads_beside_helm_are_judged_by_what_no_hook_can_put_right(item: Object, code: str) -> None:
    changed = deployment(**STARTING)
    watcher = beside(Rollout(deployments=[]), deployments=[changed], pods=[item])
    found = watcher.step()
    assert (found.code if found else "") == code


def test_what_helm_has_not_changed_yet_is_not_judged() -> None:
    api = world(waiting("ErrImageNeverPull"))
    watcher = beside(api)
    assert watcher.step() is None
    newer = deployment(**STARTING)
    newer["metadata"]["generation"] = 3
    api.change(deployments=[newer])
    assert watcher.step() is not None


def test_refusal_beside_helm() -> None:
    api = refused("violates PodSecurity")
    wanted = [api.get("deployments", "api")]
    api.change(deployments=[])
    assert beside(api, deployments=wanted).step().code == "admission_denied"


def test_every_code_has_one_suggestion() -> None:
    outcome = world(unscheduled()).wait()
    assert outcome.diagnosis and outcome.diagnosis["suggestion"].startswith("Lower the requests or replicas")
    assert len({entry.suggestion for entry in CODES.values()}) == len(CODES)


# ---------------------------------------------------------------- ready, and yet not healthy
def test_autoscaler_has_its_minimum() -> None:
    api = served(horizontalpodautoscalers=[autoscaler(3)], pods=[unscheduled()], replicasets=[replica_set("rs2", 2)])
    outcome = api.wait(deadline=60, heal=5)
    assert outcome.diagnosis and outcome.diagnosis["code"] == "unschedulable"
    (progress,) = outcome.workloads
    assert (progress.ready, progress.wanted) == (2, 3) and "the minimum of the autoscaler" in progress.message
    assert served(horizontalpodautoscalers=[autoscaler(2)]).wait().diagnosis is None
    assert served(horizontalpodautoscalers=[autoscaler(0)]).wait().diagnosis is None


def database(since: str) -> dict[str, list[Object]]:
    """Another workload, which became ready then."""
    item = restarted(0, "00:00:00", since, "db-0")
    item["metadata"]["labels"] = {"app.kubernetes.io/name": "db"}
    sts = deployment(readyReplicas=2)
    sts["metadata"] |= {"name": "db", "uid": "s1"}
    sts["spec"] |= {"selector": {"matchLabels": {"app.kubernetes.io/name": "db"}}}
    return {"statefulsets": [sts], "pods": [item]}


@pytest.mark.parametrize(
    ("count", "ended", "database_ready", "node_ready", "told"),
    [
        (2, "11:58:00", "11:00:00", "10:00:00", "restarted 2 times, last at 2026-01-01T11:58:00Z with exit code 3"),
        (1, "11:58:00", "11:00:00", "10:00:00", ""),  # once is no crash loop
        (9, "11:49:00", "11:00:00", "10:00:00", ""),  # long ago
        (2, "11:58:00", "11:58:01", "10:00:00", ""),  # it needed the database
        (2, "11:58:00", "11:00:00", "11:59:00", ""),  # the node was started
    ],
)
def test_container_that_keeps_restarting_is_not_healthy(
    count: int, ended: str, database_ready: str, node_ready: str, told: str
) -> None:
    other = database(database_ready)
    machine = node()
    machine["status"]["conditions"][1]["lastTransitionTime"] = f"2026-01-01T{node_ready}Z"
    pods = [restarted(count, ended, "11:59:30"), *other["pods"]]
    api = served(pods=pods, statefulsets=other["statefulsets"])
    api.collections["/api/v1/nodes"] = [machine]
    api.log = "broken"
    diagnosis = api.wait().diagnosis
    assert (diagnosis is not None) is bool(told)
    if diagnosis:
        assert diagnosis["code"] == "crash_loop" and told in diagnosis["cause"] and diagnosis["log"] == ["broken"]
    assert api.wait(restart_period=0).diagnosis is None


def test_pods_that_may_not_be_read_are_not_judged() -> None:
    assert served(pods=None).wait().diagnosis is None
