# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a release is not as its manifest declares it, and who has changed it. Private to the collection.

Two things are drift: a declared field with another value, and a field that a person has added. What the API server, a webhook or a
controller sets is none: they manage what they set under names of their own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm import managed_fields
from ansible_collections.slipway.kube.plugins.module_utils._helm.managed_fields import Manager, Path, value_at
from ansible_collections.slipway.kube.plugins.module_utils._helm.redacted_objects import redacted
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields

Object = Mapping[str, Any]
# What stands for a field that is not there.
ABSENT: Any = type("Absent", (), {"__repr__": lambda _self: "ABSENT"})()

# The lists of Kubernetes' own kinds whose items have keys, and these (x-kubernetes-list-map-keys); all others are compared as a whole.
_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "imagePullSecrets": (("name",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "hostAliases": (("ip",),),
}
# Below these, numbers have units: 1000m is 1.
_QUANTITIES = frozenset({"f:limits", "f:requests", "f:sizeLimit", "f:hard", "f:capacity", "f:averageValue"})
_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate(("K", "M", "G", "T", "P", "E"), 1)},
}
_IDENTITY = frozenset({"apiVersion", "kind", "metadata", "status"})
# What people's commands note on an object: no settings.
_NOTES = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "kubernetes.io/change-cause",
    "deployment.kubernetes.io/revision",
)
REPLICAS = ("f:spec", "f:replicas")
_METADATA = (("f:labels",), ("f:annotations",))
_RESTARTED = "f:kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True)
class Difference:
    """A field that is not as declared. C(wanted) and C(found) are ABSENT where it is not declared, or not there.

    C(by) is who manages it now, empty where nobody tells; C(since) is when that one last wrote (RFC 3339).
    """

    path: Path
    wanted: Any
    found: Any
    by: str = ""
    since: str = ""


@dataclass(frozen=True)
class Drift:
    """An object that is missing, or the fields that are not as declared."""

    kind: str
    name: str
    namespace: str
    missing: bool
    differences: tuple[Difference, ...] = ()

    def as_result(self, masker: Masker) -> dict[str, Any]:
        """Return the shape of a result, without secret values."""
        shown = [] if self.missing else [_shown(self.kind, one, masker) for one in self.differences]
        return {
            "object": f"{self.kind}/{self.name}",
            "namespace": self.namespace,
            "state": "missing" if self.missing else "changed",
            "fields": shown,
            "text": self._text(shown),
        }

    def _text(self, shown: Iterable[Mapping[str, str]]) -> str:
        if self.missing:
            return f"{self.kind}/{self.name} is missing"
        return f"{self.kind}/{self.name}: " + "; ".join(_sentence(one) for one in shown)


def _sentence(field: Mapping[str, str]) -> str:
    if field["wanted"] and field["found"]:
        what = f"is {field['found']} instead of {field['wanted']}"
    elif field["found"]:
        what = f"was added: {field['found']}"
    else:
        what = f"was removed; it is to be {field['wanted']}"
    who = ", ".join(part for part in (f"by {field['by']}" if field["by"] else "", field["since"]) if part)
    return f"{field['path']} {what}" + (f" ({who})" if who else "")


def _shown(kind: str, one: Difference, masker: Masker) -> dict[str, str]:
    wanted, found = redacted(_placed(kind, one.path, one.wanted), _placed(kind, one.path, one.found), masker)
    return {
        "path": managed_fields.text_of(one.path),
        "wanted": _value_text(wanted, one.path),
        "found": _value_text(found, one.path),
        "by": one.by,
        "since": one.since,
    }


def _placed(kind: str, path: Path, value: Any) -> Any:
    """Return an object of which only this field is known, None without a value: a value's place says whether it is secret."""
    if value is ABSENT:
        return None
    for step in reversed(path):
        sort, _colon, rest = step.partition(":")
        if sort == "f":
            value = {rest: value}
        else:
            value = [{**json.loads(rest), **value} if sort == "k" and isinstance(value, Mapping) else value]
    return {"kind": kind, **value} if isinstance(value, Mapping) else value


def _value_text(item: Any, path: Path) -> str:
    if item is None:
        return ""
    for step in path:
        item = item[0] if not step.startswith("f:") else item[step[2:]]
    return json.dumps(item, ensure_ascii=False, default=str)[:300]


# ---------------------------------------------------------------- comparing
def compare(declared: Object, live: Object | None, scaled: bool = False) -> Drift | None:
    """Return how an object differs from what is declared, None when it does not.

    C(live) is the object in the cluster, None without one. C(scaled) says that an autoscaler of the release sets its replicas.
    """
    kind, name = str(declared.get("kind") or ""), str(dig(declared, "metadata", "name") or "")
    namespace = str(dig(declared, "metadata", "namespace") or "")
    if live is None:
        return None if _goes_by_itself(declared) else Drift(kind, name, namespace, missing=True)
    wanted = normalized(declared)
    found = [*_changed(wanted, live, scaled), *_added(wanted, live, scaled)]
    return Drift(kind, name, namespace, False, tuple(found)) if found else None


def _goes_by_itself(declared: Object) -> bool:
    """Tell whether Kubernetes itself deletes the object some time after it has done its work."""
    return declared.get("kind") == "Job" and dig(declared, "spec", "ttlSecondsAfterFinished") is not None


def normalized(declared: Object) -> dict[str, Any]:
    """Return what is declared in the form in which the API returns it."""
    item = dict(declared)
    if item.get("kind") == "Secret" and item.get("stringData"):
        plain = {
            key: base64.b64encode(str(value).encode()).decode() for key, value in fields(item, "stringData").items()
        }
        item["data"] = {**fields(item, "data"), **plain}
        del item["stringData"]
    return item


def _changed(declared: Object, live: Object, scaled: bool) -> Iterator[Difference]:
    found = managed_fields.managers(live)
    for path, wanted, is_there in changes(declared, live):
        if scaled and path == REPLICAS:
            continue
        manager = managed_fields.manager_of(path, found)
        if manager is None or manager.is_person:
            yield Difference(path, wanted, is_there, *_who(manager))


def _who(manager: Manager | None) -> tuple[str, str]:
    return (manager.name, manager.time) if manager else ("", "")


def changes(declared: Object, live: Object) -> Iterator[tuple[Path, Any, Any]]:
    """Yield path, declared and found value of each declared field with another value."""
    for key, wanted in declared.items():
        if key not in _IDENTITY:
            yield from _differences(wanted, live.get(key, ABSENT), (f"f:{key}",))
    for key in ("labels", "annotations"):
        wanted = fields(declared, "metadata", key)
        yield from _differences(wanted, fields(live, "metadata", key), ("f:metadata", f"f:{key}"))


def _differences(wanted: Any, found: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if wanted is None or wanted == {} or wanted == []:
        return
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            yield from _differences(value, found.get(key, ABSENT), (*path, f"f:{key}"))
        return
    keys = _keys_of(wanted, found, path) if isinstance(wanted, list) and isinstance(found, list) else None
    if keys:
        for item in wanted:
            step = managed_fields.key_step(item, keys)
            there, value = value_at(found, (step,))
            yield from _differences(item, value if there else ABSENT, (*path, step))
    elif not _covers(wanted, found, path):
        yield path, wanted, found


def _keys_of(wanted: list[Any], found: list[Any], path: Path) -> tuple[str, ...] | None:
    """Return the keys of a list's items, None for one that is compared as a whole."""
    for keys in _KEYS.get(path[-1].removeprefix("f:"), ()):
        both = [*wanted, *found]
        if all(isinstance(item, Mapping) and all(key in item for key in keys if key != "protocol") for item in both):
            steps = [managed_fields.key_step(item, keys) for item in wanted]
            return keys if len(set(steps)) == len(steps) else None
    return None


def _covers(wanted: Any, found: Any, path: Path) -> bool:
    """Tell whether a value is as declared, whatever else it has."""
    if wanted is None or wanted == {} or wanted == []:
        return True
    if found is ABSENT or found is None:
        # The API server leaves such values out.
        return wanted in ("", False, 0)
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _covers(value, found.get(key, ABSENT), (*path, f"f:{key}")) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(_covers(one, other, path) for one, other in zip(wanted, found, strict=True))
        )
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if _QUANTITIES.intersection(path) and None not in (number := quantity(wanted), quantity(found)):
        return number == quantity(found)
    return bool(wanted == found)


def quantity(text: Any) -> Decimal | None:
    """Return a quantity of Kubernetes as a number, such as C(1Gi) or C(500m); None for what is none.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    word = str(text).strip()
    number = word.rstrip("numkMGTPEi")
    try:
        return Decimal(number) * _UNITS[word[len(number) :]]
    except (InvalidOperation, KeyError):
        return None


# ---------------------------------------------------------------- what was added
def _added(declared: Object, live: Object, scaled: bool) -> Iterator[Difference]:
    seen: set[Path] = set()
    for manager in managed_fields.managers(live):
        if not manager.is_person:
            continue
        for path in sorted(manager.paths):
            top = added_at(path, declared, scaled)
            if top is None or top in seen:
                continue
            seen.add(top)
            there, value = value_at(live, top)
            if there:
                yield Difference(top, ABSENT, value, manager.name, manager.time)


def added_at(path: Path, declared: Object, scaled: bool = False) -> Path | None:
    """Return the shortest beginning of a path that is not declared; None for a field that is, and for what is no setting."""
    if not is_setting(path) or (path == REPLICAS and (scaled or dig(declared, "spec", "replicas") is None)):
        return None
    for length in range(1, len(path) + 1):
        there, value = value_at(declared, path[:length])
        if not there:
            # Where all labels or annotations are undeclared, one of them is what was added.
            least = 3 if path[0] == "f:metadata" else 2
            return path[: max(length, min(least, len(path)))]
        if not isinstance(value, (Mapping, list)):
            return None  # what is below it in the cluster was declared as another type
    return None


def is_setting(path: Path) -> bool:
    """Tell whether a field is a setting that a release may declare; labels and annotations alone are those of the metadata."""
    if path[0] in ("f:status", "f:apiVersion", "f:kind"):
        return False
    if path[0] == "f:metadata" and (len(path) < 3 or path[1:2] not in _METADATA):
        return False
    return path[-1].removeprefix("f:") not in _NOTES and not path[-1].endswith(":annotations")


# ---------------------------------------------------------------- taking back
def to_take(declared: Object, live: Object, added: bool = True, scaled: bool = False) -> dict[int, frozenset[Path]]:
    """Return the fields that are to be taken off people, by the index of their entry in C(managedFields).

    Those that are declared, and also those that they have C(added). A restart that somebody asked for stays: taking its note back would
    restart the pods again.
    """
    wanted = normalized(declared)
    found = {}
    for manager in managed_fields.managers(live):
        if manager.is_person:
            taken = frozenset(path for path in manager.paths if _is_taken(path, wanted, added, scaled))
            if taken:
                found[manager.index] = taken
    return found


def _is_taken(path: Path, declared: Object, added: bool, scaled: bool) -> bool:
    if path[0] == "f:status" or _RESTARTED in path or (path[0] == "f:metadata" and path[1:2] not in _METADATA):
        return False
    there, _value = value_at(declared, path)
    if path == REPLICAS and (scaled or not there):
        return False
    return there or added


def scaled_by(declared: Iterable[Object]) -> set[tuple[str, str]]:
    """Return kind and name of the workloads that an autoscaler among these objects scales."""
    targets = (fields(item, "spec", "scaleTargetRef") for item in declared)
    return {(str(one.get("kind") or "Deployment"), str(one.get("name"))) for one in targets if one.get("name")}


def scales(manager: Manager) -> bool:
    """Tell whether a manager is an autoscaler that has set an object's replicas."""
    return manager.subresource == "scale" and not manager.is_person and REPLICAS in manager.paths


def is_scaled(live: Object) -> bool:
    """Tell whether an autoscaler has set an object's replicas."""
    return any(map(scales, managed_fields.managers(live)))


def kept_by_controllers(declared: Object, live: Object) -> list[Path]:
    """Return the declared fields that a controller has set to another value: Helm cannot set them either."""
    found = managed_fields.managers(live)
    kept = []
    for path, _wanted, _found in changes(normalized(declared), live):
        manager = managed_fields.manager_of(path, found)
        if manager is not None and not manager.is_person:
            kept.append(path)
    return kept


def without(item: Object, gone: Iterable[Path]) -> dict[str, Any]:
    """Return a copy of an object without some fields."""
    result: dict[str, Any] = json.loads(json.dumps(item, default=str))
    for path in gone:
        there, above = value_at(result, path[:-1])
        if there and isinstance(above, dict):
            above.pop(path[-1].removeprefix("f:"), None)
        elif there and isinstance(above, list):
            found, value = value_at(above, path[-1:])
            if found:
                above.remove(value)
    return result
