# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making artifacts: lanes, failures, what is left behind. Nothing is compiled."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._distribution import builder as builder_module
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.builder import Builder
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from distribution_objects import Engine, Image, artifact, graph, quiet


class Recorded(Builder):
    """A builder whose steps write a word instead of compiling, or do what a test says."""

    def __init__(
        self,
        distribution: Distribution,
        cache: Path,
        steps: dict[str, Callable[[], None]] | None = None,
        say: Say | None = None,
    ) -> None:
        self.words: list[str] = []
        super().__init__(distribution, cache, say or self.words.append, None)
        self.done: list[str] = []
        self._steps = steps or {}

    def _step(self, artifact: Artifact) -> None:
        with self._result(artifact) as file:
            file.write_text("half")
            self._steps.get(artifact.key, lambda: None)()
            file.write_text("whole")
        self.done.append(artifact.key)

    _program = _rootfs = _image = _preload = _step  # type: ignore[assignment]

    def _fetch(self, programs: list[Artifact], stop: threading.Event) -> None:
        """Fetch nothing: these programs have no source."""


CHAIN = (
    artifact("program", "kube"),
    artifact("program", "helm"),
    artifact("rootfs", "debian"),
    artifact("image", "node", "rootfs:debian", "program:kube"),
    artifact("preload", "preload", "image:node"),
)


def files(cache: Path) -> list[str]:
    return sorted(
        path.relative_to(cache / "artifacts").as_posix() for path in (cache / "artifacts").rglob("*") if path.is_file()
    )


def test_everything_is_made_after_what_it_requires(tmp_path: Path) -> None:
    builder = Recorded(graph(*CHAIN), tmp_path)
    made = builder.build(["preload:preload", "program:helm"])
    assert sorted(made) == sorted(one.key for one in CHAIN)
    assert builder.done.index("program:kube") < builder.done.index("image:node") < builder.done.index("preload:preload")
    assert builder.build(["preload:preload", "program:helm"]) == []
    assert [(tmp_path / "artifacts" / name).read_text() for name in files(tmp_path)] == ["whole"] * 5


def test_images_are_made_while_programs_compile(tmp_path: Path) -> None:
    bootstrapped = threading.Event()

    def compile_slowly() -> None:
        assert bootstrapped.wait(10), "the root file system waited for the compiler"

    builder = Recorded(graph(*CHAIN), tmp_path, {"program:kube": compile_slowly, "rootfs:debian": bootstrapped.set})
    builder.build(["image:node"])
    assert builder.done[-1] == "image:node"


def test_programs_are_compiled_one_at_a_time(tmp_path: Path) -> None:
    threads: set[int] = set()
    programs = [artifact("program", f"p{number}") for number in range(4)]
    builder = Recorded(
        graph(*programs), tmp_path, {one.key: lambda: threads.add(threading.get_ident()) for one in programs}
    )
    builder.build([one.key for one in programs])
    assert builder.done == [one.key for one in programs] and len(threads) == 1


@pytest.mark.parametrize("broken", ["program:kube", "rootfs:debian"])
def test_a_failure_ends_both_lanes_and_leaves_nothing_half_made(tmp_path: Path, broken: str) -> None:
    def fail() -> None:
        raise BuildError(f"{broken} cannot be had")

    builder = Recorded(graph(*CHAIN), tmp_path, {broken: fail})
    with pytest.raises(BuildError, match=f"{broken} cannot be had"):
        builder.build(["preload:preload"])
    assert "image:node" not in builder.done
    assert broken.replace(":", "-") + f"-digest-{broken.partition(':')[2]}/file" not in files(tmp_path)
    assert not any("half" in (tmp_path / "artifacts" / name).read_text() for name in files(tmp_path))
    assert not list((tmp_path / "artifacts").glob(".making-*"))

    # The next run makes what is missing and nothing else.
    before = set(builder.done)
    again = Recorded(graph(*CHAIN), tmp_path)
    assert set(again.build(["preload:preload"])) == {one.key for one in CHAIN if one.name != "helm"} - before


def test_progress_tells_steps_and_the_end(tmp_path: Path) -> None:
    builder = Recorded(graph(artifact("program", "one"), artifact("program", "two")), tmp_path)
    builder.build(["program:one", "program:two"])
    assert [re.sub(r"\d+\.\d s", "0.0 s", line) for line in builder.words] == [
        "compile one (1 more after it)",
        "compile one: done in 0.0 s",
        "compile two (0 more after it)",
        "compile two: done in 0.0 s",
        "made 2 artifacts in 0.0 s",
    ]


def test_a_long_step_tells_how_long_it_takes_and_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder_module, "HEARTBEAT", 0.001)
    told = threading.Event()

    def say(text: str) -> None:
        if re.fullmatch(r"compile one: \d+\.\d s so far, \d+\.\d s in all", text):
            told.set()

    def compile_slowly() -> None:
        assert told.wait(10), "it gave no sign of life"

    Recorded(graph(artifact("program", "one")), tmp_path, {"program:one": compile_slowly}, say).build(["program:one"])


# -- programs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modules", [True, False])
def test_program_is_compiled_in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: bool) -> None:
    source, cache = tmp_path / "programs/kube", tmp_path / "cache"
    source.mkdir(parents=True)
    if modules:
        (source / "go.sum").touch()
    compiler = tmp_path / "go"
    # The last argument but one is the program to write.
    compiler.write_text('#!/bin/bash\necho "$PWD $GOWORK $*" >"${@: -2:1}"\n')
    compiler.chmod(0o755)
    monkeypatch.setattr(builder_module.go, "find_go", lambda _cache, _say: str(compiler))
    kube = artifact("program", "kube", package="./cmd", ldflags=["-X a=b"])
    Builder(dataclasses.replace(graph(kube), root=tmp_path), cache, quiet, None).build(["program:kube"])
    place, workspace, *words = kube.path(cache).read_text().split(" ")
    assert place == str(source) and workspace == ("" if modules else "off")
    assert " ".join(words).startswith("build ") and "-s -w -X a=b" in " ".join(words) and words[-1] == "./cmd\n"


# -- presence ----------------------------------------------------------------------------------------------------------


def test_an_image_without_a_file_is_looked_for_in_the_engine(tmp_path: Path) -> None:
    image = artifact("image", "app", file=None)
    assert not Builder(graph(image), tmp_path, quiet, None).present(image)
    assert not Builder(graph(image), tmp_path, quiet, Engine(Image("slipway.local/app:other"))).present(image)
    assert Builder(graph(image), tmp_path, quiet, Engine(Image(image.image))).present(image)


def test_an_image_with_a_file_is_present_when_the_file_is(tmp_path: Path) -> None:
    image = artifact("image", "node", file="image.tar")
    builder = Builder(graph(image), tmp_path, quiet, Engine(Image(image.image)))
    assert not builder.present(image)
    image.path(tmp_path).parent.mkdir(parents=True)
    image.path(tmp_path).touch()
    assert builder.present(image)
