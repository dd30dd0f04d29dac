# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the progress display puts on the screen: lines under the headers of phases, and what runs just now. Private to the collection.

Written by hand, because a library such as rich takes over the standard output, to which Ansible's own display and prompts write as well.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import AbstractContextManager
from typing import Any

from ansible import constants as C
from ansible.utils.color import stringc
from ansible_collections.slipway.kube.plugins.module_utils._common.text import duration
from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import learn_from, outside, shown
from ansible_collections.slipway.kube.plugins.plugin_utils._live import Beat, LiveLine, wanted
from ansible_collections.slipway.kube.plugins.plugin_utils._record import FAILURES, RunRecord
from ansible_collections.slipway.kube.plugins.plugin_utils._running import RunningTasks

LIVE_INTERVAL = 0.5  # seconds between two looks at what runs
WIDEST = 120
_LABEL = 15  # characters of the label of a failure's line


class Screen:
    """Writes lines through Ansible's display. Whoever calls from an event holds the lock."""

    def __init__(self, display: Any, word_width: int) -> None:
        """The width is that of the word which begins a line."""
        self._display = display
        self._word_width = word_width
        self._line = LiveLine(display, enabled=False)
        self._beat: Beat | None = None
        self._heartbeat = 0.0
        self.reset(RunRecord())

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """The lock of Ansible's display."""
        return self._line.lock

    def reset(self, record: RunRecord) -> None:
        """Begin a playbook, whose tasks stand in the record."""
        self._record = record
        self.running = RunningTasks()
        self.many_hosts = False
        self.interleaved = False
        self.phase = ""
        self._header = ""
        self._told_ok: set[str] = set()
        self._closed = 0  # tasks of the record that belong to phases which have ended
        self._printed = False
        self._saying = False

    # ---------------------------------------------------------------- lines
    def say(self, text: str, colour: str | None = None, head: str = "") -> None:
        """Print a text as others may have written it, without secrets and control characters.

        The colour is that of its head, which is printed before it, or of all where there is none.
        """
        self._printed = True
        self._saying = True
        text = outside(text)
        if head:
            text = f"{stringc(outside(head), colour) if colour else outside(head)}{text}"
        try:
            self._display.display(text, color=None if head else colour)
        finally:
            self._saying = False

    def gap(self) -> None:
        """Leave an empty line, except at the very top."""
        if self._printed:
            self.say("")

    def tell(self, phase: str, word: str, text: str, colour: str | None = None) -> None:
        """Print one line under its phase's header."""
        self._open(phase)
        head = f"  {word:<{self._word_width}} " if word else ""
        self.say(text if head else f"  {text}", colour if head else None, head)

    def tell_block(self, phase: str, text: str) -> None:
        """Print lines as they are under their phase's header."""
        self._open(phase)
        self.say(text.rstrip("\n"))

    def tell_labelled(self, line: str) -> None:
        """Print a line of a failure, its label highlighted."""
        label, rest = line[:_LABEL], line[_LABEL:]
        self.say(rest, C.COLOR_HIGHLIGHT if label.strip() else None, label)

    @staticmethod
    def flush() -> None:
        """Send what was printed. Where the output is a pipe it would otherwise arrive in blocks, minutes late."""
        sys.stdout.flush()

    @staticmethod
    def width() -> int:
        """Return the number of columns that a line may have."""
        return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns - 1) if sys.stdout.isatty() else WIDEST

    def owned(self, text: str, host: str) -> str:
        """Return a text with its host, where there are several."""
        return f"{host}: {text}" if self.many_hosts else text

    # ---------------------------------------------------------------- phases
    def begin_play(self, title: str) -> None:
        """Note the phase of tasks outside of roles, which stand under the play's own title, without another header."""
        self.phase = title
        self._told_ok = set()

    def show_play(self, text: str) -> None:
        """Print the play's title."""
        self.gap()
        self.say(text, C.COLOR_HIGHLIGHT)
        self._header = self.phase

    def enter(self, phase: str, quiet: bool) -> None:
        """Go on to the phase of the next task."""
        if phase != self.phase:
            self.close_phase(quiet)
            self.phase = phase

    def close_phase(self, quiet: bool) -> None:
        """End the current phase: one that had nothing to tell still says that it is done, unless asked to be quiet."""
        records = [one for one in self._record.tasks[self._closed :] if one.phase == self.phase]
        self._closed = len(self._record.tasks)
        worked = [one for one in records if one.status != "skipped"]
        told = self.phase in (self._header, self._record.play) or self.phase in self._told_ok
        # A failure that is told at the end only is no "ok" either.
        failed = any(one.status in FAILURES for one in worked)
        if worked and not told and not failed and not quiet:
            self._told_ok.add(self.phase)
            took = max(one.ended for one in worked) - min(one.started for one in worked)
            self.say(f" ok ({duration(took)})", C.COLOR_HIGHLIGHT, f"{self.phase:<10}")
        self._header = ""
        self.flush()

    def _open(self, phase: str) -> None:
        if phase != self._header:
            self._header = phase
            self.say(phase, C.COLOR_HIGHLIGHT)

    @staticmethod
    def learn(play: Any) -> None:
        """Learn the values that must not be printed from now on."""
        learn_from(play)

    # ---------------------------------------------------------------- the running task
    def start_beat(self, live: bool, heartbeat: float) -> None:
        """Begin to show what runs: in a live line if that is possible, else by a report every so many seconds."""
        if self._beat is not None:
            return
        terminal = sys.stdout.isatty() and self._display.verbosity < 3
        self._heartbeat = heartbeat
        self._line = LiveLine(self._display, enabled=live and wanted(os.environ, terminal, bool(C.ANSIBLE_NOCOLOR)))
        self._line.attach(self._before_others, self._of_others)
        self._beat = Beat(self._on_beat, LIVE_INTERVAL)
        self._beat.start()

    def stop_beat(self) -> None:
        """Show no running task any more."""
        if self._beat:
            self._beat.stop()
            self._beat = None
        self.running.clear()
        self._line.detach()

    def erase(self) -> None:
        """Leave the terminal to somebody else."""
        self._line.erase()

    def _on_beat(self) -> None:
        with self.lock:
            if self._beat is None or self.running.waits_for_a_person():
                return
            if self._line.enabled:
                line = self.running.line(self._record.play, self.many_hosts)
                if line:
                    self._line.draw(outside(line).replace("\n", " "))
                return
            for one, words in self.running.reports(self._heartbeat):
                self.tell(one.phase, "", f"... {self.owned(one.name, one.host)}{words}")
                self.flush()

    def _of_others(self, msg: str) -> str:
        """Return what another plugin prints as it may be shown; one's own text has been looked at already."""
        return msg if self._saying else shown(msg)

    def _before_others(self, msg: str) -> None:
        """Put the header of the running phase above what its task says of its own progress."""
        if self._saying or not msg.startswith("    ") or self.interleaved:
            return
        running = next(iter(self.running), None)
        if running:
            self._open(running.phase)
