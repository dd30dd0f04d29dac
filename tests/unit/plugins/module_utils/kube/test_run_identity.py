# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a playbook, and whether that run is known to be gone."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import run_identity

HOST = socket.gethostname()
SLEEPS = [sys.executable, "-c", "input()"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEPS, stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


class Machine:
    """The files that tell what a machine is and what runs on it."""

    def __init__(self, place: Path, name: str = "m1", boot: str = "b1", space: str = "pid:[1]") -> None:
        self.root, self.name = place / "proc", place / "machine-id"
        (self.root / "sys/kernel/random").mkdir(parents=True)
        (self.root / "self/ns").mkdir(parents=True)
        self.name.write_text(f"{name}\n")
        (self.root / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
        (self.root / "self/ns/pid").symlink_to(space)

    def runs(self, process: int, start: int, state: str = "S", name: str = "a ) 1 2") -> None:
        fields = [state, *map(str, range(4, 22)), str(start), *map(str, range(23, 53))]
        (self.root / str(process)).mkdir(exist_ok=True)
        (self.root / str(process) / "stat").write_text(f"{process} ({name}) {' '.join(fields)}")

    def identity(self, process: int) -> str:
        return run_identity.identity(process, root=self.root, machine=self.name)

    def has_ended(self, holder: str) -> bool:
        return run_identity.has_ended(holder, self.root, self.name)


def test_run_that_lives_is_not_gone(process: subprocess.Popen[bytes]) -> None:
    me = run_identity.identity(process.pid, "todo")
    assert me.startswith(f"{getpass.getuser()}@{HOST}/") and run_identity.is_here(me)
    assert not run_identity.is_gone(me)


def test_run_that_has_ended_is_gone(process: subprocess.Popen[bytes]) -> None:
    holder = run_identity.identity(process.pid, "todo")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # It is still in /proc, as a zombie.
    assert run_identity.is_gone(holder)
    process.wait()
    assert run_identity.is_gone(holder)


def test_process_with_the_same_number_is_another(process: subprocess.Popen[bytes]) -> None:
    assert run_identity.is_gone(f"{getpass.getuser()}@{HOST}/{run_identity.place()}-{process.pid}-1-abcd")


def test_hosts_of_one_run_are_told_apart(process: subprocess.Popen[bytes]) -> None:
    one, other = (run_identity.identity(process.pid, host) for host in ("todo", "shop"))
    assert one != other and run_identity.parse(one) == run_identity.parse(other)


def test_identity_of_an_old_version_is_understood(process: subprocess.Popen[bytes]) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    place = hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:8]
    holder = f"{getpass.getuser()}@{HOST}/{place}-{process.pid}-{run_identity.start_of(process.pid)}"
    assert run_identity.is_here(holder) and not run_identity.is_gone(holder)
    process.kill()
    process.wait()
    assert run_identity.is_gone(holder)


@pytest.mark.parametrize(
    "holder", ["a person", "ann@a/1", f"ann@{HOST}/x-1-1", f"ann@elsewhere.invalid/{'0' * 16}-1-1"]
)
def test_of_what_cannot_be_read_nothing_is_known(holder: str) -> None:
    assert not run_identity.is_here(holder) and not run_identity.is_gone(holder)


@pytest.mark.parametrize("other", [{"name": "m2"}, {"boot": "b2"}, {"space": "pid:[2]"}])
def test_of_another_machine_boot_or_container_of_the_same_host_name_nothing_is_known(
    tmp_path: Path, other: dict[str, str]
) -> None:
    here, there = Machine(tmp_path / "here"), Machine(tmp_path / "there", **other)
    there.runs(7, 100)
    holder = there.identity(7)
    assert not here.has_ended(holder)
    here.runs(7, 100)
    assert holder != here.identity(7) and here.identity(7) == here.identity(7)


def test_process_that_proc_hides_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.runs(7, 100)
    holder = machine.identity(7)
    (machine.root / "7/stat").unlink()  # as with hidepid=2
    answers: list[type[OSError] | None] = [PermissionError, None, ProcessLookupError]

    def signal(process: int, number: int) -> None:
        assert (process, number) == (7, 0)
        if answer := answers.pop(0):
            raise answer

    monkeypatch.setattr(os, "kill", signal)
    assert [machine.has_ended(holder) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("user", "root", "gone"), [("ann", False, True), ("bob", False, False), ("bob", True, True)])
def test_run_of_another_user_whose_programs_cannot_be_seen_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, root: bool, gone: bool
) -> None:
    machine = Machine(tmp_path)
    machine.runs(7, 100)
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    holder = machine.identity(7)
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    machine.runs(7, 101)
    assert run_identity.is_gone(holder, machine.root, machine.name) is gone


def test_process_whose_name_looks_like_numbers(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.runs(7, 22, name="a ) Z 2 3 4 5 6 7 8 9")
    holder = machine.identity(7)
    assert holder.endswith("-7-22") and not machine.has_ended(holder)
    machine.runs(7, 22, state="Z")
    assert machine.has_ended(holder)
