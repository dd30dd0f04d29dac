"""The tasks of the signed-in person; another person's task is as absent as one that never was."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Response

from .. import tasks
from ..models import Task
from ..schemas import TaskCreate, TaskId, TaskUpdate, TaskView
from ..users import CurrentUser, Session

router = APIRouter(prefix="/api/tasks", tags=["tasks"])


@router.get("", response_model=list[TaskView])
async def list_tasks(user: CurrentUser, session: Session, status: tasks.TaskStatus = "all") -> list[Task]:
    """List the tasks, oldest first."""
    return list(await tasks.list_tasks(session, user.id, status))


@router.post("", status_code=201, response_model=TaskView)
async def add_task(body: TaskCreate, user: CurrentUser, session: Session) -> Task:
    """Add a task."""
    return await tasks.add_task(session, user.id, body.title, body.description)


@router.get("/{task_id}", response_model=TaskView)
async def get_task(task_id: TaskId, user: CurrentUser, session: Session) -> Task:
    """Return one task."""
    return await tasks.get_task(session, user.id, task_id)


@router.patch("/{task_id}", response_model=TaskView)
async def update_task(task_id: TaskId, body: TaskUpdate, user: CurrentUser, session: Session) -> Task:
    """Change a task; fields that are left out stay as they are, a null description removes it."""
    changes = body.model_dump(exclude_unset=True)
    for name in ("title", "completed"):
        if name in changes and changes[name] is None:
            raise HTTPException(422, f"{name}: must not be null; leave it out to keep it")
    return await tasks.update_task(session, user.id, task_id, changes)


@router.delete("/{task_id}", status_code=204)
async def delete_task(task_id: TaskId, user: CurrentUser, session: Session) -> Response:
    """Delete a task."""
    await tasks.delete_task(session, user.id, task_id)
    return Response(status_code=204)


@router.post("/{task_id}/complete", response_model=TaskView)
async def complete_task(task_id: TaskId, user: CurrentUser, session: Session) -> Task:
    """Mark a task as done; doing so twice is no error."""
    return await tasks.update_task(session, user.id, task_id, {"completed": True})
