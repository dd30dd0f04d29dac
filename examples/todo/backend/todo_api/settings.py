"""Settings from the environment, checked once at start.

A wrong setting is a person's mistake, so it ends in one sentence per variable on
stderr and exit code 78 (EX_CONFIG of sysexits.h), never in a traceback.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit
import sys

from psycopg import conninfo
from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
import psycopg

from .vapid import check_pair

EXIT_CONFIG = 78
MIN_SECRET_LENGTH = 32

_DATABASE_HINT = "set it to postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_SECRET_HINT = "set JWT_SECRET to at least 32 random characters, for example the output of `openssl rand -hex 32`"
_OPENROUTER_URL = "https://openrouter.ai/api/v1"


class SettingsError(Exception):
    """One or more settings are unusable; ``str()`` is ready to be shown to a person."""


def normalise_database_url(url: str) -> str:
    """Return ``url`` in the form SQLAlchemy's psycopg driver wants.

    Accepts ``postgres://``, ``postgresql://`` and ``postgresql+<driver>://``.

    Raises:
        ValueError: the URL cannot be used; the message never repeats the URL, which holds a password.
    """
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError(f"is not a PostgreSQL URL: {_DATABASE_HINT}")
    try:
        # libpq's own parser decides: it is the one that will read the URL later.
        parameters = conninfo.conninfo_to_dict(f"postgresql://{rest}")
    except psycopg.Error:
        raise ValueError(
            "cannot be read as a PostgreSQL URL (look for special characters in the password that are "
            f"not percent-encoded and for unknown options after `?`): {_DATABASE_HINT}"
        ) from None
    if not parameters.get("dbname"):
        raise ValueError(f"names no database: {_DATABASE_HINT}")
    if not parameters.get("host"):
        raise ValueError(f"names no host: {_DATABASE_HINT}")
    return f"postgresql+psycopg://{rest}"


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and text.isprintable() and " " not in text


def database_password(url: str) -> str | None:
    """Return the decoded password of a normalised database URL, so that logs can be cleaned of it."""
    parameters = conninfo.conninfo_to_dict("postgresql://" + url.partition("://")[2])
    password = parameters.get("password")
    return str(password) if password else None


class DatabaseSettings(BaseSettings):
    """What migrations need: the database, logging and the fault switches."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    database_url: str
    environment: str = "development"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    fault_start_exit: Annotated[int | None, Field(ge=0, le=255)] = None
    fault_start_delay: Annotated[float, Field(ge=0)] = 0.0
    fault_not_ready: bool = False
    fault_unhealthy_after: Annotated[float | None, Field(ge=0)] = None
    fault_latency_ms: Annotated[int, Field(ge=0)] = 0
    fault_memory_mb: Annotated[int, Field(ge=0)] = 0
    fault_migration: bool = False

    _ignored_faults: list[str] = PrivateAttr(default_factory=list)

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _usable_database_url(cls, value: str) -> str:
        return normalise_database_url(value)

    @model_validator(mode="after")
    def _no_faults_in_production(self) -> Self:
        """Put every fault switch back to its default when the environment is production."""
        if self.environment.strip().lower() == "production":
            for name, field in type(self).model_fields.items():
                if name.startswith("fault_") and getattr(self, name) != field.default:
                    setattr(self, name, field.default)
                    self._ignored_faults.append(name.upper())
        return self

    @property
    def ignored_faults(self) -> list[str]:
        """Fault switches that were set but are not honoured because ENVIRONMENT is production."""
        return list(self._ignored_faults)

    def secrets(self) -> list[str]:
        """Values that must never reach a log."""
        password = database_password(self.database_url)
        return [password] if password else []


class Settings(DatabaseSettings):
    """Everything the service reads from the environment."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    api_version: str = "v1"
    app_version: str = "dev"
    app_image_tag: str = ""
    allowed_origins: Annotated[list[str], NoDecode] = []

    jwt_secret: str = ""
    better_auth_secret: str = ""
    access_token_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 30)] = 60 * 24

    openai_api_key: str = ""
    openai_base_url: str = ""
    openai_model: str = ""
    openai_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30.0
    openrouter_api_key: str = ""
    openrouter_base_url: str = _OPENROUTER_URL

    vapid_public_key: str = ""
    vapid_private_key: str = ""

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if isinstance(value, str):
            return [origin.strip().rstrip("/") for origin in value.split(",") if origin.strip()]
        return value

    @field_validator("openai_base_url", "openrouter_base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        value = value.strip()
        if value and not _is_http_url(value):
            raise ValueError("is not an http(s) URL: set it to the address of an OpenAI-compatible API, ending in /v1")
        return value

    @field_validator("vapid_public_key", "vapid_private_key")
    @classmethod
    def _without_padding(cls, value: str) -> str:
        return value.strip().rstrip("=")

    @model_validator(mode="after")
    def _signing_secret(self) -> Self:
        name = "JWT_SECRET" if self.jwt_secret else "BETTER_AUTH_SECRET"
        secret = self.jwt_secret or self.better_auth_secret
        if not secret:
            raise ValueError(f"JWT_SECRET is not set: {_SECRET_HINT}.")
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"{name} has {len(secret)} characters, which is too short to sign with: {_SECRET_HINT}.")
        return self

    @model_validator(mode="after")
    def _push_keys(self) -> Self:
        check_pair(self.vapid_public_key, self.vapid_private_key)
        return self

    @property
    def signing_secret(self) -> str:
        """The key access tokens are signed with."""
        return self.jwt_secret or self.better_auth_secret

    @property
    def model(self) -> ModelSettings | None:
        """How to reach a language model, or None when the rule-based assistant answers."""
        if self.openai_api_key or self.openai_base_url:
            return ModelSettings(
                # Servers of one's own often want no key, the client library always wants one.
                self.openai_api_key or self.openrouter_api_key or "unused",
                self.openai_base_url or None,
                self.openai_model or "gpt-4o-mini",
                self.openai_timeout_seconds,
            )
        if self.openrouter_api_key:
            return ModelSettings(
                self.openrouter_api_key,
                self.openrouter_base_url,
                self.openai_model or "openai/gpt-4o-mini",
                self.openai_timeout_seconds,
            )
        return None

    def secrets(self) -> list[str]:
        values = [
            self.jwt_secret,
            self.better_auth_secret,
            self.openai_api_key,
            self.openrouter_api_key,
            self.vapid_private_key,
        ]
        return [*super().secrets(), *(value for value in values if value)]


class ModelSettings:
    """An OpenAI-compatible API: key, base URL (None: OpenAI's own), model and timeout in seconds."""

    __slots__ = ("api_key", "base_url", "name", "timeout")

    def __init__(self, api_key: str, base_url: str | None, name: str, timeout: float) -> None:
        self.api_key = api_key
        self.base_url = base_url
        self.name = name
        self.timeout = timeout

    def __repr__(self) -> str:
        host = None
        if self.base_url:
            parts = urlsplit(self.base_url)
            host = urlunsplit((parts.scheme, parts.hostname or "", parts.path, "", ""))
        return f"ModelSettings(name={self.name!r}, base_url={host!r})"


S = TypeVar("S", bound=DatabaseSettings)


def load_settings(kind: type[S]) -> S:
    """Read the environment into ``kind``.

    Raises:
        SettingsError: with one sentence per unusable variable.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(item) for item in error.errors())) from None


def load_settings_or_exit(kind: type[S]) -> S:
    """Like :func:`load_settings`, but end the process with exit code 78 and the sentences on stderr."""
    try:
        return load_settings(kind)
    except SettingsError as error:
        exit_config(str(error))


def exit_config(message: str) -> NoReturn:
    """Show ``message`` on stderr and end the process as misconfigured."""
    print(message, file=sys.stderr, flush=True)
    raise SystemExit(EXIT_CONFIG)


def _sentence(item: Any) -> str:
    """Turn one pydantic error into a sentence that names the variable; values are never repeated."""
    cause = str(item.get("ctx", {}).get("error", "")) or str(item["msg"])
    if not item["loc"]:
        return cause
    name = ".".join(str(part) for part in item["loc"]).upper()
    if item["type"] == "missing":
        hint = _DATABASE_HINT if name == "DATABASE_URL" else "set it"
        return f"{name} is not set: {hint}."
    if item["type"] == "value_error":
        return f"{name} {cause}."
    cause = cause[0].lower() + cause[1:]
    return f"{name} has an unusable value ({cause}): correct it or remove it to use the default."
