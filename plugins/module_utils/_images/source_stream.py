# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What builders read: a component's snapshot, as a directory or as a tar stream. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import secrets
import tarfile
import tempfile
import threading
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import (
    Member,
    Snapshot,
    SnapshotError,
    copy,
    discard,
    examine,
    read,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry, add, add_bytes
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import ContextError
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ComponentImage, ImageError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    CONTEXT,
    DOCKERFILE,
    build_digest,
    members_of,
    read_context,
)

CHUNK = 1 << 16  # bytes
_NAMED = 5  # files that a sentence names


@dataclass(frozen=True)
class BuildSource:
    """A snapshot as a builder reads it: the context's directory and entries, and the Dockerfile, which lies outside of it.

    C(name) is what the Dockerfile is called in the context's stream: one of its own if it is not part of the context.
    """

    root: Path
    entries: tuple[Entry, ...]
    dockerfile: Path
    name: str


def _build_source(component: ComponentImage, snapshot: Snapshot, path: Path) -> BuildSource:
    inside = f"{CONTEXT}/"
    entries = tuple(
        replace(entry, path=entry.path.removeprefix(inside))
        for entry in snapshot.entries
        if entry.path.startswith(inside)
    )
    name = os.path.relpath(component.dockerfile, component.source)
    if not any(entry.path == name for entry in entries):
        name = f".dockerfile.{secrets.token_hex(8)}"
    return BuildSource(path / CONTEXT, entries, path / DOCKERFILE, name)


@contextlib.contextmanager
def source_of(component: ComponentImage) -> t.Iterator[BuildSource]:
    """What a component is built from, which has the digest that its tag says. Raises ImageError.

    That is the snapshot of the plan, as long as it is there and whole; otherwise one that is made now, if the sources are still the same.
    """
    path = component.snapshot
    snapshot = examine(path) if path else None
    if path and snapshot and snapshot.digest != path.name:
        # Not all of it reached the disk, or somebody has changed it: the next plan makes it anew.
        discard(path)
        snapshot = None
    with contextlib.ExitStack() as stack:
        if path is None or snapshot is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-"))) / "tree"
            snapshot = _snapshot_now(component, path)
        if component.build_digest not in ("", build_digest(snapshot, component.arguments)):
            raise ImageError(
                f"The sources or the build arguments of {component.name} are not those that the tag of {component.image} was computed from: "
                "they have changed since the plan was made. Nothing was built from them; run this again."
            )
        yield _build_source(component, snapshot, path)


def _members(component: ComponentImage) -> list[Member]:
    dockerfile = os.path.relpath(component.dockerfile, component.source)
    return members_of(read_context(component.source, dockerfile), component.dockerfile)


def _snapshot_now(component: ComponentImage, path: Path) -> Snapshot:
    try:
        return copy(_members(component), path, {})
    except (ContextError, SnapshotError) as error:
        raise ImageError(f"The build context of {component.name} cannot be read: {error}.") from None


def changed_since(component: ComponentImage) -> str:
    """What a person should be told when the sources are not those any more that an image was built from; empty when they are."""
    if component.snapshot is None:
        return ""
    try:
        now = read(_members(component))
    except (ContextError, SnapshotError):
        now = None
    # A snapshot has its digest for a name, so that it is read only to name what differs.
    if now and now.digest == component.snapshot.name:
        return ""
    snapshot = examine(component.snapshot)
    if snapshot is None:
        return ""
    if now is None:
        return (
            f"{component.name}: its sources have changed since the plan was made; the change belongs to the next run."
        )
    # The Dockerfile lies beside the context too.
    paths = list(dict.fromkeys(path.removeprefix(f"{CONTEXT}/") for path in now.differences(snapshot)))
    if not paths:
        return ""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return (
        f"{component.name}: {', '.join(paths[:_NAMED])}{more} changed after the plan was made. "
        "The image holds the sources as they were then; the change belongs to the next run."
    )


def write_context(source: BuildSource, out: t.IO[bytes]) -> None:
    """Write a context as a tar stream. Raises ContextError.

    A Dockerfile under a name of its own comes with a .dockerignore that has the engine take both out of what COPY sees.
    """
    paths = {entry.path for entry in source.entries}
    added = source.name not in paths
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        if added:
            add_bytes(archive, source.name, source.dockerfile.read_bytes())
            seen = (source.root / ".dockerignore").read_bytes() if ".dockerignore" in paths else b".dockerignore"
            add_bytes(archive, ".dockerignore", seen + f"\n{source.name}\n".encode())
        for entry in source.entries:
            if added and entry.path == ".dockerignore":
                continue
            path = source.root / entry.path
            try:
                add(archive, path, entry.path)
            except FileNotFoundError:
                raise ContextError(f"{path} vanished while it was read; run this again") from None


class ContextStream:
    """A context as a file to read: a thread writes it meanwhile, so it is never whole in memory or on a disk."""

    def __init__(self, source: BuildSource) -> None:
        reading, writing = os.pipe()
        self.file: t.IO[bytes] = os.fdopen(reading, "rb")
        self._failure: Exception | None = None
        out = os.fdopen(writing, "wb")
        self._thread = threading.Thread(target=self._write, args=(source, out), daemon=True)
        self._thread.start()

    def _write(self, source: BuildSource, out: t.IO[bytes]) -> None:
        try:
            with out:
                write_context(source, out)
        except BrokenPipeError:
            pass  # the reader has had enough, and knows why
        except (OSError, ContextError) as error:
            self._failure = error

    def chunks(self) -> t.Iterator[bytes]:
        """The stream piece by piece."""
        return iter(lambda: self.file.read(CHUNK), b"")

    def close(self) -> None:
        """End the writing. Raises ImageError if the context could not be read."""
        self.file.close()
        self._thread.join()
        if self._failure is not None:
            raise ImageError(f"The build context cannot be read: {self._failure}.")
