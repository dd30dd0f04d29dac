"""The connection pool, sessions, and whether the database can serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
import ast
import asyncio

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from starlette.requests import Request

CONNECT_TIMEOUT = 5
READY_TIMEOUT = 3.0
_UNDEFINED_TABLE = "42P01"


def make_engine(url: str) -> AsyncEngine:
    """Return an engine that survives database restarts and connection poolers in front of the database."""
    return create_async_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=CONNECT_TIMEOUT,
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,
        # Prepared statements outlive a transaction, which poolers in transaction mode do not allow.
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "prepare_threshold": None,
            "application_name": "todo-backend",
        },
    )


def make_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return the factory of sessions; objects stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Dependency: one session per request, closed whatever happens."""
    sessions: async_sessionmaker[AsyncSession] = request.app.state.sessions
    async with sessions() as session:
        yield session


def is_outage(error: BaseException) -> bool:
    """Tell whether ``error`` means that the database cannot serve now, as opposed to a defect of ours."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError)):
        return True
    if isinstance(error, ProgrammingError):
        return getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE
    return isinstance(error, DBAPIError) and error.connection_invalidated


@cache
def known_revisions() -> tuple[str, frozenset[str]]:
    """Return this version's newest schema revision and all revisions it knows.

    Reads the files: importing Alembic for a few names would be a tenth of the work of every start.

    Raises:
        RuntimeError: the migrations are not one line of revisions.
    """
    directory = Path(__file__).parent / "migrations" / "versions"
    migrations = [constants_of(file) for file in directory.glob("*.py")]
    known = {names["revision"] for names in migrations if "revision" in names}
    heads = known - {names.get("down_revision") for names in migrations}
    if len(heads) != 1:
        raise RuntimeError(f"the migrations in {directory} have {len(heads)} newest revisions instead of one")
    return heads.pop(), frozenset(known)


def constants_of(file: Path) -> dict[str, Any]:
    """Return what a module's top-level names are set to, as far as these are plain constants."""
    found: dict[str, Any] = {}
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Constant):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found |= {target.id: statement.value.value for target in targets if isinstance(target, ast.Name)}
    return found


async def why_not_ready(engine: AsyncEngine) -> str | None:
    """Return None when the database answers and its schema is usable, otherwise the reason in a sentence.

    A schema *newer* than this version is usable: while a release rolls out or is rolled
    back, the older pods must keep serving.
    """
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            async with engine.connect() as connection:
                present = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
                revision = None
                if present is not None:
                    revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except TimeoutError:
        return f"the database did not answer within {READY_TIMEOUT:g} s"
    except (DBAPIError, PoolTimeoutError) as error:
        return f"the database does not answer ({outage_kind(error)})"
    head, known = known_revisions()
    if revision is None:
        return "the database schema has not been migrated: run `alembic upgrade head`"
    if revision != head and revision in known:
        return f"the database schema is at revision {revision}, this version needs {head}: run `alembic upgrade head`"
    return None


def outage_kind(error: BaseException) -> str:
    """Name an outage in words that give no host, user or password away."""
    if isinstance(error, PoolTimeoutError):
        return "all connections are busy"
    message = str(getattr(error, "orig", error)).lower()
    for sign, words in (
        ("password authentication failed", "authentication failed"),
        ("no pg_hba.conf entry", "this host is not allowed to connect"),
        ("does not exist", "database or role missing"),
        ("starting up", "it is starting up"),
        ("shutting down", "it is shutting down"),
        ("too many", "too many connections"),
        ("refused", "connection refused"),
        ("timeout", "connection timed out"),
        ("resolve", "its host name cannot be resolved"),
        ("name or service not known", "its host name cannot be resolved"),
        ("ssl", "TLS could not be agreed on"),
    ):
        if sign in message:
            return words
    return "connection failed"
