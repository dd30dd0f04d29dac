"""What surrounds every request: its ID, one log line, a body limit, and an answer when something breaks."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import json_error
from .log import request_id_var

logger = logging.getLogger("todo_api.access")

MAX_BODY_BYTES = 1024 * 1024
# Asked every few seconds by the cluster: worth a line only when they fail, or when debugging.
_PROBES = frozenset({"/health", "/health/live", "/health/ready", "/ready", "/api/health", "/api/ready"})
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def choose_request_id(offered: str | None) -> str:
    """Return the caller's request ID when it is harmless in a log, otherwise a new one."""
    return offered if offered and _SANE_ID.fullmatch(offered) else uuid.uuid4().hex


class RequestContext:
    """ASGI middleware, outermost of all.

    The log line names the path and never the query string, in which people do put tokens.
    """

    def __init__(self, app: ASGIApp, latency_ms: int = 0) -> None:
        self._app = app
        self._latency = latency_ms / 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        request_id = choose_request_id(headers.get(b"x-request-id"))
        token = request_id_var.set(request_id)
        status = 0
        received = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > MAX_BODY_BYTES:
                    raise HTTPException(413, _TOO_LARGE)
            return message

        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            length = headers.get(b"content-length", "0")
            if length.isdigit() and int(length) > MAX_BODY_BYTES:
                await json_error(413, _TOO_LARGE, {"Connection": "close"})(scope, receive, send_with_id)
            else:
                await self._app(scope, receive_limited, send_with_id)
        except Exception:
            logger.exception("Unexpected failure")
            if not status:
                detail = "Something went wrong on our side. Quote the request ID when you report it."
                await json_error(500, detail)(scope, receive, send_with_id)
        finally:
            quiet = scope["path"] in _PROBES and status < 400
            logger.log(
                logging.DEBUG if quiet else logging.INFO,
                "%s %s %d",
                scope["method"],
                scope["path"],
                status,
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "duration_ms": round((time.perf_counter() - started) * 1000, 2),
                },
            )
            request_id_var.reset(token)


_TOO_LARGE = f"The request body is larger than {MAX_BODY_BYTES // 1024} KiB."
