# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows on the controller what a long module on the inventory host says about its work. Private to the collection."""

from __future__ import annotations

import shlex
import threading
import time
import typing as t
import uuid

from ansible_collections.slipway.kube.plugins.plugin_utils._forked import ForkedModule
from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import outside

INTERVAL = 1.0  # seconds between two looks at the file
JOB_INTERVAL = 0.25  # seconds between two looks whether a job in the background has ended


def tell_after(seconds: float, tell: t.Callable[[str], None], text: str) -> threading.Timer:
    """Tell something when so much time has passed; the timer that is returned can be cancelled before."""
    timer = threading.Timer(seconds, tell, [f"    {text}"])
    timer.daemon = True
    timer.start()
    return timer


class ProgressAction(ForkedModule):
    """Runs the module of the same name with ``progress_file`` set, and prints that file's lines while it grows.

    Works over every connection: the file is read by the connection's own commands. With C(async), the module goes on beside the
    tasks that follow; a task whose option ``job`` is the result of that one shows what it has said, and returns its result.
    """

    _supports_check_mode = True
    _supports_async = True
    module: str
    _reader: threading.Thread | None = None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        job = arguments.pop("job", None) or {}
        if self._task.check_mode:
            result.update(self._execute_module(module_name=self.module, module_args=arguments, task_vars=task_vars))
            return result

        file = job.get("progress_file") or arguments.get("progress_file") or f"/tmp/slipway-{uuid.uuid4().hex}.progress"
        arguments["progress_file"] = file
        limit = self._task.async_val
        if limit:
            result.update(
                self._execute_module(
                    module_name=self.module, module_args=arguments, task_vars=task_vars, wrap_async=limit
                ),
                progress_file=file,
                limit=limit,
            )
            return result

        finished = threading.Event()
        self._reader = threading.Thread(target=self._follow, args=(file, finished), daemon=True)
        try:
            if job.get("ansible_job_id"):
                self._module_begins()
                result.update(self._result_of(job, task_vars))
            else:
                result.update(self._execute_module(module_name=self.module, module_args=arguments, task_vars=task_vars))
        finally:
            finished.set()
            if self._reader.ident:
                self._reader.join()
            self._low_level_execute_command(f"rm -f {shlex.quote(file)}")
        return result

    def _module_begins(self) -> None:
        if self._reader:
            self._reader.start()

    def _result_of(self, job: t.Mapping[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Wait for the end of a job; its result."""
        end = time.monotonic() + job["limit"]
        # What Ansible notes of a job that still runs. Its own module tells it as well, for half a second of a processor each time.
        runs = f"grep -qs '\"started\"' {shlex.quote(job['results_file'])}"
        while time.monotonic() < end and self._low_level_execute_command(runs)["rc"] == 0:
            time.sleep(JOB_INTERVAL)
        result = self._async_status(job, "status", task_vars)
        if not result.get("finished"):
            return {"failed": True, "msg": f"The job in the background did not end within {job['limit']} seconds."}
        self._async_status(job, "cleanup", task_vars)
        return result

    def _async_status(self, job: t.Mapping[str, t.Any], mode: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        task = self._task.copy()
        task.args = {"jid": job["ansible_job_id"], "mode": mode}
        action = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.async_status",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        answer: dict[str, t.Any] = action.run(task_vars=task_vars)
        return answer

    def _follow(self, file: str, finished: threading.Event) -> None:
        shown = 0
        last_look = False
        while not last_look:
            # One look after the module has ended, for what it said last.
            last_look = finished.wait(INTERVAL)
            command = f"test ! -f {shlex.quote(file)} || tail -n +{shown + 1} {shlex.quote(file)}"
            output = self._low_level_execute_command(command)
            lines = output.get("stdout", "").removesuffix("\n").split("\n") if output.get("stdout") else []
            shown += len(lines)
            for line in lines:
                self._display.display(f"    {outside(line)}")
