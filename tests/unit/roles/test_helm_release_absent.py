# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing an application, run by Ansible against an API on loopback: what is somebody else's stays and is named first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_kubernetes import FakeKubernetes, Served, serve

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

MARK = {"app.kubernetes.io/managed-by": "slipway"}


@pytest.fixture
def api() -> FakeKubernetes:
    return FakeKubernetes("team-a")


def remove(place: Path, server: Served, ansible: Ansible, environment: dict[str, str]) -> str:
    """Run the role's absent.yml and return what was said."""
    helm = place / "helm"
    helm.write_text(
        """#!/bin/sh\ncase $1 in version) echo 'version.BuildInfo{Version:"v4.1.4", x' ;; *) echo '[]' ;; esac\n"""
    )
    helm.chmod(0o755)
    variables = {
        "helm_release_namespace": "team-a",
        "helm_release_releases": [
            {"name": "web", "namespace": "team-a"},
            {"name": "db", "namespace": "data"},
            {"name": "gone", "namespace": "gone"},
        ],
        "helm_release_secrets": [{"name": "ours"}, {"name": "theirs"}],
        "helm_release_kubeconfig": server.kubeconfig(place),
        "helm_release_context": "c",
        "helm_release_binary": str(helm),
    }
    role = {"name": "slipway.kube.helm_release", "tasks_from": "absent.yml"}
    tasks = [{"ansible.builtin.include_role": role, "vars": variables}]
    (place / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml"),
        directory=place,
        environment={
            **environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "HOME": str(place),
        },
    )
    assert run.code == 0, run.out + run.err
    return run.out


def test_only_what_is_ours_is_removed(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    web, theirs = {"app.kubernetes.io/instance": "web"}, {"app.kubernetes.io/instance": "theirs"}
    kept = [
        ("persistentvolumeclaims", "theirs"),
        ("configmaps", "settings"),
        ("secrets", "theirs"),
        ("secrets", "other"),
    ]
    api.add("namespaces", "team-a", labels=theirs)
    for plural, name in kept:
        api.add(plural, name, labels=theirs)
    api.add("persistentvolumeclaims", "ours", labels=web)
    api.add("configmaps", "migrated", labels={**web, "app.kubernetes.io/component": "migration"})
    api.add("secrets", "ours", labels=MARK)
    api.add("leases", "slipway-deploy", spec={"leaseDurationSeconds": 1})
    api.add("namespaces", "data", labels=MARK)
    api.add("secrets", "any", "data")

    with serve(api) as server:
        said = remove(tmp_path, server, ansible, ansible_environment)
    left = [
        (path.rpartition("/")[2], item["metadata"]["name"]) for path, items in api.collections.items() for item in items
    ]
    assert sorted(left) == sorted([("namespaces", "team-a"), *kept])
    told = said.index("Namespace team-a stays, because Slipway did not create it.")
    assert told < said.index("Secret theirs stays in namespace team-a") < said.index("Uninstall the releases")
    assert "Namespace data stays" not in said and "Namespace gone stays" not in said
