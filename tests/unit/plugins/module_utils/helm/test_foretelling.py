# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is certain to go wrong is told before Helm writes, and nothing that may yet come right."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm.foretelling import foretell
from ansible_collections.slipway.kube.plugins.module_utils._helm.live import Pair
from fake_kubernetes import FakeKubernetes, refusal
from field_managers import created

Object = dict[str, Any]


def item(kind: str, **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def deployment(**spec: Any) -> Object:
    ports = [{"name": "http", "containerPort": 8080}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "ports": ports}]}}
    return item("Deployment", template=template, **spec)


def service(target: Any = "http", app: str = "web") -> Object:
    return item("Service", selector={"app": app}, ports=[{"port": 80, "targetPort": target}])


def told(api: FakeKubernetes, *items: Object, live: tuple[Object, ...] = ()) -> list[tuple[str, str]]:
    there = {one["kind"]: created(one) for one in live}
    pairs = [Pair(one["kind"], one, there.get(one["kind"])) for one in items]
    return [(one.code, one.cause) for one in foretell(api, pairs)]


def test_port_that_the_pods_lack() -> None:
    api = FakeKubernetes("shop")
    ((code, cause),) = told(api, deployment(), service("htp"))
    assert code == "service_port_wrong" and "a container port named htp" in cause and "http=8080" in cause
    assert told(api, deployment(), service()) == told(api, deployment(), service(9)) == []


def test_port_of_a_sidecar() -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "proxy", "containerPort": 1}]}
    with_sidecar = deployment()
    with_sidecar["spec"]["template"]["spec"]["initContainers"] = [sidecar]
    assert told(FakeKubernetes("shop"), with_sidecar, service("proxy")) == []
    del sidecar["restartPolicy"]
    assert [code for code, _cause in told(FakeKubernetes("shop"), with_sidecar, service("proxy"))] == [
        "service_port_wrong"
    ]


def test_selector_with_a_mistake() -> None:
    api = FakeKubernetes("shop", pods=[{"metadata": {"name": "blog", "labels": {"app": "blog"}}}])
    ((code, cause),) = told(api, deployment(), service(app="wbe"), live=(service(),))
    assert code == "no_endpoints" and "selects app=wbe, but no pod has these labels" in cause
    # Pods that somebody else runs, a Service that is new and waits for its pods, and one that never selected any.
    assert told(api, deployment(), service(app="blog"), live=(service(),)) == []
    assert told(api, deployment(), service(app="wbe")) == []
    assert told(api, deployment(), service(app="wbe"), live=(service(app="wbe"),)) == []


def test_class_that_does_not_exist() -> None:
    api = FakeKubernetes("shop")
    api.collections["/apis/networking.k8s.io/v1/ingressclasses"] = [{"metadata": {"name": "nginx"}}]
    wanted = item("Ingress", ingressClassName="nginks")
    ((code, cause),) = told(api, wanted)
    assert code == "ingress_class_missing" and "class nginks, which does not exist; the cluster has nginx" in cause
    assert told(api, wanted, live=(wanted,)) == []
    own = item("IngressClass")
    own["metadata"]["name"] = "nginks"
    assert (
        told(api, wanted, own)
        == told(api, item("Ingress", ingressClassName="nginx"))
        == told(api, item("Ingress"))
        == []
    )
    api.go_wrong(refusal(403, "no", "Forbidden"), "GET .*ingressclasses")
    assert told(api, wanted) == []


def test_paused_deployment_whose_pods_are_to_change() -> None:
    api, changed = FakeKubernetes("shop"), deployment(paused=True)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    ((code, cause),) = told(api, changed, live=(deployment(paused=True),))
    assert code == "rollout_stalled" and "is paused (spec.paused)" in cause
    assert [code for code, _cause in told(api, changed)] == ["rollout_stalled"]
    assert told(api, deployment(paused=True), live=(deployment(paused=True),)) == []
    assert told(api, deployment(paused=True, replicas=3), live=(deployment(paused=True),)) == []


@pytest.mark.parametrize("kind", ["StatefulSet", "PersistentVolumeClaim"])
def test_storage_class_that_does_not_exist(kind: str) -> None:
    api = FakeKubernetes("shop")
    classes, volumes = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"
    api.collections |= {classes: [{"metadata": {"name": "standard"}}], volumes: []}

    def claiming(name: str) -> Object:
        claim = {"storageClassName": name}
        return item(kind, **claim) if kind != "StatefulSet" else item(kind, volumeClaimTemplates=[{"spec": claim}])

    ((code, cause),) = told(api, claiming("fast"))
    assert code == "volume_failed" and f"{kind}/web claims a volume of the storage class fast" in cause
    assert told(api, claiming("fast"), live=(claiming("fast"),)) == told(api, claiming("standard")) == []
    by_hand = copy.deepcopy(api)
    by_hand.collections[volumes] = [{"metadata": {"name": "disk"}, "spec": {"storageClassName": "fast"}}]
    assert told(by_hand, claiming("fast")) == []
    api.go_wrong(refusal(403, "no", "Forbidden"), "GET .*storageclasses")
    assert told(api, claiming("fast")) == []
