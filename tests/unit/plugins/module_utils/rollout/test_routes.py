# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Services and Ingresses lead to the pods."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._rollout.routes import (
    class_words,
    ingress_finding,
    service_finding,
    serving,
    template_pods,
    undeclared_ports,
)
from rollout_objects import INGRESS_CLASS, Object, deployment, ingress, service, slice_of


@pytest.mark.parametrize(
    ("item", "slices", "code"),
    [
        (service(), [slice_of()], ""),
        (service(), [slice_of(None)], ""),
        (service(), [slice_of(False)], "no_endpoints"),
        (service(), [], "no_endpoints"),
        (service(selector=None), [], ""),
        (service(type="ExternalName"), [], ""),
        (service("web"), [slice_of()], "service_port_wrong"),
        (service(8000), [slice_of()], ""),
        (service(9999), [slice_of()], ""),
    ],
)
def test_service(item: Object, slices: list[Object], code: str) -> None:
    found = service_finding(item, slices, [deployment()])
    assert (found.code if found else "") == code


def test_service_of_a_component_that_is_switched_off() -> None:
    off = deployment()
    off["spec"]["replicas"] = 0
    assert service_finding(service(), [], [off]) is None


def test_service_of_pods_that_are_not_ready_says_so() -> None:
    found = service_finding(service(), [], [deployment()])
    assert found and "none of its 1 workloads has a ready pod" in found.cause


def test_slices_of_other_services_do_not_count() -> None:
    other = slice_of()
    other["metadata"]["labels"] = {"kubernetes.io/service-name": "other"}
    assert service_finding(service(), [other], [deployment()])


@pytest.mark.parametrize(("target", "expected"), [("http", []), (8000, []), (9999, [("http", 9999)])])
def test_ports_that_no_container_declares(target: Any, expected: list[tuple[str, int]]) -> None:
    assert undeclared_ports(service(target), [deployment()]) == expected
    assert undeclared_ports(service(target), []) == []


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        (ingress(), "", ""),
        (ingress(wanted="other"), "ingress_class_missing", "uses class other"),
        (ingress(wanted=""), "", ""),
        (ingress("gone"), "ingress_backend_missing", "Service gone"),
        (ingress(port=81), "ingress_backend_missing", "port 81 of Service api-svc, which has only 80"),
        (ingress(port="http"), "", ""),
    ],
)
def test_ingress(item: Object, code: str, words: str) -> None:
    found = ingress_finding(item, [service()], [INGRESS_CLASS])
    assert (found.code if found else "") == code and (not found or words in found.cause)


def test_ingress_with_a_default_backend() -> None:
    item = ingress()
    item["spec"] = {"defaultBackend": {"service": {"name": "gone", "port": {"number": 80}}}}
    found = ingress_finding(item, [service()], [INGRESS_CLASS])
    assert found and "everything else to Service gone" in found.cause


def test_classes_that_may_not_be_read_prove_nothing() -> None:
    assert ingress_finding(ingress(wanted="other"), [service()], None) is None


def controller(image: str, *args: str, ready: str = "True") -> Object:
    return {
        "metadata": {"labels": {"app": "edge"}},
        "spec": {"containers": [{"image": image, "args": list(args)}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def named(name: str) -> list[Object]:
    return [{"metadata": {"name": "nginx"}, "spec": {"controller": name}}]


@pytest.mark.parametrize(
    ("name", "pod", "found"),
    [
        ("k8s.io/ingress-nginx", controller("registry/ingress-nginx/controller:1"), True),
        ("k8s.io/ingress-nginx", controller("traefik:3", "--providers.kubernetesingressnginx"), True),
        ("traefik.io/ingress-controller", controller("traefik:3"), True),
        ("haproxy.org/ingress-controller/haproxy", controller("haproxytech/kubernetes-ingress:3"), True),
        ("k8s.io/ingress-nginx", controller("registry/ingress-nginx/controller:1", ready="False"), False),
        ("example.org/nobody", controller("traefik:3", "--providers.kubernetesingressnginx"), False),
        ("", controller("traefik:3"), False),
    ],
)
def test_controller_is_recognised_by_the_words_of_its_class(name: str, pod: Object, found: bool) -> None:
    assert serving(class_words(ingress(), named(name)), [pod]) is found


def test_service_selects_pods_of_its_own_namespace_only() -> None:
    here, there = deployment(), deployment()
    there["metadata"]["namespace"] = "other"
    asked = service()
    asked["spec"]["selector"] = here["spec"]["selector"]["matchLabels"]
    assert template_pods(asked, [there, here]) == [here]
    asked["spec"]["selector"] = {}
    assert template_pods(asked, [here]) == []
