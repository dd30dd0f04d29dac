# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small project with the callbacks enabled, and Ansible run on it as a person would."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[4]
_PLAYBOOK = [sys.executable, "-m", "ansible", "playbook"]
_SILENCING = ("CI", "NO_COLOR", "ANSIBLE_NOCOLOR", "ANSIBLE_FORCE_COLOR", "ANSIBLE_STDOUT_CALLBACK", "COLUMNS")

_CONFIGURATION = """
[defaults]
stdout_callback = slipway.kube.progress
callbacks_enabled = slipway.kube.report
collections_path = {collections}
localhost_warning = false
interpreter_python = {python}
[inventory]
inventory_unparsed_warning = false
"""


@dataclass
class Outcome:
    """What a run returned and showed; output and errors together where it ran on a terminal."""

    code: int
    out: str
    err: str = ""

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.out.splitlines()]

    @property
    def shown(self) -> list[str]:
        """The lines that remain on a terminal: what was erased is gone, colours are not looked at."""
        kept = (line.rsplit("\r\x1b[K", 1)[-1] for line in self.out.replace("\r\n", "\n").split("\n"))
        return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in kept]


class Project:
    """A directory with a configuration, a collection with roles of its own, and playbooks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        collection = root / "collections" / "ansible_collections" / "slipway" / "kube"
        collection.mkdir(parents=True)
        (collection / "plugins").symlink_to(CHECKOUT / "plugins", target_is_directory=True)
        (collection / "galaxy.yml").write_text(
            "namespace: slipway\nname: kube\nversion: 0.0.1\nreadme: R\nauthors: [A]\n"
        )
        self._roles = collection / "roles"
        (root / "ansible.cfg").write_text(
            _CONFIGURATION.format(collections=root / "collections", python=sys.executable), encoding="utf-8"
        )

    def role(self, name: str, tasks: str) -> None:
        """Give the collection a role."""
        (self._roles / name / "tasks").mkdir(parents=True)
        (self._roles / name / "tasks" / "main.yml").write_text(tasks, encoding="utf-8")

    def play(self, tasks: str, name: str = "Deploy", more: str = "") -> None:
        """Write site.yml with one play; tasks and more (other keys of the play) are YAML."""
        head = f"- name: {name}\n  hosts: all\n  connection: local\n  gather_facts: false\n"
        indented = "".join(f"    {line}\n" for line in tasks.strip("\n").splitlines())
        (self.root / "site.yml").write_text(f"{head}{more}  tasks:\n{indented}", encoding="utf-8")

    def _environment(self, environment: dict[str, str]) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if name not in _SILENCING}
        base["ANSIBLE_CONFIG"] = str(self.root / "ansible.cfg")
        return {**base, "ANSIBLE_LOCAL_TEMP": str(self.root / ".tmp"), **environment}

    def run(self, *arguments: str, hosts: str = "localhost,", **environment: str) -> Outcome:
        """Run site.yml with the output going to pipes."""
        done = subprocess.run(
            [*_PLAYBOOK, "-i", hosts, "site.yml", *arguments],
            cwd=self.root,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run_on_terminal(self, *arguments: str, **environment: str) -> Outcome:
        """Run site.yml on a terminal of 80 columns and return all that it wrote to it."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.root)
            everything = self._environment({"TERM": "xterm-256color", **environment})
            os.execve(_PLAYBOOK[0], [*_PLAYBOOK, "-i", "localhost,", "site.yml", *arguments], everything)
        seen = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.5)[0]:
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux's word for "the other side has closed"
                break
            if not piece:
                break
            seen += piece
        else:
            os.kill(child, 9)
        _child, status = os.waitpid(child, 0)
        os.close(terminal)
        return Outcome(os.waitstatus_to_exitcode(status), seen.decode())


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Make a project for tests that may share a run."""
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(make_project: Callable[[], Project]) -> Project:
    """A project for one test."""
    return make_project()
