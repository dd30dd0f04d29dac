# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source trees: what is in a directory, as digests and builders read it. Private to the collection."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Part of every digest: a change of the recipe must change every digest.
_RECIPE = b"slipway tree 1\n"
# These bits depend on the umask of whoever checked the source out, 002 or 022.
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Entry:
    """One member of a tree, by its path from the root. C(kind) is f (file), d (directory) or l (symbolic link).

    C(mode) holds the permissions of a file or directory, without those of the group and of others to write.
    """

    path: str
    kind: str
    mode: int = 0
    target: str = ""


def children(directory: Path) -> list[os.DirEntry[str]]:
    """What lies in one directory, in the order of the names. Raises OSError."""
    with os.scandir(directory) as found:
        return sorted(found, key=lambda child: child.name)


def entry_of(child: os.DirEntry[str], path: str) -> Entry | None:
    """The entry of what lies in a directory, by its path from the root; links are not followed. Raises OSError.

    Sockets, named pipes and devices have none: builders disagree on them, and no checkout has them.
    """
    if child.is_symlink():
        return Entry(path, "l", target=str(Path(child.path).readlink()))
    for kind, found in (("d", child.is_dir), ("f", child.is_file)):
        if found(follow_symlinks=False):
            return Entry(path, kind, stat.S_IMODE(child.stat(follow_symlinks=False).st_mode) & ~_WRITABLE)
    return None


def walk(root: Path, directory: str = "") -> Iterator[Entry]:
    """Everything in a tree, each directory before what is in it. Raises OSError."""
    for child in children(root / directory):
        entry = entry_of(child, f"{directory}/{child.name}" if directory else child.name)
        if entry is None:
            continue
        yield entry
        if entry.kind == "d":
            yield from walk(root, entry.path)


def digest_of(entries: Iterable[Entry], sums: Mapping[str, str]) -> str:
    """SHA-256 in hex over names, kinds, modes, targets of links and contents; C(sums) are those of the files, by path.

    Neither the order of the entries counts nor owners and times.
    """
    digest = hashlib.sha256(_RECIPE)
    for entry in sorted(entries, key=lambda one: one.path):
        content = sums[entry.path] if entry.kind == "f" else entry.target
        record = b"\0".join([entry.kind.encode(), b"%o" % entry.mode, os.fsencode(entry.path), os.fsencode(content)])
        digest.update(len(record).to_bytes(8, "big") + record)
    return digest.hexdigest()


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
