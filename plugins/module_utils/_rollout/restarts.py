# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete pods one by one while requests are sent all the time. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api, ApiError
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    belongs,
    dig,
    is_hook,
    is_test,
    is_true,
    meta,
    number,
    owner,
    rows,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.load import LoadGenerator
from ansible_collections.slipway.kube.plugins.module_utils._rollout.workloads import progress

SETTLE_SECONDS = 2.0
"""How long the last new pod is still asked: a readiness probe that says yes too early shows only now."""

_APPS = "/apis/apps/v1/namespaces/{}"
_LEFT_OUT = {
    "statefulsets": ("StatefulSet", "its pods keep their names and data, so one that goes is missed until it is back"),
    "daemonsets": ("DaemonSet", "it has one pod on each node"),
}


@dataclass(frozen=True)
class Target:
    """One pod to delete, and the Deployment that brings another."""

    namespace: str
    deployment: str
    pod: str
    uid: str
    template: Object

    def as_result(self) -> dict[str, str]:
        """Return the shape of a result."""
        return {"namespace": self.namespace, "deployment": self.deployment, "pod": self.pod}


@dataclass(frozen=True)
class Plan:
    """The pods to delete, in their order, and the workloads that are left out, each with the reason."""

    targets: tuple[Target, ...]
    left_out: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """What was deleted, what did not come back (empty when all did), and how many seconds that took."""

    deleted: tuple[Target, ...]
    stuck: str
    seconds: float


class Load(Protocol):
    """What deleting needs to know of the requests beside it."""

    pod: str

    @property
    def gave_up(self) -> bool: ...

    @property
    def dead(self) -> bool: ...


def plan(api: Api, releases: Sequence[tuple[str, str]]) -> Plan:
    """Return what a test of releases, pairs of namespace and name, would delete."""
    targets: list[Target] = []
    left_out: list[dict[str, str]] = []
    for namespace in dict.fromkeys(namespace for namespace, _name in releases):
        names = [name for where, name in releases if where == namespace]

        def of(kind: str, where: str = namespace, mine: Sequence[str] = names) -> list[Object]:
            return [
                item
                for item in api.items(f"{_APPS.format(where)}/{kind}")
                if any(belongs(item, name) for name in mine) and not is_hook(item) and not is_test(item)
            ]

        for deployment in of("deployments"):
            ready = [pod for pod in _pods(api, deployment) if _is_ready(pod)]
            wanted = number(deployment, "spec", "replicas", default=1)
            if wanted < 2 or len(ready) < 2:
                why = f"{len(ready)} of its {wanted} pods are ready" if wanted > 1 else f"its replicas are {wanted}"
                left_out.append(_reason("Deployment", deployment, f"{why}, and the test needs 2"))
                continue
            template = dig(deployment, "spec", "template", "spec") or {}
            targets += [
                Target(namespace, meta(deployment, "name"), meta(pod, "name"), meta(pod, "uid"), template)
                for pod in sorted(ready, key=lambda pod: meta(pod, "name"))
            ]
        for kinds, (kind, why) in _LEFT_OUT.items():
            left_out += [_reason(kind, item, why) for item in of(kinds)]
    return Plan(tuple(targets), tuple(left_out))


def restart(
    api: Api,
    targets: Sequence[Target],
    load: Load,
    deadline: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    interval: float = 0.5,
    settle: float = SETTLE_SECONDS,
) -> Outcome:
    """Delete one pod after the other, each when its Deployment is whole again and the pod before it has gone.

    Ends early when the requests give up, or when C(deadline) seconds have passed.
    """
    start = clock()
    deleted: list[Target] = []
    for target in targets:
        if clock() - start >= deadline:
            left = len(targets) - len(deleted)
            return Outcome(tuple(deleted), f"{left} of {len(targets)} pods are not deleted yet", clock() - start)
        load.pod = target.pod
        try:
            api.request("DELETE", f"/api/v1/namespaces/{target.namespace}/pods/{target.pod}")
        except ApiError as error:
            if error.status != 404:
                raise
            continue  # an autoscaler or another person was faster
        deleted.append(target)
        while missing := _missing(api, target):
            if load.gave_up or load.dead:
                return Outcome(tuple(deleted), "", clock() - start)
            if clock() - start >= deadline:
                stuck = f"Deployment {target.deployment} is not complete again: {missing}"
                return Outcome(tuple(deleted), stuck, clock() - start)
            sleep(interval)
        if load.gave_up or load.dead:
            return Outcome(tuple(deleted), "", clock() - start)
    if deleted and settle:
        sleep(settle)
    return Outcome(tuple(deleted), "", clock() - start)


def _missing(api: Api, target: Target) -> str:
    """Return what a Deployment still lacks after one of its pods was deleted, empty when it is whole."""
    deployment = api.request("GET", f"{_APPS.format(target.namespace)}/deployments/{target.deployment}")
    pods = _pods(api, deployment)
    if any(meta(pod, "uid") == target.uid for pod in pods):
        return f"pod {target.pod} is still running"
    # The Deployment's own status may be older than the deletion, so its pods are counted too.
    ready, wanted = sum(_is_ready(pod) for pod in pods), number(deployment, "spec", "replicas", default=1)
    if ready < wanted:
        return f"{ready} of {wanted} pods are ready"
    return progress("Deployment", deployment).message


def _pods(api: Api, deployment: Object) -> list[Object]:
    """Return the pods of all of a Deployment's ReplicaSets: labels alone may pick those of a Job too."""
    namespace = meta(deployment, "namespace")
    sets = {
        meta(one, "uid")
        for one in api.items(f"{_APPS.format(namespace)}/replicasets")
        if owner(one) == meta(deployment, "uid")
    }
    return [pod for pod in api.items(f"/api/v1/namespaces/{namespace}/pods") if owner(pod) in sets]


def _is_ready(pod: Object) -> bool:
    return not meta(pod, "deletionTimestamp") and is_true(dig(pod, "status") or {}, "Ready")


def _reason(kind: str, item: Object, why: str) -> dict[str, str]:
    return {"kind": kind, "namespace": meta(item, "namespace"), "name": meta(item, "name"), "reason": f"{why}."}


def fault(generator: LoadGenerator, outcome: Outcome) -> str:
    """Return why a test has failed, as lines of cause, evidence and one suggestion; empty when it has passed."""
    if generator.failed:
        first = generator.failures[0]
        count = len(outcome.deleted)
        pods = "1 pod was" if count == 1 else f"{count} pods were"
        early = ", and the test was ended early" if generator.gave_up else ""
        cause = f"{generator.failed} of {generator.requests} requests failed while {pods} deleted{early}."
        beside = f" while pod {first.pod} was being deleted" if first.pod else ""
        evidence = f"The first, to {first.url}, failed at {first.time}{beside}: {first.error}"
        template = next((one.template for one in outcome.deleted if one.pod == first.pod), {})
        return "\n".join([cause, evidence, f"What to do: {suggestion(template)}"])
    if outcome.stuck:
        return "\n".join(
            [
                f"The restart test did not finish within its deadline: {outcome.stuck}.",
                f"No request failed in {outcome.seconds:.0f} s; {len(outcome.deleted)} pods were deleted.",
                "What to do: See why with rollout_status, or raise the deadline if the pods just need longer.",
            ]
        )
    return ""


def suggestion(template: Object) -> str:
    """Return the one thing that a pod's specification most likely lacks to go without a failed request."""
    containers = rows(template, "containers")
    sleeps = [number(one, "lifecycle", "preStop", "sleep", "seconds") for one in containers]
    grace = number(template, "terminationGracePeriodSeconds", default=30)
    if containers and not any(dig(one, "lifecycle", "preStop") for one in containers):
        return (
            "Give the container a preStop sleep of about 5 s: without it the process stops listening before "
            "the Service and the Ingress know that the pod goes."
        )
    if sleeps and grace <= max(sleeps):
        return (
            f"Raise terminationGracePeriodSeconds ({grace}) above the preStop sleep ({max(sleeps)} s), or the process is "
            "killed before it may end its requests."
        )
    if containers and not any(dig(one, "readinessProbe") for one in containers):
        return "Give the container a readinessProbe, or a new pod is asked before it can answer."
    return (
        "Have the process end its open requests when it gets SIGTERM, raise the preStop sleep and with it "
        "terminationGracePeriodSeconds, or let the readiness probe say yes later."
    )
