"use client";

import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";

import { ChatPanel } from "@/components/ChatPanel";
import { ChatIcon, ListIcon, LogoutIcon, Mark } from "@/components/icons";
import { TaskPanel } from "@/components/TaskPanel";
import { session, useSession } from "@/lib/session";
import type { User } from "@/lib/types";
import { useTasks } from "@/lib/useTasks";

type View = "tasks" | "chat";

/** Up to two letters that stand for a person. */
export function initials(user: User): string {
  const words = (user.name?.trim() || user.email).split(/\s+/);
  return words
    .slice(0, 2)
    .map((word) => String.fromCodePoint(word.codePointAt(0) ?? 0x20))
    .join("")
    .toUpperCase();
}

function Desk({ user }: { user: User }) {
  const tasks = useTasks();
  // Matters on narrow screens only; wide ones show both.
  const [view, setView] = useState<View>("tasks");
  const pending = tasks.tasks?.filter((task) => !task.completed).length;

  return (
    <div className="desk" data-view={view}>
      <a className="skip" href="#new-task">
        Skip to the new task
      </a>
      <header className="bar">
        <p className="brand">
          <Mark />
          <span>Slipway Todo</span>
        </p>
        <div className="bar-user">
          <span className="avatar" aria-hidden="true">
            {initials(user)}
          </span>
          <span className="bar-name" data-testid="user-name">
            {user.name?.trim() || user.email}
          </span>
          <button type="button" className="button" data-testid="logout" aria-label="Log out" onClick={() => session.end("logout")}>
            <LogoutIcon />
            <span className="bar-word">Log out</span>
          </button>
        </div>
      </header>
      <nav className="views" aria-label="Views">
        <button type="button" aria-pressed={view === "tasks"} data-testid="view-tasks" onClick={() => setView("tasks")}>
          <ListIcon />
          Tasks
          {pending ? <span className="count">{pending}</span> : null}
        </button>
        <button type="button" aria-pressed={view === "chat"} data-testid="view-chat" onClick={() => setView("chat")}>
          <ChatIcon />
          Assistant
        </button>
      </nav>
      <main className="desk-main">
        <TaskPanel {...tasks} />
        <ChatPanel onTasksChanged={tasks.refresh} />
      </main>
    </div>
  );
}

/** The application itself; whoever is not logged in is sent to the log-in page. */
export function Workspace() {
  const router = useRouter();
  const current = useSession();

  useEffect(() => {
    if (current === null) {
      router.replace("/login");
    }
  }, [current, router]);

  if (!current) {
    return (
      <main className="splash" aria-busy="true">
        <Mark />
        <p className="visually-hidden" role="status">
          Loading…
        </p>
        <noscript>
          <p>This application needs JavaScript.</p>
        </noscript>
      </main>
    );
  }
  // The key gives another person a fresh desk: nothing of the last one's stays in memory.
  return <Desk key={current.token} user={current.user} />;
}
