# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing falls over by itself, and what is lost comes back with its data."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from .conftest import Deployment, Object, eventually


def ended_by_themselves(deployment: Deployment) -> list[str]:
    """Containers that ended while the node was up, each with the reason; what ended with the node did not fail."""
    up_since = datetime.fromisoformat(deployment.node().attrs["State"]["StartedAt"][:19] + "+00:00")
    found = []
    for pod in deployment.pods():
        for status in pod["status"].get("containerStatuses", []):
            ended = status["lastState"].get("terminated") or status["state"].get("terminated") or {}
            if ended and datetime.fromisoformat(ended["finishedAt"]) > up_since:
                found.append(f"{pod['metadata']['name']}: {ended.get('reason')}, {status['restartCount']} restarts")
    return found


def test_no_container_was_restarted_or_killed(deployment: Deployment) -> None:
    assert ended_by_themselves(deployment) == []


def lose(deployment: Deployment, pods: list[Object]) -> None:
    """Delete pods, all at once, and wait until every workload is whole again without them."""
    lost = {pod["metadata"]["uid"] for pod in pods}
    for namespace in {pod["metadata"]["namespace"] for pod in pods}:
        names = [pod["metadata"]["name"] for pod in pods if pod["metadata"]["namespace"] == namespace]
        deployment.kubectl("delete", "pods", *names, "--wait=true", "--timeout=120s", namespace=namespace)

    def whole() -> bool:
        workloads = deployment.objects("deployments", "statefulsets")
        ready = [
            workload["status"].get("readyReplicas", 0) == workload["spec"]["replicas"] > 0 for workload in workloads
        ]
        return bool(ready) and all(ready) and not lost & {pod["metadata"]["uid"] for pod in deployment.pods()}

    eventually(whole, 180, "new pods")


@pytest.mark.parametrize("what", ["the database", "everything"])
def test_data_survives_the_loss_of_pods(deployment: Deployment, task: tuple[str, str], what: str) -> None:
    token, title = task
    pods = deployment.pods() if what == "everything" else deployment.database_pods()
    if not pods:
        assert what == "the database" and deployment.objects("statefulsets") == [], "the database has lost its pods"
        pytest.skip("the database is not part of this deployment")
    lose(deployment, pods)

    def read() -> Any:
        code, text = deployment.ask("GET", "/api/tasks", token=token)
        return code == 200 and [item["title"] for item in json.loads(text)]

    assert eventually(read, 60, "the tasks") == [title]
    assert deployment.ask("GET", "/")[0] == 200
    assert ended_by_themselves(deployment) == []
