# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams to an engine and to the BuildKit in it or in a node."""

from __future__ import annotations

import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import channels
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ImageError


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
    with channels.upgraded(peer, "/grpc", "h2c") as connection:
        assert connection.recv(11) == b"first words"
        assert peer.head.startswith(b"POST /v1.41/grpc HTTP/1.1\r\n") and b"Upgrade: h2c\r\n" in peer.head


def test_engine_without_a_stream_is_told(tmp_path: Path) -> None:
    peer = Peer(tmp_path, b"HTTP/1.1 404 Not Found\r\n\r\n")
    with pytest.raises(ImageError, match="no stream for /grpc: HTTP/1.1 404 Not Found"):
        channels.upgraded(peer, "/grpc", "h2c")


def test_engine_that_is_reached_otherwise_is_told() -> None:
    class Remote:
        base_url = "https://engine.example:2376"
        _version = "1.41"

        @property
        def api(self) -> Any:
            return self

    with pytest.raises(ImageError, match="not reached through an engine at https://engine.example:2376"):
        channels.upgraded(Remote(), "/grpc", "h2c")


def test_forwarded_socket_reaches_what_was_dialled_and_ends_with_its_block() -> None:
    near, far = socket.socketpair()
    with channels.forwarded(lambda: near) as address, socket.socket(socket.AF_UNIX) as client:
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

    with channels.forwarded(dial) as address, socket.socket(socket.AF_UNIX) as client:
        client.connect(address.removeprefix("unix://"))
        assert client.recv(100) == b""
