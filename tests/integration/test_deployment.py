# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of a deployment once the playbook has said that it is verified, looked at from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from testinfra.host import Host

from .conftest import Deployment, eventually

SHORTEST_SECRET = 16  # characters; a shorter value may stand somewhere by chance


# -- the cluster and the machine ---------------------------------------------------------------------------------------


def test_node_runs_and_is_published_on_loopback_only(deployment: Deployment) -> None:
    container = deployment.node()
    assert container.status == "running"
    published = [
        binding for bindings in container.attrs["NetworkSettings"]["Ports"].values() for binding in bindings or []
    ]
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
    address, port = deployment.address.endpoint
    if address == "127.0.0.1":
        assert str(port) in {binding["HostPort"] for binding in published}


def test_kubeconfig_is_private_and_knows_the_profile(deployment: Deployment, host: Host) -> None:
    file = host.file(deployment.facts["kubeconfig"])
    assert file.mode & 0o077 == 0
    assert deployment.facts["context"] in [
        context["name"] for context in yaml.safe_load(file.content_string)["contexts"]
    ]


def test_persons_own_configuration_does_not_know_the_profile(deployment: Deployment, host: Host) -> None:
    own = host.file(str(Path.home() / ".kube" / "config"))
    assert own.path != deployment.facts["kubeconfig"]
    assert not own.exists or deployment.facts["profile"] not in own.content_string
    assert not host.file(str(Path.home() / ".minikube" / "profiles" / deployment.facts["profile"])).exists


def test_hosts_file_is_untouched(deployment: Deployment, host: Host) -> None:
    lines = [line.partition("#")[0].split() for line in host.file("/etc/hosts").content_string.splitlines()]
    asked = {*deployment.plan["hosts"], urlsplit(deployment.address.url).hostname}
    assert {name for line in lines for name in line[1:]}.isdisjoint(asked - {"localhost"})


# -- releases and workloads --------------------------------------------------------------------------------------------


def test_every_planned_release_is_deployed(deployment: Deployment) -> None:
    found = {
        (release["namespace"], release["name"]): release["status"]
        for release in json.loads(deployment.helm("list", "--all-namespaces", "--output=json"))
    }
    planned = {(release["namespace"], release["name"]) for release in deployment.plan["releases"]}
    assert {name: found.get(name) for name in planned} == dict.fromkeys(planned, "deployed")


def test_every_release_has_pods_and_all_are_ready(deployment: Deployment) -> None:
    instances = {pod["metadata"]["labels"]["app.kubernetes.io/instance"] for pod in deployment.pods()}
    assert instances == {release["name"] for release in deployment.plan["releases"]}

    def ready() -> bool:  # an autoscaler may have just made one more
        statuses = [pod["status"].get("containerStatuses", []) for pod in deployment.pods()]
        return all(all(status["ready"] for status in one) and one for one in statuses)

    eventually(ready, 60, "every pod ready")


def test_pods_run_the_planned_images(deployment: Deployment) -> None:
    running = {container["image"] for pod in deployment.pods() for container in pod["spec"]["containers"]}
    assert deployment.images <= running
    # No pod of another version of a component is left.
    repositories = {image.rpartition(":")[0] for image in deployment.images}
    assert {image for image in running if image.rpartition(":")[0] in repositories} == deployment.images


def test_top_shows_what_pods_use(deployment: Deployment) -> None:
    # A new cluster's metrics come with the second scrape.
    def measured() -> bool:
        known = set()
        for namespace in deployment.namespaces:
            shown = deployment.kubectl(
                "get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", check=False
            )
            if not shown.startswith("{"):  # the API server's "unable to handle the request"
                return False
            known |= {pod["metadata"]["name"] for pod in json.loads(shown)["items"]}
        return {pod["metadata"]["name"] for pod in deployment.pods()} <= known

    eventually(measured, 120, "metrics of every pod")
    assert "MEMORY" in deployment.kubectl("top", "pods").splitlines()[0]


# -- the application ---------------------------------------------------------------------------------------------------


def test_page_is_served_without_a_hosts_entry(deployment: Deployment) -> None:
    status, body = deployment.ask("GET", "/")
    assert status == 200
    assert "<html" in body


def test_what_answers_is_what_was_planned(deployment: Deployment) -> None:
    tags = {image.rpartition(":")[2] for image in deployment.images}
    answered = {}
    for path in ("/api/health", "/healthz"):
        # Every replica has a say.
        answers = [deployment.ask("GET", path) for _request in range(6)]
        assert {status for status, _body in answers} == {200}
        found = {json.loads(body)["image_tag"] for _status, body in answers}
        assert len(found) == 1, f"{path} is answered by several versions: {sorted(found)}"
        answered[path] = found.pop()
    assert set(answered.values()) <= tags
    assert answered["/api/health"] != answered["/healthz"]


# Runs in a backend's pod, because not every way in leads to /mcp; prints the names of the tools.
MCP_CLIENT = """
import json, os, urllib.request
base = "http://127.0.0.1:" + os.environ["PORT"]
def ask(path, body, method="POST", **headers):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), method=method)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        request.add_header(name, value)
    answer = urllib.request.urlopen(request, timeout=30).read()
    return json.loads(answer) if answer else None
user = {"email": "mcp-" + os.urandom(6).hex() + "@verify.invalid", "password": os.urandom(12).hex()}
bearer = "Bearer " + ask("/api/auth/register", user)["access_token"]
listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
answer = ask("/mcp", listing, Authorization=bearer, Accept="application/json, text/event-stream")
ask("/api/auth/me", None, "DELETE", Authorization=bearer)
print(" ".join(sorted(tool["name"] for tool in answer["result"]["tools"])))
"""


def test_mcp_clients_find_the_tools(deployment: Deployment) -> None:
    repository = deployment.plan["components"]["backend"]["repository"]
    pod = next(pod for pod in deployment.pods() if f"{repository}:" in pod["spec"]["containers"][0]["image"])
    place = ("exec", pod["metadata"]["name"], "--", "python", "-c", MCP_CLIENT)
    shown = deployment.kubectl(*place, namespace=pod["metadata"]["namespace"])
    assert shown.split() == ["add_task", "complete_task", "delete_task", "list_tasks", "update_task"]


def test_unknown_host_is_not_served(deployment: Deployment) -> None:
    ingresses = deployment.objects("ingresses")
    if not ingresses or not all(rule.get("host") for ingress in ingresses for rule in ingress["spec"]["rules"]):
        pytest.skip("no Ingress of this deployment asks for a host")
    assert deployment.ask("GET", "/", host="elsewhere.invalid")[0] == 404


# -- secrets -----------------------------------------------------------------------------------------------------------


def referred(pod: dict[str, Any]) -> dict[str, set[str]]:
    """Names of the Secrets without which a pod would not start, each with the keys that it names."""
    found: dict[str, set[str]] = {}
    for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
        for source in container.get("envFrom", []):
            if "secretRef" in source and not source["secretRef"].get("optional"):
                found.setdefault(source["secretRef"]["name"], set())
        for variable in container.get("env", []):
            key = variable.get("valueFrom", {}).get("secretKeyRef", {})
            if key and not key.get("optional"):
                found.setdefault(key["name"], set()).add(key["key"])
    return found


def test_secrets_have_the_planned_keys(deployment: Deployment) -> None:
    found = {name: set(values) for name, values in deployment.secrets().items()}
    planned = {secret["name"]: set(secret["keys"]) for secret in deployment.plan["secrets"]}
    assert set(found) == set(planned)
    # A key that nobody gave a value for is left out.
    assert {name: keys - planned[name] for name, keys in found.items()} == dict.fromkeys(found, set())
    needed = [need for pod in deployment.pods() for need in referred(pod).items()]
    assert needed, "no pod gets a Secret"
    assert [(name, keys - found[name]) for name, keys in needed if not keys <= found[name]] == []


def test_secret_values_are_nowhere_else(deployment: Deployment) -> None:
    values = {
        value for keys in deployment.secrets().values() for value in keys.values() if len(value) >= SHORTEST_SECRET
    }
    assert values, "no Secret has a value to look for"
    places = {}
    for release in deployment.plan["releases"]:
        name, namespace = release["name"], release["namespace"]
        places[f"values of {name}"] = deployment.helm("get", "values", "--all", name, namespace=namespace)
        for part in ("manifest", "hooks", "notes"):
            places[f"{part} of {name}"] = deployment.helm("get", part, name, namespace=namespace)
    for kind in ("pods", "deployments", "statefulsets", "jobs", "configmaps"):
        places[kind] = json.dumps(deployment.objects(kind))
    for namespace in deployment.namespaces:
        places[f"events in {namespace}"] = deployment.kubectl("get", "events", "--output=json", namespace=namespace)
    for pod in deployment.objects("pods"):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        places[f"log of {name}"] = deployment.kubectl("logs", name, "--all-containers", namespace=namespace)
    written = [Path(place) for place in deployment.facts["written"]]
    files = [file for place in written for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert any(file.suffix == ".json" for file in files), "the run wrote no report to look into"
    places.update({str(file): file.read_text(encoding="utf-8", errors="replace") for file in files})
    # Not a comparison of the values themselves: a failure would print them.
    leaks = sorted(place for place, text in places.items() if any(value in text for value in values))
    assert leaks == []
