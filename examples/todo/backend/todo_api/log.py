"""Logs: one JSON object a line on stdout, each with the ID of the request it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
import json
import logging
import sys

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)

# Attributes of every LogRecord; whatever else a record carries came in by `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class RequestIdFilter(logging.Filter):
    """Puts the current request's ID on the record, when there is a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = request_id_var.get()
        if request_id and not hasattr(record, "request_id"):
            record.request_id = request_id
        return True


class _Redacting(logging.Formatter):
    """A second line of defence: a secret that slipped into a message or a traceback is blanked."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # Very short values would blank ordinary words; longest first so that none leaves a tail.
        self._secrets = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class JsonFormatter(_Redacting):
    """One JSON object per record; a traceback becomes the field ``exception``, so a line stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.redact(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and not key.startswith("_"):
                entry[key] = self.redact(value) if isinstance(value, str) else value
        if record.exc_info:
            entry["exception"] = self.redact(self.formatException(record.exc_info))
        return json.dumps(entry, default=lambda value: self.redact(str(value)))


class TextFormatter(_Redacting):
    """The same facts for eyes: ``12:00:01 INFO logger message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(
            f" {key}={value}" for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_")
        )
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{clock} {record.levelname} {record.name} {record.getMessage()}{extras}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self.redact(line)


def configure_logging(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send every logger of the process to stdout in one format.

    Args:
        level: debug, info, warning or error.
        form: json or text.
        secrets: values blanked wherever they appear.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets) if form == "json" else TextFormatter(secrets))
    handler.addFilter(RequestIdFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These log addresses, bodies or one line per call: a problem is worth a line, a call is not.
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "mcp", "sqlalchemy", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)
