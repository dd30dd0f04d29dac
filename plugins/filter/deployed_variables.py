# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that says what placeholders stand for in a version that is in service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployed_variables
short_description: Compute the variables of checks for the deployed images
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns the plan's variables for the images that are deployed, so that an earlier version can be checked after a rollback.
  - The tag and image of a component that is not deployed, and the source digest of one of another version, are null, because
    they are unknown. M(slipway.kube.health_check) skips the checks that use them.
options:
  _input:
    description: The plan as returned by M(slipway.kube.application_plan).
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
    checks: "{{ application_plan.checks }}"
    variables: "{{ application_plan | slipway.kube.deployed_variables(history.releases[0].images) }}"
"""

RETURN = r"""
_value:
  description: The value of each name.
  type: dict
  sample:
    application.name: todo
    components.backend.tag: sha-3f2a9c0d1e5b7a68
    components.backend.source_digest: null
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _tag_of(repository: str, images: Sequence[str]) -> str:
    for image in images:
        name, _colon, tag = image.partition("@")[0].rpartition(":")
        if name == repository or name.endswith(f"/{repository}"):
            return tag
    return ""


def deployed_variables(plan: Mapping[str, Any], images: Sequence[str]) -> dict[str, str | None]:
    """Return the variables of a plan as they are for the images that are deployed; None is what nobody knows of them."""
    variables: dict[str, str | None] = dict(plan.get("variables") or {})
    for name, component in (plan.get("components") or {}).items():
        tag = _tag_of(str(component["repository"]), images)
        if tag == component["tag"]:
            continue
        variables[f"components.{name}.tag"] = tag or None
        variables[f"components.{name}.image"] = f"{component['repository']}:{tag}" if tag else None
        # A tag tells which sources the image was built from, but not their whole digest.
        variables[f"components.{name}.source_digest"] = None
    return variables


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"deployed_variables": deployed_variables}
