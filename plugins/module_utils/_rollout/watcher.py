# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the rollout of releases. Private to the collection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker, hard_to_hide
from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api, KubernetesError, UnreachableError
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    belongs,
    condition,
    dig,
    event_time,
    fields,
    is_hook,
    is_test,
    is_true,
    labels,
    meta,
    number,
    secret_values,
    selects,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES, Finding
from ansible_collections.slipway.kube.plugins.module_utils._rollout.pods import (
    lookup_failure,
    node_finding,
    not_ready,
    pod_findings,
    probe_target,
    restarted,
    unready,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.routes import (
    class_words,
    has_address,
    ingress_finding,
    service_finding,
    serving,
    undeclared_ports,
    unserved,
    wrong_port,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.workloads import (
    SCALED,
    Progress,
    current_pods,
    mark,
    minimums,
    progress,
    workload_finding,
)

_LISTS = (
    ("Deployment", "/apis/apps/v1/namespaces/{}/deployments"),
    ("StatefulSet", "/apis/apps/v1/namespaces/{}/statefulsets"),
    ("DaemonSet", "/apis/apps/v1/namespaces/{}/daemonsets"),
    ("Job", "/apis/batch/v1/namespaces/{}/jobs"),
)
_PODS = "/api/v1/namespaces/{}/pods"
# What a hook that is still to come cannot put right: an after-install hook may well make a Secret or migrate a database.
_NO_HOOK_HELPS = frozenset(
    {
        "image_not_found",
        "image_pull_refused",
        "image_pull_failed",
        "image_missing",
        "image_name_invalid",
        "runs_as_root",
        "unschedulable",
        "admission_denied",
        "quota_exceeded",
        "node_not_ready",
        "node_pressure",
    }
)
_NODES_EVERY = 5.0
# Helm's records of releases are Secrets too, and by far the largest ones.
_NOT_HELM = "type!=helm.sh/release.v1"
_MOST_LOG = 16384  # bytes of a log
_LONGEST_PAUSE = 2.0  # between looks that fail


@dataclass(frozen=True)
class Options:
    """How long to wait, all in seconds, how many restarts make a crash loop, and what is judged.

    C(restart_period) is how long ago a restart may have been that counts when everything is ready; 0 counts none.
    So many looks in a row may fail as C(failed_looks) says, about 15 s: an API server that starts anew takes as long.
    """

    deadline: float = 300.0
    quiet: float = 120.0
    heal: float = 10.0
    interval: float = 0.25
    failed_looks: int = 10
    crash_restarts: int = 1
    restart_period: float = 600.0
    log_lines: int = 8
    hooks: bool = False
    routes: bool = True
    selector: str = ""


@dataclass(frozen=True)
class Outcome:
    """The end of the waiting: how far every workload is, and what is wrong if anything is."""

    workloads: tuple[Progress, ...]
    diagnosis: dict[str, Any] | None
    seconds: float


@dataclass(frozen=True)
class _Snapshot:
    """One round of lists: workloads with their progress, and by namespace what explains the unfinished ones."""

    workloads: list[tuple[str, Object]]
    items: list[Progress]
    missing: list[str]
    pods: dict[str, list[Object]]
    sets: dict[str, list[Object]]
    events: dict[str, list[Object]]

    def unfinished(self) -> list[tuple[str, Object, list[Object]]]:
        """Return what is not rolled out, each with the pods of its newest revision."""
        return [
            (kind, item, current_pods(kind, item, self.pods.get(one.namespace, []), self.sets.get(one.namespace, [])))
            for (kind, item), one in zip(self.workloads, self.items, strict=True)
            if not one.done
        ]

    def about(self, namespace: str) -> list[Object]:
        """Return the events of a namespace."""
        return self.events.get(namespace, [])


class Watcher:
    """Looks at the workloads of releases until they are there, cannot get there, or time is up."""

    def __init__(
        self,
        api: Api,
        releases: Sequence[tuple[str, str]],
        options: Options,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        masker: Masker | None = None,
        today: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """C(releases) are pairs of namespace and name; an empty name means everything that the selector picks there.

        The masker learns the values of the cluster's Secrets before anything that pods have printed is shown. C(warnings) names those
        that it cannot hide.
        """
        self.warnings: list[str] = []
        self._masker = masker or Masker()
        self._learned: set[str] = set()
        self._api = api
        self._releases = list(releases)
        self._options = options
        self._clock = clock
        self._sleep = sleep
        self._today = today
        self._first_seen: dict[tuple[str, str], float] = {}
        self._nodes: tuple[float, list[Object]] | None = None
        self._minimums: dict[str, dict[tuple[str, str], int]] = {}
        self._before: dict[str, int] | None = None

    def wait(self) -> Outcome:
        """Wait; one look is taken even with a deadline of 0."""
        options = self._options
        start = moved = self._clock()
        last = ""
        good: _Snapshot | None = None
        failed = 0
        while True:
            try:
                look = self._look()
                done, finding = self._judge(look)
            except KubernetesError as error:
                failed += 1
                left = options.deadline - (self._clock() - start)
                may_pass = error.passing and (good is not None or not isinstance(error, UnreachableError))
                if may_pass and failed < options.failed_looks and left > 0:
                    self._sleep(min(options.interval * 2**failed, _LONGEST_PAUSE, left))
                    continue
                if good is None:
                    raise
                return Outcome(tuple(good.items), unreachable(error, _before(good, failed)), self._clock() - start)
            good, failed = look, 0
            if done:
                return Outcome(tuple(look.items), None, self._clock() - start)
            now = self._clock()
            current = mark(look.items, [pod for group in look.pods.values() for pod in group])
            if current != last:
                last, moved = current, now
            if finding is None and now - start >= options.deadline:
                finding = self._give_up("deadline_passed", look, f"{options.deadline:.0f} s have passed")
            elif finding is None and now - moved >= options.quiet:
                finding = self._give_up("rollout_stalled", look, f"There was no progress for {options.quiet:.0f} s")
            if finding is not None:
                return Outcome(tuple(look.items), self.explain(finding), self._clock() - start)
            self._sleep(min(options.interval, max(0.0, options.deadline - (now - start))))

    def _judge(self, look: _Snapshot) -> tuple[bool, Finding | None]:
        """Tell whether everything is there, or else what is wrong if that is known."""
        if look.missing or not all(item.done for item in look.items):
            return False, self._finding(look)
        finding, open_routes = self._route_finding(look)
        if finding is None and not open_routes:
            finding = self._restarted(look)
        return finding is None and not open_routes, finding

    def begin(self) -> None:
        """Remember what is there before Helm changes it: only what is new or changed is judged by C(step)."""
        look = self._look()
        self._before = {meta(item, "uid"): number(item, "metadata", "generation") for _kind, item in look.workloads}

    def step(self) -> Finding | None:
        """Take one look beside a Helm that is at work; returns what neither a hook nor waiting can put right."""
        look = self._look()
        return self._finding(replace(look, missing=[]))

    def explain(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as a diagnosis: with its suggestion, the log lines and the events that prove it."""
        self.learn(finding.namespace)
        log = self._log(finding)
        finding = self._by_name(self._with_answer(finding), log)
        names = [finding.object, *finding.related]
        return {
            "code": finding.code,
            "cause": self._masker.outside(finding.cause),
            "suggestion": CODES[finding.code].suggestion,
            "namespace": finding.namespace,
            "object": finding.object,
            "container": finding.container,
            "log": log,
            "events": self._events(finding.namespace, names),
        }

    def learn(self, namespace: str) -> None:
        """Learn the values of a namespace's Secrets, as far as they may be read."""
        if not namespace or namespace in self._learned:
            return
        self._learned.add(namespace)
        for secret in self._evidence(f"/api/v1/namespaces/{namespace}/secrets", fieldSelector=_NOT_HELM):
            values = secret_values(secret)
            self._masker.learn(values.values())
            for key, value in values.items():
                reason = hard_to_hide(value) if value else ""
                if reason:
                    self.warnings.append(
                        f"The value of key {key} of Secret {meta(secret, 'name')} {reason}. It is not hidden in logs and events."
                    )

    def _look(self) -> _Snapshot:
        workloads: list[tuple[str, Object]] = []
        missing = []
        lists = _LISTS + ((("Pod", _PODS),) if self._options.hooks else ())
        query = {"labelSelector": self._options.selector} if self._options.selector else {}
        for namespace in dict.fromkeys(namespace for namespace, _name in self._releases):
            names = [name for where, name in self._releases if where == namespace]
            found: dict[str, int] = dict.fromkeys(names, 0)
            for kind, path in lists:
                for item in self._api.items(path.format(namespace), **query):
                    of = next((name for name in names if self._is_of(item, name)), None)
                    if of is None or is_test(item) or (kind == "Pod" and not is_hook(item)):
                        continue
                    if is_hook(item):
                        if self._options.hooks:
                            workloads.append((kind, item))
                        continue
                    found[of] += 1
                    workloads.append((kind, item))
            missing += [f"{namespace}/{name or self._options.selector}" for name, count in found.items() if not count]
        items = [progress(kind, item, self._minimum(kind, item)) for kind, item in workloads]
        look = _Snapshot(workloads, items, missing, {}, {}, {})
        for namespace in dict.fromkeys(item.namespace for item in items if not item.done):
            look.pods[namespace] = list(self._api.items(_PODS.format(namespace)))
            look.sets[namespace] = list(self._api.items(f"/apis/apps/v1/namespaces/{namespace}/replicasets"))
            warnings = self._readable(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning")
            look.events[namespace] = list(warnings or [])
        return look

    def _minimum(self, kind: str, item: Object) -> int:
        """Return how many replicas the autoscaler of a workload keeps at least; autoscalers are listed once."""
        if kind not in SCALED:
            return 0
        namespace = meta(item, "namespace")
        if namespace not in self._minimums:
            path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
            self._minimums[namespace] = minimums(self._readable(path) or [])
        return self._minimums[namespace].get((kind, meta(item, "name")), 0)

    def _restarted(self, look: _Snapshot) -> Finding | None:
        """Return a container that has restarted lately although the other workloads and its node were ready already."""
        if not self._options.restart_period:
            return None
        earliest = self._today() - timedelta(seconds=self._options.restart_period)
        since = earliest.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        workloads = [item for kind, item in look.workloads if kind not in ("Job", "Pod")]
        pods = {
            where: self._readable(_PODS.format(where)) or [] for where in {meta(one, "namespace") for one in workloads}
        }
        mine = {
            meta(item, "uid"): [
                pod
                for pod in pods[meta(item, "namespace")]
                if selects(item, pod) and not meta(pod, "deletionTimestamp")
            ]
            for item in workloads
        }
        ready = {uid: max(map(ready_since, own), default="") for uid, own in mine.items()}
        for uid, own in mine.items():
            excused = max([since, *(when for other, when in ready.items() if other != uid)])
            for pod in own:
                if restarted(pod, excused, self._options.crash_restarts):
                    on = [node for node in self._node_list() if meta(node, "name") == dig(pod, "spec", "nodeName")]
                    found = restarted(pod, max([excused, *map(ready_since, on)]), self._options.crash_restarts)
                    if found:
                        return found
        return None

    def _is_of(self, item: Object, release: str) -> bool:
        if not release:
            return True
        # Helm marks no hooks as its own, and not every chart labels them.
        stray = self._before is not None and is_hook(item) and "app.kubernetes.io/instance" not in labels(item)
        return stray or belongs(item, release)

    def _readable(self, path: str, **query: str) -> list[dict[str, Any]] | None:
        """Return a list that explains things but that not every user may read: None without the right."""
        try:
            return self._api.items(path, **query)
        except KubernetesError as error:
            if error.passing:
                raise  # this look failed, and another is taken
            return None

    def _evidence(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return a list that a diagnosis can do without: empty when it cannot be read."""
        try:
            return self._api.items(path, **query)
        except KubernetesError:
            return []

    def _finding(self, look: _Snapshot) -> Finding | None:
        if look.missing:
            names = ", ".join(look.missing)
            if not self._heals("workloads_missing", names):
                cause = f"There is no workload in {names}."
                return Finding("workloads_missing", cause, names.split("/")[0], names)
        unfinished = [(kind, item, mine) for kind, item, mine in look.unfinished() if self._is_new(item)]
        for kind, item, mine in unfinished:
            for found in self._found(kind, item, mine, look):
                helped = self._before is not None and not is_hook(item) and found.code not in _NO_HOOK_HELPS
                if helped or (found.early and self._on_its_way(unfinished, look)):
                    continue
                if not (found.may_heal() and self._heals(found.code, found.object)):
                    return found
        return None if self._before is not None else self._unready(unfinished, look)

    def _is_new(self, item: Object) -> bool:
        if self._before is None:
            return True
        return self._before.get(meta(item, "uid")) != number(item, "metadata", "generation")

    def _found(self, kind: str, item: Object, pods: list[Object], look: _Snapshot) -> Iterator[Finding]:
        namespace = meta(item, "namespace")
        events, restarts = look.about(namespace), self._options.crash_restarts
        own = workload_finding(kind, item, pods, look.sets.get(namespace, []), events, restarts)
        if own:
            yield own
        for pod in pods:
            yield from pod_findings(pod, events, restarts)
        if pods and any(dig(pod, "status", "phase") != "Running" for pod in pods):
            nodes = self._node_list()
            for pod in pods:
                found = node_finding(pod, nodes)
                if found:
                    yield found

    def _on_its_way(self, unfinished: Sequence[tuple[str, Object, list[Object]]], look: _Snapshot) -> bool:
        """Tell whether a workload is still starting without a fault, such as the database that a migration waits for."""
        for kind, item, mine in unfinished:
            events = look.about(meta(item, "namespace"))
            stuck = next(self._found(kind, item, mine, look), None) or next(unready(mine, events), None)
            if kind not in ("Job", "Pod") and stuck is None:
                return True
        return False

    def _node_list(self) -> list[Object]:
        now = self._clock()
        if self._nodes is None or now - self._nodes[0] >= _NODES_EVERY:
            self._nodes = (now, list(self._readable("/api/v1/nodes") or []))
        return self._nodes[1]

    def _unready(self, unfinished: Sequence[tuple[str, Object, list[Object]]], look: _Snapshot) -> Finding | None:
        """Return a readiness probe that keeps failing, as long as nothing else that it may depend on is on its way."""
        first: Finding | None = None
        for _kind, item, mine in unfinished:
            found = next(unready(mine, look.about(meta(item, "namespace"))), None)
            if found is None:
                return None
            first = first or found
        return first if first and not self._heals(first.code, first.object) else None

    def _heals(self, code: str, name: str) -> bool:
        """Tell whether something that may heal by itself has not yet had the time to."""
        first = self._first_seen.setdefault((code, name), self._clock())
        return self._clock() - first < min(self._options.heal, self._options.deadline)

    def _route_finding(self, look: _Snapshot) -> tuple[Finding | None, bool]:
        """Return what is wrong with Services and Ingresses for good, and whether anything may yet come right."""
        if not self._options.routes:
            return None, False
        waits = False
        for found in self._routes(look):
            if not (found.may_heal() and self._heals(found.code, found.object)):
                return found, False
            waits = True
        return None, waits

    def _routes(self, look: _Snapshot) -> Iterator[Finding]:
        workloads = [item for kind, item in look.workloads if kind not in ("Job", "Pod")]
        classes: list[dict[str, Any]] | None = None
        for namespace in dict.fromkeys(namespace for namespace, _name in self._releases):
            path = f"/api/v1/namespaces/{namespace}/services"
            services = self._readable(path) or []
            slices = self._readable(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
            for service in self._of_releases(namespace, path, services):
                found = service_finding(service, slices, workloads) if slices is not None else None
                if found:
                    yield found
                elif slices is not None:
                    yield from self._refused_ports(service, workloads)
            path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
            mine = self._of_releases(namespace, path, self._readable(path) or [])
            if mine and classes is None:
                classes = self._readable("/apis/networking.k8s.io/v1/ingressclasses")
            for ingress in mine:
                found = ingress_finding(ingress, services, classes)
                if found:
                    yield found
                elif not has_address(ingress) and not self._served(ingress, classes):
                    yield unserved(ingress)

    def _of_releases(self, namespace: str, path: str, items: Sequence[Object]) -> list[Object]:
        """Return those of a namespace's items that belong to the releases, or that the selector picks."""
        names = [name for where, name in self._releases if where == namespace]
        if self._options.selector:
            return list(self._readable(path, labelSelector=self._options.selector) or [])
        return [item for item in items if any(belongs(item, name) for name in names) and not is_test(item)]

    def _refused_ports(self, service: Object, workloads: Sequence[Object]) -> Iterator[Finding]:
        for port, target in undeclared_ports(service, workloads):
            path = f"/api/v1/namespaces/{meta(service, 'namespace')}/services/{meta(service, 'name')}:{port}/proxy/"
            try:
                _status, text = self._api.ask(path)
            except KubernetesError:
                continue  # no answer in time proves nothing: a network policy may drop what comes from the API server
            if "connection refused" in text:
                yield wrong_port(service, port, target, workloads)

    def _served(self, ingress: Object, classes: Sequence[Object] | None) -> bool:
        """Tell whether a controller is there: ingress-nginx may take a minute to write the address, some never do."""
        words = class_words(ingress, classes)
        pods = self._readable("/api/v1/pods") if words else None
        return pods is None or serving(words, pods)

    def _give_up(self, code: str, look: _Snapshot, why: str) -> Finding:
        for _kind, item, mine in look.unfinished():
            found = not_ready(mine, look.about(meta(item, "namespace")))
            if found:
                return replace(found, cause=f"{why}. {found.cause}")
        words = _unfinished(look)
        first = next((item for item in look.items if not item.done), None)
        where, name = (first.namespace, f"{first.kind}/{first.name}") if first else ("", ", ".join(look.missing))
        return Finding(code, f"{why} and the rollout is not complete ({words or 'nothing was found'}).", where, name)

    def _with_answer(self, finding: Finding) -> Finding:
        """Return a failing probe's finding with the words of the answer, which Kubernetes leaves out of its event."""
        if not finding.probe or not finding.pod:
            return finding
        base = f"/api/v1/namespaces/{finding.namespace}/pods/{finding.pod}"
        try:
            target = probe_target(self._api.request("GET", base), finding.container, finding.probe)
            if target is None:
                return finding
            status, text = self._api.ask(f"{base}:{target[0]}/proxy{target[1]}")
        except KubernetesError:
            return finding
        if status < 400 or not text.strip():
            return finding
        return replace(
            finding, cause=f"{finding.cause} It answers {status}: {sentence(self._masker.outside(_words(text)), 200)}"
        )

    def _by_name(self, finding: Finding, log: Sequence[str]) -> Finding:
        """Return the finding as one about DNS when the log says that a name could not be resolved."""
        if finding.code not in ("crash_loop", "job_failed", "probe_failing"):
            return finding
        line = lookup_failure([*log, finding.cause] if finding.code == "probe_failing" else log)
        if not line:
            return finding
        servers = self._evidence("/api/v1/namespaces/kube-system/pods", labelSelector="k8s-app=kube-dns")
        ready = sum(is_true(fields(pod, "status"), "Ready") for pod in servers)
        if servers and not ready:
            why = f"CoreDNS is not ready: 0 of {len(servers)} pods are."
        elif servers:
            why = "CoreDNS is ready, so the name is wrong or the way to it is blocked."
        else:
            why = ""
        who = f"Container {finding.container}" if finding.container else finding.object
        cause = f"{who} cannot resolve a name: {sentence(line, 200)} {why}".strip()
        return replace(finding, code="cluster_dns_failing", cause=cause)

    def _log(self, finding: Finding) -> list[str]:
        if not finding.pod:
            return []
        query = {"tailLines": str(self._options.log_lines), "limitBytes": str(_MOST_LOG)}
        if finding.container:
            query["container"] = finding.container
        path = f"/api/v1/namespaces/{finding.namespace}/pods/{finding.pod}/log"
        for previous in ({"previous": "true"}, {}) if finding.previous_log else ({},):
            try:
                text = str(self._api.request("GET", path, {**query, **previous}, raw=True))
            except KubernetesError:
                continue  # the container of that run is gone already, or its log is late; the cause is known without it
            # A value may have been cut with the log.
            whole = self._masker.outside(f"{text}…" if len(text.encode(errors="replace")) >= _MOST_LOG else text)
            return [line[:300] for line in whole.rstrip("\n").split("\n")[-self._options.log_lines :]] if text else []
        return []

    def _events(self, namespace: str, names: Sequence[str]) -> list[str]:
        found: list[Mapping[str, Any]] = []
        for kind, _slash, name in (item.partition("/") for item in names):
            if not name or kind == namespace:
                continue  # a missing release is no object
            place = "default" if kind == "Node" else namespace
            selector = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
            # The right to read events is not needed for the diagnosis itself.
            found += self._evidence(f"/api/v1/namespaces/{place}/events", fieldSelector=selector)
        found.sort(key=event_time)
        return [
            sentence(self._masker.outside(f"{event.get('reason')}: {event.get('message')}")) for event in found[-3:]
        ]


def ready_since(item: Object) -> str:
    """Return when a pod or node became ready last (RFC 3339); empty while it is not."""
    ready = condition(fields(item, "status"), "Ready")
    return str(ready.get("lastTransitionTime") or "") if ready.get("status") == "True" else ""


def _unfinished(look: _Snapshot) -> str:
    return "; ".join([f"{item.kind} {item.name}: {item.message}" for item in look.items if not item.done][:3])


def _before(look: _Snapshot, failed: int) -> str:
    """Return how often looking failed in a row, and what the last good look showed."""
    words = _unfinished(look) or "everything was rolled out"
    return f" {failed} looks in a row failed. Before that: {words}."


def message(diagnosis: Mapping[str, Any]) -> str:
    """Return a diagnosis as at most a dozen lines: what, what to do, where, and the evidence."""
    lines = [f"{diagnosis['code']}: {diagnosis['cause']}", f"What to do: {diagnosis['suggestion']}"]
    if diagnosis["object"]:
        lines.append(f"Where: {diagnosis['object']} in namespace {diagnosis['namespace']}")
    lines += [f"Event: {event}" for event in diagnosis["events"][-2:]]
    lines += [f"Log: {line}" for line in diagnosis["log"][-6:]]
    return "\n".join(lines)


def unreachable(error: Exception, more: str = "") -> dict[str, Any]:
    """Return the diagnosis of a cluster that does not answer; C(more) are sentences that follow the cause."""
    return {
        "code": "cluster_unreachable",
        "cause": Masker().outside(f"{error}{more}"),
        "suggestion": CODES["cluster_unreachable"].suggestion,
        "namespace": "",
        "object": "",
        "container": "",
        "log": [],
        "events": [],
    }


def _words(body: str) -> str:
    """Return the reason that a JSON answer gives, otherwise the answer itself."""
    try:
        data = json.loads(body)
    except ValueError:
        return body
    for key in ("reason", "detail", "message", "error"):
        if isinstance(data, dict) and isinstance(data.get(key), str) and data[key]:
            return str(data.get("message") if data.get("kind") == "Status" else data[key])
    return body
