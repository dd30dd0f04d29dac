"""The task tools, defined once as an MCP server.

People's own MCP clients reach them over streamable HTTP at ``/mcp``; the assistant reaches the
same server through an in-memory client session. Both act as the user in :data:`acting_user`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Annotated, Any
import uuid

from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import TextContent, ToolAnnotations
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from . import tasks
from .database import is_outage
from .errors import json_error
from .schemas import Description, TaskId, TaskList, TaskView, Title, ToolCall
from .security import bearer_token
from .users import user_of_token

# Set for the time of one HTTP request or one assistant turn. The MCP transport is stateless: every
# request is handled in a context of its own, so one person's request cannot run as another.
acting_user: ContextVar[uuid.UUID | None] = ContextVar("acting_user", default=None)

_INSTRUCTIONS = "Manage the signed-in person's to-do list. Tasks are addressed by id: list them first to learn the ids."


def make_tool_server(sessions: async_sessionmaker[AsyncSession], version: str) -> MCPServer[Any]:
    """Return the MCP server with the five task tools."""
    server: MCPServer[Any] = MCPServer("todo", instructions=_INSTRUCTIONS, version=version)

    @asynccontextmanager
    async def workplace() -> AsyncIterator[tuple[AsyncSession, uuid.UUID]]:
        """A session and the acting user, with failures in words a model or a person can use."""
        owner = acting_user.get()
        if owner is None:
            raise ToolError("Nobody is signed in.")
        try:
            async with sessions() as session:
                yield session, owner
        except tasks.TaskNotFound as error:
            raise ToolError(f"{error} Use list_tasks to see the ids.") from None
        except Exception as error:
            if is_outage(error):
                raise ToolError("The database does not answer at the moment. Try again shortly.") from error
            raise

    @server.tool(annotations=ToolAnnotations(title="Add a task", destructive_hint=False))
    async def add_task(
        title: Annotated[Title, Field(description="What is to be done")],
        description: Annotated[Description | None, Field(description="Details")] = None,
    ) -> TaskView:
        """Add a task to the list."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.add_task(session, owner, title, description))

    @server.tool(annotations=ToolAnnotations(title="List tasks", read_only_hint=True))
    async def list_tasks(
        status: Annotated[tasks.TaskStatus, Field(description="Which tasks to list")] = "all",
    ) -> TaskList:
        """List the tasks with their ids, oldest first."""
        async with workplace() as (session, owner):
            found = await tasks.list_tasks(session, owner, status)
            return TaskList(tasks=[TaskView.model_validate(task) for task in found])

    @server.tool(annotations=ToolAnnotations(title="Complete a task", idempotent_hint=True, destructive_hint=False))
    async def complete_task(task_id: TaskId) -> TaskView:
        """Mark a task as done."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.update_task(session, owner, task_id, {"completed": True}))

    @server.tool(annotations=ToolAnnotations(title="Change a task", idempotent_hint=True))
    async def update_task(
        task_id: TaskId,
        title: Annotated[Title | None, Field(description="New title")] = None,
        description: Annotated[Description | None, Field(description="New details")] = None,
        completed: Annotated[bool | None, Field(description="False reopens a task that was done")] = None,
    ) -> TaskView:
        """Change a task's title or details, or reopen it. What is left out stays as it is."""
        given = {"title": title, "description": description, "completed": completed}
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            raise ToolError("Nothing to change: give a title, a description or completed.")
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.update_task(session, owner, task_id, changes))

    @server.tool(annotations=ToolAnnotations(title="Delete a task", destructive_hint=True))
    async def delete_task(task_id: TaskId) -> TaskView:
        """Delete a task for good; returns what it was."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.delete_task(session, owner, task_id))

    return server


class ToolFailed(Exception):
    """A tool answered that it could not do what was asked; ``str()`` says why."""


class Toolbox:
    """The tools as the assistant uses them; remembers every call for the answer's ``tool_calls``."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls: list[ToolCall] = []

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool and return its structured result.

        Raises:
            ToolFailed: with the tool's own words.
        """
        answer = await self._client.call_tool(name, arguments)
        if answer.is_error:
            reason = " ".join(part.text for part in answer.content if isinstance(part, TextContent))
            self.calls.append(ToolCall(name=name, arguments=arguments, result={"error": reason}))
            raise ToolFailed(reason)
        result: dict[str, Any] = answer.structured_content or {}
        self.calls.append(ToolCall(name=name, arguments=arguments, result=result))
        return result

    async def functions(self) -> list[dict[str, Any]]:
        """Return the tools in the form of OpenAI's function calling."""
        listing = await self._client.list_tools()
        return [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
            }
            for tool in listing.tools
        ]


@asynccontextmanager
async def open_toolbox(server: MCPServer[Any], user_id: uuid.UUID) -> AsyncIterator[Toolbox]:
    """Open an in-memory client session in which the tools act as ``user_id``.

    An exception of the caller leaves it as it was raised, not in the group the session's tasks wrap it in.
    """
    failure: Exception | None = None
    with _acting_as(user_id):
        async with Client(server) as client:
            try:
                yield Toolbox(client)
            except Exception as error:  # noqa: BLE001 (raised again below)
                failure = error
    if failure is not None:
        raise failure


@contextmanager
def _acting_as(user_id: uuid.UUID) -> Iterator[None]:
    token = acting_user.set(user_id)
    try:
        yield
    finally:
        acting_user.reset(token)


class McpEndpoint:
    """ASGI application for ``/mcp``: the bearer token's owner is the acting user.

    Only POST is served. The transport keeps no sessions, so there is no stream to open with GET and
    nothing to end with DELETE; the protocol has servers answer 405 then, and no open stream can hold up a shutdown.
    """

    def __init__(self, server: MCPServer[Any], sessions: async_sessionmaker[AsyncSession], secret: str) -> None:
        # Host names are not checked against a list: every request needs a bearer token, which a
        # page that rebinds DNS does not have.
        server.streamable_http_app(
            json_response=True,
            stateless_http=True,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self.manager = server.session_manager
        self._sessions = sessions
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await json_error(405, "Only POST is served here.", {"Allow": "POST"})(scope, receive, send)
            return
        token = bearer_token(Headers(scope=scope).get("authorization"))
        async with self._sessions() as session:
            user = await user_of_token(session, token, self._secret) if token else None
        if user is None:
            refusal = "Sign in first: send `Authorization: Bearer <access token>`."
            await json_error(401, refusal, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        with _acting_as(user.id):
            await self.manager.handle_request(scope, receive, send)
