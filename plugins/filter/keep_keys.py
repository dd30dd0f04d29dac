# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that leaves of dictionaries what a module takes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: keep_keys
short_description: Keep some keys of each dictionary in a list
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns the dictionaries with no other keys than those named. One that a dictionary lacks is left out.
positional: keys
options:
  _input:
    description: The dictionaries, such as the releases of a plan.
    type: list
    elements: dict
    required: true
  keys:
    description: The keys to keep.
    type: list
    elements: str
    default: [name, namespace]
"""

EXAMPLES = r"""
- name: Wait for the rollout
  slipway.kube.rollout_status:
    releases: "{{ application_plan.releases | slipway.kube.keep_keys }}"
"""

RETURN = r"""
_value:
  description: The dictionaries.
  type: list
  elements: dict
  sample: [{name: todo, namespace: todo}]
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def keep_keys(items: Iterable[Mapping[str, Any]], keys: Sequence[str] = ("name", "namespace")) -> list[dict[str, Any]]:
    """Return each dictionary with no other keys than these."""
    return [{key: value for key, value in item.items() if key in keys} for item in items]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"keep_keys": keep_keys}
