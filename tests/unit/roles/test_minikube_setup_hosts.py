# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry in the hosts file that one may ask for: a marked block, written once, taken back whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

BEFORE = "127.0.0.1 localhost\n192.0.2.7 mine # kept\n"
ENTRY = "# BEGIN slipway slipway\n127.0.0.1 todo.local\n# END slipway slipway\n"


def test_hosts_entry_is_written_once_and_taken_back(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    file = tmp_path / "hosts"
    file.write_text(BEFORE)

    def task(entry: bool) -> dict[str, object]:
        names = {"minikube_setup_hosts_entry": entry, "minikube_setup_hosts": ["todo.localhost", "todo.local"]}
        role = {"name": "slipway.kube.minikube_setup", "tasks_from": "hosts.yml"}
        return {"ansible.builtin.import_role": role, "vars": {"minikube_setup_hosts_file": str(file), **names}}

    keep = {"ansible.builtin.copy": {"src": str(file), "dest": str(tmp_path / "written"), "mode": "0600"}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task(True), keep, task(True), task(False)]}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([play]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", str(playbook)),
        directory=tmp_path,
        environment={
            **ansible_environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
    )
    assert run.code == 0, run.out + run.err
    assert (tmp_path / "written").read_text() == BEFORE + ENTRY
    assert file.read_text() == BEFORE
    assert "changed=3" in run.out  # not four: the second writing finds what it wants
