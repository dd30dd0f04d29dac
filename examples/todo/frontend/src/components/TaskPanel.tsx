"use client";

import { useRef, useState, type SyntheticEvent } from "react";

import { ListIcon, PlusIcon, RefreshIcon } from "@/components/icons";
import { ErrorNotice } from "@/components/Notice";
import { MAX_TITLE, TaskItem } from "@/components/TaskItem";
import type { Task } from "@/lib/types";
import type { TasksState } from "@/lib/useTasks";

const FILTERS = [
  { id: "all", label: "All" },
  { id: "pending", label: "To do" },
  { id: "completed", label: "Done" },
] as const;

type Filter = (typeof FILTERS)[number]["id"];

const EMPTY: Record<Filter, { title: string; text: string }> = {
  all: { title: "Nothing on the list yet", text: "Write your first task above, or ask the assistant to add one." },
  pending: { title: "All done", text: "Nothing is waiting for you. Enjoy it." },
  completed: { title: "Nothing finished yet", text: "Tasks you tick off will be kept here." },
};

function matches(filter: Filter, task: Task): boolean {
  return filter === "all" || (filter === "completed") === task.completed;
}

/** One sentence about the whole list. */
export function summary(pending: number, completed: number): string {
  if (pending + completed === 0) {
    return "A clean slate.";
  }
  if (pending === 0) {
    return completed === 1 ? "Your one task is done." : `All ${completed} tasks are done.`;
  }
  return `${pending} to do, ${completed} done.`;
}

/** The list, the form that adds to it, and the filters. */
export function TaskPanel({ tasks, loadError, changeError, announcement, refresh, dismiss, add, rename, toggle, remove }: TasksState) {
  const [filter, setFilter] = useState<Filter>("all");
  const [title, setTitle] = useState("");
  const [adding, setAdding] = useState(false);
  const [retrying, setRetrying] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);

  const all = tasks ?? [];
  const completed = all.filter((task) => task.completed).length;
  const counts: Record<Filter, number> = { all: all.length, pending: all.length - completed, completed };
  const shown = all.filter((task) => matches(filter, task));
  const share = all.length ? Math.round((completed / all.length) * 100) : 0;

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    const wanted = title.trim();
    if (!wanted || adding) {
      input.current?.focus();
      return;
    }
    setAdding(true);
    if (await add(wanted)) {
      setTitle("");
      // A new task is to do: under "Done" it would seem to have vanished.
      setFilter((now) => (now === "completed" ? "all" : now));
    }
    setAdding(false);
    input.current?.focus();
  }

  async function retry() {
    setRetrying(true);
    await refresh();
    setRetrying(false);
  }

  async function removeAndKeepFocus(task: Task) {
    const index = shown.findIndex((other) => other.id === task.id);
    const worked = await remove(task);
    if (worked) {
      // The button that had the focus is gone: hand it to the neighbour, or to the form when none is left.
      requestAnimationFrame(() => {
        const buttons = list.current?.querySelectorAll<HTMLButtonElement>('[data-testid="task-delete"]') ?? [];
        const next = buttons[Math.min(index, buttons.length - 1)] ?? input.current;
        next?.focus();
      });
    }
    return worked;
  }

  return (
    <section className="panel tasks" aria-labelledby="tasks-title">
      <header className="panel-head">
        <div>
          <h1 id="tasks-title">Your tasks</h1>
          <p className="muted" data-testid="task-summary">
            {tasks ? summary(counts.pending, completed) : loadError ? "Not loaded." : "Loading your list…"}
          </p>
        </div>
        <button type="button" className="button button-icon" aria-label="Refresh the list" title="Refresh" aria-busy={retrying} onClick={retry}>
          <RefreshIcon />
        </button>
      </header>

      <progress className="meter" max={100} value={share} aria-label="Share of tasks done" />

      <form className="add" onSubmit={submit} aria-label="Add a task">
        <label className="visually-hidden" htmlFor="new-task">
          New task
        </label>
        <input
          ref={input}
          id="new-task"
          data-testid="new-task"
          placeholder="What needs doing?"
          autoComplete="off"
          maxLength={MAX_TITLE}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
        />
        <button type="submit" className="button button-primary" data-testid="add-task" disabled={adding} aria-label="Add task">
          {adding ? <span className="spinner" aria-hidden="true" /> : <PlusIcon />}
          <span className="add-word">Add</span>
        </button>
      </form>

      <div className="filters" role="group" aria-label="Filter tasks">
        {FILTERS.map(({ id, label }) => (
          <button key={id} type="button" aria-pressed={filter === id} data-testid={`filter-${id}`} onClick={() => setFilter(id)}>
            {label} {tasks && <span className="count">{counts[id]}</span>}
          </button>
        ))}
      </div>

      {changeError && <ErrorNotice problem={changeError} onDismiss={dismiss} />}
      {loadError && <ErrorNotice problem={loadError} onRetry={retry} />}

      {tasks === null && !loadError && (
        <ul className="list" aria-hidden="true" data-testid="tasks-loading">
          {[0, 1, 2, 3].map((row) => (
            <li key={row} className="task skeleton">
              <span className="bone bone-box" />
              <span className="bone bone-line" />
            </li>
          ))}
        </ul>
      )}

      {tasks !== null && shown.length === 0 && (
        <div className="empty" data-testid="tasks-empty">
          <span className="empty-art">
            <ListIcon />
          </span>
          <h2>{all.length === 0 ? EMPTY.all.title : EMPTY[filter].title}</h2>
          <p className="muted">{all.length === 0 ? EMPTY.all.text : EMPTY[filter].text}</p>
        </div>
      )}

      {shown.length > 0 && (
        <ul className="list" ref={list} data-testid="task-list">
          {shown.map((task) => (
            <TaskItem key={task.id} task={task} onToggle={toggle} onRename={rename} onRemove={removeAndKeepFocus} />
          ))}
        </ul>
      )}

      <p className="visually-hidden" role="status" data-testid="announcement">
        {announcement}
      </p>
    </section>
  );
}
