"""Accounts: who somebody is."""

from __future__ import annotations

from typing import Annotated
import uuid

from fastapi import Depends, HTTPException, Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .database import get_session
from .models import User
from .security import bearer_token, read_token

Session = Annotated[AsyncSession, Depends(get_session)]


async def find_by_email(session: AsyncSession, email: str) -> User | None:
    """Return the account with this address, whatever its spelling in upper and lower case."""
    found: User | None = await session.scalar(select(User).where(func.lower(User.email) == email.lower()))
    return found


async def user_of_token(session: AsyncSession, token: str, secret: str) -> User | None:
    """Return the account a valid token was made for, or None; the account may be gone."""
    user_id: uuid.UUID | None = read_token(token, secret)
    return await session.get(User, user_id) if user_id else None


async def current_user(request: Request, session: Session) -> User:
    """Dependency: the signed-in person, or 401."""
    token = bearer_token(request.headers.get("authorization"))
    user = await user_of_token(session, token, request.app.state.settings.signing_secret) if token else None
    if user is None:
        reason = "The access token is invalid or has expired. Sign in again." if token else "Sign in first."
        raise HTTPException(401, reason, headers={"WWW-Authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(current_user)]
