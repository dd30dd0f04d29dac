# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovering from a failed deploy, run by Ansible against two clusters on loopback: only the one that verify_context names is asked."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

Object = dict[str, Any]
PROXY = "/api/v1/namespaces/shop/services/"


class Cluster(http.server.ThreadingHTTPServer):
    """A Kubernetes API that has nothing but a Service, whose application is well; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cluster

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("X-Application")))
        body = b'{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    both = (Cluster(), Cluster())
    for server in both:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield both
    for server in both:
        server.shutdown()
        server.server_close()


def write_kubeconfig(path: Path, context: str, cluster: Cluster) -> Path:
    path.parent.mkdir(exist_ok=True)
    content = {
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{cluster.server_address[1]}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "current-context": context,
    }
    path.write_text(json.dumps(content))
    return path


def recover(ansible: Ansible, place: Path, environment: dict[str, str], tried: list[Object], **variables: Any) -> str:
    """Run a block that fails, with the role's recover.yml as its rescue, and return what was said."""
    role = {"name": "slipway.kube.verify", "tasks_from": "recover.yml"}
    tasks = [{"block": tried, "rescue": [{"ansible.builtin.import_role": role}]}]
    variables["ansible_python_interpreter"] = sys.executable
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (place / "play.yml").write_text(json.dumps([play]))
    run = ansible.playbook(
        *("-i", "localhost,", "-c", "local", "play.yml"),
        directory=place,
        environment={**environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "HOME": str(place)},
    )
    assert run.code == 2, run.out + run.err
    return run.out


def test_the_earlier_version_is_asked_where_the_failed_one_was(
    tmp_path: Path, clusters: tuple[Cluster, Cluster], ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    named, usual = clusters
    write_kubeconfig(tmp_path / ".kube" / "config", "slipway", usual)
    said = recover(
        ansible,
        tmp_path,
        ansible_environment,
        [
            {"ansible.builtin.import_role": {"name": "slipway.kube.verify"}},
            {"ansible.builtin.fail": {"msg": "The page is blank."}},
        ],
        verify_kubeconfig=str(write_kubeconfig(tmp_path / "kubeconfig", "elsewhere", named)),
        verify_context="elsewhere",
        # An application without an address of its own.
        application_plan={
            "releases": [],
            "components": {},
            "journey": [],
            "hosts": [],
            "exposure": {"kind": "none"},
            "checks": [
                {
                    "name": "page",
                    "url": "http://web/page",
                    "via": "api_proxy",
                    "kubernetes": {"namespace": "shop", "service": "web"},
                    "headers": {"X-Application": "${application.url}"},
                    "retry_for": 0,
                }
            ],
        },
        # As after the releases were taken back.
        helm_release_rolled_back=[{"item": {"name": "web"}, "from_revision": 2, "returned_to": 1, "revision": 3}],
        helm_release_restored={"ready": True},
        helm_release_images=[],
    )
    asked = [one for one in named.asked if one[0].startswith(PROXY)]
    assert len(asked) == 2 and asked[0] == asked[1], said
    assert usual.asked == []
    assert (
        "The page is blank.\\nReturned to the earlier version of web (revision 2 has failed, revision 1 is back" in said
    )
    assert "is in service and passes its 1 check" in said


def test_the_earlier_version_is_asked_for_what_is_deployed_of_it(
    tmp_path: Path, clusters: tuple[Cluster, Cluster], ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    named, _usual = clusters

    def check(name: str, header: str, **options: Any) -> Object:
        return {
            "name": name,
            "url": "http://web/page",
            "via": "api_proxy",
            "kubernetes": {"namespace": "${application.namespace}", "service": "web"},
            "headers": {"X-Application": header},
            "retry_for": 0,
            **options,
        }

    def component(name: str) -> Object:
        return {"repository": f"shop-{name}", "tag": "sha-new", "image": f"shop-{name}:sha-new"}

    deployed = "{{ application_plan | slipway.kube.deployed_variables(['registry.example/shop-web:sha-old']) }}"
    said = recover(
        ansible,
        tmp_path,
        ansible_environment,
        [
            {"ansible.builtin.import_role": {"name": "slipway.kube.verify"}},
            # As helm_release notes it once the releases are rolled back; nothing of the component mail is deployed.
            {"ansible.builtin.set_fact": {"helm_release_variables": deployed}},
            {"ansible.builtin.fail": {"msg": "The page is blank."}},
        ],
        verify_kubeconfig=str(write_kubeconfig(tmp_path / "kubeconfig", "elsewhere", named)),
        verify_context="elsewhere",
        application_plan={
            "releases": [],
            "components": {"web": component("web"), "mail": component("mail")},
            "variables": {
                "application.namespace": "shop",
                "components.web.tag": "sha-new",
                "components.mail.tag": "sha-new",
                "components.gone.tag": None,
            },
            "hosts": [],
            "exposure": {"kind": "none"},
            "checks": [
                check("page", "page ${components.web.tag}"),
                check("mail", "mail ${components.mail.tag}"),
                check("gone", "gone ${components.gone.tag}"),
            ],
            "journey": [check("order", "order ${components.web.tag}")],
        },
        helm_release_rolled_back=[{"item": {"name": "web"}, "from_revision": 2, "returned_to": 1, "revision": 3}],
        helm_release_restored={"ready": True},
    )
    asked = [header for path, header in named.asked if path.startswith(PROXY)]
    assert sorted(filter(None, asked[:2])) == ["mail sha-new", "page sha-new"] and asked[2:] == [
        "order sha-new",
        "page sha-old",
        "order sha-old",
    ], said
    assert "Healthy: 3 checks, 0 workloads, skipped: gone" in said
    assert "is in service and passes its 2 checks (skipped: mail, gone)" in said


def test_deploy_forgets_the_images_of_an_earlier_rollback() -> None:
    """One run may roll back and then deploy: its checks are about the plan again."""
    tasks = yaml.safe_load((Path(__file__).parents[3] / "roles/helm_release/tasks/main.yml").read_text())
    facts = [
        task["ansible.builtin.set_fact"]
        for block in tasks
        for task in block.get("block", [block])
        if "ansible.builtin.set_fact" in task
    ]
    assert {"helm_release_variables": {}}.items() <= next(
        fact for fact in facts if "helm_release_transaction" in fact
    ).items()
