# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear in one step: a reader never finds half of one. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def in_one_step(path: pathlib.Path, scratch_in: pathlib.Path | None = None) -> Iterator[pathlib.Path]:
    """A path to write a file or directory to; it is moved to ``path`` when the block ends well, and removed otherwise.

    It lies in a directory of its own in ``scratch_in``, which is the directory of ``path`` unless another one of the same file system is
    named. Raises OSError.
    """
    place = scratch_in or path.parent
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".making-") as directory:
        scratch = pathlib.Path(directory) / path.name
        yield scratch
        path.parent.mkdir(exist_ok=True)
        os.replace(scratch, path)


def _beside(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".new")


def write_text(path: pathlib.Path, text: str) -> None:
    """Write a small file in UTF-8; one writer at a time. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).write_bytes(text.encode())
    _beside(path).replace(path)


def copy(source: pathlib.Path, path: pathlib.Path, mode: int) -> None:
    """Copy a file's content and give it a mode; one writer at a time. Raises OSError."""
    shutil.copyfile(source, _beside(path))
    _beside(path).chmod(mode)
    _beside(path).replace(path)


def link_or_copy(source: pathlib.Path, path: pathlib.Path) -> None:
    """Make a hard link where that can be, otherwise a copy with the source's time; one writer at a time. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).unlink(missing_ok=True)
    try:
        os.link(source, _beside(path))
    except OSError:
        shutil.copy2(source, _beside(path))
    _beside(path).replace(path)
