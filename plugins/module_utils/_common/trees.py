# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source trees: what is in a directory, as digests and builders read it. Private to the collection."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One member of a tree, by its path from the root. C(kind) is f (file), d (directory), l (symbolic link) or o (other)."""

    path: str
    kind: str
    executable: bool = False
    target: str = ""


def children(directory: Path) -> list[os.DirEntry[str]]:
    """What lies in one directory, in the order of the names. Raises OSError."""
    with os.scandir(directory) as found:
        return sorted(found, key=lambda child: child.name)


def entry_of(child: os.DirEntry[str], path: str) -> Entry:
    """The entry of what lies in a directory, by its path from the root; links are not followed. Raises OSError."""
    if child.is_symlink():
        return Entry(path, "l", target=str(Path(child.path).readlink()))
    if child.is_dir():
        return Entry(path, "d")
    if child.is_file():
        # Only this bit: the others depend on the umask of whoever checked the source out.
        return Entry(path, "f", executable=bool(child.stat().st_mode & stat.S_IXUSR))
    return Entry(path, "o")


def walk(root: Path, directory: str = "") -> Iterator[Entry]:
    """Everything in a tree, each directory before what is in it. Raises OSError."""
    for child in children(root / directory):
        entry = entry_of(child, f"{directory}/{child.name}" if directory else child.name)
        yield entry
        if entry.kind == "d":
            yield from walk(root, entry.path)


def add(archive: tarfile.TarFile, path: Path, name: str, mode: int | None = None) -> None:
    """Add a file, directory or link to a tar file as nobody's, with its own mode unless one is named. Raises OSError."""
    member = archive.gettarinfo(path, arcname=name)
    # Owners are those of whoever checked the source out; Docker sends root's too.
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = member.mode if mode is None else mode
    if member.isreg():
        with path.open("rb") as file:
            archive.addfile(member, file)
    else:
        archive.addfile(member)


def add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file that is on no disk to a tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
