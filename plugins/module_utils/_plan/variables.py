# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks' placeholders stand for: what a plan knows, and what is deployed. Private to the collection.

The names begin with C(application.) or C(components.). The plan says what they stand for, or a version that is in
service does; M(slipway.kube.health_check) puts them in when it asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    of_application,
    placeholders,
    put_in,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Component
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator, nearest

APPLICATION_NAMES = tuple(f"application.{fact}" for fact in ("name", "namespace", "host", "url"))
_COMPONENT_FACTS = ("tag", "image", "repository", "source_digest")
# Old names that still work, and those that took their place.
_RENAMED = {"digest": "source_digest"}


def component_names(components: Mapping[str, Any]) -> list[str]:
    """List the names that stand for something of a component."""
    return [f"components.{name}.{fact}" for name in components for fact in _COMPONENT_FACTS]


def component_variables(component: Component) -> dict[str, str]:
    """Return what the names of one component stand for."""
    return {f"components.{component.name}.{fact}": getattr(component, fact) for fact in _COMPONENT_FACTS}


def plan_variables(
    name: str, namespace: str, hosts: Sequence[str], components: Mapping[str, Component]
) -> dict[str, str]:
    """Return what all names stand for but C(application.url), which is known when the application runs."""
    variables = {"application.name": name, "application.namespace": namespace}
    if hosts:
        variables["application.host"] = hosts[0]
    for component in components.values():
        variables.update(component_variables(component))
    return variables


def deployed_variables(plan: Mapping[str, Any], images: Sequence[str]) -> dict[str, str | None]:
    """Return the variables of a plan as they are for the images that are deployed; None is what nobody knows of them.

    C(plan) is the plan as a dictionary. An image's tag tells which sources it was built of, but not their whole digest.
    """
    variables: dict[str, str | None] = dict(plan.get("variables") or {})
    for name, component in (plan.get("components") or {}).items():
        tag = _tag_of(str(component["repository"]), images)
        if tag == component["tag"]:
            continue
        variables[f"components.{name}.tag"] = tag or None
        variables[f"components.{name}.image"] = f"{component['repository']}:{tag}" if tag else None
        variables[f"components.{name}.source_digest"] = None
    return variables


def _tag_of(repository: str, images: Sequence[str]) -> str:
    for image in images:
        name, _colon, tag = image.partition("@")[0].rpartition(":")
        if name == repository or name.endswith(f"/{repository}"):
            return tag
    return ""


def validate_names(validator: Validator, place: str, value: Any, known: Sequence[str]) -> None:
    """Note the placeholders that begin like names of the plan and are none; all others are the check's own."""
    for where, text in texts(place, value):
        for name in placeholders(text):
            if of_application(name) and name not in known:
                validator.error(where, f"${{{name}}} names nothing", nearest(name, known))


def current_names(place: str, value: Any, components: Sequence[str]) -> tuple[Any, list[str]]:
    """Return a value in which old names are replaced by those of today, and a warning for each."""
    renamed = {
        f"components.{name}.{old}": f"components.{name}.{new}" for name in components for old, new in _RENAMED.items()
    }
    warnings = [
        f"{where}: ${{{name}}} is deprecated and goes with version 1.0.0. Write ${{{renamed[name]}}}."
        for where, text in texts(place, value)
        for name in placeholders(text)
        if name in renamed
    ]
    return put_in(value, {old: f"${{{new}}}" for old, new in renamed.items()}) if warnings else value, warnings


def texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield all texts in a value with their places."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(f"{place}.{key}", item)
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from texts(f"{place}[{index}]", item)
