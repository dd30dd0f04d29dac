# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of sources: copies that nobody edits, so that what is built is what the digest covers. Private to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry, digest_of, walk

# Seconds for which an earlier snapshot of the same source stays, because another run may still read it.
SUPERSEDED = 3600.0
# Seconds after which the snapshot of a source that no plan has named is removed.
ABANDONED = 30 * 86400.0
# A file that changed this recently may change again with the same time stamp, which FAT counts in steps of two seconds.
_UNSETTLED = 2 * 10**9  # nanoseconds
_FICLONE = 0x40049409  # ioctl_ficlone(2): share the blocks of another file until one of the two is written to
_CHUNK = 1 << 20  # bytes
_MEMORY = "seen.json"
_MAKING = ".making-"  # names of directories that a run which was killed leaves behind, for the next sweep


class SnapshotError(Exception):
    """Sources cannot be read or copied. The text says which and what to do."""


@dataclass(frozen=True)
class Member:
    """What becomes one entry of a snapshot: its entry, where it lies and, of a file, its status there."""

    entry: Entry
    origin: Path
    status: os.stat_result | None = None


@dataclass(frozen=True)
class Snapshot:
    """A tree as it was read: its entries, the SHA-256 of its files by path, and the directory that holds the copy, if one was made."""

    entries: tuple[Entry, ...]
    sums: Mapping[str, str]
    path: Path | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the whole tree, in hex."""
        return digest_of(self.entries, self.sums)

    def differences(self, other: Snapshot) -> list[str]:
        """Paths that only one of two snapshots has or that differ, in order."""
        mine, theirs = ({(entry, one.sums.get(entry.path)) for entry in one.entries} for one in (self, other))
        return sorted({entry.path for entry, _sum in mine ^ theirs})


@contextlib.contextmanager
def _opened(member: Member) -> Iterator[io.FileIO]:
    """A member's file, open for reading. Raises SnapshotError."""
    try:
        # What has become a named pipe meanwhile must not hold the run up.
        file = io.FileIO(os.open(member.origin, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        raise SnapshotError(f"{member.origin} vanished while it was read; run this again") from None
    except OSError as error:
        raise SnapshotError(f"{member.origin} cannot be read ({error.strerror}); correct its permissions") from None
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise SnapshotError(f"{member.origin} is not a file any more; run this again")
        yield file


def _clone(source: io.FileIO, target: io.FileIO) -> bool:
    """Share a file's blocks with a copy, where the file system can."""
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        return False
    return True


def _copy_file(member: Member, target: Path) -> str:
    """Copy a file; the SHA-256 of the copy, in hex. Raises SnapshotError and OSError."""
    with _opened(member) as source, target.open("x+b", buffering=0) as copy:
        modified = os.fstat(source.fileno()).st_mtime_ns
        if _clone(source, copy):
            total = hashlib.file_digest(copy, "sha256").hexdigest()
        else:
            digest = hashlib.sha256()
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
            total = digest.hexdigest()
        os.fchmod(copy.fileno(), member.entry.mode)
        # BuildKit takes a file of the same path, size and time as one that it has: the part of the time below a second tells contents apart.
        told = modified - modified % 10**9 + int(total[:8], 16) % 10**9
        os.utime(copy.fileno(), ns=(told, told))
    return total


def read(members: Sequence[Member]) -> Snapshot:
    """Read sources without a copy. Raises SnapshotError."""
    sums: dict[str, str] = {}
    for member in members:
        if member.entry.kind == "f":
            with _opened(member) as file:
                sums[member.entry.path] = hashlib.file_digest(file, "sha256").hexdigest()
    return Snapshot(tuple(member.entry for member in members), sums)


def copy(members: Sequence[Member], target: Path, known: Mapping[str, str], earlier: Path | None = None) -> Snapshot:
    """Copy sources to a new directory. Raises SnapshotError and OSError.

    Files whose sum is C(known) by their path are taken from the C(earlier) snapshot as far as it has them; its files are never edited, so
    that one file can be in both.
    """
    sums: dict[str, str] = {}
    target.mkdir(mode=0o700)
    for member in members:
        entry, place = member.entry, target / member.entry.path
        if entry.kind == "d":
            place.mkdir(mode=0o700)
        elif entry.kind == "l":
            place.symlink_to(entry.target)
        elif entry.path in known and earlier is not None and _linked(earlier / entry.path, place):
            sums[entry.path] = known[entry.path]
        else:
            sums[entry.path] = _copy_file(member, place)
    # Afterwards, because a directory may be one that its owner cannot write to.
    for member in reversed(members):
        if member.entry.kind == "d":
            (target / member.entry.path).chmod(member.entry.mode)
    return Snapshot(tuple(member.entry for member in members), sums, target)


def _linked(earlier: Path, place: Path) -> bool:
    try:
        os.link(earlier, place, follow_symlinks=False)
    except OSError:
        return False
    return True


def examine(path: Path) -> Snapshot | None:
    """A snapshot as it lies on the disk, every file read again; None when it is not there or cannot be read."""
    try:
        entries = tuple(walk(path))
        return Snapshot(entries, {one.path: sha256_of(path / one.path) for one in entries if one.kind == "f"}, path)
    except OSError:
        return None


def _fingerprint(status: os.stat_result) -> list[int]:
    """What changes when a file does."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev, status.st_mode]


@dataclass
class _Memory:
    """What the last snapshot of a source was: its digest, and sum and fingerprint of each file that had settled."""

    digest: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> _Memory:
        try:
            found = json.loads(path.read_text(encoding="ascii"))
            return cls(str(found["digest"]), dict(found["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    @classmethod
    def of(cls, snapshot: Snapshot, members: Sequence[Member], settled: int) -> _Memory:
        """What to remember: of the files those that nobody has changed since C(settled), in nanoseconds since 1970."""
        files = {
            member.entry.path: [snapshot.sums[member.entry.path], *_fingerprint(status)]
            for member in members
            if member.entry.kind == "f"
            and (status := member.status)
            and max(status.st_mtime_ns, status.st_ctime_ns) < settled
        }
        return cls(snapshot.digest, files)

    def save(self, path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=_MAKING) as directory:
            # Several runs may do this at once; what a loss of power leaves of it is no memory.
            scratch = Path(directory) / path.name
            scratch.write_text(json.dumps({"digest": self.digest, "files": self.files}), encoding="ascii")
            scratch.replace(path)

    def sum_of(self, member: Member) -> str | None:
        """The sum of a file that has not changed since."""
        known = self.files.get(member.entry.path)
        if member.status is None or not known or known[1:] != _fingerprint(member.status):
            return None
        return str(known[0])


class SnapshotStore:
    """The snapshots of the sources of plans, below C(root); without it sources are read and no copy is made."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def take(self, name: str, members: Sequence[Member]) -> Snapshot:
        """Return a snapshot of sources as they are now. Raises SnapshotError.

        C(name) tells one source from all others. What has not changed since its last snapshot is neither read nor copied.
        """
        if self._root is None:
            return read(members)
        place = self._root / hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._take(place, members)
        except OSError as error:
            raise SnapshotError(
                f"no snapshot can be written to {self._root} ({error.strerror}); check the permissions and the space there"
            ) from None

    def _take(self, place: Path, members: Sequence[Member]) -> Snapshot:
        memory = _Memory.load(place / _MEMORY)
        started = time.time_ns()
        known = {member.entry.path: found for member in members if (found := memory.sum_of(member))}
        entries = tuple(member.entry for member in members)
        complete = all(entry.path in known for entry in entries if entry.kind == "f")
        snapshot = Snapshot(entries, known) if complete else None
        if snapshot is None or not (place / snapshot.digest).is_dir():
            snapshot = self._copied(place, members, known, memory)
        kept = place / snapshot.digest
        now = _Memory.of(snapshot, members, started - _UNSETTLED)
        if now != memory:
            now.save(place / _MEMORY)
        for one in (kept, place):
            os.utime(one)  # in use
        return Snapshot(snapshot.entries, snapshot.sums, kept)

    def _copied(self, place: Path, members: Sequence[Member], known: Mapping[str, str], memory: _Memory) -> Snapshot:
        """Make a snapshot below a directory, under its digest, and remove those that nobody needs any more."""
        with tempfile.TemporaryDirectory(dir=place, prefix=_MAKING) as scratch:
            snapshot = copy(members, Path(scratch) / "tree", known, place / memory.digest if memory.digest else None)
            kept = place / snapshot.digest
            try:
                (Path(scratch) / "tree").rename(kept)
            except OSError:
                if not kept.is_dir():  # it was there, or another run has made it
                    raise
        self._sweep(place, kept)
        return snapshot

    def _sweep(self, place: Path, kept: Path) -> None:
        now = time.time()
        old = [one for one in place.iterdir() if one != kept and one.name != _MEMORY and _age(one, now) > SUPERSEDED]
        old += [one for one in place.parent.iterdir() if one != place and _age(one, now) > ABANDONED]
        for one in old:
            discard(one)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0  # another run has removed it


def discard(snapshot: Path) -> None:
    """Remove a snapshot, whatever the modes of its directories."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=snapshot.parent, prefix=_MAKING) as directory:
        snapshot.rename(Path(directory) / snapshot.name)
