# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing, starting and removing an engine, without touching the machine's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import container_engine
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_network import EngineError


class Machine:
    """A Debian whose packages are a set; apt-get adds what is asked for and a dependency of each."""

    def __init__(self, *installed: str) -> None:
        self.packages = set(installed)
        self.commands: list[list[str]] = []
        self.fails: dict[str, str] = {}

    def run(self, command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if (what := self.fails.get(" ".join(command[:2]))) is not None:
            return subprocess.CompletedProcess(command, 100, "", what)
        names = [word for word in command[2:] if not word.startswith("-") and "=" not in word]
        if command[:2] == ["apt-get", "install"]:
            self.packages.update(names, (f"lib-{name}" for name in names))
        if command[:2] == ["apt-get", "purge"]:
            self.packages.difference_update(names)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    """Make the machine a Debian with these packages, where this process is root."""

    def make(*installed: str, user: int = 0) -> Machine:
        machine = Machine(*installed)
        monkeypatch.setattr(container_engine.subprocess, "run", machine.run)
        monkeypatch.setattr(container_engine, "installed_packages", lambda: set(machine.packages))
        monkeypatch.setattr(container_engine.os, "geteuid", lambda: user)
        monkeypatch.setattr(container_engine.shutil, "which", lambda name, **_options: f"/usr/bin/{name}")
        return machine

    return make


def test_only_missing_packages_are_installed_and_all_that_came_is_noted(
    tmp_path: Path, debian: Callable[..., Machine]
) -> None:
    machine = debian("iptables")
    managed = container_engine.ManagedEngine(tmp_path / "engine")
    assert managed.install(["docker.io", "iptables"]) == ["docker.io", "lib-docker.io"]
    assert [command[:2] for command in machine.commands] == [["apt-get", "update"], ["apt-get", "install"]]
    assert "iptables" not in machine.commands[1]
    assert managed.record() == {"packages": ["docker.io", "lib-docker.io"]}

    # What comes later is added to the note; what is there is not installed again.
    assert managed.install(["debootstrap"]) == ["debootstrap", "lib-debootstrap"]
    assert managed.record()["packages"] == ["debootstrap", "docker.io", "lib-debootstrap", "lib-docker.io"]
    assert managed.install(["debootstrap"]) == []
    assert len(machine.commands) == 4


def test_removing_takes_away_what_was_added_and_nothing_else(tmp_path: Path, debian: Callable[..., Machine]) -> None:
    machine = debian("iptables")
    managed = container_engine.ManagedEngine(tmp_path / "engine")
    managed.install(["docker.io", "iptables"])
    machine.packages.discard("lib-docker.io")  # by the person, meanwhile
    assert managed.remove() == ["1 packages", str(tmp_path / "engine")]
    assert machine.packages == {"iptables"}
    assert not (tmp_path / "engine").exists()


def test_person_without_rights_is_told_what_to_install(tmp_path: Path, debian: Callable[..., Machine]) -> None:
    machine = debian(user=1000)
    with pytest.raises(EngineError, match=r"apt-get install docker\.io\).*toolchain_become=true"):
        container_engine.ManagedEngine(tmp_path).install(["docker.io"])
    assert machine.commands == []


def test_other_systems_are_told_to_bring_an_engine(
    tmp_path: Path, debian: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    debian()
    monkeypatch.setattr(container_engine.shutil, "which", lambda name, **_options: None)
    with pytest.raises(EngineError, match="not Debian.*install Docker 24"):
        container_engine.ManagedEngine(tmp_path).install(["docker.io"])


def test_failing_apt_is_told_with_its_words_and_nothing_is_noted(
    tmp_path: Path, debian: Callable[..., Machine]
) -> None:
    machine = debian()
    machine.fails["apt-get update"] = "Could not resolve 'mirror.example'"
    managed = container_engine.ManagedEngine(tmp_path)
    with pytest.raises(EngineError, match=r"(?s)'apt-get update' failed: Could not resolve.*Debian mirror"):
        managed.install(["docker.io"])
    assert managed.record() == {}


def test_machine_without_the_capability_needs_the_shim(
    tmp_path: Path, debian: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    debian()
    monkeypatch.setattr(container_engine, "has_systemd", lambda: False)
    monkeypatch.setattr(container_engine, "has_capability", lambda number: False)
    with pytest.raises(EngineError, match="lacks CAP_SYS_RESOURCE and no runtime shim"):
        container_engine.ManagedEngine(tmp_path).start(None)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let start() start a program that only waits, and answer at once; returns the commands."""
    commands: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_options: Any) -> None:
            commands.append(command)

        def poll(self) -> None:
            return None

    monkeypatch.setattr(container_engine.subprocess, "Popen", Process)
    monkeypatch.setattr(container_engine, "has_systemd", lambda: False)
    monkeypatch.setattr(container_engine, "ping", lambda address: {"Version": "1"})
    return commands


@pytest.mark.parametrize("capable", [True, False])
def test_shim_stands_in_front_of_runc_only_where_it_is_needed(
    tmp_path: Path,
    debian: Callable[..., Machine],
    daemon: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capable: bool,
) -> None:
    debian()
    monkeypatch.setattr(container_engine, "has_capability", lambda number: capable)
    shim = tmp_path / "cache" / "shim"
    shim.parent.mkdir()
    shim.write_text("shim")
    managed = container_engine.ManagedEngine(tmp_path / "engine")
    managed.start(shim)
    copy = tmp_path / "engine" / "runtime-shim"
    assert ("--default-runtime=slipway" in daemon[0]) is not capable
    assert copy.exists() is not capable
    if not capable:
        # The cache may be emptied under a running engine.
        assert f"--add-runtime=slipway={copy}" in daemon[0]
        assert copy.stat().st_mode & 0o111
    assert managed.record()["command"] == daemon[0]


def test_file_that_names_a_dead_process_is_removed_before_a_start(
    tmp_path: Path, debian: Callable[..., Machine], daemon: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    debian()
    monkeypatch.setattr(container_engine, "has_capability", lambda number: True)
    pidfile = tmp_path / "dockerd.pid"
    # This process lives and is no daemon: its number was given out again.
    pidfile.write_text(str(os.getpid()))
    container_engine.ManagedEngine(tmp_path).start(None)
    assert not pidfile.exists()


def test_engine_that_does_not_come_up_shows_its_last_words(
    tmp_path: Path, debian: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    debian()
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(container_engine.shutil, "which", lambda name, **_options: str(program))
    monkeypatch.setattr(container_engine, "has_systemd", lambda: False)
    monkeypatch.setattr(container_engine, "has_capability", lambda number: True)
    monkeypatch.setattr(container_engine, "ping", lambda address: None)
    with pytest.raises(EngineError, match=r"(?s)does not answer.*no space left on device"):
        container_engine.ManagedEngine(tmp_path / "engine").start(None)


def test_it_answers_where_its_daemon_was_told_to(tmp_path: Path) -> None:
    managed = container_engine.ManagedEngine(tmp_path)
    assert managed.address == container_engine.DEFAULT_SOCKET
    for record, address in (
        ({"systemd": True}, container_engine.DEFAULT_SOCKET),
        ({"command": ["dockerd", "--host=unix:///x"]}, "unix:///x"),
    ):
        (tmp_path / "engine.json").write_text(json.dumps(record))
        assert managed.address == address


def test_record_of_another_engine_is_empty(tmp_path: Path) -> None:
    assert container_engine.ManagedEngine(tmp_path / "absent").record() == {}
    (tmp_path / "engine.json").write_text("{cut")
    assert container_engine.ManagedEngine(tmp_path).record() == {}


@pytest.mark.parametrize(
    ("environment", "address"),
    [({}, container_engine.DEFAULT_SOCKET), ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, "tcp://127.0.0.1:1")],
)
def test_engine_is_looked_for_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str
) -> None:
    monkeypatch.setattr(container_engine, "ping", lambda asked: {"asked": asked})
    assert container_engine.find(environment) == (address, {"asked": address})


def test_socket_that_nobody_listens_on_is_no_engine(tmp_path: Path) -> None:
    assert container_engine.ping(f"unix://{tmp_path}/docker.sock") is None
    assert container_engine.ping("tcp://127.0.0.1:1") is None
