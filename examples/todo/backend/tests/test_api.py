"""Accounts and tasks over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
import json
import statistics
import time
import uuid

import jwt
import pytest

from .support import SECRET, Person, Service, register


def test_register_and_who_am_i(service: Service) -> None:
    with service.client() as client:
        answer = client.post(
            "/api/auth/register", json={"email": f" {uuid.uuid4().hex}@Example.COM ", "password": "12345678"}
        )
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == {"access_token", "token_type", "user"}
        assert body["token_type"] == "bearer"
        assert body["user"]["email"].endswith("@example.com")
        assert body["user"]["name"] == body["user"]["email"].split("@")[0]
        me = client.get("/api/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
        assert me.json() == body["user"]


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_email_is_compared_without_case(service: Service, ada: Person, spell: object) -> None:
    assert callable(spell)
    email = spell(ada.email)
    with service.client() as client:
        again = client.post("/api/auth/register", json={"email": email, "password": "another one"})
        assert again.status_code == 409
        assert "already" in again.json()["detail"]
        login = client.post("/api/auth/login", json={"email": email, "password": ada.password})
        assert login.status_code == 200
        assert login.json()["user"]["id"] == ada.id


def test_simultaneous_registrations_make_one_account(service: Service) -> None:
    email = f"{uuid.uuid4().hex}@example.com"

    def attempt(_: int) -> int:
        with service.client() as client:
            return client.post("/api/auth/register", json={"email": email, "password": "12345678"}).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(attempt, range(5))) == [201, 409, 409, 409, 409]


def test_wrong_login_tells_nothing(service: Service, ada: Person) -> None:
    """Same status, same words and about the same time, whether or not the account exists."""

    def attempt(email: str) -> tuple[int, str, float]:
        started = time.perf_counter()
        answer = client.post("/api/auth/login", json={"email": email, "password": "wrong password"})
        return answer.status_code, answer.json()["detail"], time.perf_counter() - started

    with service.client() as client:
        known = [attempt(ada.email) for _ in range(7)]
        unknown = [attempt(f"{uuid.uuid4().hex}@example.com") for _ in range(7)]
    assert {(status, detail) for status, detail, _ in known + unknown} == {
        (401, "The e-mail address or the password is wrong.")
    }
    # Without the dummy hash the unknown address answers in a small fraction of the time.
    fast = statistics.median(seconds for *_, seconds in unknown)
    assert fast > 0.4 * statistics.median(seconds for *_, seconds in known)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "a@example.com", "password": "short"}, "password"),
        ({"email": "a@example.com", "password": "x" * 129}, "password"),
        ({"email": "no address", "password": "12345678"}, "email"),
        ({"email": "a@b@example.com", "password": "12345678"}, "email"),
        ({"email": "a\x00@example.com", "password": "12345678"}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": "a@example.com", "password": "12345678", "name": "x" * 101}, "name"),
        ({"email": "a@example.com", "password": "\ud800" * 8}, "password"),
    ],
)
def test_registration_is_validated(service: Service, body: dict[str, str], field: str) -> None:
    with service.client() as client:
        answer = client.post(
            "/api/auth/register",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]
    assert "input" not in answer.text


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        jwt.encode({"sub": str(uuid.uuid4())}, SECRET, algorithm="HS256"),
        jwt.encode(
            {"sub": str(uuid.uuid4()), "iss": "todo-backend", "iat": 1, "exp": datetime.now(UTC) + timedelta(hours=1)},
            SECRET,
            algorithm="HS256",
        ),
    ],
    ids=["garbage", "claims missing", "account gone"],
)
def test_bad_tokens_are_refused(service: Service, token: str) -> None:
    with service.client() as client:
        answer = client.get("/api/tasks", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("change", ["expired", "other secret", "none algorithm"])
def test_forged_tokens_are_refused(service: Service, ada: Person, change: str) -> None:
    claims = jwt.decode(ada.token, SECRET, algorithms=["HS256"], issuer="todo-backend")
    genuine = jwt.encode(claims, SECRET, algorithm="HS256")
    if change == "expired":
        forged = jwt.encode({**claims, "exp": datetime.now(UTC) - timedelta(seconds=1)}, SECRET, algorithm="HS256")
    elif change == "other secret":
        forged = jwt.encode(claims, SECRET + "x", algorithm="HS256")
    else:
        forged = jwt.encode(claims, "", algorithm="none")
    with service.client() as client:
        assert client.get("/api/auth/me", headers={"Authorization": f"Bearer {genuine}"}).status_code == 200
        assert client.get("/api/auth/me", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_leaving_takes_everything_along(service: Service, ada: Person, bob: Person) -> None:
    ada.client.post("/api/tasks", json={"title": "pack"})
    bob.client.post("/api/tasks", json={"title": "stay"})
    ada.say("what is open?")
    assert ada.client.delete("/api/auth/me").status_code == 204
    assert ada.client.get("/api/tasks").status_code == 401
    with service.client() as client:
        login = client.post("/api/auth/login", json={"email": ada.email, "password": ada.password})
    assert login.status_code == 401
    assert bob.titles() == ["stay"]


def test_everything_wants_a_token(service: Service) -> None:
    with service.client() as client:
        for method, path in (
            ("GET", "/api/auth/me"),
            ("DELETE", "/api/auth/me"),
            ("GET", "/api/tasks"),
            ("POST", "/api/tasks"),
            ("GET", "/api/tasks/1"),
            ("PATCH", "/api/tasks/1"),
            ("DELETE", "/api/tasks/1"),
            ("POST", "/api/tasks/1/complete"),
            ("POST", "/api/chat"),
            ("POST", "/mcp"),
        ):
            answer = client.request(method, path, json={"title": "x", "message": "x"})
            assert answer.status_code == 401, (method, path)


def test_life_of_a_task(ada: Person) -> None:
    task = ada.add("  buy milk ", description="two litres")
    assert set(task) == {"id", "title", "description", "completed", "created_at", "updated_at"}
    assert (task["title"], task["description"], task["completed"]) == ("buy milk", "two litres", False)
    path = f"/api/tasks/{task['id']}"
    assert ada.client.get(path).json() == task

    changed = ada.client.patch(path, json={"title": "buy oat milk"}).json()
    assert (changed["title"], changed["description"]) == ("buy oat milk", "two litres")
    assert changed["updated_at"] > task["updated_at"]
    assert changed["created_at"] == task["created_at"]
    assert ada.client.patch(path, json={"description": None}).json()["description"] is None

    ada.add("call mum")
    done = ada.client.post(f"{path}/complete")
    assert done.status_code == 200
    assert done.json()["completed"] is True
    assert ada.client.post(f"{path}/complete").status_code == 200
    assert ada.titles() == ["buy oat milk", "call mum"]
    assert ada.titles("pending") == ["call mum"]
    assert ada.titles("completed") == ["buy oat milk"]
    assert ada.client.patch(path, json={"completed": False}).json()["completed"] is False

    gone = ada.client.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert ada.client.get(path).status_code == 404
    assert ada.client.delete(path).status_code == 404
    assert ada.titles() == ["call mum"]


def test_other_peoples_tasks_do_not_exist(ada: Person, bob: Person) -> None:
    task = ada.add("secret plan")
    path = f"/api/tasks/{task['id']}"
    answers = [
        bob.client.get(path),
        bob.client.patch(path, json={"title": "mine"}),
        bob.client.delete(path),
        bob.client.post(f"{path}/complete"),
    ]
    never = bob.client.get("/api/tasks/999999999")
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["detail"].replace(str(task["id"]), "N") == never.json()["detail"].replace("999999999", "N")
    assert bob.tasks() == []
    assert ada.tasks() == [task]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": "   "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x", "description": "y" * 4001}, "description"),
    ],
)
def test_tasks_are_validated(ada: Person, body: dict[str, object], field: str) -> None:
    answer = ada.client.post("/api/tasks", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")


def test_unusable_requests_are_answered_readably(ada: Person) -> None:
    task = ada.add("x")
    assert ada.client.get("/api/tasks/abc").status_code == 422
    assert ada.client.get(f"/api/tasks/{2**63}").status_code == 422
    assert ada.client.get("/api/tasks", params={"status": "lost"}).status_code == 422
    assert ada.client.patch(f"/api/tasks/{task['id']}", json={"title": None}).status_code == 422
    broken = ada.client.post("/api/tasks", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["detail"]) == (422, "body: is not valid JSON")
    assert ada.client.put("/api/tasks").status_code == 405
    assert ada.client.get("/api/nothing").status_code == 404


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_refused(ada: Person, chunked: bool) -> None:
    body = b'{"title": "' + b"x" * 1_100_000 + b'"}'
    content = iter([body[:600_000], body[600_000:]]) if chunked else body
    answer = ada.client.post("/api/tasks", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "1024 KiB" in answer.json()["detail"]


def test_browsers_of_allowed_origins_may_call(service: Service) -> None:
    def preflight(origin: str) -> str | None:
        answer = client.options("/api/tasks", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        allowed: str | None = answer.headers.get("access-control-allow-origin")
        return allowed

    with service.client() as client:
        assert preflight("http://localhost:3000") == "http://localhost:3000"
        assert preflight("https://todo.example.com") == "https://todo.example.com"
        assert preflight("https://evil.example.com") is None


def test_latency(ada: Person) -> None:
    """A loose ceiling that catches a pool or a hash in the wrong place, not a benchmark."""
    for number in range(20):
        ada.add(f"task {number}")
    times = []
    for _ in range(60):
        started = time.perf_counter()
        ada.tasks()
        times.append(time.perf_counter() - started)
    assert statistics.quantiles(times, n=20)[18] < 0.5


def test_many_people_at_once(service: Service) -> None:
    """More requests in flight than the pool has connections."""

    def life(_: int) -> list[str]:
        person = register(service)
        person.add("one")
        person.say("add two")
        titles = person.titles()
        person.client.close()
        return titles

    with ThreadPoolExecutor(15) as pool:
        assert list(pool.map(life, range(15))) == [["one", "two"]] * 15
