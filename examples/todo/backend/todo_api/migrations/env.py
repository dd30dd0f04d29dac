"""Runs migrations: waits for the database, then migrates under a lock, so that several may be started at once."""

from __future__ import annotations

import logging
import sys
import time

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from todo_api.database import CONNECT_TIMEOUT, outage_kind
from todo_api.faults import report_ignored
from todo_api.log import configure_logging
from todo_api.models import Base
from todo_api.settings import DatabaseSettings, load_settings_or_exit

logger = logging.getLogger("todo_api.migrations")

WAIT_SECONDS = 60
# Any fixed number no other program uses on this database.
_LOCK_KEY = 0x746F_646F


def _connect(engine: Engine) -> Connection:
    """Return a connection, waiting up to WAIT_SECONDS for a database that is still starting."""
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    while True:
        try:
            return engine.connect()
        except OperationalError as error:
            kind = outage_kind(error)
            if kind == "authentication failed" or time.monotonic() >= deadline:
                logger.error("Cannot migrate: the database does not answer (%s). Check DATABASE_URL.", kind)
                raise SystemExit(1) from None
            if not told:
                logger.info("Waiting up to %d s for the database (%s)", WAIT_SECONDS, kind)
                told = True
            time.sleep(1)


def _migrate(connection: Connection) -> None:
    # Held by the transaction: a process that dies gives it back, and poolers in transaction mode keep it right.
    with connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        before = context.get_context().get_current_revision()
        with context.begin_transaction():
            context.run_migrations()
        after = context.get_context().get_current_revision()
    if before == after:
        logger.info("The schema is up to date", extra={"revision": after})
    else:
        logger.info("The schema was migrated", extra={"revision": after, "previous": before})


def _run() -> None:
    settings = load_settings_or_exit(DatabaseSettings)
    configure_logging(settings.log_level, settings.log_format, settings.secrets())
    report_ignored(settings)
    if settings.fault_migration:
        logger.error("The migration failed: FAULT_MIGRATION is set")
        raise SystemExit(1)
    engine = create_engine(
        settings.database_url,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "prepare_threshold": None},
    )
    try:
        with _connect(engine) as connection:
            _migrate(connection)
    except DBAPIError as error:
        cause = str(error.orig).strip().splitlines()[0]
        logger.error("The migration failed and was rolled back: %s", cause, exc_info=settings.log_level == "debug")
        raise SystemExit(1) from None
    finally:
        engine.dispose()


if context.is_offline_mode():
    print("Printing SQL (--sql) is not supported: the migrations need the database.", file=sys.stderr)
    raise SystemExit(2)
_run()
