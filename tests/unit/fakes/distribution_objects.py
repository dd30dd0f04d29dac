# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts and an engine's images for the tests of what makes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution


class Image:
    def __init__(self, *tags: str) -> None:
        self.tags = list(tags)

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
        return [{"RepoTags": image.tags or None} for image in self.known if name in image.tags]

    def get(self, name: str) -> Image:
        return next(image for image in self.known if name in image.tags)

    def load(self, _file: Any) -> None:
        assert self.brings is not None
        self.known.append(self.brings)


def artifact(kind: Any, name: str, *requires: str, file: str | None = "file", **settings: Any) -> Artifact:
    return Artifact(kind, name, f"digest-{name}", file, settings, requires)


def graph(*artifacts: Artifact) -> Distribution:
    return Distribution(Path("/nowhere"), "v1.2.3", {one.key: one for one in artifacts}, {})


def quiet(_text: str) -> None:
    """Progress that nobody reads."""
