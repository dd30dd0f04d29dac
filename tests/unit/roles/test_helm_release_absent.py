# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing an application, run by Ansible against an API on loopback: what is somebody else's stays and is named first."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

Object = dict[str, Any]
MARK = {"app.kubernetes.io/managed-by": "slipway"}
KINDS = {
    "namespaces": "Namespace",
    "pods": "Pod",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
VERBS = ["get", "list", "delete", "deletecollection"]
RESOURCES = [
    {"name": name, "singularName": "", "namespaced": kind != "Namespace", "kind": kind, "verbs": VERBS}
    for name, kind in KINDS.items()
]
DISCOVERY = {
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.1"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES},
}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/team-a/leases"


class Api(http.server.ThreadingHTTPServer):
    """Objects by their paths, which a DELETE removes."""

    daemon_threads = True

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        super().__init__(("127.0.0.1", 0), Handler)

    def add(self, path: str, labels: dict[str, str] | None = None, **fields: Any) -> None:
        place, _slash, name = path.rpartition("/")
        kind = KINDS.get(place.rpartition("/")[2], "Lease")
        metadata = {"name": name, "labels": labels or {}, "resourceVersion": "1"}
        if kind != "Namespace":
            metadata["namespace"] = place.split("/")[-2]
        self.objects[path] = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}

    def listed(self, path: str, selector: str) -> list[Object]:
        # As in test_namespace_info, of Helm's labels only that they are there is asked; the roles ask for equal ones.
        wanted = [tuple(part.replace(" ", "").partition("=")[::2]) for part in selector.split(",") if part]
        return [
            one
            for place, one in self.objects.items()
            if place.rpartition("/")[0] == path
            and all(one["metadata"]["labels"].get(key, "") == text for key, text in wanted if text)
        ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def answer(self, content: Object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        last = url.path.rpartition("/")[2]
        if url.path in DISCOVERY:
            self.answer(DISCOVERY[url.path])
        elif url.path in self.server.objects:
            self.answer(self.server.objects[url.path])
        elif last in KINDS:
            selector = urllib.parse.parse_qs(url.query).get("labelSelector", [""])[0]
            items = self.server.listed(url.path, selector)
            self.answer({"apiVersion": "v1", "kind": f"{KINDS[last]}List", "metadata": {}, "items": items})
        else:
            self.answer({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not here"}, 404)

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urllib.parse.urlsplit(self.path).path
        for place in [place for place in self.server.objects if f"{place}/".startswith(f"{path}/")]:
            del self.server.objects[place]
        self.answer({"kind": "Status", "status": "Success"})

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def remove(place: Path, api: Api, ansible: Ansible, environment: dict[str, str]) -> str:
    """Run the role's absent.yml and return what was said."""
    helm = place / "helm"
    helm.write_text(
        """#!/bin/sh\ncase $1 in version) echo 'version.BuildInfo{Version:"v4.1.4", x' ;; *) echo '[]' ;; esac\n"""
    )
    helm.chmod(0o755)
    kubeconfig = {
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_address[1]}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (place / "kubeconfig").write_text(json.dumps(kubeconfig))
    variables = {
        "helm_release_namespace": "team-a",
        "helm_release_releases": [
            {"name": "web", "namespace": "team-a"},
            {"name": "db", "namespace": "data"},
            {"name": "gone", "namespace": "gone"},
        ],
        "helm_release_secrets": [{"name": "ours"}, {"name": "theirs"}],
        "helm_release_kubeconfig": str(place / "kubeconfig"),
        "helm_release_context": "c",
        "helm_release_binary": str(helm),
    }
    role = {"name": "slipway.kube.helm_release", "tasks_from": "absent.yml"}
    tasks = [{"ansible.builtin.include_role": role, "vars": variables}]
    (place / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml"),
        directory=place,
        environment={
            **environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "HOME": str(place),
        },
    )
    assert run.code == 0, run.out + run.err
    return run.out


def test_only_what_is_ours_is_removed(
    tmp_path: Path, api: Api, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    kept = [
        "/api/v1/namespaces/team-a",
        "/api/v1/namespaces/team-a/persistentvolumeclaims/theirs",
        "/api/v1/namespaces/team-a/configmaps/settings",
        "/api/v1/namespaces/team-a/secrets/theirs",
        "/api/v1/namespaces/team-a/secrets/other",
    ]
    for path in kept:
        api.add(path, {"app.kubernetes.io/instance": "theirs"})
    web = {"app.kubernetes.io/instance": "web"}
    api.add("/api/v1/namespaces/team-a/persistentvolumeclaims/ours", web)
    api.add("/api/v1/namespaces/team-a/configmaps/migrated", {**web, "app.kubernetes.io/component": "migration"})
    api.add("/api/v1/namespaces/team-a/secrets/ours", MARK)
    api.add(f"{LEASES}/slipway-deploy", spec={"leaseDurationSeconds": 1})
    api.add("/api/v1/namespaces/data", MARK)
    api.add("/api/v1/namespaces/data/secrets/any")

    said = remove(tmp_path, api, ansible, ansible_environment)
    assert sorted(api.objects) == sorted(kept)
    told = said.index("Namespace team-a stays, because Slipway did not create it.")
    assert told < said.index("Secret theirs stays in namespace team-a") < said.index("Uninstall the releases")
    assert "Namespace data stays" not in said and "Namespace gone stays" not in said
