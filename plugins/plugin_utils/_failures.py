# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failures of a run, each told once, at its end. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._failure import Failure
from ansible_collections.slipway.kube.plugins.plugin_utils._record import FAILURES, TaskRecord
from ansible_collections.slipway.kube.plugins.plugin_utils._text import PHASES

_FAIL = ("fail", "ansible.builtin.fail", "ansible.legacy.fail")
_OWN = "slipway.kube."
_UNTOUCHED = "as before; this run has changed no release"


@dataclass
class Cause:
    """One cause of failure: the task that it was found in, what is known, and the hosts that it concerns."""

    record: TaskRecord
    failure: Failure
    hosts: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[object, ...]:
        """What is the same for the same cause on several hosts."""
        return self.record.name, self.record.status, self.failure.code, *self.failure.what, "", *self.failure.why


def is_verdict(record: TaskRecord, result: Mapping[str, Any]) -> bool:
    """Say whether a failed task only says why the run ends, as the last one of a rescue does."""
    return bool(result.get("slipway_failure")) or record.action in _FAIL


def with_items(failure: Failure, items: Iterable[tuple[str, Failure]], total: int) -> Failure:
    """Return the failure of a loop: a line for each item that failed, and the advice of the first."""
    broken = list(items)
    if not broken:
        return failure
    label, first = broken[0]
    if len(broken) == 1:
        told = "why" if first.why else "what"
        return replace(
            first, **{told: [f"{label}: {line}" for line in getattr(first, told)[:1]] + getattr(first, told)[1:]}
        )
    count = f"{len(broken)} of {total} items failed." if total else f"{len(broken)} items failed."
    return Failure(why=[count, *(f"- {label}: {one.brief()}" for label, one in broken)], remedy=first.remedy)


class FailureLog:
    """Collects failures while a run goes on."""

    def __init__(self) -> None:
        self._rescued: dict[str, list[Cause]] = {}
        self._final: list[Cause] = []
        self._recovered: list[Cause] = []

    def rescued(self, record: TaskRecord, failure: Failure) -> None:
        """Note a failure whose rescue begins; whether it leads to one of the run is known later."""
        self._rescued.setdefault(record.host, []).append(Cause(record, failure, [record.host]))

    def failed(self, record: TaskRecord, failure: Failure, in_rescue: bool, verdict: bool) -> None:
        """Note a failure that ends the run on a host: its own, or what was to be rescued."""
        before = self._rescued.pop(record.host, []) if in_rescue else []
        if not before:
            self._add(Cause(record, failure, [record.host]))
            return
        # The last one started the rescue that failed; those before it have been rescued.
        self._recovered += before[:-1]
        origin = before[-1]
        if verdict:
            own = (record.role or "").startswith(_OWN)
            self._add(replace(origin, failure=_joined(origin.failure, failure, own)))
        else:
            self._add(origin)
            self._add(Cause(record, failure, [record.host]))

    def _add(self, cause: Cause) -> None:
        same = next((one for one in self._final if one.key == cause.key), None)
        if same is None:
            self._final.append(cause)
        else:
            same.hosts += [host for host in cause.hosts if host not in same.hosts]

    @property
    def final(self) -> list[Cause]:
        """The causes for which the run failed."""
        return self._final

    @property
    def recovered(self) -> list[Cause]:
        """The failures that a rescue has put right, or, when a run was broken off, may not have."""
        return [*self._recovered, *(one for causes in self._rescued.values() for one in causes)]


def _joined(origin: Failure, verdict: Failure, own: bool) -> Failure:
    """Return one failure of the task that failed and of what the rescue says in the end, which is newer.

    What a rescue of the collection's own adds to the cause in plain words says what is in service.
    """
    if not verdict.why:
        added = verdict.without(origin)
        return replace(origin, in_service=added) if own else replace(origin, what=[*origin.what, *added])
    return Failure(
        what=verdict.what,
        why=verdict.why,
        evidence=verdict.evidence or origin.evidence,
        remedy=verdict.remedy or origin.remedy,
        in_service=verdict.in_service or origin.in_service,
        code=verdict.code or origin.code,
    )


def in_service(cause: Cause, records: Iterable[TaskRecord]) -> list[str]:
    """Say what is in service now: what the failure says, or that no release was touched, as far as that is known."""
    if cause.failure.in_service or not (cause.record.role or "").startswith(_OWN):
        return cause.failure.in_service
    release = PHASES["helm_release"]
    worked = ("changed", "rescued", "ignored", *FAILURES)
    touched = any(one.phase == release and one.host in cause.hosts and one.status in worked for one in records)
    return [] if touched else [_UNTOUCHED]
