# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup of the database holds comes back, while the application goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .conftest import Deployment, Object, eventually


def run(deployment: Deployment, module: str, **options: str) -> Object:
    """Result of one of the collection's modules for the deployment."""
    arguments = {
        "releases": [{key: release[key] for key in ("name", "namespace")} for release in deployment.plan["releases"]],
        "binary_path": deployment.facts["kubectl"],
        "kubeconfig": deployment.facts["kubeconfig"],
        "context": deployment.facts["context"],
        **options,
    }
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "--connection=local", "--one-line"]
    command += ["--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})]
    shown = deployment.run(
        *command, "--module-name", f"slipway.kube.{module}", "--args", json.dumps(arguments), check=False
    )
    found: Object = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    return found


def titles(deployment: Deployment, token: str) -> list[str]:
    """Titles of a user's tasks; none while the application connects to the database again."""
    status, body = deployment.ask("GET", "/api/tasks", token=token)
    return [task["title"] for task in json.loads(body)] if status == 200 else []


def test_what_was_deleted_after_a_backup_comes_back(
    deployment: Deployment, task: tuple[str, str], tmp_path: Path
) -> None:
    token, title = task
    made = run(deployment, "database_backup", directory=str(tmp_path))
    if not deployment.database_pods():
        assert made["msg"].startswith("No PostgreSQL server runs as part of")
        return
    (backup,) = made["backups"]
    assert backup["tables"]["public.tasks"] >= 1
    (identifier,) = [one["id"] for one in json.loads(deployment.ask("GET", "/api/tasks", token=token)[1])]
    assert deployment.ask("DELETE", f"/api/tasks/{identifier}", token=token)[0] == 204
    restored = run(deployment, "database_restore", path=backup["path"])
    assert restored["tables"] == backup["tables"]
    eventually(lambda: titles(deployment, token) == [title], 60, "the task comes back")
