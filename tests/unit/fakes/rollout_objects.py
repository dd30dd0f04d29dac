# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the API returns them, an API server made of them, and one world for every diagnosis code."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._rollout.watcher import Options, Outcome, Watcher
from fake_kubernetes import Answer, Call, FakeKubernetes

Object = dict[str, Any]

LABELS = {"app.kubernetes.io/name": "api", "app.kubernetes.io/instance": "todo"}
STARTING = {"availableReplicas": 0}


def deployment(**changes: Any) -> Object:
    status = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, **changes}
    return {
        "metadata": {"name": "api", "namespace": "todo", "uid": "d1", "generation": 2, "labels": LABELS},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "api"}},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "api", "ports": [{"name": "http", "containerPort": 8000}]}]},
            },
        },
        "status": status,
    }


def replica_set(uid: str, revision: int) -> Object:
    return {
        "metadata": {
            "name": uid,
            "namespace": "todo",
            "uid": uid,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d1", "controller": True}],
        }
    }


PROBES = {
    "startupProbe": {"httpGet": {"path": "/health", "port": "http"}, "failureThreshold": 3},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "failureThreshold": 3},
    "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "failureThreshold": 3},
}


def pod(name: str = "api-1", owner: str = "rs2", **container: Any) -> Object:
    status = {"name": "api", "image": "todo-api:1", "ready": False, "restartCount": 0, "state": {}, **container}
    return {
        "metadata": {
            "name": name,
            "namespace": "todo",
            "uid": f"uid-{name}",
            "labels": LABELS,
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {
            "containers": [
                {
                    "name": "api",
                    "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "64"}},
                    "ports": [{"name": "http", "containerPort": 8000}],
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "todo-api", "key": "JWT_SECRET"}}}],
                    **PROBES,
                }
            ]
        },
        "status": {"phase": "Pending", "containerStatuses": [status]},
    }


def running(**container: Any) -> Object:
    item = pod(state={"running": {}}, started=True, **container)
    item["status"]["phase"] = "Running"
    return item


def restarted(count: int, ended: str, ready: str, name: str = "api-1", code: int = 3) -> Object:
    """A pod that is ready since C(ready), after the last of so many restarts; times of the day that the fakes live in."""
    last = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": f"2026-01-01T{ended}Z"}}
    item = running(ready=True, restartCount=count, lastState=last)
    item["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    item["spec"]["nodeName"] = "node-1"
    item["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T{ready}Z"}]
    return item


def autoscaler(least: int) -> Object:
    target = {"kind": "Deployment", "name": "api"}
    return {"metadata": {"name": "api", "namespace": "todo"}, "spec": {"scaleTargetRef": target, "minReplicas": least}}


def waiting(reason: str, message: str = "", **container: Any) -> Object:
    return pod(state={"waiting": {"reason": reason, "message": message}}, **container)


def crashed(code: int = 3, reason: str = "Error", **container: Any) -> Object:
    return waiting(
        "CrashLoopBackOff",
        restartCount=2,
        lastState={"terminated": {"exitCode": code, "reason": reason}},
        **container,
    )


def unscheduled(message: str = "0/1 nodes are available: 1 Insufficient cpu.", **spec: Any) -> Object:
    item = pod()
    item["spec"].update(spec)
    item["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}],
    }
    return item


def event(reason: str, message: str, about: Object | str = "uid-api-1", count: int = 1, field: str = "") -> Object:
    uid = about if isinstance(about, str) else about["metadata"].get("uid", "")
    name = uid.removeprefix("uid-") if isinstance(about, str) else about["metadata"]["name"]
    kind = {"d": "Deployment", "j": "Job"}.get(uid[:1], "Pod")
    return {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "reason": reason,
        "message": message,
        "count": count,
        "type": "Warning",
        "involvedObject": {"uid": uid, "kind": kind, "name": name, "fieldPath": field},
    }


def unhealthy(kind: str, answer: str, count: int = 3) -> Object:
    return event("Unhealthy", f"{kind} probe failed: {answer}", count=count, field="spec.containers{api}")


def job(status: Object, hook: str = "", **metadata: Any) -> Object:
    annotations = {"helm.sh/hook": hook} if hook else {}
    metadata = {"name": "migration", "namespace": "todo", "uid": "j1", "labels": LABELS, **metadata}
    return {
        "metadata": {**metadata, "annotations": annotations},
        "spec": {"selector": {"matchLabels": {"job-name": "migration"}}},
        "status": status,
    }


def job_pod(name: str = "migration-a", **container: Any) -> Object:
    item = pod(name, owner="j1", **container)
    item["metadata"]["labels"] = {"job-name": "migration"}
    return item


def failed(code: int = 1) -> Object:
    return {"terminated": {"exitCode": code, "reason": "Error"}}


def service(target: Any = "http", **spec: Any) -> Object:
    return {
        "metadata": {"name": "api-svc", "namespace": "todo", "labels": LABELS},
        "spec": {
            "selector": {"app.kubernetes.io/name": "api"},
            "ports": [{"name": "http", "port": 80, "targetPort": target}],
            **spec,
        },
    }


def slice_of(ready: bool | None = True) -> Object:
    return {
        "metadata": {"namespace": "todo", "labels": {"kubernetes.io/service-name": "api-svc"}},
        "endpoints": [{"conditions": {"ready": ready}}],
    }


def ingress(name: str = "api-svc", port: Any = 80, wanted: str = "nginx", address: bool = True) -> Object:
    path = {"path": "/api", "backend": {"service": {"name": name, "port": {"number": port}}}}
    return {
        "metadata": {"name": "todo", "namespace": "todo", "labels": LABELS},
        "spec": {"ingressClassName": wanted, "rules": [{"host": "todo.local", "http": {"paths": [path]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]} if address else {}},
    }


INGRESS_CLASS = {"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}


def node(name: str = "node-1", ready: str = "True", pressure: str = "False") -> Object:
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [
                {"type": "DiskPressure", "status": pressure, "message": "kubelet has disk pressure"},
                {"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."},
            ]
        },
    }


def bound(name: str = "node-1") -> Object:
    item = waiting("ContainerCreating")
    item["spec"]["nodeName"] = name
    return item


def dns_pod(ready: str) -> Object:
    return {"metadata": {"name": "coredns"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


class Rollout(FakeKubernetes):
    """A cluster with one namespace, and a clock that only sleeping moves. C(dns) and C(controllers) are pods elsewhere."""

    def __init__(self, **lists: list[Object] | None) -> None:
        self.now = 0.0
        self.today = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)
        self.later: dict[float, dict[str, list[Object]]] = {}
        super().__init__()
        self.change(**{"deployments": [deployment()], **lists})

    def change(self, **lists: list[Object] | None) -> None:
        """Replace all objects of these kinds."""
        for kind, items in lists.items():
            if kind == "dns":
                labelled = [
                    {**item, "metadata": {**item["metadata"], "labels": {"k8s-app": "kube-dns"}}}
                    for item in items or []
                ]
                self.put("pods", None if items is None else labelled, "kube-system")
            elif kind == "controllers":
                self.put("pods", items, "controllers")
            else:
                self.put(kind, items)

    def answer(self, call: Call) -> Answer:
        for time, lists in self.later.items():
            if self.now >= time:
                self.change(**lists)
        return super().answer(call)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "waiting without letting time pass"
        self.now += seconds

    def watcher(self, *releases: tuple[str, str], **options: Any) -> Watcher:
        return Watcher(
            self,
            releases or [("todo", "todo")],
            Options(**options),
            clock=lambda: self.now,
            sleep=self.sleep,
            today=lambda: self.today,
        )

    def wait(self, **options: Any) -> Outcome:
        return self.watcher(**options).wait()


def world(*pods: Object, log: str = "first\nlast", answers: tuple[int, str] = (200, ""), **lists: Any) -> Rollout:
    """A rollout that these pods keep from ending."""
    api = Rollout(
        **{
            "deployments": [deployment(**STARTING)],
            "replicasets": [replica_set("rs2", 2)],
            "pods": list(pods),
            **lists,
        }
    )
    api.log, api.answers = log, answers
    return api


def served(**lists: Any) -> Rollout:
    """A rollout that has ended, with these Services and Ingresses."""
    defaults = {"services": [service()], "endpointslices": [slice_of()], "ingressclasses": [INGRESS_CLASS]}
    return Rollout(**{**defaults, **lists})


def refused(message: str) -> Rollout:
    told = {"type": "ReplicaFailure", "status": "True", "message": message}
    return world(deployments=[deployment(availableReplicas=0, conditions=[told])])


def unreachable() -> Rollout:
    found = Rollout()
    found.go_wrong(Answer(how="break"), times=None)
    return found


PULL = 'rpc error: code = {} desc = failed to pull and unpack image "r.example/todo-api:1": failed to resolve: {}'
# By code: a world that shows it, words of the cause, and the seconds after which it must be told (0: at once).
WORLDS: dict[str, tuple[Rollout, str, float]] = {
    "image_not_found": (
        world(waiting("ErrImagePull", PULL.format("NotFound", "r.example/todo-api:1: not found"))),
        "todo-api:1 of container api is not in the registry: .*not found",
        0,
    ),
    "image_pull_refused": (
        world(waiting("ErrImagePull", PULL.format("Unknown", "unexpected status: 401 Unauthorized"))),
        "todo-api:1 of container api is refused by the registry: .*401",
        0,
    ),
    "image_pull_failed": (
        world(waiting("ImagePullBackOff", "Back-off: ErrImagePull: dial tcp: lookup r.example: no such host")),
        "cannot be had: dial tcp: lookup r.example: no such host",
        0,
    ),
    "image_missing": (world(waiting("ErrImageNeverPull", "is not present")), "todo-api:1 .*is not in the node", 0),
    "image_name_invalid": (world(waiting("InvalidImageName", "couldn't parse")), "no valid name: couldn't parse", 0),
    "config_missing": (
        world(waiting("CreateContainerConfigError", "couldn't find key JWT_SECRET in Secret todo/todo-api")),
        "couldn't find key JWT_SECRET in Secret todo/todo-api",
        0,
    ),
    "runs_as_root": (
        world(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
        "Container api may not run: .*root",
        0,
    ),
    "container_start_failed": (
        world(waiting("RunContainerError", 'exec: "nope": executable file not found')),
        "cannot be started: .*nope",
        0,
    ),
    "crash_loop": (world(crashed(3)), "keeps crashing, last with exit code 3", 0),
    "out_of_memory": (world(crashed(137, "OOMKilled")), "its limit of 64Mi", 0),
    "probe_failing": (
        world(
            running(),
            events=[unhealthy("Readiness", "HTTP probe failed with statuscode: 503")],
            answers=(503, '{"status": "unavailable", "reason": "the schema is missing"}'),
        ),
        r"readiness probe \(GET /ready on port http\) fails: .*statuscode: 503. It answers 503: the schema is missing",
        10,
    ),
    "volume_failed": (
        world(unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")),
        "is waiting for a volume: .*unbound",
        10,
    ),
    "unschedulable": (
        world(unscheduled("0/1 nodes are available: 1 Insufficient cpu.")),
        r"not enough free cpu \(the pod requests 64\)",
        10,
    ),
    "node_not_ready": (
        world(bound(), nodes=[node(ready="Unknown")]),
        "node node-1 of the pod is not ready: Kubelet",
        10,
    ),
    "node_pressure": (world(bound(), nodes=[node(pressure="True")]), "node-1 of the pod has DiskPressure", 10),
    "admission_denied": (
        refused('pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'),
        "The pods of Deployment/api are rejected: .*restricted:latest",
        0,
    ),
    "quota_exceeded": (refused('pods "a" is forbidden: exceeded quota: small, requested: pods=1'), "quota: small", 10),
    "pods_refused": (refused('pods "a" is forbidden: serviceaccount "api" not found'), 'serviceaccount "api"', 10),
    "job_failed": (
        world(
            job_pod(state=failed(2)),
            deployments=[],
            jobs=[job({"conditions": [{"type": "Failed", "status": "True", "message": "Job has reached its limit"}]})],
        ),
        "The job migration failed with exit code 2. Job has reached its limit",
        0,
    ),
    "cluster_dns_failing": (
        world(crashed(1), log="start\nsocket.gaierror: [Errno -2] Name or service not known", dns=[dns_pod("False")]),
        "Container api cannot resolve a name: socket.gaierror.* CoreDNS is not ready: 0 of 1",
        0,
    ),
    "no_endpoints": (
        served(services=[service(selector={"app": "other"})], endpointslices=[]),
        "Service api-svc selects app=other, but no pod",
        10,
    ),
    "service_port_wrong": (served(services=[service("web")]), "container port named web, .*they have http=8000", 0),
    "ingress_class_missing": (
        served(ingresses=[ingress(wanted="other")]),
        "uses class other, .*the cluster has nginx",
        0,
    ),
    "ingress_backend_missing": (
        served(ingresses=[ingress(name="gone")]),
        "routes todo.local/api to Service gone, which does not exist",
        10,
    ),
    "ingress_no_address": (
        served(ingresses=[ingress(address=False)]),
        "no address, and no ready controller was found for class nginx",
        10,
    ),
    "workloads_missing": (Rollout(deployments=[]), "There is no workload in todo/todo", 10),
    "rollout_stalled": (
        world(waiting("ContainerCreating")),
        r"There was no progress for 120 s and .*\(Deployment api: 0 of 2 pods are available\)",
        120,
    ),
    "cluster_unreachable": (unreachable(), "does not answer", 0),
}
_moving = world(waiting("ContainerCreating"))
_moving.later = {float(second): {"pods": [bound(f"api-{second}")]} for second in range(0, 400, 60)}
for _second, _lists in _moving.later.items():
    _lists["pods"][0]["metadata"]["name"] = f"api-{_second}"
WORLDS["deadline_passed"] = (_moving, "300 s have passed", 300)
