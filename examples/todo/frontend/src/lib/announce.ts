import { identity } from "@/lib/identity";
import { log } from "@/lib/log";

/** Says in the log which build starts, and what is missing for it to be of use. */
export function announce(): void {
  log("info", "frontend starting", {
    ...identity(),
    node: process.version,
    port: Number(process.env.PORT ?? 3000),
  });
  if (!process.env.BACKEND_URL) {
    log("warning", "BACKEND_URL is not set: /api on this server answers 500 until it is");
  }
}
