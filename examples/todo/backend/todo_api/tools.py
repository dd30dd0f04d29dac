"""The task tools, defined once.

The assistant calls them directly; people's own MCP clients reach them through :mod:`todo_api.mcp_endpoint`. Both act as
the user in :data:`acting_user`. The MCP package is not needed here: a chat does not wait for it to be loaded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any
import inspect
import logging
import uuid

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from . import tasks
from .database import is_outage
from .schemas import Description, TaskId, TaskList, TaskView, Title, ToolCall

logger = logging.getLogger(__name__)

# Set for the time of one HTTP request, which is handled in a context of its own: one person's request cannot run as
# another.
acting_user: ContextVar[uuid.UUID | None] = ContextVar("acting_user", default=None)

ToolFunction = Callable[..., Awaitable[BaseModel]]


class ToolFailed(Exception):
    """A tool could not do what was asked; ``str()`` says why, in words a model or a person can use."""


@dataclass(frozen=True)
class Tool:
    """One tool. The function's annotations are its arguments, its docstring the description.

    Of the hints, which are those of MCP's tool annotations, None leaves the protocol's default.
    """

    function: ToolFunction
    title: str
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def description(self) -> str:
        return inspect.getdoc(self.function) or ""

    @cached_property
    def _checked(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.function)  # type: ignore[arg-type]  # pydantic takes functions as well as types

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        return self._checked.json_schema()

    async def call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Check the arguments, run the tool and return its result as JSON has it.

        Raises:
            ToolFailed: the arguments do not fit, or the tool could not do it.
        """
        try:
            running: Awaitable[BaseModel] = self._checked.validate_python(arguments)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise ToolFailed("; ".join(problems)) from None
        return (await running).model_dump(mode="json")


def make_tools(sessions: async_sessionmaker[AsyncSession]) -> dict[str, Tool]:
    """Return the five task tools by name."""
    tools: dict[str, Tool] = {}

    def tool(title: str, **hints: bool) -> Callable[[ToolFunction], ToolFunction]:
        def add(function: ToolFunction) -> ToolFunction:
            tools[function.__name__] = Tool(function, title, **hints)
            return function

        return add

    @asynccontextmanager
    async def workplace() -> AsyncIterator[tuple[AsyncSession, uuid.UUID]]:
        """A session and the acting user; every failure becomes ToolFailed."""
        owner = acting_user.get()
        if owner is None:
            raise ToolFailed("Nobody is signed in.")
        try:
            async with sessions() as session:
                yield session, owner
        except tasks.TaskNotFound as error:
            raise ToolFailed(f"{error} Use list_tasks to see the ids.") from None
        except Exception as error:
            if is_outage(error):
                raise ToolFailed("The database does not answer at the moment. Try again shortly.") from error
            # What was done before must still be told, so a defect of ours does not end the conversation.
            logger.exception("A tool failed unexpectedly")
            raise ToolFailed("Something went wrong on our side.") from error

    @tool("Add a task", destructive=False)
    async def add_task(
        title: Annotated[Title, Field(description="What is to be done")],
        description: Annotated[Description | None, Field(description="Details")] = None,
    ) -> TaskView:
        """Add a task to the list."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.add_task(session, owner, title, description))

    @tool("List tasks", read_only=True)
    async def list_tasks(
        status: Annotated[tasks.TaskStatus, Field(description="Which tasks to list")] = "all",
    ) -> TaskList:
        """List the tasks with their ids, oldest first."""
        async with workplace() as (session, owner):
            found = await tasks.list_tasks(session, owner, status)
            return TaskList(tasks=[TaskView.model_validate(task) for task in found])

    @tool("Complete a task", idempotent=True, destructive=False)
    async def complete_task(task_id: TaskId) -> TaskView:
        """Mark a task as done."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.update_task(session, owner, task_id, {"completed": True}))

    @tool("Change a task", idempotent=True)
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
            raise ToolFailed("Nothing to change: give a title, a description or completed.")
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.update_task(session, owner, task_id, changes))

    @tool("Delete a task", destructive=True)
    async def delete_task(task_id: TaskId) -> TaskView:
        """Delete a task for good; returns what it was."""
        async with workplace() as (session, owner):
            return TaskView.model_validate(await tasks.delete_task(session, owner, task_id))

    return tools


class Toolbox:
    """The tools as the assistant uses them; remembers every call for the answer's ``tool_calls``."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools
        self.calls: list[ToolCall] = []

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool and return its result.

        Raises:
            ToolFailed: with the tool's own words.
        """
        try:
            if name not in self._tools:
                raise ToolFailed(f"There is no tool {name}.")
            result = await self._tools[name].call(arguments)
        except ToolFailed as error:
            self.calls.append(ToolCall(name=name, arguments=arguments, result={"error": str(error)}))
            raise
        self.calls.append(ToolCall(name=name, arguments=arguments, result=result))
        return result

    def functions(self) -> list[dict[str, Any]]:
        """Return the tools in the form of OpenAI's function calling."""
        return [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in self._tools.values()
        ]


@contextmanager
def acting_as(user_id: uuid.UUID) -> Iterator[None]:
    """Let the tools act as ``user_id``."""
    token = acting_user.set(user_id)
    try:
        yield
    finally:
        acting_user.reset(token)
