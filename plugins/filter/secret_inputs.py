# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that resolves the specification of secrets for the module application_secret."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_inputs
short_description: Resolve a specification of secrets on the controller
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Turns C(application_secrets) into the option O(slipway.kube.application_secret#module:secrets).
  - Environment variables are those of the controller. Empty ones count as unset. A key with C(required=false) whose variable is unset stays as it
    is in the cluster.
  - The result contains values, encoded with base64. Use it in a task with C(no_log).
options:
  _input:
    description: The secrets as in C(application_secrets).
    type: list
    elements: dict
    required: true
  namespace:
    description: Default namespace of the Secrets.
    type: str
    default: default
"""

EXAMPLES = r"""
- name: Make the secrets
  slipway.kube.application_secret:
    secrets: "{{ application_secrets | slipway.kube.secret_inputs('todo') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The Secrets with the effective source of each key.
  type: list
  elements: dict
  sample: [{name: todo-backend, namespace: todo, keys: [{name: JWT_SECRET, generate: 48}]}]
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.slipway.kube.plugins.plugin_utils import _secret_sources


def secret_inputs(secrets: list[Mapping[str, Any]], namespace: str = "default") -> list[dict[str, Any]]:
    """Return the secrets as the module application_secret takes them."""
    resolved = []
    for index, secret in enumerate(secrets):
        keys = []
        for key, source in secret["keys"].items():
            try:
                found = _secret_sources.resolve(source, f"application_secrets[{index}].keys.{key}")
            except _secret_sources.SourceError as error:
                raise AnsibleFilterError(str(error)) from None
            keys.append({"name": key, **found})
        resolved.append({"name": secret["name"], "namespace": secret.get("namespace") or namespace, "keys": keys})
    return resolved


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"secret_inputs": secret_inputs}
