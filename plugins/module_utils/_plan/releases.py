# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm releases of a specification, with values that name the images. Private to the collection."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of, nearest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotError, SnapshotStore
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import ChartError, chart_members, read_chart
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Component, Release, Secret
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator

_KEYS = ("name", "namespace", "chart", "values", "images", "migrations", "secret_checksums", "wait")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def read_releases(
    validator: Validator,
    given: Any,
    project: Path,
    namespace: str,
    components: Mapping[str, Component | None],
    secrets: Sequence[Secret],
    store: SnapshotStore,
) -> list[Release]:
    """Return the releases in the order of their installation.

    C(project) is where charts' paths start from, and snapshots of the charts are taken into C(store).
    """
    releases: list[Release] = []
    for place, item in validator.items("application_releases", given):
        validator.keys(place, item, _KEYS)
        name = validator.label(f"{place}.name", item.get("name"), longest=53)
        where = validator.namespace(f"{place}.namespace", item.get("namespace"), default=namespace)
        chart = validator.text(f"{place}.chart", item.get("chart"), example="charts/todo-app")
        path = Path(os.path.normpath(project / chart))
        version = digest = title = snapshot = ""
        if chart:
            try:
                found = read_chart(path)
                taken = store.take(f"chart {path}", chart_members(path))
                title, version, digest = found.name, found.version, taken.digest
                snapshot = str(taken.path or "")
            except (ChartError, SnapshotError, OSError) as error:
                validator.error(f"{place}.chart", str(error), "the path starts from application_project_dir")
        values = copy.deepcopy(dict(validator.mapping(f"{place}.values", item.get("values"))))
        for key in ("images", "migrations"):
            for component, target in validator.mapping(f"{place}.{key}", item.get(key)).items():
                _put_fact(validator, f"{place}.{key}.{component}", values, str(component), target, components, key)
        wait = item.get("wait", False)
        if not isinstance(wait, bool):
            validator.error(f"{place}.wait", f"it is {kind_of(wait)}", "write true or false")
        sums = validator.mapping(f"{place}.secret_checksums", item.get("secret_checksums"))
        _checksums(validator, f"{place}.secret_checksums", sums, [secret.name for secret in secrets])
        releases.append(Release(name, where, str(path), title, version, digest, values, dict(sums), wait, snapshot))
    validator.no_twice("application_releases", [f"{release.namespace}/{release.name}" for release in releases])
    return releases


def _checksums(validator: Validator, place: str, sums: Mapping[Any, Any], secrets: Sequence[str]) -> None:
    for secret, target in sums.items():
        if secret not in secrets:
            remedy = nearest(str(secret), secrets) if secrets else "declare it in application_secrets"
            validator.error(f"{place}.{secret}", "there is no such secret", remedy)
        _value_path(validator, f"{place}.{secret}", target)


def _value_path(validator: Validator, place: str, target: Any) -> bool:
    if isinstance(target, str) and _PATH.fullmatch(target):
        return True
    validator.error(place, f"{target!r} is not a path in the values", "write it like backend.image")
    return False


def _put_fact(
    validator: Validator,
    place: str,
    values: dict[str, Any],
    component: str,
    target: Any,
    components: Mapping[str, Component | None],
    key: str,
) -> None:
    """Put what is known of a component into the values."""
    if component not in components:
        validator.error(
            place,
            f"there is no component {component}",
            nearest(component, components) if components else "declare it in application_components",
        )
        return
    known = components[component]
    if not _value_path(validator, place, target) or not known:
        return
    if not known.release_value(key):
        validator.error(place, "the component names no migrations", "correct the path or the release's values")
        return
    try:
        set_path(values, target, known.release_value(key))
    except ValuesError as error:
        validator.error(place, str(error), "correct the path or the release's values")


class ValuesError(ValueError):
    """A path that does not fit the values. The text names the path."""


def set_path(values: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path, in place; a dictionary is merged into one that is there.

    Raises ValuesError when something on the way is no dictionary.
    """
    parts = path.split(".")
    last = parts.pop()
    place = values
    for count, part in enumerate(parts, start=1):
        place = _below(place, part, ".".join(parts[:count]))
    if isinstance(value, Mapping):
        _below(place, last, path).update(value)
    else:
        place[last] = value


def _below(values: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    below = values.setdefault(key, {})
    if not isinstance(below, dict):
        raise ValuesError(f"{path} in the values is not a dictionary")
    return below
