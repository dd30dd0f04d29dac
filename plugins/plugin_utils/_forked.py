# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's modules in a fork of Ansible where the target is this machine. Private to the collection.

Ansible packs a module anew for each task, starts Python for it, and imports the same libraries again: more than half a second of a
processor, which is most of what a run without changes costs. A fork of the process that is here already has all that.

A module of a run that has lost its deploy lease is not run, and one that runs when that happens is ended.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import select
import signal
import sys
import tempfile
import traceback
import typing as t

from ansible.module_utils import basic
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.slipway.kube.plugins.module_utils._kube import (
    heartbeat,
    module_base,  # noqa: F401  imported once for all forks
    run_identity,
)

try:
    from ansible.module_utils import _internal
    from ansible.module_utils.common.json import Direction, get_module_encoder

    KNOWN = (
        hasattr(basic, "_ANSIBLE_ARGS") and hasattr(basic, "_ANSIBLE_PROFILE") and hasattr(_internal, "is_controller")
    )
except ImportError:
    KNOWN = False  # an ansible-core that hands over arguments in another way

COLLECTION = "slipway.kube."
# Read when Python or a program starts, which a fork does not do.
AT_START = ("PYTHON", "LD_", "MALLOC_")
LOOKS = 1.0  # seconds between two looks whether the lease was lost
PROFILE = "legacy"  # how Ansible writes arguments and results of modules in Python


def load_plugins() -> None:
    """Load the plugins of conditions and templates, which each worker would load anew otherwise, for a fiftieth of a second."""
    filter_loader.get("ansible.builtin.default")
    filter_loader.get(f"{COLLECTION}release_values")
    test_loader.get("ansible.builtin.defined")


class ForkedModule(ActionBase):
    """Action whose modules run in a fork, or as Ansible runs all modules where anything but this very Python is asked for."""

    _needs_lease = True  # once the run has taken one

    def _execute_module(
        self,
        module_name: str | None = None,
        module_args: dict[str, t.Any] | None = None,
        tmp: str | None = None,
        task_vars: dict[str, t.Any] | None = None,
        wrap_async: bool | int = False,
        **options: t.Any,
    ) -> dict[str, t.Any]:
        run = self._run(task_vars or {})
        if self._needs_lease and (lost := heartbeat.lost(run)):
            return {"failed": True, "msg": lost, "lease_lost": True}
        name = module_name or self._task.resolved_action or self._task.action
        arguments = dict(self._task.args if module_args is None else module_args)
        environment: dict[str, t.Any] = {}
        self._compute_environment_string(environment)
        result: dict[str, t.Any]
        if wrap_async or not self._can_fork(name, task_vars or {}, environment):
            self._module_begins()
            result = super()._execute_module(
                module_name=name, module_args=arguments, task_vars=task_vars, wrap_async=wrap_async, **options
            )
            return result
        self._update_module_args(name, arguments, task_vars)
        encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
        parameters = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=encoder).encode()
        module = f"ansible_collections.{COLLECTION}plugins.modules.{name.removeprefix(COLLECTION)}"
        with _fork(module, parameters, {key: str(value) for key, value in environment.items()}) as fork:
            self._module_begins()
            if self._needs_lease and heartbeat.holds(run) and not fork.ended(lambda: bool(heartbeat.lost(run))):
                return {"failed": True, "msg": heartbeat.lost(run), "lease_lost": True}
            answer = self._parse_returned_data(fork.wait(), PROFILE)
        answer.remove_internal_keys()
        result = answer.as_result_dict(for_round_trip=True)
        return result

    def _run(self, task_vars: dict[str, t.Any]) -> str:
        """Return the identity of the run for this host: the parent of a worker is the run itself."""
        return run_identity.identity(os.getppid(), str(task_vars.get("inventory_hostname", "")))

    def _module_begins(self) -> None:
        """What an action does beside its module. A thread of it must begin here, because a fork has none of them."""

    def _can_fork(self, name: str, task_vars: dict[str, t.Any], environment: dict[str, t.Any]) -> bool:
        return bool(
            KNOWN
            and name.startswith(COLLECTION)
            and self._connection.transport in ("local", "ansible.builtin.local")
            and not self._connection.become
            and not self._task.delegate_to
            and not any(key.startswith(AT_START) for key in environment)
            and self._templar.template(task_vars.get("ansible_python_interpreter")) == sys.executable
        )


class _Fork:
    """A process that runs a module and nothing else, and writes to files."""

    def __init__(self, process: int, stdout: t.IO[bytes], stderr: t.IO[bytes]) -> None:
        self._process = process
        self._written = {"stdout": stdout, "stderr": stderr}

    def ended(self, gives_up: t.Callable[[], bool]) -> bool:
        """Wait for the end, or until this function says so; returns whether it has ended."""
        end = os.pidfd_open(self._process)
        poller = select.poll()
        poller.register(end, select.POLLIN)
        try:
            while not poller.poll(LOOKS * 1000):
                if gives_up():
                    return False
        finally:
            os.close(end)
        return True

    def wait(self) -> dict[str, t.Any]:
        """Wait for the end; exit code and output, as a connection returns them."""
        _process, status = os.waitpid(self._process, 0)
        self._process = 0
        result: dict[str, t.Any] = {"rc": os.waitstatus_to_exitcode(status)}
        for name, file in self._written.items():
            file.seek(0)
            result[name] = file.read().decode(errors="surrogateescape")
            result[f"{name}_lines"] = result[name].splitlines()
        return result

    def end(self) -> None:
        """End it if it runs still."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


@contextlib.contextmanager
def _fork(module: str, parameters: bytes, environment: t.Mapping[str, str]) -> t.Iterator[_Fork]:
    # Not pipes: those stay open for as long as a process that the module leaves behind.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = os.fork()
        if process == 0:
            _run(module, parameters, environment, stdout.fileno(), stderr.fileno())
        fork = _Fork(process, stdout, stderr)
        try:
            yield fork
        finally:
            fork.end()  # the task's time is up


def _run(module: str, parameters: bytes, environment: t.Mapping[str, str], stdout: int, stderr: int) -> t.NoReturn:
    """Run the module's main() and end this process, whatever fails: Ansible's own code must not go on in two processes."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        sys.stdin = io.StringIO()
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
        try:
            os.environ.update(environment)
            # Warnings belong to the result: there is no display here.
            _internal.is_controller = False
            basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = parameters, PROFILE
            importlib.import_module(module).main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
