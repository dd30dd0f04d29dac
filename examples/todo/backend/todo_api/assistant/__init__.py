"""The assistant behind ``/api/chat``: a language model when one is configured, rules otherwise.

Both act only through the task tools of :mod:`todo_api.tools`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
import asyncio

from ..tools import Toolbox


@dataclass(frozen=True)
class Turn:
    """One earlier utterance: role is ``user`` or ``assistant``; an assistant's tool calls as they were stored."""

    role: str
    content: str
    tool_calls: list[dict[str, Any]] = field(default_factory=list)


class AssistantUnavailable(Exception):
    """No answer can be given and nothing was changed; ``str()`` is a sentence for the person."""


class Assistant(Protocol):
    """Something that answers a person."""

    async def answer(self, message: str, history: list[Turn], tools: Toolbox) -> str:
        """Return the reply to ``message``.

        Raises:
            AssistantUnavailable: no reply could be had and no tool was used.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class LateAssistant:
    """An assistant that is made when it is first asked, in a thread: what it is made of takes long to import."""

    def __init__(self, make: Callable[[], Assistant]) -> None:
        self._make = make
        self._making = asyncio.Lock()
        self._assistant: Assistant | None = None

    async def answer(self, message: str, history: list[Turn], tools: Toolbox) -> str:
        async with self._making:
            if self._assistant is None:
                self._assistant = await asyncio.to_thread(self._make)
        return await self._assistant.answer(message, history, tools)

    async def close(self) -> None:
        if self._assistant is not None:
            await self._assistant.close()
