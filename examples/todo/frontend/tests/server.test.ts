import { NextRequest } from "next/server";
import { describe, expect, it, vi } from "vitest";

import nextConfig from "../next.config.mjs";
import { GET } from "@/app/healthz/route";
import { announce } from "@/lib/announce";
import { contentSecurityPolicy } from "@/lib/csp";
import { proxy } from "@/proxy";

describe("GET /healthz", () => {
  it("says which build answers, from the environment of the moment", async () => {
    vi.stubEnv("APP_VERSION", "1.2.3");
    vi.stubEnv("APP_IMAGE_TAG", "f00d");
    const answer = GET();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({ status: "ok", version: "1.2.3", image_tag: "f00d" });
  });

  it("answers without them too", async () => {
    vi.stubEnv("APP_VERSION", "");
    vi.stubEnv("APP_IMAGE_TAG", "");
    expect(await GET().json()).toEqual({ status: "ok", version: "unknown", image_tag: "unknown" });
  });
});

describe("the Content-Security-Policy", () => {
  const policy = (apiUrl = "", development = false) => contentSecurityPolicy({ nonce: "abc", apiUrl, development });

  it("lets only scripts with the nonce run", () => {
    const scripts = policy().split("; ").find((part) => part.startsWith("script-src"));
    expect(scripts).toContain("'nonce-abc'");
    expect(scripts).not.toMatch(/unsafe/);
  });

  it("allows the API's origin when it is another one, and nothing else", () => {
    expect(policy("https://api.test:8443/base")).toContain("connect-src 'self' https://api.test:8443;");
    expect(policy("")).toContain("connect-src 'self';");
  });

  it("does not force HTTPS on a page served over HTTP", () => {
    expect(policy()).not.toContain("upgrade-insecure-requests");
  });

  it("is another one for every page", () => {
    const [first, second] = [1, 2].map(() => proxy(new NextRequest("http://front.test/")).headers.get("content-security-policy"));
    expect(first).toMatch(/'nonce-[A-Za-z0-9+/]{22}=='/);
    expect(first).not.toBe(second);
  });
});

describe("the server's settings", () => {
  it("hide the framework and send the security headers with every page", async () => {
    expect(nextConfig.poweredByHeader).toBe(false);
    const rules = (await nextConfig.headers?.()) ?? [];
    expect(rules.flatMap((rule) => rule.headers.map((header) => header.key))).toEqual(
      expect.arrayContaining(["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"]),
    );
  });

  it.each([
    ["", "", ""],
    ["https://api.test", "", "https://api.test"],
    ["", "https://backend.test", "https://backend.test"],
    ["https://api.test", "https://backend.test", "https://api.test"],
  ])("take the API's address %j or, by its other name, %j", async (api, backend, expected) => {
    vi.stubEnv("NEXT_PUBLIC_API_URL", api);
    vi.stubEnv("NEXT_PUBLIC_BACKEND_URL", backend);
    vi.resetModules();
    const { default: config } = await import("../next.config.mjs");
    expect(config.env).toEqual({ NEXT_PUBLIC_API_URL: expected });
  });
});

describe("the line at the start", () => {
  it("is JSON, and warns when the API's place is not known", () => {
    vi.stubEnv("BACKEND_URL", "");
    vi.stubEnv("APP_IMAGE_TAG", "f00d");
    const lines: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((chunk) => lines.push(String(chunk)) > 0);
    announce();
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: "info", message: "frontend starting", image_tag: "f00d" },
      { level: "warning", message: expect.stringContaining("BACKEND_URL") as string },
    ]);
  });
});
