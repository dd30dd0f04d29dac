# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: what is deployed, which diagnosis it must get, and by what Kubernetes shows it.

Every fault has a namespace of its own, C(faults-<name>), and is made with the charts by the example application's fault
switches and by mistakes in the values. What the charts refuse to render is made with plain objects beside the release.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

RELEASE = "app"
# The stub of a registry, in a namespace of its own: the node asks localhost by plain HTTP.
REGISTRY_PORT = 5987
REGISTRY = f"localhost:{REGISTRY_PORT}"
LABELS = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/name": "extra"}


@dataclass(frozen=True)
class Fault:
    """One fault. C(visible) is by what it shows: see C(play.visible_at)."""

    name: str
    title: str
    code: str
    cause: str
    visible: str
    values: Object = field(default_factory=dict)
    # Objects that are there before the release, and those beside it.
    before: tuple[Object, ...] = ()
    beside: tuple[Object, ...] = ()
    namespace_labels: Object = field(default_factory=dict)
    # Options of rollout_status other than the usual ones.
    options: Object = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace that the fault has to itself."""
        return f"faults-{self.name}"


# Small and quick, so that many stand side by side: a web server of two lines that needs no database.
SERVE = {
    "command": ["python", "-m", "http.server", "8000", "--directory", "/tmp"],
    "probes": {"readiness": {"path": "/", "periodSeconds": 1}},
}


def base(repository: str, tag: str) -> Object:
    """Values of charts/component that every fault begins with: the backend, not in production, without a database."""
    return {
        "nameOverride": "web",
        "image": {"repository": repository, "tag": tag},
        "containerPort": 8000,
        "service": {"port": 8000},
        "config": {"ENVIRONMENT": "test", "LOG_LEVEL": "info", "LOG_FORMAT": "text"},
        "secret": {"DATABASE_URL": "postgresql://todo@127.0.0.1:1/todo", "JWT_SECRET": "0123456789abcdef" * 4},
        "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}},
        "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001},
        "probes": {
            "startup": {"path": "", "periodSeconds": 1, "failureThreshold": 120},
            "readiness": {"path": "/health", "periodSeconds": 1, "failureThreshold": 2},
            "liveness": {"path": "", "periodSeconds": 5},
        },
        "preStopSleepSeconds": 0,
        "terminationGracePeriodSeconds": 1,
        "networkPolicy": {"enabled": False},
        "topologySpread": {"enabled": False},
        "test": {"enabled": False},
        "migration": {"enabled": False, "backoffLimit": 3, "hooks": "pre-install,pre-upgrade"},
    }


def config(**switches: str) -> Object:
    """Values that set environment variables."""
    return {"config": dict(switches)}


def hook(**changes: Any) -> Object:
    """Values with a migration in a hook, as the backend's chart has it."""
    return {"migration": {"enabled": True, "command": ["alembic", "upgrade", "head"]}, **SERVE, **changes}


def thing(kind: str, version: str, name: str, spec: Object | None = None, **others: Any) -> Object:
    """An object that counts as part of the release."""
    made = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}, **others}
    return made if spec is None else {**made, "spec": spec}


def service(name: str, selector: Object, target: Any) -> Object:
    return thing(
        "Service", "v1", name, {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": target}]}
    )


def workload(pod: Object) -> Object:
    """A Deployment that the charts would refuse. C(IMAGE) stands for the backend's image."""
    labels = {**LABELS, "app": "raw"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return thing("Deployment", "apps/v1", "raw", {"selector": {"matchLabels": {"app": "raw"}}, "template": template})


def volume(**source: Any) -> Object:
    return {
        "extraVolumes": [{"name": "extra", **source}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        **SERVE,
    }


WEB = {"app.kubernetes.io/name": "web"}
SLEEP = ["sleep", "3600"]

FAULTS: tuple[Fault, ...] = (
    Fault(
        "image-not-found",
        "the tag is not in the registry",
        "image_not_found",
        r"localhost:\d+/nothing:v1 of container web is not in the registry: .*not found",
        "event:Failed Failed to pull",
        {"image": {"repository": f"{REGISTRY}/nothing", "tag": "v1"}},
    ),
    Fault(
        "image-refused",
        "the registry wants credentials",
        "image_pull_refused",
        "is refused by the registry",
        "event:Failed Failed to pull",
        {"image": {"repository": f"{REGISTRY}/private", "tag": "v1"}},
    ),
    Fault(
        "image-unreachable",
        "the registry does not answer",
        "image_pull_failed",
        "cannot be had: .*connection refused",
        "event:BackOff Back-off pulling",
        {"image": {"repository": "localhost:1/web", "tag": "v1"}},
    ),
    Fault(
        "image-missing",
        "the image was not delivered to the node",
        "image_missing",
        "is not in the node, and the pod forbids pulling it",
        "event:Failed",
        {"image": {"tag": "sha-0000000000000000", "pullPolicy": "Never"}},
    ),
    Fault(
        "image-name",
        "the image's name is misspelt",
        "image_name_invalid",
        "has no valid name",
        "event:InspectFailed",
        {"image": {"repository": "todo//backend"}},
    ),
    Fault(
        "secret-missing",
        "a Secret is missing",
        "config_missing",
        'secret "absent" not found. All its keys become environment variables',
        "event:Failed",
        {"existingSecret": "absent", "secret": {}},
    ),
    Fault(
        "key-missing",
        "a key of a Secret is missing",
        "config_missing",
        "couldn't find key MAIL_PASSWORD in Secret faults-key-missing/app-web-secrets",
        "event:Failed",
        {
            "extraEnv": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "app-web-secrets", "key": "MAIL_PASSWORD"}}}
            ]
        },
    ),
    Fault(
        "mount-missing",
        "a mounted Secret is missing",
        "config_missing",
        'lacks its source: .*secret "absent" not found',
        "event:FailedMount",
        volume(secret={"secretName": "absent"}),
    ),
    Fault(
        "root",
        "the container runs as root",
        "runs_as_root",
        "Container raw may not run: .*non-root",
        "event:Failed",
        SERVE,
        beside=(
            workload(
                {
                    "containers": [
                        {
                            "name": "raw",
                            "image": "IMAGE",
                            "command": SLEEP,
                            "securityContext": {"runAsNonRoot": True, "runAsUser": 0},
                        }
                    ]
                }
            ),
        ),
    ),
    Fault(
        "crash",
        "the program ends with code 3",
        "crash_loop",
        "Container web keeps crashing, last with exit code 3",
        "event:BackOff Back-off restarting",
        config(FAULT_START_EXIT="3"),
    ),
    Fault(
        "memory",
        "the program needs too much memory",
        "out_of_memory",
        "used more memory than its limit of 192Mi",
        "ended",
        config(FAULT_MEMORY_MB="400"),
    ),
    Fault(
        "command",
        "the command does not exist",
        "container_start_failed",
        "cannot be started: .*no-such-program",
        "event:Failed",
        {"command": ["no-such-program"]},
    ),
    Fault(
        "readiness",
        "the readiness probe is answered with 503",
        "probe_failing",
        r"readiness probe \(GET /ready on port http\) fails: .*503.* It answers 503: FAULT_NOT_READY is set",
        "event:Unhealthy Readiness probe failed: HTTP",
        {**config(FAULT_NOT_READY="1"), "probes": {"readiness": {"path": "/ready"}}},
    ),
    Fault(
        "liveness",
        "the liveness probe is answered with 503",
        "probe_failing",
        r"restarted because its liveness probe \(GET /health/live on port http\) fails",
        "event:Killing",
        {
            **config(FAULT_UNHEALTHY_AFTER="0"),
            "probes": {
                "readiness": {"path": "/ready", "failureThreshold": 60},
                "liveness": {"path": "/health/live", "periodSeconds": 1, "failureThreshold": 2},
            },
        },
    ),
    Fault(
        "claim",
        "a volume's storage class does not exist",
        "volume_failed",
        "is waiting for a volume: .*unbound",
        "event:FailedScheduling",
        volume(persistentVolumeClaim={"claimName": "data"}),
        before=(
            thing(
                "PersistentVolumeClaim",
                "v1",
                "data",
                {
                    "storageClassName": "fast",
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            ),
        ),
    ),
    Fault(
        "mount",
        "a volume cannot be mounted",
        "volume_failed",
        "cannot be mounted: .*hostPath type check failed",
        "event:FailedMount",
        volume(hostPath={"path": "/no/such/directory", "type": "Directory"}),
    ),
    Fault(
        "cpu",
        "the pod asks for 64 CPUs",
        "unschedulable",
        r"not enough free cpu \(the pod requests 64\)",
        "event:FailedScheduling",
        {"resources": {"requests": {"cpu": "64"}, "limits": {"cpu": "64"}}},
    ),
    Fault(
        "selector",
        "no node has the wanted label",
        "unschedulable",
        "no node matches the node selector disk=ssd",
        "event:FailedScheduling",
        {"nodeSelector": {"disk": "ssd"}},
    ),
    Fault(
        "admission",
        "Pod Security refuses the pod",
        "admission_denied",
        'are rejected: .*violates PodSecurity "restricted:latest".*hostPath',
        "event:FailedCreate",
        volume(hostPath={"path": "/tmp"}),
        namespace_labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    Fault(
        "quota",
        "the namespace's quota is used up",
        "quota_exceeded",
        "are rejected: .*exceeded quota: none",
        "event:FailedCreate",
        SERVE,
        before=(thing("ResourceQuota", "v1", "none", {"hard": {"pods": "0"}}),),
    ),
    Fault(
        "account",
        "the service account is missing",
        "pods_refused",
        'serviceaccount "nobody" not found',
        "event:FailedCreate",
        {"serviceAccount": {"create": False, "name": "nobody"}, **SERVE},
    ),
    Fault(
        "migration",
        "the migration fails, in a hook",
        "job_failed",
        "The hook app-web-migration failed 2 times in a row, last with exit code 1",
        "second end",
        hook(**config(FAULT_MIGRATION="1")),
    ),
    Fault(
        "hook-image",
        "the hook's image is missing",
        "image_missing",
        "container migration is not in the node",
        "event:Failed",
        hook(image={"tag": "sha-0000000000000000", "pullPolicy": "Never"}),
    ),
    Fault(
        "hook-secret",
        "the hook's Secret is missing",
        "config_missing",
        'Container migration lacks part of its configuration: secret "absent" not found',
        "event:Failed",
        hook(existingSecret="absent", secret={}),
    ),
    Fault(
        "hook-cpu",
        "no node takes the hook's pod",
        "unschedulable",
        "not enough free cpu",
        "event:FailedScheduling",
        {
            **hook(),
            "migration": {
                "enabled": True,
                "command": ["true"],
                "resources": {
                    "requests": {"cpu": "64", "memory": "32Mi"},
                    "limits": {"cpu": "64", "memory": "32Mi"},
                },
            },
        },
    ),
    Fault(
        "dns",
        "a host name cannot be resolved",
        "cluster_dns_failing",
        "Container web cannot resolve a name: .*gaierror.* CoreDNS is ready",
        "event:BackOff Back-off restarting",
        {"command": ["python", "-c", "import socket; socket.getaddrinfo('database.invalid', 5432)"]},
    ),
    Fault(
        "endpoints",
        "a Service selects no pod",
        "no_endpoints",
        "The Service api selects app=api, but no pod",
        "available",
        SERVE,
        beside=(service("api", {"app": "api"}, 8000),),
    ),
    Fault(
        "port-name",
        "a Service names a port that the pods lack",
        "service_port_wrong",
        "maps port 80 to a container port named web, which its pods do not have; they have http=8000",
        "available",
        SERVE,
        beside=(service("api", WEB, "web"),),
    ),
    Fault(
        "port-number",
        "a Service leads to a port where nobody listens",
        "service_port_wrong",
        "maps port http to port 9999 of its pods, where nothing listens; they declare 8000",
        "available",
        SERVE,
        beside=(service("api", WEB, 9999),),
    ),
    Fault(
        "ingress-class",
        "the Ingress wants a class that does not exist",
        "ingress_class_missing",
        "uses class no-such-class, which does not exist",
        "available",
        {**SERVE, "ingress": {"kind": "ingress", "className": "no-such-class", "hosts": ["faults.test"]}},
    ),
    Fault(
        "ingress-backend",
        "the Ingress leads to a Service that does not exist",
        "ingress_backend_missing",
        "routes faults.test/ to Service gone, which does not exist",
        "available",
        SERVE,
        beside=(
            thing(
                "Ingress",
                "networking.k8s.io/v1",
                "extra",
                {
                    "ingressClassName": "nginx",
                    "rules": [
                        {
                            "host": "faults.test",
                            "http": {
                                "paths": [
                                    {
                                        "path": "/",
                                        "pathType": "Prefix",
                                        "backend": {"service": {"name": "gone", "port": {"number": 80}}},
                                    }
                                ]
                            },
                        }
                    ],
                },
            ),
        ),
    ),
    Fault(
        "ingress-address",
        "no controller serves the Ingress's class",
        "ingress_no_address",
        "no ready controller was found for class faults-unserved",
        "available",
        {**SERVE, "ingress": {"kind": "ingress", "className": "faults-unserved", "hosts": ["faults.test"]}},
        before=(
            thing("IngressClass", "networking.k8s.io/v1", "faults-unserved", {"controller": "slipway.test/nobody"}),
        ),
    ),
    Fault(
        "quiet",
        "an init container never ends",
        "rollout_stalled",
        r"There was no progress for 5 s and the rollout is not complete \(Deployment raw: 0 of 1 pods",
        "event:Started",
        SERVE,
        beside=(
            workload(
                {
                    "terminationGracePeriodSeconds": 1,
                    "initContainers": [{"name": "wait", "image": "IMAGE", "command": SLEEP}],
                    "containers": [{"name": "raw", "image": "IMAGE", "command": SLEEP}],
                }
            ),
        ),
        options={"quiet_period": 5},
    ),
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def chosen() -> list[Fault]:
    """Return the faults that SLIPWAY_FAULTS_ONLY names, all without it. Raises ValueError for a name that no fault has."""
    names = os.environ.get("SLIPWAY_FAULTS_ONLY", "").split()
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise ValueError(f"SLIPWAY_FAULTS_ONLY names no fault by {', '.join(unknown)}. There are {', '.join(BY_NAME)}.")
    return [BY_NAME[name] for name in names] or list(FAULTS)
