import { vi } from "vitest";

import { session } from "@/lib/session";
import type { Task } from "@/lib/types";

export interface Call {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

/** What a route answers: a status and a body, or a failure of the network itself. */
export type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | Error | DOMException;

type Route = Answer | ((call: Call) => Answer | Promise<Answer>);

/**
 * Puts routes like `"GET /api/tasks"` in the place of the network. A call to a route that is not listed fails
 * the way an unreachable server does. Returns the calls made, in order.
 */
export function fakeApi(routes: Record<string, Route>): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (input: string, init: RequestInit) => {
    const call: Call = {
      method: init.method ?? "GET",
      path: input,
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : undefined,
    };
    calls.push(call);
    const route = routes[`${call.method} ${call.path}`] ?? new TypeError("Failed to fetch");
    const answer = typeof route === "function" ? await route(call) : route;
    if (answer instanceof Error || answer instanceof DOMException) {
      throw answer;
    }
    const { status = 200, body, headers = {} } = answer;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return new Response(status === 204 ? null : text, { status, headers });
  });
  return calls;
}

/** A task; a higher id (1 to 9) means made later. */
export function task(id: string, title: string, completed = false): Task {
  const at = `2026-01-0${id}T00:00:00Z`;
  return { id, title, description: null, completed, created_at: at, updated_at: at };
}

export function logIn(token = "token-of-ada"): void {
  session.start({ token, user: { id: "1", email: "ada@example.com", name: "Ada Lovelace" } });
}
