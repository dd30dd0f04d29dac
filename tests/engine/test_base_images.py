# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images that applications are built on: nothing of a machine's mirrors, proxies and passwords is in them."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import tarfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import paths
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, preparation
from ansible_collections.slipway.kube.plugins.module_utils._distribution.builder import Builder
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock
from ansible_collections.slipway.kube.plugins.module_utils._distribution.debian import DebianMirror
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import EngineImages
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import mirror_variables

ROOT = Path(__file__).resolve().parents[2]
CACHE = paths.cache_dir()
LOGIN = ("ada", "canary-pass-word")
SOURCES = ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources")


@pytest.fixture(scope="session")
def distribution(engine: Any) -> artifacts.Distribution:
    """The distribution with the bases of applications in the cache, made if they are not there."""
    loaded = artifacts.load_for(ROOT / "distribution", None)
    with lock(CACHE, print):
        Builder(loaded, CACHE, print, engine).build([*(one.key for one in bases(loaded)), "rootfs:debian"])
    return loaded


def bases(distribution: artifacts.Distribution) -> list[artifacts.Artifact]:
    """The images that stand in for those of a registry: they are made of packages, and of no program that is compiled."""
    images = [distribution.artifacts[key] for key in distribution.keys_of("images")]
    return [image for image in images if not image.compiler]


def contents(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of an image as the engine saves it: its configuration with the history, and those of its layers."""
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        yield member.name, member.linkname.encode() if file is None else file.read()
        if file is None or member.size == 0:
            continue
        file.seek(0)
        with contextlib.suppress(tarfile.ReadError), tarfile.open(fileobj=file) as layer:
            yield from ((f"{member.name}:{name}", content) for name, content in contents(layer))


def read(archive: Path) -> dict[str, bytes]:
    """The files of a saved image, each layer's under the layer's name."""
    with tarfile.open(archive) as opened:
        found = dict(contents(opened))
    # What lies in a layer is looked at there, file by file.
    layers = {name.rpartition(":")[0] for name in found if ":" in name}
    return {name: content for name, content in found.items() if name not in layers}


def hosts_of(addresses: list[str]) -> set[bytes]:
    return {urllib.parse.urlsplit(address).netloc.rpartition("@")[2].encode() for address in addresses if address}


def test_bases_name_nothing_of_this_machine(distribution: artifacts.Distribution) -> None:
    mirror = DebianMirror.of_this_machine()
    machine = hosts_of([mirror.uri, mirror.proxy, *mirror_variables().values()])
    for base in bases(distribution):
        found = read(base.path(CACHE))
        sources = b"".join(content for name, content in found.items() if name.endswith(SOURCES))
        # A machine may use what Debian itself names.
        traces = {host for host in machine if host and host not in sources}
        assert [(name, host) for name, content in found.items() for host in traces if host in content] == [], base.name
        images = json.loads(found["manifest.json"])
        configuration = json.loads(found[images[0]["Config"]])
        names = {name.partition("=")[0].lower() for name in configuration["config"].get("Env", [])}
        assert not names & {"pip_index_url", "npm_config_registry", "http_proxy", "https_proxy", "apt_config"}
        assert "PIP_INDEX_URL" not in json.dumps(configuration["history"])


def test_debian_s_default_sources_are_those_of_a_base(distribution: artifacts.Distribution) -> None:
    for name, suite in (("python", "trixie"), ("python-bookworm", "bookworm")):
        found = read(distribution.of("image", name).path(CACHE))
        sources = [content.decode() for path, content in found.items() if path.endswith(SOURCES) and content]
        assert len(sources) == 1 and all(f"{suite}{kind}" in sources[0] for kind in ("", "-updates", "-security"))
        assert [path for path in found if path.endswith(("etc/resolv.conf", "etc/hostname")) and found[path]] == []


class Mirror(http.server.ThreadingHTTPServer):
    """A Debian mirror on loopback that wants a password and takes everything from the machine's own."""

    daemon_threads = True

    def __init__(self, behind: DebianMirror) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.behind = behind
        self.served = 0


class Asked(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def log_message(self, *_words: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        expected = base64.b64encode(":".join(LOGIN).encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self._answer(401, WWW_Authenticate='Basic realm="mirror"')
            return
        behind = self.server.behind
        opener = urllib.request.build_opener(
            *([urllib.request.ProxyHandler({"http": behind.proxy})] * bool(behind.proxy))
        )
        try:
            with opener.open(behind.uri + self.path.removeprefix("/debian"), timeout=60) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            self._answer(error.code)
            return
        self.server.served += 1
        self._answer(200, body)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror that the machine's apt is configured with."""
    server = Mirror(DebianMirror.of_this_machine())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    configured = DebianMirror(f"http://{address}/debian", "", *LOGIN)
    monkeypatch.setattr(DebianMirror, "of_this_machine", lambda: configured)
    index = f"http://{':'.join(LOGIN)}@{address}/simple"
    monkeypatch.setattr(preparation, "mirror_variables", lambda: {"PIP_INDEX_URL": index, "no_proxy": "127.0.0.1"})
    yield server
    server.shutdown()
    server.server_close()


# What is installed must come from the mirror, by its password.
PREPARE = """set -eu
apt-get update
apt-get install -y --no-install-recommends less
[ "${PIP_INDEX_URL#*canary}" != "$PIP_INDEX_URL" ]
"""


def test_mirror_with_a_password_serves_a_build_and_stays_in_no_image(
    engine: Any, distribution: artifacts.Distribution, mirror: Mirror, tmp_path: Path
) -> None:
    image = tmp_path / "images/probe"
    image.mkdir(parents=True)
    (image / "Dockerfile").write_text("ARG DEBIAN\nFROM ${DEBIAN}\nRUN less --version\n")
    (image / "prepare").write_text(PREPARE)
    debian = distribution.of("rootfs", "debian")
    probe = artifacts.Artifact("image", "probe", "test", None, {"parents": {"DEBIAN": "debian"}}, (debian.key,))
    own = replace(distribution, root=tmp_path, artifacts={debian.key: debian, probe.key: probe})
    place = tmp_path / "cache"
    debian.path(place).parent.mkdir(parents=True)
    debian.path(place).symlink_to(debian.path(CACHE))
    images = EngineImages(own, place, print, engine)
    try:
        images.build(probe, tmp_path / "probe.log")
        images.save([probe.image], tmp_path / "probe.tar")
    finally:
        for name in {tag for found in engine.images.list(name="slipway.local/probe*") for tag in found.tags}:
            engine.images.remove(name)
    assert mirror.served, "the packages came from there"
    found = read(tmp_path / "probe.tar")
    assert any(name.endswith("usr/bin/less") for name in found)
    words = (f"127.0.0.1:{mirror.server_port}".encode(), b"canary")
    assert [name for name, content in found.items() if any(word in content for word in words)] == []
    assert [name for name in found if ":mnt/" in name] == []
