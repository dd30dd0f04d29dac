"""The assistant, ruled and modelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
import json
import threading
import time
import uuid

import psycopg
import pytest

from .support import Person, Service, register

# --- without a language model ----------------------------------------------------------------------------------------


def names(reply: dict[str, Any]) -> list[str]:
    return [call["name"] for call in reply["tool_calls"]]


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("add buy milk", "buy milk"),
        ("Add a task to buy milk", "buy milk"),
        ("please add “buy milk” to my list", "buy milk"),
        ("Could you add buy milk to the to-do list, please?", "buy milk"),
        ("new task: call mum", "call mum"),
        ("create a new todo called write report", "write report"),
        ("remind me to pay rent.", "pay rent"),
        ("I need to water the plants", "water the plants"),
        ("put eggs on my list", "eggs"),
        ("todo: fix bike", "fix bike"),
        ("add finish the book", "finish the book"),
        ("add move to Rome", "move to Rome"),
        ("add list all defects", "list all defects"),
        ("add what is open to debate", "what is open to debate"),
    ],
)
def test_rules_add(ada: Person, said: str, title: str) -> None:
    reply = ada.say(said)
    assert ada.titles() == [title]
    assert names(reply) == ["add_task"]
    assert reply["tool_calls"][0]["arguments"] == {"title": title}
    assert reply["tool_calls"][0]["result"]["id"] == ada.tasks()[0]["id"]
    assert title in reply["reply"]


@pytest.mark.parametrize(
    ("said", "seen", "unseen"),
    [
        ("what is open?", ["milk"], ["rent"]),
        ("What's left?", ["milk"], ["rent"]),
        ("what do I have to do", ["milk"], ["rent"]),
        ("show my tasks", ["milk"], ["rent"]),
        ("list", ["milk"], ["rent"]),
        ("what have I done?", ["rent"], ["milk"]),
        ("show completed tasks", ["rent"], ["milk"]),
        ("show everything", ["milk", "rent"], []),
    ],
)
def test_rules_list(ada: Person, said: str, seen: list[str], unseen: list[str]) -> None:
    ada.add("milk")
    ada.client.post(f"/api/tasks/{ada.add('rent')['id']}/complete")
    reply = ada.say(said)
    assert names(reply) == ["list_tasks"]
    assert all(title in reply["reply"] for title in seen)
    assert not any(title in reply["reply"] for title in unseen)


@pytest.mark.parametrize(
    "said",
    [
        "complete buy milk",
        "done with buy milk",
        "I finished the buy milk",
        "mark buy milk as done",
        "check off buy milk",
        "Buy Milk is done!",
        "done with {id}",
        "complete #{id}",
        "finish task {id}",
        "done: milk",
    ],
)
def test_rules_complete(ada: Person, said: str) -> None:
    task = ada.add("buy milk")
    ada.add("call mum")
    reply = ada.say(said.format(id=task["id"]))
    assert ada.titles("completed") == ["buy milk"], reply
    assert names(reply)[-1] == "complete_task"


@pytest.mark.parametrize("said", ["delete buy milk", "remove the milk", "forget about “buy milk”", "drop {id}"])
def test_rules_delete(ada: Person, said: str) -> None:
    task = ada.add("buy milk")
    ada.add("call mum")
    reply = ada.say(said.format(id=task["id"]))
    assert ada.titles() == ["call mum"], reply
    assert names(reply)[-1] == "delete_task"


@pytest.mark.parametrize("said", ["rename buy milk to buy oat milk", "change {id} to “buy oat milk”"])
def test_rules_rename(ada: Person, said: str) -> None:
    task = ada.add("buy milk")
    reply = ada.say(said.format(id=task["id"]))
    assert ada.titles() == ["buy oat milk"], reply
    assert names(reply)[-1] == "update_task"


@pytest.mark.parametrize("said", ["reopen buy milk", "buy milk is not done", "undo {id}"])
def test_rules_reopen(ada: Person, said: str) -> None:
    task = ada.add("buy milk")
    ada.say("complete buy milk")
    reply = ada.say(said.format(id=task["id"]))
    assert ada.titles("pending") == ["buy milk"], reply


@pytest.mark.parametrize("said", ["help", "hello", "what can you do?", "thanks!", "blorp the frobnicator", "?"])
def test_rules_talk_without_touching_anything(ada: Person, said: str) -> None:
    ada.add("buy milk")
    reply = ada.say(said)
    assert reply["tool_calls"] == []
    assert len(reply["reply"]) > 10
    assert ada.titles("pending") == ["buy milk"]


def test_rules_ask_rather_than_guess(ada: Person) -> None:
    ada.add("buy milk")
    ada.add("spill milk")
    several = ada.say("delete milk")
    assert "Which one" in several["reply"]
    assert "buy milk" in several["reply"]
    assert "spill milk" in several["reply"]
    assert "no task" in ada.say("delete elephants")["reply"]
    assert "one task at a time" in ada.say("delete everything")["reply"]
    assert ada.titles("pending") == ["buy milk", "spill milk"]


def test_rules_know_what_it_is(ada: Person) -> None:
    ada.add("call mum")
    first = ada.say("add buy milk")
    ada.say("done with it", first["conversation_id"])
    assert ada.titles("completed") == ["buy milk"]
    assert "not sure" in ada.say("delete it")["reply"]


def test_rules_cannot_reach_other_peoples_tasks(ada: Person, bob: Person) -> None:
    task = ada.add("secret plan")
    reply = bob.say(f"complete {task['id']}")
    assert "secret" not in reply["reply"]
    assert bob.say("show everything")["reply"].startswith("Your list is empty")
    assert ada.titles("pending") == ["secret plan"]


def test_conversations_are_kept_and_private(ada: Person, bob: Person, database_url: str) -> None:
    first = ada.say("add buy milk")
    second = ada.say("what is open?", first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    assert ada.say("help")["conversation_id"] != first["conversation_id"]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT role, content, tool_calls FROM messages WHERE conversation_id = %s ORDER BY id",
            [first["conversation_id"]],
        ).fetchall()
    assert [(role, content) for role, content, _ in rows] == [
        ("user", "add buy milk"),
        ("assistant", first["reply"]),
        ("user", "what is open?"),
        ("assistant", second["reply"]),
    ]
    assert rows[1][2] == first["tool_calls"]
    for client, conversation in ((bob.client, first["conversation_id"]), (ada.client, str(uuid.uuid4()))):
        answer = client.post("/api/chat", json={"message": "help", "conversation_id": conversation})
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"message": "  "}, {"message": "x" * 4001}, {"message": "x", "conversation_id": "1"}]
)
def test_chat_is_validated(ada: Person, body: dict[str, str]) -> None:
    assert ada.client.post("/api/chat", json=body).status_code == 422


# --- with a language model -------------------------------------------------------------------------------------------

Script = Callable[[dict[str, Any]], "tuple[int, dict[str, Any]] | dict[str, Any] | bytes"]


class HangUp(Exception):
    """Raised by a script: the connection is closed without an answer."""


class FakeModel:
    """A small HTTP server that speaks enough of the OpenAI API; ``script`` decides each answer."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.script: Script = lambda _: says("hello")
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.requests.append(body)
                fake.keys.append(self.headers.get("Authorization"))
                try:
                    answer = fake.script(body)
                except HangUp:
                    self.close_connection = True
                    return
                status, content = answer if isinstance(answer, tuple) else (200, answer)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status if self.path == "/v1/chat/completions" else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with suppress(BrokenPipeError):  # the other side may have lost its patience
                    self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reset(self) -> None:
        self.requests.clear()
        self.keys.clear()
        self.script = lambda _: says("hello")

    def play(self, *answers: Any) -> None:
        """Give these answers one after the other."""
        left = iter(answers)
        self.script = lambda _: next(left)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def completion(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}],
    }


def says(content: str) -> dict[str, Any]:
    return completion({"content": content})


def uses(name: str, arguments: dict[str, Any] | str) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": f"call_{uuid.uuid4().hex[:6]}", "type": "function", "function": {"name": name, "arguments": text}}
    return completion({"content": None, "tool_calls": [call]})


@pytest.fixture(scope="module")
def fake_model() -> Iterator[FakeModel]:
    model = FakeModel()
    yield model
    model.close()


@pytest.fixture
def model(fake_model: FakeModel) -> FakeModel:
    fake_model.reset()
    return fake_model


@pytest.fixture(scope="module")
def modelled(fake_model: FakeModel, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with a language model."""
    running = Service(
        tmp_path_factory.mktemp("modelled"),
        DATABASE_URL=database_url,
        OPENAI_BASE_URL=fake_model.url,
        OPENAI_API_KEY="sk-very-secret-key",
        OPENAI_MODEL="fake-model",
        OPENAI_TIMEOUT_SECONDS="1",
    )
    yield running
    running.stop()


@pytest.fixture
def eve(modelled: Service) -> Iterator[Person]:
    person = register(modelled)
    yield person
    person.client.close()


def test_model_gets_the_tools_and_the_key(eve: Person, model: FakeModel) -> None:
    reply = eve.say("hi")
    assert reply["reply"] == "hello"
    assert reply["tool_calls"] == []
    [request] = model.requests
    assert model.keys == ["Bearer sk-very-secret-key"]
    assert request["model"] == "fake-model"
    assert {tool["function"]["name"] for tool in request["tools"]} == {
        "add_task", "list_tasks", "complete_task", "update_task", "delete_task",
    }  # fmt: skip
    assert request["messages"][-1] == {"role": "user", "content": "hi"}


def test_the_first_questions_may_come_together(model: FakeModel, database_url: str, tmp_path: Path) -> None:
    """The client library is loaded by the first of them, and the others wait for it."""
    service = Service(tmp_path, DATABASE_URL=database_url, OPENAI_BASE_URL=model.url)
    try:
        people = [register(service) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda person: person.say("hi")["reply"], people))
        assert replies == ["hello"] * 4
        for person in people:
            person.client.close()
    finally:
        assert service.stop() == 0
    assert "Stopped" in [entry["message"] for entry in service.logs()]


def test_model_works_through_the_tools(eve: Person, model: FakeModel) -> None:
    def complete_what_was_listed(body: dict[str, Any]) -> dict[str, Any]:
        last = body["messages"][-1]
        if last["role"] == "user":
            return uses("add_task", {"title": "buy milk"})
        if body["messages"][-2]["tool_calls"][0]["function"]["name"] == "add_task":
            return uses("complete_task", {"task_id": json.loads(last["content"])["id"]})
        return says("Added and done.")

    model.script = complete_what_was_listed
    reply = eve.say("I bought milk")
    assert reply["reply"] == "Added and done."
    assert names(reply) == ["add_task", "complete_task"]
    assert reply["tool_calls"][1]["result"]["completed"] is True
    assert eve.titles("completed") == ["buy milk"]


def test_model_is_told_its_mistakes(eve: Person, ada: Person, model: FakeModel) -> None:
    foreign = ada.add("secret plan")
    model.play(
        uses("complete_task", {"task_id": foreign["id"]}),
        uses("launch_rocket", {}),
        uses("add_task", "{not json"),
        uses("add_task", {"title": ""}),
        says("I give up."),
    )
    reply = eve.say("do things")
    assert reply["reply"] == "I give up."
    told = [message["content"] for message in model.requests[-1]["messages"] if message["role"] == "tool"]
    assert len(told) == 4
    assert all("error" in json.loads(content) for content in told)
    assert "There is no task" in told[0]
    assert ada.titles("pending") == ["secret plan"]
    assert eve.tasks() == []


def test_model_may_produce_unstorable_text(eve: Person, model: FakeModel) -> None:
    model.play(uses("add_task", '{"title": "a\\u0000b", "description": "\\ud800"}'), says("nul \x00 half \ud83d end"))
    reply = eve.say("go")
    assert reply["reply"] == "nul  half ? end"
    assert reply["tool_calls"][0]["arguments"]["title"] == "ab"
    assert eve.tasks() == []


def test_model_remembers_the_conversation(eve: Person, model: FakeModel) -> None:
    first = eve.say("my name is Eve")
    eve.say("what is my name?", first["conversation_id"])
    assert [message["content"] for message in model.requests[-1]["messages"][1:]] == [
        "my name is Eve", "hello", "what is my name?",
    ]  # fmt: skip


def test_model_that_never_ends_is_stopped(eve: Person, model: FakeModel) -> None:
    model.script = lambda _: uses("list_tasks", {})
    reply = eve.say("go")
    assert len(model.requests) == 6
    assert "more steps than I take" in reply["reply"]


def _hangs_up(_: dict[str, Any]) -> dict[str, Any]:
    raise HangUp


def _slowly(_: dict[str, Any]) -> dict[str, Any]:
    time.sleep(1.5)
    return says("too late")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda _: (401, {"error": {"message": "Incorrect API key sk-very-secret-key"}}), "refused the API key"),
        (lambda _: (404, {"error": {"message": "no such model"}}), "model's name is wrong"),
        (lambda _: (500, {"error": {"message": "boom"}}), "HTTP 500"),
        (lambda _: b"<html>not json</html>", "makes no sense"),
        (lambda _: {"choices": []}, "makes no sense"),
        (lambda _: {"unexpected": True}, "makes no sense"),
        (_hangs_up, "cannot be reached"),
        (_slowly, "took too long"),
    ],
    ids=["key", "name", "broken", "html", "no choices", "other json", "hangs up", "slow"],
)
def test_model_failures_are_told(eve: Person, model: FakeModel, script: Script, reason: str) -> None:
    model.script = script
    answer = eve.client.post("/api/chat", json={"message": "hi"})
    assert answer.status_code == 502
    assert reason in answer.json()["detail"]
    assert "secret" not in answer.text


def test_work_done_before_a_failure_is_told(eve: Person, model: FakeModel) -> None:
    model.play(uses("add_task", {"title": "buy milk"}), (400, {"error": {"message": "no"}}))
    reply = eve.say("add milk")
    assert "I added “buy milk”" in reply["reply"]
    assert names(reply) == ["add_task"]
    assert eve.titles() == ["buy milk"]


def test_key_never_reaches_the_logs(modelled: Service, eve: Person, model: FakeModel) -> None:
    model.script = lambda _: (401, {"error": {"message": "Incorrect API key sk-very-secret-key"}})
    eve.client.post("/api/chat", json={"message": "hi"})
    assert "No answer from the language model" in modelled.output()
    assert "sk-very-secret-key" not in modelled.output()
