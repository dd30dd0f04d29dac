# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook for tests, in forks of a process that is started once."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SERVER = Path(__file__).with_name("ansible_server.py")
PATIENCE = 120  # seconds without a word; only a run that hangs takes so long


@dataclass
class Run:
    """How a run ended and what it wrote; the errors stand in C(out), too, where it ran on a terminal."""

    code: int
    out: str
    err: str = ""


class Ansible:
    """Starts C(ansible_server.py) when it is first asked for a run. One run at a time."""

    def __init__(self, directory: Path) -> None:
        """The directory takes the pipes."""
        self._directory = directory
        self._server: subprocess.Popen[str] | None = None

    def playbook(
        self,
        *arguments: str,
        directory: Path,
        environment: Mapping[str, str],
        fork_modules: bool = True,
        terminal: bool = False,
        watch: Callable[[str], None] = lambda _out: None,
    ) -> Run:
        """Run ansible-playbook in a directory, with exactly this environment and without input.

        Modules run in forks of Ansible unless they are to have a Python of their own. On a terminal, it has 80 columns. The function
        is told the whole output whenever there is more of it.
        """
        with contextlib.ExitStack() as opened:
            if terminal:
                reader, writer = pty.openpty()
                opened.callback(os.close, writer)
                opened.callback(os.close, reader)
                readers, names = [reader], [os.ttyname(writer)] * 2
            else:
                names = [self._pipe("out"), self._pipe("err")]
                readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK) for name in names]
                for reader in readers:
                    opened.callback(os.close, reader)
            answers = self._ask(
                {
                    "arguments": arguments,
                    "directory": str(directory),
                    "environment": environment,
                    "stdout": names[0],
                    "stderr": names[1],
                    "fork_modules": fork_modules,
                }
            )
            written = dict.fromkeys(readers, b"")
            waiting: list[int | IO[str]] = [*readers, answers]
            ended = False
            while waiting:
                # What was written last may arrive together with the answer.
                ready = select.select(waiting, [], [], 0 if ended else PATIENCE)[0]
                if not ready and not ended:
                    self._give_up()
                for reader in [one for one in readers if one in ready]:
                    piece = os.read(reader, 65536)
                    written[reader] += piece
                    if not piece:
                        waiting.remove(reader)
                    elif reader == readers[0]:
                        watch(written[reader].decode(errors="replace"))
                if answers in ready:
                    ended = True
                    waiting.remove(answers)
                elif not ready:
                    break
            return Run(int(answers.readline()), *(text.decode() for text in written.values()))

    def _pipe(self, name: str) -> str:
        path = self._directory / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return str(path)

    def _ask(self, request: dict[str, object]) -> IO[str]:
        if self._server is None:
            pipe = subprocess.PIPE
            self._server = subprocess.Popen([sys.executable, str(SERVER)], stdin=pipe, stdout=pipe, text=True)
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._server.stdout

    def _give_up(self) -> None:
        assert self._server
        self._server.kill()
        self.close()
        raise TimeoutError("ansible-playbook does not end")

    def close(self) -> None:
        """End the server."""
        if self._server:
            self._server.communicate()
            self._server = None
