# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build context as a tar stream, for the builders that take one. Private to the collection."""

from __future__ import annotations

import os
import pathlib
import secrets
import tarfile
import threading
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.trees import add, add_bytes
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import ContextError
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ImageError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import Context

CHUNK = 1 << 16  # bytes


def dockerfile_name(context: Context, dockerfile: pathlib.Path) -> str:
    """The Dockerfile's name in the context's stream: one of its own if it lies outside or is ignored."""
    if dockerfile.is_relative_to(context.root):
        inside = dockerfile.relative_to(context.root).as_posix()
        if any(entry.path == inside for entry in context.entries):
            return inside
    return f".dockerfile.{secrets.token_hex(8)}"


def write_context(context: Context, dockerfile: pathlib.Path, name: str, out: t.IO[bytes]) -> None:
    """Write a context as a tar stream. Raises ContextError.

    A Dockerfile under a name of its own comes with a .dockerignore that has the engine take both out of what COPY sees.
    """
    paths = {entry.path for entry in context.entries}
    added = name not in paths
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        if added:
            add_bytes(archive, name, dockerfile.read_bytes())
            seen = (context.root / ".dockerignore").read_bytes() if ".dockerignore" in paths else b".dockerignore"
            add_bytes(archive, ".dockerignore", seen + f"\n{name}\n".encode())
        for entry in context.entries:
            if entry.kind == "o" or (added and entry.path == ".dockerignore"):
                continue
            path = context.root / entry.path
            try:
                add(archive, path, entry.path)
            except FileNotFoundError:
                raise ContextError(f"{path} vanished while it was read; run this again") from None


class ContextStream:
    """A context as a file to read: a thread writes it meanwhile, so it is never whole in memory or on a disk."""

    def __init__(self, context: Context, dockerfile: pathlib.Path, name: str) -> None:
        reading, writing = os.pipe()
        self.file: t.IO[bytes] = os.fdopen(reading, "rb")
        self._failure: Exception | None = None
        out = os.fdopen(writing, "wb")
        self._thread = threading.Thread(target=self._write, args=(context, dockerfile, name, out), daemon=True)
        self._thread.start()

    def _write(self, context: Context, dockerfile: pathlib.Path, name: str, out: t.IO[bytes]) -> None:
        try:
            with out:
                write_context(context, dockerfile, name, out)
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
