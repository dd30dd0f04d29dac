# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line at the bottom of a terminal that is rewritten in place. Private to the collection."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

_ERASE = "\r\x1b[K"


def wanted(environment: Mapping[str, str], is_terminal: bool, no_colour: bool) -> bool:
    """Say whether a line may be rewritten in place: only where a person looks at a terminal that can."""
    silenced = no_colour or environment.get("NO_COLOR") or environment.get("CI", "").lower() not in ("", "0", "false")
    return is_terminal and not silenced and environment.get("TERM", "") not in ("", "dumb")


def fit(text: str, columns: int) -> str:
    """Cut a text so that it stays within one line: a line that wraps cannot be taken back."""
    room = max(10, columns - 1)
    return text if len(text) <= room else text[: room - 3] + "..."


class LiveLine:
    """Draws a line, and takes it back before anybody else prints.

    All writing happens under the lock of Ansible's display. Ansible forks while it holds that lock, so no
    worker process can inherit a half-written line or a lock that nobody will release.
    """

    def __init__(self, display: Any, enabled: bool) -> None:
        self.enabled = enabled
        self.lock: AbstractContextManager[Any] = getattr(display, "_lock", None) or threading.RLock()
        self._display = display
        self._drawn = ""
        self._broken = False
        self._owner = os.getpid()

    def attach(self, before: Callable[[str], None], shown: Callable[[str], str]) -> None:
        """Take the live line back whenever something is displayed, by whichever plugin.

        The first function is told each message before it appears on the screen, and may display something itself; the second one returns
        the message as it may appear, on the screen or in a log file.
        """
        if "display" in vars(self._display):
            return
        original = self._display.display

        def display(msg: str, *args: Any, **kwargs: Any) -> None:
            # Workers are forks: they send their messages to the main process and own no terminal line.
            if os.getpid() != self._owner:
                original(msg, *args, **kwargs)
                return
            with self.lock:
                msg = shown(msg)
                if not kwargs.get("log_only"):
                    self.erase()
                    before(msg)
                    # A prompt without a line end must not be overwritten by the next beat.
                    self._broken = kwargs.get("newline") is False and not msg.endswith("\n")
                original(msg, *args, **kwargs)

        self._display.display = display

    def detach(self) -> None:
        """Erase the line and give the display its own method back."""
        with self.lock:
            self.erase()
            vars(self._display).pop("display", None)

    def draw(self, text: str) -> None:
        """Show a text in place of the one shown before."""
        if not self.enabled or os.getpid() != self._owner:
            return
        with self.lock:
            if self._broken:
                return
            columns = shutil.get_terminal_size((80, 24)).columns
            line = fit(text, columns)
            if line != self._drawn:
                sys.stdout.write(f"{_ERASE}{line}")
                sys.stdout.flush()
                self._drawn = line

    def erase(self) -> None:
        """Take the line back."""
        if self._drawn:
            self._drawn = ""
            sys.stdout.write(_ERASE)
            sys.stdout.flush()


class Beat:
    """Calls a function every so many seconds from a thread of its own, until it is stopped."""

    def __init__(self, function: Callable[[], None], interval: float) -> None:
        self._function = function
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start beating; harmless when it beats already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="slipway-progress", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop beating. It does not wait for a beat that waits for the caller's lock."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._function()
