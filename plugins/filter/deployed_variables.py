# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that says what placeholders stand for in a version that is in service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployed_variables
short_description: Say what the placeholders of checks stand for where other images are deployed than those of the plan
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns the plan's variables as they are for the images that are deployed, so that an earlier version can be asked after a
    rollback.
  - The tag and image of a component that is not deployed, and the source digest of one of another version, are null, because nobody
    knows them. M(slipway.kube.health_check) leaves out the checks that use them.
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
  description: What each name stands for.
  type: dict
  sample:
    application.name: todo
    components.backend.tag: sha-3f2a9c0d1e5b7a68
    components.backend.source_digest: null
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._plan.variables import deployed_variables


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"deployed_variables": deployed_variables}
