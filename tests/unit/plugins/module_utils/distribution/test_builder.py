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
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._distribution import builder as builder_module
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import (
    Artifact,
    Distribution,
    inputs_sum,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.builder import Builder
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import (
    LABEL_COMPILER,
    LABEL_INPUTS,
)
from distribution_objects import Engine, Image, artifact, go_program, graph, keep, quiet, saved_image


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
    """The files of artifacts, without their receipts."""
    return sorted(
        path.relative_to(cache / "artifacts").as_posix()
        for path in (cache / "artifacts").rglob("*")
        if path.is_file() and not path.name.endswith(".receipt.json")
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
    assert not list((tmp_path / ".making").iterdir())

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
    image = dataclasses.replace(artifact("image", "app", file=None), inputs={"recipe": 1}, compiler="go1.26.6")
    labels = {LABEL_INPUTS: inputs_sum({"recipe": 1}), LABEL_COMPILER: "go1.26.6"}

    def present(*images: Image) -> bool:
        return Builder(graph(image), tmp_path, quiet, Engine(*images)).present(image)

    assert not Builder(graph(image), tmp_path, quiet, None).present(image)
    assert not present(Image("slipway.local/app:other", labels=labels))
    assert present(Image(image.image, labels=labels))
    assert not present(Image(image.image)), "nobody knows what it is made of"
    assert not present(Image(image.image, labels={**labels, LABEL_INPUTS: inputs_sum({"recipe": 2})}))
    assert not present(Image(image.image, labels={**labels, LABEL_COMPILER: "go1.26.4"}))


def test_a_file_is_present_when_its_receipt_says_so(tmp_path: Path) -> None:
    image = artifact("image", "node", file="image.tar")

    def present(deep: bool = False) -> bool:
        return Builder(graph(image), tmp_path, quiet, Engine(Image(image.image)), deep).present(image)

    assert not present()
    file = keep(image, tmp_path, b"whole")
    assert present() and present(deep=True)
    file.write_bytes(b"wh0le")
    assert present() and not present(deep=True), "only its sum tells"
    file.write_bytes(b"")
    assert not present(), "a loss of power left it empty"


def test_a_file_that_cannot_be_believed_is_made_again_with_a_word(tmp_path: Path) -> None:
    graph_of = graph(*CHAIN)
    Recorded(graph_of, tmp_path).build(["preload:preload"])
    (tmp_path / "artifacts/program-kube-digest-kube/file").write_bytes(b"")
    (tmp_path / "artifacts/preload-preload-digest-preload/file.receipt.json").unlink()
    again = Recorded(graph_of, tmp_path)
    # The image that the program is in is whole, so nobody needs the program.
    assert again.build(["preload:preload"]) == ["preload:preload"]
    assert again.words[0] == "preload preload must be made again: it has no receipt"
    assert Recorded(graph_of, tmp_path).build(["program:kube"]) == ["program:kube"]
    assert Recorded(graph_of, tmp_path).build(["preload:preload", "program:kube"]) == []


def test_programs_of_an_older_compiler_are_compiled_again_and_what_is_made_of_them_too(tmp_path: Path) -> None:
    def site(compiler: str) -> Recorded:
        return Recorded(graph(*(dataclasses.replace(one, compiler=compiler) for one in CHAIN)), tmp_path)

    assert len(site("go1.26.6").build(["preload:preload"])) == 4
    assert site("go1.26.4").build(["preload:preload"]) == [], "an older compiler on PATH is no reason"
    newer = site("go1.26.10")
    assert newer.build(["preload:preload"]) == ["program:kube", "rootfs:debian", "image:node", "preload:preload"]
    assert (
        "program kube must be made again: it was compiled by go1.26.6, and the compiler of this machine is go1.26.10"
        in newer.words
    )


# -- what versions without receipts left -------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False], ids=["run", "check mode"])
def test_a_program_without_a_receipt_is_kept_when_the_compilers_own_sum_is_right(tmp_path: Path, write: bool) -> None:
    kube = dataclasses.replace(artifact("program", "kube"), inputs={"recipe": 1}, compiler="go1.26.6")
    path = kube.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(go_program(compiler="go1.26.8"))
    words: list[str] = []
    builder = Builder(graph(kube), tmp_path, words.append, None)
    assert builder.confirm(["program:kube"], write) == ["program:kube"]
    assert builder.present(kube)
    assert receipts.receipt_file(path).exists() is write
    assert bool(words) is write
    if write:
        assert receipts.read(path) == receipts.of(path, {"recipe": 1}, "go1.26.8")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        go_program()[:-1],
        go_program().replace(b"code", b"c0de"),
        go_program() + b"\0",
        go_program(compiler="go1.26.5"),
        go_program(settings={"CGO_ENABLED": "1"}),
        b"no program at all",
    ],
    ids=["empty", "cut", "changed", "longer", "older compiler", "other flags", "none"],
)
def test_a_program_without_a_receipt_that_nothing_confirms_is_made_again(tmp_path: Path, content: bytes) -> None:
    kube = dataclasses.replace(artifact("program", "kube"), compiler="go1.26.6")
    path = kube.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    builder = Recorded(graph(kube), tmp_path)
    assert builder.confirm(["program:kube"], write=True) == []
    assert builder.build(["program:kube"]) == ["program:kube"]
    assert builder.words[0] == "program kube must be made again: it has no receipt"
    assert path.read_text() == "whole" and not kube.fault(tmp_path, deep=True)


@pytest.mark.parametrize(
    ("damage", "write", "kept"),
    [
        ({}, True, ["program:kube", "image:node", "preload:preload"]),
        ({}, False, ["program:kube", "image:node"]),
        ({"program:kube": b""}, True, []),
        ({"image:node": b""}, True, ["program:kube"]),
        ({"preload:preload": b"cut"}, True, ["program:kube", "image:node"]),
    ],
    ids=["whole", "check mode", "program", "image", "preload"],
)
def test_images_and_the_preload_without_receipts_are_kept_when_the_sums_in_them_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: dict[str, bytes], write: bool, kept: list[str]
) -> None:
    chain = [dataclasses.replace(one, compiler="go1.26.6") for one in CHAIN if one.key != "program:helm"]
    chain = [dataclasses.replace(one, settings={"node": "node"}) if one.kind == "preload" else one for one in chain]
    contents = {"program:kube": go_program("go1.26.8"), "image:node": saved_image(chain[2].image), **damage}
    for one in chain:
        path = one.path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_bytes(contents.get(one.key, b"whole"))
    # The container that reads the preload.
    monkeypatch.setattr(
        builder_module.preload, "is_whole", lambda _graph, _images, _one, file: file.read_bytes() == b"whole"
    )
    builder = Builder(graph(*chain), tmp_path, quiet, Engine())
    assert builder.confirm(["preload:preload"], write) == kept
    # Nothing is made of what is not wanted, so nobody needs the root file system when the images are whole.
    assert ("rootfs:debian" in [one.key for one in graph(*chain).wanted(["preload:preload"], builder.present)]) is (
        "image:node" not in kept
    )
    for one in chain:
        receipt = receipts.read(one.path(tmp_path))
        assert (receipt is not None) is (write and one.key in kept)
        assert receipt is None or receipt.compiler == "go1.26.8"
