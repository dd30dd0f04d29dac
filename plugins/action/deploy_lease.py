# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module deploy_lease, told who runs it, and whether the run that holds the lease is gone."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils import _run_identity
from ansible_collections.slipway.kube.plugins.plugin_utils._forked import ForkedModule

INTERVAL = 2.0  # seconds of waiting between two looks at the holder's process


class ActionModule(ForkedModule):
    """Runs the module in short turns until the lease is held or the time is up."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        # A worker's parent is the run itself.
        arguments = {**self._task.args, "holder": _run_identity.identity(os.getppid())}
        end = time.monotonic() + (0.0 if self._task.check_mode else _seconds(arguments.get("wait"), 60.0))
        dead, wait = "", 0.0
        while True:
            turn = {**arguments, "wait": wait, "dead": dead}
            answer = self._execute_module(module_args=turn, task_vars=task_vars or {})
            lease = answer.get("lease") or {}
            left = end - time.monotonic()
            if not answer.get("failed") or not lease.get("holder"):
                break
            if not dead and _run_identity.is_gone(str(lease["holder"]), str(lease.get("renewed", ""))):
                dead, wait = str(lease["holder"]), 0.0
                continue
            if left <= 0:
                break
            wait = min(INTERVAL, left)
        result.update(answer)
        return result


def _seconds(given: Any, default: float) -> float:
    try:
        return default if given is None else float(given)
    except (TypeError, ValueError):
        return 0.0  # the module says what is wrong with it
