import { NextResponse, type NextRequest } from "next/server";

import { contentSecurityPolicy } from "@/lib/csp";
import { isTrustworthy } from "@/lib/origin";

/** Gives every page the policies that depend on the request: for its scripts, with a nonce of its own, and for its window. */
export function proxy(request: NextRequest): NextResponse {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64");
  const policy = contentSecurityPolicy({
    nonce,
    apiUrl: process.env.NEXT_PUBLIC_API_URL ?? "",
    development: process.env.NODE_ENV === "development",
  });

  const headers = new Headers(request.headers);
  // Next reads the nonce out of the request's policy and puts it on its own scripts.
  headers.set("Content-Security-Policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  const protocol = request.headers.get("x-forwarded-proto") ?? request.nextUrl.protocol;
  if (isTrustworthy(protocol, request.headers.get("host") ?? "")) {
    response.headers.set("Cross-Origin-Opener-Policy", "same-origin");
  }
  return response;
}

export const config = {
  // Pages only: files, the API and the health answer run no script.
  matcher: ["/((?!api/|healthz|_next/static|_next/image|icon.svg).*)"],
};
