# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two manifests, object by object, with no secret value in it. Private to the collection."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import is_sensitive

with contextlib.suppress(ImportError):  # comes with kubernetes, for which _kube_module asks
    import yaml

SAME = "(hidden)"
OTHER = "(hidden, differs)"
Key = tuple[str, str, str]


def objects(manifest: str) -> dict[Key, dict[str, Any]]:
    """Return the objects of a manifest by kind, namespace and name, without hooks. Raises ValueError for no YAML."""
    # The parser written in C is ten times as fast, where PyYAML was built with it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = [item for item in yaml.load_all(manifest, Loader=loader) if isinstance(item, Mapping)]
    except yaml.YAMLError as error:
        raise ValueError(f"The manifest is no YAML: {' '.join(str(error).split())[:300]}") from None
    result = {}
    for item in found:
        metadata = item.get("metadata") or {}
        if "helm.sh/hook" not in (metadata.get("annotations") or {}):
            key = (str(item.get("kind", "")), str(metadata.get("namespace") or ""), str(metadata.get("name", "")))
            result[key] = dict(item)
    return result


def differences(before: str, after: str) -> list[dict[str, str]]:
    """Return one difference for each object that is added, changed or removed, as Ansible shows them.

    Each has before, after, before_header and after_header. Of secret values only is told whether they differ.
    """
    old, new = objects(before), objects(after)
    found = []
    for key in [*new, *(key for key in old if key not in new)]:
        was, becomes = old.get(key), new.get(key)
        if was == becomes:
            continue
        was_shown, becomes_shown = _hidden(was, becomes, key[0])
        title = f"{key[0]} {key[2]}"
        found.append(
            {
                "before_header": title if was is not None else f"{title} (absent)",
                "after_header": title if becomes is not None else f"{title} (removed)",
                "before": _text(was_shown),
                "after": _text(becomes_shown),
            }
        )
    return found


def _text(item: Any) -> str:
    return "" if item is None else str(yaml.safe_dump(item, sort_keys=False, default_flow_style=False, width=160))


def _hidden(was: Any, becomes: Any, kind: str) -> tuple[Any, Any]:
    """Return both sides of an object without secret values; they are looked at together, to tell whether they differ."""
    fields = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}.get(kind, ())
    sides = [dict(side) if side is not None else None for side in (was, becomes)]
    for field in fields:
        halves = [dict((side or {}).get(field) or {}) for side in sides]
        for key in {**halves[0], **halves[1]}:
            if kind == "Secret" or is_sensitive(str(key)):
                _hide(halves[0], halves[1], key)
        for side, half in zip(sides, halves, strict=True):
            if side is not None and half:
                side[field] = half
    return _variables(sides[0], sides[1])


def _hide(was: dict[str, Any], becomes: dict[str, Any], key: str) -> None:
    same = was.get(key) == becomes.get(key)
    if key in was:
        was[key] = SAME
    if key in becomes:
        becomes[key] = SAME if same or key not in was else OTHER


def _variables(was: Any, becomes: Any) -> tuple[Any, Any]:
    """Hide the values of environment variables whose names mean a secret, anywhere in an object."""
    known: dict[str, set[str]] = {}

    def collect(item: Any, place: str = "") -> None:
        if isinstance(item, Mapping):
            if _is_secret(item):
                known.setdefault(f"{place}/{item['name']}", set()).add(str(item["value"]))
            for key, value in item.items():
                collect(value, f"{place}/{key}")
        elif isinstance(item, list):
            for value in item:
                collect(value, place)

    def replace(item: Any, newer: bool, place: str = "") -> Any:
        if isinstance(item, Mapping):
            shown = {key: replace(value, newer, f"{place}/{key}") for key, value in item.items()}
            if _is_secret(item):
                shown["value"] = OTHER if newer and len(known[f"{place}/{item['name']}"]) > 1 else SAME
            return shown
        if isinstance(item, list):
            return [replace(value, newer, place) for value in item]
        return item

    collect(was)
    collect(becomes)
    return replace(was, False), replace(becomes, True)


def _is_secret(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("name"), str) and item.get("value") is not None and is_sensitive(item["name"])
