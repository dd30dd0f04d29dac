# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's container and its engine, as a docker.DockerClient shows them, and words of Minikube."""

from __future__ import annotations

from typing import Any

import docker.errors

PROFILE = "slipway"
STEP = '{"type":"io.k8s.sigs.minikube.step","data":{"name":"Starting Node","message":"Starting it\\n"}}'
ERROR = '{"type":"io.k8s.sigs.minikube.error","data":{"message":"no space","advice":"Free some"}}'


class Container:
    def __init__(
        self,
        status: str = "running",
        made_by_minikube: bool = True,
    ) -> None:
        self.status = status
        self.labels = {"created_by.minikube.sigs.k8s.io": "true"} if made_by_minikube else {}
        self.attrs: dict[str, Any] = {
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}]}},
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}]} if status == "running" else {},
                "Networks": {PROFILE: {"IPAddress": "192.168.49.2" if status == "running" else ""}},
            },
        }
        self.removed = False
        self.killed = False

    def kill(self) -> None:
        self.killed = True

    def exec_run(self, _command: list[str]) -> tuple[int, bytes]:
        return 1, b"nothing can be run here"

    def remove(self, force: bool, v: bool) -> None:
        assert force and v
        self.removed = True


class Volume:
    def __init__(self, made_by_minikube: bool = True) -> None:
        self.attrs = {"Labels": {"created_by.minikube.sigs.k8s.io": "true"} if made_by_minikube else None}
        self.removed = False

    def remove(self) -> None:
        self.removed = True


class Engine:
    """Enough of a docker.DockerClient: one container and its volume, or none."""

    def __init__(self, container: Container | None = None) -> None:
        self.container = container
        self.volume = Volume()
        self.containers = self
        self.volumes = self

    def get(self, name: str) -> Any:
        assert name == PROFILE
        if self.container is None:
            raise docker.errors.NotFound("no such container")
        return self.volume if self.container.removed else self.container
