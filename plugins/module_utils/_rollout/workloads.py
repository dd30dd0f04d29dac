# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rollout is and what its workloads say against its end, from plain API objects. Private to the collection.

Nothing here talks to a cluster: every function takes the dictionaries of the Kubernetes API and takes missing fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    about,
    condition,
    containers,
    dig,
    fields,
    is_hook,
    is_true,
    labels,
    meta,
    number,
    owner,
    selects,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding


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


# What an autoscaler scales.
SCALED = ("Deployment", "StatefulSet")


def progress(kind: str, item: Object, least: int = 0) -> Progress:
    """Return how far a Deployment, StatefulSet, DaemonSet, Job or a hook that is a bare Pod is.

    The conditions are those of C(kubectl rollout status), and for a Job that it is complete. C(least) is the minimum of replicas of the
    workload's autoscaler, which it may not have set yet.
    """
    spec, status = fields(item, "spec"), fields(item, "status")
    judge = {
        "Deployment": _deployment,
        "StatefulSet": _stateful_set,
        "DaemonSet": _daemon_set,
        "Job": _job,
        "Pod": _pod,
    }[kind]
    ready, wanted, message = judge(spec, status)
    if kind not in ("Job", "Pod") and number(status, "observedGeneration") < number(item, "metadata", "generation"):
        message = "the controller has not seen the change yet"
    elif wanted < least and kind in SCALED:
        wanted, message = least, f"{ready} of {least} pods, the minimum of the autoscaler, are ready"
    return Progress(kind, meta(item, "namespace"), meta(item, "name"), not message, ready, wanted, message)


def minimums(autoscalers: Sequence[Object]) -> dict[tuple[str, str], int]:
    """Return the minimum of replicas that autoscalers keep, by kind and name of the workload; one that scales to zero keeps none."""
    found = {}
    for item in autoscalers:
        target = fields(item, "spec", "scaleTargetRef")
        found[str(target.get("kind")), str(target.get("name"))] = number(item, "spec", "minReplicas", default=1)
    return found


def _deployment(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted = number(spec, "replicas", default=1)
    updated, total, available = (number(status, key) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated < wanted:
        message = f"{updated} of {wanted} pods run the new revision"
    elif total > updated:
        message = f"{total - updated} old pods are still running"
    elif available < wanted:
        message = f"{available} of {wanted} pods are available"
    else:
        message = ""
    return available, wanted, message


def _stateful_set(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted = number(spec, "replicas", default=1)
    ready, updated = number(status, "readyReplicas"), number(status, "updatedReplicas")
    partition = number(spec, "updateStrategy", "rollingUpdate", "partition")
    if ready < wanted:
        message = f"{ready} of {wanted} pods are ready"
    elif dig(spec, "updateStrategy", "type") != "OnDelete" and updated < wanted - partition:
        message = f"{updated} of {wanted - partition} pods run the new revision"
    else:
        message = ""
    return ready, wanted, message


def _daemon_set(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted, available = number(status, "desiredNumberScheduled"), number(status, "numberAvailable")
    updated = number(status, "updatedNumberScheduled")
    if dig(spec, "updateStrategy", "type") != "OnDelete" and updated < wanted:
        message = f"{updated} of {wanted} pods run the new revision"
    elif available < wanted:
        message = f"{available} of {wanted} pods are available"
    else:
        message = ""
    return available, wanted, message


def _job(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted, succeeded = number(spec, "completions", default=1), number(status, "succeeded")
    if spec.get("suspend") or is_true(status, "Complete"):
        return succeeded, wanted, ""
    return succeeded, wanted, f"{succeeded} of {wanted} runs have succeeded"


def _pod(spec: Object, status: Object) -> tuple[int, int, str]:
    done = status.get("phase") == "Succeeded"
    return int(done), 1, "" if done else "it has not ended yet"


def current_pods(
    kind: str, workload: Object, pods: Sequence[Object], replica_sets: Sequence[Object] = ()
) -> list[Object]:
    """Return the pods of a workload's newest revision: what older ones suffer from is about to go.

    A Deployment's newest ReplicaSet is the one with the greatest revision; a StatefulSet names its own newest revision.
    """
    if kind == "Pod":
        return [workload]
    mine = [pod for pod in pods if selects(workload, pod) and not meta(pod, "deletionTimestamp")]
    if kind == "Deployment":
        newest = newest_set(workload, replica_sets)
        return [pod for pod in mine if owner(pod) == meta(newest, "uid")] if newest else mine
    if kind == "StatefulSet":
        revision = dig(workload, "status", "updateRevision")
        newer = [pod for pod in mine if labels(pod).get("controller-revision-hash") == revision]
        return newer if revision else mine
    if kind == "Job":
        return sorted(mine, key=lambda pod: meta(pod, "creationTimestamp"))
    return mine


def newest_set(workload: Object, replica_sets: Sequence[Object]) -> Object | None:
    """Return a Deployment's newest ReplicaSet."""
    sets = [one for one in replica_sets if owner(one) and owner(one) == meta(workload, "uid")]
    return max(sets, key=_revision) if sets else None


def _revision(item: Object) -> int:
    return number(item, "metadata", "annotations", "deployment.kubernetes.io/revision")


def workload_finding(
    kind: str,
    workload: Object,
    pods: Sequence[Object],
    replica_sets: Sequence[Object] = (),
    events: Sequence[Object] = (),
    crash_restarts: int = 1,
) -> Finding | None:
    """Return what a workload itself says against its end: a failed Job, pods that are refused."""
    if kind == "Job":
        found = _failed_job(workload, pods, crash_restarts)
        if found:
            return found
    if kind == "Pod":
        return _failed_hook_pod(workload)
    return _refused(kind, workload, pods, replica_sets, events)


def _failed_job(job: Object, pods: Sequence[Object], crash_restarts: int) -> Finding | None:
    status, name = fields(job, "status"), meta(job, "name")
    told = next((one for one in (condition(status, "Failed"), condition(status, "FailureTarget")) if one), {})
    failed = number(status, "failed")
    ended = [(pod, code) for pod in pods for code in _exit_codes(pod)]
    last = meta(ended[-1][0], "name") if ended else meta(pods[-1], "name") if pods else ""
    exit_code = f" with exit code {ended[-1][1]}" if ended else ""
    word = "hook" if is_hook(job) else "job"
    if told.get("status") == "True":
        why = sentence(told.get("message") or told.get("reason") or "")
        cause = f"The {word} {name} failed{exit_code}. {why}".strip()
    elif failed > crash_restarts:
        # The Job may try again, with ever longer pauses; the same end twice says enough.
        cause = f"The {word} {name} failed {failed} times in a row, last{exit_code or ' without an exit code'}."
    else:
        return None
    early = told.get("status") != "True"
    return Finding("job_failed", cause, meta(job, "namespace"), f"Job/{name}", pod=last, early=early)


def _exit_codes(pod: Object) -> Iterator[int]:
    for container in containers(pod):
        code = dig(container, "state", "terminated", "exitCode")
        if isinstance(code, int) and code:
            yield code


def _failed_hook_pod(pod: Object) -> Finding | None:
    if dig(pod, "status", "phase") != "Failed":
        return None
    code = next(_exit_codes(pod), None)
    name = meta(pod, "name")
    cause = f"The hook {name} failed{'' if code is None else f' with exit code {code}'}."
    return Finding("job_failed", cause, meta(pod, "namespace"), f"Pod/{name}", pod=name)


_QUOTA = re.compile(r"exceeded quota|failed quota|must specify (limits|requests)")
_ADMISSION = re.compile(r"violates PodSecurity|admission webhook|ValidatingAdmissionPolicy|failed calling webhook")


def _refused(
    kind: str, workload: Object, pods: Sequence[Object], replica_sets: Sequence[Object], events: Sequence[Object]
) -> Finding | None:
    """Return why the API server creates no pods: by the Deployment's condition, otherwise by the owner's events."""
    told = condition(fields(workload, "status"), "ReplicaFailure")
    text = str(told.get("message") or told.get("reason") or "") if told.get("status") == "True" else ""
    parent = newest_set(workload, replica_sets) if kind == "Deployment" else workload
    related = f"ReplicaSet/{meta(parent, 'name')}" if parent and kind == "Deployment" else ""
    if not text and parent:
        failed = about(events, parent, "FailedCreate")
        text = str(failed[-1].get("message") or "") if failed else ""
    if not text or pods:
        return None
    name = f"{kind}/{meta(workload, 'name')}"
    if _QUOTA.search(text):
        code, heals = "quota_exceeded", None
    elif _ADMISSION.search(text):
        # A webhook that cannot be reached may come up; a rule stays as it is.
        code, heals = "admission_denied", "failed calling webhook" in text
    else:
        code, heals = "pods_refused", None
    return Finding(
        code,
        f"The pods of {name} are rejected: {sentence(text)}",
        meta(workload, "namespace"),
        name,
        related=(related,) if related else (),
        heals=heals,
    )


def mark(items: Sequence[Progress], pods: Sequence[Object]) -> str:
    """Return a text that changes whenever anything moves: the quiet period starts anew with it."""
    parts = [f"{item.kind}/{item.namespace}/{item.name}:{item.ready}:{item.message}" for item in items]
    for pod in pods:
        states = [
            f"{one.get('name')}={','.join(fields(one, 'state'))}:{one.get('ready')}:{one.get('started')}"
            for one in containers(pod)
        ]
        parts.append(f"{meta(pod, 'name')}:{dig(pod, 'status', 'phase')}:{';'.join(states)}")
    return "\n".join(sorted(parts))
