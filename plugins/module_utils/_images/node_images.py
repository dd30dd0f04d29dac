# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the engine, a Minikube node or a registry have, and how they get there. Private to the collection."""

from __future__ import annotations

import json
import shlex
import socket
import time
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._images.channels import BUILDKIT_SOCKET, run_in
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    COMPONENT_LABEL,
    DELIVERED_LABEL,
    ComponentImage,
    ImageError,
    StoredImage,
    normal_name,
)

CHUNK = 1 << 20  # bytes
START_LOOK = 0.5  # seconds between two looks at a node that starts
START_BEGIN = 20.0  # seconds in which somebody must have started to start it
_MARK = "--- slipway ---"  # between the answers of one script
_LOOKS = 3  # at an output that may end before it is whole
_CTR = "ctr --namespace=k8s.io"
# Copies of what was put into the node, in a namespace of containerd in which the kubelet removes nothing. The content exists once.
_COPIES = "ctr --namespace=slipway"


def identities(listing: str) -> dict[str, str]:
    """Image ID by normal name, from the JSON of ``crictl images``.

    An ID is the digest of the image's configuration, the same that Docker calls its ID.
    """
    found: dict[str, str] = {}
    for image in json.loads(listing).get("images", []):
        for tag in image.get("repoTags") or []:
            found[normal_name(tag)] = image["id"]
    return found


def delivered(listing: str, ids: t.Mapping[str, str]) -> list[StoredImage]:
    """What was put into the node for a component, from the table of ``ctr images ls``: its labels say when."""
    stored = []
    for line in listing.splitlines()[1:]:
        columns = line.split()
        labels = dict(label.partition("=")[::2] for label in columns[-1].split(",")) if columns else {}
        if labels.get(DELIVERED_LABEL, "").isdigit() and columns[0] in ids:
            stored.append(StoredImage(columns[0], ids[columns[0]], float(labels[DELIVERED_LABEL])))
    return stored


def in_use(listing: str, ids: t.Mapping[str, str]) -> set[str]:
    """IDs of the images that containers in the node were made from, from the table of ``ctr containers ls``."""
    names = {columns[1] for line in listing.splitlines()[1:] if len(columns := line.split()) > 2}
    return {ids.get(name, name) for name in names}


class Engine:
    """The engine's images; ``client`` is a docker.DockerClient."""

    def __init__(self, client: t.Any) -> None:
        self.client = client
        # One answer for all of them; docker.DockerClient.images.list asks once more for each.
        self._listed: list[dict[str, t.Any]] = client.api.images()

    def _tags(self, image: t.Mapping[str, t.Any]) -> list[str]:
        return [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]

    def images(self) -> dict[str, str]:
        """Image ID by normal name."""
        return {normal_name(tag): image["Id"] for image in self._listed for tag in self._tags(image)}

    def sizes(self) -> dict[str, int]:
        """Size in bytes by normal name."""
        return {normal_name(tag): image["Size"] for image in self._listed for tag in self._tags(image)}

    def built(self) -> list[StoredImage]:
        """What was built for a component."""
        return [
            StoredImage(tag, image["Id"], float(image["Created"]))
            for image in self._listed
            if COMPONENT_LABEL in (image.get("Labels") or {})
            for tag in self._tags(image)
        ]

    def in_use(self) -> set[str]:
        """IDs of the images that containers, running or not, were made from."""
        return {container["ImageID"] for container in self.client.api.containers(all=True)}

    def remove(self, references: t.Iterable[str]) -> None:
        """Remove images by their names."""
        for reference in references:
            self.client.api.remove_image(reference)


def _label(namespace: str, name: str, when: float) -> str:
    return f"{namespace} images label {shlex.quote(name)} {DELIVERED_LABEL}={int(when)}"


def _transfer(source: str, target: str, option: str, name: str, when: float) -> str:
    """The commands that copy an image between two of containerd's namespaces."""
    moved = f"{source} images export - {shlex.quote(name)} | {target} images import {option} -"
    return f"{moved} && {_label(target, name, when)}"


class Node:
    """A node that is a container of the engine; ``client`` is a docker.DockerClient."""

    def __init__(self, client: t.Any, container: str) -> None:
        self._client = client
        self.name = container
        self.buildkit = False
        self.buildctl = False
        # As C(stored) has found them.
        self._copies: set[str] = set()
        self._alone: set[str] = set()

    def running(self) -> bool:
        """Whether the node's container exists and runs."""
        import docker.errors

        try:
            return bool(self._client.api.inspect_container(self.name)["State"]["Running"])
        except docker.errors.NotFound:
            return False

    def await_start(self, seconds: float, is_started: t.Callable[[], bool]) -> bool:
        """Wait until a starting node can take and build images, and return whether it can.

        That is long before its cluster answers. Minikube configures containerd anew before it starts the kubelet, and
        nothing that is started earlier would outlive that. It ends early when C(is_started) tells that nobody starts the node.
        """
        end = time.monotonic() + seconds
        abandoned = time.monotonic() + START_BEGIN
        while True:
            if self.running():
                run = self._client.api.exec_create(self.name, ["systemctl", "is-active", "--quiet", "kubelet"])
                self._client.api.exec_start(run["Id"])
                if self._client.api.exec_inspect(run["Id"])["ExitCode"] == 0:
                    return True
            now = time.monotonic()
            if is_started():
                abandoned = now + START_BEGIN
            if now > min(end, abandoned):
                return False
            time.sleep(START_LOOK)

    def images(self) -> dict[str, str]:
        """Image ID by normal name; notes whether images can be built here. Raises ImageError."""
        listing, found = self._answers(
            "crictl images --output json",
            f"if test -S {BUILDKIT_SOCKET}; then echo buildkit; command -v buildctl; fi; true",
        )
        self.buildkit = "buildkit" in found.split()
        self.buildctl = "buildctl" in found
        return identities(listing)

    def _answers(self, *commands: str) -> list[str]:
        """Run commands in the node at once and return the output of each. Raises ImageError.

        Under load, the engine may end the output before it is whole.
        """
        for _look in range(_LOOKS):
            answers = self._shell(f" && echo '{_MARK}' && ".join(commands)).split(f"{_MARK}\n")
            if len(answers) == len(commands):
                return answers
        raise ImageError(
            f"The node {self.name} did not list its images: the output ended before it was whole, {_LOOKS} times. Run the deploy again "
            "when the machine has less to do."
        )

    def _shell(self, script: str) -> str:
        """Run a script in the node and return its output. Raises ImageError."""
        run = self._client.api.exec_create(self.name, ["/bin/sh", "-c", script])
        output, errors = (part or b"" for part in self._client.api.exec_start(run["Id"], demux=True))
        if self._client.api.exec_inspect(run["Id"])["ExitCode"]:
            said = (errors or output).decode(errors="replace").strip()[-500:]
            raise ImageError(f"'{script}' in the node {self.name} failed: {said}")
        return str(output.decode(errors="replace"))

    def load(self, reference: str) -> None:
        """Stream an image of the engine into the node's containerd; nothing is written in between. Raises ImageError."""
        api = self._client.api
        source = api.get(api._url("/images/get"), params={"names": [reference]}, stream=True)
        source.raise_for_status()
        command = [*_CTR.split(), "images", "import", "--snapshotter=overlayfs", "-"]
        run, channel = run_in(self._client, self.name, command)
        try:
            for chunk in source.iter_content(chunk_size=CHUNK):
                channel.sendall(chunk)
            channel.shutdown(socket.SHUT_WR)  # the end of the archive
            output = b"".join(iter(lambda: channel.recv(CHUNK), b"")) + channel.errors
        except OSError as error:
            raise ImageError(
                f"The stream of images into the node {self.name} broke: {error}. Is the node's disk full (run df in the node)?"
            ) from error
        finally:
            channel.close()
        if api.exec_inspect(run)["ExitCode"]:
            raise ImageError(
                f"The node {self.name} rejected {reference}: {output.decode(errors='replace').strip()[-500:]}"
            )

    def note(self, reference: str) -> None:
        """Write on an image in the node when it came there. Raises ImageError."""
        self._shell(_label(_CTR, normal_name(reference), time.time()))

    def stored(self) -> tuple[list[StoredImage], set[str]]:
        """What was put into the node for components, and the IDs of the images in use.

        What only a copy holds counts as stored, with its reference for an ID. Raises ImageError.
        """
        asked = ["crictl images --output json", f"{_CTR} images ls", f"{_CTR} containers ls", f"{_COPIES} images ls"]
        images, listing, containers, copies = self._answers(*asked)
        ids = identities(images)
        there = delivered(listing, ids)
        names = {one.reference for one in there}
        self._copies = {line.split()[0] for line in copies.splitlines()[1:] if line.strip()}
        self._alone = self._copies - names
        return there + delivered(copies, {name: name for name in self._alone}), in_use(containers, ids)

    def copies(self) -> set[str]:
        """The normal names of the images that have a copy. Raises ImageError."""
        return set(self._shell(f"{_COPIES} images ls --quiet").split())

    def copy(self, stored: t.Iterable[StoredImage]) -> None:
        """Begin to copy images that have no copy yet, so that one that the kubelet removes can be restored.

        The run does not wait for it: it takes seconds that only a later rollback may need. A copy that was not made is missing in the
        next look, and made then.
        """
        missing = [one for one in stored if one.reference not in self._copies]
        if missing:
            script = "; ".join(_transfer(_CTR, _COPIES, "--no-unpack", one.reference, one.when) for one in missing)
            run = self._client.api.exec_create(self.name, ["nice", "-n", "19", "/bin/sh", "-c", script])
            self._client.api.exec_start(run["Id"], detach=True)

    def restore(self, references: t.Iterable[str]) -> None:
        """Restore images from their copies. Raises ImageError."""
        for reference in references:
            self._shell(_transfer(_COPIES, _CTR, "--snapshotter=overlayfs", normal_name(reference), time.time()))

    def remove(self, references: t.Sequence[str]) -> None:
        """Remove images and their copies by their names. Raises ImageError."""
        copies = [reference for reference in references if reference in self._copies]
        if copies:
            self._shell(f"{_COPIES} images rm {shlex.join(copies)}")
        images = [reference for reference in references if reference not in self._alone]
        if images:
            self._shell(f"crictl rmi {shlex.join(images)}")


class Registry:
    """Images in a registry, which the engine asks and pushes to with the credentials of the machine's Docker client."""

    def __init__(self, client: t.Any, address: str) -> None:
        self._client = client
        self._address = address

    def refuse_foreign(self, components: t.Iterable[ComponentImage]) -> None:
        """Raise ImageError for an image whose name does not lead to the registry."""
        for component in components:
            if component.deliver and not component.image.startswith(f"{self._address}/"):
                raise ImageError(
                    f"The image {component.image} does not start with {self._address}/, so it cannot be found in that registry: "
                    f"write 'repository: {self._address}/{component.image.rpartition(':')[0].rpartition('/')[2]}' for the component "
                    f"{component.name}."
                )

    def has(self, reference: str) -> bool:
        """Whether the registry has an image. Raises ImageError."""
        import docker.errors

        try:
            self._client.api.inspect_distribution(reference)
        except docker.errors.NotFound:
            return False
        except docker.errors.APIError as error:
            # Docker's word for a repository that nobody has pushed to yet.
            if error.status_code in (401, 403) and "unknown" in str(error.explanation):
                return False
            raise ImageError(
                f"The registry {self._address} returned no information about {reference}: {error.explanation}. "
                f"Log in with 'docker login {self._address}'."
            ) from error
        return True

    def push(self, reference: str) -> None:
        """Send what the registry lacks of an image. Raises ImageError."""
        repository, _, tag = reference.rpartition(":")
        for message in self._client.api.push(repository, tag=tag, stream=True, decode=True):
            if "error" in message:
                raise ImageError(
                    f"The registry {self._address} rejected {reference}: {message['error']}. "
                    f"Log in with 'docker login {self._address}'."
                )
