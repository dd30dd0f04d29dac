import { randomUUID } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { Readable } from "node:stream";
import type { ReadableStream as WebStream } from "node:stream/web";
import tls from "node:tls";

import { log } from "@/lib/log";
import { STATIC_SECURITY_HEADERS } from "@/lib/security-headers.mjs";

/** Headers that belong to one connection and must not be passed on (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Statuses whose answer has no body. */
const BODILESS = new Set([204, 205, 304]);

/** A request id that is safe to log and to send on; anything else is replaced. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Failures to connect that a pod being replaced causes and that are over in a moment. */
const RETRY_CONNECT = new Set(["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EAI_AGAIN"]);

export interface ForwardOptions {
  /** Milliseconds to wait for a connection. */
  connectTimeout: number;
  /** Milliseconds without a byte from the backend; long, because a chat answer takes its time. */
  answerTimeout: number;
  /** How often to try to connect. Nothing has been sent by then, so every method may be tried again. */
  connectAttempts: number;
  /** Milliseconds between two attempts. */
  connectPause: number;
}

export const DEFAULTS: ForwardOptions = {
  connectTimeout: 3_000,
  answerTimeout: 120_000,
  connectAttempts: 3,
  connectPause: 150,
};

/** The backend accepted the connection and then said nothing for too long. */
class AnswerTimeout extends Error {
  readonly code = "ANSWER_TIMEOUT";
}

/** An answer of this server itself, in the shape the backend uses for its errors. */
function problem(status: number, code: string, detail: string, requestId: string): Response {
  return Response.json(
    { detail, code, request_id: requestId },
    { status, headers: withDefaults(new Headers({ "Cache-Control": "no-store", "X-Request-ID": requestId })) },
  );
}

/** Adds the security headers that are not there yet. */
function withDefaults(headers: Headers): Headers {
  for (const { key, value } of STATIC_SECURITY_HEADERS) {
    if (!headers.has(key)) {
      headers.set(key, value);
    }
  }
  return headers;
}

/** Names of the headers that stay on this connection: the fixed ones and those that `Connection` lists. */
function dropped(connection: string | null | undefined): Set<string> {
  const listed = (connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  return new Set([...HOP_BY_HOP, ...listed.filter(Boolean)]);
}

/** BACKEND_URL as a URL, or null when it is not one that can be asked. */
function parseBackend(value: string): URL | null {
  if (!URL.canParse(value)) {
    return null;
  }
  const url = new URL(value);
  return url.protocol === "http:" || url.protocol === "https:" ? url : null;
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return "UNKNOWN";
}

/** One connection to the backend; rejects with the system's error. */
function connectOnce(target: URL, timeout: number, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const secure = target.protocol === "https:";
    // An IPv6 address stands in brackets in a URL and without them in a socket's options.
    const host = target.hostname.replace(/^\[|\]$/g, "");
    const port = Number(target.port) || (secure ? 443 : 80);
    const socket = secure
      ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }) })
      : net.connect({ host, port });
    const abort = () => socket.destroy(Object.assign(new Error("the client went away"), { code: "ABORTED" }));
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error("no connection in time"), { code: "ETIMEDOUT" })),
      timeout,
    );
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", (error: Error) => {
      settle();
      reject(error);
    });
    socket.once(secure ? "secureConnect" : "connect", () => {
      settle();
      socket.setNoDelay(true);
      resolve(socket);
    });
    if (signal.aborted) {
      abort();
    }
  });
}

/** A connection to the backend, tried again while a replaced pod's address is still being handed out. */
async function connect(target: URL, options: ForwardOptions, signal: AbortSignal): Promise<net.Socket> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectOnce(target, options.connectTimeout, signal);
    } catch (error) {
      if (attempt >= options.connectAttempts || !RETRY_CONNECT.has(codeOf(error))) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, options.connectPause));
    }
  }
}

/** The request's headers as the backend shall see them. */
function requestHeaders(request: Request, requestId: string): Record<string, string> {
  const drop = dropped(request.headers.get("connection"));
  const headers: Record<string, string> = {};
  request.headers.forEach((value, name) => {
    if (!drop.has(name) && name !== "host") {
      headers[name] = value;
    }
  });
  headers["x-request-id"] = requestId;
  headers["x-forwarded-host"] ??= request.headers.get("host") ?? "";
  headers["x-forwarded-proto"] ??= new URL(request.url).protocol.replace(":", "");
  return headers;
}

/** The backend's headers as the browser shall see them. */
function responseHeaders(answer: http.IncomingMessage, backend: URL, requestId: string): Headers {
  const drop = dropped(answer.headers.connection);
  const headers = new Headers();
  // rawHeaders keeps repeated ones (Set-Cookie) apart.
  for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
    const name = answer.rawHeaders[index] ?? "";
    let value = answer.rawHeaders[index + 1] ?? "";
    if (drop.has(name.toLowerCase())) {
      continue;
    }
    // A redirect to the backend's own address would lead the browser to a name it cannot resolve.
    if (name.toLowerCase() === "location" && URL.canParse(value) && new URL(value).origin === backend.origin) {
      value = value.slice(backend.origin.length) || "/";
    }
    headers.append(name, value);
  }
  if (!headers.has("x-request-id")) {
    headers.set("X-Request-ID", requestId);
  }
  return withDefaults(headers);
}

/** Sends the request over the socket; resolves as soon as the answer's headers are there. */
function exchange(
  socket: net.Socket,
  target: URL,
  request: Request,
  headers: Record<string, string>,
  options: ForwardOptions,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(
      {
        // A connection per request: nothing to race with when a pod closes an idle one, and each goes to any pod.
        createConnection: () => socket,
        method: request.method,
        path: target.pathname + target.search,
        // The socket is open already, so host and port only make the Host header.
        headers: { ...headers, host: target.host, connection: "close" },
      },
      resolve,
    );
    socket.setTimeout(options.answerTimeout, () => outgoing.destroy(new AnswerTimeout("the backend did not answer in time")));
    outgoing.on("error", reject);
    const abort = () => outgoing.destroy();
    request.signal.addEventListener("abort", abort, { once: true });
    if (request.signal.aborted) {
      abort();
    }

    if (request.body === null) {
      outgoing.end();
      return;
    }
    // The standard's stream type and Node's differ in name only.
    const body = Readable.fromWeb(request.body as WebStream);
    body.on("error", (error) => outgoing.destroy(error));
    // A backend may answer before it has read everything (413): then the rest is not asked for any more.
    outgoing.on("close", () => body.destroy());
    body.pipe(outgoing);
  });
}

/**
 * Passes a request on to the backend and streams the answer back.
 *
 * Never throws: what goes wrong on the way becomes a JSON answer with `detail`, `code` and `request_id`:
 * 500 when the address is missing or unusable, 502 when the backend cannot be reached, 504 when it stays silent.
 *
 * @param request what the browser asked; its path and query are kept as they are
 * @param backendUrl address of the backend, for example `http://backend-svc:8000`; a path in it is put in front
 * @param overrides time limits and attempts, for tests
 */
export async function forward(
  request: Request,
  backendUrl: string | undefined,
  overrides: Partial<ForwardOptions> = {},
): Promise<Response> {
  const options = { ...DEFAULTS, ...overrides };
  const started = performance.now();
  const given = request.headers.get("x-request-id") ?? "";
  const requestId = REQUEST_ID.test(given) ? given : randomUUID();
  const { pathname, search } = new URL(request.url);
  const fields = (status: number) => ({
    request_id: requestId,
    method: request.method,
    path: pathname,
    status,
    duration_ms: Math.round(performance.now() - started),
  });

  if (!backendUrl) {
    log("error", "BACKEND_URL is not set", fields(500));
    return problem(
      500,
      "backend_url_missing",
      "This server does not know where the API is: BACKEND_URL is not set. Set it to the backend's address, for example http://backend-svc:8000, and start the server again.",
      requestId,
    );
  }
  const backend = parseBackend(backendUrl);
  if (!backend) {
    log("error", "BACKEND_URL is not an http or https address", fields(500));
    return problem(
      500,
      "backend_url_invalid",
      "This server does not know where the API is: BACKEND_URL is not an http:// or https:// address. Correct it, for example http://backend-svc:8000, and start the server again.",
      requestId,
    );
  }

  const target = new URL(backend.origin);
  target.pathname = backend.pathname.replace(/\/+$/, "") + pathname;
  target.search = search;
  try {
    const socket = await connect(target, options, request.signal);
    const answer = await exchange(socket, target, request, requestHeaders(request, requestId), options);
    const status = answer.statusCode ?? 502;
    log("info", "request", fields(status));
    const bodiless = BODILESS.has(status) || request.method === "HEAD";
    if (bodiless) {
      answer.resume();
    }
    return new Response(bodiless ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>), {
      status,
      headers: responseHeaders(answer, backend, requestId),
    });
  } catch (error) {
    const reason = codeOf(error);
    if (request.signal.aborted) {
      // Nobody reads this answer; 499 is what proxies commonly log for it.
      log("info", "the client went away", fields(499));
      return new Response(null, { status: 499 });
    }
    if (error instanceof AnswerTimeout) {
      log("error", "the backend did not answer in time", { ...fields(504), reason, backend: backend.host });
      return problem(504, "backend_timeout", "The service took too long to answer. Try again in a moment.", requestId);
    }
    log("error", "the backend cannot be reached", { ...fields(502), reason, backend: backend.host });
    return problem(
      502,
      "backend_unreachable",
      "The service cannot be reached right now. It may still be starting: try again in a moment.",
      requestId,
    );
  }
}
