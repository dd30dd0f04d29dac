# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs beside each other, in real processes with wrong clocks, that are paused, killed or cut off: as if they came one after the other.

A run writes as Helm does: the record of a revision, with the next number, and then an object, without a look at who wrote it before. What
befalls the run, befalls it between the two.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, fencing, heartbeat, leases, run_identity
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, KubernetesError
from fake_kubernetes import Answer, Call, FakeKubernetes, serve
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

DURATION = 2
PATIENCE = 60.0
REVISIONS = "/api/v1/namespaces/todo/configmaps"
OBJECT = f"{REVISIONS}/web"
KEY = heartbeat.key_of("cluster", "todo", leases.NAME)


@dataclass(frozen=True)
class Life:
    """A run: how wrong its clock is, how many revisions it writes, and what befalls it before which of them."""

    skew: int
    writes: int = 2
    fate: str = "none"
    before: int = 0
    duration: int = DURATION  # of its lease, in seconds


def lives(fate: st.SearchStrategy[str]) -> st.SearchStrategy[Life]:
    return st.builds(Life, st.integers(-1000, 1000), st.integers(1, 3), fate, st.integers(0, 2))


class Process:
    """What a run does, in a process of its own."""

    def __init__(self, life: Life, name: str, kubeconfig: str) -> None:
        self.life, self.name, self.kubeconfig = life, name, kubeconfig
        self.holder = run_identity.identity(os.getpid(), name)
        self.api = client.KubernetesClient(kubeconfig, "c", timeout=5)
        self.manager = leases.LeaseManager(self.api, "todo", self.holder, clock=self.clock, timer=heartbeat.now)

    def clock(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=self.life.skew)

    def last(self, api: client.KubernetesClient) -> int:
        names = [item["metadata"]["name"] for item in api.items(REVISIONS)]
        return max((int(name.removeprefix("revision-")) for name in names if "-" in name), default=0)

    def take(self) -> leases.Lease:
        """Wait for the lease, as the action does."""
        observer, expired, dead = leases.Observer(), "", ""
        end = heartbeat.now() + PATIENCE
        while heartbeat.now() < end:
            asked = heartbeat.now()
            try:
                found = self.manager.take(self.life.duration, 0, expired=expired, dead=dead)
            except KubernetesError:
                time.sleep(0.05)  # the server has not begun, or this run is cut off
                continue
            if found.held:
                return found.now
            expired = observer.see(found.now.version, found.now.duration, asked, heartbeat.now())
            dead = found.now.holder if run_identity.is_gone(found.now.holder) else ""
            time.sleep(0.05)
        raise AssertionError("The lease was never free.")

    def run(self) -> None:
        lease = self.take()
        heartbeat.ensure(self.holder, KEY, "todo", leases.NAME, self.life.duration, self.kubeconfig, "c")
        own = heartbeat.kubeconfig_of(self.holder, KEY)
        assert fencing.kubeconfig_of(self.holder, own, self.kubeconfig, "c", self.api)
        if lease.stale:
            assert fencing.revoke(lease.stale, self.api, self.kubeconfig, "c", self.manager.path)
            self.manager.forget_stale()
        with client.KubernetesClient(str(own), "c", timeout=5) as api:
            before = self.last(api)
            self.manager.take(self.life.duration, 0, {"todo/web": before})
            for _ in range(self.life.writes):
                if heartbeat.lost(self.holder):
                    return
                number = self.last(api) + 1
                api.request("POST", REVISIONS, body={"metadata": {"name": f"revision-{number}"}})
                api.request("GET", OBJECT)
                api.request("PATCH", OBJECT, body={"data": {"revision": str(number)}}, content_type=MERGE_PATCH)
        heartbeat.stop(self.holder, KEY)
        self.manager.release("done")


def start(life: Life, name: str, kubeconfig: str) -> int:
    """Start a run; returns its process. What befalls it ends it in one way or the other, so how it ends says nothing."""
    process = os.fork()
    if process:
        return process
    code = 0
    try:
        Process(life, name, kubeconfig).run()
    except KubernetesError:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 2
    finally:
        sys.stderr.flush()
        os._exit(code)


class Cluster(FakeKubernetes):
    """Remembers who wrote what, in the order in which it was carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.landed: list[tuple[str, str]] = []

    def answer(self, call: Call) -> Answer:
        answer = super().answer(call)
        if call.path.startswith(REVISIONS) and call.method != "GET" and answer.how == "whole" and answer.status < 300:
            name = "web" if call.method == "PATCH" else call.body["metadata"]["name"]
            self.landed.append((name_of(call), name))
        return answer


def name_of(call: Call) -> str:
    """Return the run that sends a request, also one that renews its lease."""
    return call.headers["authorization"].removeprefix("Bearer ")


class World:
    """A cluster, the runs that change it, and what befalls them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.api = Cluster()
        self.api.add("namespaces", "todo")
        self.api.add("configmaps", "web")
        self.api.react(f"GET {OBJECT}$", self.befall)
        self.api.react(".", self.cut)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.lives: dict[str, Life] = {}
        self.processes: dict[str, int] = {}
        self._looks: dict[str, int] = {}
        self._cut: set[str] = set()

    def start(self, life: Life, name: str) -> None:
        self.lives[name] = life
        kubeconfig = self.place / f"{name}.kubeconfig"
        content: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "c"}
        content["clusters"] = [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}]
        content["users"] = [{"name": "u", "user": {"token": name}}]
        content["contexts"] = [{"name": "c", "context": {"cluster": "k", "user": "u"}}]
        kubeconfig.write_text(json.dumps(content))
        self.processes[name] = start(life, name, str(kubeconfig))

    def wait(self, name: str) -> int:
        ended = False
        end = time.monotonic() + PATIENCE
        while not ended and time.monotonic() < end:
            process, status = os.waitpid(self.processes[name], os.WNOHANG)
            if ended := bool(process):
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(self.processes[name], signal.SIGKILL)
        raise AssertionError(f"{name} did not end.")

    # -- what happens at a request -------------------------------------------------------------------------------------
    def cut(self, call: Call) -> Answer | None:
        return Answer(how="break") if name_of(call) in self._cut else None

    def befall(self, call: Call) -> Answer | None:
        name = name_of(call)
        self._looks[name] = self._looks.get(name, -1) + 1
        life, process = self.lives[name], self.processes[name]
        if life.fate == "none" or self._looks[name] != life.before:
            return None
        if life.fate == "kill":
            os.kill(process, signal.SIGKILL)
            return Answer(how="break")
        if life.fate == "cut":
            self._cut.add(name)
            self._later(lambda: self._cut.discard(name))
            return None
        family = [process, *(record.process for record in heartbeat._records() if record.holder in self._held(process))]
        for one in family:
            os.kill(one, signal.SIGSTOP)
        self._later(lambda: [self._continue(one) for one in family])
        return None

    @staticmethod
    def _held(process: int) -> Iterator[str]:
        for record in heartbeat._records():
            found = run_identity.parse(record.holder)
            if found and found.process == process:
                yield record.holder

    @staticmethod
    def _continue(process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)

    @staticmethod
    def _later(act: Callable[[], object]) -> None:
        timer = threading.Timer(2 * DURATION, act)
        timer.daemon = True
        timer.start()

    # -- what must be true ---------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Revisions and log read as if the runs had come one after the other."""
        writers = [run for run, _group in itertools.groupby(run for run, _name in self.api.landed)]
        assert len(writers) == len(set(writers)), f"a run wrote after another one had begun: {self.api.landed}"
        numbers = [int(name.removeprefix("revision-")) for _run, name in self.api.landed if name != "web"]
        assert numbers == list(range(1, len(numbers) + 1))
        assert self.api.get("configmaps", "web")["data"] == {"revision": str(numbers[-1])}
        lease = leases.parse(self.api.get("leases", leases.NAME))
        noted = [entry["before"]["todo/web"] for entry in lease.log]
        assert noted == sorted(noted, reverse=True), "the log is not in the order of the revisions"
        assert lease.holder == "" and lease.note == {} and lease.stale == []


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    monkeypatch.setattr(heartbeat, "MOST_INTERVAL", 0.1)
    monkeypatch.setattr(fencing, "_SETTLE", 0.05)

    def make() -> Path:
        found = tmp_path_factory.mktemp("runs")
        monkeypatch.setenv("XDG_STATE_HOME", str(found / "state"))
        monkeypatch.setattr(tempfile, "tempdir", str(found))  # what a killed run leaves
        return found

    return make


FATES = st.sampled_from(["none", "pause", "kill", "cut"])
# Real processes take their time: two examples each run, many each night.
EXAMPLES = 1 if os.environ.get("SLIPWAY_EXAMPLES", "same") == "same" else 60


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
@example([Life(901, fate="pause", before=1), Life(-901), Life(0, fate="kill")])
@given(st.lists(lives(FATES), min_size=2, max_size=4))
def test_runs_beside_each_other_read_as_if_they_had_come_one_after_the_other(
    place: Callable[[], Path], runs: list[Life]
) -> None:
    world = World(place())
    for number, life in enumerate(runs):
        world.start(life, f"run{number}")
    with serve(world.api, port=world.port):
        codes = {name: world.wait(name) for name in list(world.processes)}
        assert 2 not in codes.values(), "a run has broken"
        # Whatever happened, one that nothing befalls can deploy.
        world.start(Life(0, duration=30), "last")
        assert world.wait("last") == 0
        world.check()
        for name, life in world.lives.items():
            assert life.fate != "none" or codes.get(name, 0) == 0, f"nothing befell {name}, and it failed"
