# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in a play of somebody's own, by their variables alone and by older names of their entry points."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

ROLES: dict[str, dict[str, Any]] = {
    "image_build": {"image_build_components": {}},
    "helm_release": {
        "helm_release_namespace": "shop",
        "helm_release_releases": [],
        "helm_release_secrets": [{"name": "keys", "keys": {"A": {"generate": 32}}}],
    },
    "verify": {
        "verify_releases": [{"name": "web", "namespace": "shop"}],
        "verify_checks": [{"name": "page", "url": "http://127.0.0.1:1/"}],
        "verify_journey": [],
        "verify_hosts": [],
        "verify_entry": {"kind": "none"},
    },
}


def run(ansible: Ansible, place: Path, environment: dict[str, str], roles: list[dict[str, Any]], *options: str) -> str:
    """Run roles where there is no cluster and return what was said."""
    kubeconfig = {
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (place / "kubeconfig").write_text(json.dumps(kubeconfig))
    variables = {
        "ansible_python_interpreter": sys.executable,
        **{f"{role}_kubeconfig": str(place / "kubeconfig") for role in ("helm_release", "verify")},
        **{f"{role}_context": "c" for role in ("helm_release", "verify")},
    }
    tasks = [{"ansible.builtin.import_role": role, "vars": role.pop("vars", {})} for role in roles]
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (place / "play.yml").write_text(json.dumps([play]))
    done = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml", *options),
        directory=place,
        environment={**environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
    )
    assert done.code == 0, done.out + done.err
    return done.out


def test_variables_take_the_place_of_a_plan(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    roles = [{"name": f"slipway.kube.{name}", "vars": dict(variables)} for name, variables in ROLES.items()]
    said = run(ansible, tmp_path, ansible_environment, roles, "--check")
    # The last task of the last role.
    assert re.search(r"would \w+ 1 check", said)


def test_older_names_of_entry_points_warn_and_work(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    variables = {"helm_release_namespace": "shop", "helm_release_releases": []}
    role = {"name": "slipway.kube.helm_release", "tasks_from": "done.yml", "vars": variables}
    said = run(ansible, tmp_path, ansible_environment, [role])
    assert (
        "tasks_from=done.yml of slipway.kube.helm_release is deprecated" in said and "Write release_lease.yml." in said
    )
    assert "Release the deploy lease" in said
    tasks = Path(__file__).resolve().parents[3] / "roles" / "helm_release" / "tasks"
    for old, new in {"done": "release_lease", "return": "roll_back", "rollback": "undo"}.items():
        text = (tasks / f"{old}.yml").read_text()
        assert f"import_tasks: {new}.yml" in text and f"Write {new}.yml." in text and (tasks / f"{new}.yml").exists()
