# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers are PostgreSQL servers of a release."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._database import servers
from fake_kubernetes import FakeKubernetes

Object = dict[str, Any]


def workload(
    name: str = "shop-postgresql", release: str = "shop", port: int = 5432, variable: str = "POSTGRES_PASSWORD"
) -> Object:
    container = {"name": "server", "ports": [{"containerPort": port}], "env": [{"name": variable}]}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": name, "annotations": {"meta.helm.sh/release-name": release}},
        "spec": {
            "selector": {"matchLabels": {"b": "2", "a": "1"}},
            "template": {"spec": {"containers": [{"name": "exporter"}, container]}},
        },
    }


def pod(name: str, ready: str = "True", **metadata: str) -> Object:
    return {
        "metadata": {"name": name, "labels": {"a": "1", "b": "2"}, **metadata},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.mark.parametrize("variable", ["POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"])
def test_a_container_with_the_port_and_the_password_is_a_server(variable: str) -> None:
    found = list(servers.servers_of([workload(variable=variable)], "todo", ["shop"]))
    assert found == [servers.Server("todo", "shop", "StatefulSet/shop-postgresql", "server", "a=1,b=2")]


@pytest.mark.parametrize(
    "other",
    [
        workload(release="somebody-elses"),
        workload(port=8000),  # an application that is told the password
        workload(variable="PGPASSWORD"),
        {"kind": "StatefulSet"},
    ],
    ids=["another release", "another port", "another variable", "nothing in it"],
)
def test_other_containers_are_none(other: Object) -> None:
    assert list(servers.servers_of([other], "todo", ["shop"])) == []


def test_servers_are_found_in_each_namespace_of_the_releases() -> None:
    with FakeKubernetes() as api:
        api.put("statefulsets", [workload()], "todo")
        api.put("deployments", [], "todo")
        api.put("statefulsets", [], "data")
        api.put("deployments", [workload("db", "data") | {"kind": "Deployment"}], "data")
        found = servers.find(api, [("todo", "shop"), ("data", "data")])  # type: ignore[arg-type]
    assert [server.workload for server in found] == ["StatefulSet/shop-postgresql", "Deployment/db"]


def test_without_a_server_the_releases_are_named() -> None:
    with FakeKubernetes() as api:
        api.put("statefulsets", [], "todo")
        api.put("deployments", [], "todo")
        with pytest.raises(servers.NoServerError, match="part of web in namespace todo, api in namespace todo"):
            servers.find(api, [("todo", "web"), ("todo", "api")])  # type: ignore[arg-type]


def test_one_of_several_servers_has_to_be_named() -> None:
    several = list(servers.servers_of([workload("one"), workload("two")], "todo", ["shop"]))
    with pytest.raises(servers.NoServerError, match="several PostgreSQL servers: one, two"):
        servers.choose(several, None)
    with pytest.raises(servers.NoServerError, match="no PostgreSQL server three; there is one, two"):
        servers.choose(several, "three")
    assert servers.choose(several, "two").name == "two"
    assert servers.choose(several[:1], None).name == "one"


def test_the_pod_is_one_that_is_ready_and_stays() -> None:
    (server,) = servers.servers_of([workload()], "todo", ["shop"])
    with FakeKubernetes() as api:
        going = pod("going", deletionTimestamp="2026-01-01T00:00:00Z")
        api.put("pods", [pod("starting", "False"), going, pod("ready")], "todo")
        assert servers.pod_of(api, server) == "ready"  # type: ignore[arg-type]
        api.put("pods", [pod("starting", "False"), going], "todo")
        with pytest.raises(servers.NoServerError, match="No pod of StatefulSet/shop-postgresql .* is ready"):
            servers.pod_of(api, server)  # type: ignore[arg-type]
