"""Talking to the assistant."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import select

from ..assistant import Assistant, AssistantUnavailable, Turn
from ..models import Conversation, Message
from ..schemas import ChatReply, ChatRequest, ToolCall
from ..tools import Toolbox, acting_as
from ..users import CurrentUser, Session

router = APIRouter(prefix="/api/chat", tags=["chat"])

_REMEMBERED = 20


def storable(value: Any) -> Any:
    """Return ``value`` without the characters PostgreSQL and JSON refuse, which a language model may well produce."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


@router.post("")
async def chat(body: ChatRequest, request: Request, user: CurrentUser, session: Session) -> ChatReply:
    """Answer a message; without ``conversation_id`` a new conversation begins."""
    history: list[Turn] = []
    conversation = Conversation(user_id=user.id)
    if body.conversation_id is not None:
        known = await session.scalar(
            select(Conversation).where(Conversation.id == body.conversation_id, Conversation.user_id == user.id)
        )
        if known is None:
            raise HTTPException(404, "There is no such conversation.")
        conversation = known
        recent = await session.scalars(
            select(Message)
            .where(Message.conversation_id == conversation.id)
            .order_by(Message.id.desc())
            .limit(_REMEMBERED)
        )
        history = [Turn(row.role, row.content, row.tool_calls) for row in reversed(recent.all())]
    # Gives the connection back: a language model may think longer than the pool can spare one.
    await session.commit()

    assistant: Assistant = request.app.state.assistant
    tools = Toolbox(request.app.state.tools)
    try:
        with acting_as(user.id):
            reply = await assistant.answer(body.message, history, tools)
    except AssistantUnavailable as error:
        raise HTTPException(502, f"The assistant cannot answer: {error}") from error
    reply = storable(reply)
    calls = [ToolCall.model_validate(storable(call.model_dump(mode="json"))) for call in tools.calls]

    session.add(conversation)
    await session.flush()
    session.add(Message(conversation_id=conversation.id, role="user", content=body.message))
    await session.flush()
    session.add(
        Message(
            conversation_id=conversation.id,
            role="assistant",
            content=reply,
            tool_calls=[call.model_dump(mode="json") for call in calls],
        )
    )
    await session.commit()
    return ChatReply(conversation_id=conversation.id, reply=reply, tool_calls=calls)
