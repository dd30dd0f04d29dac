# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is asked to be stopped: the role stops its node once, keeps everything, and touches nobody else's."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube.files import owner_note, write_owner_note
from certificates import make_authority
from docker_engine import DockerEngine, node
from http_server import Server, answer

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

# Has the engine stop the node, as Minikube does, and writes down what it was told.
MINIKUBE = """#!{python} -IS
import os, pathlib, socket, sys
with open(pathlib.Path(__file__).with_name("minikube.log"), "a") as log:
    print(*sys.argv[1:], file=log)
with socket.socket(socket.AF_UNIX) as engine:
    engine.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    engine.sendall(b"POST /containers/slipway/stop HTTP/1.1\\r\\nHost: engine\\r\\nContent-Length: 0\\r\\n\\r\\n")
    engine.recv(100)
"""
CONFIG = {
    "Driver": "docker",
    "CPUs": 2,
    "Memory": 6144,
    "KubernetesConfig": {"KubernetesVersion": "v1.35.1", "ContainerRuntime": "containerd"},
}


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[int]:
    """The port of an API server that lives."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(sock, make_authority(tmp_path).context("minikube"), routes={"/livez": answer("200 OK", b"ok")})
    threading.Thread(target=server.serve, daemon=True).start()
    yield server.port
    server.stop()


def test_a_cluster_is_stopped_once_and_another_ones_never(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str], engine: DockerEngine, api_server: int
) -> None:
    engine.containers["slipway"] = node({80: 8081, 8443: api_server})
    engine.containers["mine"] = node({})
    home = tmp_path / ".minikube"
    for profile in ("slipway", "mine"):
        (home / "profiles" / profile).mkdir(parents=True)
        (home / "profiles" / profile / "config.json").write_text(json.dumps(CONFIG))
    write_owner_note(tmp_path, "slipway", started=True)
    minikube = tmp_path / "minikube"
    minikube.write_text(MINIKUBE.format(python=sys.executable))
    minikube.chmod(0o755)

    variables = {
        "ansible_python_interpreter": sys.executable,
        "minikube_setup_state": "stopped",
        "minikube_setup_home": str(tmp_path),
        "minikube_setup_binary": str(minikube),
        "minikube_setup_kubeconfig": str(tmp_path / "kubeconfig"),
        "minikube_setup_docker_host": engine.address,
    }
    role: dict[str, Any] = {"ansible.builtin.import_role": {"name": "slipway.kube.minikube_setup"}}
    note = {"ansible.builtin.copy": {"content": "{{ ansible_failed_result.msg }}", "dest": f"{tmp_path}/refused"}}
    tasks = [
        {"block": [role], "check_mode": True},
        {"ansible.builtin.stat": {"path": f"{tmp_path}/minikube.log"}, "register": "early"},
        {"ansible.builtin.assert": {"that": "not early.stat.exists"}},
        role,
        role,
        {"block": [role], "rescue": [note], "vars": {"minikube_setup_profile": "mine"}},
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml"),
        directory=tmp_path,
        environment={**ansible_environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
    )
    assert run.code == 0, run.out + run.err
    assert "changed=3" in run.out, run.out  # what check mode announces, the stop, and the note
    assert (tmp_path / "minikube.log").read_text() == "stop --profile=slipway --output=json\n"
    assert [engine.containers[name]["State"]["Status"] for name in ("slipway", "mine")] == ["exited", "running"]
    assert "profile named mine exists, but there is no note" in (tmp_path / "refused").read_text()
    assert owner_note(tmp_path, "slipway")["started"] and (home / "profiles/slipway/config.json").exists()
