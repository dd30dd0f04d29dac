# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that renews a run's lease, and the record by which the run learns that it was lost. Private to the collection.

A run is many short modules, and none of them lives for as long as a Helm hook and the checks after it. So the first one that has taken
the lease leaves a process behind. It renews the lease every few seconds until the run releases it or ends. When the lease is lost, it
kills what the run has started on this machine and records why; the run's next module fails with that.

A run may hold leases of several namespaces and clusters: each has its own process, record and kubeconfig.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from ansible_collections.slipway.kube.plugins.module_utils._common import files, paths
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, leases, run_identity
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import KubernetesError

LEAST_DURATION = 5  # seconds; less leaves no time for a renewal that fails once
MOST_INTERVAL = 5.0
# A run on another machine cannot be seen to end: without a sign of it for so many seconds, its lease is renewed no more.
UNSEEN_SECONDS = 900.0
STOP_SECONDS = 10.0


def now() -> float:
    """Return the seconds since this machine has booted, with those that it was suspended for."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Record:
    """What a run knows of the process that renews its lease; C(start) tells it from later ones with its number.

    C(key) stands for the lease; records of Slipway 0.2 have none.
    """

    holder: str
    namespace: str
    process: int
    start: str
    lost: str = ""
    key: str = ""


def key_of(cluster: str, namespace: str, name: str) -> str:
    """Return what stands for a lease among those of all clusters; C(cluster) is what KubernetesClient.identity returns."""
    return _digest("\0".join((cluster, namespace, name)))


def place_of(holder: str, key: str) -> Path:
    """Return the file of a run's record."""
    return _directory() / f"{_digest(holder)}{key and '-'}{key}.json"


def kubeconfig_of(holder: str, key: str) -> Path:
    """Return the file of the kubeconfig whose requests carry a run's name."""
    return place_of(holder, key).with_suffix(".kubeconfig")


def read(holder: str, key: str) -> Record | None:
    """Return the record of a run, None when it does not hold that lease."""
    return _read(place_of(holder, key))


def holds(holder: str) -> bool:
    """Tell whether a run holds a lease, or has lost one."""
    return bool(_records(holder))


def lost(holder: str) -> str:
    """Return the sentences that say how a run has lost a lease; empty while it holds all that it has taken."""
    return next(filter(None, map(_lost, _records(holder))), "")


def _lost(record: Record) -> str:
    if record.lost or not run_identity.process_has_ended(record.process, record.start):
        return record.lost
    # It may have ended after a last word.
    last = read(record.holder, record.key)
    if last is None or last.lost:
        return last.lost if last else ""
    return leases.lost_by(record.namespace, "the process that renews it was ended by somebody else")


def lost_by_environment() -> str:
    """Return the same for the run that has started this module, as far as its task names it."""
    return lost(os.environ.get(leases.MARK, ""))


class Heartbeat:
    """Renews a lease until it is told to end, the run has ended, or the lease is lost."""

    def __init__(
        self,
        renew: Callable[[], object],
        alive: Callable[[], bool],
        wait: Callable[[float], bool],
        namespace: str,
        duration: float,
        timer: Callable[[], float] = now,
    ) -> None:
        """C(wait) waits so many seconds and tells whether to end; C(alive) tells whether the run is there."""
        self._renew = renew
        self._alive = alive
        self._wait = wait
        self._namespace = namespace
        self._timer = timer
        self.interval = interval_of(duration)
        # With a pause and a request after it, this is over before another run may take the lease.
        self._patience = duration * 2 / 3

    def run(self) -> str:
        """Renew; returns the sentences that say how the lease was lost, empty when the run has ended."""
        renewed, pause = self._timer(), self.interval
        while not self._wait(pause) and self._alive():
            asked = self._timer()
            try:
                self._renew()
                renewed, pause = asked, self.interval
            except leases.LostError as error:
                return str(error)
            except KubernetesError as error:
                silent, pause = self._timer() - renewed, self.interval / 5
                if silent >= self._patience:
                    return leases.lost_by(
                        self._namespace, f"it could not be renewed for {silent:.0f} s ({str(error).rstrip('.')})"
                    )
        return ""


def interval_of(duration: float) -> float:
    """Return after how many seconds a lease is renewed."""
    return min(MOST_INTERVAL, duration / 6)


def ensure(
    holder: str, key: str, namespace: str, name: str, duration: float, kubeconfig: str | None, context: str | None
) -> bool:
    """See that a process renews the lease that this run holds; returns whether it was started now. Raises OSError."""
    record = read(holder, key)
    if record and not run_identity.process_has_ended(record.process, record.start):
        _touch(holder)
        return False
    _sweep()

    def work() -> str:
        with client.KubernetesClient(kubeconfig, context, timeout=duration / 6) as cluster:
            manager = leases.LeaseManager(cluster, namespace, holder, name)
            return Heartbeat(manager.renew, lambda: _is_alive(holder), _told_to_end, namespace, duration).run()

    _directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    process = _detached(lambda: _keep(holder, key, namespace, work))
    _write(Record(holder, namespace, process, run_identity.start_of(process), key=key))
    _touch(holder)
    return True


def stop(holder: str, key: str) -> None:
    """End the process that renews a run's lease, with what it is at, and forget its record."""
    record = read(holder, key)
    end = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while record and not run_identity.process_has_ended(record.process, record.start) and time.monotonic() < end:
            os.kill(record.process, signal.SIGTERM)
            time.sleep(0.005)
    _forget(holder, key)


def kill(holder: str, programs: Callable[[str], Iterable[int]] = leases.workers) -> None:
    """Kill what a run has started on this machine, until nothing of it is left. What is asked to end might still write."""
    while left := list(programs(holder)):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)


def _keep(holder: str, key: str, namespace: str, work: Callable[[], str]) -> None:
    """Do the work of the process that renews the lease, and record how it was lost."""
    try:
        why = work()
    except KubernetesError as error:
        why = leases.lost_by(namespace, str(error).rstrip("."))
    if why:
        record = Record(holder, namespace, os.getpid(), run_identity.start_of(os.getpid()), why, key)
        _write(record)
        kill(holder)
    elif not _is_alive(holder):
        _forget(holder, key)


def _is_alive(holder: str) -> bool:
    if run_identity.is_here(holder):
        return not run_identity.has_ended(holder) or bool(leases.workers(holder))
    return now() - _seen(holder) < UNSEEN_SECONDS or bool(leases.workers(holder))


def _told_to_end(seconds: float) -> bool:
    return signal.sigtimedwait({signal.SIGTERM}, seconds) is not None


def _forget(holder: str, key: str) -> None:
    for path in (place_of(holder, key), kubeconfig_of(holder, key)):
        path.unlink(missing_ok=True)


def _touch(holder: str) -> None:
    """Note a sign of the run, by a clock that nobody sets."""
    for path in _files(holder):
        with contextlib.suppress(FileNotFoundError):  # that lease has just been given back
            os.utime(path, (now(), now()))


def _seen(holder: str) -> float:
    """Return when the last sign of a run was noted."""
    signs = [0.0]
    for path in _files(holder):
        with contextlib.suppress(FileNotFoundError):
            signs.append(path.stat().st_mtime)
    return max(signs)


def _write(record: Record) -> None:
    files.write_text(place_of(record.holder, record.key), json.dumps(asdict(record)))


def _sweep() -> None:
    """Remove the records of runs that are gone."""
    for record in _records():
        if run_identity.has_ended(record.holder) and run_identity.process_has_ended(record.process, record.start):
            _forget(record.holder, record.key)


def _records(holder: str | None = None) -> list[Record]:
    """Return the records of a run, or of all."""
    return [record for record in map(_read, _files(holder)) if record]


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return None


def _files(holder: str | None = None) -> list[Path]:
    return sorted(_directory().glob("*.json" if holder is None else f"{_digest(holder)}*.json"))


def _directory() -> Path:
    return paths.state_dir() / "runs"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _detached(work: Callable[[], None]) -> int:
    """Do something in a process that outlives this one and its terminal; returns its number."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _leave(writer, work)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        number = told.read()
    os.waitpid(child, 0)
    return int(number)


def _leave(writer: int, work: Callable[[], None]) -> NoReturn:
    try:
        os.setsid()
        process = os.fork()
        if process:
            os.write(writer, str(process).encode())
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            # Nothing of the run stays open: who reads from it would wait for its end.
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(nothing, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            os.chdir("/")
            gc.freeze()  # what is shared with the run stays shared
            work()
    finally:
        os._exit(0)
