"""How failures are answered: always JSON with ``detail`` (a sentence) and ``request_id``, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from .database import is_outage, outage_kind
from .log import request_id_var
from .tasks import TaskNotFound

logger = logging.getLogger(__name__)


def json_error(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return an error answer in the one shape all errors have."""
    body = {"detail": detail, **more, "request_id": request_id_var.get()}
    return JSONResponse(body, status_code=status, headers=headers)


def _place(location: tuple[Any, ...]) -> str:
    """Name a field as the client wrote it: ``title``, not ``body.title``."""
    return ".".join(str(part) for part in location[1:]) or "body"


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The input is not repeated: it may be a password, or text that cannot be encoded.
    problems = []
    for item in error.errors():
        if item["type"] == "json_invalid":
            problems.append({"field": "body", "message": "is not valid JSON"})
        else:
            message = str(item.get("ctx", {}).get("error", "")) or str(item["msg"])
            problems.append({"field": _place(item["loc"]), "message": message})
    detail = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
    return json_error(422, detail, errors=problems)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_error(error.status_code, str(error.detail), error.headers)


async def _not_found(_: Request, error: Exception) -> Response:
    return json_error(404, str(error))


async def _database(_: Request, error: Exception) -> Response:
    if not is_outage(error):
        raise error
    logger.error("The database cannot serve: %s", outage_kind(error), extra={"error_type": type(error).__name__})
    return json_error(503, "The database does not answer at the moment. Try again shortly.", {"Retry-After": "5"})


def install_error_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every failure as described above."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(TaskNotFound, _not_found)
    app.add_exception_handler(SQLAlchemyError, _database)
