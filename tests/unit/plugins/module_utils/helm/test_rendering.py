# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest that Helm would write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm.rendering import render

OPTIONS = {"name": "web", "namespace": "shop", "values": {}, "kubeconfig": None, "context": None}
FOREIGN = 'ConfigMap "a" in namespace "shop" exists and cannot be imported into the current release: invalid ownership metadata'


@pytest.mark.parametrize(("error", "tried"), [(FOREIGN, 2), ("values don't meet the specifications", 1)])
def test_object_of_somebody_else_is_rendered_and_looked_at_later(error: str, tried: int) -> None:
    commands: list[list[str]] = []

    def helm(command: list[str], **_options: Any) -> tuple[int, str, str]:
        commands.append(command)
        if "--take-ownership" in command:
            return 0, json.dumps({"manifest": "kind: ConfigMap"}), ""
        return 1, "", error

    if tried == 2:
        assert render(helm, "helm", "chart", OPTIONS, True, "") == "kind: ConfigMap"
    else:
        with pytest.raises(ValueError, match="values don't meet"):
            render(helm, "helm", "chart", OPTIONS, True, "")
    assert len(commands) == tried and all("--dry-run=server" in command for command in commands)
