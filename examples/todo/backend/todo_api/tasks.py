"""What can be done with tasks: the one implementation behind the HTTP API and the MCP tools.

Every function takes the owner and never sees another person's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .models import Task

TaskStatus = Literal["all", "pending", "completed"]


class TaskNotFound(LookupError):
    """There is no such task, or it belongs to somebody else: the caller must not learn which."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f"There is no task {task_id}.")


async def list_tasks(session: AsyncSession, owner: uuid.UUID, status: TaskStatus = "all") -> Sequence[Task]:
    """Return the owner's tasks, oldest first."""
    query = select(Task).where(Task.user_id == owner).order_by(Task.id)
    if status != "all":
        query = query.where(Task.completed.is_(status == "completed"))
    return (await session.scalars(query)).all()


async def get_task(session: AsyncSession, owner: uuid.UUID, task_id: int) -> Task:
    """Return one task.

    Raises:
        TaskNotFound: it does not exist for this owner.
    """
    task = await session.scalar(select(Task).where(Task.id == task_id, Task.user_id == owner))
    if task is None:
        raise TaskNotFound(task_id)
    return task


async def add_task(session: AsyncSession, owner: uuid.UUID, title: str, description: str | None = None) -> Task:
    """Create a task and return it."""
    task = Task(user_id=owner, title=title, description=description or None)
    session.add(task)
    await session.flush()
    await session.refresh(task)
    await session.commit()
    return task


async def update_task(session: AsyncSession, owner: uuid.UUID, task_id: int, changes: dict[str, Any]) -> Task:
    """Apply ``changes`` (title, description, completed) and return the task.

    Raises:
        TaskNotFound: it does not exist for this owner.
    """
    task = await get_task(session, owner, task_id)
    for name, value in changes.items():
        setattr(task, name, value)
    await session.flush()
    await session.refresh(task)
    await session.commit()
    return task


async def delete_task(session: AsyncSession, owner: uuid.UUID, task_id: int) -> Task:
    """Delete a task and return what it was.

    Raises:
        TaskNotFound: it does not exist for this owner.
    """
    task = await get_task(session, owner, task_id)
    await session.delete(task)
    await session.commit()
    return task
