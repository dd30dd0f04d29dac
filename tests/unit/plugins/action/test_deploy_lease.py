# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a run waits for the lease of another, and when it takes it over."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.slipway.kube.plugins.action.deploy_lease import INTERVAL, ActionModule
from ansible_collections.slipway.kube.plugins.module_utils._kube import heartbeat, run_identity

Object = dict[str, Any]
EVE = "eve@elsewhere.invalid/0123456789abcdef-4711-88123"


class Other:
    """The lease of another run, and the clock of the one that waits for it. Each turn of the module takes its time."""

    def __init__(self, holder: str = EVE, duration: int = 30) -> None:
        self.lease: Object = {"holder": holder, "version": "7", "uid": "uid-1", "duration": duration}
        self.now = 1000.0
        self.turns: list[Object] = []
        self.happens: Callable[[], None] = lambda: None

    def module(self, module_args: Object, task_vars: Object) -> Object:
        self.turns.append(module_args)
        self.now += 0.2
        self.happens()
        version, holder = self.lease["version"], self.lease["holder"]
        if not holder or module_args.get("expired") == version or module_args.get("dead") == holder:
            return {"changed": True, "held": True, "lease": {"holder": module_args["holder"]}}
        self.now += module_args["wait"]
        return {"failed": True, "held": False, "lease": dict(self.lease)}


@pytest.fixture
def wait_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Object]:
    """Runs the action against another run's lease."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(ActionBase, "run", lambda *_all: {})

    def run(other: Other, check: bool = False, **options: Any) -> Object:
        monkeypatch.setattr(heartbeat, "now", lambda: other.now)
        action = object.__new__(ActionModule)
        action._task = SimpleNamespace(args={"namespace": "todo", **options}, check_mode=check)
        monkeypatch.setattr(action, "_execute_module", other.module)
        return action.run(task_vars={"inventory_hostname": "todo"})

    return run


def test_lease_that_is_not_renewed_is_taken_over_after_its_duration(wait_for: Callable[..., Object]) -> None:
    other = Other()
    assert wait_for(other, wait=60)["held"]
    assert other.turns[0]["holder"] == run_identity.identity(os.getppid(), "todo") and other.turns[0]["heartbeat"]
    assert other.turns[-1]["expired"] == "7" and 1030 < other.now < 1030 + 2 * INTERVAL
    assert max(turn["wait"] for turn in other.turns) <= INTERVAL


def test_lease_that_is_renewed_is_waited_for_as_long_as_that_is_asked(wait_for: Callable[..., Object]) -> None:
    other = Other()

    def renew() -> None:
        other.lease["version"] = str(int(other.now / 5))

    other.happens = renew
    assert wait_for(other, wait=300)["failed"]
    assert 1300 <= other.now < 1301 and not any("expired" in turn for turn in other.turns)


def test_lease_that_is_released_is_taken_at_once(wait_for: Callable[..., Object]) -> None:
    other = Other()

    def release() -> None:
        if other.now > 1010:
            other.lease["holder"] = ""

    other.happens = release
    assert wait_for(other, wait=60)["held"] and other.now < 1010 + 2 * INTERVAL


@pytest.mark.parametrize("options", [{"wait": 0}, {"wait": 60, "check": True}])
def test_run_that_does_not_wait_asks_once(wait_for: Callable[..., Object], options: Object) -> None:
    other = Other()
    assert wait_for(other, **options)["failed"] and len(other.turns) == 1


def test_lease_that_lasts_longer_than_one_run_waits_is_taken_over_by_a_later_one(
    wait_for: Callable[..., Object],
) -> None:
    other = Other(duration=900)
    assert wait_for(other, wait=60)["failed"]
    other.now += 500
    assert wait_for(other, wait=60)["failed"]
    other.now += 300
    assert wait_for(other, wait=0)["held"]
    # It has been taken, so that nothing is remembered of it.
    assert wait_for(other, wait=60)["failed"]


def test_what_was_seen_before_the_machine_was_started_anew_does_not_count(
    wait_for: Callable[..., Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(duration=900)
    assert wait_for(other, wait=0)["failed"]
    monkeypatch.setattr(run_identity, "place", lambda *_files: "0" * 16)
    other.now += 1000
    assert wait_for(other, wait=0)["failed"]


def test_lease_of_a_run_that_is_gone_is_taken_over_at_once(wait_for: Callable[..., Object]) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    other = Other(f"{getpass.getuser()}@{socket.gethostname()}/{run_identity.place()}-{ended.pid}-1")
    assert wait_for(other, wait=0)["held"] and other.now < 1001


def test_module_that_fails_for_another_reason_is_not_tried_again(wait_for: Callable[..., Object]) -> None:
    other = Other()
    other.module = lambda **_all: {"failed": True, "msg": "no cluster"}  # type: ignore[method-assign,assignment]
    assert wait_for(other, wait=60) == {"failed": True, "msg": "no cluster"}
