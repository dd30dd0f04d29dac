import { identity } from "@/lib/identity";

// Without this the answer would be computed once, at build time.
export const dynamic = "force-dynamic";

/** Says that this server answers and which build it is. It does not ask the backend: that has checks of its own. */
export function GET(): Response {
  return Response.json({ status: "ok", ...identity() }, { headers: { "Cache-Control": "no-store" } });
}
