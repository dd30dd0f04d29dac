"""The shapes of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
import re
import uuid

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MAX_ID = 2**63 - 1
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@.<>()\[\],;:\"\\]+(\.[^\s@.<>()\[\],;:\"\\]+)*")


def _printable(value: str) -> str:
    """Refuse what PostgreSQL cannot store in text."""
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _email(value: str) -> str:
    """Check the form of an address only: whether it receives mail is not ours to know."""
    if not _EMAIL.fullmatch(value):
        raise ValueError("is not an e-mail address")
    return value.lower()


Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(_printable)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    AfterValidator(_printable),
    AfterValidator(_email),
]
Password = Annotated[str, StringConstraints(min_length=8, max_length=128)]
TaskId = Annotated[int, Field(ge=1, le=MAX_ID, description="The task's id")]


class _Request(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class RegisterRequest(_Request):
    """A new account."""

    email: Email
    password: Password
    name: Annotated[
        str | None,
        StringConstraints(strip_whitespace=True, max_length=100),
        AfterValidator(lambda v: v and _printable(v)),
    ] = None


class LoginRequest(_Request):
    """Credentials; deliberately looser than registration, a wrong one is simply wrong."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=254)]
    password: Annotated[str, StringConstraints(max_length=128)]


class UserView(BaseModel):
    """What an account shows of itself."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    name: str


class TokenView(BaseModel):
    """The answer to registering and logging in."""

    access_token: str
    token_type: str = "bearer"
    user: UserView


class TaskCreate(_Request):
    """A new task."""

    title: Title
    description: Description | None = None


class TaskUpdate(_Request):
    """Changes to a task; what is left out stays as it is."""

    title: Title | None = None
    description: Description | None = None
    completed: bool | None = None


class TaskView(BaseModel):
    """A task as its owner sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime


class TaskList(BaseModel):
    """Tasks, oldest first."""

    tasks: list[TaskView]


class ChatRequest(_Request):
    """Something said to the assistant."""

    message: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_printable)
    ]
    conversation_id: uuid.UUID | None = None


class ToolCall(BaseModel):
    """A tool the assistant used, and what came of it."""

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]


class ChatReply(BaseModel):
    """What the assistant answered and did."""

    conversation_id: uuid.UUID
    reply: str
    tool_calls: list[ToolCall]


class PushKey(BaseModel):
    """The server's public key for push messages, in base64url."""

    public_key: str
