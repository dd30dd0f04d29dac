# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether something in a cache is there and whole. Private to the collection.

Everything that Slipway keeps and could make again is asked for here: programs, images' files, the preload, members of a bundle, downloads
and what the tests compile. What is known of a thing differs, and so does what can be compared; that is its receipt.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a cached file must be: its size in bytes and its SHA-256 in hex. What is None is not compared.

    A file or directory whose name holds a digest of all that it is made of, and that is moved into place whole, needs neither.
    """

    size: int | None = None
    sha256: str | None = None


def is_cached(path: pathlib.Path, receipt: Receipt | None = None) -> bool:
    """Whether there is a file or directory that agrees with its receipt. What cannot be read is not cached."""
    try:
        found = path.stat()
        if receipt is None:
            return True
        if receipt.size is not None and found.st_size != receipt.size:
            return False
        return receipt.sha256 is None or sha256_of(path) == receipt.sha256
    except OSError:
        return False


def is_link_to(link: pathlib.Path, path: pathlib.Path) -> bool:
    """Whether a link leads to a cached file."""
    try:
        return link.samefile(path)
    except OSError:
        return False


def is_copy(path: pathlib.Path, source: pathlib.Path) -> bool:
    """Whether a file is the same as another: a link to it, or a copy that kept its size and time. Raises OSError without the source."""
    expected = source.stat()
    try:
        found = path.stat()
    except OSError:
        return False
    if (found.st_dev, found.st_ino) == (expected.st_dev, expected.st_ino):
        return True
    return (found.st_size, int(found.st_mtime)) == (expected.st_size, int(expected.st_mtime))


def sha256_of(path: pathlib.Path) -> str:
    """SHA-256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".sha256")


def read_receipt(path: pathlib.Path) -> Receipt | None:
    """The receipt that lies beside a file, as write_receipt left it; None without one."""
    try:
        return Receipt(sha256=_beside(path).read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        return None


def write_receipt(path: pathlib.Path, sha256: str) -> None:
    """Note beside a file which sum confirmed it. Raises OSError."""
    _beside(path).write_text(sha256 + "\n", encoding="ascii")
