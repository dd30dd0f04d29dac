# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module health_check; links of other names lead here for the modules that need no more than this."""

from __future__ import annotations

from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._forked import ForkedModule, load_plugins

# Ansible imports this file once a run under each of its names, before it forks a worker that needs it; a second time finds all loaded.
load_plugins()


class ActionModule(ForkedModule):
    """See the modules' documentation; nothing is added to their options."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
        return result
