# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of bytes to a container engine, into a node, and to the BuildKit of either. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import tempfile
import threading
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ImageError

BUILDKIT_SOCKET = "/run/buildkit/buildkitd.sock"
CHUNK = 1 << 16  # bytes


class Channel(t.Protocol):
    """Two directions of bytes, as a connected socket has them."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


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
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
