# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in a fork of Ansible answer as they do in a Python of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._kube import heartbeat, run_identity
from ansible_collections.slipway.kube.plugins.plugin_utils import _forked

CANARY = "canary-5b1f0c"
NOBODY = {"name": "nobody", "type": "tcp", "url": "tcp://127.0.0.1:1", "retry_for": 0}
HEALTH = "slipway.kube.health_check"
CHECK = {HEALTH: {"checks": [NOBODY], "deadline": 5}}
KEY = "{{ lookup('ansible.builtin.env', 'KEY') }}"

ALIKE: list[dict[str, Any]] = [
    CHECK,
    {HEALTH: {"checks": [NOBODY]}, "check_mode": True},
    # A directory cannot be written to: ends with a warning.
    {HEALTH: {"checks": [NOBODY | {"invert": True}], "report_json": "{{ playbook_dir }}"}},
    {HEALTH: {"chekcs": [NOBODY]}},  # codespell:ignore chekcs
    {"slipway.kube.helm_history_info": {"releases": [], "kubeconfig": "/missing"}},
    {"slipway.kube.url_probe_info": {"urls": ["http://127.0.0.1:1/{{ item }}"]}, "loop": ["one", "two"]},
]
OTHER_PYTHON = {"vars": {"ansible_python_interpreter": "{{ playbook_dir }}/python"}}
# What a task asks for, and whether its module runs in a fork.
KEYWORDS: dict[str, tuple[dict[str, Any], bool]] = {
    "environment": ({"environment": {"NO_PROXY": "*"}}, True),
    "environment of Python": ({"environment": {"PYTHONPATH": "/missing"}}, False),
    "delegated": ({"delegate_to": "127.0.0.1"}, False),
    "another user": ({"become": True}, False),
    "in the background": ({"async": 20, "poll": 1}, False),
}


@dataclass
class Play:
    """One run with all tasks, shown as with -vvv: starting Ansible takes longer than the tasks."""

    book: Path
    output: str
    results: dict[str, Any]

    def shown(self, task: str) -> str:
        """What was shown of a task."""
        [found] = re.findall(rf"^TASK \[{task}\] \**\n(.*?)(?=^(?:TASK|PLAY) )", self.output, re.MULTILINE | re.DOTALL)
        return str(found)


@pytest.fixture(scope="module")
def play(ansible_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Play:
    directory = tmp_path_factory.mktemp("forked")
    # The same Python under another name, which Ansible has to start.
    other = directory / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = {"name": "silent", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": 50}
        tasks = {f"alike {number}": task for number, task in enumerate(ALIKE)}
        tasks |= {f"alike {number} elsewhere": task | OTHER_PYTHON for number, task in enumerate(ALIKE)}
        tasks |= {name: CHECK | keywords for name, (keywords, _forks) in KEYWORDS.items()}
        tasks["secret"] = {
            HEALTH: {"checks": [NOBODY | {"name": f"nobody {KEY}"}], "secrets": {"key": KEY}, "deadline": 5}
        }
        tasks["silent"] = {HEALTH: {"checks": [slow], "deadline": 50}, "timeout": 1}
        noted: list[dict[str, Any]] = [
            {"name": name, "register": f"result_{number}", "ignore_errors": True} | task
            for number, (name, task) in enumerate(tasks.items())
        ]
        content = f"{{{{ [{', '.join(task['register'] for task in noted)}] | to_json }}}}"
        noted.append(
            {"ansible.builtin.copy": {"content": content, "dest": "{{ playbook_dir }}/results.json", "mode": "0600"}}
        )
        variables = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        book = directory / "play.yml"
        book.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": noted}])
        )
        run = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-vvv", "-i", "localhost,", str(book)],
            env={
                **ansible_environment,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_PIPELINING": "true",
                "KEY": CANARY,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    results = json.loads((directory / "results.json").read_text())
    return Play(book, output, dict(zip(tasks, results, strict=True)))


def normalized(result: Any) -> Any:
    """The result without what differs from run to run."""
    if isinstance(result, dict):
        return {
            key: normalized(value)
            for key, value in result.items()
            if key not in ("elapsed", "timings", "first_ok_at", "ansible_facts")
        }
    if isinstance(result, str):
        return re.sub(r"\d+\.\d s\b", "N s", result)
    return [normalized(one) for one in result] if isinstance(result, list) else result


def test_results_are_those_of_a_module_in_a_python_of_its_own(play: Play) -> None:
    forked = [play.results[f"alike {number}"] for number in range(len(ALIKE))]
    for number, result in enumerate(forked):
        assert normalized(result) == normalized(play.results[f"alike {number} elsewhere"])
    assert [one.get("failed", False) for one in forked] == [True, False, False, True, True, False]
    assert "could not be written" in forked[2]["warnings"][0]
    assert [list(one["reasons"]) for one in forked[5]["results"]] == [
        ["http://127.0.0.1:1/one"],
        ["http://127.0.0.1:1/two"],
    ]


@pytest.mark.parametrize(
    ("task", "forks"),
    [
        ("alike 0", True),
        ("alike 0 elsewhere", False),
        *((task, forks) for task, (_keywords, forks) in KEYWORDS.items()),
    ],
)
def test_what_asks_for_more_than_this_python_gets_a_process_of_its_own(play: Play, task: str, forks: bool) -> None:
    packed = re.search("Using module file .*/health_check.py", play.shown(task))
    assert bool(packed) is not forks


def test_a_value_that_is_kept_out_of_logs_is_kept_out(play: Play) -> None:
    assert "connect_refused" in play.shown("secret")
    assert CANARY not in play.output


def test_a_task_whose_time_is_up_leaves_no_process(play: Play) -> None:
    result = play.results["silent"]
    assert result["failed"] and "timed" in json.dumps(result).lower() and "1 second" in json.dumps(result)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(play.book).encode() in command]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a function body as a module's main()."""

    def run(body: str) -> dict[str, Any]:
        (tmp_path / "a_module.py").write_text(f"import os, subprocess, sys\ndef main():\n    {body}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        with _forked._fork("a_module", b"{}", {"GIVEN": "to the module"}) as fork:
            return fork.wait()

    return run


def test_output_and_exit_code_come_back(module: Any) -> None:
    answer = module("os.write(1, b'low '); print('{}'); print(os.environ['GIVEN'], file=sys.stderr); sys.exit(3)")
    assert (answer["rc"], answer["stdout"], answer["stderr"]) == (3, "low {}\n", "to the module\n")
    assert "GIVEN" not in os.environ


def test_a_module_that_breaks_ends_with_its_traceback(module: Any) -> None:
    answer = module("raise LookupError('nowhere')")
    assert (answer["rc"], answer["stdout"]) == (1, "")
    assert answer["stderr"].endswith("LookupError: nowhere\n")


@pytest.mark.parametrize("body", ["print('lost'); os.close(1)", "os.close(2); raise LookupError('nowhere')"])
def test_a_module_whose_output_cannot_be_written_ends_all_the_same(module: Any, body: str) -> None:
    here = os.getpid()
    try:
        answer = module(body)
    finally:
        if os.getpid() != here:
            os._exit(99)  # the fork has come back to its caller's code
    assert (answer["rc"], answer["stdout"]) == (1, "")


def test_a_process_that_stays_behind_is_not_waited_for(module: Any) -> None:
    answer = module("print(subprocess.Popen(['sleep', '60']).pid)")
    os.kill(int(answer["stdout"]), signal.SIGKILL)  # fails where it has ended already


# -- the lease ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("needs", [True, False])
def test_module_of_a_run_that_has_lost_its_lease_is_not_run(monkeypatch: pytest.MonkeyPatch, needs: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr(heartbeat, "lost", lambda run: asked.append(run) or "Bob has it.")
    monkeypatch.setattr(_forked.ForkedModule, "_needs_lease", needs)

    class Action(_forked.ForkedModule):
        def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
            return {}

    action = object.__new__(Action)
    run = {"task_vars": {"inventory_hostname": "todo"}}
    if needs:
        assert action._execute_module(**run) == {"failed": True, "msg": "Bob has it.", "lease_lost": True}
        assert asked == [run_identity.identity(os.getppid(), "todo")]
    else:
        with pytest.raises(AttributeError):  # it goes on, and here there is no task
            action._execute_module(**run)


def test_module_is_waited_for_until_it_ends_or_the_lease_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_forked, "LOOKS", 0.01)
    (tmp_path / "waits.py").write_text(
        "import os\ndef main():\n    os.read(int(os.environ['PIPE']), 1)\n    raise SystemExit(0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    reader, writer = os.pipe()
    with _forked._fork("waits", b"{}", {"PIPE": str(reader)}) as fork:
        answers = iter([False, False, True])
        assert not fork.ended(lambda: next(answers))
        os.write(writer, b"x")
        assert fork.ended(lambda: False)
        answer = fork.wait()
        assert answer["rc"] == 0, answer
    os.close(reader)
    os.close(writer)
