# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle says of itself in its manifest.json, and whether this machine can use it. Private to the collection.

Nothing that a bundle says is believed but for its sums: the names must be those that this collection's own distribution directory gives
the artifacts.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import load as load_distribution

FORMAT = 2
MANIFEST = "manifest.json"
INPUTS = ("architecture", "ca_bundle")
HEX = frozenset("0123456789abcdef")


class BundleError(Exception):
    """A bundle cannot be made or used; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One file of a bundle. ``key`` and ``digest`` are its artifact's; the rest is what its receipt says but for the inputs."""

    key: str
    digest: str
    name: str
    size: int
    sha256: str
    compiler: str

    @property
    def mode(self) -> int:
        """The file's mode: programs can be run, and nothing else."""
        return 0o755 if self.key.startswith("program:") else 0o644


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


def parse(document: bytes, path: pathlib.Path) -> Bundle:
    """Read a manifest.json. Raises BundleError."""
    try:
        content = json.loads(document)
        if content["format"] != FORMAT:
            raise BundleError(
                f"The bundle {path} has format {content['format']}, and this version of the collection reads format {FORMAT}: "
                "create the bundle with this version of the collection."
            )
        members = tuple(
            Member(**{field.name: _typed(entry[field.name], field.type) for field in dataclasses.fields(Member)})
            for entry in content["files"]
        )
        inputs = {name: str(content["inputs"][name]) for name in INPUTS}
        version = str(content["kubernetes_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"The {MANIFEST} of {path} is invalid ({error!r}): it was modified, or does not belong to a bundle. Copy the bundle again."
        ) from None
    for field in ("key", "name"):
        seen = [getattr(member, field) for member in members]
        twice = next((value for value in seen if seen.count(value) > 1), None)
        if twice is not None:
            raise BundleError(
                f"The {MANIFEST} of {path} names {twice!r} twice: it was modified. Copy the bundle again."
            )
    for member in members:
        parts = pathlib.PurePosixPath(member.name).parts
        if member.name.startswith("/") or ".." in parts:
            raise BundleError(
                f"The bundle {path} names a file outside of its own directory ({member.name!r}): it is not from 'make bundle'. Do not use it."
            )
        if len(member.sha256) != 64 or not set(member.sha256) <= HEX or member.size < 0:
            raise BundleError(
                f"The {MANIFEST} of {path} has no valid sum or size for {member.name!r}: it was modified. Copy the bundle again."
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
            f"The bundle {path} is for {bundle.architecture} and this machine is {architecture}: create one on a machine with this architecture."
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
            f"The bundle {path} (Kubernetes {bundle.kubernetes_version}) was created from a different distribution directory than {root} "
            f"(Kubernetes {distribution.kubernetes_version}). What differs: {'; '.join(differences)}. "
            "Use the version of Slipway that created the bundle, or create a new one with this version ('make bundle')."
        )
    for key, member in has.items():
        if member.name != needs[key].place:
            raise BundleError(
                f"The bundle {path} calls {key} {member.name!r} instead of {needs[key].place!r}: it was modified. Copy it again."
            )
    return distribution


def missing(distribution: Distribution, bundle: Bundle, cache: pathlib.Path, deep: bool = False) -> list[Member]:
    """Members that the cache lacks, or whose receipts say something else. Raises ReceiptError."""
    absent = []
    for member in bundle.members:
        fault = distribution.artifacts[member.key].fault(cache, deep)
        receipt = None if fault else receipts.read(cache / member.name)
        if receipt is None or receipt.sha256 != member.sha256:
            absent.append(member)
    return absent


def listed(faults: t.Mapping[str, str]) -> str:
    """Artifacts with the reasons why they are not usable, as part of a sentence."""
    return ", ".join(receipts.lacking(key, reason) for key, reason in faults.items())
