# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewing a lease for as long as a run goes on, and what happens when it is lost."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import heartbeat, leases, run_identity
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import UnreachableError
from fake_kubernetes import Call, FakeKubernetes, Served, serve

RUNS = [sys.executable, "-c", "print(flush=True); input()"]
PATIENCE = 60  # seconds until a test fails that waits for an event


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for records of this test's runs alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


# -- when it ends ------------------------------------------------------------------------------------------------------


class World:
    """A clock that passes while somebody waits, and what happens at each renewal: nothing or an error."""

    def __init__(self, *renewals: Exception | None, alive: int = 100) -> None:
        self.now, self.alive, self.renewed = 0.0, alive, 0
        self._renewals = list(renewals)

    def renew(self) -> None:
        self.renewed += 1
        self.now += 1  # a request takes its time
        if error := self._renewals.pop(0):
            raise error

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return not self._renewals

    def is_alive(self) -> bool:
        self.alive -= 1
        return self.alive >= 0

    def run(self, duration: float = 30) -> str:
        return heartbeat.Heartbeat(self.renew, self.is_alive, self.wait, "todo", duration, timer=lambda: self.now).run()


KEY = heartbeat.key_of("cluster", "todo", leases.NAME)
SILENT = UnreachableError("The Kubernetes API at x does not answer: timed out. Start the cluster.")


def test_lease_is_renewed_until_the_process_is_told_to_end() -> None:
    world = World(None, None, None)
    assert world.run() == "" and world.renewed == 3 and world.now == 4 * 5 + 3


def test_lease_is_not_renewed_once_the_run_has_ended() -> None:
    world = World(None, None, None, alive=1)
    assert world.run() == "" and world.renewed == 1


def test_one_renewal_that_fails_loses_nothing() -> None:
    assert World(None, SILENT, SILENT, None, SILENT, SILENT, None).run() == ""


def test_lease_that_cannot_be_renewed_is_lost_before_another_run_may_take_it() -> None:
    world = World(None, *[SILENT] * 20)
    why = world.run()
    assert "lost the deploy lease of namespace todo: it could not be renewed for 21 s (The Kubernetes API at x" in why
    assert world.renewed == 9 and world.now - 5 < 30  # since the last renewal


def test_lease_that_another_run_has_is_lost_at_once() -> None:
    world = World(None, leases.LostError("Bob has it."), None)
    assert world.run() == "Bob has it." and world.renewed == 2


def test_run_that_slept_goes_on_if_nobody_has_taken_the_lease() -> None:
    world = World(None, None)
    world.now = 0.0
    wait = world.wait
    world.wait = lambda seconds: wait(seconds + 3600)  # type: ignore[method-assign]
    assert world.run() == ""


@pytest.mark.parametrize(("duration", "seconds"), [(5, 5 / 6), (30, 5), (900, 5)])
def test_interval_leaves_time_for_a_renewal_that_fails(duration: float, seconds: float) -> None:
    assert heartbeat.interval_of(duration) == pytest.approx(seconds)


# -- the record --------------------------------------------------------------------------------------------------------


def record(process: int, lost: str = "") -> heartbeat.Record:
    found = heartbeat.Record("ann@a/1", "todo", process, run_identity.start_of(process), lost, KEY)
    place = heartbeat.place_of("ann@a/1", KEY)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(vars(found)))
    return found


def test_run_without_a_lease_has_lost_none() -> None:
    assert heartbeat.lost("ann@a/1") == "" and heartbeat.read("ann@a/1", KEY) is None


def test_run_holds_its_lease_while_it_is_renewed() -> None:
    assert record(os.getpid()) == heartbeat.read("ann@a/1", KEY)
    assert heartbeat.lost("ann@a/1") == ""


def test_run_learns_how_it_lost_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    record(os.getpid(), "Bob has it.")
    assert heartbeat.lost("ann@a/1") == "Bob has it." and heartbeat.lost_by_environment() == ""
    monkeypatch.setenv(leases.MARK, "ann@a/1")
    assert heartbeat.lost_by_environment() == "Bob has it."


def test_lease_that_nobody_renews_any_more_is_lost() -> None:
    with subprocess.Popen(["true"]) as ended:
        found = record(ended.pid)
    heartbeat.place_of("ann@a/1", KEY).write_text(json.dumps(vars(replace(found, start="1"))))
    assert "namespace todo: the process that renews it was ended by somebody else" in heartbeat.lost("ann@a/1")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"holder": "x"}'])
def test_record_that_cannot_be_read_is_none(text: str) -> None:
    record(1)
    heartbeat.place_of("ann@a/1", KEY).write_text(text)
    assert heartbeat.read("ann@a/1", KEY) is None and heartbeat.lost("ann@a/1") == ""


def test_run_elsewhere_is_alive_until_it_was_not_seen_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = "ann@elsewhere.invalid/0123456789abcdef-1-1"
    place = heartbeat.place_of(holder, KEY)
    place.parent.mkdir(parents=True)
    place.touch()
    for ago, alive in ((0.0, True), (heartbeat.UNSEEN_SECONDS - 1, True), (heartbeat.UNSEEN_SECONDS + 1, False)):
        monkeypatch.setattr(heartbeat, "now", lambda ago=ago: 10_000 + ago)
        os.utime(place, (10_000, 10_000))
        assert heartbeat._is_alive(holder) is alive
    monkeypatch.setattr(leases, "workers", lambda _holder: [4711])
    assert heartbeat._is_alive(holder)


# -- the process -------------------------------------------------------------------------------------------------------


class Run:
    """A run that holds the lease of a served cluster, and what has been written there."""

    def __init__(self, server: Served, place: Path) -> None:
        self.api = server.fake
        self.writes: queue.Queue[Call] = queue.Queue()
        self.api.react("PATCH .*leases/", lambda call: self.writes.put(call))
        self.process = subprocess.Popen(RUNS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder = run_identity.identity(self.process.pid, "todo")
        self.manager = leases.LeaseManager(self.api, "todo", self.holder)
        self.manager.take(30, 0)
        self.kubeconfig = server.kubeconfig(place)

    def keep(self) -> heartbeat.Record:
        heartbeat.ensure(self.holder, KEY, "todo", leases.NAME, 30, self.kubeconfig, "c")
        found = heartbeat.read(self.holder, KEY)
        assert found
        return found

    def ends(self, found: heartbeat.Record) -> None:
        """Wait for the end of the process that renews."""
        wait_for_end(found.process)


def wait_for_end(process: int) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return

    try:
        assert select.select([descriptor], [], [], PATIENCE)[0]
    finally:
        os.close(descriptor)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(heartbeat, "MOST_INTERVAL", 0.1)
    api = FakeKubernetes()
    api.add("namespaces", "todo")
    with serve(api) as server:
        started = Run(server, tmp_path)
        try:
            yield started
        finally:
            heartbeat.stop(started.holder, KEY)
            started.process.kill()
            started.process.communicate()


def test_process_renews_until_it_is_stopped(run: Run) -> None:
    found = run.keep()
    assert os.getsid(found.process) != os.getsid(0)
    before = run.api.get("leases", leases.NAME)["metadata"]["resourceVersion"]
    assert run.writes.get(timeout=PATIENCE).body["spec"]["holderIdentity"] == run.holder
    assert run.writes.get(timeout=PATIENCE) and run.keep() == found
    heartbeat.stop(run.holder, KEY)
    assert run_identity.process_has_ended(found.process, found.start) and heartbeat.read(run.holder, KEY) is None
    assert run.api.get("leases", leases.NAME)["metadata"]["resourceVersion"] != before
    assert run.manager.release("done")


def test_process_ends_with_the_run_and_leaves_its_lease(run: Run) -> None:
    found = run.keep()
    run.process.kill()
    run.process.wait()
    run.ends(found)
    assert run.manager.look().holder == run.holder and not heartbeat.place_of(run.holder, KEY).exists()


def test_lost_lease_ends_what_the_run_has_started_and_is_told(run: Run) -> None:
    command = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen(RUNS, env={**os.environ, leases.MARK: run.holder}, **command) as helm,  # type: ignore[call-overload]
        subprocess.Popen(RUNS, **command) as another,  # type: ignore[call-overload]
    ):
        assert helm.stdout.readline() and another.stdout.readline()
        found = run.keep()
        other = leases.LeaseManager(run.api, "todo", "bob@b/2", working=lambda _holder: [])
        assert other.take(30, 0, dead=run.holder).held
        assert helm.wait(PATIENCE) == -signal.SIGKILL
        run.ends(found)
        assert "bob@b took it over" in heartbeat.lost(run.holder)
        assert another.poll() is None and run.process.poll() is None
        another.kill()
    assert run.manager.look().holder == "bob@b/2"


def test_run_that_is_gone_is_kept_while_its_program_works(run: Run) -> None:
    with subprocess.Popen(
        RUNS, env={**os.environ, leases.MARK: run.holder}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as helm:
        assert helm.stdout and helm.stdout.readline()
        found = run.keep()
        run.process.kill()
        run.process.wait()
        while not run.writes.empty():
            run.writes.get()
        assert run.writes.get(timeout=PATIENCE)
        helm.kill()
    run.ends(found)


def test_run_renews_the_leases_of_two_clusters_that_one_context_led_to(run: Run, tmp_path: Path) -> None:
    """Both have the same namespace and Lease, and the kubeconfigs name them alike."""
    other = FakeKubernetes()
    other.add("namespaces", "todo")
    writes: queue.Queue[Call] = queue.Queue()
    other.react("PATCH .*leases/", writes.put)
    key = heartbeat.key_of("other cluster", "todo", leases.NAME)
    (tmp_path / "other").mkdir()
    with serve(other) as server:
        manager = leases.LeaseManager(other, "todo", run.holder)
        manager.take(30, 0)
        here = run.keep()
        assert heartbeat.ensure(run.holder, key, "todo", leases.NAME, 30, server.kubeconfig(tmp_path / "other"), "c")
        there = heartbeat.read(run.holder, key)
        assert there and there.process != here.process
        assert heartbeat.kubeconfig_of(run.holder, key) != heartbeat.kubeconfig_of(run.holder, KEY)
        assert writes.get(timeout=PATIENCE).body["spec"]["holderIdentity"] == run.holder
        heartbeat.stop(run.holder, KEY)
        assert heartbeat.holds(run.holder) and heartbeat.lost(run.holder) == ""
        assert run.manager.release("done") and manager.look().holder == run.holder
        manager.remove()
        run.ends(there)
        assert "deploy lease of namespace todo" in heartbeat.lost(run.holder), "of one of its leases it says so"
        heartbeat.stop(run.holder, key)
    assert not heartbeat.holds(run.holder)


def test_records_of_runs_that_are_gone_are_removed(run: Run) -> None:
    with subprocess.Popen(["true"]) as gone:
        holder = run_identity.identity(gone.pid, "other")
        gone.wait()
        left = heartbeat.Record(holder, "todo", gone.pid, "1", "Bob has it.", KEY)
        heartbeat.place_of(holder, KEY).parent.mkdir(parents=True)
        heartbeat.place_of(holder, KEY).write_text(json.dumps(vars(left)))
    run.keep()
    assert heartbeat.read(holder, KEY) is None and heartbeat.read(run.holder, KEY)
