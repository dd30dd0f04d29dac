# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the rollout of releases. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._api import Api
from ansible_collections.slipway.kube.plugins.module_utils._cluster import ApiError
from ansible_collections.slipway.kube.plugins.module_utils._rollout import (
    CODES,
    Finding,
    Object,
    Progress,
    belongs,
    current_pods,
    is_hook,
    mark,
    meta,
    not_ready,
    pod_findings,
    progress,
    workload_finding,
)

_LISTS = (
    ("Deployment", "/apis/apps/v1/namespaces/{}/deployments"),
    ("StatefulSet", "/apis/apps/v1/namespaces/{}/statefulsets"),
    ("DaemonSet", "/apis/apps/v1/namespaces/{}/daemonsets"),
    ("Job", "/apis/batch/v1/namespaces/{}/jobs"),
)


@dataclass(frozen=True)
class Options:
    """How long to wait, all in seconds, and how many restarts make a crash loop."""

    deadline: float = 300.0
    quiet: float = 120.0
    heal: float = 15.0
    interval: float = 0.5
    crash_restarts: int = 1
    log_lines: int = 8
    hooks: bool = False


@dataclass(frozen=True)
class Outcome:
    """The end of the waiting: how far every workload is, and what is wrong if anything is."""

    workloads: tuple[Progress, ...]
    diagnosis: dict[str, Any] | None
    seconds: float


@dataclass(frozen=True)
class _Look:
    workloads: list[tuple[str, Object]]
    items: list[Progress]
    missing: list[str]


class Watcher:
    """Looks at the workloads of releases until they are there, cannot get there, or time is up."""

    def __init__(
        self,
        api: Api,
        releases: Sequence[tuple[str, str]],
        options: Options,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """C(releases) are pairs of namespace and name."""
        self._api = api
        self._releases = list(releases)
        self._options = options
        self._clock = clock
        self._sleep = sleep
        self._first_seen: dict[tuple[str, str], float] = {}

    def wait(self) -> Outcome:
        """Wait; one look is taken even with a deadline of 0."""
        options = self._options
        start = moved = self._clock()
        last = ""
        while True:
            look = self._look()
            if not look.missing and all(item.done for item in look.items) and not (options.hooks and self._hook(look)):
                return Outcome(tuple(look.items), None, self._clock() - start)
            pods, sets = self._pods(look)
            finding = self._finding(look, pods, sets)
            now = self._clock()
            current = mark(look.items, [pod for group in pods.values() for pod in group])
            if current != last:
                last, moved = current, now
            if finding is None and now - start >= options.deadline:
                finding = self._give_up("deadline_passed", look, pods, sets, f"{options.deadline:.0f} s have passed")
            elif finding is None and now - moved >= options.quiet:
                finding = self._give_up("rollout_stalled", look, pods, sets, f"Nothing moved for {options.quiet:.0f} s")
            if finding is not None:
                return Outcome(tuple(look.items), self._diagnosis(finding, look), self._clock() - start)
            self._sleep(min(options.interval, max(0.0, options.deadline - (now - start))))

    def _look(self) -> _Look:
        workloads: list[tuple[str, Object]] = []
        missing = []
        for namespace in dict.fromkeys(namespace for namespace, _name in self._releases):
            names = [name for where, name in self._releases if where == namespace]
            found: dict[str, int] = dict.fromkeys(names, 0)
            for kind, path in _LISTS:
                for item in self._api.items(path.format(namespace)):
                    owner = next((name for name in names if belongs(item, name)), None)
                    if owner is None:
                        continue
                    if is_hook(item):
                        if self._options.hooks:
                            workloads.append((kind, item))
                        continue
                    found[owner] += 1
                    workloads.append((kind, item))
            missing += [f"{namespace}/{name}" for name, count in found.items() if not count]
        items = [progress(kind, item) for kind, item in workloads]
        return _Look(workloads, items, missing)

    def _hook(self, look: _Look) -> bool:
        return any(
            is_hook(item) and not one.done for (_kind, item), one in zip(look.workloads, look.items, strict=True)
        )

    def _pods(self, look: _Look) -> tuple[dict[str, list[Object]], dict[str, list[Object]]]:
        pods: dict[str, list[Object]] = {}
        sets: dict[str, list[Object]] = {}
        for namespace in dict.fromkeys(item.namespace for item in look.items if not item.done):
            pods[namespace] = list(self._api.items(f"/api/v1/namespaces/{namespace}/pods"))
            sets[namespace] = list(self._api.items(f"/apis/apps/v1/namespaces/{namespace}/replicasets"))
        return pods, sets

    def _unfinished(
        self, look: _Look, pods: Mapping[str, list[Object]], sets: Mapping[str, list[Object]]
    ) -> list[tuple[str, Object, list[Object]]]:
        return [
            (kind, item, current_pods(kind, item, pods.get(one.namespace, []), sets.get(one.namespace, [])))
            for (kind, item), one in zip(look.workloads, look.items, strict=True)
            if not one.done
        ]

    def _finding(
        self, look: _Look, pods: Mapping[str, list[Object]], sets: Mapping[str, list[Object]]
    ) -> Finding | None:
        if look.missing and not self._heals("workloads_missing", ", ".join(look.missing)):
            names = ", ".join(look.missing)
            return Finding("workloads_missing", f"There is no workload of release {names}.", names.split("/")[0], names)
        for kind, item, mine in self._unfinished(look, pods, sets):
            own = workload_finding(kind, item, mine)
            if own:
                return own
            for pod in mine:
                for found in pod_findings(pod, self._options.crash_restarts):
                    if not (CODES[found.code].may_heal and self._heals(found.code, found.object)):
                        return found
        return None

    def _heals(self, code: str, name: str) -> bool:
        """Tell whether something that may heal by itself has not yet had the time to."""
        first = self._first_seen.setdefault((code, name), self._clock())
        return self._clock() - first < min(self._options.heal, self._options.deadline)

    def _give_up(
        self, code: str, look: _Look, pods: Mapping[str, list[Object]], sets: Mapping[str, list[Object]], why: str
    ) -> Finding:
        open_items = [item for item in look.items if not item.done]
        for _kind, _item, mine in self._unfinished(look, pods, sets):
            found = not_ready(mine)
            if found:
                return replace(found, cause=f"{why}. {found.cause}")
        words = "; ".join(f"{item.kind} {item.name}: {item.message}" for item in open_items[:3])
        first = open_items[0] if open_items else None
        where, name = (first.namespace, f"{first.kind}/{first.name}") if first else ("", ", ".join(look.missing))
        return Finding(code, f"{why} and the rollout has not ended ({words}).", where, name)

    def _diagnosis(self, finding: Finding, look: _Look) -> dict[str, Any]:
        kind, _slash, name = finding.object.partition("/")
        return {
            "code": finding.code,
            "cause": finding.cause,
            "suggestion": CODES[finding.code].suggestion,
            "namespace": finding.namespace,
            "object": finding.object,
            "container": finding.container,
            "log": self._log(finding),
            "events": self._events(finding.namespace, name) if kind != finding.object else [],
        }

    def _log(self, finding: Finding) -> list[str]:
        if not finding.pod:
            return []
        query = {"tailLines": str(self._options.log_lines), "limitBytes": "16384"}
        if finding.container:
            query["container"] = finding.container
        path = f"/api/v1/namespaces/{finding.namespace}/pods/{finding.pod}/log"
        for previous in ({"previous": "true"}, {}) if finding.previous_log else ({},):
            try:
                text = self._api.request("GET", path, {**query, **previous}, raw=True)
            except ApiError:
                continue  # the container of that run is gone already; the cause is known without its log
            return [line[:300] for line in str(text).splitlines()[-self._options.log_lines :]]
        return []

    def _events(self, namespace: str, name: str) -> list[str]:
        try:
            found = self._api.items(
                f"/api/v1/namespaces/{namespace}/events", fieldSelector=f"involvedObject.name={name},type=Warning"
            )
        except ApiError:
            return []  # the right to read events is not needed for the diagnosis itself
        found.sort(key=lambda event: str(event.get("lastTimestamp") or meta(event, "creationTimestamp")))
        return [f"{event.get('reason')}: {' '.join(str(event.get('message')).split())[:300]}" for event in found[-3:]]
