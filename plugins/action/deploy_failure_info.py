# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module deploy_failure_info: a look at the workloads where that may explain a failure, and what it tells."""

from __future__ import annotations

from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube import module_base
from ansible_collections.slipway.kube.plugins.plugin_utils import _deploy_failure
from ansible_collections.slipway.kube.plugins.plugin_utils._forked import COLLECTION, ForkedModule

ARGUMENTS: dict[str, dict[str, Any]] = {
    "task": {"type": "str", "required": True},
    "action": {"type": "str", "required": True},
    "result": {"type": "dict", "required": True},
    "releases": {**module_base.RELEASES, "required": True},
    **module_base.ARGUMENTS,
}


class ActionModule(ForkedModule):
    """See the module's documentation."""

    _supports_check_mode = True
    _needs_lease = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        _validated, given = self.validate_argument_spec(ARGUMENTS)
        look: dict[str, Any] = {}
        lost = _deploy_failure.lost_lease(given["result"])
        if not lost and _deploy_failure.needs_look(given["action"], given["result"]):
            options = {
                "releases": given["releases"],
                "deadline": 0,
                "hooks": _deploy_failure.is_of_helm(given["action"]),
                "fail": False,
                "kubeconfig": given["kubeconfig"],
                "context": given["context"],
            }
            # A look that fails explains nothing; what is to be told is the first failure.
            look = self._execute_module(f"{COLLECTION}rollout_status", options, task_vars=task_vars or {})
        failure = _deploy_failure.explain(given["task"], given["result"], look)
        result.update(changed=False, failure=failure.as_dict(), reason=failure.reason, lease_lost=lost)
        return result
