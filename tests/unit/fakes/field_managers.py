# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with C(managedFields), and what the API server does to them: server-side apply and updates, as far as tests need them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._helm.managed_fields import (
    Path,
    key_step,
    paths,
    tree,
    value_at,
)

Object = dict[str, Any]
GONE: Any = type("Gone", (), {"__repr__": lambda _self: "GONE"})()
MADE = "2026-11-30T10:00:00Z"
LATER = "2026-11-30T12:00:00Z"
# Lists of the tests' objects that have keys.
_KEYS = {"containers": ["name"], "env": ["name"], "volumes": ["name"], "ports": ["containerPort", "protocol"]}
_NOT_MANAGED = ("apiVersion", "kind", "status")


class ConflictError(Exception):
    """An apply that would change what others manage."""


def leaves(item: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths that are managed by who applies an object."""
    for key, value in item.items():
        here = (*path, f"f:{key}")
        if not path and key in _NOT_MANAGED:
            continue
        if not path and key == "metadata":
            kept = {name: value[name] for name in ("labels", "annotations") if value.get(name)}
            yield from leaves(kept, here) if kept else ()
        else:
            yield from _within(value, here)


def _within(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        yield from leaves(value, path)
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value) and _keys(path, value):
        for one in value:
            step = (*path, key_step(one, _keys(path, value)))
            yield step
            yield from leaves(one, step)
    else:
        yield path


def _keys(path: Path, value: list[Object]) -> list[str]:
    keys = _KEYS.get(path[-1][2:], [])
    return ["port", "protocol"] if keys[:1] == ["containerPort"] and "port" in value[0] else keys


def created(declared: Object, manager: str = "helm", operation: str = "Apply", time: str = MADE) -> Object:
    """Return an object as the cluster has it after it was made."""
    live = copy.deepcopy(declared)
    entry = {"manager": manager, "operation": operation, "time": time, "apiVersion": "v1", "fieldsType": "FieldsV1"}
    live["metadata"]["managedFields"] = [{**entry, "fieldsV1": tree(leaves(declared))}]
    return live


def _entry(live: Object, manager: str, operation: str, time: str, subresource: str = "") -> Object:
    entries = live["metadata"].setdefault("managedFields", [])
    for entry in entries:
        if (entry["manager"], entry["operation"], entry.get("subresource", "")) == (manager, operation, subresource):
            entry["time"] = time
            return entry  # type: ignore[no-any-return]
    entries.append({"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1", "fieldsV1": {}})
    if subresource:
        entries[-1]["subresource"] = subresource
    return entries[-1]  # type: ignore[no-any-return]


def _forget(live: Object, gone: set[Path], but: Object | None = None) -> None:
    for entry in live["metadata"]["managedFields"]:
        if entry is not but:
            entry["fieldsV1"] = tree({one for one in paths(entry["fieldsV1"]) if not _is_below(one, gone)})
    live["metadata"]["managedFields"] = [
        one for one in live["metadata"]["managedFields"] if one["fieldsV1"] or one is but
    ]


def _is_below(path: Path, gone: set[Path]) -> bool:
    return any(path[: len(one)] == one for one in gone)


def edited(
    live: Object, path: Path, value: Any, manager: str = "kubectl-patch", time: str = LATER, subresource: str = ""
) -> Object:
    """Return an object after an update of one field; C(GONE) removes it."""
    live = copy.deepcopy(live)
    entry = _entry(live, manager, "Update", time, subresource)
    if value is GONE:
        _remove(live, path)
        _forget(live, {path})
    else:
        _set(live, path, value)
        _forget(live, {path}, entry)
        item = {path} if _is_item(path) else set()
        entry["fieldsV1"] = tree({*paths(entry["fieldsV1"]), *item, *_within(value, path)})
    return live


def applied(live: Object | None, declared: Object, manager: str = "helm", force: bool = True) -> Object:
    """Return an object after a server-side apply. Raises ConflictError."""
    if live is None:
        return created(declared, manager)
    live = copy.deepcopy(live)
    entry = _entry(live, manager, "Apply", LATER)
    new, old = set(leaves(declared)), set(paths(entry["fieldsV1"]))
    others = {
        one for other in live["metadata"]["managedFields"] if other is not entry for one in paths(other["fieldsV1"])
    }
    changed = {one for one in new if value_at(live, one) != value_at(declared, one) and not _is_item(one)}
    conflicts = {one for one in changed if one in others}
    if conflicts and not force:
        raise ConflictError(f"Apply failed with {len(conflicts)} conflict: {sorted(conflicts)}")
    for path in sorted(old - new, key=len):
        if path not in others and not any(one != path and one[: len(path)] == path for one in new | others):
            _remove(live, path)
    for path in sorted(new, key=len):
        if _is_item(path):
            if not value_at(live, path)[0]:
                _set(live, path, {})
        else:
            _set(live, path, value_at(declared, path)[1])
    _forget(live, conflicts, entry)
    entry["fieldsV1"] = tree(new)
    return live


def _is_item(path: Path) -> bool:
    return path[-1].startswith("k:")


def _set(item: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        there, below = value_at(item, (step,))
        if not there:
            below = [] if step[2:] in _KEYS else {}
            if step.startswith("k:"):
                below = dict(json.loads(step[2:]))
                item.append(below)
            else:
                item[step[2:]] = below
        item = below
    last = path[-1]
    if last.startswith("k:"):
        there, below = value_at(item, (last,))
        if there:
            item.remove(below)
        item.append({**json.loads(last[2:]), **copy.deepcopy(value)})
    else:
        item[last[2:]] = copy.deepcopy(value)


def _remove(item: Any, path: Path) -> None:
    there, above = value_at(item, path[:-1])
    if not there:
        return
    if path[-1].startswith("f:"):
        above.pop(path[-1][2:], None)
    else:
        found, value = value_at(above, path[-1:])
        if found:
            above.remove(value)
