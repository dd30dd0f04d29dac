# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts and an engine's images for the tests of what makes them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import add_bytes
from ansible_collections.slipway.kube.plugins.module_utils._distribution import go
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution


class Image:
    def __init__(self, *tags: str, labels: dict[str, str] | None = None) -> None:
        self.tags = list(tags)
        self.labels = labels

    def tag(self, reference: str) -> None:
        self.tags.append(reference)


class Engine:
    """Enough of a docker.DockerClient: images that are there, and ones that a file brings."""

    def __init__(self, *images: Image, brings: Image | None = None) -> None:
        self.known = list(images)
        self.brings = brings
        self.images = self
        self.api = SimpleNamespace(images=self._listed)

    def _listed(self, name: str) -> list[dict[str, Any]]:
        return [{"RepoTags": image.tags or None, "Labels": image.labels} for image in self.known if name in image.tags]

    def get(self, name: str) -> Image:
        return next(image for image in self.known if name in image.tags)

    def load(self, _file: Any) -> None:
        assert self.brings is not None
        self.known.append(self.brings)


def artifact(kind: Any, name: str, *requires: str, file: str | None = "file", **settings: Any) -> Artifact:
    return Artifact(kind, name, f"digest-{name}", file, settings, requires)


def keep(one: Artifact, cache: Path, content: bytes = b"content") -> Path:
    """Put an artifact's file into a cache, with its receipt."""
    path = one.path(cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    receipts.write(path, receipts.of(path, one.inputs, one.compiler))
    return path


def graph(*artifacts: Artifact) -> Distribution:
    return Distribution(Path("/nowhere"), "v1.2.3", {one.key: one for one in artifacts}, {})


def quiet(_text: str) -> None:
    """Progress that nobody reads."""


def saved_image(reference: str, **changes: Any) -> bytes:
    """An image's file as ``docker save`` writes it: ``layer`` replaces the layer's content, ``config`` and ``tags`` what is said of it."""
    layer: bytes = changes.get("layer", b"layer")
    config = {"rootfs": {"diff_ids": ["sha256:" + hashlib.sha256(b"layer").hexdigest()]}, **changes.get("config", {})}
    text = json.dumps(config).encode()
    name = hashlib.sha256(json.dumps({"rootfs": config["rootfs"]}).encode()).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": changes.get("tags", [reference]), "Layers": ["one/layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in ((name, text), ("one/layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())):
            add_bytes(archive, path, content)
    return out.getvalue()


def go_program(compiler: str = "go1.26.6", settings: dict[str, str] | None = None) -> bytes:
    """A file with the notes, the build information and the sum that a Go compiler writes into a program."""

    def note(name: bytes, kind: int, content: bytes) -> bytes:
        return struct.pack("<III", 4, len(content), kind) + name + content

    def text(content: bytes) -> bytes:
        length = bytes([len(content) & 0x7F | 0x80, len(content) >> 7]) if len(content) > 127 else bytes([len(content)])
        return length + content

    built = {**go.FLAGS, "GOOS": "linux", **(settings or {})}
    modules = "path\tapp\n" + "".join(f"build\t{name}={value}\n" for name, value in built.items())
    information = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + text(compiler.encode())
    information += text(b"<" * 16 + modules.encode() + b">" * 16)

    def program(identity: bytes, linker: bytes) -> bytes:
        notes = note(b"Go\0\0", 4, identity).ljust(160, b"\0") + note(b"GNU\0", 3, linker)
        return b"\x7fELF" + notes + b"code" * 50_000 + identity + information

    start = b"action/package/main/"
    total = hashlib.sha256(program(bytes(len(start) + 20), bytes(20))).digest()
    return program(start + base64.urlsafe_b64encode(total[:15]), b"L" * 20)
