# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment to look at. ``SLIPWAY_INTEGRATION`` names the file that says where it is; molecule/default/verify.yml writes it.

A test that fails shows pods, events and logs of the moment it failed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from testinfra.host import Host

from .web import Address

Object = dict[str, Any]
LOG_LINES = 15


class Deployment:
    """The deployment under test, asked by kubectl and by HTTP. Looks only at what belongs to the plan's releases."""

    def __init__(self, facts: Object, host: Host) -> None:
        self.facts = facts
        self.plan: Object = facts["plan"]
        self.address = Address(facts["url"])
        self._host = host

    def kubectl(self, *arguments: str, namespace: str = "", check: bool = True) -> str:
        """Output of kubectl; a failure ends the test with what kubectl said, or is part of the output without ``check``."""
        place = [
            f"--kubeconfig={self.facts['kubeconfig']}",
            f"--context={self.facts['context']}",
            f"--namespace={namespace or self.plan['namespace']}",
        ]
        return self.run(self.facts["kubectl"], *place, *arguments, check=check)

    def helm(self, *arguments: str, namespace: str = "") -> str:
        """Output of helm; a failure ends the test with what helm said."""
        place = [
            f"--kubeconfig={self.facts['kubeconfig']}",
            f"--kube-context={self.facts['context']}",
            f"--namespace={namespace or self.plan['namespace']}",
        ]
        return self.run(self.facts["helm"], *place, *arguments)

    def run(self, *command: str, check: bool = True) -> str:
        """Output of a command on the machine."""
        result = self._host.run(" ".join(["%s"] * len(command)), *command)
        if not check:
            return str(result.stdout) + str(result.stderr)
        if result.rc:
            pytest.fail(f"{' '.join(command)}\nexit code {result.rc}\n{result.stdout}{result.stderr}", pytrace=False)
        return str(result.stdout)

    @property
    def namespaces(self) -> list[str]:
        """Where the releases are."""
        return sorted({release["namespace"] for release in self.plan["releases"]})

    @property
    def images(self) -> set[str]:
        """The images that the plan brings to the node."""
        return {component["image"] for component in self.plan["components"].values() if component.get("deliver", True)}

    def objects(self, *kinds: str) -> list[Object]:
        """Objects of these kinds that belong to the releases."""
        found: list[Object] = []
        for namespace in self.namespaces:
            names = ",".join(release["name"] for release in self.plan["releases"] if release["namespace"] == namespace)
            selector = f"--selector=app.kubernetes.io/instance in ({names})"
            shown = self.kubectl("get", ",".join(kinds), selector, "--output=json", namespace=namespace)
            found += json.loads(shown)["items"]
        return found

    def every_pod(self) -> list[Object]:
        """Pods of the releases, those of jobs and hooks included; a test of each of them must not pass because there are none."""
        found = self.objects("pods")
        if not found:
            pytest.fail(f"no pod belongs to the releases in {', '.join(self.namespaces)}", pytrace=False)
        return found

    def pods(self) -> list[Object]:
        """Pods that shall run; not those of jobs and hooks, which have ended."""
        return [
            pod
            for pod in self.objects("pods")
            if pod["status"]["phase"] != "Succeeded" and "deletionTimestamp" not in pod["metadata"]
        ]

    def database_pods(self) -> list[Object]:
        """Pods with a volume that outlives them; none where the database is elsewhere."""
        return [
            pod for pod in self.pods() if any("persistentVolumeClaim" in volume for volume in pod["spec"]["volumes"])
        ]

    def secrets(self) -> dict[str, dict[str, str]]:
        """Keys and values of the planned Secrets that exist, by name."""
        found: dict[str, dict[str, str]] = {}
        for secret in self.plan["secrets"]:
            shown = self.kubectl(
                "get", "secret", secret["name"], "--ignore-not-found", "--output=json", namespace=secret["namespace"]
            )
            if shown:
                data = json.loads(shown).get("data", {})
                found[secret["name"]] = {key: base64.b64decode(value).decode() for key, value in data.items()}
        return found

    def node(self) -> Any:
        """The cluster's node, a container of the engine."""
        client = docker.DockerClient(base_url=self.facts["docker_host"], timeout=30)
        return client.containers.get(self.facts["profile"])

    def ask(
        self, method: str, path: str, body: Object | None = None, token: str = "", host: str = ""
    ) -> tuple[int, str]:
        """Status and body of one request to the application's address."""
        return self.address.ask(method, path, body, token, host)


def eventually(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true result of ``look``; fails with the last thing it returned or raised."""
    end = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except (OSError, http.client.HTTPException) as error:
            seen = None
            last: object = error
        else:
            last = seen
        if seen:
            return seen
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:.0f} s; last seen: {last!r}", pytrace=False)
        time.sleep(1)


def evidence(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Title and text of what a person would look at first."""
    yield "pods", deployment.kubectl("get", "pods", "--all-namespaces", "--output=wide", check=False)
    for namespace in deployment.namespaces:
        events = deployment.kubectl("get", "events", "--sort-by=.lastTimestamp", namespace=namespace, check=False)
        yield f"events in {namespace}", "\n".join(events.splitlines()[-25:])
    for pod in deployment.objects("pods"):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        yield (
            f"log of {name}",
            deployment.kubectl(
                "logs", name, "--all-containers", f"--tail={LOG_LINES}", namespace=namespace, check=False
            ),
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    deployment = getattr(item, "funcargs", {}).get("deployment")
    if report.failed and deployment is not None:
        try:
            report.sections.extend(evidence(deployment))
        except (Exception, pytest.fail.Exception) as error:  # the test's own failure is what must be seen
            report.sections.append(("evidence", f"could not be had: {error}"))
    return report


@pytest.fixture(scope="session")
def facts() -> Object:
    """Where the deployment is."""
    file = os.environ.get("SLIPWAY_INTEGRATION", "")
    if not file:
        pytest.fail(
            "SLIPWAY_INTEGRATION is not set: these tests are run by 'molecule verify', after 'molecule converge'.",
            pytrace=False,
        )
    found: Object = json.loads(Path(file).read_text(encoding="utf-8"))
    return found


@pytest.fixture
def deployment(facts: Object, host: Host) -> Deployment:
    """The deployment under test."""
    return Deployment(facts, host)


@pytest.fixture
def task(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """A new user's token and the title of the only task; the user is removed afterwards."""
    name = uuid.uuid4().hex
    status, body = deployment.ask(
        "POST", "/api/auth/register", {"email": f"{name}@verify.invalid", "password": f"Kept-{name}"}
    )
    assert status == 201, body
    token = json.loads(body)["access_token"]
    status, body = deployment.ask("POST", "/api/tasks", {"title": f"Survive {name}"}, token)
    assert status == 201, body
    yield token, f"Survive {name}"
    assert deployment.ask("DELETE", "/api/auth/me", token=token)[0] == 204
