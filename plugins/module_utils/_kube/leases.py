# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy at a time in a namespace, by a Lease of coordination.k8s.io. Private to the collection.

Its holder renews it every few seconds (_kube/heartbeat), and another run takes it over when its own clock, which no one sets, has seen no
renewal for the lease's duration. The times in a Lease are for people: the clocks of two machines may differ.

Several applications in one namespace share the Lease; each entry of its note and of its log names the releases that it is about, and
by them an application knows its own.

The Lease is also the memory of a deploy: its note says what was in service before, for a run that takes over from one that was
killed, and its log says the same of the last deploys that succeeded, for a way back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    MERGE_PATCH,
    Api,
    ApiError,
    KubernetesError,
    find,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields, labels, meta, number
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import MANAGED_BY, MANAGER

NAME = "slipway-deploy"
# The environment variable by which the programs that a run has started are known, also when the run itself is gone.
MARK = "SLIPWAY_RUN"
# Entries of one application, and of all in a namespace.
LOG_LENGTH = 10
MOST_ENTRIES = 100
# Of the annotations. Slipway 0.1 wrote none.
FORMAT = 1
_FORMAT = "slipway.kube/format"
_NOTE = "slipway.kube/before"
_LOG = "slipway.kube/log"
_STALE = "slipway.kube/stale"
_API = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
# user@host/process, as all versions name a holder.
_HOLDER = re.compile(r".+@[^@/]+/.+")
_MOST_CONFLICTS = 5


class LeaseError(KubernetesError):
    """The Lease is not one that this version of Slipway can use: a sentence of cause and one of what to do."""


class LostError(KubernetesError):
    """This run does not hold the lease any more: a sentence of cause and one of what to do."""


@dataclass(frozen=True)
class Lease:
    """A Lease as it was found; C(version) is its resourceVersion, empty when there is none yet. C(duration) is in seconds.

    C(note) holds revisions by C(namespace/release); C(log) such notes with the time and the person, the newest first.
    C(stale) are runs that may still write, though their lease was taken over.
    """

    version: str = ""
    uid: str = ""
    holder: str = ""
    acquired: datetime | None = None
    renewed: datetime | None = None
    duration: int = 0
    transitions: int = 0
    note: Mapping[str, int] = field(default_factory=dict)
    log: Sequence[Mapping[str, Any]] = ()
    stale: Sequence[str] = ()

    @property
    def expires(self) -> datetime | None:
        """When it may be taken over, unless it is renewed, by the clock of its holder."""
        return self.renewed + timedelta(seconds=self.duration) if self.renewed else None

    def as_result(self) -> dict[str, Any]:
        """Return the shape of a result."""
        return {
            "version": self.version,
            "uid": self.uid,
            "holder": self.holder,
            "since": text_of(self.acquired),
            "renewed": text_of(self.renewed),
            "expires": text_of(self.expires),
            "duration": self.duration,
            "note": dict(self.note),
            "log": [dict(entry) for entry in self.log],
            "stale": list(self.stale),
        }


def text_of(moment: datetime | None) -> str:
    """Return a time as Kubernetes' MicroTime, empty for none."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None


def _json(item: Mapping[str, Any], annotation: str, kind: type) -> Any:
    """Read an annotation that Slipway has written. Raises LeaseError when it is damaged: what it said must not be forgotten."""
    text = fields(item, "metadata", "annotations").get(annotation)
    try:
        found = kind() if text is None else json.loads(text)
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, kind):
        raise LeaseError(
            f"{_named(item)} cannot be read: its annotation {annotation} is damaged. It records what was in service before; "
            f"restore the annotation, or remove the Lease: {_remove(item)}"
        )
    return found


def _named(item: Mapping[str, Any]) -> str:
    return f"Lease {meta(item, 'name')} in namespace {meta(item, 'namespace')}"


def _remove(item: Mapping[str, Any]) -> str:
    return f"kubectl delete lease {meta(item, 'name')} --namespace {meta(item, 'namespace')}"


def _check_usable(item: Mapping[str, Any]) -> None:
    """Raise LeaseError for a Lease of somebody else, or of a newer Slipway."""
    written = str(fields(item, "metadata", "annotations").get(_FORMAT) or "0")
    if not written.isdecimal() or int(written) > FORMAT:
        raise LeaseError(
            f"{_named(item)} was written by a newer Slipway (format {written}; this one knows {FORMAT}). "
            "Deploy with that version, or a newer one."
        )
    manager, holder = labels(item).get(MANAGED_BY), str(dig(item, "spec", "holderIdentity") or "")
    if manager not in (None, MANAGER) or (holder and not _HOLDER.fullmatch(holder)):
        raise LeaseError(
            f"{_named(item)} does not belong to Slipway: {f'it is managed by {manager}' if manager else f'{holder} holds it'}. "
            f"Deploy to another namespace, or remove it if nobody needs it: {_remove(item)}"
        )


def parse(item: Mapping[str, Any]) -> Lease:
    """Read a Lease. Raises LeaseError for one that is not Slipway's, of a newer Slipway, or damaged."""
    _check_usable(item)
    spec = fields(item, "spec")
    return Lease(
        version=meta(item, "resourceVersion"),
        uid=meta(item, "uid"),
        holder=str(spec.get("holderIdentity") or ""),
        acquired=_moment(spec.get("acquireTime")),
        renewed=_moment(spec.get("renewTime")),
        duration=number(spec, "leaseDurationSeconds"),
        transitions=number(spec, "leaseTransitions"),
        note=_json(item, _NOTE, dict),
        log=_json(item, _LOG, list),
        stale=_json(item, _STALE, list),
    )


def body(lease: Lease, namespace: str, name: str = NAME) -> dict[str, Any]:
    """Return the object of a Lease. Writing it fails when somebody else has changed it since it was read."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY: MANAGER},
        "annotations": {
            _FORMAT: str(FORMAT),
            _NOTE: json.dumps(dict(lease.note), sort_keys=True) if lease.note else None,
            _LOG: json.dumps(list(lease.log)) if lease.log else None,
            _STALE: json.dumps(list(lease.stale)) if lease.stale else None,
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


def taken(lease: Lease, holder: str, now: datetime, duration: int, note: Mapping[str, int], gone: bool = True) -> Lease:
    """Return a Lease as C(holder) holds it. C(gone) says that the run that held it before, if any, is known to have ended.

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
        stale=lease.stale if mine or gone or not lease.holder else [*lease.stale, lease.holder],
    )


def released(lease: Lease, outcome: str, now: datetime, releases: Collection[str] | None = None) -> Lease:
    """Return a Lease that nobody holds, with what an application's deploy has left in its note and its log.

    C(releases) are those of the application, as C(namespace/release); all if it is None. C(done) moves the note to the log, C(undone) drops
    the log's newest entry, C(failed) drops the note only, and C(unfinished) leaves both to the next run.
    """
    free = replace(lease, holder="", renewed=now, duration=1)
    if outcome == "unfinished":
        return free
    note, log = of(lease, releases).note, list(lease.log)
    if outcome == "done" and note:
        log.insert(0, {"at": text_of(now), "by": person(lease.holder), "before": dict(note)})
    own = [index for index, entry in enumerate(log) if _concerns(entry, releases)]
    gone = own[:1] if outcome == "undone" else own[LOG_LENGTH:]
    kept = [entry for index, entry in enumerate(log) if index not in gone]
    return replace(free, note=without(lease, releases).note, log=kept[:MOST_ENTRIES])


def of(lease: Lease, releases: Collection[str] | None) -> Lease:
    """Return a Lease with what its note and its log hold of an application."""
    return replace(
        lease,
        note={name: revision for name, revision in lease.note.items() if _is_one(name, releases)},
        log=[entry for entry in lease.log if _concerns(entry, releases)],
    )


def without(lease: Lease, releases: Collection[str] | None) -> Lease:
    """Return a Lease with what its note and its log hold of other applications."""
    return replace(
        lease,
        note={name: revision for name, revision in lease.note.items() if not _is_one(name, releases)},
        log=[entry for entry in lease.log if not _concerns(entry, releases)],
    )


def _is_one(name: str, releases: Collection[str] | None) -> bool:
    return releases is None or name in releases


def _concerns(entry: Mapping[str, Any], releases: Collection[str] | None) -> bool:
    return any(_is_one(name, releases) for name in entry.get("before") or {}) or releases is None


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
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """C(clock) is for people; what is waited for is measured by C(timer), in seconds."""
        self._api = api
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._list = _API.format(namespace)
        self.path = f"{self._list}/{name}"
        self._clock = clock
        self._sleep = sleep
        self._working = working
        self._timer = timer

    def look(self) -> Lease:
        """Return the Lease as it is, an empty one when there is none."""
        found = find(self._api, self.path)
        return Lease() if found is None else parse(found)

    def take(
        self,
        duration: int,
        wait: float,
        note: Mapping[str, int] | None = None,
        seen: str | None = None,
        dead: str = "",
        expired: str = "",
        write: bool = True,
    ) -> Acquisition:
        """Take or renew the Lease; without C(write) only tell what would come of it.

        The note is written unless the Lease is another than C(seen) or taken over, for then it may be wrong.
        Waits at most C(wait) seconds for another holder. One whose Lease still has the version C(expired), which has not been renewed
        for its duration, is taken over, and so is that of the holder C(dead), whose process is known to be gone, as soon as nothing that
        it has started is at work any more.
        """
        start = self._timer()
        first: Lease | None = None
        while True:
            found = self.look()
            first = first or found
            if self._may_take(found, dead, expired):
                known = found.holder == self._holder or (seen in (None, found.version) and not found.holder)
                noted = note or {} if known else {}
                wanted = taken(found, self._holder, self._clock(), duration, noted, found.holder == dead)
                try:
                    return Acquisition(first, found, self._write(wanted) if write else wanted, True)
                except ApiError as error:
                    if error.status != 409:
                        raise
                continue  # somebody else was faster, or this run has just renewed it
            if self._timer() - start >= wait:
                return Acquisition(first, found, found, False)
            self._sleep(0.5)

    def _may_take(self, found: Lease, dead: str, expired: str) -> bool:
        if found.holder in ("", self._holder):
            return True
        gone = found.holder == dead or (expired and found.version == expired)
        return bool(gone) and not list(self._working(found.holder))

    def renew(self) -> Lease:
        """Renew the Lease that this run holds. Raises LostError when it does not."""
        return self._change(lambda found: replace(found, renewed=self._clock()))

    def forget_stale(self) -> Lease:
        """Note that no run is left that may write, though it has lost the lease. Raises LostError."""
        return self._change(lambda found: replace(found, stale=()))

    def release(self, outcome: str, write: bool = True, releases: Collection[str] | None = None) -> bool:
        """Give the Lease back if this run holds it; returns whether it did. C(releases) are those of the application."""
        try:
            self._change(lambda found: released(found, outcome, self._clock(), releases), write)
        except LostError:
            return False
        return True

    def _change(self, change: Callable[[Lease], Lease], write: bool = True) -> Lease:
        """Write what becomes of the Lease while this run holds it. Raises LostError."""
        tries = 0
        while True:
            tries += 1
            found = self.look()
            if found.holder != self._holder:
                raise LostError(loss(found, self._namespace))
            try:
                return self._write(change(found)) if write else found
            except ApiError as error:
                # Another process of this run has renewed it, or another run has taken it over: the next look tells.
                if error.status not in (404, 409) or tries == _MOST_CONFLICTS:
                    raise

    def remove(self, write: bool = True, releases: Collection[str] | None = None) -> bool:
        """Remove what the Lease holds of an application, and the Lease if nothing else is left; returns whether there was anything.

        Raises ApiError with 409 if somebody has changed it meanwhile.
        """
        found = self.look()
        left = without(found, releases)
        if not found.version or not write:
            return bool(found.version)
        of_another = found.holder not in ("", self._holder)
        if releases is None or not (left.note or left.log or of_another):
            self._api.request("DELETE", self.path)
        else:
            self._write(left if of_another else replace(left, holder="", duration=1))
        return True

    def _write(self, lease: Lease) -> Lease:
        wanted = body(lease, self._namespace, self._name)
        if not lease.version:
            return parse(self._api.request("POST", self._list, body=wanted))
        return parse(self._api.request("PATCH", self.path, body=wanted, content_type=MERGE_PATCH))


def loss(found: Lease, namespace: str) -> str:
    """Return the sentences that say that a run has lost its lease to what is there now."""
    when = f" at {found.acquired:%H:%M:%S} UTC" if found.acquired else ""
    why = (
        f"{person(found.holder)} took it over{when}" if found.holder else "it was released or deleted by somebody else"
    )
    return lost_by(namespace, why)


def lost_by(namespace: str, why: str) -> str:
    """Return the sentences that say why a run does not hold its lease any more."""
    return (
        f"This run has lost the deploy lease of namespace {namespace}: {why}. What it had started was stopped, and it changes nothing more. "
        "Run it again: it continues from what is there, after any other run."
    )


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
    return text + (
        f"Wait for its end and run this again. If that run is gone, its lease runs out {found.duration} s after its last renewal, "
        f"unless you remove it: kubectl delete lease {name} --namespace {namespace}"
    )


class Observer:
    """Tells whether a Lease has not been renewed for its duration, by a clock of the observer: as client-go's leader election does."""

    def __init__(self, version: str = "", since: float = 0.0) -> None:
        """Go on from what was seen before: C(version) since C(since), in seconds of the observer's clock."""
        self.version = version
        self.since = since

    def see(self, version: str, duration: float, asked: float, answered: float) -> str:
        """Note what an answer shows; returns the version if it has expired, otherwise nothing.

        C(asked) and C(answered) are when the question was sent and the answer was there: the time without a renewal counts from the end of
        the first look to the beginning of the last.
        """
        if version != self.version:
            self.version, self.since = version, answered
        return version if self.left(duration, asked) <= 0 else ""

    def left(self, duration: float, now: float) -> float:
        """Return how many seconds it takes until what was seen has expired."""
        return self.since + duration - now
