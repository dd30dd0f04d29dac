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
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

Object = dict[str, Any]
LOG_LINES = 15


class Deployment:
    """The deployment under test, asked by kubectl and by HTTP."""

    def __init__(self, facts: Object, host: Host) -> None:
        self.facts = facts
        self.namespace: str = facts["plan"]["namespace"]
        self._host = host

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Output of kubectl; a failure ends the test with what kubectl said, or is part of the output without ``check``."""
        place = [
            f"--kubeconfig={self.facts['kubeconfig']}",
            f"--context={self.facts['context']}",
            f"--namespace={self.namespace}",
        ]
        return self.run(self.facts["kubectl"], *place, *arguments, check=check)

    def helm(self, *arguments: str) -> str:
        """Output of helm; a failure ends the test with what helm said."""
        place = [
            f"--kubeconfig={self.facts['kubeconfig']}",
            f"--kube-context={self.facts['context']}",
            f"--namespace={self.namespace}",
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

    def objects(self, *kinds: str, selector: str = "") -> list[Object]:
        """Objects of these kinds in the namespace."""
        found: list[Object] = json.loads(
            self.kubectl("get", ",".join(kinds), f"--selector={selector}", "--output=json")
        )["items"]
        return found

    def pods(self, name: str = "") -> list[Object]:
        """Pods that shall run, of one component or of all; not those of jobs and hooks, which have ended."""
        found = self.objects("pods", selector=f"app.kubernetes.io/name={name}" if name else "")
        return [
            pod for pod in found if pod["status"]["phase"] != "Succeeded" and "deletionTimestamp" not in pod["metadata"]
        ]

    def secrets(self) -> dict[str, dict[str, str]]:
        """Keys and values of the deployment's Secrets, by name."""
        names = {secret["name"] for secret in self.facts["plan"]["secrets"]}
        return {
            item["metadata"]["name"]: {
                key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()
            }
            for item in self.objects("secrets")
            if item["metadata"]["name"] in names
        }

    def ask(
        self, method: str, path: str, body: Object | None = None, token: str = "", host: str = "todo.localhost"
    ) -> tuple[int, str]:
        """Status and body of one request to the published address, with the Host that a browser would send."""
        connection = http.client.HTTPConnection("127.0.0.1", self.facts["port"], timeout=10)
        headers = {"Host": host, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


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
    yield (
        "events",
        "\n".join(deployment.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()[-25:]),
    )
    for pod in deployment.objects("pods"):
        name = pod["metadata"]["name"]
        yield f"log of {name}", deployment.kubectl("logs", name, "--all-containers", f"--tail={LOG_LINES}", check=False)


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
