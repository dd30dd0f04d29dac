# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contexts as streams, the ways to a BuildKit, and what builders are told and answer."""

from __future__ import annotations

import io
import json
import socket
import stat
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import builders
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import Component, ImageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small context."""
    root = tmp_path / "source"
    (root / "src").mkdir(parents=True)
    (root / "src/app.py").write_text("print()")
    (root / "src/run").write_text("#!/bin/sh")
    (root / "src/run").chmod(0o755)
    (root / "link").symlink_to("src/app.py")
    (root / "Dockerfile").write_text("FROM scratch")
    return root


def component(source: Path, dockerfile: str = "Dockerfile", **arguments: str) -> Component:
    return Component("todo", "todo:1", source, source / dockerfile, arguments, (), True)


# -- contexts ----------------------------------------------------------------------------------------------------------


def stream(one: Component) -> tuple[str, dict[str, tarfile.TarInfo], dict[str, bytes]]:
    """The Dockerfile's name in a component's stream, the stream's members, and what the files among them hold."""
    context = builders.context_of(one)
    name = builders.dockerfile_name(context, one.dockerfile)
    reading = builders.ContextStream(context, one.dockerfile, name)
    data = io.BytesIO(b"".join(reading.chunks()))
    reading.close()
    with tarfile.open(fileobj=data) as archive:
        members = {member.name: member for member in archive}
        files = {name: file.read() for name, member in members.items() if (file := archive.extractfile(member))}
    return name, members, files


def test_stream_holds_the_context_and_nobody_owns_it(source: Path) -> None:
    name, members, files = stream(component(source))
    assert name == "Dockerfile"
    assert set(members) == {"Dockerfile", "link", "src", "src/app.py", "src/run"}
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert members["src/run"].mode & stat.S_IXUSR
    assert members["link"].linkname == "src/app.py"
    assert files["src/app.py"] == b"print()"


@pytest.mark.parametrize("rules", ["Dockerfile\n", "Dockerfile\n.dockerignore\n"])
def test_ignored_dockerfile_comes_under_a_name_that_copy_does_not_see(source: Path, rules: str) -> None:
    (source / ".dockerignore").write_text(rules)
    name, members, files = stream(component(source))
    assert name.startswith(".dockerfile.") and "Dockerfile" not in members
    lines = files[".dockerignore"].decode().split()
    assert name in lines
    assert (".dockerignore" in lines) is (".dockerignore" in rules)


def test_dockerfile_outside_of_the_context(source: Path) -> None:
    (source.parent / "web.Dockerfile").write_text("FROM other")
    name, _members, files = stream(component(source, "../web.Dockerfile"))
    assert files[name] == b"FROM other"


def test_file_that_vanishes_is_told(source: Path) -> None:
    one = component(source)
    context = builders.context_of(one)
    (source / "src/app.py").unlink()
    reading = builders.ContextStream(context, one.dockerfile, "Dockerfile")
    assert b"".join(reading.chunks())
    with pytest.raises(ImageError, match=r"app\.py vanished"):
        reading.close()


def test_context_that_cannot_be_read_is_told(source: Path) -> None:
    (source / ".dockerignore").write_text("[a\n")
    with pytest.raises(ImageError, match="The build context of todo cannot be read: .*line 1"):
        builders.context_of(component(source))


# -- the way to a BuildKit ---------------------------------------------------------------------------------------------


class Peer:
    """An engine behind a socket, which answers one request and then echoes."""

    def __init__(self, place: Path, answer: bytes) -> None:
        self.path = str(place / "engine.sock")
        self.head = b""
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection:
            while b"\r\n\r\n" not in self.head:
                self.head += connection.recv(4096)
            connection.sendall(self._answer)
            while data := connection.recv(4096):
                connection.sendall(data.upper())

    @property
    def api(self) -> Any:
        return self

    base_url = "http+docker://localhost"
    _version = "1.41"

    def get_adapter(self, _url: str) -> Any:
        peer = self

        class Adapter:
            socket_path = peer.path

        return Adapter()


def test_stream_begins_right_after_the_head(tmp_path: Path) -> None:
    peer = Peer(tmp_path, b"HTTP/1.1 101 UPGRADED\r\nUpgrade: h2c\r\n\r\nfirst words")
    with builders.upgraded(peer, "/grpc", "h2c") as connection:
        assert connection.recv(11) == b"first words"
        assert peer.head.startswith(b"POST /v1.41/grpc HTTP/1.1\r\n") and b"Upgrade: h2c\r\n" in peer.head


def test_engine_without_a_stream_is_told(tmp_path: Path) -> None:
    peer = Peer(tmp_path, b"HTTP/1.1 404 Not Found\r\n\r\n")
    with pytest.raises(ImageError, match="no stream for /grpc: HTTP/1.1 404 Not Found"):
        builders.upgraded(peer, "/grpc", "h2c")


def test_engine_that_is_reached_otherwise_is_told() -> None:
    class Remote:
        base_url = "https://engine.example:2376"
        _version = "1.41"

        @property
        def api(self) -> Any:
            return self

    with pytest.raises(ImageError, match="not reached through an engine at https://engine.example:2376"):
        builders.upgraded(Remote(), "/grpc", "h2c")


def test_forwarded_socket_reaches_what_was_dialled_and_ends_with_its_block() -> None:
    near, far = socket.socketpair()
    with builders.forwarded(lambda: near) as address, socket.socket(socket.AF_UNIX) as client:
        path = address.removeprefix("unix://")
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        client.connect(path)
        client.sendall(b"question")
        assert far.recv(100) == b"question"
        far.sendall(b"answer")
        assert client.recv(100) == b"answer"
        far.close()
        assert client.recv(100) == b""
    assert not Path(path).exists()


def test_client_is_not_left_waiting_when_nobody_answers() -> None:
    def dial() -> Any:
        raise ImageError("nobody")

    with builders.forwarded(dial) as address, socket.socket(socket.AF_UNIX) as client:
        client.connect(address.removeprefix("unix://"))
        assert client.recv(100) == b""


# -- builders ----------------------------------------------------------------------------------------------------------


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
    assert (told["context"], told["dockerfile"]) == (str(source), str(source / "Dockerfile"))


def test_network_is_the_builders_own_unless_it_is_the_machines(source: Path) -> None:
    told = buildkit("none", host_network=False).request(component(source), "unix:///x")
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
