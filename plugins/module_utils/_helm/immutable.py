# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that Kubernetes does not let anybody change, and the volumes of StatefulSets, which can only grow. Private to the collection.

Everything is found by comparing what is to be with what is there, before anything is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._helm import drift
from ansible_collections.slipway.kube.plugins.module_utils._helm.managed_fields import Path, text_of
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, meta, rows

Object = Mapping[str, Any]
# By kind, the beginnings of the paths that never change. Of a StatefulSet all does not but these (apps/validation in Kubernetes).
_FIXED: Mapping[str, tuple[Path, ...]] = {
    "Deployment": (("f:spec", "f:selector"),),
    "DaemonSet": (("f:spec", "f:selector"),),
    "ReplicaSet": (("f:spec", "f:selector"),),
    "Job": (("f:spec", "f:selector"), ("f:spec", "f:template"), ("f:spec", "f:completionMode")),
    "StatefulSet": (("f:spec",),),
    "Service": (("f:spec", "f:clusterIP"), ("f:spec", "f:clusterIPs")),
    "PersistentVolumeClaim": (("f:spec",),),
    "RoleBinding": (("f:roleRef",),),
    "ClusterRoleBinding": (("f:roleRef",),),
    "PriorityClass": (("f:value",),),
    "StorageClass": (("f:provisioner",), ("f:parameters",), ("f:reclaimPolicy",), ("f:volumeBindingMode",)),
    "Secret": (("f:type",),),
}
_MAY_CHANGE: Mapping[str, tuple[Path, ...]] = {
    "StatefulSet": tuple(
        ("f:spec", f"f:{key}")
        for key in (
            "replicas",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "minReadySeconds",
            "ordinals",
            "persistentVolumeClaimRetentionPolicy",
        )
    ),
    "PersistentVolumeClaim": (("f:spec", "f:resources"), ("f:spec", "f:volumeAttributesClassName")),
}
_TEMPLATES = ("f:spec", "f:volumeClaimTemplates")
# Deleting one of these would delete data, or what other objects are defined by.
NEVER_RECREATED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"})
_POSTGRES = re.compile(r"(?:^|/)postgres(?:ql)?:(\d+)")


@dataclass(frozen=True)
class Fixed:
    """A field that cannot be changed: the object, the field, both values as texts, and what can be done."""

    object: str
    namespace: str
    field: str
    old: str
    new: str
    ways: str
    code: str = "immutable_field"

    def cause(self) -> str:
        """Return it as a sentence."""
        return (
            f"{self.field} of {self.object} in namespace {self.namespace} cannot change from {self.old} to {self.new}."
        )


@dataclass(frozen=True)
class Growth:
    """Claims of a StatefulSet that become larger. C(claims) are their names, C(size) is the new one as it is declared."""

    stateful_set: str
    namespace: str
    claims: tuple[str, ...]
    old: str
    size: str

    def text(self) -> str:
        """Return it as a sentence."""
        return (
            f"The volume{'s' if len(self.claims) > 1 else ''} {', '.join(self.claims)} in namespace {self.namespace} "
            f"grow{'' if len(self.claims) > 1 else 's'} from {self.old} to {self.size}. The data stays, and the pods keep running while "
            f"StatefulSet/{self.stateful_set} is replaced; a storage class that cannot grow a volume in use finishes when its pod restarts."
        )


def fixed(declared: Object, live: Object) -> Iterator[tuple[Path, Any, Any]]:
    """Yield path, new and old value of each field that is declared with another value and never changes.

    Of claim templates only those are told that differ in more than their size.
    """
    kind = str(live.get("kind") or declared.get("kind"))
    frozen = _FIXED.get(kind, ())
    if kind in ("ConfigMap", "Secret") and live.get("immutable") is True:
        frozen = (*frozen, ("f:data",), ("f:binaryData",), ("f:immutable",))
    for path, new, old in drift.changes(drift.normalized(declared), live):
        if not _begins(path, frozen) or _begins(path, _MAY_CHANGE.get(kind, ())):
            continue
        if kind == "Service" and (old is drift.ABSENT or dig(declared, "spec", "type") == "ExternalName"):
            continue
        if path == _TEMPLATES and _same_but_size(
            rows(declared, "spec", "volumeClaimTemplates"), rows(live, "spec", "volumeClaimTemplates")
        ):
            continue
        yield path, new, old


def _begins(path: Path, beginnings: Iterable[Path]) -> bool:
    return any(path[: len(one)] == one for one in beginnings)


def _same_but_size(new: list[Object], old: list[Object]) -> bool:
    def plain(found: list[Object]) -> list[Object]:
        return [drift.without(one, [("f:spec", "f:resources", "f:requests", "f:storage")]) for one in found]

    return not list(drift.changes({"templates": plain(new)}, {"templates": plain(old)}))


def sizes(stateful_set: Object) -> dict[str, str]:
    """Return the size that each claim template of a StatefulSet asks for, by its name."""
    return {
        meta(one, "name"): str(dig(one, "spec", "resources", "requests", "storage") or "")
        for one in rows(stateful_set, "spec", "volumeClaimTemplates")
    }


def resized(declared: Object, live: Object) -> dict[str, tuple[str, str]]:
    """Return old and new size of each claim template of a StatefulSet whose size changes, by its name."""
    if live.get("kind") != "StatefulSet":
        return {}
    old, new = sizes(live), sizes(declared)
    return {
        name: (old[name], new[name])
        for name in new
        if name in old and drift.quantity(old[name]) != drift.quantity(new[name])
    }


def growth(
    declared: Object, live: Object, claims: Iterable[Object], classes: Iterable[Object]
) -> Iterator[Growth | Fixed]:
    """Yield what a changed size of a StatefulSet's claim templates means: volumes that grow, or why they cannot.

    C(claims) are the claims of its namespace, C(classes) the storage classes of the cluster.
    """
    name, namespace = meta(live, "name"), meta(live, "namespace")
    by_class = {meta(one, "name"): one for one in classes}
    for template, (old, new) in resized(declared, live).items():
        field = f"The size of the volume {template}"
        owner = f"StatefulSet/{name}"
        own = [one for one in claims if re.fullmatch(rf"{re.escape(f'{template}-{name}')}-\d+", meta(one, "name"))]
        largest = max(
            (drift.quantity(dig(one, "spec", "resources", "requests", "storage")) or 0 for one in own), default=0
        )
        wanted = drift.quantity(new)
        names = ", ".join(meta(one, "name") for one in own)
        if wanted is None or wanted < largest:
            ways = (
                f"A volume cannot shrink. Set its size back to at least {old}, or back the data up (PostgreSQL: 'make backup'), "
                f"remove the release and its claims ({names}), deploy again and load the data ('make restore')."
            )
            yield Fixed(owner, namespace, field, old, new, ways)
            continue
        fast = sorted(
            {
                str(dig(one, "spec", "storageClassName") or "")
                for one in own
                if not dig(by_class.get(str(dig(one, "spec", "storageClassName") or ""), {}), "allowVolumeExpansion")
            }
        )
        if fast:
            ways = (
                f"The storage class {fast[0] or 'of its claim'} does not allow volumes to grow (allowVolumeExpansion). Set its size back to "
                f"{old}; or use a storage class that allows it for a new release; or back the data up (PostgreSQL: 'make backup'), "
                f"remove the release and its claims ({names}), deploy again and load the data ('make restore')."
            )
            yield Fixed(owner, namespace, field, old, new, ways)
            continue
        yield Growth(name, namespace, tuple(meta(one, "name") for one in own), old, new)


def other_major(declared: Object, live: Object, claims: Iterable[Object]) -> Fixed | None:
    """Return why a StatefulSet cannot run another major version of PostgreSQL on the volume that it has, None if it does not try to.

    The server of one major version does not read the files of another (https://www.postgresql.org/docs/current/upgrading.html).
    """
    name = meta(live, "name")
    old, new = _postgres(live), _postgres(declared)
    if not old or not new or old == new or live.get("kind") != "StatefulSet":
        return None
    own = [one for one in claims if re.fullmatch(rf".+-{re.escape(name)}-\d+", meta(one, "name"))]
    if not own:
        return None
    place = meta(live, "namespace")
    ways = (
        f"PostgreSQL {new} cannot read the files that PostgreSQL {old} has left in the volume {meta(own[0], 'name')}. Set the version back to "
        f"{old}; or back the data up with 'make backup', remove the release and the claim, deploy version {new}, and load the backup with "
        "'make restore FROM=backups/<file>.dump'."
    )
    return Fixed(f"StatefulSet/{name}", place, "The major version of PostgreSQL", old, new, ways, "database_version")


def _postgres(item: Object) -> str:
    for container in rows(item, "spec", "template", "spec", "containers"):
        found = _POSTGRES.search(str(container.get("image") or ""))
        if found:
            return found[1]
    return ""


def refusals(
    declared: Object,
    live: Object,
    recreated: Iterable[str],
    claims: Iterable[Object] = (),
    classes: Iterable[Object] = (),
) -> Iterator[Fixed]:
    """Yield why an object cannot become as it is declared, unless it may be C(recreated), which names kind and name: Job/report."""
    kind, name = str(live.get("kind") or declared.get("kind")), meta(live, "name")
    claims = list(claims)
    major = other_major(declared, live, claims)
    if major:
        yield major
    if f"{kind}/{name}" in recreated and kind not in NEVER_RECREATED:
        return
    hidden = kind == "Secret"
    for path, new, old in fixed(declared, live):
        shown = ("(hidden)", "(hidden)") if hidden and path[0] == "f:data" else (_text(old), _text(new))
        yield Fixed(f"{kind}/{name}", meta(live, "namespace"), text_of(path), *shown, _ways(kind, name))
    yield from (one for one in growth(declared, live, claims, classes) if isinstance(one, Fixed))


def _ways(kind: str, name: str) -> str:
    if kind in NEVER_RECREATED:
        return "Set it back; or give the object another name."
    ends = " Its pods end before the new ones start." if kind in ("Deployment", "DaemonSet", "ReplicaSet") else ""
    ends = " Its volumes stay." if kind == "StatefulSet" else ends
    ends = " It runs again." if kind == "Job" else ends
    return f"Set it back; or let the object be deleted and created again with helm_release_recreate: [{kind}/{name}].{ends}"


def _text(value: Any) -> str:
    return "(not set)" if value is drift.ABSENT else json.dumps(value, ensure_ascii=False, default=str)[:200]


def is_recreated(declared: Object, live: Object, recreated: Iterable[str]) -> bool:
    """Tell whether an object is to be deleted, because it may be and could not become as declared otherwise."""
    kind, name = str(live.get("kind") or declared.get("kind")), meta(live, "name")
    return (
        f"{kind}/{name}" in recreated
        and kind not in NEVER_RECREATED
        and (any(True for _one in fixed(declared, live)) or bool(resized(declared, live)))
    )
