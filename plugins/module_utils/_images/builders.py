# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one image: in the engine by BuildKit or by its classic builder, or in the node. Private to the collection.

BuildKit is asked by the program image-build (distribution/programs/image-build) through a socket of this process, which
is forwarded to the BuildKit of the engine or of the node.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import pathlib
import re
import secrets
import shlex
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import ContextError
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    COMPONENT_LABEL,
    Component,
    ImageError,
    normal_name,
    with_credentials,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    Context,
    read_context,
)

BUILDKIT_SOCKET = "/run/buildkit/buildkitd.sock"
_CHUNK = 1 << 16
_KEPT_LINES = 15
_STEP_LENGTH = 70
_BUILDKIT_STEP = re.compile(r"#\d+ (\[(?!internal\]).*)")
_CLASSIC_STEP = re.compile(r"Step \d+/\d+ : (.*)")

Say = t.Callable[[str], None]  # is told each step of a build as it begins


class Channel(t.Protocol):
    """Two directions of bytes, as a connected socket has them."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


# -- contexts ----------------------------------------------------------------------------------------------------------


def context_of(component: Component) -> Context:
    """A component's context, as .dockerignore leaves it. Raises ImageError."""
    try:
        return read_context(component.source, os.path.relpath(component.dockerfile, component.source))
    except ContextError as error:
        raise ImageError(f"The build context of {component.name} cannot be read: {error}.") from None


def dockerfile_name(context: Context, dockerfile: pathlib.Path) -> str:
    """The Dockerfile's name in the context's stream: one of its own if it lies outside or is ignored."""
    if dockerfile.is_relative_to(context.root):
        inside = dockerfile.relative_to(context.root).as_posix()
        if any(entry.path == inside for entry in context.entries):
            return inside
    return f".dockerfile.{secrets.token_hex(8)}"


def write_context(context: Context, dockerfile: pathlib.Path, name: str, out: t.IO[bytes]) -> None:
    """Write a context as a tar stream. Raises ContextError.

    A Dockerfile under a name of its own comes with a .dockerignore that has the engine take both out of what COPY sees.
    """
    paths = {entry.path for entry in context.entries}
    added = name not in paths
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        if added:
            _add(archive, name, dockerfile.read_bytes())
            seen = (context.root / ".dockerignore").read_bytes() if ".dockerignore" in paths else b".dockerignore"
            _add(archive, ".dockerignore", seen + f"\n{name}\n".encode())
        for entry in context.entries:
            if entry.kind == "o" or (added and entry.path == ".dockerignore"):
                continue
            path = context.root / entry.path
            try:
                member = archive.gettarinfo(path, arcname=entry.path)
                # Owners are those of whoever checked the source out; Docker sends root's too.
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                if member.isreg():
                    with path.open("rb") as file:
                        archive.addfile(member, file)
                else:
                    archive.addfile(member)
            except FileNotFoundError:
                raise ContextError(f"{path} vanished while it was read; run this again") from None


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


class ContextStream:
    """A context as a file to read: a thread writes it meanwhile, so it is never whole in memory or on a disk."""

    def __init__(self, context: Context, dockerfile: pathlib.Path, name: str) -> None:
        reading, writing = os.pipe()
        self.file: t.IO[bytes] = os.fdopen(reading, "rb")
        self._failure: Exception | None = None
        out = os.fdopen(writing, "wb")
        self._thread = threading.Thread(target=self._write, args=(context, dockerfile, name, out), daemon=True)
        self._thread.start()

    def _write(self, context: Context, dockerfile: pathlib.Path, name: str, out: t.IO[bytes]) -> None:
        try:
            with out:
                write_context(context, dockerfile, name, out)
        except BrokenPipeError:
            pass  # the reader has had enough, and knows why
        except (OSError, ContextError) as error:
            self._failure = error

    def chunks(self) -> t.Iterator[bytes]:
        """The stream piece by piece."""
        return iter(lambda: self.file.read(_CHUNK), b"")

    def close(self) -> None:
        """End the writing. Raises ImageError if the context could not be read."""
        self.file.close()
        self._thread.join()
        if self._failure is not None:
            raise ImageError(f"The build context cannot be read: {self._failure}.")


# -- the way to a BuildKit ---------------------------------------------------------------------------------------------


def upgraded(engine: t.Any, path: str, protocol: str, body: bytes = b"") -> socket.socket:
    """Ask the engine's interface for a stream instead of an answer, and return its connection. Raises ImageError.

    The engine may speak first, so the answer's head is read to its end and no byte further.
    """
    address = engine.api.base_url
    try:
        if address.startswith("http+docker://"):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(engine.api.get_adapter(address).socket_path)
        elif address.startswith("http://"):
            host, _, port = address.removeprefix("http://").partition(":")
            connection = socket.create_connection((host, int(port or 2375)))
        else:
            raise ImageError(f"BuildKit is not reached through an engine at {address}.")
        head = (
            f"POST /v{engine.api._version}{path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                break
            answer += byte
    except OSError as error:
        raise ImageError(f"The container engine does not answer: {error}.") from error
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in f"{status} ":
        connection.close()
        raise ImageError(f"The container engine gave no stream for {path}: {status or 'no answer'}.")
    return connection


class ExecChannel:
    """The streams of a command in a container, with the frames taken off that hold output and errors apart.

    Frames: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = 0
        self._error = False
        self.errors = b""

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._connection.recv(count - len(data))
            if not piece:
                return b""
            data += piece
        return data

    def recv(self, size: int, /) -> bytes:
        """Output, empty at its end; errors are kept in ``errors``."""
        while True:
            while not self._rest:
                head = self._exactly(8)
                if not head:
                    return b""
                kind, self._rest = struct.unpack(">BxxxL", head)
                self._error = kind == 2
            data = self._connection.recv(min(size, self._rest))
            if not data:
                return b""
            self._rest -= len(data)
            if not self._error:
                return data
            self.errors += data

    def sendall(self, data: bytes, /) -> None:
        self._connection.sendall(data)

    def shutdown(self, how: int, /) -> None:
        self._connection.shutdown(how)

    def close(self) -> None:
        self._connection.close()


def engine_buildkit(engine: t.Any) -> Channel:
    """A connection to the BuildKit inside of the engine (Docker 18.09 or newer). Raises ImageError."""
    return upgraded(engine, "/grpc", "h2c")


def run_in(engine: t.Any, container: str, command: t.Sequence[str]) -> tuple[str, ExecChannel]:
    """Start a command in a container; its ID and its streams. Raises ImageError."""
    run = engine.api.exec_create(container, list(command), stdin=True, stdout=True, stderr=True)
    body = json.dumps({"Detach": False, "Tty": False}).encode()
    return run["Id"], ExecChannel(upgraded(engine, f"/exec/{run['Id']}/start", "tcp", body))


def node_buildkit(engine: t.Any, container: str) -> Channel:
    """A connection to the BuildKit in a node. Raises ImageError."""
    return run_in(engine, container, ["socat", "STDIO", f"UNIX-CONNECT:{BUILDKIT_SOCKET}"])[1]


@contextlib.contextmanager
def forwarded(dial: t.Callable[[], Channel]) -> t.Iterator[str]:
    """Offer what ``dial`` connects to as a socket of this machine that only this user can reach; yields its address."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as directory:
        path = f"{directory}/buildkit.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            accepting = threading.Thread(target=_accept, args=(listener, dial), daemon=True)
            accepting.start()
            try:
                yield f"unix://{path}"
            finally:
                # close alone would leave the thread in its wait.
                listener.shutdown(socket.SHUT_RDWR)
                accepting.join()


def _accept(listener: socket.socket, dial: t.Callable[[], Channel]) -> None:
    while True:
        try:
            near, _address = listener.accept()
        except OSError:
            return
        try:
            far = dial()
        except ImageError:
            near.close()  # the client says that nobody answers; the caller has tried the way before
            continue
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(source: Channel, target: Channel) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


# -- builders ----------------------------------------------------------------------------------------------------------


def _failed(component: Component, reason: str, lines: t.Iterable[str]) -> ImageError:
    last = "\n".join(lines)
    return ImageError(f"The image of {component.name} could not be built: {reason.strip()}\n{last}".rstrip())


class Steps:
    """Reads a builder's words: tells each step once, and keeps the last lines for a failure."""

    def __init__(self, step: re.Pattern[str], say: Say) -> None:
        self._step = step
        self._say = say
        self._told: set[str] = set()
        self.last: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)

    def read(self, text: str) -> None:
        """Take a piece of the builder's output."""
        for line in text.splitlines():
            if not line.strip():
                continue
            self.last.append(line.rstrip())
            found = self._step.match(line)
            if found and found[1] not in self._told:
                self._told.add(found[1])
                self._say(found[1] if len(found[1]) <= _STEP_LENGTH else f"{found[1][:_STEP_LENGTH]}...")


class BuildKit:
    """Builds by BuildKit: ``program`` is image-build, ``dial`` connects to the daemon.

    ``output`` gives the exporter and its attributes for a component.
    """

    def __init__(
        self,
        program: str,
        dial: t.Callable[[], Channel],
        output: t.Callable[[Component], tuple[str, dict[str, str]]],
        host_network: bool,
    ) -> None:
        self._program = program
        self._dial = dial
        self._output = output
        self._host_network = host_network

    def request(self, component: Component, address: str) -> dict[str, t.Any]:
        """What image-build is told."""
        kind, attributes = self._output(component)
        options = {
            # An image that is here is the one that is meant; no registry is asked for a newer one.
            "image-resolve-mode": "local",
            f"label:{COMPONENT_LABEL}": component.name,
            **{f"build-arg:{name}": value for name, value in component.arguments.items()},
        }
        if self._host_network:
            options["force-network-mode"] = "host"
        return {
            "address": address,
            "context": str(component.source),
            "dockerfile": str(component.dockerfile),
            "options": options,
            "allow": ["network.host"] if self._host_network else [],
            "output": {"type": kind, "attributes": attributes},
        }

    def build(self, component: Component, say: Say) -> None:
        """Build one image. Raises ImageError."""
        steps = Steps(_BUILDKIT_STEP, say)
        with forwarded(self._dial) as address:
            process = subprocess.Popen(
                [self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            if process.stdin is None or process.stdout is None or process.stderr is None:
                raise AssertionError("all three were asked for")
            try:
                # Read last: it holds no more than the reason, which fits into the pipe.
                process.stdin.write(json.dumps(self.request(component, address)))
                process.stdin.close()
                for line in process.stdout:
                    steps.read(line)
                reason = process.stderr.read()
                code = process.wait()
            finally:
                process.kill()
                process.wait()
        if code:
            raise _failed(component, reason, steps.last)


def engine_output(component: Component) -> tuple[str, dict[str, str]]:
    """The exporter into the engine's own images."""
    return "moby", {"name": component.image}


def node_output(component: Component) -> tuple[str, dict[str, str]]:
    """The exporter into the node's containerd.

    Layers stay uncompressed, because nothing is sent anywhere. Those of a base image that lacks in the content store, because
    it came unpacked with the node, are not asked for; unpacking now would ask for them, containerd does it with the first pod.
    """
    return "image", {
        "name": normal_name(component.image),
        "unpack": "false",
        "compression": "uncompressed",
        "unsafe-internal-store-allow-incomplete": "true",
    }


class Classic:
    """Builds by the engine's classic builder, which every engine has."""

    def __init__(self, engine: t.Any, network: str) -> None:
        self._engine = engine
        self._network = network

    def build(self, component: Component, say: Say) -> None:
        """Build one image. Raises ImageError."""
        context = context_of(component)
        name = dockerfile_name(context, component.dockerfile)
        steps = Steps(_CLASSIC_STEP, say)
        failure = ""
        stream = ContextStream(context, component.dockerfile, name)
        try:
            for message in self._engine.api.build(
                fileobj=stream.file,
                custom_context=True,
                dockerfile=name,
                tag=component.image,
                buildargs=dict(component.arguments),
                labels={COMPONENT_LABEL: component.name},
                network_mode=self._network,
                rm=True,
                forcerm=True,
                decode=True,
            ):
                steps.read(message.get("stream", ""))
                failure = message.get("error", failure)
        finally:
            stream.close()
        if failure:
            raise _failed(component, failure, steps.last)


class InNode:
    """Builds by the node's own buildctl, for a machine without image-build; the context goes there as a stream."""

    def __init__(self, engine: t.Any, container: str) -> None:
        self._engine = engine
        self._container = container

    def command(self, component: Component, dockerfile: str) -> list[str]:
        """What runs in the node: unpack, build, tidy up. Raises ImageError."""
        open_secrets = with_credentials(component.arguments)
        if open_secrets:
            raise ImageError(
                f"The build argument {open_secrets[0]} of {component.name} holds credentials, and buildctl would show them on a command line: "
                "use image_build_delivery=load, or a mirror without a password."
            )
        kind, attributes = node_output(component)
        build = ["buildctl", "build", "--progress=plain", "--frontend=dockerfile.v0", "--local=context=context"]
        build += ["--local=dockerfile=context", f"--opt=filename={dockerfile}", "--opt=image-resolve-mode=local"]
        build += [f"--opt=label:{COMPONENT_LABEL}={component.name}"]
        build += [f"--opt=build-arg:{name}={value}" for name, value in component.arguments.items()]
        build += ["--output=" + ",".join([f"type={kind}", *(f"{key}={value}" for key, value in attributes.items())])]
        script = (
            "set -eu; place=$(mktemp -d /var/tmp/slipway-XXXXXX); trap 'rm -rf \"$place\"' EXIT; "
            f'mkdir "$place/context"; tar -x -C "$place/context"; cd "$place"; {shlex.join(build)}'
        )
        return ["/bin/sh", "-c", script]

    def build(self, component: Component, say: Say) -> None:
        """Build one image. Raises ImageError."""
        context = context_of(component)
        name = dockerfile_name(context, component.dockerfile)
        steps = Steps(_BUILDKIT_STEP, say)
        stream = ContextStream(context, component.dockerfile, name)
        try:
            run, channel = run_in(self._engine, self._container, self.command(component, name))
            # buildctl's progress is on its standard error.
            for chunk in stream.chunks():
                channel.sendall(chunk)
            channel.shutdown(socket.SHUT_WR)
            while channel.recv(_CHUNK):
                pass
            channel.close()
        finally:
            stream.close()
        steps.read(channel.errors.decode(errors="replace"))
        if self._engine.api.exec_inspect(run)["ExitCode"]:
            raise _failed(component, "see below", steps.last)
