# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that run just now, and what is said of them. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.slipway.kube.plugins.module_utils._common.text import clock

Key = tuple[str, str]


@dataclass
class Running:
    """A task that runs on a host; began is in seconds of the clock."""

    name: str
    phase: str
    host: str
    prompts: bool
    began: float
    beats: int = 0
    items: int = 0
    note: str = ""

    def words(self, now: float) -> tuple[str, str]:
        """Return for how long it runs, and in parentheses how far it is."""
        note = self.note or (f"{self.items} done" if self.items else "")
        return clock(now - self.began), f" ({note})" if note else ""


class RunningTasks:
    """Knows by task and host what runs. Whoever calls holds the display's lock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tasks: dict[Key, Running] = {}

    def __iter__(self) -> Iterator[Running]:
        return iter(list(self._tasks.values()))

    def start(self, key: Key, name: str, phase: str, host: str, prompts: bool) -> None:
        """Note that a task starts."""
        self._tasks[key] = Running(name, phase, host, prompts, self._now())

    def end(self, key: Key) -> None:
        """Note that a task has ended."""
        self._tasks.pop(key, None)

    def clear(self) -> None:
        """Forget all: none of them runs any more, also when its worker was lost."""
        self._tasks.clear()

    def note(self, key: Key, note: str) -> None:
        """Note how a task stands."""
        if key in self._tasks:
            self._tasks[key].note = note

    def count(self, key: Key) -> None:
        """Note that an item of a task's loop has ended."""
        if key in self._tasks:
            self._tasks[key].items += 1

    def waits_for_a_person(self) -> bool:
        """Say whether a task asks something, so that the terminal is its own."""
        return any(one.prompts for one in self)

    def line(self, play: str, many_hosts: bool) -> str:
        """Return the line that shows on a terminal what runs longest; empty when nothing does."""
        if not self._tasks:
            return ""
        oldest = min(self, key=lambda one: one.began)
        hosts = {one.host for one in self}
        owner = f"{len(hosts)} hosts" if len(hosts) > 1 else oldest.host if many_hosts else ""
        parts = [oldest.phase if oldest.phase != play else "", owner, oldest.name]
        took, note = oldest.words(self._now())
        return f"{took:>6}  {' > '.join(part for part in parts if part)}{note}"

    def reports(self, interval: float) -> Iterator[tuple[Running, str]]:
        """Yield the tasks that are due to be reported, each with what is said after its name.

        They are due every interval (in seconds), after four reports every fourth. An interval of 0 means never.
        """
        now = self._now()
        for one in self if interval > 0 else ():
            due = one.beats + 1 if one.beats < 4 else 4 * (one.beats - 2)
            if now - one.began >= due * interval:
                one.beats += 1
                yield one, ": {}{}".format(*one.words(now))
