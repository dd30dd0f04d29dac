# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What state a rollout is in and why it cannot end, from plain API objects. Private to the collection.

Nothing here talks to a cluster: every function takes the dictionaries of the Kubernetes API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Code:
    """One entry of the closed list of diagnoses. A code that may heal is believed only after a while."""

    suggestion: str
    may_heal: bool = False


CODES: Mapping[str, Code] = {
    "image_pull_failed": Code(
        "Build and deliver the image (--tags build), or correct repository, tag and the registry's credentials."
    ),
    "image_missing": Code("Deliver the image to the node: run the playbook with --tags build."),
    "image_name_invalid": Code("Correct repository and tag of the image in the release's values."),
    "config_missing": Code("Add the key to application_secrets or to the chart's config, and deploy again."),
    "crash_loop": Code("Read the log lines, correct the component or its configuration, and deploy again."),
    "out_of_memory": Code("Raise resources.limits.memory of the component, or find what needs so much."),
    "container_start_failed": Code("Correct the command, the user or the volumes that the message names."),
    "volume_failed": Code("Correct the volume or the Secret or ConfigMap that it mounts.", may_heal=True),
    "unschedulable": Code("Lower the requests or replicas, free resources, or enlarge the cluster.", may_heal=True),
    "pods_refused": Code("Correct the quota, the Pod Security level or the service account that refuses the pods."),
    "job_failed": Code("Read the log lines, correct the cause, and deploy again."),
    "probe_failing": Code("Ask the probe's path inside the pod, and read the log lines for why it is not ready."),
    "workloads_missing": Code("Deploy the release (--tags deploy); if it is deployed, look at its manifest."),
    "rollout_stalled": Code("Look at the pods by kubectl describe; nothing has moved for the quiet period."),
    "deadline_passed": Code("Raise the deadline, or look at why the pods need so long."),
    "cluster_unreachable": Code("Bring the cluster up (--tags setup), or correct kubeconfig and context."),
}

_WAITING: Mapping[str, str] = {
    "ImagePullBackOff": "image_pull_failed",
    "ErrImageNeverPull": "image_missing",
    "InvalidImageName": "image_name_invalid",
    "ErrInvalidImageName": "image_name_invalid",
    "CreateContainerConfigError": "config_missing",
    "CrashLoopBackOff": "crash_loop",
    "RunContainerError": "container_start_failed",
    "CreateContainerError": "container_start_failed",
}


@dataclass(frozen=True)
class Progress:
    """How far one workload is."""

    kind: str
    namespace: str
    name: str
    done: bool
    ready: int
    wanted: int
    message: str

    def as_result(self) -> dict[str, Any]:
        """Return the shape of a result."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "done": self.done,
            "ready": self.ready,
            "wanted": self.wanted,
            "message": self.message,
        }


@dataclass(frozen=True)
class Finding:
    """Why a rollout cannot end. C(container) is empty when it is not about one."""

    code: str
    cause: str
    namespace: str
    object: str
    container: str = ""
    previous_log: bool = False
    pod: str = ""


def meta(item: Object, key: str, default: Any = "") -> Any:
    """Return one field of an object's metadata."""
    return (item.get("metadata") or {}).get(key) or default


def belongs(item: Object, release: str) -> bool:
    """Tell whether an object is part of a Helm release: by the annotation that Helm sets, or by the usual label."""
    annotations, labels = meta(item, "annotations", {}), meta(item, "labels", {})
    owner = annotations.get("meta.helm.sh/release-name")
    return bool(owner == release or (owner is None and labels.get("app.kubernetes.io/instance") == release))


def is_hook(item: Object) -> bool:
    """Tell whether an object is a Helm hook, which Helm itself waits for."""
    return "helm.sh/hook" in meta(item, "annotations", {})


def progress(kind: str, item: Object) -> Progress:
    """Return how far a Deployment, StatefulSet, DaemonSet or Job is.

    The conditions are those of ``kubectl rollout status``, and for a Job that it is complete.
    """
    spec, status = item.get("spec") or {}, item.get("status") or {}
    judge = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set, "Job": _job}[kind]
    ready, wanted, message = judge(spec, status)
    if kind != "Job" and int(status.get("observedGeneration") or 0) < int(meta(item, "generation", 0)):
        message = "the controller has not seen the change yet"
    return Progress(kind, meta(item, "namespace"), meta(item, "name"), not message, ready, wanted, message)


def _number(fields: Object, key: str, default: int = 0) -> int:
    value = fields.get(key)
    return default if value is None else int(value)


def _deployment(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted = _number(spec, "replicas", 1)
    updated, total, available = (_number(status, key) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated < wanted:
        message = f"{updated} of {wanted} pods are of the new revision"
    elif total > updated:
        message = f"{total - updated} old pods have not gone yet"
    elif available < wanted:
        message = f"{available} of {wanted} pods are available"
    else:
        message = ""
    return available, wanted, message


def _stateful_set(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted = _number(spec, "replicas", 1)
    ready, updated = _number(status, "readyReplicas"), _number(status, "updatedReplicas")
    strategy = spec.get("updateStrategy") or {}
    partition = _number(strategy.get("rollingUpdate") or {}, "partition")
    if ready < wanted:
        message = f"{ready} of {wanted} pods are ready"
    elif strategy.get("type") != "OnDelete" and updated < wanted - partition:
        message = f"{updated} of {wanted - partition} pods are of the new revision"
    else:
        message = ""
    return ready, wanted, message


def _daemon_set(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted, available = _number(status, "desiredNumberScheduled"), _number(status, "numberAvailable")
    updated = _number(status, "updatedNumberScheduled")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete" and updated < wanted:
        message = f"{updated} of {wanted} pods are of the new revision"
    elif available < wanted:
        message = f"{available} of {wanted} pods are available"
    else:
        message = ""
    return available, wanted, message


def _job(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted, succeeded = _number(spec, "completions", 1), _number(status, "succeeded")
    if spec.get("suspend") or condition(status, "Complete") == "True":
        return succeeded, wanted, ""
    return succeeded, wanted, f"{succeeded} of {wanted} runs have succeeded"


def condition(status: Object, kind: str) -> str:
    """Return the status of a condition, empty when it is not there."""
    found = _condition(status, kind)
    return str(found.get("status", "")) if found else ""


def _condition(status: Object, kind: str) -> Object | None:
    for item in status.get("conditions") or ():
        if item.get("type") == kind:
            return dict(item)
    return None


def selects(workload: Object, pod: Object) -> bool:
    """Tell whether a workload's selector picks a pod."""
    selector = (workload.get("spec") or {}).get("selector") or {}
    labels = meta(pod, "labels", {})
    wanted = selector.get("matchLabels") or {}
    if meta(workload, "namespace") != meta(pod, "namespace"):
        return False
    if not wanted and not selector.get("matchExpressions"):
        return False
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression(item, labels) for item in selector.get("matchExpressions") or ()
    )


def _expression(item: Object, labels: Mapping[str, str]) -> bool:
    key, values = str(item.get("key")), item.get("values") or ()
    operator = item.get("operator")
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def current_pods(
    kind: str, workload: Object, pods: Sequence[Object], replica_sets: Sequence[Object] = ()
) -> list[Object]:
    """Return the pods of a workload's newest revision: what older ones suffer from is about to go.

    A Deployment's newest ReplicaSet is the one with the greatest revision; a StatefulSet names its own newest revision.
    """
    mine = [pod for pod in pods if selects(workload, pod) and not meta(pod, "deletionTimestamp")]
    if kind == "Deployment":
        sets = [one for one in replica_sets if _owner(one) == meta(workload, "uid")]
        if sets:
            newest = max(sets, key=lambda one: int(_revision(one)))
            return [pod for pod in mine if _owner(pod) == meta(newest, "uid")]
    if kind == "StatefulSet":
        revision = (workload.get("status") or {}).get("updateRevision")
        newer = [pod for pod in mine if meta(pod, "labels", {}).get("controller-revision-hash") == revision]
        return newer if revision else mine
    if kind == "Job":
        return sorted(mine, key=lambda pod: str(meta(pod, "creationTimestamp")))
    return mine


def _owner(item: Object) -> str:
    for owner in meta(item, "ownerReferences", ()):
        if owner.get("controller"):
            return str(owner.get("uid"))
    return ""


def _revision(item: Object) -> str:
    return str(meta(item, "annotations", {}).get("deployment.kubernetes.io/revision", "0"))


def workload_finding(kind: str, workload: Object, pods: Sequence[Object]) -> Finding | None:
    """Return what a workload itself says against its end: a failed Job, pods that are refused."""
    status = workload.get("status") or {}
    name, namespace = f"{kind}/{meta(workload, 'name')}", meta(workload, "namespace")
    if kind == "Job" and condition(status, "Failed") == "True":
        found = _condition(status, "Failed") or {}
        last = meta(pods[-1], "name") if pods else ""
        detail = _sentence(found.get("message") or found.get("reason") or "")
        return Finding(
            "job_failed", f"The job {meta(workload, 'name')} failed. {detail}".strip(), namespace, name, pod=last
        )
    refused = _condition(status, "ReplicaFailure")
    if refused and refused.get("status") == "True" and not pods:
        cause = f"The pods of {name} are refused. {_sentence(refused.get('message') or '')}".strip()
        return Finding("pods_refused", cause, namespace, name)
    return None


def _sentence(text: str, longest: int = 300) -> str:
    words = " ".join(str(text).split())
    words = words if len(words) <= longest else words[: longest - 1] + "…"
    return words if not words or words[-1] in ".…" else words + "."


def _containers(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def pod_findings(pod: Object, crash_restarts: int = 1) -> Iterator[Finding]:
    """Yield everything in a pod's status that keeps it from getting ready, the surest first."""
    name, namespace = meta(pod, "name"), meta(pod, "namespace")
    for container in _containers(pod):
        found = _container_finding(pod, container, crash_restarts)
        if found:
            yield found
    scheduled = _condition(pod.get("status") or {}, "PodScheduled")
    if scheduled and scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        cause = f"No node takes the pod. {_sentence(scheduled.get('message') or '')}"
        yield Finding("unschedulable", cause, namespace, f"Pod/{name}")


def _container_finding(pod: Object, container: Object, crash_restarts: int) -> Finding | None:
    name, namespace, label = meta(pod, "name"), meta(pod, "namespace"), str(container.get("name"))
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    last = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    restarts = _number(container, "restartCount")

    def finding(code: str, cause: str, previous: bool = False) -> Finding:
        return Finding(code, cause, namespace, f"Pod/{name}", label, previous, pod=name if previous else "")

    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        limit = _limit(pod, label)
        cause = f"Container {label} was killed because it used more memory than its limit{limit}."
        return finding("out_of_memory", cause, previous="terminated" not in state)
    reason = str(waiting.get("reason") or "")
    code = _WAITING.get(reason)
    if code is None or (code == "crash_loop" and restarts < crash_restarts):
        return None
    message = _sentence(waiting.get("message") or reason)
    if code == "crash_loop":
        cause = f"Container {label} ends again and again, last with exit code {last.get('exitCode', '?')}."
        return finding(code, cause, previous=True)
    if code in ("image_pull_failed", "image_missing", "image_name_invalid"):
        cause = f"The image {container.get('image')} of container {label} cannot be had: {message}"
        return finding(code, cause)
    words = "misses a part of its configuration" if code == "config_missing" else "cannot be started"
    return finding(code, f"Container {label} {words}: {message}")


def _limit(pod: Object, container: str) -> str:
    for item in (pod.get("spec") or {}).get("containers") or ():
        if item.get("name") == container:
            memory = ((item.get("resources") or {}).get("limits") or {}).get("memory")
            return f" of {memory}" if memory else ""
    return ""


def not_ready(pods: Sequence[Object]) -> Finding | None:
    """Return the first pod that runs without getting ready, for the time when nothing else explains a stop."""
    for pod in pods:
        for container in _containers(pod):
            if not container.get("ready") and "running" in (container.get("state") or {}):
                name, label = meta(pod, "name"), str(container.get("name"))
                cause = f"Container {label} runs, but its readiness or startup probe does not pass."
                return Finding("probe_failing", cause, meta(pod, "namespace"), f"Pod/{name}", label, pod=name)
    return None


def mark(items: Sequence[Progress], pods: Sequence[Object]) -> str:
    """Return a text that changes whenever anything moves: the quiet period starts anew with it."""
    parts = [f"{item.kind}/{item.namespace}/{item.name}:{item.ready}:{item.message}" for item in items]
    for pod in pods:
        states = [
            f"{one.get('name')}={','.join(one.get('state') or {})}:{one.get('ready')}:{one.get('started')}"
            for one in _containers(pod)
        ]
        parts.append(f"{meta(pod, 'name')}:{(pod.get('status') or {}).get('phase')}:{';'.join(states)}")
    return "\n".join(sorted(parts))
