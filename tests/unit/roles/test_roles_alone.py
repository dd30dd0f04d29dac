# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in a play of somebody's own, by their variables alone and by the old names of entry points and variables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import RENAMES, Rename, find

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

ROOT = Path(__file__).resolve().parents[3]
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
        "verify_exposure": {"kind": "none"},
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
        "minikube_setup_profile": "c",  # a cluster that is still to come
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
    return done.out + done.err


def test_variables_take_the_place_of_a_plan(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    roles = [{"name": f"slipway.kube.{name}", "vars": dict(variables)} for name, variables in ROLES.items()]
    said = run(ansible, tmp_path, ansible_environment, roles, "--check")
    assert "would run 1 checks" in said


def test_old_names_of_entry_points_warn_and_work(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    variables = {"helm_release_namespace": "shop", "helm_release_releases": []}
    role = {"name": "slipway.kube.helm_release", "tasks_from": "done.yml", "vars": variables}
    done = run(ansible, tmp_path, ansible_environment, [role])
    assert find("entry point", "done.yml").message in " ".join(done.split()), done
    assert "Release the lease in the cluster" in done


def test_old_names_of_variables_warn_and_work(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    variables = {**ROLES["verify"], "verify_entry": {"kind": "none"}}
    del variables["verify_exposure"]
    said = run(ansible, tmp_path, ansible_environment, [{"name": "slipway.kube.verify", "vars": variables}], "--check")
    assert find("variable", "verify_entry").message in " ".join(said.split())
    assert "would run 1 checks" in said


@pytest.mark.parametrize("rename", [one for one in RENAMES if one.kind == "entry point"], ids=lambda one: one.old)
def test_an_old_entry_point_leads_to_the_new_one(rename: Rename) -> None:
    tasks = ROOT / "roles" / rename.owner / "tasks"
    assert f"'{rename.new}' | slipway.kube.renamed('{rename.owner}/{rename.old}')" in (tasks / rename.old).read_text()
    assert f"import_tasks: {rename.new}" in (tasks / rename.old).read_text() and (tasks / rename.new).exists()


@pytest.mark.parametrize("rename", [one for one in RENAMES if one.kind == "variable"], ids=lambda one: one.old)
def test_an_old_variable_is_read_by_the_default_of_the_new_one(rename: Rename) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / rename.owner / "defaults/main.yml").read_text())
    assert f"{rename.old} | slipway.kube.renamed('{rename.old}') if {rename.old} is defined else" in " ".join(
        defaults[rename.new].split()
    )
    assert rename.old not in defaults
