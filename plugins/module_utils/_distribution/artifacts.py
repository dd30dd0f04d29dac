# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distribution/manifest.yml declares, as a graph of artifacts named by their content. Private to the collection.

An artifact is a program (one binary), a root file system (a tar file), an image (in the engine, and for some a tar
file) or the preload (what a node's disk starts with). Its digest covers everything that goes into it: its part of the
manifest, its files and the digests of what it requires. What has that digest in the cache, and the receipt that belongs
to it, is not made again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import walk
from ansible_collections.slipway.kube.plugins.module_utils._distribution import go
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import machine_inputs

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

DIGEST_LENGTH = 16  # hex digits; 64 bits are plenty for a few dozen names
IMAGE_PREFIX = "slipway.local/"
# How each kind is made. A number that is raised gives everything of that kind, and what is made of it, another digest.
RECIPES = {"program": 1, "rootfs": 2, "image": 2, "preload": 1}
TARGETS = ("runtime", "programs", "images", "preload")

Kind = t.Literal["program", "rootfs", "image", "preload"]


class ManifestError(Exception):
    """The manifest contradicts itself or the files beside it."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One node of the graph.

    ``file`` is its name in the cache, None for an image that lives in the preload only; ``settings`` is its part of
    the manifest; ``requires`` are the names of artifacts that must exist to make it. ``inputs`` is what its receipt must
    say, and ``compiler`` the version that must have compiled what is in it, or an older one than did; empty for any.
    """

    kind: Kind
    name: str
    digest: str
    file: str | None
    settings: t.Mapping[str, t.Any]
    requires: tuple[str, ...] = ()
    inputs: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    compiler: str = ""

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

    def fault(self, cache: pathlib.Path, deep: bool = False) -> str:
        """Why the artifact's file in ``cache`` is not usable, empty when it is. Raises ReceiptError.

        With ``deep`` all of the file is read for its sum.
        """
        path = self.path(cache)
        found = receipts.fault(path, self.inputs, deep)
        receipt = None if found else receipts.read(path)
        return self.outdated(receipt.compiler) if receipt else found

    def outdated(self, compiler: str) -> str:
        """Why what that compiler made is to be made again, empty when it is not.

        A newer one than this machine's is as good: a run whose PATH names no compiler must not compile everything again.
        """
        if go.version_numbers(compiler) >= go.version_numbers(self.compiler):
            return ""
        return f"it was compiled by {compiler or 'an unknown compiler'}, and the compiler of this machine is {self.compiler}"

    def is_cached(self, cache: pathlib.Path) -> bool:
        """Whether the artifact's file is in ``cache`` and agrees with its receipt. Raises ReceiptError."""
        return not self.fault(cache)

    @property
    def names(self) -> list[str]:
        """The image's names for those who ask for it, as the engine lists them; without the one by content."""
        return [name.removeprefix("docker.io/library/") for name in self.settings.get("names", [])]


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The whole graph, in an order in which every artifact follows what it requires.

    ``host`` has the program behind each command of the machine, ``versions`` the versions of those for which a role has a variable.
    """

    root: pathlib.Path
    kubernetes_version: str
    artifacts: t.Mapping[str, Artifact]
    host: t.Mapping[str, str]
    versions: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

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

    def faults(self, cache: pathlib.Path, deep: bool = False) -> dict[str, str]:
        """Keys of the portable artifacts whose files are not usable in ``cache``, each with the reason. Raises ReceiptError."""
        found = {artifact.key: artifact.fault(cache, deep) for artifact in self.portable()}
        return {key: reason for key, reason in found.items() if reason}

    def closure(self, artifact: Artifact) -> list[Artifact]:
        """Everything that an artifact is made of, at first hand or not."""
        return self.wanted(artifact.requires, lambda _artifact: False)

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


def load_for(root: pathlib.Path, inputs: t.Mapping[str, str] | None) -> Distribution:
    """The graph of artifacts that came in a bundle with these ``inputs``, or without any of those that this machine makes.

    Raises ManifestError and BuildError.
    """
    return load(root, inputs) if inputs else load(root, machine_inputs(), go.compiler_at_hand())


def load(root: pathlib.Path, machine: t.Mapping[str, str], compiler: str = "") -> Distribution:
    """Read ``root``/manifest.yml into a graph.

    ``machine`` is what of a machine goes into what is made, for the digests: its CA bundle, its architecture. It is the
    machine that makes the artifacts, which is another one where they came in a bundle. ``compiler`` is the version that programs are
    compiled by here; empty where nothing is compiled. Raises ManifestError.
    """
    try:
        # Each run reads it, and the loader written in C takes a tenth of the time.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        manifest = yaml.load((root / "manifest.yml").read_text(encoding="utf-8"), Loader=loader)
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
        made_of: list[t.Any] = [kind, name, settings, list(inputs), [artifacts[key].digest for key in requires]]
        if RECIPES[kind] > 1:  # the first recipes had no number
            made_of.append(RECIPES[kind])
        digest = inputs_sum(made_of)[:DIGEST_LENGTH]
        receipt = {
            "recipe": RECIPES[kind],
            "settings": settings,
            "sources": list(inputs),
            "requires": {key: inputs_sum(artifacts[key].inputs) for key in requires},
        }
        if kind == "program":
            receipt["flags"] = go.FLAGS
        compiled = kind == "program" or any(artifacts[key].compiler for key in requires)
        artifact = Artifact(kind, name, digest, file, settings, tuple(requires), receipt, compiler if compiled else "")
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
    return Distribution(root, manifest["kubernetes_version"], artifacts, host, manifest.get("versions", {}))


def inputs_sum(value: t.Any) -> str:
    """SHA-256 of plain data, in hex: the same for equal inputs."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _parent(artifacts: t.Mapping[str, Artifact], name: str) -> str:
    for kind in ("image", "rootfs"):
        if f"{kind}:{name}" in artifacts:
            return f"{kind}:{name}"
    raise ManifestError(f"no image and no root file system is named {name!r}")
