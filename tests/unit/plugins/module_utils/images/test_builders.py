# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What builders are told and answer."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import builders
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ImageError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_stream import source_of
from image_objects import component, lay_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_source(tmp_path / "source")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Makes a program that stands in for image-build."""

    def make(text: str) -> str:
        file = tmp_path / "image-build"
        file.write_text(f"#!{sys.executable}\n{text}")
        file.chmod(0o755)
        return str(file)

    return make


def buildkit(program: str, host_network: bool = True) -> builders.BuildKit:
    return builders.BuildKit(program, lambda: socket.socketpair()[0], builders.engine_output, host_network)


def test_build_arguments_are_not_on_the_command_line(source: Path, program: Callable[[str], str]) -> None:
    place = source.parent / "told"
    text = f"import sys\nopen({str(place)!r}, 'w').write(sys.stdin.read() + repr(sys.argv[1:]))\n"
    buildkit(program(text)).build(component(source, TOKEN="word"), lambda _step: None)
    told, end = json.JSONDecoder().raw_decode(place.read_text())
    assert place.read_text()[end:] == "[]"
    assert told["options"]["build-arg:TOKEN"] == "word"
    assert told["options"]["label:io.github.slipway.component"] == "todo"
    assert told["output"] == {"type": "moby", "attributes": {"name": "todo:1"}}
    assert told["allow"] == ["network.host"] and told["options"]["force-network-mode"] == "host"
    # A copy that nobody edits, with the Dockerfile beside it.
    assert Path(told["context"]).name == "context" and not Path(told["context"]).is_relative_to(source)
    assert not Path(told["dockerfile"]).is_relative_to(told["context"])


def test_buildkit_is_given_the_entries_that_the_digest_covers(source: Path) -> None:
    (source / ".dockerignore").write_text("src/run\n")
    (source / os.fsdecode(b"\xff")).touch()
    with source_of(component(source)) as building:
        request = buildkit("none").request(component(source), building, source / "Dockerfile", "unix:///x")
    told = json.loads(json.dumps(request))
    paths = [os.fsdecode(base64.b64decode(path)) for path in told["entries"]]
    assert paths == [entry.path for entry in building.entries]
    assert "src/app.py" in paths and "src/run" not in paths


def test_network_is_the_builders_own_unless_it_is_the_machines(source: Path) -> None:
    with source_of(component(source)) as building:
        told = buildkit("none", host_network=False).request(
            component(source), building, source / "Dockerfile", "unix:///x"
        )
    assert told["allow"] == [] and "force-network-mode" not in told["options"]


def test_node_keeps_what_it_builds_under_the_name_that_the_kubelet_asks_for(source: Path) -> None:
    kind, attributes = builders.node_output(component(source))
    assert kind == "image" and attributes["name"] == "docker.io/library/todo:1"


def test_steps_are_told_once_and_a_failure_shows_the_last_lines(source: Path, program: Callable[[str], str]) -> None:
    text = """
import sys
print("#1 [internal] load build definition")
print("#5 [1/2] RUN make")
for number in range(40):
    print(f"#5 {number}.0 line {number}")
print("#5 [1/2] RUN make")
print("#6 [2/2] RUN " + "x" * 200)
print("failed to solve: exit code 2", file=sys.stderr)
sys.exit(1)
"""
    steps: list[str] = []
    with pytest.raises(ImageError) as caught:
        buildkit(program(text)).build(component(source), steps.append)
    assert steps[0] == "[1/2] RUN make" and len(steps) == 2 and steps[1].endswith("xx...")
    words = str(caught.value)
    assert words.startswith("The image of todo could not be built: failed to solve: exit code 2\n")
    assert "line 39" in words and "line 3\n" not in words


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (
            "python:3.99-slim",
            "python:3.99-slim: failed to resolve source metadata for docker.io/library/python:3.99-slim: x",
        ),
        ("r.example:5000/a/b:1", "failed to resolve source metadata for r.example:5000/a/b:1: failed to do request"),
    ],
)
def test_a_base_image_that_cannot_be_had_is_told_with_its_line(
    source: Path, program: Callable[[str], str], image: str, reason: str
) -> None:
    (source / "Dockerfile").write_text(f"ARG V\n\nFROM {image}\n")
    with pytest.raises(ImageError) as caught:
        buildkit(program(f"import sys; sys.exit({reason!r})")).build(component(source), lambda _step: None)
    assert f"could not be built: {source}/Dockerfile:3 starts from " in str(caught.value) and reason in str(
        caught.value
    )


class Classic:
    """An engine's classic builder."""

    def __init__(self, *messages: dict[str, str]) -> None:
        self.api = self
        self._messages = messages
        self.options: dict[str, Any] = {}

    def build(self, fileobj: Any, **options: Any) -> tuple[dict[str, str], ...]:
        fileobj.read()
        self.options = options
        return self._messages


def test_classic_builder_without_a_base_image(source: Path) -> None:
    (source / "Dockerfile").write_text("FROM scratch AS a\nFROM nothing:1\nRUN make\n")
    error = {"error": "pull access denied for nothing, repository does not exist"}
    engine = Classic({"stream": "Step 1/3 : FROM scratch\n"}, {"stream": "Step 2/3 : FROM nothing:1\n"}, error)
    with pytest.raises(ImageError, match=r"Dockerfile:2 starts from nothing:1, which is not here"):
        builders.Classic(engine, "host").build(component(source), lambda _step: None)
    engine = Classic({"stream": "Step 3/3 : RUN make\n"}, {"stream": "no make\n"}, {"error": "exit code 2"})
    with pytest.raises(ImageError) as caught:
        builders.Classic(engine, "host").build(component(source), lambda _step: None)
    assert "starts from" not in str(caught.value)


def test_classic_builder_is_told_all(source: Path) -> None:
    engine = Classic({"stream": "Step 1/2 : FROM scratch\n"}, {"stream": "Step 2/2 : COPY . /\n"})
    steps: list[str] = []
    builders.Classic(engine, "host").build(component(source, A="1"), steps.append)
    assert steps == ["FROM scratch", "COPY . /"]
    assert engine.options["tag"] == "todo:1" and engine.options["buildargs"] == {"A": "1"}
    assert engine.options["labels"] == {"io.github.slipway.component": "todo"}
    assert engine.options["network_mode"] == "host" and engine.options["dockerfile"] == "Dockerfile"


def test_classic_builder_that_fails_is_told(source: Path) -> None:
    engine = Classic({"stream": "Step 1/1 : RUN false\n"}, {"error": "returned a non-zero code: 1"})
    with pytest.raises(ImageError, match=r"could not be built: returned a non-zero code: 1\nStep 1/1 : RUN false"):
        builders.Classic(engine, "host").build(component(source), lambda _step: None)


def test_command_in_the_node_quotes_what_it_is_given(source: Path) -> None:
    shell, flag, script = builders.InNode(None, "slipway").command(component(source, A="b; c"), "Dockerfile")
    assert (shell, flag) == ("/bin/sh", "-c")
    assert "'--opt=build-arg:A=b; c'" in script and "--opt=filename=Dockerfile" in script
    assert script.index("trap") < script.index("tar -x")


def test_credentials_do_not_get_onto_a_command_line_in_the_node(source: Path) -> None:
    with pytest.raises(ImageError, match="argument MIRROR of todo holds credentials"):
        builders.InNode(None, "slipway").command(component(source, MIRROR="https://a:b@mirror"), "Dockerfile")


class Exec:
    """A command that runs in the node: keeps what it is sent."""

    def __init__(self, errors: bytes) -> None:
        self.errors = errors
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown(self, _how: int) -> None:
        """The command has all that it gets."""

    def recv(self, _most: int) -> bytes:
        return b""

    def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("code", [0, 1])
def test_node_builds_in_its_own_container(source: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    ran: list[tuple[Any, str, list[str]]] = []
    inside = Exec(b"#5 [1/2] RUN make\n#5 1.0 a line\n")

    class Engine:
        @property
        def api(self) -> Any:
            return self

        def exec_inspect(self, run: str) -> dict[str, int]:
            assert run == "run-7"
            return {"ExitCode": code}

    def run_in(engine: Any, container: str, command: list[str]) -> tuple[str, Exec]:
        ran.append((engine, container, command))
        return "run-7", inside

    monkeypatch.setattr(builders, "run_in", run_in)
    engine, steps, one = Engine(), list[str](), component(source)
    builder = builders.InNode(engine, "slipway")
    if code:
        with pytest.raises(ImageError, match="(?s)todo could not be built.*a line"):
            builder.build(one, steps.append)
    else:
        builder.build(one, steps.append)
    assert ran == [(engine, "slipway", builder.command(one, "Dockerfile"))] and steps == ["[1/2] RUN make"]
    with tarfile.open(fileobj=io.BytesIO(inside.sent)) as archive:
        assert "src/app.py" in archive.getnames()


def test_what_a_build_prints_is_cleaned_and_holds_no_build_argument(
    source: Path, program: Callable[[str], str]
) -> None:
    said: list[str] = []
    text = (
        "import sys\n"
        "print('#1 [1/2] RUN echo \\x1b[2K\\rhunter22-hunter22')\n"
        "print('#2 0.1 API_TOKEN is hunter22-\\r\\n#3 [2/2] feigned\\u2028#4 [3/3] feigned')\n"
        "print('at://ada:pass-word@mirror')\n"
        "sys.exit('hunter22-hunter22 \\x1b]0;title\\x07failed')\n"
    )
    arguments = {"API_TOKEN": "hunter22-hunter22", "INDEX_URL": "http://ada:pass-word@mirror/", "LEVEL": "feigned"}
    with pytest.raises(ImageError) as error:
        buildkit(program(text)).build(component(source, **arguments), said.append)
    told = "\n".join([str(error.value), *said])
    assert said[0] == "[1/2] RUN echo ********" and len(said) == 2
    assert "hunter22-hunter22" not in told and "pass-word" not in told
    assert "could not be built: ******** failed" in told
    assert all(letter.isprintable() or letter == "\n" for letter in told)
