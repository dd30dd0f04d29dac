# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two manifests, object by object, with no secret value in it. Private to the collection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm.redacted_objects import all_secret_values, redacted

with contextlib.suppress(ImportError):  # comes with kubernetes, for which _kube.module_base asks
    import yaml

Key = tuple[str, str, str]


def objects(manifest: str) -> dict[Key, dict[str, Any]]:
    """Return the objects of a manifest by kind, namespace and name, those of lists one by one, without hooks. Raises ValueError for no YAML."""
    # The parser written in C is ten times as fast, where PyYAML was built with it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = [item for item in yaml.load_all(manifest, Loader=loader) if isinstance(item, Mapping)]
    except yaml.YAMLError as error:
        raise ValueError(f"The manifest is no YAML: {' '.join(str(error).split())[:300]}") from None
    result = {}
    for item in _flat(found):
        metadata = item.get("metadata") or {}
        if "helm.sh/hook" not in (metadata.get("annotations") or {}):
            key = (str(item.get("kind", "")), str(metadata.get("namespace") or ""), str(metadata.get("name", "")))
            result[key] = dict(item)
    return result


def _flat(found: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for item in found:
        if isinstance(item, Mapping):
            is_list = str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list)
            yield from _flat(item["items"]) if is_list else (item,)


def differences(before: str, after: str) -> list[dict[str, str]]:
    """Return one difference for each object that is added, changed or removed, as Ansible shows them.

    Each has before, after, before_header and after_header. Of secret values only is told whether they differ.
    """
    old, new = objects(before), objects(after)
    masker = Masker()
    masker.learn(all_secret_values([*old.values(), *new.values()]))
    found = []
    for key in [*new, *(key for key in old if key not in new)]:
        was, becomes = old.get(key), new.get(key)
        if was == becomes:
            continue
        was_shown, becomes_shown = redacted(was, becomes, masker)
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
