"""The MCP server through the SDK's own streamable HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
import asyncio
import time
import uuid

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
import httpx
import httpx2
import pytest

from todo_api.database import make_engine, make_sessions
from todo_api.mcp_endpoint import McpEndpoint
from todo_api.mcp_server import make_server
from todo_api.models import User
from todo_api.tools import Toolbox, make_tools

from .support import Person, Service, register

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def connect(service: Service, token: str, mode: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(f"{service.base}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def use(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, answer.content
    content = answer.structured_content
    assert isinstance(content, dict)
    return content


@MODES
def test_the_five_tools(service: Service, ada: Person, mode: str) -> None:
    async def scenario() -> None:
        async with connect(service, ada.token, mode) as client:
            listing = (await client.list_tools()).tools
            assert {tool.name for tool in listing} == {
                "add_task", "list_tasks", "complete_task", "update_task", "delete_task",
            }  # fmt: skip
            assert all(tool.description and tool.output_schema for tool in listing)
            task = await use(client, "add_task", {"title": "buy milk"})
            assert ada.titles("pending") == ["buy milk"]
            await use(client, "update_task", {"task_id": task["id"], "title": "buy oat milk"})
            await use(client, "complete_task", {"task_id": task["id"]})
            assert ada.titles("completed") == ["buy oat milk"]
            assert (await use(client, "list_tasks", {"status": "pending"}))["tasks"] == []
            assert len((await use(client, "list_tasks", {}))["tasks"]) == 1
            await use(client, "delete_task", {"task_id": task["id"]})
            assert ada.tasks() == []

    asyncio.run(scenario())


@MODES
def test_people_stay_apart_at_the_same_time(service: Service, ada: Person, bob: Person, mode: str) -> None:
    async def work(person: Person, name: str) -> None:
        async with connect(service, person.token, mode) as client:
            for number in range(10):
                task = await use(client, "add_task", {"title": f"{name} {number}"})
                seen = (await use(client, "list_tasks", {}))["tasks"]
                assert {entry["title"].split()[0] for entry in seen} == {name}
                assert task["id"] in {entry["id"] for entry in seen}

    async def scenario() -> None:
        await asyncio.gather(work(ada, "ada"), work(bob, "bob"))

    asyncio.run(scenario())
    assert len(ada.tasks()) == len(bob.tasks()) == 10


def test_foreign_and_wrong_calls_are_errors_in_words(service: Service, ada: Person, bob: Person) -> None:
    foreign = ada.add("secret plan")

    async def scenario() -> list[str]:
        texts = []
        async with connect(service, bob.token, "auto") as client:
            for name, arguments in (
                ("complete_task", {"task_id": foreign["id"]}),
                ("delete_task", {"task_id": foreign["id"]}),
                ("update_task", {"task_id": foreign["id"]}),
                ("add_task", {"title": " "}),
                ("list_tasks", {"status": "lost"}),
            ):
                answer = await client.call_tool(name, arguments)
                assert answer.is_error
                texts.append(" ".join(part.text for part in answer.content if isinstance(part, TextContent)))
        return texts

    texts = asyncio.run(scenario())
    assert "There is no task" in texts[0]
    assert "There is no task" in texts[1]
    assert "Nothing to change" in texts[2]
    assert ada.titles("pending") == ["secret plan"]


def test_only_signed_in_posts(service: Service, ada: Person) -> None:
    with service.client() as client:
        for path in ("/mcp", "/mcp/"):
            refused = client.post(path, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert "x-request-id" in refused.headers
    for method in ("GET", "DELETE"):
        answer = ada.client.request(method, "/mcp")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# --- loaded on first use ---------------------------------------------------------------------------------------------

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/none"
LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def list_tools(client: httpx.Client) -> set[str]:
    answer = client.post("/mcp", json=LISTING, headers=ACCEPT)
    assert answer.status_code == 200, answer.text
    return {tool["name"] for tool in answer.json()["result"]["tools"]}


def times_loaded(service: Service) -> int:
    return [entry["message"] for entry in service.logs()].count("Loaded MCP")


@pytest.fixture
def fresh(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service that nobody has asked for MCP yet."""
    service = Service(tmp_path, DATABASE_URL=database_url)
    yield service
    service.stop()


@pytest.fixture
def first(fresh: Service) -> Iterator[Person]:
    person = register(fresh)
    yield person
    person.client.close()


def test_the_first_requests_may_come_together(fresh: Service, first: Person) -> None:
    assert first.say("add buy milk")["tool_calls"][0]["name"] == "add_task"
    answered = 0
    with ThreadPoolExecutor(6) as pool, fresh.client() as other:
        assert other.post("/mcp", json=LISTING, headers=ACCEPT).status_code == 401
        assert times_loaded(fresh) == 0
        asked = [pool.submit(list_tools, first.client) for _ in range(6)]
        while not times_loaded(fresh):
            assert other.get("/health").status_code == 200
            answered += 1
        assert [len(one.result()) for one in asked] == [5] * 6
    assert times_loaded(fresh) == 1
    # Loading takes a good part of a second, in which others are answered: one at most if it kept them waiting.
    assert answered > 3


def test_shutdown_while_loading_answers_first(fresh: Service, first: Person) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(list_tools, first.client)
        time.sleep(0.1)
        assert times_loaded(fresh) == 0
        fresh.terminate()
        assert len(asked.result()) == 5
    assert fresh.process.wait(timeout=10) == 0
    assert "Stopped" in [entry["message"] for entry in fresh.logs()]
    assert "Traceback" not in fresh.output()


def test_shutdown_while_loading_for_somebody_who_left(fresh: Service, first: Person) -> None:
    with pytest.raises(httpx.ReadTimeout):
        first.client.post("/mcp", json=LISTING, headers=ACCEPT, timeout=0.1)
    assert times_loaded(fresh) == 0
    fresh.terminate()
    assert fresh.process.wait(timeout=10) == 0
    assert "Stopped" in [entry["message"] for entry in fresh.logs()]


def test_everybody_is_told_that_it_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(*_: object) -> User:
        return User(id=uuid.uuid4())

    def fail() -> None:
        raise ImportError("no such module")

    async def ask(endpoint: McpEndpoint) -> None:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test")
        async with client:
            await client.post("/mcp", json=LISTING, headers={"Authorization": "Bearer x"})

    async def scenario() -> list[BaseException | None]:
        endpoint = McpEndpoint({}, make_sessions(make_engine(NOWHERE)), "secret", "1")
        monkeypatch.setattr(endpoint, "_load", fail)
        async with asyncio.timeout(5), endpoint.run():
            together = await asyncio.gather(ask(endpoint), ask(endpoint), return_exceptions=True)
            return [*together, *await asyncio.gather(ask(endpoint), return_exceptions=True)]

    monkeypatch.setattr("todo_api.mcp_endpoint.user_of_token", anybody)
    assert [type(error) for error in asyncio.run(scenario())] == [ImportError] * 3


def test_a_model_is_given_the_same_tools_as_clients() -> None:
    tools = make_tools(make_sessions(make_engine(NOWHERE)))
    listed = asyncio.run(make_server(tools.values(), "1").list_tools())
    functions = [function["function"] for function in Toolbox(tools).functions()]
    assert [(one["name"], one["description"]) for one in functions] == [(one.name, one.description) for one in listed]
    for function, tool in zip(functions, listed, strict=True):
        parameters = {name: _untitled(schema) for name, schema in function["parameters"]["properties"].items()}
        assert parameters == {name: _untitled(schema) for name, schema in tool.input_schema["properties"].items()}
        assert function["parameters"].get("required") == tool.input_schema.get("required")


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
