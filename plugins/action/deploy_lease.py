# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module deploy_lease, told who runs it, and whether the run that holds the lease is gone."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common import files, paths
from ansible_collections.slipway.kube.plugins.module_utils._kube import heartbeat, leases, run_identity
from ansible_collections.slipway.kube.plugins.plugin_utils._forked import ForkedModule

INTERVAL = 2.0  # seconds of waiting between two looks at the holder's process


class ActionModule(ForkedModule):
    """Runs the module in short turns until the lease is held or the time is up."""

    _supports_check_mode = True
    _needs_lease = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        variables = task_vars or {}
        arguments = {**self._task.args, "holder": self._run(variables), "heartbeat": True}
        end = heartbeat.now() + (0.0 if self._task.check_mode else _seconds(arguments.get("wait"), 60.0))
        turn: dict[str, Any] = {"wait": 0.0}
        lease: dict[str, Any] = {}  # of another run
        observer: leases.Observer | None = None
        while True:
            asked = heartbeat.now()
            answer = self._execute_module(module_args={**arguments, **turn}, task_vars=variables)
            answered = heartbeat.now()
            if not answer.get("failed") or not (answer.get("lease") or {}).get("holder"):
                break
            lease = answer["lease"]
            holder = str(lease["holder"])
            observer = observer or _recall(lease)
            expired = observer.see(str(lease["version"]), float(lease["duration"]), asked, answered)
            if expired and turn.get("expired") != expired:
                turn = {**turn, "expired": expired, "wait": 0.0}
                continue
            if turn.get("dead") != holder and run_identity.is_gone(holder):
                turn = {**turn, "dead": holder, "wait": 0.0}
                continue
            if answered >= end:
                break
            left = observer.left(float(lease["duration"]), answered)
            # A little longer, so that the next look comes late enough.
            turn["wait"] = min(INTERVAL, end - answered, left + 0.1 if left > 0 else INTERVAL)
        if observer and not self._task.check_mode:
            _remember(lease, observer, bool(answer.get("failed")))
        result.update(answer)
        return result


def _seconds(given: Any, default: float) -> float:
    try:
        return default if given is None else float(given)
    except (TypeError, ValueError):
        return 0.0  # the module says what is wrong with it


def _place(lease: Mapping[str, Any]) -> Path:
    return paths.state_dir() / "leases" / re.sub("[^0-9A-Za-z-]", "_", str(lease.get("uid")))


def _recall(lease: Mapping[str, Any]) -> leases.Observer:
    """Go on from what an earlier run on this machine has seen: a lease may last longer than one run waits."""
    try:
        seen = json.loads(_place(lease).read_text(encoding="utf-8"))
        if seen["place"] == run_identity.place():
            return leases.Observer(str(seen["version"]), float(seen["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return leases.Observer()


def _remember(lease: Mapping[str, Any], observer: leases.Observer, held: bool) -> None:
    # Without a place for it, each run begins to look anew.
    with contextlib.suppress(OSError):
        if held:
            seen = {"version": observer.version, "since": observer.since, "place": run_identity.place()}
            files.write_text(_place(lease), json.dumps(seen))
        else:
            _place(lease).unlink(missing_ok=True)
