# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preload: which images go into it, and the container that packs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import preload
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from distribution_objects import artifact, graph

NODE = artifact("image", "kicbase", file=None)
PYTHON = artifact("image", "python", names=["registry.example/python:3", "registry.example/python:3.13"])
TRAEFIK = artifact("image", "traefik", names=["registry.example/traefik:3"])
# An image that is only in the engine.
PAUSE = artifact("image", "pause", file=None, names=["registry.example/pause:3"])
PRELOAD = artifact(
    "preload", "preload", node="kicbase", images=["python", "traefik", "pause"], bases=["python"], file="images.lz4"
)


class Left:
    """A container of a run that was killed."""

    def __init__(self, *labels: str) -> None:
        self.labels = set(labels)
        self.removed = False

    def remove(self, force: bool, v: bool) -> None:
        assert force and v
        self.removed = True


class Images:
    """The images of an engine, which also runs containers: one that packs what it finds where it is told."""

    def __init__(self, code: int = 0, left: Sequence[Left] = ()) -> None:
        self.left = left
        self.client = self.containers = self
        self.code = code
        self.done: list[str] = []
        self.options: dict[str, Any] = {}
        self.shared: dict[str, str] = {}

    def load(self, one: Any) -> None:
        self.done.append(f"load {one.name}")

    def save(self, names: Sequence[str], archive: Path) -> None:
        archive.write_text(" ".join(names))

    def list(self, all: bool, filters: dict[str, Any]) -> list[Left]:
        assert all, "one that was never started, too"
        return [one for one in self.left if one.labels >= set(filters["label"])]

    def create(self, image: str, **options: Any) -> Images:
        self.done.append(f"create {image}")
        self.options = options
        return self

    def start(self) -> None:
        mounts = {mount["Target"]: mount["Source"] for mount in self.options["mounts"]}
        self.shared = {file.name: file.read_text() for file in Path(mounts["/shared"]).iterdir()}
        self.done.append("start")

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.code}

    def logs(self, tail: int) -> bytes:
        return b"containerd: no space left on device\n"

    def remove(self, force: bool, v: bool) -> None:
        assert force and v, "the volume goes with it"
        self.done.append("remove")


def assemble(place: Path, images: Any) -> None:
    preload.assemble(graph(NODE, PYTHON, TRAEFIK, PAUSE, PRELOAD), images, PRELOAD, place / "images.lz4")


def test_images_go_in_with_their_names_and_bases_by_themselves(tmp_path: Path) -> None:
    images = Images()
    assemble(tmp_path, images)
    assert images.shared == {
        "images.tar": "registry.example/traefik:3 registry.example/pause:3",
        "bases.tar": "registry.example/python:3 registry.example/python:3.13",
    }
    assert images.done == [
        "load kicbase",
        "load python",
        "load traefik",
        f"create {NODE.image}",
        "start",
        "remove",
    ]
    assert list(tmp_path.iterdir()) == [], "what went in is not left beside the result"


def test_the_container_packs_the_file_in_a_volume_of_its_own_and_is_known_as_ours(tmp_path: Path) -> None:
    images = Images()
    assemble(tmp_path, images)
    shell, option, script = images.options["entrypoint"]
    assert (shell, option) == ("/bin/bash", "-c") and "lz4 -q - /shared/images.lz4" in script
    volumes = [mount["Target"] for mount in images.options["mounts"] if mount["Type"] == "volume"]
    assert volumes == ["/var/lib/containerd"] and images.options["privileged"]
    assert images.options["labels"] == {preload.LABEL: PRELOAD.key, preload.LABEL_SCRATCH: str(tmp_path.parent)}


def test_what_a_killed_run_left_of_this_cache_is_removed(tmp_path: Path) -> None:
    ours, here = f"{preload.LABEL}={PRELOAD.key}", f"{preload.LABEL_SCRATCH}={tmp_path.parent}"
    left = [Left(ours, here), Left(ours, f"{preload.LABEL_SCRATCH}=/elsewhere"), Left(here), Left()]
    assemble(tmp_path, Images(left=left))
    assert [one.removed for one in left] == [True, False, False, False]


@pytest.mark.parametrize(("capable", "runtime"), [(True, "/usr/sbin/runc"), (False, "/usr/local/sbin/runtime-shim")])
def test_a_machine_without_a_capability_packs_with_the_shim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capable: bool, runtime: str
) -> None:
    monkeypatch.setattr(preload, "has_capability", lambda number: capable and number == preload.CAP_SYS_RESOURCE)
    images = Images()
    assemble(tmp_path, images)
    assert f"ln -sfn {runtime} " in images.options["entrypoint"][2]


def test_a_failure_is_told_with_the_last_words_and_leaves_no_container(tmp_path: Path) -> None:
    images = Images(code=1)
    with pytest.raises(BuildError, match=r"exit code 1\):\ncontainerd: no space left"):
        assemble(tmp_path, images)
    assert images.done[-1] == "remove"
