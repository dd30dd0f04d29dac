import { describe, expect, it } from "vitest";

import { isTrustworthy } from "@/lib/origin";

describe("isTrustworthy", () => {
  it.each([
    ["https:", "todo.example"],
    ["https", "192.0.2.7:30000"],
    ["https, http", "todo.example"],
    ["http:", "localhost:3000"],
    ["http:", "Todo.Localhost:8080"],
    ["http:", "127.0.0.1:8080"],
    ["http:", "[::1]:3000"],
  ])("believes %s with host %s", (protocol, host) => {
    expect(isTrustworthy(protocol, host)).toBe(true);
  });

  it.each([
    ["http:", "192.0.2.7:30000"],
    ["http:", "todo.local"],
    ["http, https", "todo.example"],
    ["http:", "localhost.example"],
    ["http:", "127.0.0.1.example"],
    ["http:", ""],
    ["httpsx", "todo.example"],
  ])("does not believe %s with host %s", (protocol, host) => {
    expect(isTrustworthy(protocol, host)).toBe(false);
  });
});
