# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is certain to go wrong with the objects of a release, before Helm writes them. Private to the collection.

Only what nothing else can put right is told: a Secret may come from an operator, a Service from the next release of the application.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._helm.live import Pair
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api, items_if_readable
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields, labels, matches, meta, rows
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding
from ansible_collections.slipway.kube.plugins.module_utils._rollout.routes import (
    class_finding,
    port_finding,
    template_pods,
)

Object = Mapping[str, Any]


def foretell(api: Api, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Yield what is certain to go wrong. Raises KubernetesError."""
    declared = [pair.declared for pair in pairs]
    workloads = [item for item in declared if fields(item, "spec", "template")]
    for pair in pairs:
        kind = pair.declared.get("kind")
        found = None
        if kind == "Service":
            found = _service(api, pair, workloads)
        elif kind == "Ingress":
            found = _class(api, pair, declared)
        elif kind == "Deployment":
            found = _paused(pair)
        if found:
            yield found
    yield from _storage(api, pairs)


def _service(api: Api, pair: Pair, workloads: Sequence[Object]) -> Finding | None:
    """Return that a Service names a port that its pods lack, or that its new selector selects none."""
    service = pair.declared
    behind = template_pods(service, workloads)
    if behind:
        return port_finding(service, behind)
    selector = fields(service, "spec", "selector")
    if pair.live is None or not selector or selector == fields(pair.live, "spec", "selector"):
        return None
    namespace, name = meta(service, "namespace"), meta(service, "name")
    if any(matches(selector, labels(pod)) for pod in api.items(f"/api/v1/namespaces/{namespace}/pods")):
        return None
    words = ", ".join(f"{key}={value}" for key, value in selector.items())
    cause = (
        f"The Service {name} selects {words}, but no pod has these labels, neither in the chart nor in the namespace."
    )
    return Finding("no_endpoints", cause, namespace, f"Service/{name}")


def _class(api: Api, pair: Pair, declared: Sequence[Object]) -> Finding | None:
    """Return that an Ingress changes to a class that does not exist."""
    wanted = dig(pair.declared, "spec", "ingressClassName")
    if not wanted or wanted == dig(pair.live, "spec", "ingressClassName"):
        return None
    classes = items_if_readable(api, "/apis/networking.k8s.io/v1/ingressclasses")
    own = [item for item in declared if item.get("kind") == "IngressClass"]
    return None if classes is None else class_finding(pair.declared, [*classes, *own])


def _paused(pair: Pair) -> Finding | None:
    """Return that a Deployment is paused whose pods are to change."""
    differs = pair.drift() if dig(pair.declared, "spec", "paused") else None
    template = ("f:spec", "f:template")
    if differs is None or not (differs.missing or any(one.path[:2] == template for one in differs.differences)):
        return None
    name = meta(pair.declared, "name")
    cause = f"The Deployment {name} is paused (spec.paused), so Kubernetes starts none of its new pods."
    return Finding("rollout_stalled", cause, meta(pair.declared, "namespace"), f"Deployment/{name}")


def _storage(api: Api, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Yield the new claims whose storage class does not exist, unless a volume was made for them by hand."""
    wanted = [
        (pair, name)
        for pair in pairs
        if pair.live is None
        for claim in _claims(pair.declared)
        if (name := dig(claim, "spec", "storageClassName"))
    ]
    if not wanted:
        return
    classes = items_if_readable(api, "/apis/storage.k8s.io/v1/storageclasses")
    volumes = items_if_readable(api, "/api/v1/persistentvolumes")
    if classes is None or volumes is None:
        return
    own = [pair.declared for pair in pairs if pair.declared.get("kind") in ("StorageClass", "PersistentVolume")]
    there = [meta(item, "name") for item in [*classes, *own]]
    made = {dig(volume, "spec", "storageClassName") for volume in [*volumes, *own]}
    for pair, name in wanted:
        if name not in there and name not in made:
            kind, known = pair.declared.get("kind"), ", ".join(there) or "none"
            item = f"{kind}/{meta(pair.declared, 'name')}"
            cause = (
                f"{item} claims a volume of the storage class {name}, which does not exist; the cluster has {known}."
            )
            yield Finding("volume_failed", cause, meta(pair.declared, "namespace"), item)


def _claims(item: Object) -> list[Object]:
    return [item] if item.get("kind") == "PersistentVolumeClaim" else list(rows(item, "spec", "volumeClaimTemplates"))
