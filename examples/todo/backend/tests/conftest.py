"""Fixtures."""

from __future__ import annotations

from collections.abc import Iterator
import os

import pytest

from .support import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    LocalPostgres,
    NoDatabase,
    Person,
    Service,
    migrate,
    register,
    scratch_database,
)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """URL of a PostgreSQL server on which databases may be created."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    try:
        server = LocalPostgres()
    except NoDatabase as error:
        pytest.fail(str(error), pytrace=False)
    yield server.url()
    server.remove()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[LocalPostgres]:
    """A server that a test may stop, and starts again."""
    try:
        server = LocalPostgres()
    except NoDatabase as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.remove()


@pytest.fixture
def empty_database(server_url: str) -> Iterator[str]:
    with scratch_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """A migrated database shared by the tests; they keep apart by using people of their own."""
    with scratch_database(server_url) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service without a language model, logging everything."""
    running = Service(
        tmp_path_factory.mktemp("service"),
        DATABASE_URL=database_url,
        LOG_LEVEL="debug",
        APP_VERSION="1.2.3",
        APP_IMAGE_TAG="0123456789ab",
        VAPID_PUBLIC_KEY=PUBLIC_KEY,
        VAPID_PRIVATE_KEY=PRIVATE_KEY,
        ALLOWED_ORIGINS="http://localhost:3000, https://todo.example.com/",
    )
    yield running
    running.stop()


@pytest.fixture
def ada(service: Service) -> Iterator[Person]:
    person = register(service)
    yield person
    person.client.close()


@pytest.fixture
def bob(service: Service) -> Iterator[Person]:
    person = register(service)
    yield person
    person.client.close()
