# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether something in a cache is there and whole. Private to the collection.

Everything that Slipway keeps and could make again has a receipt beside it: programs, images' files, the preload, members of a bundle,
downloads, the compiler, and what the tests compile. The receipt is written last, when the content is on the disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import stat
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import files
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import walk

FORMAT = 1
ABSENT = "it is not there"
UNCONFIRMED = "it has no receipt"
SHOWN_MOST = 40  # characters of an input that a message shows


class ReceiptError(Exception):
    """A receipt that this version must neither believe nor replace; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a cached file or directory is, and what it was made of.

    ``size`` is in bytes, ``sha256`` in hex; of a directory they are those of all its files together. ``inputs`` is plain JSON: whatever
    must be equal for the content to be the wanted one. ``compiler`` is the version that compiled it, for example ``go1.26.6``, or empty.
    """

    size: int
    sha256: str
    inputs: t.Mapping[str, t.Any]
    compiler: str = ""


def receipt_file(path: pathlib.Path) -> pathlib.Path:
    """Where the receipt of a file or directory lies."""
    return path.with_name(path.name + ".receipt.json")


def read(path: pathlib.Path) -> Receipt | None:
    """The receipt of a file or directory; None without one or when it is damaged. Raises ReceiptError for a newer version's."""
    file = receipt_file(path)
    try:
        content = json.loads(file.read_bytes())
        found = content["format"]
        if isinstance(found, int) and found > FORMAT:
            raise ReceiptError(
                f"{file} was written by a newer version of Slipway (format {found}; this version reads format {FORMAT}). "
                "Use that version, or another cache (toolchain_cache_dir, XDG_CACHE_HOME). Nothing was changed."
            )
        receipt = Receipt(content["size"], content["sha256"], content["inputs"], content["compiler"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return receipt if found == FORMAT and isinstance(receipt.inputs, dict) else None


def write(path: pathlib.Path, receipt: Receipt) -> None:
    """Write the receipt of a file or directory that is on the disk already. Raises OSError."""
    content = {"format": FORMAT, **dataclasses.asdict(receipt)}
    files.write_text(receipt_file(path), json.dumps(content, indent=1, sort_keys=True) + "\n")


def of(path: pathlib.Path, inputs: t.Mapping[str, t.Any], compiler: str = "") -> Receipt:
    """The receipt that a file or directory must have; reads all of its content. Raises OSError."""
    return Receipt(_size(path), _sum(path), json.loads(json.dumps(inputs)), compiler)


def keep(made: pathlib.Path, path: pathlib.Path, receipt: Receipt) -> None:
    """Move a new file or directory of the same file system to its place, and write its receipt. Raises OSError.

    Whenever it is interrupted, no receipt lies beside content that it does not describe.
    """
    files.sync(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    receipt_file(path).unlink(missing_ok=True)
    files.sync_directory(path.parent)
    if path.is_dir() and not path.is_symlink():
        path.rename(made.with_name(made.name + ".old"))
    os.replace(made, path)
    files.sync_directory(path.parent)
    files.sync_directory(path.parent.parent)
    write(path, receipt)


def fault(path: pathlib.Path, inputs: t.Mapping[str, t.Any] | None = None, deep: bool = False) -> str:
    """Why a file or directory is not the cached thing that is wanted; empty when it is.

    Looks at its receipt and its size, and with ``deep`` reads all of it for its sum. Without ``inputs`` those of the receipt are not
    compared. Raises ReceiptError.
    """
    try:
        size = _size(path)
    except OSError:
        return ABSENT
    receipt = read(path)
    if receipt is None:
        return UNCONFIRMED
    if size != receipt.size:
        return f"it has {size} bytes instead of {receipt.size}"
    if inputs is not None and receipt.inputs != inputs:
        return difference(receipt.inputs, inputs)
    try:
        if deep and _sum(path) != receipt.sha256:
            return "its content has changed since it was made"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return ""


def lacking(name: str, reason: str) -> str:
    """What is missing by its name, with the reason if it is there but not usable."""
    return name if reason == ABSENT else f"{name} ({reason})"


def difference(found: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> str:
    """In what the inputs of something differ from the wanted ones, as part of a sentence; they must differ."""
    name = next(name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name))
    shown = [str(side.get(name, "none")) for side in (found, wanted)]
    if max(len(text) for text in shown) > SHOWN_MOST:
        return f"it was made with other {name}"
    return f"it was made with {name} {shown[0]} instead of {shown[1]}"


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


def _size(path: pathlib.Path) -> int:
    found = path.stat()
    if not path.is_dir():
        return found.st_size
    return sum((path / entry.path).stat().st_size for entry in walk(path) if entry.kind == "f")


def _sum(path: pathlib.Path) -> str:
    if not path.is_dir():
        return sha256_of(path)
    total = hashlib.sha256()
    for entry in walk(path):
        content = sha256_of(path / entry.path) if entry.kind == "f" else entry.target
        total.update(json.dumps([entry.path, entry.kind, bool(entry.mode & stat.S_IXUSR), content]).encode() + b"\n")
    return total.hexdigest()
