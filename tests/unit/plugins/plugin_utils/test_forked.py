# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in a fork of Ansible answer as they do in a Python of their own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.plugin_utils import _forked

CANARY = "canary-5b1f0c"
NOBODY = {"name": "nobody", "type": "tcp", "url": "tcp://127.0.0.1:1", "retry_for": 0}
HEALTH = "slipway.kube.health_check"
CHECK = {HEALTH: {"checks": [NOBODY], "deadline": 5}}


class Plays:
    """Runs tasks on this machine, with Ansible's own Python or another one, and reads the results."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.environment = {**environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        self._results = directory / "results.json"
        self.book = directory / "play.yml"
        # The same Python under another name, which Ansible has to start.
        self.other = directory / "python"
        self.other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        self.other.chmod(0o755)
        self.output = ""

    def run(
        self, *tasks: dict[str, Any], python: str = "{{ ansible_playbook_python }}", verbosity: int = 0
    ) -> list[dict[str, Any]]:
        names = [f"result_{number}" for number in range(len(tasks))]
        noted = [task | {"register": name, "ignore_errors": True} for task, name in zip(tasks, names, strict=True)]
        content = f"{{{{ [{', '.join(names)}] | to_json }}}}"
        noted.append({"ansible.builtin.copy": {"content": content, "dest": str(self._results), "mode": "0600"}})
        variables = {"ansible_connection": "local", "ansible_python_interpreter": python}
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": noted}
        self.book.write_text(yaml.safe_dump([play]))
        run = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", str(self.book)],
            env={**self.environment, "ANSIBLE_VERBOSITY": str(verbosity)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.output = run.stdout + run.stderr
        assert run.returncode == 0, self.output
        results: list[dict[str, Any]] = json.loads(self._results.read_text())
        return results


@pytest.fixture
def plays(ansible_environment: dict[str, str], tmp_path: Path) -> Plays:
    return Plays(ansible_environment, tmp_path)


def settled(result: Any) -> Any:
    """The result without what differs from run to run."""
    if isinstance(result, dict):
        return {
            key: settled(value)
            for key, value in result.items()
            if key not in ("elapsed", "timings", "first_ok_at", "ansible_facts")
        }
    return [settled(one) for one in result] if isinstance(result, list) else result


def test_results_are_those_of_a_module_in_a_python_of_its_own(plays: Plays, tmp_path: Path) -> None:
    report = str(tmp_path)  # a directory cannot be written to
    tasks = [
        CHECK,
        {HEALTH: {"checks": [NOBODY]}, "check_mode": True},
        {HEALTH: {"checks": [NOBODY | {"invert": True}], "report_json": report}},  # ends with a warning
        {HEALTH: {"chekcs": [NOBODY]}},  # codespell:ignore chekcs
        {"slipway.kube.helm_history_info": {"releases": [], "kubeconfig": "/missing"}},
        {"slipway.kube.reachable_info": {"urls": ["http://127.0.0.1:1/{{ item }}"]}, "loop": ["one", "two"]},
    ]
    forked = plays.run(*tasks)
    assert settled(forked) == settled(plays.run(*tasks, python=str(plays.other)))
    assert [one.get("failed", False) for one in forked] == [True, False, False, True, True, False]
    assert "could not be written" in forked[2]["warnings"][0]
    assert [list(one["reasons"]) for one in forked[5]["results"]] == [
        ["http://127.0.0.1:1/one"],
        ["http://127.0.0.1:1/two"],
    ]


@pytest.mark.parametrize(
    ("keywords", "python", "forks"),
    [
        ({}, None, True),
        ({}, "other", False),
        ({"environment": {"NO_PROXY": "*"}}, None, True),
        ({"environment": {"PYTHONPATH": "/missing"}}, None, False),
        ({"delegate_to": "127.0.0.1"}, None, False),
        ({"become": True}, None, False),
        ({"async": 20, "poll": 1}, None, False),
    ],
    ids=[
        "this Python",
        "another Python",
        "environment",
        "environment of Python",
        "delegated",
        "another user",
        "in the background",
    ],
)
def test_what_asks_for_more_than_this_python_gets_a_process_of_its_own(
    plays: Plays, keywords: dict[str, Any], python: str | None, forks: bool
) -> None:
    interpreter = {"python": str(plays.other)} if python else {}
    plays.run(CHECK | keywords, verbosity=3, **interpreter)
    packed = re.search("Using module file .*/health_check.py", plays.output)
    assert bool(packed) is not forks


def test_a_value_that_is_kept_out_of_logs_is_kept_out(plays: Plays) -> None:
    plays.environment["KEY"] = CANARY
    value = "{{ lookup('ansible.builtin.env', 'KEY') }}"
    check = NOBODY | {"name": f"nobody {value}"}
    plays.run({HEALTH: {"checks": [check], "secrets": {"key": value}, "deadline": 5}}, verbosity=3)
    assert "connect_refused" in plays.output
    assert CANARY not in plays.output.replace(str(plays.book), "")


def test_a_task_whose_time_is_up_leaves_no_process(plays: Plays) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        started = time.monotonic()
        (result,) = plays.run(
            {HEALTH: {"checks": [{"name": "silent", "url": url, "timeout": 50}], "deadline": 50}, "timeout": 2}
        )
    assert result["failed"] and "timed" in json.dumps(result)
    assert time.monotonic() - started < 40
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(plays.book).encode() in command]


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
    started = time.monotonic()
    answer = module("print(subprocess.Popen(['sleep', '60']).pid)")
    assert time.monotonic() - started < 30
    subprocess.run(["kill", answer["stdout"].strip()], check=True)
