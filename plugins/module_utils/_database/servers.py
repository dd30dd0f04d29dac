# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL servers that run in the cluster as part of a release. Private to the collection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.slipway.kube.plugins.module_utils._kube import client
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import Object, belongs, dig, fields, meta, rows

_PORT = 5432
_PASSWORDS = {
    "POSTGRES_PASSWORD",
    "POSTGRES_PASSWORD_FILE",
}  # one of them is in the environment of the official image, and of those like it
_KINDS = {"StatefulSet": "statefulsets", "Deployment": "deployments"}


class NoServerError(ValueError):
    """There is no such server, or it is not ready."""


@dataclass(frozen=True)
class Server:
    """The container of a workload that runs a PostgreSQL server."""

    namespace: str
    release: str
    workload: str  # Kind/name
    container: str
    selector: str
    secret: str = ""  # that holds the password, if the environment says so
    key: str = ""  # of the password in it

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.partition("/")[2]


def servers_of(workloads: Iterable[Object], namespace: str, releases: Collection[str]) -> Iterator[Server]:
    """Yield the servers among a namespace's workloads that belong to one of the releases.

    A container is one when it serves PostgreSQL's port and has the password that the image initializes its data with.
    """
    for workload in workloads:
        release = next((name for name in releases if belongs(workload, name)), None)
        labels = fields(workload, "spec", "selector", "matchLabels")
        if release is None or not labels:
            continue
        for container in rows(workload, "spec", "template", "spec", "containers"):
            ports = {port.get("containerPort") for port in rows(container, "ports")}
            variables = {str(variable.get("name")): variable for variable in rows(container, "env")}
            if _PORT in ports and variables.keys() & _PASSWORDS:
                selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
                where = f"{workload.get('kind')}/{meta(workload, 'name')}"
                source = fields(variables.get("POSTGRES_PASSWORD"), "valueFrom", "secretKeyRef")
                password = str(source.get("name") or ""), str(source.get("key") or "")
                yield Server(namespace, release, where, str(container.get("name")), selector, *password)


def find(cluster: client.KubernetesClient, releases: Iterable[tuple[str, str]]) -> list[Server]:
    """Return the servers of releases, given as (namespace, name). Raises NoServerError when there is none, KubernetesError."""
    names: dict[str, list[str]] = {}
    for namespace, name in releases:
        names.setdefault(namespace, []).append(name)
    found: list[Server] = []
    for namespace, wanted in names.items():
        for kind, plural in _KINDS.items():
            listed = cluster.items(f"/apis/apps/v1/namespaces/{quote(namespace)}/{plural}")
            found += servers_of(({**one, "kind": kind} for one in listed), namespace, wanted)
    if not found:
        places = ", ".join(f"{name} in namespace {namespace}" for namespace, wanted in names.items() for name in wanted)
        raise NoServerError(
            f"No PostgreSQL server runs as part of {places}. A database outside of the release is backed up by whoever runs it; "
            "if the application is not deployed yet, deploy it first."
        )
    return found


def choose(servers: list[Server], name: str | None) -> Server:
    """Return the server of that name, or the only one. Raises NoServerError naming those that there are."""
    found = [server for server in servers if name in (None, server.name)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(server.name for server in servers)
    if found:
        raise NoServerError(
            f"There are several PostgreSQL servers: {there}. Name the one to restore with database_name."
        )
    raise NoServerError(
        f"There is no PostgreSQL server {name}; there is {there}. Name the one to restore with database_name."
    )


def pod_of(cluster: client.KubernetesClient, server: Server) -> str:
    """Return the name of a server's ready pod. Raises NoServerError when none is ready, KubernetesError."""
    pods = cluster.items(f"/api/v1/namespaces/{quote(server.namespace)}/pods", labelSelector=server.selector)
    for pod in pods:
        conditions = {row.get("type"): row.get("status") for row in rows(pod, "status", "conditions")}
        if conditions.get("Ready") == "True" and dig(pod, "metadata", "deletionTimestamp") is None:
            return meta(pod, "name")
    raise NoServerError(
        f"No pod of {server.workload} in namespace {server.namespace} is ready. See what is wrong with it with 'make status', and try again."
    )
