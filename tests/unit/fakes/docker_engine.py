# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container engine on a socket: names of images, states of containers, and no more."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import re
import socketserver
import tarfile
import urllib.parse
from pathlib import Path
from typing import Any


class DockerEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What of Docker's interface the roles use: version; list, inspect, load, tag and prune images; list, inspect, stop and remove containers."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.tags: set[str] = set()
        # Containers by their names, as inspecting one shows it.
        self.containers: dict[str, dict[str, Any]] = {}
        self.prunings = 0
        self.address = f"unix://{path}"
        super().__init__(str(path), _Handler)


def node(ports: dict[int, int]) -> dict[str, Any]:
    """A running container that Minikube made, with ports of it published on loopback."""
    published = {f"{inside}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for inside, port in ports.items()}
    return {
        "Id": "0" * 64,
        "State": {"Status": "running"},
        "Config": {"Labels": {"created_by.minikube.sigs.k8s.io": "true"}},
        "HostConfig": {"PortBindings": published},
        "NetworkSettings": {"Ports": published, "Networks": {"slipway": {"IPAddress": "192.168.49.2"}}},
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DockerEngine

    def answer(self, content: Any, status: int = 200) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def image(tag: str) -> dict[str, Any]:
        return {"Id": f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}", "RepoTags": [tag]}

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        path = re.sub(r"^/v[\d.]+", "", urllib.parse.unquote(url.path))
        if path == "/version":
            self.answer({"Version": "28.0.0", "ApiVersion": "1.48", "MinAPIVersion": "1.24"})
        elif path == "/images/json":
            filters = json.loads(urllib.parse.parse_qs(url.query).get("filters", ["{}"])[0])
            wanted = filters.get("reference", sorted(self.server.tags))
            self.answer([self.image(tag) for tag in sorted(self.server.tags) if tag in wanted])
        elif found := re.fullmatch(r"/images/(.+)/json", path):
            name = found[1]
            tag = next((tag for tag in self.server.tags if name in (tag, self.image(tag)["Id"])), None)
            self.answer(self.image(tag) if tag else {"message": "No such image"}, 200 if tag else 404)
        elif path == "/containers/json":
            self.answer([{"Id": name, "Names": [f"/{name}"]} for name in self.server.containers])
        elif path == "/volumes":
            self.answer({"Volumes": [], "Warnings": None})
        elif found := re.fullmatch(r"/containers/(.+)/json", path):
            container = self.server.containers.get(found[1])
            if container:
                container = {"Name": f"/{found[1]}", **container}
            self.answer(container or {"message": "No such container"}, 200 if container else 404)
        else:
            self.answer({"message": f"no {path} here"}, 404)

    def do_POST(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path.endswith("/images/load"):
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                content = archive.extractfile("manifest.json")
                assert content is not None
                tags = json.load(content)[0]["RepoTags"]
            self.server.tags.update(tags)
            self.answer("".join(json.dumps({"stream": f"Loaded image: {tag}\n"}) for tag in tags).encode())
        elif url.path.endswith("/images/prune"):
            self.server.prunings += 1
            self.answer({"ImagesDeleted": None, "SpaceReclaimed": 0})
        elif found := re.fullmatch(r"/containers/(.+)/stop", url.path):
            self.server.containers[found[1]]["State"]["Status"] = "exited"
            self.answer(b"", 204)
        elif url.path.endswith("/tag"):
            query = urllib.parse.parse_qs(url.query)
            self.server.tags.add(f"{query['repo'][0]}:{query['tag'][0]}" if "tag" in query else query["repo"][0])
            self.answer(b"", 201)
        else:
            self.answer({"message": "not here"}, 404)

    def do_DELETE(self) -> None:
        self.server.containers.pop(self.path.rpartition("/")[2])
        self.answer(b"", 204)

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_arguments: object) -> None:
        pass
