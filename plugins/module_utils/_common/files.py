# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear in one step and survive a loss of power: a reader never finds half of one. Private to the collection."""

from __future__ import annotations

import os
import pathlib
import shutil


def sync(path: pathlib.Path) -> None:
    """Wait until the content of a file or directory is on the disk. Raises OSError."""
    if path.is_dir():
        # One call for thousands of files, each of which would wait for the disk by itself.
        os.sync()
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_directory(path: pathlib.Path) -> None:
    """Wait until the names in one directory are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".new")


def _replace(path: pathlib.Path) -> None:
    sync(_beside(path))
    _beside(path).replace(path)
    sync_directory(path.parent)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write a small file in UTF-8; one writer at a time. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).write_bytes(text.encode())
    _replace(path)


def copy(source: pathlib.Path, path: pathlib.Path, mode: int) -> None:
    """Copy a file's content and give it a mode; one writer at a time. Raises OSError."""
    shutil.copyfile(source, _beside(path))
    _beside(path).chmod(mode)
    _replace(path)


def link_or_copy(source: pathlib.Path, path: pathlib.Path) -> None:
    """Make a hard link where that can be, otherwise a copy with the source's time; one writer at a time. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).unlink(missing_ok=True)
    try:
        os.link(source, _beside(path))
    except OSError:
        shutil.copy2(source, _beside(path))
    _replace(path)


def unwritable(error: OSError, place: pathlib.Path | str) -> str:
    """The sentence for a disk that is full or may not be written; ``place`` is named where the error names no file."""
    return (
        f"{error.filename or place} cannot be used: {error.strerror or error}. Free some space there, correct its permissions, "
        "or set toolchain_cache_dir to a directory on another disk."
    )
