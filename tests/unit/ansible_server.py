# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks in forks of a process that has imported the libraries already, most of what starting Ansible costs.

Ansible reads its configuration, environment and terminal while it is imported. It is imported in the fork, or, for the second run with
the same configuration, in a process of which that run and those to come are forks. A request is a line of JSON on standard input, see
C(Request); its answer is a line with the exit code on standard output.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import socket
import sys
import termios
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NoReturn, TypedDict

sys.path.insert(0, str(Path(__file__).with_name("fakes")))
from developers_files import keep_out

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
    "tomllib",
    "uuid",
    "xml.dom.minidom",
    "xml.etree.ElementTree",
    "yaml",
    "zoneinfo",
)
# Of Ansible, what most runs load.
PLUGINS = (
    *("action.assert", "action.debug", "action.fail", "action.include_vars", "action.normal", "action.set_fact"),
    *(
        "callback.default",
        "connection.local",
        "inventory.host_list",
        "inventory.yaml",
        "lookup.env",
        "shell.sh",
        "strategy.linear",
    ),
)
# Beginnings of the names of environment variables that are read while Ansible is imported.
READ_AT_IMPORT = ("ANSIBLE_", "LANG", "LC_", "PYTHON", "CI", "COLUMNS", "EDITOR", "NO_COLOR", "PAGER", "TERM")


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
    keep_out()
    for library in LIBRARIES:
        importlib.import_module(library)
    # Objects that stay: a collection of garbage would write to the pages that they share with the forks.
    gc.freeze()
    seen: set[str] = set()
    started: dict[str, IO[str]] = {}
    for line in sys.stdin:
        request: Request = json.loads(line)
        configuration = _configuration(request)
        if configuration in seen and configuration not in started:
            started[configuration] = _start(request)
        seen.add(configuration)
        if pipe := started.get(configuration):
            pipe.write(line)
            pipe.flush()
            print(pipe.readline().strip(), flush=True)
        else:
            print(_exit_code(lambda request=request: _run(request, imported=False)), flush=True)


def _configuration(request: Request) -> str:
    """Return all that Ansible reads while it is imported. On a terminal, each run has one of its own."""
    environment = {name: value for name, value in request["environment"].items() if name.startswith(READ_AT_IMPORT)}
    file = Path(environment.get("ANSIBLE_CONFIG") or f"{request['directory']}/ansible.cfg")
    read = [str(file), file.read_text(encoding="utf-8")] if file.is_file() else []
    terminal = request["stdout"] if os.path.exists(request["stdout"]) and not Path(request["stdout"]).is_fifo() else ""
    return json.dumps([sorted(environment.items()), read, terminal])


def _exit_code(run: Callable[[], NoReturn]) -> int:
    process = os.fork()
    if process == 0:
        run()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _start(request: Request) -> IO[str]:
    """Start a process that imports Ansible with the configuration of a request and answers this one and others."""
    here, there = socket.socketpair()
    if os.fork() == 0:
        here.close()
        with there.makefile("rw", encoding="utf-8") as pipe:
            _answer(request, pipe)
    there.close()
    return here.makefile("rw", encoding="utf-8")


def _answer(first: Request, pipe: IO[str]) -> NoReturn:
    try:
        os.chdir(first["directory"])
        os.environ.clear()
        os.environ.update(first["environment"])
        _redirect(os.devnull, os.devnull)
        _import_ansible()
        gc.freeze()
        for line in pipe:
            request: Request = json.loads(line)
            print(_exit_code(lambda request=request: _run(request, imported=True)), file=pipe, flush=True)
        atexit._run_exitfuncs()
    finally:
        os._exit(0)


def _import_ansible() -> None:
    """Import what runs use of Ansible and of the collection."""
    from ansible import cli
    from ansible.cli import playbook  # noqa: F401
    from ansible.plugins import loader

    cli.init_plugin_loader()
    for plugin in PLUGINS:
        importlib.import_module(f"ansible.plugins.{plugin}")
    for profile in ("c2m", "m2c"):
        importlib.import_module(f"ansible.module_utils._internal._json._profiles._module_legacy_{profile}")
    for plugins in (loader.filter_loader, loader.test_loader):
        list(plugins.all())
    for package in ("plugin_utils", "modules", "action", "callback", "filter"):
        place = importlib.import_module(f"ansible_collections.slipway.kube.plugins.{package}")
        for found in pkgutil.iter_modules(place.__path__, f"{place.__name__}."):
            importlib.import_module(found.name)


def _run(request: Request, imported: bool) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(request["directory"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _redirect(request["stdout"], request["stderr"])
        code = _play(request, imported)
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


def _play(request: Request, imported: bool) -> int:
    sys.argv = ["ansible-playbook", *request["arguments"]]
    from ansible import cli, constants
    from ansible.cli.playbook import main
    from ansible.utils.display import Display

    find_collections = cli.init_plugin_loader
    if imported:
        # What the import has made for the first run.
        Display().__init__()  # type: ignore[misc]
        os.makedirs(constants.DEFAULT_LOCAL_TMP, mode=0o700, exist_ok=True)

    def init_plugin_loader(paths: Iterable[str] = ()) -> None:
        if not imported:
            find_collections(paths)
        if request["fork_modules"]:
            _fork_modules()

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
