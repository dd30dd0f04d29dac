# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy of what cannot be installed, run by Ansible against an API on loopback: it ends before anything is changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import SecretManager, read_wanted
from fake_kubernetes import FakeKubernetes, serve

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible, Run

RULES = [{"host": "shop.localhost", "http": {"paths": [{"path": "/"}]}}]
ROUTE = {"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": RULES}}
REFUSED = "values don't meet the specifications of the schema(s) in the following chart(s): web: at '/port': got 80, want 1,024"


@pytest.fixture
def api() -> FakeKubernetes:
    return FakeKubernetes("shop")


def deploy(
    place: Path, api: FakeKubernetes, helm: str, ansible: Ansible, environment: dict[str, str], *arguments: str
) -> Run:
    """Run the role for a new application with one Secret; C(helm) is what stands in for Helm."""
    # Values come on standard input; who ends without reading them breaks the writer's pipe.
    (place / "helm").write_text(
        f'#!/bin/sh\n[ "$1" = version ] && exec echo v4.1.4\ncase "$*" in *"--values -"*) cat >/dev/null ;; esac\n{helm}\n'
    )
    (place / "helm").chmod(0o755)
    (place / "chart").mkdir()
    (place / "chart/Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    with serve(api) as server:
        variables: dict[str, Any] = {
            "helm_release_namespace": "shop",
            "helm_release_releases": [
                {"name": "web", "namespace": "shop", "chart": str(place / "chart"), "values": {"port": 80}}
            ],
            "helm_release_secrets": [{"name": "keys", "keys": {"TOKEN": {"generate": 32}}}],
            "helm_release_kubeconfig": server.kubeconfig(place),
            "helm_release_context": "c",
            "helm_release_binary": str(place / "helm"),
        }
        tasks = [{"ansible.builtin.include_role": {"name": "slipway.kube.helm_release"}, "vars": variables}]
        (place / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        return ansible.playbook(
            *("-i", "localhost,", "-c", "local", "play.yml", *arguments),
            directory=place,
            environment={
                **environment,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "HOME": str(place),
            },
        )


def test_values_that_the_chart_refuses(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    run = deploy(tmp_path, api, f'echo "{REFUSED}" >&2; exit 1', ansible, ansible_environment)
    assert run.code == 2 and f"Helm rejected release web: {REFUSED}." in run.out, run.out + run.err
    assert api.writes == []


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_an_address_that_another_application_serves(
    tmp_path: Path,
    api: FakeKubernetes,
    ansible: Ansible,
    ansible_environment: dict[str, str],
    arguments: tuple[str, ...],
) -> None:
    api.put("ingresses", [{"metadata": {"name": "front", "namespace": "blog"}, "spec": {"rules": RULES}}], "blog")
    api.collections["/apis/networking.k8s.io/v1/ingresses"] = api.collections[api.path("ingresses", "blog")]
    run = deploy(tmp_path, api, f"echo '{json.dumps(ROUTE)}'", ansible, ansible_environment, *arguments)
    assert run.code == 2 and "shop.localhost/ is served by the Ingress blog/front already." in run.out, (
        run.out + run.err
    )
    assert api.writes == []


@pytest.mark.parametrize("namespace", ["blog", "shop"])
def test_an_address_that_another_application_serves_where_no_secret_changes(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str], namespace: str
) -> None:
    metadata = {"name": "front", "namespace": namespace, "annotations": {"meta.helm.sh/release-name": "blog"}}
    api.put("ingresses", [{"metadata": metadata, "spec": {"rules": RULES}}], namespace)
    api.collections["/apis/networking.k8s.io/v1/ingresses"] = api.collections[api.path("ingresses", namespace)]
    helm = f"echo '{json.dumps(ROUTE)}'"
    run = deploy(tmp_path, api, helm, ansible, ansible_environment, "-e", '{"helm_release_secrets": []}')
    assert run.code == 2 and f"is served by the Ingress {namespace}/front of the release blog already." in run.out, (
        run.out + run.err
    )
    assert api.writes == []


def test_what_another_application_has_deployed_under_the_same_names(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    labels = {"owner": "helm", "name": "web", "status": "deployed", "version": "1"}
    values = {"global": {"slipway": {"application": "shop"}}}
    release = {"config": values, "chart": {"metadata": {"name": "web"}}, "info": {"status": "deployed"}}
    record = {
        "type": releases.TYPE,
        "metadata": {"name": "sh.helm.release.v1.web.v1", "namespace": "shop", "labels": labels},
        "data": {"release": releases.encode(release)},
    }
    api.put("secrets", [record])
    helm = f"echo '{json.dumps(ROUTE)}'"
    run = deploy(tmp_path, api, helm, ansible, ansible_environment, "-e", '{"application_plan": {"name": "blog"}}')
    told = "The release web in the namespace shop belongs to the application shop, not to blog. Choose another name"
    assert run.code == 2 and told in run.out, run.out + run.err
    assert api.writes == []


@pytest.mark.parametrize(("context", "told"), [("d", "It has no such context; known are c"), ("slipway", "")])
def test_a_context_that_does_not_exist_in_check_mode(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str], context: str, told: str
) -> None:
    """Only the cluster that Slipway makes may be still to come."""
    given = ("--check", "-e", f"helm_release_context={context}")
    run = deploy(tmp_path, api, f"echo '{json.dumps(ROUTE)}'", ansible, ansible_environment, *given)
    assert (run.code, told in run.out) == (2 if told else 0, True), run.out + run.err


def test_what_can_be_installed_is(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    run = deploy(tmp_path, api, f"echo '{json.dumps(ROUTE)}'", ansible, ansible_environment)
    assert run.code == 0, run.out + run.err
    secrets = api.collections[api.path("secrets")]
    assert [secret["type"] for secret in secrets] == ["slipway.kube/secret-copy", "Opaque"]
    assert secrets[0]["metadata"]["name"].startswith("keys-") and secrets[1]["metadata"]["name"] == "keys"


def test_a_lost_secret_whose_data_is_there(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    api.add("persistentvolumeclaims", "data-web-0", labels={"app.kubernetes.io/instance": "web"})
    run = deploy(tmp_path, api, f"echo '{json.dumps(ROUTE)}'", ansible, ansible_environment)
    assert run.code == 2 and "Secret keys in namespace shop is missing and no copy of it is left" in run.out, (
        run.out + run.err
    )
    assert "PersistentVolumeClaim data-web-0 may hold data" in run.out and api.writes == []


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_a_lost_secret_is_restored(
    tmp_path: Path,
    api: FakeKubernetes,
    ansible: Ansible,
    ansible_environment: dict[str, str],
    arguments: tuple[str, ...],
) -> None:
    api.add("namespaces", "shop")
    wanted = read_wanted([{"name": "keys", "namespace": "shop", "keys": [{"name": "TOKEN", "generate": 32}]}])
    SecretManager(api).ensure(wanted)
    before = api.get("secrets", "keys")["data"]
    api.request("DELETE", f"{api.path('secrets')}/keys")
    api.calls.clear()
    run = deploy(tmp_path, api, f"echo '{json.dumps(ROUTE)}'", ansible, ansible_environment, *arguments)
    assert run.code == 0, run.out + run.err
    if arguments:
        assert "Secret keys is missing; to be restored from its newest copy." in run.out and api.writes == []
    else:
        assert "Secret keys was missing; restored from its newest copy." in run.out
        assert api.get("secrets", "keys")["data"] == before


def test_a_secret_without_a_copy_is_copied_and_nothing_counts_as_changed(
    tmp_path: Path, api: FakeKubernetes, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    api.add("namespaces", "shop")
    wanted = read_wanted([{"name": "keys", "namespace": "shop", "keys": [{"name": "TOKEN", "generate": 32}]}])
    SecretManager(api).ensure(wanted)
    api.put("secrets", [api.get("secrets", "keys")])
    run = deploy(tmp_path, api, "exit 1", ansible, ansible_environment, "-e", '{"helm_release_releases": []}')
    assert run.code == 0 and "changed=0" in run.out, run.out + run.err
    assert [secret["type"] for secret in api.collections[api.path("secrets")]] == ["Opaque", "slipway.kube/secret-copy"]
