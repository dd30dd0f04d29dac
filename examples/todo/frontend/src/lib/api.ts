import { session } from "@/lib/session";
import type { AuthAnswer, ChatAnswer, Task } from "@/lib/types";

/** What went wrong, in the kinds the interface tells apart. */
export type ApiErrorKind = "network" | "timeout" | "unavailable" | "unauthorized" | "rejected" | "server";

/** A failed call; `message` is a sentence for the person in front of the screen. */
export class ApiError extends Error {
  constructor(
    readonly kind: ApiErrorKind,
    message: string,
    readonly status: number | null = null,
    /** Finds the request in the logs; shown for failures that are the server's. */
    readonly requestId: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Milliseconds a person is kept waiting; the assistant may think for longer. */
const TIMEOUT = 20_000;
const CHAT_TIMEOUT = 120_000;

const UNREACHABLE = "The server cannot be reached. Check your connection and try again.";
const UNAVAILABLE = "The service is not available right now. It may still be starting: try again in a moment.";
const SERVER = "Something went wrong on the server. Try again in a moment.";

/**
 * Base address of the API. Next writes NEXT_PUBLIC_API_URL into the script at build time; empty means this
 * page's own origin. A value that already ends in /api is taken to mean the same place.
 */
export function apiBase(value: string | undefined = process.env.NEXT_PUBLIC_API_URL): string {
  return (value ?? "").replace(/\/+$/, "").replace(/\/api$/, "");
}

/** The sentence in an error's body: FastAPI's `detail` (text or a list of fields), or `message`. */
export function detailOf(body: unknown): string | null {
  if (typeof body !== "object" || body === null) {
    return null;
  }
  const { detail, message, error } = body as Record<string, unknown>;
  if (Array.isArray(detail)) {
    const parts = detail.flatMap((item: unknown) => {
      const { loc, msg } = (item ?? {}) as { loc?: unknown; msg?: unknown };
      if (typeof msg !== "string") {
        return [];
      }
      const field: unknown = Array.isArray(loc) ? loc.at(-1) : undefined;
      return [typeof field === "string" && field !== "body" ? `${field}: ${msg}` : msg];
    });
    return parts.length > 0 ? parts.join(". ") : null;
  }
  for (const candidate of [detail, message, error]) {
    if (typeof candidate === "string" && candidate.trim()) {
      return candidate;
    }
    const nested = detailOf(candidate);
    if (nested) {
      return nested;
    }
  }
  return null;
}

function toError(status: number, body: unknown, requestId: string | null): ApiError {
  const detail = detailOf(body);
  if (status === 401) {
    return new ApiError("unauthorized", detail ?? "Log in to go on.", status, requestId);
  }
  if (status === 502 || status === 503 || status === 504) {
    return new ApiError("unavailable", detail ?? UNAVAILABLE, status, requestId);
  }
  if (status >= 500) {
    return new ApiError("server", detail ?? SERVER, status, requestId);
  }
  if (status === 429) {
    return new ApiError("rejected", detail ?? "That was too many requests. Wait a moment and try again.", status, requestId);
  }
  return new ApiError("rejected", detail ?? `The request was refused (${status}).`, status, requestId);
}

interface CallOptions {
  body?: unknown;
  timeout?: number;
  /** Calls that themselves log in: a 401 there means a wrong password, not an ended session. */
  anonymous?: boolean;
}

async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const token = options.anonymous ? undefined : session.get()?.token;
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
  }

  let response: Response;
  let text: string;
  try {
    response = await fetch(`${apiBase()}/api${path}`, {
      method,
      headers,
      cache: "no-store",
      signal: AbortSignal.timeout(options.timeout ?? TIMEOUT),
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new ApiError("timeout", "The server took too long to answer. Try again in a moment.");
    }
    throw new ApiError("network", UNREACHABLE);
  }

  const requestId = response.headers.get("x-request-id");
  let body: unknown = null;
  let readable = true;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // A proxy on the way answers its errors in HTML; the status says enough.
    readable = false;
  }
  if (!response.ok) {
    const error = toError(response.status, body, requestId);
    // Only the session this call used may be ended by its answer, not one begun in the meantime.
    if (error.kind === "unauthorized" && token && session.get()?.token === token) {
      session.end("expired");
    }
    throw error;
  }
  if (!readable) {
    throw new ApiError("server", "The server sent an answer that cannot be read. Try again in a moment.", response.status, requestId);
  }
  return body as T;
}

/** The `/api` of the backend, one function per route. All reject with {@link ApiError} and nothing else. */
export const api = {
  register: (input: { email: string; password: string; name?: string }) =>
    call<AuthAnswer>("POST", "/auth/register", { body: input, anonymous: true }),
  login: (input: { email: string; password: string }) =>
    call<AuthAnswer>("POST", "/auth/login", { body: input, anonymous: true }),
  tasks: () => call<Task[]>("GET", "/tasks"),
  addTask: (title: string) => call<Task>("POST", "/tasks", { body: { title } }),
  changeTask: (id: Task["id"], changes: { title?: string; completed?: boolean }) =>
    call<Task>("PATCH", `/tasks/${encodeURIComponent(id)}`, { body: changes }),
  completeTask: (id: Task["id"]) => call<Task>("POST", `/tasks/${encodeURIComponent(id)}/complete`),
  deleteTask: (id: Task["id"]) => call<null>("DELETE", `/tasks/${encodeURIComponent(id)}`),
  chat: (message: string, conversation: ChatAnswer["conversation_id"] | null) =>
    call<ChatAnswer>("POST", "/chat", {
      body: conversation === null ? { message } : { message, conversation_id: conversation },
      timeout: CHAT_TIMEOUT,
    }),
};

/** What the interface shows of an error. */
export interface Problem {
  text: string;
  /** The request's id, to look up in the logs; only where the server is at fault. */
  reference: string | null;
}

/** An error as something to show. */
export function explain(error: unknown): Problem {
  if (!(error instanceof ApiError)) {
    return { text: "Something unexpected happened in this page. Reload it and try again.", reference: null };
  }
  const ours = error.kind === "server" || error.kind === "unavailable";
  return { text: error.message, reference: ours ? error.requestId : null };
}
