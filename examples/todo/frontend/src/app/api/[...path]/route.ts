import { forward } from "@/lib/forward";

// node:http is needed to stream bodies through untouched; nothing here may be cached or computed at build time.
export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/**
 * `/api/*` goes on to the backend. With an Ingress in front `/api` never arrives here; without one (NodePort,
 * LoadBalancer, port-forward) this is the only way to the API. BACKEND_URL is read per request, so one image serves any place.
 */
function handler(request: Request): Promise<Response> {
  return forward(request, process.env.BACKEND_URL);
}

export { handler as DELETE, handler as GET, handler as HEAD, handler as OPTIONS, handler as PATCH, handler as POST, handler as PUT };
