"use client";

import { useRef, useState, type SyntheticEvent, type KeyboardEvent } from "react";
import { flushSync } from "react-dom";

import { CheckIcon, PencilIcon, TrashIcon } from "@/components/icons";
import type { Task } from "@/lib/types";

/** Longest title the API takes. */
export const MAX_TITLE = 200;

interface TaskItemProps {
  task: Task;
  onToggle: (task: Task) => Promise<boolean>;
  onRename: (task: Task, title: string) => Promise<boolean>;
  onRemove: (task: Task) => Promise<boolean>;
}

/** One row: tick, title (editable in place), delete. */
export function TaskItem({ task, onToggle, onRename, onRemove }: TaskItemProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const field = useRef<HTMLInputElement>(null);

  async function during(work: Promise<boolean>): Promise<boolean> {
    setBusy(true);
    const worked = await work;
    setBusy(false);
    return worked;
  }

  function open() {
    flushSync(() => setDraft(task.title));
    field.current?.focus();
    field.current?.select();
  }

  function close() {
    flushSync(() => setDraft(null));
    editButton.current?.focus();
  }

  async function save(event: SyntheticEvent) {
    event.preventDefault();
    const title = (draft ?? "").trim();
    if (!title || title === task.title) {
      close();
      return;
    }
    // On failure the draft stays, so that nothing typed is lost.
    if (await during(onRename(task, title))) {
      close();
    }
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  }

  if (draft !== null) {
    return (
      <li className="task task-editing" data-testid="task-item" data-completed={task.completed}>
        <form className="task-edit-form" onSubmit={save}>
          <input
            ref={field}
            data-testid="task-title-input"
            aria-label={`New title for “${task.title}”`}
            maxLength={MAX_TITLE}
            value={draft}
            readOnly={busy}
            onChange={(event) => setDraft(event.target.value)}
            onKeyDown={onKeyDown}
          />
          <button type="submit" className="button button-primary button-small" data-testid="task-save" disabled={busy}>
            Save
          </button>
          <button type="button" className="button button-small" onClick={close}>
            Cancel
          </button>
        </form>
      </li>
    );
  }

  return (
    <li className="task" data-testid="task-item" data-completed={task.completed} aria-busy={busy}>
      <button
        type="button"
        className="tick"
        role="checkbox"
        aria-checked={task.completed}
        aria-label={`Done: ${task.title}`}
        data-testid="task-complete"
        disabled={busy}
        onClick={() => void during(onToggle(task))}
      >
        <CheckIcon />
      </button>
      <div className="task-text">
        <p className="task-title" data-testid="task-title">
          {task.title}
        </p>
        {task.description && <p className="task-description">{task.description}</p>}
      </div>
      <div className="task-actions">
        <button ref={editButton} type="button" className="button button-icon" aria-label={`Edit “${task.title}”`} title="Edit" data-testid="task-edit" disabled={busy} onClick={open}>
          <PencilIcon />
        </button>
        <button type="button" className="button button-icon button-danger" aria-label={`Delete “${task.title}”`} title="Delete" data-testid="task-delete" disabled={busy} onClick={() => void during(onRemove(task))}>
          <TrashIcon />
        </button>
      </div>
    </li>
  );
}
