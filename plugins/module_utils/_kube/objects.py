# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the dictionaries of the Kubernetes API, whose fields may be missing. Private to the collection."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def dig(item: Any, *path: str) -> Any:
    """Return what lies at a path of keys, None when any part of it is missing."""
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def fields(item: Any, *path: str) -> Mapping[str, Any]:
    """Return the dictionary at a path, an empty one when there is none."""
    found = dig(item, *path)
    return found if isinstance(found, Mapping) else {}


def rows(item: Any, *path: str) -> list[Object]:
    """Return the dictionaries of the list at a path."""
    found = dig(item, *path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def number(item: Any, *path: str, default: int = 0) -> int:
    """Return the whole number at a path."""
    found = dig(item, *path)
    if isinstance(found, int):
        return found
    return int(found) if isinstance(found, str) and found.isdigit() else default


def meta(item: Object, key: str) -> str:
    """Return one text of an object's metadata, empty when it is not there."""
    return str(dig(item, "metadata", key) or "")


def labels(item: Object) -> Mapping[str, Any]:
    """Return an object's labels."""
    return fields(item, "metadata", "labels")


def secret_values(secret: Object) -> dict[str, str]:
    """Return the values of a Secret by their keys, decoded; not those that are no text, which no text can show."""
    values = {key: str(value) for key, value in fields(secret, "stringData").items() if value is not None}
    for key, value in fields(secret, "data").items():
        try:
            values[key] = base64.b64decode(str(value or ""), validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    return values


def belongs(item: Object, release: str) -> bool:
    """Tell whether an object is part of a Helm release: by the annotation that Helm sets, or by the usual label."""
    owner = fields(item, "metadata", "annotations").get("meta.helm.sh/release-name")
    return bool(owner == release or (owner is None and labels(item).get("app.kubernetes.io/instance") == release))


def is_hook(item: Object) -> bool:
    """Tell whether an object is a Helm hook, which Helm itself waits for; a test is none that a deploy runs."""
    hooks = str(fields(item, "metadata", "annotations").get("helm.sh/hook") or "")
    return any(hook and not hook.strip().startswith("test") for hook in hooks.split(","))


def is_test(item: Object) -> bool:
    """Tell whether an object is there for C(helm test) alone."""
    return "helm.sh/hook" in fields(item, "metadata", "annotations") and not is_hook(item)


def condition(status: Object, kind: str) -> Object:
    """Return a condition, empty when it is not there."""
    return next((item for item in rows(status, "conditions") if item.get("type") == kind), {})


def is_true(status: Object, kind: str) -> bool:
    """Tell whether a condition is there and true."""
    return bool(condition(status, kind).get("status") == "True")


def selects(workload: Object, pod: Object) -> bool:
    """Tell whether a workload's selector picks a pod."""
    wanted, expressions = (
        fields(workload, "spec", "selector", "matchLabels"),
        rows(workload, "spec", "selector", "matchExpressions"),
    )
    if meta(workload, "namespace") != meta(pod, "namespace") or not (wanted or expressions):
        return False
    mine = labels(pod)
    return matches(wanted, mine) and all(_expression(item, mine) for item in expressions)


def matches(selector: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Tell whether labels are as a plain selector demands."""
    return all(found.get(key) == value for key, value in selector.items())


def _expression(item: Object, found: Mapping[str, Any]) -> bool:
    key, values = str(item.get("key")), item.get("values") or ()
    operator = item.get("operator")
    if operator == "In":
        return found.get(key) in values
    if operator == "NotIn":
        return found.get(key) not in values
    return (key in found) == (operator == "Exists")


def owner(item: Object) -> str:
    """Return the UID of an object's controller, empty without one."""
    for one in rows(item, "metadata", "ownerReferences"):
        if one.get("controller"):
            return str(one.get("uid") or "")
    return ""


def about(events: Sequence[Object], item: Object, *reasons: str) -> list[Object]:
    """Return the events about one object, the newest last: by its UID, because a StatefulSet's pods keep their names."""
    uid, name = meta(item, "uid"), meta(item, "name")
    found = [
        event
        for event in events
        if (dig(event, "involvedObject", "uid") == uid if uid else dig(event, "involvedObject", "name") == name)
        and (not reasons or event.get("reason") in reasons)
    ]
    return sorted(found, key=event_time)


def event_time(event: Object) -> str:
    """Return when an event was last seen, in the API's form, which sorts as text."""
    when = dig(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(when or meta(event, "creationTimestamp"))


def event_count(event: Object) -> int:
    """Return how often an event was seen."""
    return max(number(event, "series", "count"), number(event, "count"), 1)


def containers(pod: Object) -> Iterator[Object]:
    """Yield the status of every container of a pod, those of its start first."""
    yield from rows(pod, "status", "initContainerStatuses")
    yield from rows(pod, "status", "containerStatuses")
