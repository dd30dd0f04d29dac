# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows on the controller what a long module on the inventory host says about its work. Private to the collection."""

from __future__ import annotations

import shlex
import threading
import typing as t
import uuid

from ansible.plugins.action import ActionBase

INTERVAL = 1.0  # seconds between two looks at the file


class ProgressAction(ActionBase):
    """Runs the module of the same name with ``progress_file`` set, and prints that file's lines while it grows.

    Works over every connection: the file is read by the connection's own commands.
    """

    _supports_check_mode = True
    module: str

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        if self._task.check_mode:
            result.update(self._execute_module(module_name=self.module, module_args=arguments, task_vars=task_vars))
            return result

        file = arguments.get("progress_file") or f"/tmp/slipway-{uuid.uuid4().hex}.progress"
        arguments["progress_file"] = file
        finished = threading.Event()
        reader = threading.Thread(target=self._follow, args=(file, finished), daemon=True)
        reader.start()
        try:
            result.update(self._execute_module(module_name=self.module, module_args=arguments, task_vars=task_vars))
        finally:
            finished.set()
            reader.join()
            self._low_level_execute_command(f"rm -f {shlex.quote(file)}")
        return result

    def _follow(self, file: str, finished: threading.Event) -> None:
        shown = 0
        last_look = False
        while not last_look:
            # One look after the module has ended, for what it said last.
            last_look = finished.wait(INTERVAL)
            command = f"test ! -f {shlex.quote(file)} || tail -n +{shown + 1} {shlex.quote(file)}"
            output = self._low_level_execute_command(command)
            for line in output.get("stdout", "").splitlines():
                shown += 1
                self._display.display(f"    {line}")
