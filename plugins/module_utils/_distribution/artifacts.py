# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distribution/manifest.yml declares, as a graph of artifacts named by their content. Private to the collection.

An artifact is a program (one binary), a root file system (a tar file), an image (in the engine, and for some a tar
file) or the preload (what a node's disk starts with). Its digest covers everything that goes into it: its part of the
manifest, its files and the digests of what it requires. A digest that is in the cache is never made again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import is_cached, sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import walk

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

DIGEST_LENGTH = 16  # hex digits; 64 bits are plenty for a few dozen names
IMAGE_PREFIX = "slipway.local/"
TARGETS = ("runtime", "programs", "images", "preload")

Kind = t.Literal["program", "rootfs", "image", "preload"]


class ManifestError(Exception):
    """The manifest contradicts itself or the files beside it."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One node of the graph.

    ``file`` is its name in the cache, None for an image that lives in the preload only; ``settings`` is its part of
    the manifest; ``requires`` are the names of artifacts that must exist to make it.
    """

    kind: Kind
    name: str
    digest: str
    file: str | None
    settings: t.Mapping[str, t.Any]
    requires: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Unique over all kinds: a program and an image may share a name."""
        return f"{self.kind}:{self.name}"

    @property
    def image(self) -> str:
        """The image's reference in the engine, by content."""
        return f"{IMAGE_PREFIX}{self.name}:{self.digest}"

    @property
    def place(self) -> str:
        """Where the artifact's file lies, relative to the cache."""
        if self.file is None:
            raise ManifestError(f"{self.key} has no file of its own")
        return f"artifacts/{self.kind}-{self.name}-{self.digest}/{self.file}"

    def path(self, cache: pathlib.Path) -> pathlib.Path:
        """Where the artifact's file lies in ``cache``."""
        return cache / self.place

    def is_cached(self, cache: pathlib.Path) -> bool:
        """Whether the artifact's file is in ``cache``: its name says what it is made of, and it is moved there whole."""
        return is_cached(self.path(cache))

    @property
    def names(self) -> list[str]:
        """The image's names for those who ask for it, as the engine lists them; without the one by content."""
        return [name.removeprefix("docker.io/library/") for name in self.settings.get("names", [])]


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The whole graph, in an order in which every artifact follows what it requires."""

    root: pathlib.Path
    kubernetes_version: str
    artifacts: t.Mapping[str, Artifact]
    host: t.Mapping[str, str]

    def of(self, kind: Kind, name: str) -> Artifact:
        """The artifact of that kind and name; raises ManifestError."""
        try:
            return self.artifacts[f"{kind}:{name}"]
        except KeyError:
            raise ManifestError(f"the manifest has no {kind} named {name!r}") from None

    def keys_of(self, target: str) -> list[str]:
        """Keys of the artifacts that a target names: ``runtime``, ``programs``, ``images`` or ``preload``."""
        if target == "runtime":
            return ["program:runtime-shim"]
        if target == "programs":
            return [f"program:{program}" for program in dict.fromkeys(self.host.values())]
        if target == "images":
            return [
                key
                for key, artifact in self.artifacts.items()
                if artifact.kind == "image" and artifact.file is not None
            ]
        return ["preload:preload"]

    def portable(self) -> list[Artifact]:
        """Every artifact whose file a machine without a compiler needs for a complete set-up."""
        return [self.artifacts[key] for target in TARGETS for key in self.keys_of(target)]

    def missing(self, cache: pathlib.Path) -> list[str]:
        """Keys of the portable artifacts whose files are not in ``cache``."""
        return [artifact.key for artifact in self.portable() if not artifact.is_cached(cache)]

    def wanted(self, targets: t.Iterable[str], present: t.Callable[[Artifact], bool]) -> list[Artifact]:
        """Artifacts that must be made so that every target is present, each after what it requires."""
        needed: set[str] = set()
        stack = list(targets)
        while stack:
            artifact = self.artifacts[stack.pop()]
            if artifact.key not in needed and not present(artifact):
                needed.add(artifact.key)
                stack.extend(artifact.requires)
        return [artifact for key, artifact in self.artifacts.items() if key in needed]


def digest_of_tree(root: pathlib.Path) -> str:
    """SHA-256 over the names, executable bits and contents of a directory's files, in hex. Raises ManifestError."""
    total = hashlib.sha256()
    try:
        for entry in walk(root):
            path = root / entry.path
            # Of a link counts what it leads to.
            if entry.kind == "f" or (entry.kind == "l" and path.is_file()):
                executable = bool(path.stat().st_mode & 0o100)
                total.update(f"{entry.path}\0{executable:d}\0{sha256_of(path)}\n".encode())
    except OSError as error:
        raise ManifestError(f"{error.filename}: {error.strerror}") from error
    return total.hexdigest()


def image_directory(root: pathlib.Path, name: str, settings: t.Mapping[str, t.Any]) -> pathlib.Path:
    """Where an image's Dockerfile and files lie: images on different parents may share them."""
    return root / "images" / str(settings.get("directory", name))


def load(root: pathlib.Path, machine: t.Mapping[str, str]) -> Distribution:
    """Read ``root``/manifest.yml into a graph.

    ``machine`` is what of a machine goes into what is made, for the digests: its CA bundle, its architecture. It is the
    machine that makes the artifacts, which is another one where they came in a bundle. Raises ManifestError.
    """
    try:
        manifest = yaml.safe_load((root / "manifest.yml").read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{error.filename}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{root / 'manifest.yml'} is no YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(manifest, dict):
        raise ManifestError(f"{root / 'manifest.yml'} is no dictionary")

    artifacts: dict[str, Artifact] = {}

    def add(
        kind: Kind,
        name: str,
        file: str | None,
        settings: t.Mapping[str, t.Any],
        inputs: t.Sequence[str],
        requires: t.Sequence[str],
    ) -> None:
        missing = [key for key in requires if key not in artifacts]
        if missing:
            raise ManifestError(
                f"{kind} {name} requires {', '.join(missing)}, which stands later in the manifest or not at all"
            )
        text = json.dumps(
            [kind, name, settings, list(inputs), [artifacts[key].digest for key in requires]], sort_keys=True
        )
        digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
        artifact = Artifact(kind, name, digest, file, settings, tuple(requires))
        artifacts[artifact.key] = artifact

    # One workspace chooses the versions of all modules, so every module's pins are an input of each program.
    programs = root / "programs"
    pins = hashlib.sha256()
    for path in sorted([programs / "go.work", *programs.glob("*/go.mod"), *programs.glob("*/*/go.mod")]):
        pins.update(path.read_bytes())
    for name, settings in manifest["programs"].items():
        add(
            "program",
            name,
            name,
            settings,
            [pins.hexdigest(), digest_of_tree(programs / name), machine["architecture"]],
            [],
        )
    for name, settings in manifest["rootfs"].items():
        add("rootfs", name, "rootfs.tar", settings, [machine["ca_bundle"], machine["architecture"]], [])
    for name, settings in manifest["images"].items():
        parents = [_parent(artifacts, parent) for parent in settings.get("parents", {}).values()]
        requires = [*parents, *(f"program:{program}" for program in settings.get("programs", []))]
        add(
            "image",
            name,
            "image.tar" if settings.get("archive") else None,
            settings,
            [digest_of_tree(image_directory(root, name, settings))],
            requires,
        )
    preload = manifest["preload"]
    requires = [f"image:{name}" for name in dict.fromkeys([preload["node"], *preload["images"]])]
    add("preload", "preload", preload["file"], preload, [], requires)

    host = manifest["host"]
    for command, program in host.items():
        if f"program:{program}" not in artifacts:
            raise ManifestError(f"host command {command} is the program {program}, which the manifest does not have")
    return Distribution(root, manifest["kubernetes_version"], artifacts, host)


def _parent(artifacts: t.Mapping[str, Artifact], name: str) -> str:
    for kind in ("image", "rootfs"):
        if f"{kind}:{name}" in artifacts:
            return f"{kind}:{name}"
    raise ManifestError(f"no image and no root file system is named {name!r}")
