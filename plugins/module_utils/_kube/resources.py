# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of the Kubernetes API for the objects of a manifest. Private to the collection.

Kubernetes' own kinds are known here; others are looked up by discovery
(https://kubernetes.io/docs/reference/using-api/api-concepts/#discovery-api).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api, ApiError
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import rows

# By the group, whatever its version: the kinds that lie in a namespace, and those of the whole cluster.
_NAMESPACED = {
    "": "ConfigMap Endpoints LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "autoscaling": "HorizontalPodAutoscaler",
    "batch": "CronJob Job",
    "coordination.k8s.io": "Lease",
    "discovery.k8s.io": "EndpointSlice",
    "networking.k8s.io": "Ingress NetworkPolicy",
    "policy": "PodDisruptionBudget",
    "rbac.authorization.k8s.io": "Role RoleBinding",
}
_CLUSTER = {
    "": "Namespace Node PersistentVolume",
    "networking.k8s.io": "IngressClass",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "StorageClass",
}


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("s") and word != "endpoints":
        return f"{word}es"
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return word if word == "endpoints" else f"{word}s"


_KNOWN: Mapping[tuple[str, str], tuple[str, bool]] = {
    (group, kind): (_plural(kind), inside)
    for kinds, inside in ((_NAMESPACED, True), (_CLUSTER, False))
    for group, words in kinds.items()
    for kind in words.split()
}


class Resources:
    """The paths of one cluster's API; what discovery has told is kept."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._groups: dict[str, dict[str, tuple[str, bool]]] = {}

    def list_path(self, version: str, kind: str, namespace: str) -> str | None:
        """Return the path of a kind's list, in C(namespace) if it lies in one; None for a kind that the cluster does not know.

        C(version) is an apiVersion. Raises KubernetesError when discovery fails otherwise.
        """
        group = version.rpartition("/")[0]
        found = _KNOWN.get((group, kind)) or self._discovered(version).get(kind)
        if found is None:
            return None
        plural, inside = found
        root = f"/apis/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{namespace}/{plural}" if inside else f"{root}/{plural}"

    def path(self, item: Mapping[str, Any], namespace: str) -> str | None:
        """Return the path of an object of a manifest; C(namespace) is used where it names none."""
        metadata = item.get("metadata") or {}
        place = str(metadata.get("namespace") or namespace)
        found = self.list_path(str(item.get("apiVersion") or ""), str(item.get("kind") or ""), place)
        return f"{found}/{metadata.get('name')}" if found else None

    def _discovered(self, version: str) -> dict[str, tuple[str, bool]]:
        if version not in self._groups:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            try:
                found = rows(self._api.request("GET", root), "resources")
            except ApiError as error:
                if error.status != 404:
                    raise
                found = []
            self._groups[version] = {
                str(one.get("kind")): (str(one.get("name")), bool(one.get("namespaced")))
                for one in found
                if "/" not in str(one.get("name"))
            }
        return self._groups[version]
