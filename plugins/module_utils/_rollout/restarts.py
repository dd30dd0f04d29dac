# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete pods one by one while addresses are asked all the time. Private to the collection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.statistics import percentiles
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    split_address,
    without_query,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.client import Client
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import ApiError
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
from ansible_collections.slipway.kube.plugins.module_utils._rollout.workloads import progress

MAX_RATE = 1000.0
MAX_IN_FLIGHT = 256
MAX_BODY_BYTES = 64 * 1024 * 1024
NAME_THREADS = 4
KEPT_FAILURES = 5
SETTLE_SECONDS = 2.0
"""How long the last new pod is still asked: a readiness probe that says yes too early shows only now."""

_APPS = "/apis/apps/v1/namespaces/{}"
_LEFT_OUT = {
    "statefulsets": ("StatefulSet", "its pods keep their names and data, so one that goes is missed until it is back"),
    "daemonsets": ("DaemonSet", "it has one pod on each node"),
}


@dataclass(frozen=True)
class Ask:
    """What is asked in turn, how often in a second altogether, and how many seconds one request may take."""

    urls: Sequence[str]
    resolve: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: float = 50.0
    timeout: float = 5.0

    def __post_init__(self) -> None:
        """Raise ValueError, a sentence, for what cannot be asked."""
        if not self.urls:
            raise ValueError("urls: give at least one address to ask.")
        for url in self.urls:
            if not _is_http(url):
                raise ValueError(f"urls: {without_query(url)!r} cannot be asked. Write it as http://host:port/path.")
        if not 1 <= self.rate <= MAX_RATE:
            raise ValueError(f"rate: it lies between 1 and {MAX_RATE:.0f} requests a second, not {self.rate:g}.")
        if self.timeout <= 0:
            raise ValueError("timeout: it must be more than 0 seconds.")
        for host, address in self.resolve.items():
            try:
                split_address(address)
            except ValueError as error:
                raise ValueError(f"resolve.{host}: {error}.") from None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and not any(ord(letter) < 33 for letter in url)


@dataclass(frozen=True)
class Failure:
    """One request that failed: when it was sent, to where, why, and which pod was being deleted (empty for none)."""

    time: str
    url: str
    code: str
    error: str
    pod: str

    def as_result(self) -> dict[str, str]:
        """Return the shape of a result."""
        return {"time": self.time, "url": self.url, "code": self.code, "error": self.error, "pod": self.pod}


class Asker:
    """Asks at a steady rate, each request over a connection of its own, from one thread beside the caller's.

    A context: entering asks each address once and raises ValueError when one fails, leaving waits for what is under way.
    The counts are written by its thread alone; C(pod) is set by the caller to name what is being deleted.
    """

    def __init__(self, ask: Ask, give_up_after: int = 20) -> None:
        self.pod = ""
        self.requests = 0
        self.failed = 0
        self.failures: list[Failure] = []
        self._ask = ask
        self._give_up_after = give_up_after
        self._options = ConnectOptions(resolve={host.lower(): address for host, address in ask.resolve.items()})
        self._requests = [Request("GET", url.partition("#")[0], dict(ask.headers)) for url in ask.urls]
        self._times: list[float] = []
        self._ended = threading.Event()
        self._crash: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="slipway-restart-test", daemon=True)

    @property
    def gave_up(self) -> bool:
        """Whether so many requests have failed that more would prove nothing."""
        return self.failed >= self._give_up_after

    @property
    def dead(self) -> bool:
        """Whether asking has ended before its time."""
        return self._crash is not None

    def latency(self) -> dict[str, float]:
        """Return p50_ms, p95_ms, p99_ms and max_ms of the requests that did not fail, empty without any."""
        found = percentiles(self._times)
        return {f"{name}_ms": found[name] for name in ("p50", "p95", "p99", "max") if name in found}

    def __enter__(self) -> Asker:
        """Ask each address once, then begin."""
        for request in self._requests:
            try:
                asyncio.run(self._once(self._client(), request))
            except CheckError as error:
                raise ValueError(
                    f"{without_query(request.url)} fails before any pod is deleted: {error.message} "
                    f"{error.fault.suggestion}"
                ) from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End; raises ValueError when asking ended by itself, because its counts then prove nothing."""
        self._ended.set()
        self._thread.join()
        if self._crash and kind is None:
            cause = f"{type(self._crash).__name__}: {self._crash}"
            raise ValueError(f"The requests ended too early ({cause}). Report this with the task's options.")

    def _client(self) -> Client:
        return Client(Connector(ThreadPool(NAME_THREADS)), MAX_BODY_BYTES, self._options)

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # handed over to the thread that waits
            self._crash = error

    async def _run(self) -> None:
        client, loop = self._client(), asyncio.get_running_loop()
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        due = loop.time()
        async with asyncio.TaskGroup() as running:
            while not self._ended.is_set() and not self.gave_up:
                await slots.acquire()
                running.create_task(self._one(client)).add_done_callback(lambda _task: slots.release())
                # A moment without time for this process must not become a burst of requests.
                due = max(due + 1 / self._ask.rate, loop.time())
                await asyncio.sleep(due - loop.time())

    async def _one(self, client: Client) -> None:
        pod, sent = self.pod, datetime.now(timezone.utc)
        request = self._requests[self.requests % len(self._requests)]
        since = time.monotonic()
        self.requests += 1
        try:
            await self._once(client, request)
        except CheckError as error:
            self.failed += 1
            if len(self.failures) < KEPT_FAILURES:
                when = sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                # A request that was under way when the first pod went may have failed for it.
                self.failures.append(
                    Failure(when, without_query(request.url), error.code, error.message, pod or self.pod)
                )
        else:
            self._times.append((time.monotonic() - since) * 1000)

    async def _once(self, client: Client, request: Request) -> None:
        """Send one request; raises CheckError unless it is answered in time with 2xx or 3xx."""
        timings = Timings()
        try:
            async with asyncio.timeout(self._ask.timeout):
                response = await client.send(request, timings)
        except TimeoutError:
            raise CheckError(timings.timeout_code, f"The timeout is {self._ask.timeout:g} s.") from None
        if not 200 <= response.status < 400:
            raise CheckError("status_unexpected", f"It is {response.status}.")


# ---------------------------------------------------------------- deleting
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


class Asking(Protocol):
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
    asking: Asking,
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
        asking.pod = target.pod
        try:
            api.request("DELETE", f"/api/v1/namespaces/{target.namespace}/pods/{target.pod}")
        except ApiError as error:
            if error.status != 404:
                raise
            continue  # an autoscaler or another person was faster
        deleted.append(target)
        while missing := _missing(api, target):
            if asking.gave_up or asking.dead:
                return Outcome(tuple(deleted), "", clock() - start)
            if clock() - start >= deadline:
                stuck = f"Deployment {target.deployment} is not whole again: {missing}"
                return Outcome(tuple(deleted), stuck, clock() - start)
            sleep(interval)
        if asking.gave_up or asking.dead:
            return Outcome(tuple(deleted), "", clock() - start)
    if deleted and settle:
        sleep(settle)
    return Outcome(tuple(deleted), "", clock() - start)


def _missing(api: Api, target: Target) -> str:
    """Return what a Deployment still lacks after one of its pods was deleted, empty when it is whole."""
    deployment = api.request("GET", f"{_APPS.format(target.namespace)}/deployments/{target.deployment}")
    pods = _pods(api, deployment)
    if any(meta(pod, "uid") == target.uid for pod in pods):
        return f"pod {target.pod} has not gone yet"
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


# ---------------------------------------------------------------- telling
def fault(asker: Asker, outcome: Outcome) -> str:
    """Return why a test has failed, as lines of cause, evidence and one suggestion; empty when it has passed."""
    if asker.failed:
        first = asker.failures[0]
        pods = f"{len(outcome.deleted)} pod{'s' * (len(outcome.deleted) != 1)}"
        early = ", and the test was ended early" if asker.gave_up else ""
        cause = f"{asker.failed} of {asker.requests} requests failed while {pods} went{early}."
        beside = f" while pod {first.pod} was being deleted" if first.pod else ""
        evidence = f"The first, to {first.url}, failed at {first.time}{beside}: {first.error}"
        template = next((one.template for one in outcome.deleted if one.pod == first.pod), {})
        return "\n".join([cause, evidence, f"What to do: {suggestion(template)}"])
    if outcome.stuck:
        return "\n".join(
            [
                f"The restart test did not end within its deadline: {outcome.stuck}.",
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
