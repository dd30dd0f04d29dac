/** What the policy depends on. */
export interface CspOptions {
  /** Random per request; Next puts it on the scripts it writes into the page. */
  nonce: string;
  /** The API's base address when it is another origin, otherwise empty. */
  apiUrl: string;
  /** React's development build needs eval for its error overlay. */
  development: boolean;
}

/**
 * The Content-Security-Policy of a page: only this origin's files, only scripts with this request's nonce.
 *
 * `upgrade-insecure-requests` is left out on purpose: the page is often served over plain HTTP on loopback.
 */
export function contentSecurityPolicy({ nonce, apiUrl, development }: CspOptions): string {
  const connect = ["'self'"];
  if (URL.canParse(apiUrl)) {
    connect.push(new URL(apiUrl).origin);
  }
  if (development) {
    connect.push("ws:");
  }
  const directives: Record<string, string[]> = {
    "default-src": ["'self'"],
    "script-src": ["'self'", `'nonce-${nonce}'`, "'strict-dynamic'", ...(development ? ["'unsafe-eval'"] : [])],
    "style-src": ["'self'", development ? "'unsafe-inline'" : `'nonce-${nonce}'`],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": connect,
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
  };
  return Object.entries(directives)
    .map(([name, values]) => `${name} ${values.join(" ")}`)
    .join("; ");
}
