# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are to be built and delivered, and what a node answers."""

from __future__ import annotations

import json
from typing import Any

import docker.errors
import pytest
from ansible_collections.slipway.kube.plugins.module_utils import _node_images

TODO = "docker.io/library/todo:1"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("todo", "docker.io/library/todo:latest"),
        ("todo:1", TODO),
        ("team/todo:1", "docker.io/team/todo:1"),
        ("docker.io/library/todo:1", TODO),
        ("registry.example/todo", "registry.example/todo:latest"),
        ("registry.example:5000/team/todo:1", "registry.example:5000/team/todo:1"),
        ("registry.example:5000/todo", "registry.example:5000/todo:latest"),
        ("localhost/todo:1", "localhost/todo:1"),
        ("localhost:5000/todo:1", "localhost:5000/todo:1"),
        ("todo@sha256:00", "docker.io/library/todo@sha256:00"),
    ],
)
def test_normal_name(reference: str, name: str) -> None:
    assert _node_images.normal_name(reference) == name
    assert _node_images.normal_name(name) == name


def test_identities_are_by_normal_name() -> None:
    listing = json.dumps(
        {
            "images": [
                {"id": "a", "repoTags": [TODO, "registry.example/todo:1"]},
                {"id": "b", "repoTags": []},
                {"id": "c", "repoTags": None},
            ]
        }
    )
    assert _node_images.identities(listing) == {TODO: "a", "registry.example/todo:1": "a"}
    assert _node_images.identities("{}") == {}


@pytest.mark.parametrize(
    ("engine", "node", "build", "deliver"),
    [
        ({}, {}, True, True),
        ({TODO: "a"}, {}, False, True),
        ({TODO: "a"}, {TODO: "a"}, False, False),
        # Made elsewhere or pruned here: a tag says what an image was made of, so the node's is the right one.
        ({}, {TODO: "a"}, False, False),
        # Built again by hand under the same tag.
        ({TODO: "b"}, {TODO: "a"}, False, True),
    ],
    ids=["nowhere", "engine only", "both", "node only", "both, different"],
)
def test_lacking(engine: dict[str, str], node: dict[str, str], build: bool, deliver: bool) -> None:
    expected = (["todo"] if build else [], ["todo"] if deliver else [])
    assert _node_images.lacking({"todo": {"image": "todo:1"}}, engine, node) == expected


BASED = {
    "unused": {"image": "unused:1", "deliver": False},
    "base": {"image": "base:1", "deliver": False},
    "first": {"image": "first:1", "needs": ["base"], "deliver": True},
    "second": {"image": "second:1", "needs": ["first"]},
}


@pytest.mark.parametrize(
    ("engine", "node", "build", "deliver"),
    [
        ([], [], ["base", "first", "second"], ["first", "second"]),
        (["base"], [], ["first", "second"], ["first", "second"]),
        # A base is needed only where something is built from it.
        (["first", "second"], [], [], ["first", "second"]),
        ([], ["first", "second"], [], []),
        # The engine cannot build from an image that only the node has.
        ([], ["first"], ["base", "first", "second"], ["second"]),
    ],
    ids=["nothing", "base", "built", "delivered", "pruned"],
)
def test_base_is_built_before_what_needs_it_and_not_delivered(
    engine: list[str], node: list[str], build: list[str], deliver: list[str]
) -> None:
    places = [{f"docker.io/library/{name}:1": "id" for name in names} for names in (engine, node)]
    assert _node_images.lacking(BASED, *places) == (build, deliver)


class Container:
    def __init__(self, status: str = "running", answer: tuple[int, bytes] = (0, b"{}")) -> None:
        self.status = status
        self.commands: list[list[str]] = []
        self._answer = answer

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        self.commands.append(command)
        return self._answer


class Stream:
    """The two directions of an exec: what was sent, and what is answered once the sender is done."""

    def __init__(self, answer: bytes, breaks: bool = False) -> None:
        self.sent = b""
        self.closed = False
        self._answer = answer
        self._breaks = breaks

    def sendall(self, data: bytes) -> None:
        if self._breaks:
            raise BrokenPipeError(32, "Broken pipe")
        self.sent += data

    def shutdown(self, _how: int) -> None:
        self.sent += b"<end>"

    def recv(self, _size: int) -> bytes:
        answer, self._answer = self._answer, b""
        return answer

    def close(self) -> None:
        self.closed = True


class Response:
    def raise_for_status(self) -> None:
        pass

    def iter_content(self, chunk_size: int) -> list[bytes]:
        assert chunk_size == _node_images.CHUNK
        return [b"one", b"two"]


class Engine:
    """Enough of a docker.DockerClient."""

    def __init__(self, container: Container | None = None, stream: Stream | None = None, code: int = 0) -> None:
        self.containers = self.api = self
        self.container = container
        self.stream = stream
        self.code = code
        self.asked: dict[str, Any] = {}

    def get(self, name: str, params: dict[str, Any] | None = None, stream: bool = False) -> Any:
        if params is not None:
            self.asked = {"url": name, **params}
            return Response()
        if self.container is None:
            raise docker.errors.NotFound("no such container")
        return self.container

    def _url(self, path: str) -> str:
        return f"http+docker://{path}"

    def exec_create(self, _name: str, command: list[str], **_options: bool) -> dict[str, str]:
        self.asked["command"] = command
        return {"Id": "1"}

    def exec_start(self, _id: str, socket: bool) -> Any:
        assert socket
        return self.stream

    def exec_inspect(self, _id: str) -> dict[str, int]:
        return {"ExitCode": self.code}


@pytest.mark.parametrize(("container", "running"), [(None, False), (Container("exited"), False), (Container(), True)])
def test_running(container: Container | None, running: bool) -> None:
    assert _node_images.Node(Engine(container), "slipway").running() is running


def test_failing_command_in_the_node_is_told_with_its_words() -> None:
    node = _node_images.Node(Engine(Container(answer=(1, b"no runtime\n"))), "slipway")
    with pytest.raises(
        _node_images.NodeError, match="'crictl images --output json' in the node slipway failed: no runtime"
    ):
        node.images()


def test_images_are_streamed_to_their_end() -> None:
    stream = Stream(b"saved")
    engine = Engine(stream=stream)
    _node_images.Node(engine, "slipway").load(["todo:1", "other:2"])
    assert stream.sent == b"onetwo<end>"
    assert stream.closed
    assert engine.asked["names"] == ["todo:1", "other:2"]
    assert engine.asked["command"][:2] == ["ctr", "--namespace=k8s.io"]


def test_refused_import_is_told_with_its_words() -> None:
    stream = Stream(b"ctr: no space left on device")
    with pytest.raises(_node_images.NodeError, match="did not take todo:1: ctr: no space left on device"):
        _node_images.Node(Engine(stream=stream, code=1), "slipway").load(["todo:1"])


def test_broken_stream_is_no_traceback() -> None:
    stream = Stream(b"", breaks=True)
    with pytest.raises(_node_images.NodeError, match="broke: .*Broken pipe.* Does the node have room"):
        _node_images.Node(Engine(stream=stream), "slipway").load(["todo:1"])
    assert stream.closed
