"""Registering, logging in, who am I, and leaving."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from ..models import User
from ..schemas import LoginRequest, RegisterRequest, TokenView, UserView
from ..security import create_token, hash_password, verify_password
from ..settings import Settings
from ..users import CurrentUser, Session, find_by_email

router = APIRouter(prefix="/api/auth", tags=["auth"])


def _signed_in(request: Request, user: User) -> TokenView:
    settings: Settings = request.app.state.settings
    token = create_token(user.id, settings.signing_secret, settings.access_token_minutes)
    return TokenView(access_token=token, user=UserView.model_validate(user))


@router.post("/register", status_code=201)
async def register(body: RegisterRequest, request: Request, session: Session) -> TokenView:
    """Make an account and sign in."""
    # Hashing takes tens of milliseconds; no connection is taken from the pool before it is done.
    password_hash = await hash_password(body.password)
    user = User(email=body.email, name=body.name or body.email.partition("@")[0], password_hash=password_hash)
    session.add(user)
    try:
        await session.commit()
    except IntegrityError:
        # Left to the unique index, so that two simultaneous registrations cannot both pass.
        raise HTTPException(409, "There is an account with this e-mail address already.") from None
    return _signed_in(request, user)


@router.post("/login")
async def login(body: LoginRequest, request: Request, session: Session) -> TokenView:
    """Sign in. An unknown address and a wrong password get the same answer in the same time."""
    user = await find_by_email(session, body.email) if "\x00" not in body.email else None
    await session.commit()
    if not await verify_password(user.password_hash if user else None, body.password) or user is None:
        raise HTTPException(401, "The e-mail address or the password is wrong.", headers={"WWW-Authenticate": "Bearer"})
    return _signed_in(request, user)


@router.get("/me")
async def me(user: CurrentUser) -> UserView:
    """Return the signed-in person."""
    return UserView.model_validate(user)


@router.delete("/me", status_code=204)
async def leave(user: CurrentUser, session: Session) -> None:
    """Delete the account with everything that belongs to it."""
    await session.execute(delete(User).where(User.id == user.id))
    await session.commit()
