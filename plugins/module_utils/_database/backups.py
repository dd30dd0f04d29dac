# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on disk: a dump in PostgreSQL's custom format and, beside it, a record of what it holds. Private to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import pathlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BufferedRandom
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common import files
from ansible_collections.slipway.kube.plugins.module_utils._database.dumps import Content, DumpError, Pod, difference
from ansible_collections.slipway.kube.plugins.module_utils._database.servers import Server

FORMAT = 1
_MAGIC = b"PGDMP"


@dataclass(frozen=True)
class Record:
    """What a backup holds."""

    namespace: str
    server: str
    created: str  # RFC 3339, UTC
    size: int  # bytes of the dump
    sha256: str
    content: Content

    @classmethod
    def read(cls, path: pathlib.Path) -> Record | None:
        """Return the record of a dump, None when it has none. Raises DumpError when it cannot be used."""
        place = record_path(path)
        try:
            found: dict[str, Any] = json.loads(place.read_bytes())
            if found.pop("format") <= FORMAT:
                return cls(**{**found, "content": Content(**found["content"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DumpError(
                f"{place} is not the record of a backup: {error}. Restore it, or delete it to restore the dump without a check of its rows."
            ) from None
        raise DumpError(f"{place} was written by a newer Slipway. Restore it with that version. Nothing was changed.")

    def write(self, path: pathlib.Path) -> None:
        """Write the record beside its dump. Raises OSError."""
        files.write_text(record_path(path), json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")


def record_path(path: pathlib.Path) -> pathlib.Path:
    """Return where the record of a dump is."""
    return path.with_name(f"{path.name}.json")


def write(directory: pathlib.Path, server: Server, pod: Pod, now: datetime) -> tuple[pathlib.Path, Record]:
    """Write a backup of a server to a directory and read it back. Raises DumpError, OSError; then there is no file of it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"{server.namespace}-{server.name}-{now:%Y%m%dT%H%M%SZ}.dump"
    with _unfinished(directory / f".{server.namespace}-{server.name}.part") as file:
        content = pod.dump(file)
        file.seek(0)
        if wrong := difference(content.tables, pod.read(file)):
            raise DumpError(
                f"The dump of {server.workload} is not what the database holds: {wrong}. No backup was kept; try again."
            )
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        record = Record(server.namespace, server.name, f"{now:%Y-%m-%dT%H:%M:%SZ}", file.tell(), sha256, content)
        part = pathlib.Path(file.name)
        files.sync(part)
        record.write(path)
        part.rename(path)
        files.sync_directory(directory)
    return path, record


@contextlib.contextmanager
def _unfinished(path: pathlib.Path) -> Iterator[BufferedRandom]:
    """A new file for one writer, which is gone at the end unless it was renamed; that of a writer that was killed is written anew."""
    with path.open("ab+") as file:
        path.chmod(0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DumpError(f"Another run writes {path}. Wait until it has ended.") from None
        file.truncate(0)
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def check(path: pathlib.Path, record: Record | None) -> None:
    """Raise DumpError unless the file is a dump, and the one that its record is about. Raises OSError."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DumpError(
                f"{path} is not a dump in PostgreSQL's custom format. Give a file that 'make backup' or 'pg_dump --format=custom' wrote."
            )
        file.seek(0)
        if record and hashlib.file_digest(file, "sha256").hexdigest() != record.sha256:
            raise DumpError(
                f"{path} has changed since it was written: its SHA-256 is not the one of {record_path(path)}. Nothing was changed."
            )
