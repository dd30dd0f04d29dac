# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that warns about an old name of a variable or an entry point."""

from __future__ import annotations

DOCUMENTATION = r"""
name: renamed
short_description: Warn about an old name of a variable or an entry point
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns its input and warns that the name by which it was given is deprecated, with the new name.
  - The roles of this collection use it in their defaults.
options:
  _input:
    description: The value.
    type: raw
    required: true
  old:
    description: The old name of the variable, or C(ROLE/FILE) for an entry point.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Use a value that may have been set by the old name of its variable
  ansible.builtin.debug:
    msg: "{{ verify_exposure | default(verify_entry | slipway.kube.renamed('verify_entry')) }}"
"""

RETURN = r"""
_value:
  description: The value, unchanged.
  type: raw
  sample: {kind: ingress}
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import find


def renamed(value: Any, old: str) -> Any:
    """Return the value and warn once about the name."""
    owner, slash, name = old.rpartition("/")
    try:
        rename = find("entry point" if slash else "variable", name, owner)
    except KeyError as error:
        raise AnsibleFilterError(f"renamed: {error.args[0]} is no old name.") from None
    Display().warning(rename.message)
    return value


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"renamed": renamed}
