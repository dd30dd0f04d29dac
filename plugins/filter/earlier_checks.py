# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that turns the checks of one version into those of another that is in service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: earlier_checks
short_description: Let checks expect the images that are deployed
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns the checks with the tags of the images that are deployed in place of those of the plan, so that an earlier
    version can be asked after a rollback.
  - A check that names the tag of a component that is not deployed, or a component's whole source_digest that has changed, is left
    out, and other checks no longer depend on it.
options:
  _input:
    description: Checks as in M(slipway.kube.health_check).
    type: list
    elements: dict
    required: true
  components:
    description: The plan's components, each with C(repository), C(tag) and C(source_digest).
    type: dict
    required: true
  images:
    description: The images that are deployed, with their tags.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Ask the version that is in service
  slipway.kube.health_check:
    checks: "{{ application_plan.checks | slipway.kube.earlier_checks(application_plan.components, history.releases[0].images) }}"
"""

RETURN = r"""
_value:
  description: The checks that the deployed version should pass.
  type: list
  elements: dict
  sample:
    - name: frontend version
      url: http://todo.localhost/healthz
      expect: {identity: {equals: sha-3f2a9c0d1e5b7a68}}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _tag_of(repository: str, images: Sequence[str]) -> str:
    for image in images:
        name, _colon, tag = image.partition("@")[0].rpartition(":")
        if name == repository or name.endswith(f"/{repository}"):
            return tag
    return ""


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, texts) for key, item in value.items()}
    if isinstance(value, str):
        for old, new in texts.items():
            value = value.replace(old, new)
        return value
    return [_replaced(item, texts) for item in value] if isinstance(value, Sequence) else value


def _mentions(value: Any, texts: Sequence[str]) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(item, texts) for item in value.values())
    if isinstance(value, str):
        return any(text in value for text in texts)
    return isinstance(value, Sequence) and any(_mentions(item, texts) for item in value)


def earlier_checks(
    checks: Sequence[Mapping[str, Any]], components: Mapping[str, Mapping[str, Any]], images: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the checks with the deployed images' tags."""
    replace: dict[str, str] = {}
    unknown: list[str] = []
    for component in components.values():
        planned, found = str(component.get("tag") or ""), _tag_of(str(component.get("repository") or ""), images)
        if not planned or planned == found:
            continue
        if component.get("source_digest"):
            unknown.append(str(component["source_digest"]))
        if found:
            replace[planned] = found
        else:
            unknown.append(planned)
    left_out = {check.get("name") for check in checks if _mentions({**check, "name": "", "depends_on": ""}, unknown)}
    kept = [_replaced(check, replace) for check in checks if check.get("name") not in left_out]
    for check in kept:
        if "depends_on" in check:
            names = [check["depends_on"]] if isinstance(check["depends_on"], str) else check["depends_on"]
            check["depends_on"] = [name for name in names if name not in left_out]
    return kept


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"earlier_checks": earlier_checks}
