# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module deploy_failure, which works on the controller alone."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.slipway.kube.plugins.plugin_utils import _deploy_failure

ARGUMENTS: dict[str, dict[str, Any]] = {
    "failure": {"type": "dict", "required": True},
    "transaction": {"type": "dict", "default": {}},
    "rolled_back": {"type": "list", "elements": "dict", "default": []},
    "restored": {"type": "dict", "default": {}},
    "health": {"type": "dict", "default": {}},
    "removed": {"type": "bool", "default": False},
    "lease_lost": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """See the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        _validated, given = self.validate_argument_spec(ARGUMENTS)
        serves = _deploy_failure.LEASE_LOST
        if not given["lease_lost"]:
            serves = _deploy_failure.in_service(
                given["transaction"], given["rolled_back"], given["restored"], given["health"], given["removed"]
            )
        told = {**given["failure"], "in_service": serves}
        result.update(failed=True, changed=False, msg=_deploy_failure.message(told), slipway_failure=told)
        return result
