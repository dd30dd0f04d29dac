# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Service answers from outside of the cluster. Private to the collection.

A Minikube node has no cloud that gives a Service of type LoadBalancer an address. C(minikube tunnel) does so with a process that
must stay and a route that needs root. Here the node itself takes an address of its own network, and the Service is told: the
machine reaches that network without a route, and kube-proxy serves the address as it serves a cloud's.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, Api, find

# The highest addresses of the node's network: the engine gives out the lowest first.
POOL = 15
POLL = 1.0  # seconds


class AddressError(Exception):
    """The Service has no address from outside: a sentence of cause and one of what to do."""


@dataclass(frozen=True)
class Network:
    """A node's place in the engine's network. C(taken) are the addresses of everything that the engine put there."""

    address: str
    prefix: int
    taken: frozenset[str] = frozenset()

    def pool(self) -> list[str]:
        """Addresses that may be given to Services, in the order of giving."""
        subnet = ipaddress.ip_network(f"{self.address}/{self.prefix}", strict=False)
        last = int(subnet.broadcast_address) - 1
        first = max(last - POOL + 1, int(subnet.network_address) + 2)
        found = (str(ipaddress.ip_address(number)) for number in range(first, last + 1))
        return [one for one in found if one not in self.taken and one != self.address]


class Node(Protocol):
    """What is needed of the node: its network, and the addresses of the interface that is in it."""

    def network(self) -> Network: ...

    def addresses(self) -> list[str]: ...

    def add(self, address: str) -> None: ...

    def remove(self, address: str) -> None: ...


@dataclass
class LoadBalancing:
    """What is to be done so that every Service of type LoadBalancer has an address."""

    give: list[tuple[str, str, str]] = field(default_factory=list)  # namespace, name, address
    add: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.give or self.add or self.remove)


def given_address(service: Mapping[str, Any]) -> str:
    """Address or host name that a load balancer has given to a Service, empty when there is none."""
    ways: Sequence[Mapping[str, Any]] = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
    return next((str(way.get("ip") or way.get("hostname") or "") for way in ways), "")


def balance(services: Iterable[Mapping[str, Any]], network: Network, present: Iterable[str]) -> LoadBalancing:
    """Decide which Service gets which address of the pool, and what the node must take and drop.

    A Service with a loadBalancerClass, or with an address of somebody else, is left alone. Raises AddressError when the pool is
    empty.
    """
    pool = network.pool()
    result = LoadBalancing()
    held: set[str] = set()
    without = []
    for service in services:
        if service["spec"].get("type") != "LoadBalancer" or service["spec"].get("loadBalancerClass"):
            continue
        address = given_address(service)
        if not address:
            without.append(service)
        elif address in pool:
            held.add(address)
    free = [address for address in pool if address not in held]
    for service in without:
        where, name = service["metadata"]["namespace"], service["metadata"]["name"]
        if not free:
            raise AddressError(
                f"Service {where}/{name} gets no address: all {len(pool)} of the node's network are in use. "
                "Remove a Service of type LoadBalancer, or change one to ClusterIP."
            )
        address = free.pop(0)
        held.add(address)
        result.give.append((where, name, address))
    here = set(present)
    result.add = sorted(held - here)
    result.remove = sorted((here & set(pool)) - held)
    return result


def apply_balancing(balancing: LoadBalancing, api: Api, node: Node) -> None:
    """Carry out what was decided. The node answers for an address before its Service names it."""
    for address in balancing.remove:
        node.remove(address)
    for address in balancing.add:
        node.add(address)
    for where, name, address in balancing.give:
        api.request(
            "PATCH",
            f"/api/v1/namespaces/{where}/services/{name}/status",
            body={"status": {"loadBalancer": {"ingress": [{"ip": address}]}}},
            content_type=MERGE_PATCH,
        )


def wanted_port(service: Mapping[str, Any], port: str) -> Mapping[str, Any]:
    """Return the Service's port of that name or number, the first when C(port) is empty. Raises AddressError."""
    ports: Sequence[Mapping[str, Any]] = service["spec"].get("ports") or []
    for one in ports:
        if not port or port in (str(one.get("port")), one.get("name")):
            return one
    known = ", ".join(f"{one.get('name') or one['port']}" for one in ports) or "none"
    name = service["metadata"]["name"]
    raise AddressError(f"Service {name} has no port {port or 'at all'}; it has {known}. Correct the port.")


def node_address(nodes: Iterable[Mapping[str, Any]]) -> str:
    """Address of the first node, one for the outside if there is one. Raises AddressError."""
    inside = ""
    for node in nodes:
        for one in (node.get("status") or {}).get("addresses") or []:
            if one["type"] == "ExternalIP":
                return str(one["address"])
            if one["type"] == "InternalIP":
                inside = inside or str(one["address"])
    if inside:
        return inside
    raise AddressError("No node says at which address it answers. Look at them by: kubectl get nodes -o wide.")


def url_of(address: str, port: int, scheme: str = "http") -> str:
    """Return the URL of an address, without a port that goes without saying.

    >>> url_of("fd00::1", 3000)
    'http://[fd00::1]:3000'
    """
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}" + ("" if port == {"http": 80, "https": 443}[scheme] else f":{port}")


@dataclass(frozen=True)
class Address:
    """Where a Service answers. C(changed) tells whether it was given an address now."""

    host: str
    port: int
    changed: bool = False


def find_address(
    api: Api, namespace: str, name: str, port: str = "", node: Node | None = None, timeout: float = 0, dry: bool = False
) -> Address:
    """Return where a NodePort or LoadBalancer Service answers.

    With C(node), Services of type LoadBalancer are given addresses of its network; without, C(timeout) seconds are waited for the
    cloud to do so. With C(dry) nothing is given, and the host is empty where something would be. Raises AddressError and
    KubernetesError.
    """
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    end = time.monotonic() + timeout
    service = find(api, path)
    if service is None:
        raise AddressError(
            f"There is no Service {name} in namespace {namespace}. Correct application_exposure, or deploy the release that has it."
        )
    kind = service["spec"].get("type")
    way = wanted_port(service, port)
    if kind == "NodePort":
        return Address(node_address(api.items("/api/v1/nodes")), int(way["nodePort"]))
    if kind != "LoadBalancer":
        raise AddressError(
            f"Service {namespace}/{name} is of type {kind}, which is not reachable from outside the cluster. "
            "Change it to NodePort or LoadBalancer in the values of the release, or set application_exposure.kind to ingress."
        )
    changed = False
    if node is not None:
        balancing = balance(api.items("/api/v1/services"), node.network(), node.addresses())
        changed = balancing.changed
        if changed and not dry:
            apply_balancing(balancing, api, node)
            service = api.request("GET", path)
    while not given_address(service) and not dry:
        if time.monotonic() > end:
            raise AddressError(
                f"Service {namespace}/{name} has had no address for {timeout:.0f} s: the cluster assigns no addresses to Services of "
                "type LoadBalancer. Check its events with kubectl describe, or change it to a NodePort."
            )
        time.sleep(POLL)
        service = api.request("GET", path)
    return Address(given_address(service), int(way["port"]), changed)


class ContainerNode:
    """A node that is a container of the engine. C(engine) is a docker.DockerClient."""

    def __init__(self, engine: Any, container: str) -> None:
        import docker.errors

        try:
            self._container = engine.containers.get(container)
        except docker.errors.NotFound:
            raise AddressError(
                f"The engine has no container {container}, so the Service is not reachable. Start the cluster (--tags setup)."
            ) from None
        self._engine = engine
        self._interface = ""

    def network(self) -> Network:
        """The node's first network."""
        networks: Mapping[str, Any] = self._container.attrs["NetworkSettings"]["Networks"]
        for found in networks.values():
            if found.get("IPAddress"):
                inside = self._engine.networks.get(found["NetworkID"]).attrs.get("Containers") or {}
                taken = {str(one.get("IPv4Address", "")).partition("/")[0] for one in inside.values()}
                return Network(
                    found["IPAddress"], int(found["IPPrefixLen"]), frozenset({*taken, found.get("Gateway", "")})
                )
        raise AddressError("The node's container has no address. Start the cluster (--tags setup).")

    def addresses(self) -> list[str]:
        """Addresses of the interface that has the node's own."""
        own = self.network().address
        for interface in json.loads(self._run("ip", "-json", "-4", "address", "show")):
            found = [str(one["local"]) for one in interface.get("addr_info", []) if "local" in one]
            if own in found:
                self._interface = str(interface["ifname"])
                return found
        raise AddressError(f"No interface of the node has its address {own}. Restart the cluster.")

    def add(self, address: str) -> None:
        """Let the node answer for an address."""
        self._run("ip", "address", "add", f"{address}/32", "dev", self._interface)

    def remove(self, address: str) -> None:
        """Let it do so no longer."""
        self._run("ip", "address", "del", f"{address}/32", "dev", self._interface)

    def _run(self, *command: str) -> str:
        code, output = self._container.exec_run(list(command))
        text = str(output.decode("utf-8", "replace"))
        if code:
            raise AddressError(f"The node refused '{' '.join(command)}': {text.strip()}")
        return text
