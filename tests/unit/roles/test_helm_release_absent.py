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
from ansible_collections.slipway.kube.plugins.module_utils._kube import leases
from fake_kubernetes import FakeKubernetes, Served, serve

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

MARK = {"app.kubernetes.io/managed-by": "slipway"}


@pytest.fixture
def api() -> FakeKubernetes:
    return FakeKubernetes("team-a")


def remove(
    place: Path, server: Served, ansible: Ansible, environment: dict[str, str], *arguments: str, code: int = 0
) -> str:
    """Run the role's absent.yml and return what was said."""
    helm = place / "helm"
    helm.write_text(
        f"""#!/bin/sh\necho "$@" >>{place}/helm.log\n"""
        """case $1 in version) echo 'version.BuildInfo{Version:"v4.1.4", x' ;; *) echo '[]' ;; esac\n"""
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
        *("-i", "localhost,", "-c", "local", "play.yml", *arguments),
        directory=place,
        environment={
            **environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "HOME": str(place),
        },
    )
    assert run.code == code, run.out + run.err
    return run.out


def fill(api: FakeKubernetes) -> list[tuple[str, str]]:
    """Put into the cluster what is ours and what is not; return what must stay."""
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
    for name in ("ours", "gone-before"):
        note = {"slipway.kube/copy-of": name}
        api.add("secrets", f"{name}-0123", labels=MARK, annotations=note, type="slipway.kube/secret-copy")
    # Of a Secret that is not declared.
    kept.append(("secrets", "gone-before-0123"))
    api.add("leases", "slipway-deploy", spec={"leaseDurationSeconds": 1})
    api.add("namespaces", "data", labels=MARK)
    api.add("secrets", "any", "data")
    return [("namespaces", "team-a"), *kept]


def left(api: FakeKubernetes) -> list[tuple[str, str]]:
    return sorted(
        (path.rpartition("/")[2], item["metadata"]["name"]) for path, items in api.collections.items() for item in items
    )


def test_only_what_is_ours_is_removed(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    kept = fill(api)
    with serve(api) as server:
        before = left(api)
        told = remove(tmp_path, server, ansible, ansible_environment, "--check")
        assert left(api) == before and api.writes == []
        said = remove(tmp_path, server, ansible, ansible_environment)
    assert left(api) == sorted(kept)
    going = [
        *("Secret ours in namespace team-a", "Secret ours-0123 in namespace team-a"),
        "PersistentVolumeClaim ours in namespace team-a",
        *("ConfigMap migrated in namespace team-a", "namespace data with everything in it"),
    ]
    staying = [
        "keeps namespace team-a, because Slipway did not create it",
        "keeps Secret theirs in namespace team-a, because Slipway did not create it",
    ]
    for text, verb in ((told, "would delete"), (said, "will delete")):
        lines = [line.strip().strip('",') for line in text.partition("Acquire the lease")[0].splitlines()]
        assert [line for line in lines if line.startswith((verb, "keeps"))] == [
            *(f"{verb} {what}" for what in going),
            *staying,
        ]


def test_lease_and_log_of_another_application_stay(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    api.add("namespaces", "team-a")
    log = [{"at": "", "by": "ann@a", "before": {name: 1}} for name in ("team-a/web", "team-a/mail", "data/db")]
    api.add(
        "leases", "slipway-deploy", annotations={"slipway.kube/log": json.dumps(log)}, spec={"leaseDurationSeconds": 1}
    )
    with serve(api) as server:
        remove(tmp_path, server, ansible, ansible_environment)
    lease = leases.parse(api.get("leases", "slipway-deploy"))
    assert lease.holder == "" and [entry["before"] for entry in lease.log] == [{"team-a/mail": 1}]


def test_nothing_is_removed_while_somebody_deploys(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    fill(api)
    lease = api.get("leases", "slipway-deploy")
    lease["spec"] |= {"holderIdentity": "bob@elsewhere.invalid/1-1-1", "leaseDurationSeconds": 900}
    before = left(api)
    with serve(api) as server:
        said = remove(tmp_path, server, ansible, ansible_environment, "-e", "helm_release_lease_wait=0", code=2)
    assert "bob@elsewhere.invalid holds its lease" in said and left(api) == before
    assert not (tmp_path / "helm.log").exists()


def test_lease_of_somebody_else_with_our_name_stops_it(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    fill(api)
    api.get("leases", "slipway-deploy")["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "other"}
    before = left(api)
    with serve(api) as server:
        said = remove(tmp_path, server, ansible, ansible_environment, code=2)
    assert "does not belong to Slipway: it is managed by other" in said and left(api) == before
