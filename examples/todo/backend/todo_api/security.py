"""Passwords and access tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
import asyncio
import base64
import os
import uuid

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
import jwt

_ALGORITHM = "HS256"
_ISSUER = "todo-backend"

# OWASP's low-memory choice for Argon2id (19 MiB, two passes): the library's default of 64 MiB
# a hash would let a handful of simultaneous logins exceed a 256 MiB memory limit.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_hashing = asyncio.Semaphore(2)
# Verified against when there is no such account, so that both answers take the same time. Random bytes in the form of
# a hash, which no password fits: computing a real one would be part of every start.
_DUMMY_HASH = "$argon2id$v={}$m={},t={},p={}${}${}".format(
    ARGON2_VERSION,
    _hasher.memory_cost,
    _hasher.time_cost,
    _hasher.parallelism,
    *(base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (_hasher.salt_len, _hasher.hash_len)),
)


async def hash_password(password: str) -> str:
    """Return the Argon2id hash of ``password``."""
    async with _hashing:
        return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Tell whether ``password`` fits; takes as long when there is no hash to compare with."""

    def verify() -> bool:
        try:
            _hasher.verify(password_hash or _DUMMY_HASH, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    async with _hashing:
        return await asyncio.to_thread(verify)


def create_token(user_id: uuid.UUID, secret: str, minutes: int) -> str:
    """Return a signed access token for ``user_id`` that expires after ``minutes``."""
    now = datetime.now(UTC)
    claims = {"sub": str(user_id), "iss": _ISSUER, "iat": now, "exp": now + timedelta(minutes=minutes)}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read_token(token: str, secret: str) -> uuid.UUID | None:
    """Return the user a token was made for, or None when it is forged, expired or malformed."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=[_ALGORITHM], issuer=_ISSUER, options={"require": ["sub", "exp", "iat", "iss"]}
        )
        return uuid.UUID(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None


def bearer_token(header: str | None) -> str | None:
    """Return the token of an ``Authorization: Bearer`` header."""
    scheme, _, token = (header or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
