"""Health: liveness asks nobody, readiness asks the database."""

from __future__ import annotations

from typing import Any
import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from ..database import why_not_ready
from ..settings import Settings

router = APIRouter(tags=["health"])


def _identity(settings: Settings) -> dict[str, Any]:
    """Which build answers: lets a check tell a new pod from an old one."""
    return {
        "version": settings.app_version,
        "image_tag": settings.app_image_tag,
        "api_version": settings.api_version,
        "environment": settings.environment,
    }


@router.get("/health")
@router.get("/health/live", include_in_schema=False)
@router.get("/api/health", include_in_schema=False)
async def health(request: Request) -> JSONResponse:
    """Tell that the process serves requests; the database is deliberately not asked."""
    settings: Settings = request.app.state.settings
    limit = settings.fault_unhealthy_after
    if limit is not None and time.monotonic() - request.app.state.started >= limit:
        reason = "FAULT_UNHEALTHY_AFTER is set and its time is over"
        return JSONResponse({"status": "unhealthy", "reason": reason, **_identity(settings)}, status_code=503)
    return JSONResponse({"status": "ok", **_identity(settings)})


@router.get("/ready")
@router.get("/health/ready", include_in_schema=False)
@router.get("/api/ready", include_in_schema=False)
async def ready(request: Request) -> JSONResponse:
    """Tell whether requests can be served: the database answers and its schema is in place."""
    settings: Settings = request.app.state.settings
    if settings.fault_not_ready:
        reason: str | None = "FAULT_NOT_READY is set"
    else:
        reason = await why_not_ready(request.app.state.engine)
    if reason:
        return JSONResponse({"status": "unavailable", "reason": reason, **_identity(settings)}, status_code=503)
    return JSONResponse({"status": "ready", **_identity(settings)})
