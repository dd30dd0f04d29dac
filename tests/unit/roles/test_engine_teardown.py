# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook teardown.yml and a container engine that Slipway installed: it goes with the last cluster, unless it holds anything of others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker_engine import DockerEngine, node

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called as the engine's daemon."""
    sleep = shutil.which("sleep")
    assert sleep
    program = tmp_path / "dockerd"
    shutil.copy(sleep, program)
    process = subprocess.Popen([str(program), "600"])
    # Whoever ends it waits until it is gone, which takes somebody who asks how it ended.
    threading.Thread(target=process.wait, daemon=True).start()
    yield process
    process.kill()


def test_the_engine_goes_with_the_last_cluster_when_nothing_of_others_is_in_it(
    tmp_path: Path,
    ansible: Ansible,
    ansible_environment: dict[str, str],
    engine: DockerEngine,
    daemon: subprocess.Popen[bytes],
) -> None:
    engine.containers["mine"] = node({})
    own = tmp_path / "engine"
    own.mkdir()
    (own / "dockerd.pid").write_text(str(daemon.pid))
    record = {"systemd": False, "packages": [], "command": ["dockerd", f"--host={engine.address}"]}
    (own / "engine.json").write_text(json.dumps(record))
    state = tmp_path / "state"
    (state / "bin").mkdir(parents=True)
    (state / "bin/helm").touch()

    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "toolchain_cache_dir": str(tmp_path / "cache"),
        "toolchain_state_dir": str(state),
        "toolchain_engine_dir": str(own),
        "minikube_setup_home": str(state),
        "minikube_setup_profile": "slipway-teardown",
        "minikube_setup_binary": str(tmp_path / "missing"),
        "minikube_setup_kubeconfig": str(tmp_path / "kubeconfig"),
        "minikube_setup_hosts_file": str(tmp_path / "hosts"),
    }
    (tmp_path / "hosts").touch()
    (tmp_path / "inventory.yml").write_text(json.dumps({"clusters": {"hosts": {"localhost": None}, "vars": variables}}))
    teardown: dict[str, Any] = {"ansible.builtin.import_playbook": str(ROOT / "playbooks/teardown.yml")}
    remove: dict[str, Any] = {
        "url": "http://engine/containers/mine",
        "unix_socket": engine.address.removeprefix("unix://"),
        "method": "DELETE",
        "status_code": 204,
    }
    between = [
        {"ansible.builtin.stat": {"path": str(own / "engine.json")}, "register": "kept"},
        {"ansible.builtin.stat": {"path": f"/proc/{daemon.pid}"}, "register": "running"},
        {"ansible.builtin.assert": {"that": ["kept.stat.exists", "running.stat.exists"]}},
        {"ansible.builtin.uri": remove},
    ]
    play = {"hosts": "clusters", "gather_facts": False, "tasks": between}
    (tmp_path / "play.yml").write_text(json.dumps([teardown, play, teardown]))
    run = ansible.playbook(
        *("-i", "inventory.yml", "play.yml", "-e", "teardown_cluster=true"),
        directory=tmp_path,
        environment={
            **ansible_environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "DOCKER_HOST": engine.address,
            "HOME": str(tmp_path),
        },
    )
    assert run.code == 0, run.out + run.err
    said = " ".join((run.out + run.err).split())
    assert said.count("The container engine stays, because it still holds container mine.") == 1, said
    assert not own.exists() and not state.exists()
    daemon.wait(5)
    assert engine.containers == {}
