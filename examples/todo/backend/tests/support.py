"""What the tests stand on: a PostgreSQL of their own, the service as a real process, and people using it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
import json
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from alembic import command
from alembic.config import Config
import httpx
import psycopg

ROOT = Path(__file__).parent.parent
SECRET = "test-signing-secret-of-forty-characters!"
# The pair of RFC 8291, appendix A, belongs to nobody.
PUBLIC_KEY = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
PRIVATE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
START_TIMEOUT = 30.0


class NoDatabase(Exception):
    """There is no way to a PostgreSQL server."""


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_binaries() -> Path:
    """Return the directory of initdb and pg_ctl.

    Raises:
        NoDatabase: PostgreSQL is not installed.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "pg_ctl").exists():
            return directory
    raise NoDatabase(
        "The tests need PostgreSQL: run `apt-get install postgresql`, "
        "or set TEST_DATABASE_URL to a database whose user may create databases."
    )


class LocalPostgres:
    """A throwaway server in a temporary directory; as root it runs as an unprivileged user, as PostgreSQL demands."""

    def __init__(self) -> None:
        self._binaries = find_binaries()
        self._user: str | None = None
        self.port = free_port()
        self.password = f"pw-{uuid.uuid4().hex}"
        self.directory = Path(tempfile.mkdtemp(prefix="todo-pg-"))
        if os.geteuid() == 0:
            self._user = next(name for name in ("postgres", "nobody") if _exists(name))
            shutil.chown(self.directory, self._user)
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)
        self._run(
            "initdb", "--pgdata", "data", "--username", "todo", "--auth", "scram-sha-256",
            "--pwfile", "password", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self.directory,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            env={**os.environ, "HOME": str(self.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            log = self.directory / "log"
            raise RuntimeError(f"{program} failed:\n{done.stdout}\n{log.read_text() if log.exists() else ''}")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "--pgdata", "data", "--log", "log", "--wait", "--options", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--pgdata", "data", "--mode", "immediate", "--wait")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://todo:{self.password}@127.0.0.1:{self.port}/{database}"

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def scratch_database(server_url: str) -> Iterator[str]:
    """Yield the URL of a new, empty database on the server; it is dropped afterwards."""
    name = f"todo_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    base, _, query = server_url.partition("?")
    yield base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def environment(**variables: str) -> dict[str, str]:
    """Return a process environment with ``variables`` and nothing inherited that could change the outcome."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


def alembic(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic as the migration job does."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def migrate(url: str, revision: str = "head") -> None:
    """Migrate within this process, which is faster than :func:`alembic`; ``-1`` and ``base`` go down."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = dict(os.environ)
    move = command.downgrade if revision in {"-1", "base"} else command.upgrade
    try:
        os.environ["DATABASE_URL"] = url
        move(Config(ROOT / "alembic.ini"), revision)
    finally:
        os.environ.clear()
        os.environ.update(before)
        root.handlers[:] = handlers
        root.setLevel(level)


def run_service(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the service to its end; for starts that are expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "todo_api"],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Service:
    """The service as a process, logs in a file."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._log = directory / f"service-{self.port}.log"
        started = time.monotonic()
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "todo_api"],
                cwd=ROOT,
                env=environment(**{"JWT_SECRET": SECRET, "PORT": str(self.port), **variables}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() - started > START_TIMEOUT:
                self.stop()
                raise RuntimeError(f"the service did not start:\n{self._log.read_text()}")
            time.sleep(0.05)
        self.start_seconds = time.monotonic() - started

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, **options: Any) -> httpx.Client:
        # Plain HTTP: reading the CA bundle for every client would be most of the suite's time.
        return httpx.Client(base_url=self.base, timeout=30, verify=False, **options)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.terminate()
        return self.process.wait(timeout=30)

    def output(self) -> str:
        return self._log.read_text()

    def logs(self) -> list[dict[str, Any]]:
        """Return every line of output, parsed; fails when one is not a JSON object."""
        entries = [json.loads(line) for line in self.output().splitlines()]
        assert all(isinstance(entry, dict) for entry in entries)
        return entries


@dataclass
class Person:
    """Somebody with an account."""

    client: httpx.Client
    email: str
    password: str
    token: str
    id: str

    def add(self, title: str, **more: Any) -> dict[str, Any]:
        answer = self.client.post("/api/tasks", json={"title": title, **more})
        assert answer.status_code == 201, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def tasks(self, status: str = "all") -> list[dict[str, Any]]:
        answer = self.client.get("/api/tasks", params={"status": status})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def titles(self, status: str = "all") -> list[str]:
        return [task["title"] for task in self.tasks(status)]

    def say(self, message: str, conversation_id: str | None = None) -> dict[str, Any]:
        answer = self.client.post("/api/chat", json={"message": message, "conversation_id": conversation_id})
        assert answer.status_code == 200, answer.text
        reply: dict[str, Any] = answer.json()
        return reply


def register(service: Service, email: str | None = None, password: str = "correct horse") -> Person:
    """Make an account on the service."""
    email = email or f"{uuid.uuid4().hex[:12]}@example.com"
    client = service.client()
    answer = client.post("/api/auth/register", json={"email": email, "password": password, "name": "Ada"})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    client.headers["Authorization"] = f"Bearer {body['access_token']}"
    return Person(client, email, password, body["access_token"], body["user"]["id"])
