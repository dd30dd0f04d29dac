"""What those who run the service rely on: health, logs, settings, migrations, faults, outages, shutdown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
import json
import logging
import re
import subprocess
import sys
import time
import uuid

from alembic.config import Config
from alembic.script import ScriptDirectory
import httpx
import jwt
import psycopg
import pytest

from todo_api.database import constants_of, known_revisions
from todo_api.log import JsonFormatter, TextFormatter
from todo_api.middleware import choose_request_id
from todo_api.settings import Settings, SettingsError, load_settings
from todo_api.vapid import make_pair

from .support import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    ROOT,
    SECRET,
    LocalPostgres,
    Person,
    Service,
    alembic,
    environment,
    migrate,
    register,
    run_service,
)

NOWHERE = "postgresql://todo:hunter2secret@127.0.0.1:9/todo"


@contextmanager
def running(directory: Path, **variables: str) -> Iterator[Service]:
    service = Service(directory, **variables)
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def plain(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as a chart with empty values configures it."""
    empty = dict.fromkeys(
        ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENROUTER_API_KEY", "FAULT_START_EXIT", "LOG_LEVEL"), ""
    )
    directory = tmp_path_factory.mktemp("plain")
    with running(directory, DATABASE_URL=database_url, JWT_SECRET="", BETTER_AUTH_SECRET=SECRET, **empty) as service:
        yield service


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Make ``variables`` the only ones the settings see."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


# --- health ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/health/live", "/api/health"])
def test_health_names_the_build(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": "1.2.3",
        "image_tag": "0123456789ab",
        "api_version": "v1",
        "environment": "development",
    }


@pytest.mark.parametrize("path", ["/ready", "/health/ready", "/api/ready"])
def test_ready(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_ready_follows_the_schema(empty_database: str, tmp_path: Path) -> None:
    with running(tmp_path, DATABASE_URL=empty_database) as service, service.client() as client:

        def reason() -> tuple[int, str]:
            answer = client.get("/ready")
            return answer.status_code, answer.json().get("reason", "")

        assert reason() == (503, "the database schema has not been migrated: run `alembic upgrade head`")
        refused = client.post("/api/auth/register", json={"email": "a@example.com", "password": "12345678"})
        assert refused.status_code == 503
        migrate(empty_database, "0001")
        status, words = reason()
        assert status == 503
        assert "is at revision 0001" in words
        migrate(empty_database)
        assert reason() == (200, "")
        with psycopg.connect(empty_database) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        # A newer release has migrated while this pod still serves.
        assert reason() == (200, "")


def test_outage(own_postgres: LocalPostgres, tmp_path: Path) -> None:
    """The database stops and comes back: told, survived, and nothing given away."""
    url = own_postgres.url()
    migrate(url)
    with running(tmp_path, DATABASE_URL=url) as service:
        person = register(service)
        person.add("buy milk")
        own_postgres.stop()
        for path in ("/ready", "/health/ready", "/api/ready"):
            answer = person.client.get(path)
            assert answer.status_code == 503
            assert answer.json()["reason"] == "the database does not answer (connection refused)"
        assert person.client.get("/health").status_code == 200
        answers = [
            person.client.get("/api/tasks"),
            person.client.post("/api/chat", json={"message": "what is open?"}),
            person.client.post("/mcp", json={}),
            person.client.post("/api/auth/login", json={"email": person.email, "password": person.password}),
        ]
        for answer in answers:
            assert answer.status_code == 503
            assert answer.json()["detail"] == "The database does not answer at the moment. Try again shortly."
            assert answer.headers["retry-after"] == "5"
        own_postgres.start()
        assert person.client.get("/ready").status_code == 200
        assert person.titles() == ["buy milk"]
        assert own_postgres.password not in service.output()
        assert "Traceback" not in service.output()
        person.client.close()


# --- logs ------------------------------------------------------------------------------------------------------------


def _requests(service: Service, **wanted: object) -> list[dict[str, Any]]:
    """Return the log lines of requests with these fields, waiting a moment for the last one to be written."""
    for _ in range(40):
        found = [entry for entry in service.logs() if wanted.items() <= entry.items()]
        if found:
            return found
        time.sleep(0.05)
    return []


def test_one_line_per_request(service: Service, ada: Person) -> None:
    request_id = f"trace-{uuid.uuid4()}"
    answer = ada.client.get("/api/tasks?token=oops-a-token", headers={"X-Request-ID": request_id})
    assert answer.headers["x-request-id"] == request_id
    [entry] = [entry for entry in _requests(service, request_id=request_id) if "path" in entry]
    assert (entry["method"], entry["path"], entry["status"], entry["level"]) == ("GET", "/api/tasks", 200, "info")
    assert 0 < entry["duration_ms"] < 5000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry["timestamp"])
    assert "oops-a-token" not in service.output()


@pytest.mark.parametrize("offered", ["", "x" * 129, "a b", 'a"b', "a\tb", "ünfug", "../{}"])
def test_insane_request_ids_are_replaced(offered: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", choose_request_id(offered))


def test_errors_carry_the_request_id(ada: Person) -> None:
    answer = ada.client.get("/api/tasks/999999999", headers={"X-Request-ID": "abc-1"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "abc-1"


def test_nothing_secret_is_logged(service: Service, ada: Person, database_url: str) -> None:
    ada.client.post("/api/auth/login", json={"email": ada.email, "password": ada.password})
    ada.say("add a very private errand")
    output = service.output()
    password = psycopg.conninfo.conninfo_to_dict(database_url)["password"]
    for secret in (ada.password, ada.token, SECRET, str(password), ada.email, "very private errand"):
        assert secret not in output


def test_uvicorn_has_no_access_log_of_its_own(service: Service) -> None:
    assert {entry["logger"] for entry in service.logs()} & {"uvicorn.access"} == set()
    assert _requests(service, logger="todo_api.access")


def test_probes_are_quiet(plain: Service) -> None:
    with plain.client() as client:
        client.get("/health")
        client.get("/ready")
        client.get("/api/nothing")
    assert _requests(plain, path="/api/nothing", status=404)
    assert {"/health", "/ready"} & {entry.get("path") for entry in plain.logs()} == set()


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_secrets_are_blanked_wherever_they_are(formatter: type[JsonFormatter | TextFormatter]) -> None:
    try:
        raise ValueError("no entry with hunter2secret")
    except ValueError:
        failure = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "key %s", ("hunter2secret",), failure)
    record.address = "db://u:hunter2secret@h"
    line = formatter(["hunter2secret", ""]).format(record)
    assert "hunter2secret" not in line
    assert "key ***" in line
    assert "db://u:***@h" in line
    assert "Traceback" in line
    assert formatter is TextFormatter or "\n" not in line


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"JWT_SECRET": SECRET}, "DATABASE_URL is not set: set it to postgresql://"),
        ({"JWT_SECRET": SECRET, "DATABASE_URL": ""}, "DATABASE_URL is not set: "),
        (
            {"JWT_SECRET": SECRET, "DATABASE_URL": "mysql://u:hunter2secret@h/d"},
            "DATABASE_URL is not a PostgreSQL URL: ",
        ),
        ({"JWT_SECRET": SECRET, "DATABASE_URL": "hunter2secret"}, "DATABASE_URL is not a PostgreSQL URL: "),
        (
            {"JWT_SECRET": SECRET, "DATABASE_URL": f"{NOWHERE}?ssl_mode=no"},
            "DATABASE_URL cannot be read as a PostgreSQL URL",
        ),
        ({"JWT_SECRET": SECRET, "DATABASE_URL": "postgresql://u:hunter2secret@h"}, "DATABASE_URL names no database: "),
        ({"JWT_SECRET": SECRET, "DATABASE_URL": "postgresql:///d"}, "DATABASE_URL names no host: "),
        ({"DATABASE_URL": NOWHERE}, "JWT_SECRET is not set: set JWT_SECRET to at least 32 random characters"),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": "hunter2secret"}, "JWT_SECRET has 13 characters, which is too short"),
        ({"DATABASE_URL": NOWHERE, "BETTER_AUTH_SECRET": "hunter2secret"}, "BETTER_AUTH_SECRET has 13 characters"),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "PORT": "http"}, "PORT has an unusable value ("),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "LOG_LEVEL": "loud"}, "LOG_LEVEL has an unusable value ("),
        (
            {"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "OPENAI_BASE_URL": "x"},
            "OPENAI_BASE_URL is not an http(s) URL",
        ),
        *(
            (
                {"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "OPENAI_BASE_URL": url},
                "OPENAI_BASE_URL is not an http(s) URL",
            )
            for url in ("http://:80/v1", "http://h:port/v1", "http://[h/v1", "http://h h/v1", "ftp://h/v1")
        ),
        (
            {"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "FAULT_START_EXIT": "x"},
            "FAULT_START_EXIT has an unusable value",
        ),
    ],
)
def test_wrong_settings_are_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    set_environment(monkeypatch, **variables)
    with pytest.raises(SettingsError) as raised:
        load_settings(Settings)
    message = str(raised.value)
    assert message.startswith(sentence)
    assert "\n" not in message
    assert message.endswith(".")
    assert "hunter2secret" not in message


@pytest.mark.parametrize(
    ("public", "private", "sentence"),
    [
        (PUBLIC_KEY, "", "VAPID_PUBLIC_KEY is set and VAPID_PRIVATE_KEY is not: make a pair"),
        ("", PRIVATE_KEY, "VAPID_PRIVATE_KEY is set and VAPID_PUBLIC_KEY is not: make a pair"),
        (PUBLIC_KEY[:-1], PRIVATE_KEY, "VAPID_PUBLIC_KEY is no public key ("),
        (f"A{PUBLIC_KEY[1:]}", PRIVATE_KEY, "VAPID_PUBLIC_KEY is no public key ("),
        ("not base64!", PRIVATE_KEY, "VAPID_PUBLIC_KEY is no public key ("),
        (PUBLIC_KEY, PRIVATE_KEY[:-2], "VAPID_PRIVATE_KEY is no private key ("),
        (PUBLIC_KEY, "A" * 43, "VAPID_PRIVATE_KEY is no private key ("),
        (PUBLIC_KEY, "_" * 43, "VAPID_PRIVATE_KEY is no private key ("),
        (PUBLIC_KEY, make_pair()[1], "VAPID_PRIVATE_KEY does not belong to VAPID_PUBLIC_KEY: "),
    ],
)
def test_push_keys_that_cannot_work_are_told(
    monkeypatch: pytest.MonkeyPatch, public: str, private: str, sentence: str
) -> None:
    set_environment(
        monkeypatch, DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, VAPID_PUBLIC_KEY=public, VAPID_PRIVATE_KEY=private
    )
    with pytest.raises(SettingsError) as raised:
        load_settings(Settings)
    message = str(raised.value)
    assert message.startswith(sentence)
    assert message.endswith(".")
    assert "\n" not in message
    assert not [key for key in (public, private) if key and key in message]


@pytest.mark.parametrize("pair", [(PUBLIC_KEY, PRIVATE_KEY), (f"{PUBLIC_KEY}=\n", f"{PRIVATE_KEY}="), make_pair()])
def test_push_keys_in_use_are_understood(monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]) -> None:
    set_environment(
        monkeypatch, DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, VAPID_PUBLIC_KEY=pair[0], VAPID_PRIVATE_KEY=pair[1]
    )
    settings = load_settings(Settings)
    assert settings.vapid_public_key == pair[0].rstrip("=\n")
    assert settings.vapid_private_key in settings.secrets()


def test_a_new_pair_of_push_keys_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "todo_api.vapid"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pair = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert set(pair) == {"VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY"}
    set_environment(monkeypatch, DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, **pair)
    assert load_settings(Settings).vapid_public_key == pair["VAPID_PUBLIC_KEY"]


def test_the_push_key_is_served_where_there_is_one(service: Service, plain: Service) -> None:
    with service.client() as client:
        answer = client.get("/api/push/key")
    assert (answer.status_code, answer.json()) == (200, {"public_key": PUBLIC_KEY})
    assert PRIVATE_KEY not in service.output()
    with plain.client() as client:
        absent = client.get("/api/push/key")
    assert absent.status_code == 404
    assert absent.json()["detail"] == "This server has no keys for push messages."


# What the deployments of this service set, each in its own way; no name may be one that is passed over.
DEPLOYMENTS: dict[str, dict[str, str]] = {
    "a secret by its older name": {"OPENAI_API_KEY": "k", "BETTER_AUTH_SECRET": SECRET},
    "levels and versions": {
        "LOG_LEVEL": "info",
        "ENVIRONMENT": "production",
        "API_VERSION": "v1",
        "JWT_SECRET": SECRET,
        "OPENAI_API_KEY": "k",
    },
    "both secrets": {"BETTER_AUTH_SECRET": SECRET[::-1], "OPENAI_API_KEY": "k", "JWT_SECRET": SECRET},
    "another model and push messages": {
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "ALLOWED_ORIGINS": "http://localhost:3000",
        "ENVIRONMENT": "production",
        "OPENROUTER_API_KEY": "k",
        "BETTER_AUTH_SECRET": SECRET,
        "VAPID_PUBLIC_KEY": PUBLIC_KEY,
        "VAPID_PRIVATE_KEY": PRIVATE_KEY,
    },
}


@pytest.mark.parametrize("variables", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_every_deployments_names_are_understood(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    set_environment(monkeypatch, DATABASE_URL=NOWHERE, **variables)
    settings = load_settings(Settings)
    assert {name for name in variables if name.lower() not in Settings.model_fields} == set()
    assert settings.signing_secret == SECRET
    assert settings.model is not None
    assert settings.model.api_key == "k"
    assert settings.log_level == "info"
    assert settings.allowed_origins == ([variables["ALLOWED_ORIGINS"]] if "ALLOWED_ORIGINS" in variables else [])


def test_wrong_settings_end_the_process() -> None:
    done = run_service(DATABASE_URL=NOWHERE, JWT_SECRET="hunter2secret")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("JWT_SECRET has 13 characters, which is too short")
    assert done.stderr.count("\n") == 1
    assert "hunter2secret" not in done.stderr


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h:5433/d", "postgresql+psycopg://u:p@h:5433/d"),
        (
            " postgresql://u:p%40ss@h.example.com/d?sslmode=require&channel_binding=require\n",
            "postgresql+psycopg://u:p%40ss@h.example.com/d?sslmode=require&channel_binding=require",
        ),
    ],
)
def test_database_urls_in_use_are_understood(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    set_environment(monkeypatch, DATABASE_URL=given, JWT_SECRET=SECRET)
    settings = load_settings(Settings)
    assert settings.database_url == used
    assert settings.secrets()[0] in {"p", "p@ss"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, None),
        ({"OPENAI_API_KEY": "k"}, ("k", None, "gpt-4o-mini")),
        ({"OPENAI_BASE_URL": "http://llm/v1", "OPENAI_MODEL": "m"}, ("unused", "http://llm/v1", "m")),
        ({"OPENROUTER_API_KEY": "r"}, ("r", "https://openrouter.ai/api/v1", "openai/gpt-4o-mini")),
        (
            {"OPENROUTER_API_KEY": "r", "OPENROUTER_BASE_URL": "http://or/v1"},
            ("r", "http://or/v1", "openai/gpt-4o-mini"),
        ),
        ({"OPENROUTER_API_KEY": "r", "OPENAI_BASE_URL": "http://or/v1"}, ("r", "http://or/v1", "gpt-4o-mini")),
        ({"OPENROUTER_API_KEY": "r", "OPENAI_API_KEY": "k"}, ("k", None, "gpt-4o-mini")),
    ],
)
def test_which_model_is_asked(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, str | None, str] | None
) -> None:
    set_environment(monkeypatch, DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, **variables)
    model = load_settings(Settings).model
    assert (model and (model.api_key, model.base_url, model.name)) == expected


def test_fallback_secret_signs(plain: Service) -> None:
    person = register(plain)
    assert jwt.decode(person.token, SECRET, algorithms=["HS256"], issuer="todo-backend")["sub"] == person.id
    assert person.say("help")["tool_calls"] == []
    person.client.close()


# --- migrations ------------------------------------------------------------------------------------------------------


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def test_migrations_up_down_up(empty_database: str) -> None:
    everything = {"alembic_version", "users", "tasks", "conversations", "messages"}
    for step, tables in (
        ("head", everything),
        ("-1", {"alembic_version", "users", "tasks"}),
        ("base", {"alembic_version"}),
        ("head", everything),
        ("head", everything),
    ):
        migrate(empty_database, step)
        assert _tables(empty_database) == tables


def test_models_and_migrations_agree(database_url: str) -> None:
    done = alembic("check", DATABASE_URL=database_url)
    assert done.returncode == 0, done.stdout + done.stderr


def test_simultaneous_migrations(empty_database: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: alembic("upgrade", "head", DATABASE_URL=empty_database), range(3)))
    assert [done.returncode for done in runs] == [0, 0, 0], runs
    messages = sorted(json.loads(done.stdout.splitlines()[-1])["message"] for done in runs)
    assert messages == ["The schema is up to date", "The schema is up to date", "The schema was migrated"]


def test_migration_waits_for_the_database(own_postgres: LocalPostgres) -> None:
    own_postgres.stop()
    with subprocess.Popen(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=environment(DATABASE_URL=own_postgres.url()),
        stdout=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stdout
        first = waiting.stdout.readline()
        own_postgres.start()
        rest, _ = waiting.communicate(timeout=60)
    assert "Waiting up to 60 s for the database (connection refused)" in first
    assert waiting.returncode == 0, rest


def test_failed_migrations_are_told_in_a_line(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE tasks (id int)")
    done = alembic("upgrade", "head", DATABASE_URL=empty_database)
    assert done.returncode == 1
    [entry] = [json.loads(line) for line in done.stdout.splitlines()]
    assert entry["message"] == 'The migration failed and was rolled back: relation "tasks" already exists'
    assert _tables(empty_database) == {"tasks"}

    wrong = psycopg.conninfo.conninfo_to_dict(empty_database)
    url = f"postgresql://{wrong['user']}:wrong-password@{wrong['host']}:{wrong['port']}/{wrong['dbname']}"
    started = time.monotonic()
    refused = alembic("upgrade", "head", DATABASE_URL=url)
    assert refused.returncode == 1
    assert "authentication failed" in refused.stdout
    assert "wrong-password" not in refused.stdout + refused.stderr
    assert time.monotonic() - started < 30

    unset = alembic("upgrade", "head")
    assert (unset.returncode, unset.stdout) == (78, "")
    assert unset.stderr.startswith("DATABASE_URL is not set: ")


def test_revisions_are_those_of_alembic() -> None:
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    head, known = known_revisions()
    assert head == scripts.get_current_head()
    assert known == {script.revision for script in scripts.walk_revisions()}


def test_revisions_may_have_types(tmp_path: Path) -> None:
    file = tmp_path / "0003_labels.py"
    file.write_text('revision: str = "0003"\ndown_revision: str | None = "0002"\n\n\ndef upgrade() -> None: ...\n')
    assert constants_of(file) == {"revision": "0003", "down_revision": "0002"}


# --- faults ----------------------------------------------------------------------------------------------------------


def test_fault_start_exit() -> None:
    done = run_service(DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, FAULT_START_EXIT="3")
    assert done.returncode == 3
    assert json.loads(done.stdout)["message"] == "FAULT_START_EXIT is set: exiting with code 3"


def test_fault_migration(empty_database: str) -> None:
    done = alembic("upgrade", "head", DATABASE_URL=empty_database, FAULT_MIGRATION="1")
    assert done.returncode == 1
    assert json.loads(done.stdout)["message"] == "The migration failed: FAULT_MIGRATION is set"
    assert _tables(empty_database) == set()


def test_running_faults(database_url: str, tmp_path: Path) -> None:
    with running(
        tmp_path,
        DATABASE_URL=database_url,
        FAULT_START_DELAY="0.5",
        FAULT_NOT_READY="1",
        FAULT_UNHEALTHY_AFTER="1.5",
        FAULT_LATENCY_MS="200",
        FAULT_MEMORY_MB="200",
    ) as service:
        started = time.monotonic()
        with service.client() as client:
            answer = client.get("/health")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() >= 0.2
            assert client.get("/ready").json()["reason"] == "FAULT_NOT_READY is set"
            status = Path(f"/proc/{service.process.pid}/status").read_text()
            resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
            assert resident > 200 * 1024
            time.sleep(max(0, 1.6 - (time.monotonic() - started)))
            assert client.get("/health/live").status_code == 503
        assert "waiting 0.5 s" in service.output()


def test_production_ignores_faults(database_url: str, tmp_path: Path) -> None:
    with running(
        tmp_path,
        DATABASE_URL=database_url,
        ENVIRONMENT="Production",
        FAULT_START_EXIT="3",
        FAULT_NOT_READY="1",
        FAULT_LATENCY_MS="60000",
        FAULT_MIGRATION="1",
    ) as service:
        with service.client() as client:
            assert client.get("/ready").status_code == 200
        [warning] = [entry for entry in service.logs() if entry["level"] == "warning"]
        assert "FAULT_START_EXIT, FAULT_NOT_READY, FAULT_LATENCY_MS, FAULT_MIGRATION:" in warning["message"]


# --- the process -----------------------------------------------------------------------------------------------------


def test_shutdown_finishes_what_was_begun(database_url: str, tmp_path: Path) -> None:
    service = Service(tmp_path, DATABASE_URL=database_url, FAULT_LATENCY_MS="1000")
    with ThreadPoolExecutor(1) as pool, service.client() as client:
        slow = pool.submit(client.get, "/health")
        time.sleep(0.4)
        service.terminate()
        time.sleep(0.2)
        with pytest.raises(httpx.ConnectError), service.client() as late:
            late.get("/health")
        assert slow.result().status_code == 200
    assert service.process.wait(timeout=10) == 0
    assert "Stopped" in [entry["message"] for entry in service.logs()]
    assert "Traceback" not in service.output()


def test_starts_fast_without_a_database(tmp_path: Path) -> None:
    with running(tmp_path, DATABASE_URL=NOWHERE, LOG_FORMAT="text") as service, service.client() as client:
        assert re.search(r"^\d\d:\d\d:\d\d INFO todo_api.app Serving port=\d+", service.output(), re.MULTILINE)
        assert service.start_seconds < 5
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
        assert "hunter2secret" not in service.output()


@pytest.mark.parametrize("key", ["", "k"], ids=["rules", "model"])
def test_start_loads_nothing_that_serving_does_not_need(key: str) -> None:
    program = (
        "import sys; from todo_api.app import create_app; from todo_api.settings import Settings; "
        "create_app(Settings()); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(DATABASE_URL=NOWHERE, JWT_SECRET=SECRET, OPENAI_API_KEY=key),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "fastapi" in loaded
    assert loaded & {"alembic", "mcp", "openai"} == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_files_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^[a-z][^\s=]*==", text, re.MULTILINE)
    assert len(pins) > 30
    for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block
