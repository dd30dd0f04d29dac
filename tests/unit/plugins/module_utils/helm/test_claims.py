# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and paths that another application serves already."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm.claims import of_others, taken


def ingress(namespace: str = "shop", host: str = "shop.localhost", path: str = "/", **more: Any) -> dict[str, Any]:
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix"}]}}
    annotations = {"meta.helm.sh/release-name": "web", **more.pop("annotations", {})}
    return {
        "metadata": {"name": "web", "namespace": namespace, "annotations": annotations},
        "spec": {"rules": [rule], **more},
    }


@pytest.mark.parametrize(
    "other",
    [
        ingress("other", host="other.localhost"),
        ingress("other", path="/api"),
        ingress("other", ingressClassName="traefik"),
        ingress("other", annotations={"kubernetes.io/ingress.class": "traefik"}),
        {"metadata": {"name": "x", "namespace": "other"}, "spec": {"defaultBackend": {}}},
    ],
)
def test_what_may_stand_beside_each_other(other: dict[str, Any]) -> None:
    assert taken([ingress(ingressClassName="nginx")], [other]) == []


@pytest.mark.parametrize(
    "more", [{}, {"ingressClassName": "nginx"}, {"annotations": {"kubernetes.io/ingress.class": "nginx"}}]
)
def test_an_address_that_another_application_serves(more: dict[str, Any]) -> None:
    own = [ingress(path="/api/", ingressClassName="nginx"), ingress(path="/", ingressClassName="nginx")]
    assert taken(own, [ingress("other", path="/api", **more)]) == [
        "shop.localhost/api is served by the Ingress other/web of the release web already."
    ]


def test_every_host() -> None:
    foreign = ingress("other", host="")
    del foreign["metadata"]["annotations"]
    assert taken([ingress(host="")], [foreign, foreign]) == ["Every host/ is served by the Ingress other/web already."]


def test_whose_an_ingress_is() -> None:
    """A release of the same namespace may be another application's; what no release has made is left alone."""
    own, sibling, other, namesake = (
        ingress(place, annotations={"meta.helm.sh/release-name": release})
        for place, release in (("shop", "web"), ("shop", "api"), ("shop", "blog"), ("blog", "web"))
    )
    by_hand = ingress("shop", annotations={"meta.helm.sh/release-name": ""})
    assert of_others([own, sibling, other, namesake, by_hand], "shop", ["web", "api"]) == [other, namesake]
