# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task uses that is deprecated."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import find
from ansible_collections.slipway.kube.plugins.plugin_utils import _deprecations


def alias(name: str, collection: str = "slipway.kube") -> dict[str, Any]:
    """What Ansible returns for an alias that is deprecated."""
    told = f"Alias '{name}' is deprecated. See the module docs for more information"
    return {"msg": told, "version": "1.0.0", "collection_name": collection}


@pytest.mark.parametrize(
    ("action", "old"),
    [("slipway.kube.reachable_info", True), ("slipway.kube.url_probe_info", False), ("acme.web.reachable_info", False)],
)
def test_an_old_name_of_a_module(action: str, old: bool) -> None:
    assert _deprecations.of_module(action) == ([find("module", "reachable_info").message] if old else [])


def test_an_old_option_is_told_with_its_new_name() -> None:
    result = {"deprecations": [alias("side_by_side")]}
    assert _deprecations.of_options("slipway.kube.minikube_image", result) == [find("option", "side_by_side").message]


def test_of_another_module_an_option_of_that_name_is_told_in_ansibles_words() -> None:
    assert _deprecations.of_options("slipway.kube.helm_rollback", {"deprecations": [alias("side_by_side")]}) == [
        "slipway.kube.helm_rollback: Alias 'side_by_side' is deprecated. See the module docs for more information. "
        "It will be removed in version 1.0.0."
    ]


def test_what_another_collection_deprecates_is_its_own_matter() -> None:
    found = [alias("side_by_side", "acme.web"), {"msg": "old", "version": "3", "collection_name": None}]
    assert _deprecations.of_options("slipway.kube.minikube_image", {"deprecations": found}) == []
    assert _deprecations.of_options("slipway.kube.minikube_image", {"changed": True}) == []
