# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Service answers, with stand-ins for the cluster and the node."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import service_address
from ansible_collections.slipway.kube.plugins.module_utils._kube.service_address import (
    Address,
    AddressError,
    Network,
    balance,
    find_address,
    node_address,
    url_of,
    wanted_port,
)
from fake_kubernetes import FakeKubernetes

NETWORK = Network("192.168.49.2", 24, frozenset({"192.168.49.1", "192.168.49.2", "192.168.49.240"}))


def service(name: str = "page", kind: str = "LoadBalancer", address: str = "", **spec: Any) -> dict[str, Any]:
    status: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": address}]} if address else {}}
    ports = [{"name": "http", "port": 3000, "nodePort": 30000}, {"name": "admin", "port": 9000, "nodePort": 30009}]
    return {
        "metadata": {"name": name, "namespace": "todo"},
        "spec": {"type": kind, "ports": ports, **spec},
        "status": status,
    }


def cluster(*services: dict[str, Any]) -> FakeKubernetes:
    """A cluster of one node with these Services."""
    addresses = [{"type": "InternalIP", "address": NETWORK.address}]
    return FakeKubernetes(services=list(services), nodes=[{"status": {"addresses": addresses}}])


class FakeNode:
    def __init__(self, *addresses: str) -> None:
        self.held = [NETWORK.address, *addresses]

    def network(self) -> Network:
        return NETWORK

    def addresses(self) -> list[str]:
        return list(self.held)

    def add(self, address: str) -> None:
        self.held.append(address)

    def remove(self, address: str) -> None:
        self.held.remove(address)


def test_pool_is_the_upper_end_without_what_the_engine_has_given_out() -> None:
    assert NETWORK.pool()[0] == "192.168.49.241" and NETWORK.pool()[-1] == "192.168.49.254"
    assert Network("10.0.0.2", 30).pool() == []  # .1 is the gateway's place


def test_balance_keeps_what_is_given_and_drops_what_nobody_has() -> None:
    services = [
        service("kept", address="192.168.49.241"),
        service("new"),
        service("of a tunnel", address="10.96.3.4"),
        service("of somebody", loadBalancerClass="example.org/x"),
        service("inside", kind="ClusterIP"),
    ]
    found = balance(services, NETWORK, ["192.168.49.2", "192.168.49.254"])
    assert found.give == [("todo", "new", "192.168.49.242")]
    assert found.add == ["192.168.49.241", "192.168.49.242"]
    assert found.remove == ["192.168.49.254"]


def test_empty_pool_is_said() -> None:
    with pytest.raises(AddressError, match="all 14 of the node's network are in use"):
        balance([service(f"s{number}") for number in range(15)], NETWORK, [])


def test_load_balancer_gets_an_address_once() -> None:
    api, node = cluster(service()), FakeNode()
    found = find_address(api, "todo", "page", node=node)
    assert found == Address("192.168.49.241", 3000, changed=True)
    assert "192.168.49.241" in node.held
    assert find_address(api, "todo", "page", node=node) == Address("192.168.49.241", 3000, changed=False)
    assert [call.path for call in api.writes] == ["/api/v1/namespaces/todo/services/page/status"]


def test_restarted_node_takes_the_address_again() -> None:
    node = FakeNode()
    found = find_address(cluster(service(address="192.168.49.241")), "todo", "page", node=node)
    assert found.changed and node.held == [NETWORK.address, "192.168.49.241"]


def test_check_mode_gives_nothing() -> None:
    api, node = cluster(service()), FakeNode()
    assert find_address(api, "todo", "page", node=node, dry=True) == Address("", 3000, changed=True)
    assert api.writes == [] and node.held == [NETWORK.address]


def test_node_port() -> None:
    assert find_address(cluster(service(kind="NodePort")), "todo", "page", "admin") == Address(NETWORK.address, 30009)


def test_somebody_elses_address_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    api = cluster(service())

    def pass_time(seconds: float) -> None:
        api.put("services", [service(address="203.0.113.7")])

    monkeypatch.setattr(service_address.time, "sleep", pass_time)
    assert find_address(api, "todo", "page", timeout=60) == Address("203.0.113.7", 3000)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (service("other"), "no Service page in namespace todo"),
        (service(kind="ClusterIP"), "not reachable from outside the cluster"),
        (service(), "has had no address"),
    ],
)
def test_no_address_says_why(found: dict[str, Any], words: str) -> None:
    with pytest.raises(AddressError, match=words):
        find_address(cluster(found), "todo", "page", timeout=0)


def test_unknown_port_names_those_there_are() -> None:
    with pytest.raises(AddressError, match="no port https; it has http, admin"):
        wanted_port(service(), "https")
    assert wanted_port(service(), "9000")["name"] == "admin"


def test_node_address_prefers_the_outside() -> None:
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "ExternalIP", "address": "203.0.113.1"}]
    assert node_address([{"status": {"addresses": addresses}}]) == "203.0.113.1"
    with pytest.raises(AddressError, match="No node"):
        node_address([{"status": {}}])


def test_url_leaves_out_the_usual_port() -> None:
    assert url_of("203.0.113.7", 80) == "http://203.0.113.7"
    assert url_of("203.0.113.7", 443, "https") == "https://203.0.113.7"
    assert url_of("203.0.113.7", 443) == "http://203.0.113.7:443"
