# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution's images in an engine."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import EngineImages
from distribution_objects import Engine, Image, artifact, graph


def test_loading_brings_an_image_under_all_its_names(tmp_path: Path) -> None:
    image = artifact(
        "image", "python", file="image.tar", names=["docker.io/library/python:3", "registry.example/python:3"]
    )
    image.path(tmp_path).parent.mkdir(parents=True)
    image.path(tmp_path).touch()
    engine = Engine(brings=Image(image.image))
    words: list[str] = []
    images = EngineImages(graph(image), tmp_path, words.append, engine)
    assert images.load(image) is True
    assert engine.known[0].tags == [image.image, "python:3", "registry.example/python:3"]
    assert words == ["load image python into the engine"]
    assert images.load(image) is False
    engine.known[0].tags.remove("python:3")
    assert images.load(image) is True, "a name that was taken away comes back"
