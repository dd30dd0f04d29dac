# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module tells while it works: one line a step, in a file that is read while it grows. Private to the collection."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable

from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean, duration

HEARTBEAT = 10.0  # seconds between two words about a step that goes on

Say = Callable[[str], None]


class ProgressFile:
    """Words about what goes on, one a line."""

    def __init__(self, path: str | pathlib.Path | None) -> None:
        file = pathlib.Path(path or "/dev/null")
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab")
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write one line, without what a terminal would obey; safe from any thread."""
        text = clean(text).replace("\n", " ")
        with self._lock:
            self._file.write(f"{text}\n".encode())
            self._file.flush()


class StepReporter:
    """Tells each step when it starts, when it has ended and now and then between; steps may run side by side.

    ``seconds`` holds how long each took that ended well.
    """

    def __init__(self, say: Say, heartbeat: float = HEARTBEAT) -> None:
        self._say = say
        self._heartbeat = heartbeat
        self._running: dict[str, tuple[float, Callable[[], str]]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> StepReporter:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._heartbeat):
            self.tell_running()

    def tell_running(self) -> None:
        """Say of each step that goes on how long it has, and what it last told of itself."""
        with self._lock:
            running = dict(self._running)
        for name, (started, detail) in running.items():
            told = detail()
            self._say(f"{name}: {duration(time.monotonic() - started)} so far{f', {told}' if told else ''}")

    def run(
        self, name: str, work: Callable[[Say], None], announcement: str = "", detail: Callable[[], str] | None = None
    ) -> None:
        """Do one step. ``work`` is given a function to tell its parts to; ``detail`` stands for the last one until it does.

        ``announcement`` is said at the start instead of the name.
        """
        started = time.monotonic()

        def tell(text: str) -> None:
            with self._lock:
                self._running[name] = (started, lambda: text)

        with self._lock:
            self._running[name] = (started, detail or (lambda: ""))
        self._say(announcement or name)
        try:
            work(tell)
        finally:
            with self._lock:
                del self._running[name]
        self.seconds[name] = time.monotonic() - started
        self._say(f"{name}: done in {duration(self.seconds[name])}")
