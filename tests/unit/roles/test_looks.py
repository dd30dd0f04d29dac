# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role toolchain saw of one cluster is not taken for another's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible


def test_a_look_at_another_profile_tells_nothing(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    seen = {"profile": "mine", "state": "running", "images": ["web:1"], "platform": "5a0e", "ingress_port": 8081}

    def looked(profile: str, *expected: str) -> list[dict[str, Any]]:
        variables = {
            "minikube_setup_profile": profile,
            "image_build_profile": profile,
            "toolchain_environment": {"cluster": seen},
            "application_plan": {"components": {}},
        }
        # The parts of the roles that do nothing here.
        parts = [("minikube_setup", "wait.yml"), ("image_build", "start.yml")]
        roles = [
            {"ansible.builtin.import_role": {"name": f"slipway.kube.{name}", "tasks_from": part}, "vars": variables}
            for name, part in parts
        ]
        return [*roles, {"ansible.builtin.assert": {"that": list(expected)}, "vars": variables}]

    tasks = [
        *looked("mine", "__minikube_setup_found.state == 'running'", "__image_build_cluster.images == ['web:1']"),
        *looked("other", "__minikube_setup_found == {}", "__image_build_cluster == {}"),
    ]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": tasks,
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml"),
        directory=tmp_path,
        environment={**ansible_environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
    )
    assert run.code == 0, run.out + run.err
