# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries artifacts from a machine that can make them to one that cannot, as one tar file. Private to the collection.

The file begins with ``manifest.json``: what made the artifacts, and name, size and SHA-256 of every file that follows, in that order.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pathlib
import shutil
import tarfile
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.files import sync_directory
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.bundle_manifest import (
    MANIFEST,
    Bundle,
    BundleError,
    Member,
    listed,
    parse,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import scratch

MANIFEST_MOST = 1 << 20  # bytes; a real one has a few thousand
CHUNK = 1 << 20


# -- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _readable(path: pathlib.Path) -> t.Iterator[None]:
    """Turns every way in which the archive can fail to be read into a BundleError."""
    try:
        yield
    except FileNotFoundError:
        raise BundleError(
            f"There is no bundle at {path}: set toolchain_bundle to the path on this machine of a file that 'make bundle' created."
        ) from None
    except tarfile.TarError as error:
        raise BundleError(
            f"The bundle {path} is damaged or truncated ({error}). Copy it again, and compare its SHA-256 with the one that was printed when it was created."
        ) from None
    except OSError as error:
        raise BundleError(
            f"The bundle {path} cannot be read: {error.strerror or error}. Check its permissions and the disk that it is on."
        ) from None


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> t.Iterator[tarfile.TarFile]:
    with _readable(path), tarfile.open(path, "r:") as archive:
        yield archive


def read(path: pathlib.Path) -> Bundle:
    """What the bundle says of itself; only its first bytes are read. Raises BundleError."""
    with _opened(path) as archive:
        first = archive.next()
        content = archive.extractfile(first) if first is not None and first.isfile() else None
        if content is None or first is None or first.name != MANIFEST or first.size > MANIFEST_MOST:
            raise BundleError(
                f"{path} is a tar file but not a bundle: it does not start with {MANIFEST}. Use a file that 'make bundle' created."
            )
        bundle = parse(content.read(), path)
    size = path.stat().st_size
    if size < bundle.least_size():
        raise BundleError(
            f"The bundle {path} is truncated: it has {size} bytes of at least {bundle.least_size()}. Copy it again; is its disk full?"
        )
    return bundle


def unpack(
    path: pathlib.Path,
    distribution: Distribution,
    bundle: Bundle,
    wanted: t.Sequence[Member],
    cache: pathlib.Path,
    say: t.Callable[[str], None],
) -> None:
    """Bring the wanted members into the cache, with receipts. Raises BundleError and OSError, and then the cache is what it was.

    All of them are written beside the cache's own files, their sums compared, and only then moved into place. Must be
    called with the cache's lock held.
    """
    needed = sum(member.size for member in wanted)
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise BundleError(
            f"{free >> 20} MiB are free in {cache}, and the contents of the bundle need {needed >> 20}: free some space, or set toolchain_cache_dir."
        )
    with scratch(cache) as directory:
        for member, content in _contents(path, bundle):
            if member not in wanted:
                continue
            say(f"unpack {member.key} ({member.size >> 20} MiB)")
            target = directory / member.name
            target.parent.mkdir(parents=True)
            with target.open("wb") as out:
                _compare(path, member, content, out)
            target.chmod(member.mode)
        for member in wanted:
            inputs = distribution.artifacts[member.key].inputs
            receipt = receipts.Receipt(member.size, member.sha256, inputs, member.compiler)
            receipts.keep(directory / member.name, cache / member.name, receipt)


def verify(path: pathlib.Path, bundle: Bundle) -> None:
    """Compare every sum of a bundle with its contents. Raises BundleError."""
    for member, content in _contents(path, bundle):
        _compare(path, member, content, None)


def _contents(path: pathlib.Path, bundle: Bundle) -> t.Iterator[tuple[Member, t.IO[bytes]]]:
    """The members in their order, each with its content; the archive must hold these and nothing else."""
    with _opened(path) as archive:
        archive.next()  # the manifest
        for member in bundle.members:
            entry = archive.next()
            if entry is None:
                raise BundleError(f"The bundle {path} is cut off before {member.name}. Carry it here again.")
            content = archive.extractfile(entry) if entry.isreg() else None
            if entry.name != member.name or content is None:
                raise BundleError(
                    f"The bundle {path} has {entry.name!r} where its {MANIFEST} lists the file {member.name!r}: it was modified. Copy it again."
                )
            yield member, content
        surplus = archive.next()
        if surplus is not None:
            raise BundleError(
                f"The bundle {path} holds {surplus.name!r}, which its {MANIFEST} does not name: it was modified. Copy it again."
            )


def _compare(path: pathlib.Path, member: Member, content: t.IO[bytes], out: t.IO[bytes] | None) -> None:
    sum_of = hashlib.sha256()
    size = 0
    while True:
        with _readable(path):
            chunk = content.read(CHUNK)
        if not chunk:
            break
        sum_of.update(chunk)
        size += len(chunk)
        if out is not None:
            out.write(chunk)
    if (size, sum_of.hexdigest()) != (member.size, member.sha256):
        raise BundleError(
            f"{member.name} in the bundle {path} is not the file that was packed: it has {size} bytes and the SHA-256 {sum_of.hexdigest()}, "
            f"and the {MANIFEST} says {member.size} and {member.sha256}. Copy the bundle again; nothing from it was used."
        )


# -- writing ----------------------------------------------------------------------------------------------------------


class _Summed:
    """A file that is only written to, and the SHA-256 of what was."""

    def __init__(self, file: t.IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write, and remember for the sum."""
        self._sum.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        """How much was written."""
        return self._file.tell()

    def hexdigest(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._sum.hexdigest()


def describe(
    distribution: Distribution, inputs: t.Mapping[str, str], cache: pathlib.Path, deep: bool = False
) -> Bundle:
    """The bundle of what the cache holds, by its receipts. Raises BundleError and ReceiptError."""
    absent = distribution.faults(cache, deep)
    if absent:
        raise BundleError(
            f"The cache {cache} lacks {listed(absent)}, which a bundle must hold: "
            "build it first with 'make bundle', or with toolchain_source=packages."
        )
    members = []
    for artifact in distribution.portable():
        receipt = receipts.read(artifact.path(cache))
        if receipt is not None:
            members.append(
                Member(artifact.key, artifact.digest, artifact.place, receipt.size, receipt.sha256, receipt.compiler)
            )
    return Bundle(distribution.kubernetes_version, dict(inputs), tuple(members))


def write(path: pathlib.Path, bundle: Bundle, cache: pathlib.Path, say: t.Callable[[str], None]) -> str:
    """Write the bundle and return the file's SHA-256, in hex. Raises BundleError.

    Equal contents give equal files, whoever packs them and when. Not compressed: the images and the preload, which are
    most of it, would give little for minutes of work.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < bundle.least_size():
            raise BundleError(
                f"{free >> 20} MiB are free in {path.parent}, and the bundle needs {bundle.least_size() >> 20}: free some space, or write it elsewhere."
            )
        with new.open("wb") as file:
            out = _Summed(file)
            with tarfile.open(fileobj=t.cast("t.IO[bytes]", out), mode="w:", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, MANIFEST, 0o644, len(bundle.document()), io.BytesIO(bundle.document()))
                for member in bundle.members:
                    say(f"pack {member.key} ({member.size >> 20} MiB)")
                    with (cache / member.name).open("rb") as content:
                        _add(archive, member.name, member.mode, member.size, content)
            os.fsync(file.fileno())
        _verify_new(new, bundle, cache)
        os.replace(new, path)
        sync_directory(path.parent)
    except OSError as error:
        raise BundleError(f"The bundle cannot be written to {path}: {error.strerror or error}.") from None
    finally:
        new.unlink(missing_ok=True)
    return out.hexdigest()


def _verify_new(path: pathlib.Path, bundle: Bundle, cache: pathlib.Path) -> None:
    """Since its receipt was written a file may have changed, and a disk may lie. Raises BundleError."""
    try:
        verify(path, bundle)
    except BundleError as error:
        raise BundleError(
            f"A file in the cache {cache} has changed since it was made: {error} To have it made again: "
            "make bundle ARGS='-e toolchain_check_sums=true'."
        ) from None


def _add(archive: tarfile.TarFile, name: str, mode: int, size: int, content: t.IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = mode
    archive.addfile(entry, content)
