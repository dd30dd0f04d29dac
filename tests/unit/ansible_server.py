# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks in forks of a process that has imported the libraries already, most of what starting Ansible costs.

Ansible itself is imported in the fork: it reads its configuration, environment and terminal while it is imported. A request is a
line of JSON on standard input, see C(Request); its answer is a line with the exit code on standard output.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import importlib
import importlib.util
import json
import os
import sys
import termios
import traceback
from typing import Any, NoReturn, TypedDict

# What reads no configuration. A library that is missing here is imported by each run.
LIBRARIES = (
    "ansible.module_utils.basic",
    "ansible.module_utils.urls",
    "concurrent.futures.thread",
    "cryptography.hazmat.primitives.ciphers.algorithms",
    "cryptography.hazmat.primitives.padding",
    "curses",
    "dateutil.tz",
    "difflib",
    "docker",
    "importlib.metadata",
    "jinja2.nativetypes",
    "jinja2.sandbox",
    "kubernetes.client.api_client",
    "multiprocessing.popen_fork",
    "multiprocessing.queues",
    "packaging.version",
    "pydoc",
    "requests",
    "resolvelib",
    "secrets",
    "tarfile",
    "uuid",
    "xml.etree.ElementTree",
    "yaml",
    "zoneinfo",
)


class Request(TypedDict):
    """A run of ansible-playbook."""

    arguments: list[str]
    directory: str
    environment: dict[str, str]
    # Pipes or files; the same terminal for both where the run has one.
    stdout: str
    stderr: str
    # Whether modules run in forks of Ansible, too, where the target is this machine and this Python.
    fork_modules: bool


def serve() -> None:
    """Answer one request after the other until the input ends."""
    for library in LIBRARIES:
        importlib.import_module(library)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            _run(json.loads(line))
        _process, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: Request) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(request["directory"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _redirect(request["stdout"], request["stderr"])
        code = _play(request)
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(stdout: str, stderr: str) -> None:
    """Give the process input, output and errors as its own start would have done."""
    with open(stdout, "wb") as out, open(stderr, "wb") as err:
        terminal = out.isatty()
        with open(stdout if terminal else os.devnull, "rb") as given:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
    if terminal:
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1 if terminal else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115


def _play(request: Request) -> int:
    sys.argv = ["ansible-playbook", *request["arguments"]]
    from ansible import cli
    from ansible.cli.playbook import main

    find_collections = cli.init_plugin_loader

    def init_plugin_loader(*paths: Any) -> None:
        find_collections(*paths)
        _fork_modules()

    if request["fork_modules"]:
        cli.init_plugin_loader = init_plugin_loader
    try:
        main(sys.argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _fork_modules() -> None:
    """Run each module of Ansible and of collections as the collection's own actions run theirs: in a fork."""
    from ansible import constants
    from ansible.module_utils.common.json import Direction, get_module_encoder
    from ansible.plugins.action import ActionBase
    from ansible_collections.slipway.kube.plugins.plugin_utils import _forked

    in_its_own_python = ActionBase._execute_module

    def execute(
        self: Any,
        module_name: str | None = None,
        module_args: dict[str, Any] | None = None,
        tmp: str | None = None,
        task_vars: dict[str, Any] | None = None,
        wrap_async: bool | int = False,
        ignore_unknown_opts: bool = False,
        **options: Any,
    ) -> Any:
        name = module_name or self._task.resolved_action or self._task.action
        module = _place(name)
        here = self._connection.transport == "local" and not self._connection.become and not self._task.delegate_to
        python = constants.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)
        if not module or not here or wrap_async or self._templar.template(python) != sys.executable:
            options |= {"wrap_async": wrap_async, "ignore_unknown_opts": ignore_unknown_opts}
            return in_its_own_python(self, module_name, module_args, task_vars=task_vars, **options)
        arguments = dict(self._task.args if module_args is None else module_args)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        self._update_module_args(name, arguments, task_vars, ignore_unknown_opts)
        encoder = get_module_encoder(_forked.PROFILE, Direction.CONTROLLER_TO_MODULE)
        parameters = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=encoder).encode()
        with _forked._fork(module, parameters, {key: str(value) for key, value in environment.items()}) as fork:
            answer = self._parse_returned_data(fork.wait(), _forked.PROFILE)
        answer.remove_internal_keys()
        return answer.as_result_dict(for_round_trip=True)

    ActionBase._execute_module = execute  # type: ignore[method-assign]


def _place(name: str) -> str | None:
    """The Python module of a module of Ansible or of a collection; None for one of a project's own."""
    parts = name.split(".")
    if len(parts) == 1 or parts[:2] in (["ansible", "builtin"], ["ansible", "legacy"]):
        place = f"ansible.modules.{parts[-1]}"
    else:
        place = f"ansible_collections.{parts[0]}.{parts[1]}.plugins.modules.{parts[2]}"
    return place if importlib.util.find_spec(place) else None


if __name__ == "__main__":
    serve()
