# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution's images in an engine."""

from __future__ import annotations

import contextlib
import dataclasses
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import engine_images
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, inputs_sum
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import EngineImages
from distribution_objects import Engine, Image, artifact, graph, quiet, saved_image


class Building(Engine):
    """An engine that builds what it is sent, imports root file systems and saves images."""

    def __init__(self, *messages: dict[str, str]) -> None:
        super().__init__()
        self.api = self
        self.images = self  # type: ignore[assignment]
        self.messages = messages
        self.options: dict[str, Any] = {}
        self.context: dict[str, tuple[int, int, bytes]] = {}
        self.imported: dict[str, Any] = {}
        self.asked: tuple[str, dict[str, Any]] | None = None
        self.checked = False

    def __call__(self, name: str) -> list[dict[str, Any]]:
        return self._listed(name)

    def build(self, fileobj: Any, tag: str, **options: Any) -> Iterator[dict[str, str]]:
        self.options = options
        with tarfile.open(fileobj=fileobj) as archive:
            for member in archive:
                found = archive.extractfile(member)
                self.context[member.name] = (member.mode, member.uid, found.read() if found else b"")
        yield from self.messages
        self.known.append(Image(tag))

    def import_image_from_file(self, file: str, **options: Any) -> None:
        self.imported = {"file": file, **options}

    def _url(self, path: str) -> str:
        return f"http+docker://{path}"

    def get(self, name: str, params: Any = None, stream: bool = False) -> Any:
        if not stream:
            return super().get(name)
        self.asked = (name, params)
        return self

    def raise_for_status(self) -> None:
        self.checked = True

    def iter_content(self, chunk_size: int) -> list[bytes]:
        return [b"one", b"two"]


APP = dataclasses.replace(
    artifact(
        "image",
        "app",
        "rootfs:debian",
        "program:kube",
        parents={"BASE": "debian"},
        programs=["kube"],
        arguments={"VERSION": "1"},
        names=["docker.io/library/app:1"],
    ),
    inputs={"recipe": 1},
    compiler="go1.26.6",
)
DEBIAN = artifact("rootfs", "debian", suite="trixie")
KUBE = artifact("program", "kube")


def site(place: Path, engine: Engine) -> EngineImages:
    """A distribution with one image, whose program and root file system are in the cache."""
    (place / "images/app/etc").mkdir(parents=True)
    (place / "images/app/Dockerfile").write_text("FROM debian")
    (place / "images/app/etc/app.conf").write_text("setting")
    for one in (DEBIAN, KUBE):
        one.path(place / "cache").parent.mkdir(parents=True)
        one.path(place / "cache").write_bytes(b"program")
    distribution = dataclasses.replace(graph(DEBIAN, KUBE, APP), root=place)
    return EngineImages(distribution, place / "cache", quiet, engine)


def built(place: Path, *messages: dict[str, str]) -> Building:
    engine = Building(*messages)
    site(place, engine).build(APP, place / "logs" / "app.log")
    return engine


def test_image_is_built_of_its_directory_and_its_programs(tmp_path: Path) -> None:
    engine = built(tmp_path, {"stream": "Step 1 : ü\n"}, {"stream": "done\n"}, {"aux": "no words"})
    assert {name: content for name, (_mode, _uid, content) in engine.context.items()} == {
        "Dockerfile": b"FROM debian",
        "etc": b"",
        "etc/app.conf": b"setting",
        "programs/kube": b"program",
    }
    assert engine.context["programs/kube"][0] == 0o755 and {uid for _m, uid, _c in engine.context.values()} == {0}
    assert engine.options == {
        "custom_context": True,
        "buildargs": {"VERSION": "1", "BASE": DEBIAN.image},
        "labels": {
            "io.github.slipway.artifact": "image:app",
            "io.github.slipway.inputs": inputs_sum({"recipe": 1}),
            "io.github.slipway.compiler": "go1.26.6",
        },
        "network_mode": "host",
        "rm": True,
        "forcerm": True,
        "decode": True,
    }
    assert (tmp_path / "logs/app.log").read_text(encoding="utf-8") == "Step 1 : ü\ndone\n"
    assert engine.known[0].tags == [APP.image, "app:1"]


def test_image_with_a_script_is_built_on_what_that_has_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Any] = []

    @contextlib.contextmanager
    def prepare(_client: Any, one: Artifact, base: str, place: Path, log: Path) -> Iterator[str]:
        prepared.append((one, base, place.read_text(), log.name))
        place.unlink()
        yield "prepared:1"
        prepared.append("over")

    monkeypatch.setattr(
        engine_images.preparation,
        "lay_out",
        lambda place, source, suite: (place.rmdir(), place.write_text(f"{source.name} {suite}")),
    )
    monkeypatch.setattr(engine_images.preparation, "prepared", prepare)
    engine = Building()
    images = site(tmp_path, engine)
    (tmp_path / "images/app/prepare").write_text("#!/bin/sh\n")
    images.build(APP, tmp_path / "logs/app.log")
    assert prepared == [(APP, DEBIAN.image, "app trixie", "app.prepare.log"), "over"]
    assert engine.options["buildargs"] == {"VERSION": "1", "BASE": "prepared:1"}


def test_root_file_system_becomes_a_base_image(tmp_path: Path) -> None:
    assert built(tmp_path).imported == {
        "file": str(DEBIAN.path(tmp_path / "cache")),
        "repository": "slipway.local/debian",
        "tag": "digest-debian",
        "changes": ['CMD ["bash"]', "LABEL io.github.slipway.artifact=rootfs:debian"],
    }


def test_failed_build_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)image app .*: exit code 2\nRUN make\n.*app\.log"):
        built(tmp_path, {"stream": "RUN make\n"}, {"error": "exit code 2\n"})


def test_images_are_saved_together(tmp_path: Path) -> None:
    engine = Building()
    site(tmp_path, engine).save(("app:1", "app:2"), tmp_path / "images.tar")
    assert (tmp_path / "images.tar").read_bytes() == b"onetwo" and engine.checked
    assert engine.asked == ("http+docker:///images/get", {"names": ["app:1", "app:2"]})


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (saved_image("app:1"), True),
        (saved_image("app:1", layer=b"lay\0r"), False),
        (saved_image("app:1", config={"Env": []}), False),
        (saved_image("app:1", tags=["app:2"]), False),
        (saved_image("app:1", tags=None), False),
        (saved_image("app:1")[:700], False),
        (b"", False),
        (b"\0" * 10240, False),
    ],
    ids=["whole", "layer", "configuration", "other image", "no name", "cut", "empty", "zeros"],
)
def test_file_of_an_image_is_confirmed_by_its_own_sums(tmp_path: Path, content: bytes, whole: bool) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    assert engine_images.is_whole(tmp_path / "image.tar", "app:1") is whole


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
