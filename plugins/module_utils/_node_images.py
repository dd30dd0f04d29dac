# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the engine and a Minikube node have, and how they get from one to the other. Private to the collection."""

from __future__ import annotations

import json
import typing as t

CHUNK = 1 << 20  # bytes


class NodeError(Exception):
    """The node does not do as it is told; the text says what it answered."""


def normal_name(reference: str) -> str:
    """A reference with registry, path and tag spelled out, as containerd keeps it.

    >>> normal_name("todo-backend:1")
    'docker.io/library/todo-backend:1'
    """
    name, _, last = reference.rpartition("/")
    if ":" not in last and "@" not in last:
        reference += ":latest"
    first = reference.split("/", 1)[0]
    if name and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if "/" in reference else f"docker.io/library/{reference}"


def identities(listing: str) -> dict[str, str]:
    """Image ID by normal name, from the JSON of ``crictl images``.

    An ID is the digest of the image's configuration, the same that Docker calls its ID.
    """
    found: dict[str, str] = {}
    for image in json.loads(listing).get("images", []):
        for tag in image.get("repoTags") or []:
            found[normal_name(tag)] = image["id"]
    return found


def lacking(
    components: t.Mapping[str, t.Mapping[str, t.Any]], engine: t.Mapping[str, str], node: t.Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Names of the components that must be built, in the order given, and of those that the node must get.

    Each component has ``image`` and may have ``deliver`` (false: others are built from it and the node does not need
    it) and ``needs`` (the components it is built from, which come before it). A tag is a digest of what the image was
    made of, so an image that only the node has needs no building. One that both have under the same name with
    different IDs is delivered again.
    """
    build: list[str] = []
    deliver: list[str] = []
    bases: set[str] = set()
    for name, component in reversed(components.items()):
        image = normal_name(component["image"])
        delivered = component.get("deliver", True)
        if delivered and (image not in node or engine.get(image, node[image]) != node[image]):
            deliver.insert(0, name)
        if image not in engine and (name in bases or (delivered and image not in node)):
            build.insert(0, name)
            bases.update(component.get("needs", ()))
    return build, deliver


class Node:
    """A node that is a container of the engine; ``engine`` is a docker.DockerClient."""

    def __init__(self, engine: t.Any, container: str) -> None:
        self._engine = engine
        self._name = container

    def running(self) -> bool:
        """Whether the node's container exists and runs."""
        import docker.errors

        try:
            return bool(self._engine.containers.get(self._name).status == "running")
        except docker.errors.NotFound:
            return False

    def images(self) -> dict[str, str]:
        """Image ID by normal name. Raises NodeError."""
        return identities(self._exec(["crictl", "images", "--output", "json"]))

    def _exec(self, command: list[str]) -> str:
        code, output = self._engine.containers.get(self._name).exec_run(command)
        text = str(output.decode(errors="replace"))
        if code:
            raise NodeError(f"'{' '.join(command)}' in the node {self._name} failed: {text.strip()[-500:]}")
        return text

    def load(self, references: t.Sequence[str]) -> None:
        """Stream images of the engine into the node's containerd; nothing is written in between. Raises NodeError."""
        api = self._engine.api
        source = api.get(api._url("/images/get"), params={"names": list(references)}, stream=True)
        source.raise_for_status()
        command = ["ctr", "--namespace=k8s.io", "images", "import", "--snapshotter=overlayfs", "-"]
        run = api.exec_create(self._name, command, stdin=True, stdout=True, stderr=True)
        stream = api.exec_start(run["Id"], socket=True)
        raw = getattr(stream, "_sock", stream)
        try:
            for chunk in source.iter_content(chunk_size=CHUNK):
                raw.sendall(chunk)
            raw.shutdown(1)  # SHUT_WR: the end of the archive
            output = b"".join(iter(lambda: raw.recv(65536), b""))
        except OSError as error:
            raise NodeError(
                f"The stream of images into the node {self._name} broke: {error}. Does the node have room (df in the node)?"
            ) from error
        finally:
            stream.close()
        if api.exec_inspect(run["Id"])["ExitCode"]:
            raise NodeError(
                f"The node {self._name} did not take {', '.join(references)}: {output.decode(errors='replace').strip()[-500:]}"
            )
