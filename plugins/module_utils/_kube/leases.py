# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy at a time in a namespace, by a Lease of coordination.k8s.io. Private to the collection.

The Lease is also the memory of a deploy: its note says what was in service before, for a run that takes over from one that was
killed, and its log says the same of the last deploys that succeeded, for a way back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, Api, ApiError, find

NAME = "slipway-deploy"
# The environment variable by which the programs that a run has started are known, also when the run itself is gone.
MARK = "SLIPWAY_RUN"
LOG_LENGTH = 10
_NOTE = "slipway.kube/before"
_LOG = "slipway.kube/log"
_API = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


@dataclass(frozen=True)
class Lease:
    """A Lease as it was found; C(version) is its resourceVersion, empty when there is none yet.

    C(note) holds revisions by C(namespace/release); C(log) such notes with the time and the person, the newest first.
    """

    version: str = ""
    holder: str = ""
    acquired: datetime | None = None
    renewed: datetime | None = None
    duration: int = 0
    transitions: int = 0
    note: Mapping[str, int] = field(default_factory=dict)
    log: Sequence[Mapping[str, Any]] = ()

    @property
    def expires(self) -> datetime | None:
        """When it may be taken over, unless it is renewed."""
        return self.renewed + timedelta(seconds=self.duration) if self.renewed else None

    def expired(self, now: datetime) -> bool:
        """Tell whether its holder has let it run out."""
        return self.expires is None or now >= self.expires

    def as_result(self) -> dict[str, Any]:
        """Return the shape of a result."""
        return {
            "version": self.version,
            "holder": self.holder,
            "since": text_of(self.acquired),
            "renewed": text_of(self.renewed),
            "expires": text_of(self.expires),
            "note": dict(self.note),
            "log": [dict(entry) for entry in self.log],
        }


def text_of(moment: datetime | None) -> str:
    """Return a time as Kubernetes' MicroTime, empty for none."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None


def _json(text: Any, kind: type) -> Any:
    try:
        found = json.loads(text or "null")
    except (TypeError, ValueError):
        found = None
    return found if isinstance(found, kind) else kind()


def parse(item: Mapping[str, Any]) -> Lease:
    """Read a Lease; what is missing or unreadable in it counts as not there."""
    spec, metadata = item.get("spec") or {}, item.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    return Lease(
        version=str(metadata.get("resourceVersion") or ""),
        holder=str(spec.get("holderIdentity") or ""),
        acquired=_moment(spec.get("acquireTime")),
        renewed=_moment(spec.get("renewTime")),
        duration=int(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        note=_json(annotations.get(_NOTE), dict),
        log=_json(annotations.get(_LOG), list),
    )


def body(lease: Lease, namespace: str, name: str = NAME) -> dict[str, Any]:
    """Return the object of a Lease. Writing it fails when somebody else has changed it since it was read."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "annotations": {
            _NOTE: json.dumps(dict(lease.note), sort_keys=True) if lease.note else None,
            _LOG: json.dumps(list(lease.log)) if lease.log else None,
        },
    }
    if lease.version:
        metadata["resourceVersion"] = lease.version
    else:
        metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if text}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "acquireTime": text_of(lease.acquired) or None,
            "renewTime": text_of(lease.renewed) or None,
            # Kubernetes wants at least one second, also of a Lease that nobody holds.
            "leaseDurationSeconds": max(lease.duration, 1),
            "leaseTransitions": lease.transitions,
        },
    }


def taken(lease: Lease, holder: str, now: datetime, duration: int, note: Mapping[str, int]) -> Lease:
    """Return a Lease as C(holder) holds it.

    A note that is there counts more than the new one: what was in service before an interrupted run is what to go back to.
    """
    mine = lease.holder == holder
    return replace(
        lease,
        holder=holder,
        acquired=lease.acquired if mine else now,
        renewed=now,
        duration=duration,
        transitions=lease.transitions + (0 if mine or not lease.version else 1),
        note={**note, **lease.note},
    )


def released(lease: Lease, outcome: str, now: datetime) -> Lease:
    """Return a Lease that nobody holds, its note moved to the log, dropped, or with the log's newest entry dropped."""
    log = list(lease.log)
    if outcome == "done" and lease.note:
        log.insert(0, {"at": text_of(now), "by": person(lease.holder), "before": dict(lease.note)})
    elif outcome == "undone":
        log = log[1:]
    return replace(lease, holder="", renewed=now, duration=1, note={}, log=log[:LOG_LENGTH])


def person(holder: str) -> str:
    """Return user@host of a holder's identity, without the process."""
    return holder.partition("/")[0]


def workers(holder: str, root: Path = Path("/proc")) -> list[int]:
    """Return the processes on this machine that a holder's run has started and that go on without it."""
    wanted = f"{MARK}={holder}".encode()
    found = []
    for place in root.glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


@dataclass(frozen=True)
class Acquisition:
    """How taking a Lease went: as it was found first, right before it was taken, and now."""

    first: Lease
    before: Lease
    now: Lease
    held: bool


class LeaseManager:
    """Takes, renews and gives back the Lease of one namespace."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        holder: str,
        name: str = NAME,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        sleep: Callable[[float], None] = time.sleep,
        working: Callable[[str], Iterable[int]] = workers,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._path = _API.format(namespace)
        self._clock = clock
        self._sleep = sleep
        self._working = working

    def look(self) -> Lease:
        """Return the Lease as it is, an empty one when there is none."""
        found = find(self._api, f"{self._path}/{self._name}")
        return Lease() if found is None else parse(found)

    def take(
        self,
        duration: int,
        wait: float,
        note: Mapping[str, int] | None = None,
        seen: str | None = None,
        dead: str = "",
        write: bool = True,
    ) -> Acquisition:
        """Take or renew the Lease; without C(write) only tell what would come of it.

        The note is written unless the Lease is another than C(seen) or taken over, for then it may be wrong.
        Waits at most C(wait) seconds for another holder. One that has run out is taken over, and so is that of the holder C(dead),
        whose process is known to be gone, as soon as nothing that it has started is at work any more.
        """
        start = self._clock()
        first: Lease | None = None
        while True:
            found = self.look()
            first = first or found
            if self._may_take(found, dead):
                known = seen in (None, found.version) and found.holder in ("", self._holder)
                wanted = taken(found, self._holder, self._clock(), duration, note or {} if known else {})
                try:
                    return Acquisition(first, found, self._write(wanted) if write else wanted, True)
                except ApiError as error:
                    if error.status != 409:  # somebody else was faster
                        raise
            elif (self._clock() - start).total_seconds() >= wait:
                return Acquisition(first, found, found, False)
            self._sleep(0.5)

    def _may_take(self, found: Lease, dead: str) -> bool:
        if found.holder in ("", self._holder):
            return True
        gone = found.holder == dead or found.expired(self._clock())
        return gone and not list(self._working(found.holder))

    def release(self, outcome: str, write: bool = True) -> bool:
        """Give the Lease back if this run holds it; returns whether it did."""
        found = self.look()
        if found.holder != self._holder:
            return False
        if write:
            try:
                self._write(released(found, outcome, self._clock()))
            except ApiError as error:
                if error.status != 409:  # otherwise it ran out and has been taken over
                    raise
                return False
        return True

    def remove(self, write: bool = True) -> bool:
        """Remove the Lease with its log; returns whether there was one."""
        found = self.look()
        if found.version and write:
            self._api.request("DELETE", f"{self._path}/{self._name}")
        return bool(found.version)

    def _write(self, lease: Lease) -> Lease:
        wanted = body(lease, self._namespace, self._name)
        if not lease.version:
            return parse(self._api.request("POST", self._path, body=wanted))
        path = f"{self._path}/{self._name}"
        return parse(self._api.request("PATCH", path, body=wanted, content_type=MERGE_PATCH))


def refusal(found: Lease, namespace: str, name: str, working: Sequence[int]) -> str:
    """Return the sentences that say who holds a Lease and what to do."""
    since = f"{found.acquired:%Y-%m-%d %H:%M:%S} UTC" if found.acquired else "an unknown time"
    text = (
        f"Another deploy of namespace {namespace} is under way: {person(found.holder)} holds its lease since {since}. "
    )
    if working:
        return text + (
            f"That run is gone, but the program that it started, process {working[0]}, is still at work. "
            "Wait for its end and run this again."
        )
    until = f"{found.expires:%H:%M:%S} UTC" if found.expires else "once"
    return text + (
        f"Wait for its end and run this again. If that run is gone, its lease runs out at {until} unless you remove it: "
        f"kubectl delete lease {name} --namespace {namespace}"
    )
