"""The MCP server through the SDK's own streamable HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
import asyncio

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
import httpx2
import pytest

from .support import Person, Service

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
