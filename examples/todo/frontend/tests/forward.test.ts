import http from "node:http";
import { gzipSync } from "node:zlib";
import net, { type AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { GET, POST } from "@/app/api/[...path]/route";
import { forward } from "@/lib/forward";

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}

let server: http.Server;
let base: string;
let seen: Seen[];
let respond: (request: http.IncomingMessage, response: http.ServerResponse) => void;
let logged: string[];

/** Few and short waits, so that the tests of failures are quick. */
const QUICK = { connectAttempts: 2, connectPause: 10, connectTimeout: 500, answerTimeout: 200 };

beforeEach(async () => {
  seen = [];
  logged = [];
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    logged.push(String(chunk));
    return true;
  });
  respond = (_request, response) => response.end("{}");
  server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      respond(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function ask(path: string, init: RequestInit = {}): Request {
  return new Request(`http://front.test${path}`, { ...init, ...(init.body ? { duplex: "half" } : {}) });
}

/** A port on which nobody listens: one that was free a moment ago. */
async function deadPort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe("what reaches the backend", () => {
  it("is the method, path, query and body as they were sent", async () => {
    const body = JSON.stringify({ title: "Ünïcode" });
    await forward(ask("/api/tasks/a%2Fb?status=all&x=1%202", { method: "PATCH", body }), base);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: "PATCH", url: "/api/tasks/a%2Fb?status=all&x=1%202", body });
  });

  it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])("passes %s on", async (method) => {
    const answer = await forward(ask("/api/x", { method }), base);
    expect(answer.status).toBe(200);
    expect(seen[0]?.method).toBe(method);
  });

  it("has the end-to-end headers and not those of the connection", async () => {
    await forward(
      ask("/api/tasks", {
        headers: {
          Authorization: "Bearer t",
          "Content-Type": "application/json",
          TE: "trailers",
          "Proxy-Authorization": "Basic x",
          Connection: "keep-alive, X-Only-Here",
          "X-Only-Here": "1",
          "X-Forwarded-For": "10.0.0.9",
        },
      }),
      base,
    );
    const headers = seen[0]?.headers;
    expect(headers).toMatchObject({ authorization: "Bearer t", "content-type": "application/json", "x-forwarded-for": "10.0.0.9" });
    expect(headers).not.toHaveProperty("te");
    expect(headers).not.toHaveProperty("proxy-authorization");
    expect(headers).not.toHaveProperty("x-only-here");
    expect(headers?.host).toBe(new URL(base).host);
  });

  it("keeps a path that BACKEND_URL has", async () => {
    await forward(ask("/api/tasks"), `${base}/todo/`);
    expect(seen[0]?.url).toBe("/todo/api/tasks");
  });

  it("carries the request's id, or a new one", async () => {
    const first = await forward(ask("/api/x", { headers: { "X-Request-ID": "abc-1" } }), base);
    const second = await forward(ask("/api/x"), base);
    expect(seen[0]?.headers["x-request-id"]).toBe("abc-1");
    expect(first.headers.get("x-request-id")).toBe("abc-1");
    expect(seen[1]?.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.headers.get("x-request-id")).toBe(seen[1]?.headers["x-request-id"]);
  });

  it("replaces a request id that could forge a log line", async () => {
    await forward(ask("/api/x", { headers: { "X-Request-ID": '"}{"level":"error"' } }), base);
    expect(seen[0]?.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("streams a body: the backend reads the start before the end is sent", async () => {
    let release: () => void = () => undefined;
    const firstChunk = new Promise<void>((resolve) => (release = resolve));
    server.removeAllListeners("request");
    server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
        release();
      });
      request.on("end", () => response.end(body));
    });
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("first,"));
        await firstChunk;
        controller.enqueue(new TextEncoder().encode("second"));
        controller.close();
      },
    });
    const answer = await forward(ask("/api/x", { method: "POST", body }), base);
    expect(await answer.text()).toBe("first,second");
  });
});

describe("what reaches the browser", () => {
  it("is the status, headers and body of the backend", async () => {
    respond = (_request, response) => {
      response.writeHead(201, { "Content-Type": "application/json", "Set-Cookie": ["a=1", "b=2"], "Keep-Alive": "timeout=5" });
      response.end('{"id":1}');
    };
    const answer = await forward(ask("/api/tasks", { method: "POST", body: "{}" }), base);
    expect(answer.status).toBe(201);
    expect(await answer.json()).toEqual({ id: 1 });
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(answer.headers.has("keep-alive")).toBe(false);
    expect(answer.headers.has("connection")).toBe(false);
    expect(answer.headers.has("transfer-encoding")).toBe(false);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("is not unpacked on the way", async () => {
    const packed = gzipSync("hello");
    respond = (_request, response) => {
      response.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": packed.length });
      response.end(packed);
    };
    const answer = await forward(ask("/api/x"), base);
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(Buffer.from(await answer.arrayBuffer()).equals(packed)).toBe(true);
  });

  it("comes as it is made: the start before the end", async () => {
    let finish: () => void = () => undefined;
    respond = (_request, response) => {
      response.write("first,");
      finish = () => response.end("second");
    };
    const answer = await forward(ask("/api/x"), base);
    const reader = answer.body?.getReader();
    const chunk = await reader?.read();
    expect(new TextDecoder().decode(chunk?.value)).toBe("first,");
    finish();
    const rest = await reader?.read();
    expect(new TextDecoder().decode(rest?.value)).toBe("second");
  });

  it("has no body where there is none", async () => {
    respond = (_request, response) => response.writeHead(204).end();
    const answer = await forward(ask("/api/tasks/1", { method: "DELETE" }), base);
    expect(answer.status).toBe(204);
    expect(answer.body).toBeNull();
  });

  it("keeps errors of the backend as they are", async () => {
    respond = (_request, response) => response.writeHead(503).end('{"detail":"The database does not answer."}');
    const answer = await forward(ask("/api/tasks"), base);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ detail: "The database does not answer." });
  });

  it("does not lead to the backend's inner address", async () => {
    respond = (_request, response) => response.writeHead(307, { Location: `${base}/api/tasks/?a=1` }).end();
    const answer = await forward(ask("/api/tasks"), base);
    expect(answer.status).toBe(307);
    expect(answer.headers.get("location")).toBe("/api/tasks/?a=1");
  });

  it("may come before the request has been read to its end", async () => {
    server.removeAllListeners("request");
    server.on("request", (_request: http.IncomingMessage, response: http.ServerResponse) => {
      response.writeHead(413, { Connection: "close" }).end('{"detail":"Too large."}');
    });
    const answer = await forward(ask("/api/x", { method: "POST", body: "x".repeat(5_000_000) }), base);
    expect(answer.status).toBe(413);
    expect(await answer.json()).toEqual({ detail: "Too large." });
  });
});

describe("a backend that is away", () => {
  it("is a 502 with a sentence, and the log says which address and why", async () => {
    const port = await deadPort();
    const answer = await forward(ask("/api/tasks", { headers: { "X-Request-ID": "r-1" } }), `http://127.0.0.1:${port}`, QUICK);
    expect(answer.status).toBe(502);
    expect(answer.headers.get("content-type")).toContain("application/json");
    const body: unknown = await answer.json();
    expect(body).toEqual({ detail: expect.stringMatching(/cannot be reached/) as string, code: "backend_unreachable", request_id: "r-1" });
    expect(JSON.stringify(body)).not.toContain("127.0.0.1");
    expect(JSON.parse(logged.join(""))).toMatchObject({ level: "error", reason: "ECONNREFUSED", backend: `127.0.0.1:${port}`, request_id: "r-1" });
  });

  it("is found when it comes back while connecting is tried again", async () => {
    const port = await deadPort();
    const late = http.createServer((_request, response) => response.end("back"));
    setTimeout(() => late.listen(port, "127.0.0.1"), 60);
    const answer = await forward(ask("/api/x", { method: "POST", body: "once" }), `http://127.0.0.1:${port}`, { connectAttempts: 20, connectPause: 25 });
    expect(await answer.text()).toBe("back");
    await new Promise((resolve) => late.close(resolve));
  });

  it("is a 502 when it hangs up without an answer, and is not asked twice", async () => {
    respond = (request) => request.socket.destroy();
    const answer = await forward(ask("/api/tasks", { method: "POST", body: "{}" }), base, QUICK);
    expect(answer.status).toBe(502);
    expect(seen).toHaveLength(1);
  });

  it("is a 504 when it stays silent", async () => {
    respond = () => undefined;
    const answer = await forward(ask("/api/tasks"), base, QUICK);
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({ code: "backend_timeout" });
  });

  it("is told when the browser goes away", async () => {
    const controller = new AbortController();
    const closed = new Promise<void>((resolve) => {
      respond = (request) => {
        request.socket.on("close", () => resolve());
        controller.abort();
      };
    });
    const answer = await forward(ask("/api/chat", { method: "POST", body: "{}", signal: controller.signal }), base);
    await closed;
    expect(answer.status).toBe(499);
  });
});

describe("BACKEND_URL", () => {
  it("missing is a 500 that names it", async () => {
    vi.stubEnv("BACKEND_URL", "");
    const answer = await GET(ask("/api/tasks"));
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ code: "backend_url_missing", detail: expect.stringContaining("BACKEND_URL") as string });
  });

  it.each(["backend-svc:8000", "not a url", "ftp://backend"])("%j is a 500 that says what is expected", async (value) => {
    const answer = await forward(ask("/api/tasks"), value);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ code: "backend_url_invalid", detail: expect.stringContaining("http://backend-svc:8000") as string });
  });

  it("is read per request, by the route itself", async () => {
    vi.stubEnv("BACKEND_URL", base);
    respond = (_request, response) => response.end("[]");
    const answer = await POST(ask("/api/tasks", { method: "POST", body: "{}" }));
    expect(await answer.text()).toBe("[]");
  });
});

describe("the log", () => {
  it("has one line of JSON per request, with no header, body or query in it", async () => {
    await forward(ask("/api/tasks?token=s3cret", { method: "POST", body: "s3cret", headers: { Authorization: "Bearer s3cret" } }), base);
    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ level: "info", method: "POST", path: "/api/tasks", status: 200 });
    expect(logged[0]).not.toContain("s3cret");
  });

  it("is quiet about good requests at LOG_LEVEL=warning", async () => {
    vi.stubEnv("LOG_LEVEL", "warning");
    await forward(ask("/api/tasks"), base);
    expect(logged).toEqual([]);
  });
});
