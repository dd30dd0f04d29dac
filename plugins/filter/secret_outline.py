# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that takes the values out of the specification of secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_outline
short_description: Remove the values from a specification of Secrets
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Returns the same structure with V(true) instead of every C(value), so that it can be validated and shown.
  - With O(environment), adds C(available) to every C(env), which is true if the controller has that environment variable and it
    is not empty.
options:
  _input:
    description: The secrets as in C(application_secrets).
    type: list
    elements: dict
    required: true
  environment:
    description: Whether to look for environment variables.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show what is declared
  ansible.builtin.debug:
    msg: "{{ application_secrets | slipway.kube.secret_outline }}"
"""

RETURN = r"""
_value:
  description: The secrets without values.
  type: list
  elements: dict
  sample: [{name: todo-backend, keys: {JWT_SECRET: {env: JWT_SECRET, available: false, fallback: {generate: 48}}}}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils import _secret_sources


def secret_outline(secrets: Any, environment: bool = True) -> Any:
    """Return the specification of secrets without a value."""
    return _secret_sources.outlined(secrets, environment)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"secret_outline": secret_outline}
