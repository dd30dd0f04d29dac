import { useCallback, useEffect, useRef, useState } from "react";

import { api, ApiError, explain, type Problem } from "@/lib/api";
import type { Task } from "@/lib/types";

export interface TasksState {
  /** `null` until the first answer. */
  tasks: Task[] | null;
  /** Why the list could not be loaded. */
  loadError: Problem | null;
  /** Why the last change did not work. */
  changeError: Problem | null;
  /** What just happened, for screen readers. */
  announcement: string;
  refresh: () => Promise<void>;
  dismiss: () => void;
  /** These resolve to whether it worked; why not is in `changeError`. */
  add: (title: string) => Promise<boolean>;
  rename: (task: Task, title: string) => Promise<boolean>;
  toggle: (task: Task) => Promise<boolean>;
  remove: (task: Task) => Promise<boolean>;
}

/** Newest first, whatever order the API lists them in, so that a new task stays where it appeared. */
export function newestFirst(list: readonly Task[]): Task[] {
  return [...list].reverse().sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at) || 0);
}

/** The person's tasks and what can be done with them. */
export function useTasks(): TasksState {
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [loadError, setLoadError] = useState<Problem | null>(null);
  const [changeError, setChangeError] = useState<Problem | null>(null);
  const [announcement, setAnnouncement] = useState("");
  // A list asked for before a change must not undo that change on the screen when it arrives after it.
  const generation = useRef(0);

  const refresh = useCallback(async () => {
    const asked = ++generation.current;
    try {
      const list = await api.tasks();
      if (asked === generation.current) {
        setTasks(newestFirst(list));
        setLoadError(null);
      }
    } catch (error) {
      if (asked === generation.current) {
        setLoadError(explain(error));
      }
    }
  }, []);

  useEffect(() => {
    // The state changes after the answer, not in the effect itself.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    void refresh();
    const onVisible = () => {
      if (document.visibilityState === "visible") {
        void refresh();
      }
    };
    document.addEventListener("visibilitychange", onVisible);
    window.addEventListener("online", onVisible);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      window.removeEventListener("online", onVisible);
    };
  }, [refresh]);

  const replace = (next: Task) => {
    setTasks((list) => list?.map((task) => (task.id === next.id ? next : task)) ?? null);
  };

  async function change(work: () => Promise<void>, done: string): Promise<boolean> {
    generation.current += 1;
    setChangeError(null);
    try {
      await work();
      setAnnouncement(done);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        // Deleted elsewhere, for instance by the assistant: show what is really there.
        setChangeError({ text: "That task is gone. It may have been deleted in another window.", reference: null });
        await refresh();
        return false;
      }
      setChangeError(explain(error));
      return false;
    } finally {
      generation.current += 1;
    }
  }

  return {
    tasks,
    loadError,
    changeError,
    announcement,
    refresh,
    dismiss: () => setChangeError(null),
    add: (title) =>
      change(async () => {
        const task = await api.addTask(title);
        setTasks((list) => [task, ...(list ?? []).filter((other) => other.id !== task.id)]);
      }, `Added “${title}”.`),
    rename: (task, title) =>
      change(async () => replace(await api.changeTask(task.id, { title })), `Renamed to “${title}”.`),
    toggle: (task) =>
      change(
        async () => {
          // Shown at once and taken back if the server refuses: a tick must not feel slow.
          replace({ ...task, completed: !task.completed });
          try {
            replace(task.completed ? await api.changeTask(task.id, { completed: false }) : await api.completeTask(task.id));
          } catch (error) {
            replace(task);
            throw error;
          }
        },
        task.completed ? `“${task.title}” is to do again.` : `Completed “${task.title}”.`,
      ),
    remove: (task) =>
      change(async () => {
        await api.deleteTask(task.id);
        setTasks((list) => list?.filter((other) => other.id !== task.id) ?? null);
      }, `Deleted “${task.title}”.`),
  };
}
