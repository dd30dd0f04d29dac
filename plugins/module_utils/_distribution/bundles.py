# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries artifacts from a machine that can make them to one that cannot, as one tar file. Private to the collection.

The file begins with ``manifest.json``: what made the artifacts, and name, size and SHA-256 of every file that follows,
in that order. Nothing that a bundle says is believed but for its sums: the names must be those that this collection's
own distribution directory gives the artifacts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import tarfile
import tempfile
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import load as load_distribution

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MOST = 1 << 20  # bytes; a real one has a few thousand
CHUNK = 1 << 20
INPUTS = ("architecture", "ca_bundle")
HEX = frozenset("0123456789abcdef")


class BundleError(Exception):
    """A bundle cannot be made or used; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One file of a bundle. ``key`` and ``digest`` are its artifact's, ``size`` is in bytes, ``sha256`` in hex."""

    key: str
    digest: str
    name: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself. ``inputs`` is what of the machine that made it went into its artifacts."""

    kubernetes_version: str
    inputs: t.Mapping[str, str]
    members: tuple[Member, ...]

    @property
    def architecture(self) -> str:
        """Of the machines that it is for, as ``uname -m`` says it."""
        return self.inputs["architecture"]

    def document(self) -> bytes:
        """The manifest as it stands in the archive; the same bundle gives the same bytes."""
        content = {
            "format": FORMAT,
            "kubernetes_version": self.kubernetes_version,
            "architecture": self.architecture,
            "inputs": dict(self.inputs),
            "files": [dataclasses.asdict(member) for member in self.members],
        }
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    def least_size(self) -> int:
        """Bytes that the archive has at the least: headers, contents in blocks of 512, and the end mark."""
        sizes = [len(self.document()), *(member.size for member in self.members)]
        return sum(512 + (size + 511) // 512 * 512 for size in sizes) + 1024


def file_name(distribution: Distribution, architecture: str) -> str:
    """A bundle's usual name."""
    return f"slipway-bundle-{distribution.kubernetes_version}-{architecture}.tar"


# -- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _readable(path: pathlib.Path) -> t.Iterator[None]:
    """Turns every way in which the archive can fail to be read into a BundleError."""
    try:
        yield
    except FileNotFoundError:
        raise BundleError(
            f"There is no bundle at {path}: name the file that 'make bundle' wrote in toolchain_bundle, as this machine sees it."
        ) from None
    except tarfile.TarError as error:
        raise BundleError(
            f"The bundle {path} is damaged or cut off ({error}). Carry it here again, and compare its SHA-256 with the one that was printed when it was made."
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
                f"{path} is a tar file and no bundle: it does not begin with {MANIFEST}. Name the file that 'make bundle' wrote."
            )
        bundle = parse(content.read(), path)
    size = path.stat().st_size
    if size < bundle.least_size():
        raise BundleError(
            f"The bundle {path} is cut off: it has {size} bytes of at least {bundle.least_size()}. Carry it here again; is the disk that it is on full?"
        )
    return bundle


def parse(document: bytes, path: pathlib.Path) -> Bundle:
    """Read a manifest.json. Raises BundleError."""
    try:
        content = json.loads(document)
        if content["format"] != FORMAT:
            raise BundleError(
                f"The bundle {path} has format {content['format']}, and this version of the collection reads format {FORMAT}: "
                "make the bundle with the version of the collection that is used here."
            )
        members = tuple(
            Member(**{field.name: _typed(entry[field.name], field.type) for field in dataclasses.fields(Member)})
            for entry in content["files"]
        )
        inputs = {name: str(content["inputs"][name]) for name in INPUTS}
        version = str(content["kubernetes_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"The {MANIFEST} of {path} makes no sense ({error!r}): it was changed, or is no bundle's. Carry the bundle here again."
        ) from None
    for member in members:
        parts = pathlib.PurePosixPath(member.name).parts
        if member.name.startswith("/") or ".." in parts:
            raise BundleError(
                f"The bundle {path} names a file outside of its own directory ({member.name!r}): it is not from 'make bundle'. Do not use it."
            )
        if len(member.sha256) != 64 or not set(member.sha256) <= HEX or member.size < 0:
            raise BundleError(
                f"The {MANIFEST} of {path} has no valid sum or size for {member.name!r}: it was changed. Carry the bundle here again."
            )
    return Bundle(version, inputs, members)


def _typed(value: t.Any, kind: t.Any) -> t.Any:
    wanted = int if kind in (int, "int") else str
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value


def distribution_of(bundle: Bundle, root: pathlib.Path, architecture: str, path: pathlib.Path) -> Distribution:
    """The distribution in ``root`` with the digests that the bundle's artifacts must have.

    ``architecture`` is this machine's. Raises BundleError when the bundle is for another one or made from another
    distribution directory, and ManifestError when the directory makes no sense.
    """
    if bundle.architecture != architecture:
        raise BundleError(
            f"The bundle {path} is for {bundle.architecture} and this machine is {architecture}: make one on a machine of this kind."
        )
    distribution = load_distribution(root, bundle.inputs)
    has = {member.key: member for member in bundle.members}
    needs = {artifact.key: artifact for artifact in distribution.portable()}
    differences = [
        f"{key} (in the bundle {has[key].digest}, here {needs[key].digest})"
        for key in needs
        if key in has and has[key].digest != needs[key].digest
    ]
    differences += [f"{key} (not in the bundle)" for key in needs if key not in has]
    differences += [f"{key} (only in the bundle)" for key in has if key not in needs]
    if differences:
        raise BundleError(
            f"The bundle {path} (Kubernetes {bundle.kubernetes_version}) was made from another distribution directory than {root} "
            f"(Kubernetes {distribution.kubernetes_version}). What differs: {'; '.join(differences)}. "
            "Use the version of Slipway that made the bundle, or make a new one with this version ('make bundle')."
        )
    for key, member in has.items():
        if member.name != needs[key].place:
            raise BundleError(
                f"The bundle {path} calls {key} {member.name!r} instead of {needs[key].place!r}: it was changed. Carry it here again."
            )
    return distribution


def complete(artifacts: t.Iterable[Artifact], cache: pathlib.Path) -> bool:
    """Whether every artifact has its file in the cache."""
    return all(artifact.path(cache).is_file() for artifact in artifacts)


def missing(bundle: Bundle, cache: pathlib.Path) -> list[Member]:
    """Members that the cache lacks or has in another size."""

    def there(member: Member) -> bool:
        try:
            return (cache / member.name).stat().st_size == member.size
        except OSError:
            return False

    return [member for member in bundle.members if not there(member)]


def unpack(
    path: pathlib.Path, bundle: Bundle, wanted: t.Sequence[Member], cache: pathlib.Path, say: t.Callable[[str], None]
) -> None:
    """Bring the wanted members into the cache. Raises BundleError, and then the cache is what it was.

    All of them are written beside the cache's own files, their sums compared, and only then moved into place. Must be
    called with the cache's lock held.
    """
    place = cache / "artifacts"
    place.mkdir(parents=True, exist_ok=True)
    needed = sum(member.size for member in wanted)
    free = shutil.disk_usage(place).free
    if free < needed:
        raise BundleError(
            f"{free >> 20} MiB are free in {place}, and what the bundle brings takes {needed >> 20}: free some, or set toolchain_cache_dir."
        )
    names = {member.name: member for member in wanted}
    with tempfile.TemporaryDirectory(dir=place, prefix=".unpacking-") as directory:
        scratch = pathlib.Path(directory)
        for member, content in _contents(path, bundle):
            if member.name not in names:
                continue
            say(f"unpack {member.key} ({member.size >> 20} MiB)")
            target = scratch / member.name
            target.parent.mkdir(parents=True)
            with target.open("wb") as out:
                _compare(path, member, content, out)
                # What is moved into place must be on the disk: the machine may lose its power.
                os.fsync(out.fileno())
            target.chmod(0o755 if member.key.startswith("program:") else 0o644)
        for member in wanted:
            (cache / member.name).parent.mkdir(exist_ok=True)
            os.replace(scratch / member.name, cache / member.name)


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
                    f"The bundle {path} has {entry.name!r} where its {MANIFEST} promises the file {member.name!r}: it was changed. Carry it here again."
                )
            yield member, content
        surplus = archive.next()
        if surplus is not None:
            raise BundleError(
                f"The bundle {path} holds {surplus.name!r}, which its {MANIFEST} does not name: it was changed. Carry it here again."
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
            f"{member.name} in the bundle {path} is not what was packed: it has {size} bytes and the SHA-256 {sum_of.hexdigest()}, "
            f"and the {MANIFEST} says {member.size} and {member.sha256}. Carry the bundle here again; nothing of it was used."
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
    distribution: Distribution, inputs: t.Mapping[str, str], cache: pathlib.Path, say: t.Callable[[str], None]
) -> Bundle:
    """The bundle of what the cache holds; reads every file for its sum. Raises BundleError."""
    artifacts = distribution.portable()
    lacking = [artifact.key for artifact in artifacts if not artifact.path(cache).is_file()]
    if lacking:
        raise BundleError(
            f"The cache {cache} lacks {', '.join(lacking)}, which a bundle must hold: "
            "have the set-up make it first ('make bundle' does, or toolchain_source=packages)."
        )
    members = []
    for artifact in artifacts:
        file = artifact.path(cache)
        say(f"sum {artifact.key} ({file.stat().st_size >> 20} MiB)")
        members.append(Member(artifact.key, artifact.digest, artifact.place, file.stat().st_size, sum_of_file(file)))
    return Bundle(distribution.kubernetes_version, dict(inputs), tuple(members))


def sum_of_file(path: pathlib.Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: pathlib.Path, bundle: Bundle, cache: pathlib.Path, say: t.Callable[[str], None]) -> str:
    """Write the bundle and return the file's SHA-256, in hex. Raises BundleError.

    Equal contents give equal files, whoever packs them and when. Not compressed: the images and the preload, which are
    most of it, would give little for minutes of work.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < bundle.least_size():
            raise BundleError(
                f"{free >> 20} MiB are free in {path.parent}, and the bundle takes {bundle.least_size() >> 20}: free some, or write it elsewhere."
            )
        with scratch.open("wb") as file:
            out = _Summed(file)
            with tarfile.open(fileobj=t.cast("t.IO[bytes]", out), mode="w:", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, MANIFEST, 0o644, len(bundle.document()), io.BytesIO(bundle.document()))
                for member in bundle.members:
                    say(f"pack {member.key} ({member.size >> 20} MiB)")
                    with (cache / member.name).open("rb") as content:
                        _add(
                            archive,
                            member.name,
                            0o755 if member.key.startswith("program:") else 0o644,
                            member.size,
                            content,
                        )
            os.fsync(file.fileno())
        # Between the sum and the copy a file may have changed, and a disk may lie.
        verify(scratch, bundle)
        os.replace(scratch, path)
    except OSError as error:
        raise BundleError(f"The bundle cannot be written to {path}: {error.strerror or error}.") from None
    finally:
        scratch.unlink(missing_ok=True)
    return out.hexdigest()


def _add(archive: tarfile.TarFile, name: str, mode: int, size: int, content: t.IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = mode
    archive.addfile(entry, content)
