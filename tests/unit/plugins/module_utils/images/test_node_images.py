# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine, a node and a registry answer, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import docker.errors
import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import channels, node_images
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    ComponentImage,
    ImageError,
    StoredImage,
    read_components,
)

TODO = "docker.io/library/todo:1"
MARK = "--- slipway ---"


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
    assert node_images.identities(listing) == {TODO: "a", "registry.example/todo:1": "a"}
    assert node_images.identities("{}") == {}


IMAGES = f"""\
REF                                TYPE                                                 DIGEST     SIZE      PLATFORMS   LABELS
docker.io/library/python:3.13-slim application/vnd.docker.distribution.manifest.v2+json sha256:00  130.8 MiB linux/amd64 io.cri-containerd.image=managed
{TODO}           application/vnd.docker.distribution.manifest.v2+json sha256:01  229.1 MiB linux/amd64 io.cri-containerd.image=managed,io.github.slipway.delivered=1795280727
docker.io/library/gone:1           application/vnd.docker.distribution.manifest.v2+json sha256:02  229.1 MiB linux/amd64 io.github.slipway.delivered=1795280728
"""
CONTAINERS = f"""\
CONTAINER    IMAGE                         RUNTIME
0031ea214ecd {TODO}      io.containerd.runc.v2
0736d8673a8c registry.k8s.io/pause:3.10.1  io.containerd.runc.v2
0736d8673a8d sha256:77                     io.containerd.runc.v2
"""


def test_only_what_carries_the_label_counts_as_delivered() -> None:
    assert node_images.delivered(IMAGES, {TODO: "a"}) == [StoredImage(TODO, "a", 1795280727.0)]
    assert node_images.delivered("REF TYPE\n", {}) == []


def test_images_in_use_are_by_id() -> None:
    assert node_images.in_use(CONTAINERS, {TODO: "a"}) == {"a", "registry.k8s.io/pause:3.10.1", "sha256:77"}


class Api:
    """Enough of a docker.APIClient: commands in a container are answered in turn."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.api = self
        self.answers = list(answers)
        self.commands: list[str] = []
        self.detached: list[str] = []
        self.state: dict[str, Any] | None = {"Running": True}
        self.asked: dict[str, Any] = {}
        self._code = 0

    def inspect_container(self, _name: str) -> dict[str, Any]:
        if self.state is None:
            raise docker.errors.NotFound("no such container")
        return {"State": self.state}

    def exec_create(self, _name: str, command: list[str]) -> dict[str, str]:
        self.commands.append(command[-1])
        return {"Id": "1"}

    def exec_start(self, _run: str, demux: bool = False, detach: bool = False) -> tuple[bytes | None, bytes | None]:
        self.detached += self.commands[-1:] if detach else []
        if detach:
            return None, None
        # A warning of crictl's must not get into its answer.
        assert demux or self.commands[-1] == "kubelet"
        self._code, output, errors = self.answers.pop(0)
        return output.encode() or None, errors.encode() or None

    def exec_inspect(self, _run: str) -> dict[str, int]:
        return {"ExitCode": self._code}

    def get(self, url: str, params: dict[str, Any], stream: bool) -> Any:
        assert stream
        self.asked = {"url": url, **params}
        return self

    def raise_for_status(self) -> None:
        pass

    def iter_content(self, chunk_size: int) -> list[bytes]:
        assert chunk_size == node_images.CHUNK
        return [b"one", b"two"]

    def _url(self, path: str) -> str:
        return f"http+docker://{path}"


def node(api: Api) -> node_images.Node:
    return node_images.Node(api, "slipway")


@pytest.mark.parametrize(("state", "running"), [(None, False), ({"Running": False}, False), ({"Running": True}, True)])
def test_running(state: dict[str, Any] | None, running: bool) -> None:
    api = Api()
    api.state = state
    assert node(api).running() is running


def test_starting_node_is_waited_for_until_its_kubelet_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_images, "START_LOOK", 0.001)
    assert node(api := Api((3, "", ""), (3, "", ""), (0, "", ""))).await_start(5, lambda: True)
    assert api.commands == ["kubelet"] * 3
    api = Api()
    api.state = None
    assert not node(api).await_start(0.01, lambda: True)


def test_node_that_nobody_starts_any_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_images, "START_LOOK", 0.001)
    monkeypatch.setattr(node_images, "START_BEGIN", 0.05)
    api = Api()
    api.state = None
    looks = iter([True] * 20)
    assert not node(api).await_start(30, lambda: next(looks, False))
    assert next(looks, None) is None  # it has asked until nobody started the node any more
    assert next(looks, None) is None, "it gave up while somebody was starting the node"


@pytest.mark.parametrize(
    ("found", "buildkit", "buildctl"),
    [("buildkit\n/usr/local/bin/buildctl\n", True, True), ("buildkit\n", True, False), ("", False, False)],
)
def test_images_and_whether_it_can_build_are_one_question(found: str, buildkit: bool, buildctl: bool) -> None:
    listing = json.dumps({"images": [{"id": "a", "repoTags": [TODO]}]})
    asked = node(api := Api((0, f"{listing}\n{MARK}\n{found}", "a warning")))
    assert asked.images() == {TODO: "a"}
    assert (asked.buildkit, asked.buildctl) == (buildkit, buildctl)
    assert len(api.commands) == 1


def test_failing_command_in_the_node_is_told_with_its_words() -> None:
    with pytest.raises(ImageError, match="in the node slipway failed: no runtime"):
        node(Api((1, "", "no runtime\n"))).images()


COPIES = f"""\
REF                       TYPE                                                 DIGEST     SIZE      PLATFORMS   LABELS
{TODO}  application/vnd.docker.distribution.manifest.v2+json sha256:01  229.1 MiB linux/amd64 io.github.slipway.delivered=17
docker.io/library/todo:0  application/vnd.docker.distribution.manifest.v2+json sha256:03  229.1 MiB linux/amd64 io.github.slipway.delivered=16
docker.io/library/new:1   application/vnd.docker.distribution.manifest.v2+json sha256:04  229.1 MiB linux/amd64 -
"""


def held(*answers: tuple[int, str, str]) -> tuple[Api, node_images.Node, list[StoredImage], set[str]]:
    """A node that was asked what it holds, whose next commands get these answers."""
    listing = json.dumps(
        {"images": [{"id": "a", "repoTags": [TODO]}, {"id": "b", "repoTags": ["docker.io/library/new:1"]}]}
    )
    images = IMAGES.replace("gone:1 ", "new:1  ")
    asked = node(api := Api((0, f"{listing}\n{MARK}\n{images}{MARK}\n{CONTAINERS}{MARK}\n{COPIES}", ""), *answers))
    stored, used = asked.stored()
    assert len(api.commands) == 1
    api.commands.clear()
    return api, asked, stored, used


def test_what_is_held_and_used_is_one_question() -> None:
    _api, _node, stored, used = held()
    # The kubelet has removed the last one, and only its copy is there.
    assert [(one.reference, one.identity, one.when) for one in stored] == [
        (TODO, "a", 1795280727.0),
        ("docker.io/library/new:1", "b", 1795280728.0),
        ("docker.io/library/todo:0", "docker.io/library/todo:0", 16.0),
    ]
    assert "a" in used


def test_listing_that_ends_early_is_asked_for_again() -> None:
    listing = json.dumps({"images": [{"id": "a", "repoTags": [TODO]}]})
    whole = f"{listing}\n{MARK}\n{IMAGES}{MARK}\n{CONTAINERS}{MARK}\n{COPIES}"
    asked = node(api := Api((0, f"{listing}\n{MARK}\n{IMAGES[:10]}", ""), (0, whole, "")))
    stored, _used = asked.stored()
    assert stored and len(api.commands) == 2


def test_image_is_copied_once_and_restored_from_its_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked, stored, _used = held()
    asked.copy(stored)
    assert api.commands == []
    copies, images, label = (
        "ctr --namespace=slipway images",
        "ctr --namespace=k8s.io images",
        "io.github.slipway.delivered",
    )
    monkeypatch.setattr(node_images.time, "time", lambda: 18.9)
    asked.copy([StoredImage("x:1", "c", 17.5), StoredImage("y:1", "d", 18.5)])
    assert api.detached == [
        f"{images} export - x:1 | {copies} import --no-unpack - && {copies} label x:1 {label}=17; "
        f"{images} export - y:1 | {copies} import --no-unpack - && {copies} label y:1 {label}=18"
    ]
    api.answers = [(0, "", "")]
    asked.restore(["todo:0"])
    assert api.commands == [
        *api.detached,
        f"{copies} export - docker.io/library/todo:0 | {images} import --snapshotter=overlayfs - && "
        f"{images} label docker.io/library/todo:0 {label}=18",
    ]
    api.answers = [(0, f"{TODO}\ndocker.io/library/todo:0\n", "")]
    assert asked.copies() == {TODO, "docker.io/library/todo:0"}


def test_a_copy_goes_with_its_image() -> None:
    api, asked, _stored, _used = held(*[(0, "", "")] * 3)
    asked.remove([TODO, "docker.io/library/todo:0"])
    asked.remove(["docker.io/library/other:1"])
    assert api.commands == [
        f"ctr --namespace=slipway images rm {TODO} docker.io/library/todo:0",
        f"crictl rmi {TODO}",
        "crictl rmi docker.io/library/other:1",
    ]


def test_note_and_removal_name_images_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_images.time, "time", lambda: 17.9)
    node(api := Api((0, "", ""))).note("todo:1")
    assert api.commands == [f"ctr --namespace=k8s.io images label {TODO} io.github.slipway.delivered=17"]
    node(api := Api((0, "", ""))).remove([TODO, "b:2"])
    assert api.commands == [f"crictl rmi {TODO} b:2"]
    node(api := Api()).remove([])
    assert api.commands == []


class Channel:
    """The two directions of a command: what was sent, and what is answered once the sender is done."""

    def __init__(self, answer: bytes = b"", errors: bytes = b"", breaks: bool = False) -> None:
        self.sent = b""
        self.closed = False
        self.errors = errors
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


def load(monkeypatch: pytest.MonkeyPatch, channel: Channel, code: int = 0) -> tuple[Api, list[str]]:
    commands: list[str] = []

    def run_in(_client: Any, _container: str, command: list[str]) -> tuple[str, Channel]:
        commands.extend(command)
        return "1", channel

    monkeypatch.setattr(node_images, "run_in", run_in)
    api = Api()
    api._code = code
    node(api).load("todo:1")
    return api, commands


def test_image_is_streamed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    api, commands = load(monkeypatch, channel := Channel(b"saved"))
    assert channel.sent == b"onetwo<end>" and channel.closed
    assert api.asked["names"] == ["todo:1"]
    assert commands[:4] == ["ctr", "--namespace=k8s.io", "images", "import"]


def test_refused_import_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="rejected todo:1: ctr: no space left on device"):
        load(monkeypatch, Channel(errors=b"ctr: no space left on device"), code=1)


def test_broken_stream_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(breaks=True)
    with pytest.raises(ImageError, match=r"broke: .*Broken pipe.* Is the node's disk full"):
        load(monkeypatch, channel)
    assert channel.closed


# -- the engine --------------------------------------------------------------------------------------------------------


class Images:
    def __init__(self, *images: dict[str, Any]) -> None:
        self.api = self
        self._images = images

    def images(self) -> tuple[dict[str, Any], ...]:
        return self._images


def test_engine_knows_its_own_builds_by_their_label() -> None:
    label = {"io.github.slipway.component": "todo"}
    engine = node_images.Engine(
        Images(
            {"Id": "a", "RepoTags": ["todo:1", "todo:2"], "Labels": label, "Created": 7, "Size": 5},
            {"Id": "b", "RepoTags": ["other:1"], "Labels": None, "Created": 8, "Size": 6},
            {"Id": "c", "RepoTags": ["<none>:<none>"], "Labels": label, "Created": 9, "Size": 6},
            {"Id": "d", "RepoTags": None, "Labels": label, "Created": 9, "Size": 6},
        )
    )
    assert engine.images() == {TODO: "a", "docker.io/library/todo:2": "a", "docker.io/library/other:1": "b"}
    assert engine.built() == [StoredImage("todo:1", "a", 7.0), StoredImage("todo:2", "a", 7.0)]
    assert engine.sizes()[TODO] == 5


# -- a registry --------------------------------------------------------------------------------------------------------


class Response:
    def __init__(self, status: int) -> None:
        self.status_code = status


class Pushes:
    """An engine that asks a registry and pushes to it."""

    def __init__(self, status: int = 200, words: str = "", messages: tuple[dict[str, str], ...] = ()) -> None:
        self.api = self
        self._status = status
        self._words = words
        self._messages = messages
        self.pushed: list[tuple[str, str]] = []

    def inspect_distribution(self, _reference: str) -> dict[str, str]:
        if self._status == 404:
            raise docker.errors.NotFound("not found", Response(404), self._words)
        if self._status != 200:
            raise docker.errors.APIError("refused", Response(self._status), self._words)
        return {}

    def push(self, repository: str, tag: str, stream: bool, decode: bool) -> tuple[dict[str, str], ...]:
        assert stream and decode
        self.pushed.append((repository, tag))
        return self._messages


def registry(pushes: Pushes) -> node_images.Registry:
    return node_images.Registry(pushes, "registry.example:5000/team")


def test_registry_tells_what_it_has() -> None:
    assert registry(Pushes()).has("registry.example:5000/team/todo:1")
    assert not registry(Pushes(404)).has("registry.example:5000/team/todo:1")
    assert not registry(Pushes(403, "manifest unknown")).has("registry.example:5000/team/todo:1")
    with pytest.raises(ImageError, match="denied. Log in with 'docker login registry.example:5000/team'"):
        registry(Pushes(401, "denied")).has("registry.example:5000/team/todo:1")


def test_push_names_repository_and_tag() -> None:
    registry(pushes := Pushes(messages=({"status": "Pushed"},))).push("registry.example:5000/team/todo:1")
    assert pushes.pushed == [("registry.example:5000/team/todo", "1")]
    with pytest.raises(ImageError, match="rejected registry.example:5000/team/todo:1: denied"):
        registry(Pushes(messages=({"error": "denied"},))).push("registry.example:5000/team/todo:1")


def component(image: str, deliver: bool = True) -> ComponentImage:
    return read_components({"todo": {"source": "/src", "image": image, "deliver": deliver}}, {})["todo"]


def test_names_must_lead_to_the_registry() -> None:
    asked = registry(Pushes())
    asked.refuse_foreign([component("registry.example:5000/team/todo:1"), component("base:1", deliver=False)])
    with pytest.raises(ImageError, match="'repository: registry.example:5000/team/todo-backend'"):
        asked.refuse_foreign([component("todo-backend:1")])


def test_the_frames_of_a_command_are_taken_off() -> None:
    class Connection:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def recv(self, size: int) -> bytes:
            size = min(size, 3)  # frames do not end where packets do
            piece, self.data = self.data[:size], self.data[size:]
            return piece

    def frame(kind: int, text: bytes) -> bytes:
        return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text

    connection: Any = Connection(frame(1, b"hello ") + frame(2, b"oh") + frame(1, b"") + frame(1, b"world"))
    channel = channels.ExecChannel(connection)
    assert b"".join(iter(lambda: channel.recv(100), b"")) == b"hello world"
    assert channel.errors == b"oh"


def test_a_list_that_ends_before_it_is_whole_is_asked_for_again() -> None:
    whole = json.dumps({"images": [{"id": "a", "repoTags": [TODO]}]}) + f"\n{MARK}\nbuildkit\n"
    api = Api((0, '{"images": [', ""), (0, "", ""), (0, whole, ""))
    assert node(api).images() == {TODO: "a"} and len(api.commands) == 3
    api = Api(*[(0, '{"images": []}\n', "")] * 3)
    with pytest.raises(ImageError, match="slipway did not list its images: the output ended before it was whole"):
        node(api).images()
    assert api.answers == []
