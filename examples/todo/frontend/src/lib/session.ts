import { useSyncExternalStore } from "react";

import type { User } from "@/lib/types";

/*
 * Where the token lives: sessionStorage. An httpOnly cookie would have to be turned into the Authorization
 * header by this server, but behind an Ingress /api goes straight to the backend, which reads that header and
 * no cookie. The price, that a script in the page could read the token, is paid down by the nonce-based
 * Content-Security-Policy, and by sessionStorage forgetting the token with the tab. In return there is no
 * cookie that another site's request could ride on (CSRF).
 */
const KEY = "todo.session";

export interface Session {
  token: string;
  user: User;
}

/** `undefined`: not known yet (the server's rendering); `null`: nobody is logged in. */
export type SessionState = Session | null | undefined;

let current: SessionState;
let expired = false;
const listeners = new Set<() => void>();

function isSession(value: unknown): value is Session {
  const candidate = value as Partial<Session> | null;
  return typeof candidate?.token === "string" && typeof candidate.user?.email === "string";
}

function read(): Session | null {
  try {
    const parsed: unknown = JSON.parse(window.sessionStorage.getItem(KEY) ?? "null");
    return isSession(parsed) ? parsed : null;
  } catch {
    // Storage that is blocked or damaged is the same as nobody being logged in.
    return null;
  }
}

function set(next: Session | null): void {
  current = next;
  try {
    if (next) {
      window.sessionStorage.setItem(KEY, JSON.stringify(next));
    } else {
      window.sessionStorage.removeItem(KEY);
    }
  } catch {
    // With storage blocked the session lasts until the page is reloaded.
  }
  listeners.forEach((listener) => listener());
}

export const session = {
  get: (): Session | null => {
    if (current === undefined) {
      current = read();
    }
    return current;
  },
  start(next: Session): void {
    expired = false;
    set(next);
  },
  /** Ends the session; with `because: "expired"` the log-in page says so. */
  end(because: "logout" | "expired"): void {
    expired = because === "expired";
    set(null);
  },
  /** Whether the last session ended because the API no longer accepted its token. */
  hasExpired(): boolean {
    return expired;
  },
};

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The session, kept current; `undefined` during the server's rendering and the first one in the browser. */
export function useSession(): SessionState {
  return useSyncExternalStore<SessionState>(subscribe, session.get, () => undefined);
}
