# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way through a registry, with the engine and a registry in memory."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import runner
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ImageError


class Store(http.server.ThreadingHTTPServer):
    """As much of a registry as a push asks for: https://github.com/opencontainers/distribution-spec."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.uploads: dict[str, bytes] = {}
        self.refuses = False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_words: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/v2/":
            self._answer(200)
        elif found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            kind, body = self.server.manifests.get(f"{found[1]}/{found[2]}", ("", b""))
            if body:
                digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
                self._answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)
            else:
                error = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
                self._answer(404, error, Content_Type="application/json")
        elif found := re.fullmatch(r"/v2/.+/blobs/(sha256:.+)", path):
            self._answer(200 if found[1] in self.server.blobs else 404, self.server.blobs.get(found[1], b""))
        else:
            self._answer(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._body()
        if self.server.refuses:
            self._answer(403, b'{"errors":[{"code":"DENIED","message":"denied"}]}', Content_Type="application/json")
            return
        upload = uuid.uuid4().hex
        self.server.uploads[upload] = b""
        self._answer(202, Location=f"{self.path.partition('?')[0]}{upload}")

    def do_PATCH(self) -> None:
        upload = self.path.partition("?")[0].rpartition("/")[2]
        self.server.uploads[upload] += self._body()
        self._answer(202, Location=self.path, Range=f"0-{len(self.server.uploads[upload]) - 1}")

    def do_PUT(self) -> None:
        path, _, query = self.path.partition("?")
        body = self._body()
        if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            for name in (found[2], digest):
                self.server.manifests[f"{found[1]}/{name}"] = (self.headers["Content-Type"], body)
        else:
            content = self.server.uploads.pop(path.rpartition("/")[2]) + body
            digest = query.partition("digest=")[2].partition("&")[0].replace("%3A", ":")
            assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.server.blobs[digest] = content
        self._answer(201, Docker_Content_Digest=digest, Location=self.path)


@pytest.fixture
def registry() -> Iterator[Store]:
    """A registry on this machine, which an engine reaches without certificates."""
    server = Store()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def deliver(engine: Any, registry: Store, source: Path, version: str) -> dict[str, Any]:
    address = f"127.0.0.1:{registry.server_address[1]}"
    params = {
        "components": {"todo": {"source": str(source), "image": f"{address}/slipway-test-registry:{version}"}},
        "state": "present",
        "delivery": "registry",
        "registry": address,
        "profile": "none",
        "start_wait": 0,
        "builder": None,
        "network": "default",
        "build_args": {},
        "keep": 3,
        "max_parallel": 2,
        "progress_file": None,
    }
    return runner.run(params, engine, check_mode=False, ask_kept=lambda: None)


@pytest.fixture
def tidy(engine: Any) -> Iterator[None]:
    yield
    for image in engine.api.images():
        for tag in image.get("RepoTags") or []:
            if "/slipway-test-registry:" in tag:
                engine.api.remove_image(tag)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(uuid.uuid4().bytes)
    (tmp_path / "small").write_text("one")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY large /\nCOPY small /\n")
    return tmp_path


@pytest.mark.usefixtures("tidy")
def test_only_changed_layers_travel(engine: Any, registry: Store, source: Path) -> None:
    first = deliver(engine, registry, source, "1")
    assert first["changed"] and first["deliver"] == ["todo"]
    sent = set(registry.blobs)
    assert len(sent) == 3  # two layers and the configuration
    assert not deliver(engine, registry, source, "1")["changed"]

    (source / "small").write_text("two")
    assert deliver(engine, registry, source, "2")["deliver"] == ["todo"]
    assert len(set(registry.blobs) - sent) == 2
    assert any(name.endswith("slipway-test-registry/2") for name in registry.manifests)


@pytest.mark.usefixtures("tidy")
def test_refused_push_is_told_with_its_words(engine: Any, registry: Store, source: Path) -> None:
    registry.refuses = True
    with pytest.raises(ImageError, match=r"rejected .*slipway-test-registry:1: denied.*docker login 127\.0\.0\.1"):
        deliver(engine, registry, source, "1")
