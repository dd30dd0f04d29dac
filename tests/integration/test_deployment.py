# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of a deployment once the playbook has said that it is verified, looked at from outside."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from testinfra.host import Host

from .conftest import Deployment, eventually

# Prints the real user ID of every process of a pod, for all pods: the pod's UID is part of its control group's name.
PROCESS_USERS = r"""
for process in /proc/[0-9]*; do
  group=$(grep -o 'pod[0-9a-f_-]\{36\}' "$process/cgroup" 2>/dev/null | head -n 1)
  [ -z "$group" ] || echo "$group $(grep '^Uid:' "$process/status" 2>/dev/null)"
done
"""


def node(deployment: Deployment) -> Any:
    client = docker.DockerClient(base_url=deployment.facts["docker_host"], timeout=30)
    return client.containers.get(deployment.facts["profile"])


# -- the cluster and the machine ---------------------------------------------------------------------------------------


def test_node_runs_and_is_published_on_loopback_only(deployment: Deployment) -> None:
    container = node(deployment)
    assert container.status == "running"
    published = [
        binding for bindings in container.attrs["NetworkSettings"]["Ports"].values() for binding in bindings or []
    ]
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
    assert str(deployment.facts["port"]) in {binding["HostPort"] for binding in published}


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
    assert "todo.local" not in host.file("/etc/hosts").content_string


# -- releases and workloads --------------------------------------------------------------------------------------------


def test_every_planned_release_is_deployed(deployment: Deployment) -> None:
    found = {
        release["name"]: release["status"]
        for release in json.loads(deployment.helm("list", "--all-namespaces", "--output=json"))
    }
    assert found == {release["name"]: "deployed" for release in deployment.facts["plan"]["releases"]}


def test_pods_are_ready_and_have_not_been_killed_for_memory(deployment: Deployment) -> None:
    pods = deployment.pods()
    assert {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods} == {
        "backend",
        "frontend",
        "postgresql",
    }
    for pod in pods:
        for status in pod["status"]["containerStatuses"]:
            assert status["ready"], pod["metadata"]["name"]
            assert status["lastState"].get("terminated", {}).get("reason") != "OOMKilled", pod["metadata"]["name"]


def test_pods_run_the_planned_images(deployment: Deployment) -> None:
    for name, component in deployment.facts["plan"]["components"].items():
        images = {container["image"] for pod in deployment.pods(name) for container in pod["spec"]["containers"]}
        assert images == {component["image"]}


def test_no_process_of_a_pod_is_root(deployment: Deployment) -> None:
    code, output = node(deployment).exec_run(["sh", "-c", PROCESS_USERS])
    assert code == 0, output.decode()
    users: dict[str, set[str]] = {}
    for line in output.decode().splitlines():
        group, _, uids = line.partition(" Uid:")
        users.setdefault(group.removeprefix("pod").replace("_", "-"), set()).update(uids.split())
    for pod in deployment.pods():
        seen = users.get(pod["metadata"]["uid"], set())
        assert seen, f"no process of {pod['metadata']['name']} was found in the node"
        assert "0" not in seen, f"{pod['metadata']['name']} has processes of the users {sorted(seen)}"


def test_pods_have_no_token_for_the_api(deployment: Deployment) -> None:
    for pod in deployment.pods():
        volumes = [
            source for volume in pod["spec"]["volumes"] for source in volume.get("projected", {}).get("sources", [])
        ]
        assert not any("serviceAccountToken" in source for source in volumes), pod["metadata"]["name"]


def test_top_shows_what_pods_use(deployment: Deployment) -> None:
    # A new cluster's metrics come with the second scrape.
    def measured() -> bool:
        shown = deployment.kubectl(
            "get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{deployment.namespace}/pods"
        )
        return len(json.loads(shown)["items"]) >= len(deployment.pods())

    eventually(measured, 120, "metrics of every pod")
    assert "MEMORY" in deployment.kubectl("top", "pods").splitlines()[0]


# -- the application ---------------------------------------------------------------------------------------------------


def test_page_is_served_without_a_hosts_entry(deployment: Deployment) -> None:
    status, body = deployment.ask("GET", "/")
    assert status == 200
    assert "<html" in body


def test_what_answers_is_what_was_planned(deployment: Deployment) -> None:
    components = deployment.facts["plan"]["components"]
    for path, component in (("/api/health", "backend"), ("/healthz", "frontend")):
        # Both replicas have a say.
        for _request in range(6):
            status, body = deployment.ask("GET", path)
            assert (status, json.loads(body)["digest"]) == (200, components[component]["tag"])


def test_unknown_host_is_not_served(deployment: Deployment) -> None:
    assert deployment.ask("GET", "/", host="elsewhere.invalid")[0] == 404


@pytest.mark.parametrize("component", ["backend", "postgresql"])
def test_data_survives_the_loss_of_pods(deployment: Deployment, component: str) -> None:
    name = uuid.uuid4().hex
    status, body = deployment.ask(
        "POST", "/api/auth/register", {"email": f"{name}@verify.invalid", "password": f"Kept-{name}"}
    )
    assert status == 201, body
    token = json.loads(body)["access_token"]
    status, body = deployment.ask("POST", "/api/tasks", {"title": f"Survive {name}"}, token)
    assert status == 201, body

    lost = {pod["metadata"]["uid"] for pod in deployment.pods(component)}
    deployment.kubectl(
        "delete", "pods", f"--selector=app.kubernetes.io/name={component}", "--wait=true", "--timeout=90s"
    )

    def replaced() -> bool:
        pods = deployment.pods(component)
        ready = [
            all(status["ready"] for status in pod["status"].get("containerStatuses", [{"ready": False}]))
            for pod in pods
        ]
        return bool(pods) and all(ready) and not lost & {pod["metadata"]["uid"] for pod in pods}

    eventually(replaced, 120, f"new pods of {component}")

    def read() -> Any:
        code, text = deployment.ask("GET", "/api/tasks", token=token)
        return code == 200 and [task["title"] for task in json.loads(text)]

    assert eventually(read, 60, "the tasks") == [f"Survive {name}"]


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_have_the_planned_keys(deployment: Deployment) -> None:
    found = {name: set(values) for name, values in deployment.secrets().items()}
    planned = {secret["name"]: set(secret["keys"]) for secret in deployment.facts["plan"]["secrets"]}
    # A key that nobody gave a value for is left out.
    assert {name: keys & planned[name] for name, keys in found.items()} == found
    assert found["todo-postgresql"] == {"POSTGRES_PASSWORD"}
    assert found["todo-backend"] >= {"DATABASE_URL", "JWT_SECRET"}


def test_secret_values_are_nowhere_else(deployment: Deployment) -> None:
    values = {value for keys in deployment.secrets().values() for value in keys.values()}
    # Not a comparison of the values themselves: a failure would print them.
    shortest = min(map(len, values))
    assert shortest >= 16, "a value this short may stand somewhere by chance"
    places = {
        "values of the release": deployment.helm("get", "values", "--all", "todo"),
        "manifest of the release": deployment.helm("get", "manifest", "todo"),
        "hooks of the release": deployment.helm("get", "hooks", "todo"),
        "objects": json.dumps(
            deployment.objects("pods", "deployments", "statefulsets", "jobs", "configmaps", "events")
        ),
    }
    for pod in deployment.objects("pods"):
        places[f"log of {pod['metadata']['name']}"] = deployment.kubectl(
            "logs", pod["metadata"]["name"], "--all-containers"
        )
    written = [Path(place) for place in deployment.facts["written"]]
    files = [file for place in written for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert any(file.suffix == ".json" for file in files), "the run wrote no report to look into"
    places.update({str(file): file.read_text(encoding="utf-8", errors="replace") for file in files})
    leaks = sorted(place for place, text in places.items() if any(value in text for value in values))
    assert leaks == []
