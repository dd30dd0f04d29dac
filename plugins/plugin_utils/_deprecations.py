# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task uses of this collection that is deprecated. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.renames import COLLECTION, RENAMES


def of_module(action: str) -> list[str]:
    """Return the warning for a module that is called by an old name; the name is written out."""
    return [one.message for one in RENAMES if one.kind == "module" and f"{COLLECTION}.{one.old}" == action]


def of_options(action: str, result: Mapping[str, Any]) -> list[str]:
    """Return the warnings for what a module of this collection reports as deprecated.

    C(result) has Ansible's C(deprecations): a list of dictionaries with C(msg), C(version) and C(collection_name).
    """
    found: Iterable[Mapping[str, Any]] = result.get("deprecations") or ()
    return [_message(action, one) for one in found if one.get("collection_name") == COLLECTION]


def _message(action: str, deprecation: Mapping[str, Any]) -> str:
    """Say what to use instead, where that is known."""
    told = str(deprecation.get("msg"))
    for rename in RENAMES:
        # Ansible quotes the alias that was used, and says nothing of the new name.
        if rename.kind == "option" and f"{COLLECTION}.{rename.owner}" == action and f"'{rename.old}'" in told:
            return rename.message
    return f"{action}: {told.rstrip('.')}. It will be removed in version {deprecation.get('version')}."
