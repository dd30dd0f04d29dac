# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a release in the cluster: look at them, and make them as their manifest declares them. Private to the collection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._helm import drift, managed_fields, manifest, releases
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    APPLY_PATCH,
    JSON_PATCH,
    Api,
    ApiError,
    KubernetesError,
    find,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, meta
from ansible_collections.slipway.kube.plugins.module_utils._kube.resources import Resources

Object = dict[str, Any]
# Somebody may write between the look and the patch.
_TRIES = 3


@dataclass(frozen=True)
class Pair:
    """An object as the manifest declares it and as it is in the cluster, None where it is not; C(path) is its path in the API.

    C(scaled) says that an autoscaler of the release sets its replicas.
    """

    path: str
    declared: Object
    live: Object | None
    scaled: bool = False

    def drift(self) -> drift.Drift | None:
        """Return how they differ."""
        return drift.compare(self.declared, self.live, self.scaled)


def as_helm_writes(item: Mapping[str, Any], release: str, namespace: str, inside: bool = True) -> Object:
    """Return an object of a manifest with what Helm adds to it."""
    metadata = dict(item.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **owner}
    if inside:
        metadata.setdefault("namespace", namespace)
    return {**item, "metadata": metadata}


def look(api: Api, text: str, release: str, namespace: str) -> list[Pair]:
    """Return the objects of a manifest beside what the cluster has, with one request for each kind.

    Objects that this user may not read, and kinds that the cluster does not know, are left out. Raises KubernetesError and ValueError.
    """
    found = manifest.objects(text)
    scaled = drift.scaled_by(found.values())
    resources = Resources(api)
    wanted: dict[str, list[tuple[str, Object]]] = {}
    for item in found.values():
        path = resources.path(item, namespace)
        if path:
            place = path.rpartition("/")[0]
            written = as_helm_writes(item, release, namespace, "/namespaces/" in place)
            wanted.setdefault(place, []).append((path, written))
    pairs = []
    for place, items in wanted.items():
        try:
            live = _live(api, place, [path for path, _item in items])
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            continue
        for path, item in items:
            is_scaled = (str(item.get("kind")), meta(item, "name")) in scaled
            pairs.append(Pair(path, item, live.get(path), is_scaled))
    return pairs


def _live(api: Api, place: str, wanted: list[str]) -> dict[str, Object]:
    if len(wanted) == 1 or "/namespaces/" not in place:
        found = {path: find(api, path) for path in wanted}
        return {path: item for path, item in found.items() if item is not None}
    # Helm's own records are long, and no part of a release.
    query = {"fieldSelector": f"type!={releases.TYPE}"} if place.endswith("/secrets") else {}
    return {f"{place}/{meta(item, 'name')}": item for item in api.items(place, **query)}


def drifts(api: Api, pairs: Iterable[Pair]) -> list[tuple[Pair, drift.Drift]]:
    """Return which objects are not as declared.

    The API server is asked about what no person has done: it may only have another form, such as one that a webhook gives it.
    """
    found = []
    for pair in pairs:
        differs = pair.drift()
        if differs is None or _is_form(api, pair, differs):
            continue
        found.append((pair, differs))
    return found


def _is_form(api: Api, pair: Pair, differs: drift.Drift) -> bool:
    """Tell whether applying the object would change nothing."""
    if pair.live is None or any(one.by or one.wanted is drift.ABSENT for one in differs.differences):
        return False
    try:
        applied = _apply(api, pair, pair.live, dry_run=True)
    except ApiError:
        return False  # what stands in the way is told when it is repaired
    return _settings(applied) == _settings(pair.live)


def _settings(item: Mapping[str, Any]) -> Object:
    metadata = item.get("metadata") or {}
    kept = {key: metadata.get(key) or {} for key in ("labels", "annotations")}
    return {
        **{key: value for key, value in item.items() if key not in ("metadata", "status", "apiVersion", "kind")},
        **kept,
    }


# ---------------------------------------------------------------- changing
def repair(api: Api, pair: Pair) -> None:
    """Make an object as it is declared, without what people have added. Raises KubernetesError, with what stands in the way."""
    live = take(api, pair)
    try:
        _apply(api, pair, live)
    except ApiError as error:
        if error.status not in (400, 403, 409, 422):
            raise
        raise KubernetesError(
            f"{pair.declared.get('kind')}/{meta(pair.declared, 'name')} cannot be made as it is declared: {error} "
            f"If it may be deleted and created again, do so with 'kubectl delete {str(pair.declared.get('kind')).lower()} "
            f"{meta(pair.declared, 'name')} --namespace {meta(pair.declared, 'namespace')}' and deploy again."
        ) from None


def take(api: Api, pair: Pair, added: bool = True) -> Object | None:
    """Take fields off people and give them to Helm, whose next apply sets or removes them; returns the object as it is then.

    With C(added), also the fields that nobody has declared. No value changes. Raises KubernetesError.
    """
    live = pair.live
    for left in reversed(range(_TRIES)):
        if live is None:
            return None
        taken = drift.to_take(pair.declared, live, added, pair.scaled)
        if not taken:
            return live
        try:
            return _hand_over(api, pair.path, live, taken)
        except ApiError as error:
            if error.status != 409 or not left:
                raise
            live = find(api, pair.path)
    return live


def try_out(api: Api, pair: Pair) -> None:
    """Ask the API server to write an object without doing it. Raises ApiError when it refuses."""
    _apply(api, pair, pair.live, dry_run=True)


def is_in_conflict(api: Api, pair: Pair) -> bool:
    """Tell whether Helm's server-side apply of an object would be refused, because others manage what it declares."""
    query = {"fieldManager": managed_fields.HELM, "dryRun": "All"}
    try:
        api.request("PATCH", pair.path, query, body=drift.without(pair.declared, []), content_type=APPLY_PATCH)
    except ApiError as error:
        return error.status == 409
    return False


def _apply(api: Api, pair: Pair, live: Object | None, dry_run: bool = False) -> Object:
    kept = [path for path in drift.kept_by_controllers(pair.declared, live) if path != drift.REPLICAS] if live else []
    query = {"fieldManager": managed_fields.HELM, "force": "true", **({"dryRun": "All"} if dry_run else {})}
    body = drift.without(pair.declared, kept)
    if live and dig(body, "spec", "replicas") is not None and (pair.scaled or drift.is_scaled(live)):
        # Left out, they would fall to one where Helm has managed them.
        body["spec"]["replicas"] = dig(live, "spec", "replicas")
    return dict(api.request("PATCH", pair.path, query, body=body, content_type=APPLY_PATCH))


def take_replicas(api: Api, pair: Pair) -> None:
    """Give the replicas of a workload, which no autoscaler sets any more, back to Helm. Raises KubernetesError."""
    moved = {one.index: {drift.REPLICAS} for one in managed_fields.managers(pair.live or {}) if drift.scales(one)}
    if pair.live is not None and moved:
        _hand_over(api, pair.path, pair.live, moved)


def _hand_over(api: Api, path: str, live: Object, moved: Mapping[int, Collection[managed_fields.Path]]) -> Object:
    body = [
        {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields.handed_over(live, moved)},
        # Refused if somebody has written since the look.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta(live, "resourceVersion")},
    ]
    return dict(api.request("PATCH", path, {"fieldManager": managed_fields.HELM}, body=body, content_type=JSON_PATCH))
