"""``/mcp``: the task tools for people's own MCP clients, loaded when the first of them comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
import asyncio
import logging
import time

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from .errors import json_error
from .security import bearer_token
from .tools import Tool, acting_as
from .users import user_of_token

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

logger = logging.getLogger(__name__)


class McpEndpoint:
    """ASGI application for ``/mcp``: the bearer token's owner is the acting user.

    Only POST is served. The transport keeps no sessions, so there is no stream to open with GET and
    nothing to end with DELETE; the protocol has servers answer 405 then, and no open stream can hold up a shutdown.
    """

    def __init__(
        self, tools: Mapping[str, Tool], sessions: async_sessionmaker[AsyncSession], secret: str, version: str
    ) -> None:
        self._tools = tools
        self._sessions = sessions
        self._secret = secret
        self._version = version
        self._wanted = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve within this context, which ends what the requests have begun."""
        self._manager: asyncio.Future[StreamableHTTPSessionManager] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep())
            yield
            keeper.cancel()

    async def _keep(self) -> None:
        """Load the server when it is wanted, and run it until cancelled: the task that enters it must leave it."""
        await self._wanted.wait()
        try:
            # In a thread, for other requests go on meanwhile.
            manager = await asyncio.to_thread(self._load)
        except Exception as error:  # noqa: BLE001 (raised again in every request)
            self._manager.set_exception(error)
            return
        async with manager.run():
            self._manager.set_result(manager)
            await asyncio.Event().wait()

    def _load(self) -> StreamableHTTPSessionManager:
        started = time.perf_counter()
        from .mcp_server import make_manager, make_server

        manager = make_manager(make_server(self._tools.values(), self._version))
        logger.info("Loaded MCP", extra={"duration_ms": round((time.perf_counter() - started) * 1000, 2)})
        return manager

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
        self._wanted.set()
        # Shielded: a request that is given up must not take the others' server along.
        manager = await asyncio.shield(self._manager)
        with acting_as(user.id):
            await manager.handle_request(scope, receive, send)
