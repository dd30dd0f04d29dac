# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small project with the callbacks enabled, and Ansible run on it as a person would."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

CHECKOUT = Path(__file__).resolve().parents[4]
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


class Gate:
    """A file that is locked until a text is shown, for a task that waits with C(flock)."""

    def __init__(self, file: Path, text: str) -> None:
        self._text = text
        self._file = file.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def watch(self, shown: str) -> None:
        """Open the gate if the text is among what was shown."""
        if self._text in shown:
            self._file.close()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()


class Project:
    """A directory with a configuration, a collection with roles of its own, and playbooks."""

    def __init__(self, root: Path, ansible: Ansible) -> None:
        self.root = root
        self._ansible = ansible
        collection = root / "collections" / "ansible_collections" / "slipway" / "kube"
        collection.mkdir(parents=True)
        for part in ("plugins", "meta"):
            (collection / part).symlink_to(CHECKOUT / part, target_is_directory=True)
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

    def run(
        self,
        *arguments: str,
        hosts: str = "localhost,",
        gate: Gate | None = None,
        fork_modules: bool = True,
        terminal: bool = False,
        **environment: str,
    ) -> Outcome:
        """Run site.yml with the output going to pipes, or to a terminal of 80 columns."""
        done = self._ansible.playbook(
            *("-i", hosts, "site.yml", *arguments),
            directory=self.root,
            environment=self._environment({"TERM": "xterm-256color", **environment}),
            fork_modules=fork_modules,
            terminal=terminal,
            watch=gate.watch if gate else lambda _out: None,
        )
        return Outcome(done.code, done.out, done.err)

    def gate(self, text: str) -> Gate:
        """Lock the file C(gate) until the run has shown a text."""
        return Gate(self.root / "gate", text)


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory, ansible: Ansible) -> Callable[[], Project]:
    """Make a project for tests that may share a run."""
    return lambda: Project(tmp_path_factory.mktemp("project"), ansible)


@pytest.fixture
def project(make_project: Callable[[], Project]) -> Project:
    """A project for one test."""
    return make_project()
