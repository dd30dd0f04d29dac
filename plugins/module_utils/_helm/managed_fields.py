# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who manages which fields of a Kubernetes object, as its C(metadata.managedFields) tell. Private to the collection.

A path is a tuple of the steps of FieldsV1: C(f:spec) for a key, C(k:{"name":"web"}) for the item of a list by its keys, C(v:"x") for an
item of a set, C(i:0) for one by its place
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import rows

Path = tuple[str, ...]

# The name under which Helm writes, 3 and 4 alike.
HELM = "helm"
# Programs by which people write, as they name themselves: kubectl and its commands, terminals, dashboards and plain HTTP clients.
# Whatever else writes is a controller, and what it manages is its own.
_PEOPLE = re.compile(
    r"kubectl|kubectl[-_].*|k9s|lens|openlens|freelens|node-fetch|headlamp.*|dashboard|mozilla|curl|httpie|python-requests|openapi-generator",
    re.IGNORECASE,
)
# The default of a key of a list's items that is left out in manifests.
_DEFAULTS = {"protocol": "TCP"}


@dataclass(frozen=True)
class Manager:
    """The entry of C(metadata.managedFields) at C(index). C(time) is when it last changed its fields (RFC 3339), C(paths) are those fields."""

    index: int
    name: str
    operation: str
    subresource: str
    time: str
    paths: frozenset[Path]

    @property
    def is_person(self) -> bool:
        """Whether a person writes under this name."""
        return bool(_PEOPLE.fullmatch(self.name)) and self.subresource in ("", "scale")

    @property
    def is_helm(self) -> bool:
        """Whether it is Helm."""
        return self.name == HELM


def managers(item: Mapping[str, Any]) -> list[Manager]:
    """Return who manages an object's fields, without its status."""
    return [
        Manager(
            index,
            str(entry.get("manager") or ""),
            str(entry.get("operation") or ""),
            str(entry.get("subresource") or ""),
            str(entry.get("time") or ""),
            frozenset(paths(entry.get("fieldsV1") or {})),
        )
        for index, entry in enumerate(rows(item, "metadata", "managedFields"))
        if entry.get("subresource") != "status"
    ]


def paths(tree: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """Yield the paths in a tree of FieldsV1."""
    for step, below in tree.items():
        if step == ".":
            yield above
        elif below:
            yield from paths(below, (*above, step))
        else:
            yield (*above, step)


def tree(found: Iterable[Path]) -> dict[str, Any]:
    """Return the tree of FieldsV1 of some paths."""
    root: dict[str, Any] = {}
    # The longest first: then a path that ends within another's finds what is below it.
    for path in sorted(found, key=len, reverse=True):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if node:
            node["."] = {}
    return root


def manager_of(path: Path, found: Iterable[Manager]) -> Manager | None:
    """Return who manages a field, or part of it, or what it is part of, and is not Helm: the last one to write."""
    touching = [one for one in found if not one.is_helm and any(_manages(one, other, path) for other in one.paths)]
    return max(touching, key=lambda one: one.time, default=None)


def _manages(manager: Manager, own: Path, path: Path) -> bool:
    if own[: len(path)] == path:
        return True
    # To manage that there is a mapping or an item is not to manage what else is in it.
    return path[: len(own)] == own and not any(one != own and one[: len(own)] == own for one in manager.paths)


def value_at(item: Any, path: Path) -> tuple[bool, Any]:
    """Return whether an object has a field, and its value."""
    for step in path:
        kind, _colon, rest = step.partition(":")
        if kind == "f" and isinstance(item, Mapping) and rest in item:
            item = item[rest]
        elif kind in ("k", "v", "i") and isinstance(item, list):
            wanted = json.loads(rest)
            if kind == "i":
                matching = item[wanted : wanted + 1]
            elif kind == "v":
                matching = [one for one in item if one == wanted]
            else:
                matching = [one for one in item if _has_keys(one, wanted)]
            if not matching:
                return False, None
            item = matching[0]
        else:
            return False, None
    return True, item


def _has_keys(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(key, _DEFAULTS.get(key)) == value for key, value in keys.items())


def key_step(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return the step to an item of a list by its keys."""
    found = {key: item.get(key, _DEFAULTS.get(key)) for key in sorted(keys)}
    return f"k:{json.dumps(found, separators=(',', ':'))}"


def text_of(path: Path) -> str:
    """Return a path as people write it: C(spec.template.spec.containers[web].env[LOG_LEVEL].value)."""
    text = ""
    for step in path:
        kind, _colon, rest = step.partition(":")
        if kind == "f":
            plain = re.fullmatch(r"[\w-]+", rest)
            text += (f".{rest}" if text else rest) if plain else f"[{rest}]"
        else:
            found = json.loads(rest)
            words = [str(value) for value in found.values()] if isinstance(found, Mapping) else [str(found)]
            text += f"[{'/'.join(words)}]"
    return text


def handed_over(item: Mapping[str, Any], moved: Mapping[int, Collection[Path]]) -> list[dict[str, Any]]:
    """Return an object's C(managedFields) with fields taken off their managers and given to Helm's server-side apply.

    C(moved) are the paths by the index of the manager's entry. What Helm manages and no longer applies, the API server removes; what it
    manages, it changes without a conflict. So the fields are as declared after the next apply.
    """
    entries = [dict(entry) for entry in rows(item, "metadata", "managedFields")]
    taken: set[Path] = set()
    for index, gone in moved.items():
        old = set(paths(entries[index].get("fieldsV1") or {}))
        taken |= old & set(gone)
        entries[index]["fieldsV1"] = tree(old - set(gone))
    own = next(
        (entry for entry in entries if entry.get("manager") == HELM and entry.get("operation") == "Apply"),
        None,
    )
    if own is None and taken:
        first = entries[next(iter(moved))]
        own = {"manager": HELM, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {}}
        own |= {key: first[key] for key in ("apiVersion", "time") if key in first}
        entries.append(own)
    if own is not None:
        own["fieldsV1"] = tree({*paths(own.get("fieldsV1") or {}), *taken})
    return [entry for entry in entries if entry.get("fieldsV1")]
