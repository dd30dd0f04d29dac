# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy at a time: taking, waiting, taking over and giving back a Lease; telling whether a run is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import leases
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import ApiError
from ansible_collections.slipway.kube.plugins.plugin_utils import _run_identity
from fake_kubernetes import Call, FakeKubernetes, refusal

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def cluster() -> FakeKubernetes:
    api = FakeKubernetes()
    api.add("namespaces", "todo")
    return api


class Clock:
    """A time that only passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def keeper(
    api: FakeKubernetes, clock: Clock, holder: str, working: Callable[[str], list[int]] = lambda _: []
) -> leases.LeaseManager:
    return leases.LeaseManager(api, "todo", holder, clock=clock, sleep=clock.sleep, working=working)


def test_second_run_waits_for_the_first() -> None:
    api, clock = cluster(), Clock()
    first, second = keeper(api, clock, "ann@a/1"), keeper(api, clock, "bob@b/2")
    assert first.take(900, 0, {"todo/web": 3}).held
    refused = second.take(900, 10)
    assert not refused.held and refused.now.holder == "ann@a/1" and clock.now == NOON + timedelta(seconds=10)
    text = leases.refusal(refused.now, "todo", "slipway-deploy", [])
    assert "ann@a holds its lease since 2026-01-01 12:00:00 UTC" in text and "kubectl delete lease" in text
    assert first.release("done")
    taking = second.take(900, 10, {"todo/web": 4})
    assert taking.held and taking.now.note == {"todo/web": 4} and taking.now.transitions == 1
    assert [(entry["by"], entry["before"]) for entry in taking.now.log] == [("ann@a", {"todo/web": 3})]


def test_renewing_keeps_the_time_of_taking_and_the_note() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(60, 0, {"todo/web": 3})
    clock.sleep(30)
    renewed = mine.take(60, 0, {"todo/web": 9, "todo/api": 1}).now
    assert renewed.acquired == NOON and renewed.renewed == NOON + timedelta(seconds=30)
    assert renewed.note == {"todo/web": 3, "todo/api": 1}


def test_lease_that_ran_out_is_taken_over_with_its_note() -> None:
    api, clock = cluster(), Clock()
    keeper(api, clock, "ann@a/1").take(60, 0, {"todo/web": 3})
    clock.sleep(61)
    other = keeper(api, clock, "bob@b/2")
    taking = other.take(60, 0, {"todo/web": 4, "todo/api": 7}, other.look().version)
    assert taking.held and taking.before.holder == "ann@a/1" and taking.now.note == {"todo/web": 3}
    assert not keeper(api, clock, "ann@a/1").release("done")


def test_lease_of_a_run_that_is_gone_is_taken_over_when_its_programs_are_too() -> None:
    api, clock = cluster(), Clock()
    keeper(api, clock, "ann@a/1").take(900, 0)
    left = [[4711], [4711], []]
    taking = keeper(api, clock, "bob@b/2", lambda _: left.pop(0)).take(900, 10, dead="ann@a/1")
    assert taking.held and clock.now == NOON + timedelta(seconds=1)
    stuck = keeper(api, clock, "eve@e/3", lambda _: [4711]).take(900, 5, dead="bob@b/2")
    assert not stuck.held and "process 4711, is still at work" in leases.refusal(stuck.now, "todo", "l", [4711])


def test_two_that_write_at_once_do_not_both_hold_it() -> None:
    api, clock = cluster(), Clock()
    other = keeper(api, clock, "bob@b/2")

    def first(_call: Call) -> None:
        if not api.names("leases"):
            other.take(900, 0)

    api.react("POST .*leases$", first, times=1)
    assert not keeper(api, clock, "ann@a/1").take(900, 0).held
    assert other.look().holder == "bob@b/2"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_lease_that_may_not_be_read_is_not_taken_for_none(status: int) -> None:
    api, clock = cluster(), Clock()
    api.go_wrong(refusal(status), "GET", times=None)
    mine = keeper(api, clock, "ann@a/1")
    for act in (mine.look, lambda: mine.take(900, 0), lambda: mine.release("done"), mine.remove):
        with pytest.raises(ApiError) as caught:
            act()
        assert caught.value.status == status
    assert not api.names("leases")


def test_lease_that_was_taken_over_while_it_was_given_back() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(900, 0)
    api.go_wrong(refusal(409), "PATCH")
    assert mine.release("done") is False
    assert mine.look().holder == "ann@a/1"


@pytest.mark.parametrize("status", [403, 408, 500])
def test_lease_that_cannot_be_given_back_or_taken_is_told(status: int) -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(900, 0)
    api.go_wrong(refusal(status), "PATCH", times=None)
    for act in (lambda: mine.release("done"), lambda: mine.take(900, 0)):
        with pytest.raises(ApiError) as caught:
            act()
        assert caught.value.status == status


def test_note_of_another_state_is_not_written() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    seen = mine.look().version
    assert seen == ""
    other = keeper(api, clock, "bob@b/2")
    other.take(900, 0)
    other.release("failed")
    assert mine.take(900, 0, {"todo/web": 3}, seen).now.note == {}
    assert mine.take(900, 0, {"todo/web": 4}, mine.look().version).now.note == {"todo/web": 4}


def test_log_is_short_and_a_way_back_takes_from_it() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    for revision in range(leases.LOG_LENGTH + 3):
        mine.take(900, 0, {"todo/web": revision})
        mine.release("done")
    assert len(mine.look().log) == leases.LOG_LENGTH and mine.look().log[0]["before"] == {"todo/web": 12}
    mine.take(900, 0, {"todo/web": 99})
    mine.release("undone")
    assert mine.look().log[0]["before"] == {"todo/web": 11} and not mine.look().note
    mine.take(900, 0, {"todo/web": 99})
    mine.release("failed")
    assert mine.look().log[0]["before"] == {"todo/web": 11} and not mine.look().note


def test_nothing_is_written_in_check_mode() -> None:
    api, clock = cluster(), Clock()
    assert keeper(api, clock, "ann@a/1").take(900, 0, write=False).held and not api.names("leases")
    keeper(api, clock, "ann@a/1").take(900, 0)
    assert keeper(api, clock, "ann@a/1").release("done", write=False) and len(api.writes) == 1
    assert keeper(api, clock, "ann@a/1").remove(write=False) and api.names("leases")
    assert keeper(api, clock, "ann@a/1").remove() and not api.names("leases")
    assert not keeper(api, clock, "ann@a/1").remove()


@pytest.mark.parametrize("annotation", ["", "{", "[1]", "7"])
def test_unreadable_note_counts_as_none(annotation: str) -> None:
    found = leases.parse(
        {"metadata": {"annotations": {"slipway.kube/before": annotation}}, "spec": {"renewTime": "soon"}}
    )
    assert found.note == {} and found.expired(NOON)


def test_programs_of_a_run_are_found_by_its_mark() -> None:
    holder = f"ann@a/{os.getpid()}"
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(command, env={**os.environ, leases.MARK: holder}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline()
            assert leases.workers(holder) == [process.pid]
            assert leases.workers(f"{holder}0") == []
        finally:
            process.kill()


# -- runs --------------------------------------------------------------------------------------------------------------


def test_run_that_lives_is_not_gone() -> None:
    me = _run_identity.identity(os.getpid())
    assert "@" in me.partition("/")[0] and not _run_identity.is_gone(me, "2026-01-01T12:00:00Z")


def test_run_that_has_ended_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        holder = _run_identity.identity(process.pid)
        assert not _run_identity.is_gone(holder, "")
        process.kill()
    assert _run_identity.is_gone(holder, "")
    # Another process has its number now.
    assert _run_identity.is_gone(_run_identity.identity(os.getpid())[:-1] + "x", "")


def test_of_a_run_elsewhere_nothing_is_known() -> None:
    who, _slash, where = _run_identity.identity(os.getpid()).partition("/")
    assert not _run_identity.is_gone(f"ann@elsewhere.invalid/{where}", "2000-01-01T00:00:00Z")
    assert not _run_identity.is_gone("a person", "2000-01-01T00:00:00Z")
    # The same machine before it was started anew, or a container on it: only the first cannot have survived.
    assert _run_identity.is_gone(f"{who}/00000000-1-1", "2000-01-01T00:00:00Z")
    assert not _run_identity.is_gone(f"{who}/00000000-1-1", "2999-01-01T00:00:00Z")


def test_a_machine_that_was_started_anew_is_another_place(tmp_path: Path) -> None:
    boot, space = tmp_path / "sys/kernel/random/boot_id", tmp_path / "self/ns/pid"
    for place in (boot, space):
        place.parent.mkdir(parents=True)
    boot.write_text("first\n")
    space.symlink_to("pid:[1]")
    first = _run_identity.identity(7, tmp_path)
    assert _run_identity.identity(7, tmp_path) == first
    boot.write_text("second\n")
    second = _run_identity.identity(7, tmp_path)
    space.unlink()
    space.symlink_to("pid:[2]")
    assert len({first, second, _run_identity.identity(7, tmp_path)}) == 3


def test_process_whose_name_looks_like_numbers(tmp_path: Path) -> None:
    fields = " ".join(str(number) for number in range(3, 53))
    for name, text in {"7/stat": f"7 (a ) 1 2) {fields}", "stat": "cpu 1\nbtime 100\n", "self/x": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert _run_identity.identity(7, tmp_path).endswith("-7-22")
    assert _run_identity.identity(8, tmp_path).endswith("-8-")
