import "@testing-library/jest-dom/vitest";
import { afterEach } from "vitest";

if (typeof document !== "undefined") {
  const { cleanup } = await import("@testing-library/react");
  const { session } = await import("@/lib/session");
  afterEach(() => {
    cleanup();
    session.end("logout");
  });
}
