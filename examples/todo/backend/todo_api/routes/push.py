"""The key that a browser needs to subscribe to push messages of this server."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request

from ..schemas import PushKey
from ..settings import Settings

router = APIRouter(prefix="/api/push", tags=["push"])


@router.get("/key")
async def key(request: Request) -> PushKey:
    """Return the public half of the VAPID pair; 404 where there is none."""
    settings: Settings = request.app.state.settings
    if not settings.vapid_public_key:
        raise HTTPException(404, "This server has no keys for push messages.")
    return PushKey(public_key=settings.vapid_public_key)
