# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at the workload behind a failed check, with plain API objects and no cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health import diagnose as diagnosing
from ansible_collections.slipway.kube.plugins.module_utils._health import runner as running
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import Workload
from ansible_collections.slipway.kube.plugins.module_utils._kube import client
from fake_kubernetes import FakeKubernetes

NAMESPACE = "todo"


def workload(name: str, ready: bool, kind: str = "Deployment") -> dict[str, Any]:
    labels = {"app": name}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": int(ready)}
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "generation": 1,
            "labels": {"app.kubernetes.io/instance": "shop"},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "i"}]}},
        },
        "status": {**status, "readyReplicas": int(ready)},
    }


def crashing(name: str) -> dict[str, Any]:
    state = {
        "name": name,
        "image": "i",
        "ready": False,
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
    }
    return {
        "metadata": {"name": f"{name}-1", "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {"containers": [{"name": name}]},
        "status": {"phase": "Running", "containerStatuses": [state]},
    }


def service(name: str, selects: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/instance": "shop", "app": name},
        },
        "spec": {"selector": {"app": selects}, "ports": [{"port": 80, "targetPort": 80}]},
    }


def cluster(**lists: list[dict[str, Any]]) -> FakeKubernetes:
    """A cluster with these objects, whose containers have one line of log."""
    api = FakeKubernetes(NAMESPACE, **lists)
    api.log, api.answers = "the reason\n", None
    return api


def look(api: Any, kind: str, name: str) -> Any:
    return diagnosing.diagnose(Workload(kind, name, NAMESPACE), 1.0, lambda *_arguments: api)


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "api"), ("Service", "api-svc")])
def test_the_named_workload_is_diagnosed_and_no_other(kind: str, name: str) -> None:
    api = cluster(
        deployments=[workload("api", False), workload("page", False), workload("well", True)],
        services=[service("api-svc", "api"), service("page-svc", "page")],
        pods=[crashing("page"), crashing("api")],
    )
    found = look(api, kind, name)
    assert found["code"] == "crash_loop" and found["object"] == "Pod/api-1"
    assert "exit code 3" in found["cause"] and found["suggestion"]
    assert found["log"] == ["the reason"]


def test_a_workload_that_is_well_has_no_diagnosis() -> None:
    slices = [
        {
            "metadata": {"name": "s", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "well-svc"}},
            "endpoints": [{"conditions": {"ready": True}, "addresses": ["10.0.0.1"]}],
            "ports": [{"port": 80}],
        }
    ]
    api = cluster(
        deployments=[workload("well", True), workload("api", False)],
        services=[service("well-svc", "well")],
        pods=[crashing("api")],
        endpointslices=slices,
    )
    assert look(api, "Deployment", "well") is None


def test_a_service_that_selects_nothing_is_told_as_such() -> None:
    api = cluster(deployments=[workload("api", True)], services=[service("api-svc", "apy")])
    found = look(api, "Service", "api-svc")
    assert found["code"] == "no_endpoints" and "api-svc" in found["object"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Service"])
def test_a_workload_that_is_not_there(kind: str) -> None:
    found = look(cluster(deployments=[workload("api", True)], services=[]), kind, "gone")
    assert found["code"] == "workloads_missing" and "gone" in found["cause"]


def test_one_look_says_nothing_about_time() -> None:
    found = look(cluster(deployments=[workload("api", False)]), "Deployment", "api")
    assert found["cause"].startswith("The rollout is not complete"), found


def test_a_cluster_that_cannot_be_asked_is_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> Any:
        raise client.UnreachableError("The API does not answer.")

    found = diagnosing.diagnose(Workload("Deployment", "api"), 1.0, refuse)
    assert found is not None and found["code"] == "cluster_unreachable"
    monkeypatch.setattr(client, "HAS_KUBERNETES", False)
    found = diagnosing.diagnose(Workload("Deployment", "api"), 1.0)
    assert found is not None and found["code"] == "library_missing"
    shape = {"code", "cause", "suggestion", "namespace", "object", "container", "log", "events"}
    assert set(found) == shape


def test_the_services_of_an_ingress() -> None:
    backend = {"backend": {"service": {"name": "a", "port": {"number": 80}}}}
    rules = [{"http": {"paths": [backend]}}, {"host": "without paths"}]
    assert diagnosing.backends({"spec": {"rules": rules, "defaultBackend": backend["backend"]}}) == {"a"}
    assert diagnosing.backends({"spec": {"defaultBackend": {"resource": {}}}}) == set()


# ---------------------------------------------------------------- in a run
def test_each_workload_behind_failed_checks_is_looked_at_once(run: Any, server: Any, refused_port: int) -> None:
    looked: list[Workload] = []

    def see(one: Workload, _seconds: float) -> dict[str, Any]:
        looked.append(one)
        return {"code": "crash_loop", "cause": f"{one.name} crashes with hunter2-hunter2.", "suggestion": "Read."}

    closed = {"type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}"}
    behind = {"workload": {"name": "api", "kind": "Deployment", "namespace": "todo"}}
    first, second, good, inverted, plain = run(
        {"name": "first", **closed, **behind},
        {"name": "second", **closed, **behind},
        {"name": "good", "url": server.url("/"), **behind},
        {"name": "inverted", "url": server.url("/"), "invert": True, **behind},
        {"name": "plain", **closed},
        look=see,
        secrets={"password": "hunter2-hunter2"},
    )
    assert looked == [Workload("Deployment", "api", "todo")]
    assert (
        first["diagnosis"]
        == second["diagnosis"]
        == {
            "code": "crash_loop",
            "cause": "api crashes with ********.",
            "suggestion": "Read.",
        }
    )
    assert good["diagnosis"] is inverted["diagnosis"] is plain["diagnosis"] is None


def test_the_service_of_a_port_forward_is_looked_at_unless_another_is_named() -> None:
    assert [check.workload for check in _parsed({}, {"workload": {"kind": "StatefulSet", "name": "db"}})] == [
        Workload("Service", "web", "todo", "/k", "c"),
        Workload("StatefulSet", "db", "todo", "/k", "c"),
    ]


def _parsed(*more: dict[str, Any]) -> Any:
    from ansible_collections.slipway.kube.plugins.module_utils._health.checks import parse_checks

    target = {"service": "web", "namespace": "todo", "context": None}
    checks = [
        {"name": str(at), "url": "http://web/", "via": "port_forward", "kubernetes": target, **item}
        for at, item in enumerate(more)
    ]
    return parse_checks(checks, [], str, {"kubeconfig": "/k", "context": "c"})


def test_looking_keeps_to_the_deadline(run: Any, server: Any, monkeypatch: pytest.MonkeyPatch, stuck: Any) -> None:
    check = {"name": "a", "url": server.url("/silent"), "timeout": 60, "workload": {"name": "api"}}
    [result] = run(check, deadline=0.3, look=stuck)
    assert result["last_error"]["code"] == "deadline"
    assert result["diagnosis"]["code"] == "kubernetes_api"
    monkeypatch.setattr(running, "LOOKING_SECONDS", 0.2)
    [result] = run({**check, "timeout": 0.1}, deadline=600, look=stuck)
    assert result["last_error"]["code"] == "read_timeout"
    assert result["diagnosis"]["code"] == "kubernetes_api"


def test_a_check_that_is_healthy_in_the_end_is_not_explained(run: Any, server: Any, responses: Any) -> None:
    good, bad = responses.answer("200 OK", b"{}"), responses.answer("503 Service Unavailable", b"{}")
    server.routes["/late"] = responses.sequence(bad, good)
    looks: list[Workload] = []
    check = {"name": "a", "url": server.url("/late"), "retry_for": 5, "interval": 0.01, "workload": {"name": "api"}}
    [result] = run(check, look=lambda one, _seconds: looks.append(one))
    assert (result["state"], result["last_error"]["code"], looks) == ("healthy", "status_unexpected", [])


def test_a_look_that_breaks_leaves_the_results(run: Any, refused_port: int) -> None:
    [result] = run(
        {"name": "a", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}", "workload": {"name": "api"}},
        look=lambda *_arguments: 1 / 0,
    )
    assert result["last_error"]["code"] == "connect_refused"
    assert result["diagnosis"]["code"] == "internal_error"


@pytest.mark.parametrize(
    ("selector", "leads"),
    [({"app": "web"}, True), ({"app": "api"}, False), ({"app": "web", "tier": "x"}, False), ({}, False), (None, False)],
)
def test_service_leads_to_the_workload_whose_pods_it_selects(selector: Any, leads: bool) -> None:
    assert diagnosing.leads_to({"spec": {"selector": selector}}, workload("web", ready=True)) is leads
    assert diagnosing.leads_to({"spec": None}, workload("web", ready=True)) is False


def test_without_the_library_there_is_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HAS_KUBERNETES", False)
    found = diagnosing.diagnose(Workload("Deployment", "web", NAMESPACE), 1.0)
    assert found and found["code"] == "library_missing"
