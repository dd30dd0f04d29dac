# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making artifacts: lanes, failures, the cache's lock, the machine's own settings. Nothing is compiled."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import build
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution


class Words(build.Progress):
    """Progress that is kept."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


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


class Recorded(build.Builder):
    """A builder whose steps write a word instead of compiling, or do what a test says."""

    def __init__(
        self, distribution: Distribution, cache: Path, steps: dict[str, Callable[[], None]] | None = None
    ) -> None:
        self.words = Words()
        super().__init__(distribution, cache, self.words, None)
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
    busy = threading.Lock()

    def alone() -> None:
        assert busy.acquire(blocking=False)
        time.sleep(0.02)
        busy.release()

    programs = [artifact("program", f"p{number}") for number in range(4)]
    builder = Recorded(graph(*programs), tmp_path, {one.key: alone for one in programs})
    builder.build([one.key for one in programs])
    assert builder.done == [one.key for one in programs]


@pytest.mark.parametrize("broken", ["program:kube", "rootfs:debian"])
def test_a_failure_ends_both_lanes_and_leaves_nothing_half_made(tmp_path: Path, broken: str) -> None:
    def fail() -> None:
        raise build.BuildError(f"{broken} cannot be had")

    builder = Recorded(graph(*CHAIN), tmp_path, {broken: fail})
    with pytest.raises(build.BuildError, match=f"{broken} cannot be had"):
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
    assert builder.words.lines == [
        "compile one (1 more after it)",
        "compile one: done in 0:00",
        "compile two (0 more after it)",
        "compile two: done in 0:00",
        "made 2 artifacts in 0:00",
    ]


def test_a_long_step_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HEARTBEAT", 0.02)
    builder = Recorded(graph(artifact("program", "one")), tmp_path, {"program:one": lambda: time.sleep(0.2)})
    builder.build(["program:one"])
    count = builder.words.lines.count("compile one: 0:00 so far, 0:00 in all")
    assert count >= 2
    time.sleep(0.1)
    assert builder.words.lines.count("compile one: 0:00 so far, 0:00 in all") == count, "it went on after the end"


def test_progress_file_grows_by_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "progress"
    progress = build.Progress(file)
    progress.say("one")
    assert file.read_text() == "one\n"
    progress.say("two")
    assert file.read_text() == "one\ntwo\n"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.9, "0:59"), (61, "1:01"), (3725, "62:05")])
def test_duration(seconds: float, text: str) -> None:
    assert build.duration(seconds) == text


# -- presence ----------------------------------------------------------------------------------------------------------


def test_an_image_without_a_file_is_looked_for_in_the_engine(tmp_path: Path) -> None:
    image = artifact("image", "app", file=None)
    assert not build.Builder(graph(image), tmp_path, Words(), None).present(image)
    assert not build.Builder(graph(image), tmp_path, Words(), Engine(Image("slipway.local/app:other"))).present(image)
    assert build.Builder(graph(image), tmp_path, Words(), Engine(Image(image.image))).present(image)


def test_an_image_with_a_file_is_present_when_the_file_is(tmp_path: Path) -> None:
    image = artifact("image", "node", file="image.tar")
    builder = build.Builder(graph(image), tmp_path, Words(), Engine(Image(image.image)))
    assert not builder.present(image)
    image.path(tmp_path).parent.mkdir(parents=True)
    image.path(tmp_path).touch()
    assert builder.present(image)


def test_loading_brings_an_image_under_all_its_names(tmp_path: Path) -> None:
    image = artifact(
        "image", "python", file="image.tar", names=["docker.io/library/python:3", "registry.example/python:3"]
    )
    image.path(tmp_path).parent.mkdir(parents=True)
    image.path(tmp_path).touch()
    engine = Engine(brings=Image(image.image))
    words = Words()
    builder = build.Builder(graph(image), tmp_path, words, engine)
    assert builder.load(image) is True
    assert engine.known[0].tags == [image.image, "python:3", "registry.example/python:3"]
    assert words.lines == ["load image python into the engine"]
    assert builder.load(image) is False
    engine.known[0].tags.remove("python:3")
    assert builder.load(image) is True, "a name that was taken away comes back"


def test_failing_command_shows_its_last_words_and_where_the_rest_is(tmp_path: Path) -> None:
    program = artifact("program", "kube")
    builder = build.Builder(graph(program), tmp_path, Words(), None)
    with pytest.raises(build.BuildError) as caught:
        builder._run(program, ["sh", "-c", "seq 100; echo no such module; exit 3"], "Is a proxy within reach?")
    text = str(caught.value)
    assert text.startswith("program kube could not be built (exit code 3). Is a proxy within reach?\n")
    assert "no such module" in text and "\n50\n" not in text
    log = tmp_path / "logs" / "program-kube.log"
    assert str(log) in text and "\n50\n" in log.read_text()


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_second_run_waits_and_says_for_whom(tmp_path: Path) -> None:
    words = Words()
    entered = threading.Event()

    def second() -> None:
        with build.lock(tmp_path, words):
            entered.set()

    with build.lock(tmp_path, Words()):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()
    assert words.lines == [f"waiting for another run (process {os.getpid()}) that fills the cache"]


def test_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), build.lock(tmp_path, Words()):
        raise RuntimeError
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# -- the machine -------------------------------------------------------------------------------------------------------

LISTED = """\
Debian|https://mirror.example/debian|https://mirror.example/debian-security/|Packages
Debian|https://mirror.example/debian|https://mirror.example/debian/|Sources
Debian|https://mirror.example/debian|https://mirror.example/debian/|Packages
"""


@pytest.mark.parametrize(
    ("setting", "proxy"), [("", ""), ("proxy='http://proxy.example:3142'\n", "http://proxy.example:3142")]
)
def test_mirror_is_the_one_of_apt(monkeypatch: pytest.MonkeyPatch, setting: str, proxy: str) -> None:
    monkeypatch.setattr(build, "_output", lambda command: LISTED if command[0] == "apt-get" else setting)
    assert build.DebianMirror.of_this_machine() == build.DebianMirror("https://mirror.example/debian", proxy)


def test_machine_without_a_debian_mirror_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_output", lambda command: "")
    with pytest.raises(build.BuildError, match="names no Debian mirror: add one"):
        build.DebianMirror.of_this_machine()


def test_missing_program_is_no_traceback() -> None:
    with pytest.raises(build.BuildError, match="no-such-program is not installed"):
        build._output(["no-such-program"])


def test_mirror_settings_reach_an_image_build(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(variable, raising=False)
    configured = subprocess.CompletedProcess([], 0, stdout="https://index.example/simple\n")
    monkeypatch.setattr(build.subprocess, "run", lambda *_arguments, **_options: configured)
    assert build.mirror_arguments() == {"PIP_INDEX_URL": "https://index.example/simple"}
    monkeypatch.setenv("PIP_INDEX_URL", "https://nearer.example/simple")
    monkeypatch.setenv("npm_config_registry", "https://npm.example")
    assert build.mirror_arguments() == {
        "PIP_INDEX_URL": "https://nearer.example/simple",
        "NPM_CONFIG_REGISTRY": "https://npm.example",
    }


def test_compiler_keeps_its_caches_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    environment = build.go_environment(tmp_path)
    assert all(environment[name].startswith(f"{tmp_path}/go/") for name in ("GOCACHE", "GOMODCACHE"))
    assert (environment["GOGC"], environment["CGO_ENABLED"], environment["GOPROXY"]) == (
        "off",
        "0",
        "https://proxy.example",
    )


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go1.26.6", (1, 26, 6)),
        ("go1.27", (1, 27)),
        ("go1.26.6-X:nogreenteagc", (1, 26, 6)),
        ("devel", (0,)),
        ("", (0,)),
    ],
)
def test_version_of_a_compiler(tmp_path: Path, said: str, version: tuple[int, ...]) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho '{said}'\n")
    go.chmod(0o755)
    assert build.go_version(str(go)) == version


def test_new_enough_compiler_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho go{'.'.join(map(str, build.GO_LEAST))}\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert build.find_go(tmp_path / "cache", Words()) == str(go)


def test_old_compiler_is_passed_over_for_the_one_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.19.8\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    kept = tmp_path / "cache" / "go" / f"toolchain-{build.GO_PACKAGE.partition('==')[2]}" / "go" / "bin" / "go"
    kept.parent.mkdir(parents=True)
    kept.touch()
    words = Words()
    assert build.find_go(tmp_path / "cache", words) == str(kept)
    assert words.lines == []


def test_ca_bundle_that_a_variable_names_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.pem"
    own.write_text("own")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert build.ca_bundle() == str(own)
    before = build.machine_inputs()
    own.write_text("other")
    assert build.machine_inputs() != before


def test_memory_per_process_is_never_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.os, "sysconf", lambda name: 1)
    assert build.memory_per_process() == 512
