# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened in a run: tasks, phases and counts, for both callbacks. Private to the collection."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._text import imperative, phase_of

FAILURES = ("failed", "unreachable")


def role_of(task: Any) -> str | None:
    """Return the full name of the role that a task belongs to."""
    role = getattr(task, "_role", None)
    if role is None:
        return None
    try:
        return str(role.get_name(include_role_fqcn=True))
    except TypeError:
        return str(role.get_name())


def _ancestry(task: Any) -> Iterator[tuple[Any, set[str]]]:
    """Yield each ancestor of a task with the identities of everything below it on the way."""
    below = {str(task._uuid)}
    parent = getattr(task, "_parent", None)
    while parent is not None:
        yield parent, below
        below = below | {str(parent._uuid)}
        parent = getattr(parent, "_parent", None)


def _holds(section: Iterable[Any], identities: set[str]) -> bool:
    """Say whether a block's section holds one of the identities, however deep."""
    for entry in section:
        if str(entry._uuid) in identities:
            return True
        if any(_holds(getattr(entry, name, None) or [], identities) for name in ("block", "rescue", "always")):
            return True
    return False


def is_rescued(task: Any) -> bool:
    """Say whether a failure of the task leads to a rescue section.

    Decided by where the task stands, because Ansible does not tell callbacks: it stands in the block section
    (not in rescue or always) of an ancestor that has a rescue section.
    """
    for parent, below in _ancestry(task):
        rescue = getattr(parent, "rescue", None)
        if rescue and not _holds([*rescue, *(getattr(parent, "always", None) or [])], below):
            return True
    return False


def in_rescue(task: Any) -> bool:
    """Say whether a task stands in a rescue section, however deep."""
    return any(_holds(getattr(parent, "rescue", None) or [], below) for parent, below in _ancestry(task))


@dataclass
class TaskRecord:
    """One task on one host. Times are seconds since the run began."""

    name: str
    phase: str
    role: str | None
    host: str
    action: str
    path: str
    started: float
    ended: float
    status: str
    check_mode: bool = False

    @property
    def duration(self) -> float:
        return self.ended - self.started


@dataclass
class PhaseRecord:
    """One phase: spans are the stretches of time (begin, end) in which one of its tasks ran."""

    name: str
    spans: list[tuple[float, float]]
    counts: Counter[str]

    @property
    def duration(self) -> float:
        return sum(end - begin for begin, end in self.spans)


def merge(spans: Iterable[tuple[float, float]], gap: float = 0.0) -> list[tuple[float, float]]:
    """Merge stretches of time that overlap or lie at most so many seconds apart."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


class RunRecord:
    """Collects tasks as they start and end."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.began = now()
        self.tasks: list[TaskRecord] = []
        self.play = ""
        self._names: dict[str, str] = {}
        self._starts: dict[tuple[str, str], float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._now() - self.began

    def announce(self, task: Any) -> None:
        """Note a task's name while it is templated; Ansible puts the template back afterwards."""
        self._names[str(task._uuid)] = str(task.name or "")

    def name_of(self, task: Any) -> str:
        """Return what a person calls the task."""
        name = str(task.name or "")
        if not name or "{{" in name:
            name = self._names.get(str(task._uuid)) or name or str(task.action)
        return imperative(name)

    def phase_of(self, task: Any) -> str:
        """Return the phase of a task."""
        return phase_of(role_of(task), self.play)

    def start(self, host: str, task: Any) -> None:
        """Note that a task starts on a host."""
        self._starts[(str(task._uuid), host)] = self.elapsed

    def finish(self, host: str, task: Any, status: str) -> TaskRecord:
        """Note how a task ended on a host."""
        ended = self.elapsed
        record = TaskRecord(
            name=self.name_of(task),
            phase=self.phase_of(task),
            role=role_of(task),
            host=host,
            action=str(task.action),
            path=str(task.get_path() or ""),
            # A task that never reached a worker (its condition failed early) took no time.
            started=self._starts.pop((str(task._uuid), host), ended),
            ended=ended,
            status=status,
            check_mode=task.check_mode is True,
        )
        self.tasks.append(record)
        return record

    def counts(self) -> Counter[str]:
        """Count the results by status."""
        return Counter(record.status for record in self.tasks)

    def phases(self) -> list[PhaseRecord]:
        """Return the phases in the order in which they began, without those that did nothing."""
        grouped: dict[str, list[TaskRecord]] = {}
        for record in self.tasks:
            grouped.setdefault(record.phase, []).append(record)
        # The strategy's own pause between two tasks of a phase belongs to the phase.
        return [
            PhaseRecord(
                name,
                merge(((one.started, one.ended) for one in records if one.status != "skipped"), gap=0.1),
                Counter(one.status for one in records),
            )
            for name, records in grouped.items()
            if any(one.status != "skipped" for one in records)
        ]


class ReportPlace:
    """Where the report of this run will lie; both callbacks live in one process and share it."""

    path: str | None = None
