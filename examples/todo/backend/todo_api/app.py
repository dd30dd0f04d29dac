"""Puts the application together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import logging
import time

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from .assistant import Assistant, LateAssistant
from .assistant.rules import RuleAssistant
from .database import known_revisions, make_engine, make_sessions
from .errors import install_error_handlers
from .mcp_endpoint import McpEndpoint
from .middleware import RequestContext
from .routes import auth, chat, health, push, tasks
from .settings import Settings
from .tools import make_tools

logger = logging.getLogger(__name__)


def make_assistant(settings: Settings) -> Assistant:
    """Return the assistant the settings ask for."""
    model = settings.model
    if model is None:
        return RuleAssistant()

    def make() -> Assistant:
        from .assistant.model import ModelAssistant

        return ModelAssistant(model)

    return LateAssistant(make)


def create_app(settings: Settings) -> FastAPI:
    """Return the application; the database is not contacted before the first request needs it."""
    engine = make_engine(settings.database_url)
    sessions = make_sessions(engine)
    tools = make_tools(sessions)
    mcp = McpEndpoint(tools, sessions, settings.signing_secret, settings.app_version)
    assistant = make_assistant(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        known_revisions()
        app.state.started = time.monotonic()
        async with mcp.run():
            answering = "language model" if settings.model else "rules"
            logger.info("Serving", extra={"port": settings.port, "assistant": answering})
            yield
        await assistant.close()
        await engine.dispose()
        logger.info("Stopped")

    middleware = [Middleware(RequestContext, latency_ms=settings.fault_latency_ms)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "X-Request-ID", "Mcp-Protocol-Version"],
                expose_headers=["X-Request-ID"],
                max_age=600,
            )
        )
    app = FastAPI(
        title="Todo",
        version=settings.app_version,
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        lifespan=lifespan,
        middleware=middleware,
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.sessions = sessions
    app.state.tools = tools
    app.state.assistant = assistant
    install_error_handlers(app)
    for module in (health, auth, tasks, chat, push):
        app.include_router(module.router)
    # Routes, not a mount: a mount would answer `/mcp` with a redirect to `/mcp/`.
    for path in ("/mcp", "/mcp/"):
        app.router.routes.append(Route(path, endpoint=mcp, include_in_schema=False))
    return app
