# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rollout is and what its workloads say against its end, from plain API objects. Private to the collection.

Nothing here talks to a cluster: every function takes the dictionaries of the Kubernetes API and takes missing fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._codes import Finding, sentence

Object = Mapping[str, Any]


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


def dig(item: Any, *path: str) -> Any:
    """Return what lies at a path of keys, None when any part of it is missing."""
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def fields(item: Any, *path: str) -> Mapping[str, Any]:
    """Return the dictionary at a path, an empty one when there is none."""
    found = dig(item, *path)
    return found if isinstance(found, Mapping) else {}


def rows(item: Any, *path: str) -> list[Object]:
    """Return the dictionaries of the list at a path."""
    found = dig(item, *path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def number(item: Any, *path: str, default: int = 0) -> int:
    """Return the whole number at a path."""
    found = dig(item, *path)
    if isinstance(found, int):
        return found
    return int(found) if isinstance(found, str) and found.isdigit() else default


def meta(item: Object, key: str) -> str:
    """Return one text of an object's metadata, empty when it is not there."""
    return str(dig(item, "metadata", key) or "")


def labels(item: Object) -> Mapping[str, Any]:
    """Return an object's labels."""
    return fields(item, "metadata", "labels")


def belongs(item: Object, release: str) -> bool:
    """Tell whether an object is part of a Helm release: by the annotation that Helm sets, or by the usual label."""
    owner = fields(item, "metadata", "annotations").get("meta.helm.sh/release-name")
    return bool(owner == release or (owner is None and labels(item).get("app.kubernetes.io/instance") == release))


def is_hook(item: Object) -> bool:
    """Tell whether an object is a Helm hook, which Helm itself waits for; a test is none that a deploy runs."""
    hooks = str(fields(item, "metadata", "annotations").get("helm.sh/hook") or "")
    return any(hook and not hook.strip().startswith("test") for hook in hooks.split(","))


def is_test(item: Object) -> bool:
    """Tell whether an object is there for C(helm test) alone."""
    return "helm.sh/hook" in fields(item, "metadata", "annotations") and not is_hook(item)


def progress(kind: str, item: Object) -> Progress:
    """Return how far a Deployment, StatefulSet, DaemonSet, Job or a hook that is a bare Pod is.

    The conditions are those of C(kubectl rollout status), and for a Job that it is complete.
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
    return Progress(kind, meta(item, "namespace"), meta(item, "name"), not message, ready, wanted, message)


def _deployment(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted = number(spec, "replicas", default=1)
    updated, total, available = (number(status, key) for key in ("updatedReplicas", "replicas", "availableReplicas"))
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
    wanted = number(spec, "replicas", default=1)
    ready, updated = number(status, "readyReplicas"), number(status, "updatedReplicas")
    partition = number(spec, "updateStrategy", "rollingUpdate", "partition")
    if ready < wanted:
        message = f"{ready} of {wanted} pods are ready"
    elif dig(spec, "updateStrategy", "type") != "OnDelete" and updated < wanted - partition:
        message = f"{updated} of {wanted - partition} pods are of the new revision"
    else:
        message = ""
    return ready, wanted, message


def _daemon_set(spec: Object, status: Object) -> tuple[int, int, str]:
    wanted, available = number(status, "desiredNumberScheduled"), number(status, "numberAvailable")
    updated = number(status, "updatedNumberScheduled")
    if dig(spec, "updateStrategy", "type") != "OnDelete" and updated < wanted:
        message = f"{updated} of {wanted} pods are of the new revision"
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


def condition(status: Object, kind: str) -> Object:
    """Return a condition, empty when it is not there."""
    return next((item for item in rows(status, "conditions") if item.get("type") == kind), {})


def is_true(status: Object, kind: str) -> bool:
    """Tell whether a condition is there and true."""
    return bool(condition(status, kind).get("status") == "True")


def selects(workload: Object, pod: Object) -> bool:
    """Tell whether a workload's selector picks a pod."""
    wanted, expressions = (
        fields(workload, "spec", "selector", "matchLabels"),
        rows(workload, "spec", "selector", "matchExpressions"),
    )
    if meta(workload, "namespace") != meta(pod, "namespace") or not (wanted or expressions):
        return False
    mine = labels(pod)
    return matches(wanted, mine) and all(_expression(item, mine) for item in expressions)


def matches(selector: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Tell whether labels are as a plain selector demands."""
    return all(found.get(key) == value for key, value in selector.items())


def _expression(item: Object, found: Mapping[str, Any]) -> bool:
    key, values = str(item.get("key")), item.get("values") or ()
    operator = item.get("operator")
    if operator == "In":
        return found.get(key) in values
    if operator == "NotIn":
        return found.get(key) not in values
    return (key in found) == (operator == "Exists")


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


def owner(item: Object) -> str:
    """Return the UID of an object's controller, empty without one."""
    for one in rows(item, "metadata", "ownerReferences"):
        if one.get("controller"):
            return str(one.get("uid") or "")
    return ""


def _revision(item: Object) -> int:
    return number(item, "metadata", "annotations", "deployment.kubernetes.io/revision")


def about(events: Sequence[Object], item: Object, *reasons: str) -> list[Object]:
    """Return the events about one object, the newest last: by its UID, because a StatefulSet's pods keep their names."""
    uid, name = meta(item, "uid"), meta(item, "name")
    found = [
        event
        for event in events
        if (dig(event, "involvedObject", "uid") == uid if uid else dig(event, "involvedObject", "name") == name)
        and (not reasons or event.get("reason") in reasons)
    ]
    return sorted(found, key=event_time)


def event_time(event: Object) -> str:
    """Return when an event was last seen, in the API's form, which sorts as text."""
    when = dig(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(when or meta(event, "creationTimestamp"))


def event_count(event: Object) -> int:
    """Return how often an event was seen."""
    return max(number(event, "series", "count"), number(event, "count"), 1)


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
        f"The pods of {name} are refused: {sentence(text)}",
        meta(workload, "namespace"),
        name,
        related=(related,) if related else (),
        heals=heals,
    )


def containers(pod: Object) -> Iterator[Object]:
    """Yield the status of every container of a pod, those of its start first."""
    yield from rows(pod, "status", "initContainerStatuses")
    yield from rows(pod, "status", "containerStatuses")


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
