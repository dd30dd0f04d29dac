# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution's images in the container engine: which it has, and how they are built, loaded and saved. Private to the collection."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import tarfile
import tempfile
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import add, walk
from ansible_collections.slipway.kube.plugins.module_utils._distribution import preparation
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import (
    Artifact,
    Distribution,
    image_directory,
    inputs_sum,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import scratch
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError, last_words

LABEL = "io.github.slipway.artifact"
# What a receipt says of a file, for an image that has none.
LABEL_INPUTS = "io.github.slipway.inputs"
LABEL_COMPILER = "io.github.slipway.compiler"


class EngineImages:
    """The images of a distribution in an engine. ``client`` is a docker.DockerClient, or None where there is no engine yet."""

    def __init__(self, distribution: Distribution, cache: pathlib.Path, say: Say, client: t.Any) -> None:
        self._distribution = distribution
        self._cache = cache
        self._say = say
        self.client = client

    def has(self, artifact: Artifact) -> bool:
        """Whether the engine has the image by its content; its other names may be missing."""
        return self._labels(artifact) is not None

    def is_current(self, artifact: Artifact) -> bool:
        """Whether the engine has the image as it would be built now."""
        labels = self._labels(artifact)
        if labels is None or labels.get(LABEL_INPUTS) != inputs_sum(artifact.inputs):
            return False
        return not artifact.outdated(labels.get(LABEL_COMPILER, ""))

    def _labels(self, artifact: Artifact) -> t.Mapping[str, str] | None:
        if self.client is None:
            return None
        # docker.DockerClient.images.list asks once more for each, and fails when one is removed meanwhile.
        for image in self.client.api.images(name=artifact.image):
            if artifact.image in (image["RepoTags"] or []):
                return image["Labels"] or {}
        return None

    def load(self, artifact: Artifact) -> bool:
        """Bring an image's file into the engine under its names; False if it was there."""
        changed = False
        if not self.has(artifact):
            self._say(f"load image {artifact.name} into the engine")
            with artifact.path(self._cache).open("rb") as file:
                self.client.images.load(file)
            changed = True
        image = self.client.images.get(artifact.image)
        for name in artifact.names:
            if name not in image.tags:
                image.tag(name)
                changed = True
        return changed

    def build(self, artifact: Artifact, log: pathlib.Path) -> None:
        """Build an image and give it its names; what the builder says is in ``log``. Raises BuildError and OSError."""
        settings = artifact.settings
        parents = {name: self._base(_key_of(artifact, parent)) for name, parent in settings.get("parents", {}).items()}
        source = image_directory(self._distribution.root, artifact.name, settings)
        with contextlib.ExitStack() as while_building:
            if (source / preparation.SCRIPT).is_file():
                ((name, base),) = parents.items()
                place = while_building.enter_context(scratch(self._cache))
                preparation.lay_out(place, source, self._suite(artifact))
                preparing = preparation.prepared(self.client, artifact, base, place, log.with_suffix(".prepare.log"))
                parents[name] = while_building.enter_context(preparing)
            context = while_building.enter_context(tempfile.TemporaryFile())
            self._write_context(artifact, source, context)
            self._ask_engine(artifact, context, {**settings.get("arguments", {}), **parents}, log)
        image = self.client.images.get(artifact.image)
        for name in artifact.names:
            image.tag(name)

    def _write_context(self, artifact: Artifact, source: pathlib.Path, context: t.IO[bytes]) -> None:
        with tarfile.open(fileobj=context, mode="w") as archive:
            for entry in walk(source):
                add(archive, source / entry.path, entry.path)
            for program in artifact.settings.get("programs", []):
                binary = self._distribution.of("program", program).path(self._cache)
                add(archive, binary, f"programs/{program}", mode=0o755)
        context.seek(0)

    def _suite(self, artifact: Artifact) -> str:
        """The Debian suite that an image is made of."""
        return next(str(one.settings["suite"]) for one in self._distribution.closure(artifact) if one.kind == "rootfs")

    def _base(self, key: str) -> str:
        """The reference of a parent, brought into the engine first if only its file is here."""
        artifact = self._distribution.artifacts[key]
        if artifact.kind != "rootfs":
            self.load(artifact)
        elif not self.has(artifact):
            # CMD as every Debian image has it; the engine's import takes it as a Dockerfile instruction.
            self.client.api.import_image_from_file(
                str(artifact.path(self._cache)),
                repository=artifact.image.rpartition(":")[0],
                tag=artifact.digest,
                changes=['CMD ["bash"]', f"LABEL {LABEL}={artifact.key}"],
            )
        return artifact.image

    def _ask_engine(
        self, artifact: Artifact, context: t.IO[bytes], arguments: t.Mapping[str, str], log: pathlib.Path
    ) -> None:
        stream = self.client.api.build(
            fileobj=context,
            custom_context=True,
            tag=artifact.image,
            buildargs=dict(arguments),
            labels={
                LABEL: artifact.key,
                LABEL_INPUTS: inputs_sum(artifact.inputs),
                LABEL_COMPILER: artifact.compiler,
            },
            # The machine's own resolver may be on a loopback address that a bridge cannot reach.
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        )
        failure = ""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as out:
            for message in stream:
                out.write(message.get("stream", ""))
                failure = message.get("error", failure)
        if failure:
            raise BuildError(f"image {artifact.name} could not be built: {failure.strip()}\n{last_words(log)}")

    def save(self, names: t.Sequence[str], file: pathlib.Path) -> None:
        """Write images into one tar file, the layers that they share once."""
        # docker.Image.save takes one image; the engine's own interface takes many.
        api = self.client.api
        response = api.get(api._url("/images/get"), params={"names": list(names)}, stream=True)
        response.raise_for_status()
        with file.open("wb") as out:
            for chunk in response.iter_content(chunk_size=1 << 20):
                out.write(chunk)


def is_whole(archive: pathlib.Path, reference: str) -> bool:
    """Whether an image's file has the image of that name, and all its layers have the sums that the image's configuration lists.

    The format is that of ``docker save``: the OCI image specification's configuration, with the SHA-256 of each layer in ``diff_ids``.
    Raises OSError.
    """
    try:
        with tarfile.open(archive, "r:") as opened:
            (image,) = json.loads(_opened(opened, "manifest.json").read())
            configuration = _opened(opened, image["Config"]).read()
            wanted = json.loads(configuration)["rootfs"]["diff_ids"]
            found = [f"sha256:{_sum(_opened(opened, layer))}" for layer in image["Layers"]]
            named = hashlib.sha256(configuration).hexdigest() in image["Config"]
            return named and reference in image["RepoTags"] and found == wanted
    except (tarfile.TarError, ValueError, KeyError, TypeError):
        return False


def _opened(archive: tarfile.TarFile, name: str) -> t.IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file


def _sum(file: t.IO[bytes]) -> str:
    total = hashlib.sha256()
    while chunk := file.read(1 << 20):
        total.update(chunk)
    return total.hexdigest()


def _key_of(artifact: Artifact, name: str) -> str:
    return next(key for key in artifact.requires if key in (f"image:{name}", f"rootfs:{name}"))
