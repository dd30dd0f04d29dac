// @vitest-environment jsdom
import { describe, expect, it, vi } from "vitest";

import { api, apiBase, ApiError, detailOf, explain } from "@/lib/api";
import { session } from "@/lib/session";

import { fakeApi, logIn, task } from "./fake-api";

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(
    () => new Error("the call was expected to fail"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("where the API is", () => {
  it.each([
    [undefined, ""],
    ["", ""],
    ["http://api.test", "http://api.test"],
    ["http://api.test/", "http://api.test"],
    ["http://api.test/api", "http://api.test"],
    ["http://api.test/api/", "http://api.test"],
    ["/api", ""],
    ["http://api.test/todo", "http://api.test/todo"],
  ])("reads %j as %j", (value, expected) => {
    expect(apiBase(value)).toBe(expected);
  });

  it("uses the address given at build time", async () => {
    vi.stubEnv("NEXT_PUBLIC_API_URL", "https://api.test");
    const calls = fakeApi({ "GET https://api.test/api/tasks": { body: [] } });
    await api.tasks();
    expect(calls).toHaveLength(1);
  });
});

describe("what is sent", () => {
  it("carries the token of the session", async () => {
    logIn();
    const calls = fakeApi({ "GET /api/tasks": { body: [task("1", "One")] } });
    await expect(api.tasks()).resolves.toEqual([task("1", "One")]);
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer token-of-ada");
  });

  it("logs in without an old token", async () => {
    logIn();
    const calls = fakeApi({ "POST /api/auth/login": { body: { access_token: "new" } } });
    await api.login({ email: "ada@example.com", password: "secret" });
    expect(calls[0]?.headers.has("authorization")).toBe(false);
    expect(calls[0]?.body).toEqual({ email: "ada@example.com", password: "secret" });
  });

  it("escapes ids", async () => {
    const calls = fakeApi({ "DELETE /api/tasks/a%2F..%2Fb": { status: 204 } });
    await expect(api.deleteTask("a/../b")).resolves.toBeNull();
    expect(calls).toHaveLength(1);
  });

  it("names the conversation once there is one", async () => {
    const calls = fakeApi({ "POST /api/chat": { body: { conversation_id: "c", reply: "Hi", tool_calls: [] } } });
    await api.chat("Hello", null);
    await api.chat("Again", "c");
    expect(calls.map((call) => call.body)).toEqual([{ message: "Hello" }, { message: "Again", conversation_id: "c" }]);
  });
});

describe("what goes wrong", () => {
  it("tells an unreachable server from a refusal", async () => {
    fakeApi({ "GET /api/tasks": new TypeError("Failed to fetch") });
    const error = await failure(api.tasks());
    expect(error.kind).toBe("network");
    expect(error.message).toMatch(/cannot be reached/);
  });

  it("says when the server took too long", async () => {
    fakeApi({ "GET /api/tasks": new DOMException("signal timed out", "TimeoutError") });
    expect((await failure(api.tasks())).kind).toBe("timeout");
  });

  it.each([502, 503, 504])("calls status %i unavailable, also when a proxy says it in HTML", async (status) => {
    fakeApi({ "GET /api/tasks": { status, body: "<html>Bad Gateway</html>" } });
    const error = await failure(api.tasks());
    expect(error.kind).toBe("unavailable");
    expect(error.message).not.toContain("html");
  });

  it("shows the server's own sentence and the reference", async () => {
    fakeApi({ "GET /api/tasks": { status: 502, body: { detail: "Away." }, headers: { "X-Request-ID": "r-1" } } });
    expect(explain(await failure(api.tasks()))).toEqual({ text: "Away.", reference: "r-1" });
  });

  it("gives no reference for a person's own mistake", async () => {
    fakeApi({ "POST /api/tasks": { status: 422, body: { detail: "Too long." }, headers: { "X-Request-ID": "r-1" } } });
    expect(explain(await failure(api.addTask("x")))).toEqual({ text: "Too long.", reference: null });
  });

  it("does not take an answer for data that is none", async () => {
    fakeApi({ "GET /api/tasks": { status: 200, body: "<html>a captive portal</html>" } });
    expect((await failure(api.tasks())).kind).toBe("server");
  });

  it("explains what is not an ApiError without repeating it", () => {
    expect(explain(new Error("x is undefined")).text).not.toContain("undefined");
  });
});

describe("the end of a session", () => {
  it("comes with a 401 to a call that carried the token", async () => {
    logIn();
    fakeApi({ "GET /api/tasks": { status: 401, body: { detail: "Token expired" } } });
    await failure(api.tasks());
    expect(session.get()).toBeNull();
    expect(session.hasExpired()).toBe(true);
    expect(window.sessionStorage.getItem("todo.session")).toBeNull();
  });

  it("does not come with a wrong password", async () => {
    logIn();
    fakeApi({ "POST /api/auth/login": { status: 401, body: { detail: "Wrong password" } } });
    expect((await failure(api.login({ email: "a@b.c", password: "x" }))).message).toBe("Wrong password");
    expect(session.get()?.token).toBe("token-of-ada");
  });

  it("does not come with a late answer to another session's call", async () => {
    logIn("old");
    fakeApi({
      "GET /api/tasks": () => {
        logIn("new");
        return { status: 401, body: {} };
      },
    });
    await failure(api.tasks());
    expect(session.get()?.token).toBe("new");
  });
});

describe("the sentence in an error's body", () => {
  it.each([
    [{ detail: "Plain" }, "Plain"],
    [{ message: "Message" }, "Message"],
    [{ error: { message: "Nested" } }, "Nested"],
    [{ detail: { message: "Deeper" } }, "Deeper"],
    [{ detail: [{ loc: ["body", "email"], msg: "not an address" }, { loc: ["body"], msg: "odd" }] }, "email: not an address. odd"],
    [{ detail: [] }, null],
    [{ detail: "" }, null],
    ["text", null],
    [null, null],
  ])("of %j is %j", (body, expected) => {
    expect(detailOf(body)).toBe(expected);
  });
});
