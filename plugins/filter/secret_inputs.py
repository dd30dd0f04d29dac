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
  - Environment variables are those of the controller. One that is empty counts as not set.
  - The result holds values, encoded with base64. Use it in a task with C(no_log).
options:
  _input:
    description: The secrets as in C(application_secrets).
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of the secrets that name none.
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
  description: The secrets with the source that counts for each key.
  type: list
  elements: dict
  sample: [{name: todo-backend, namespace: todo, keys: [{name: JWT_SECRET, generate: 48}]}]
"""

import base64
import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def _resolved(source: Any, place: str) -> dict[str, Any] | None:
    if not isinstance(source, Mapping):
        raise AnsibleFilterError(f"{place}: say where the value comes from, such as {{env: NAME}} or {{generate: 32}}.")
    if "value" in source:
        return {"data": base64.b64encode(str(source["value"]).encode()).decode()}
    for key in ("generate", "template"):
        if key in source:
            return {key: source[key]}
    name = str(source.get("env", ""))
    value = os.environ.get(name)
    if value:
        return {"data": base64.b64encode(value.encode()).decode()}
    if "otherwise" in source:
        return _resolved(source["otherwise"], f"{place}.otherwise")
    if source.get("required", True):
        raise AnsibleFilterError(
            f"{place}: the environment variable {name} is not set. "
            "Set it, or say 'required: false' or what to take otherwise."
        )
    return None


def secret_inputs(secrets: list[Mapping[str, Any]], namespace: str = "default") -> list[dict[str, Any]]:
    """Return the secrets as the module application_secret takes them."""
    resolved = []
    for index, secret in enumerate(secrets):
        keys = []
        for key, source in secret["keys"].items():
            found = _resolved(source, f"application_secrets[{index}].keys.{key}")
            if found is not None:
                keys.append({"name": key, **found})
        resolved.append({"name": secret["name"], "namespace": secret.get("namespace") or namespace, "keys": keys})
    return resolved


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"secret_inputs": secret_inputs}
