# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example as compose.yaml runs it. Called by compose.sh, which brings it up and takes it down."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/todo"
COMPOSE = os.environ["TODO_COMPOSE"].splitlines()
PROJECT = os.environ["TODO_COMPOSE_PROJECT"]
BASE = f"http://127.0.0.1:{os.environ['TODO_PORT']}"
PATIENCE = 90.0  # seconds until the page, or the database again, must answer
SERVICES: dict[str, Any] = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]
LIMITS = {"backend": 300, "migrate": 300, "frontend": 200}  # MB


def compose(*arguments: str) -> str:
    """Run Compose on the project; its standard output."""
    done = subprocess.run([*COMPOSE, *arguments], cwd=EXAMPLE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(method: str, path: str, body: Any = None, token: str = "", request_id: str = "") -> tuple[int, Any]:
    """Ask the application through the frontend: the status and the parsed answer."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if request_id:
        headers["X-Request-ID"] = request_id
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    return status, json.loads(content) if content.startswith((b"{", b"[")) else content.decode()


def wait_until_ready() -> None:
    """Wait until the frontend, the backend and the database all answer; says the last answer otherwise."""
    last: Any = None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            last = ask("GET", "/api/ready")
        except OSError as error:
            last = error
        else:
            if last[0] == 200:
                return
        time.sleep(0.5)
    pytest.fail(f"the application does not answer: {last}")


@pytest.fixture(scope="session")
def containers() -> dict[str, Any]:
    """What the engine says of each service's container, by the service's name."""
    found = docker.from_env(timeout=60).containers.list(
        all=True, filters={"label": f"com.docker.compose.project={PROJECT}"}
    )
    return {container.labels["com.docker.compose.service"]: container for container in found}


@pytest.fixture(scope="session")
def token() -> str:
    """A new user's way in."""
    wait_until_ready()
    status, answer = ask(
        "POST", "/api/auth/register", {"email": f"{uuid.uuid4().hex}@example.com", "password": uuid.uuid4().hex}
    )
    assert status == 201, answer
    found: str = answer["access_token"]
    return found


def test_a_users_way(token: str) -> None:
    assert ask("GET", "/api/tasks")[0] == 401
    status, task = ask("POST", "/api/tasks", {"title": "water the plants"}, token)
    assert (status, task["completed"]) == (201, False)
    status, answer = ask("POST", "/api/chat", {"message": "add a task to feed the cat"}, token)
    assert status == 200
    assert [call["name"] for call in answer["tool_calls"]] == ["add_task"]
    assert ask("POST", f"/api/tasks/{task['id']}/complete", token=token)[1]["completed"] is True
    found = {item["title"]: item["completed"] for item in ask("GET", "/api/tasks", token=token)[1]}
    assert found == {"water the plants": True, "feed the cat": False}


def test_the_page_is_there() -> None:
    status, page = ask("GET", "/login")
    assert status == 200
    assert 'data-testid="login-form"' in page


def test_data_outlives_the_database(token: str) -> None:
    before = ask("GET", "/api/tasks", token=token)
    assert before[0] == 200
    assert before[1]
    compose("restart", "postgresql")
    wait_until_ready()
    assert ask("GET", "/api/tasks", token=token) == before


def test_one_id_leads_through_the_logs_of_both_services(token: str, containers: dict[str, Any]) -> None:
    request_id = f"trace-{uuid.uuid4()}"
    assert ask("GET", "/api/tasks", token=token, request_id=request_id)[0] == 200
    for service in ("frontend", "backend"):
        lines = containers[service].logs().decode().splitlines()
        found = [json.loads(line) for line in lines if request_id in line]
        assert [(line["request_id"], line["path"], line["status"]) for line in found] == [
            (request_id, "/api/tasks", 200)
        ]
        assert {"timestamp", "level", "message"} <= set(found[0])


def test_every_container_is_confined(containers: dict[str, Any]) -> None:
    assert set(containers) == {"postgresql", "migrate", "backend", "frontend"}
    for service, container in containers.items():
        host, config = container.attrs["HostConfig"], container.attrs["Config"]
        user = re.fullmatch(r"(\d+):(\d+)", config["User"])
        assert user, f"{service} runs as {config['User'] or 'root'}"
        assert 0 not in (int(user[1]), int(user[2])), service
        assert host["ReadonlyRootfs"] is True, service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        published = [port for ports in (host["PortBindings"] or {}).values() for port in ports]
        assert [port["HostIp"] for port in published] == (["127.0.0.1"] if service == "frontend" else [])


def test_images_are_small(containers: dict[str, Any]) -> None:
    sizes = {service: container.image.attrs["Size"] / 1e6 for service, container in containers.items()}
    assert {service: size for service, size in sizes.items() if size >= LIMITS.get(service, 500)} == {}


def test_migrations_end_well_before_the_backend_starts(containers: dict[str, Any]) -> None:
    migrated, backend = containers["migrate"].attrs["State"], containers["backend"].attrs["State"]
    assert migrated["ExitCode"] == 0
    assert migrated["FinishedAt"] <= backend["StartedAt"]


def test_the_backend_can_be_given_all_that_a_deployment_gives_it() -> None:
    names = {"DATABASE_URL", "JWT_SECRET", "BETTER_AUTH_SECRET", "OPENAI_API_KEY", "OPENROUTER_API_KEY"}
    names |= {"LOG_LEVEL", "LOG_FORMAT", "ALLOWED_ORIGINS", "ENVIRONMENT", "API_VERSION"}
    names |= {"VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY"}
    assert names <= set(SERVICES["backend"]["environment"])
    # What the migrations see is what the service sees.
    assert SERVICES["migrate"]["environment"] == SERVICES["backend"]["environment"]


def test_no_secret_is_written_into_the_file() -> None:
    secret = re.compile(r"PASSWORD|SECRET|_KEY$")
    values = {
        name: value
        for service in SERVICES.values()
        for name, value in service["environment"].items()
        if secret.search(name)
    }
    assert {"POSTGRES_PASSWORD", "JWT_SECRET", "OPENAI_API_KEY"} <= set(values)
    assert {name for name, value in values.items() if not value.startswith("${")} == set()


def test_a_missing_secret_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "env"
    empty.touch()
    place = COMPOSE.index("--env-file") + 1
    command = [*COMPOSE[:place], str(empty), *COMPOSE[place + 1 :], "config"]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "run ./secrets.sh once" in done.stderr


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "env"
    for expected in ("has new secrets", "is there already"):
        done = subprocess.run([EXAMPLE / "secrets.sh", file], capture_output=True, text=True, check=True)
        assert expected in done.stdout
        assert file.stat().st_mode & 0o077 == 0
    made = dict(line.split("=") for line in file.read_text().splitlines())
    assert set(made) == {"POSTGRES_PASSWORD", "JWT_SECRET"}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
    assert len(set(made.values())) == 2
