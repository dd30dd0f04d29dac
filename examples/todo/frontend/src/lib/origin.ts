/**
 * Whether a browser takes an origin for potentially trustworthy (https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy): one that is
 * encrypted or on the person's own machine. Elsewhere it ignores a Cross-Origin-Opener-Policy and complains in its console.
 *
 * @param protocol `https`, with or without a colon; of a list, as proxies in a row make it, the first counts
 * @param host as in the request's Host header, with or without a port
 */
export function isTrustworthy(protocol: string, host: string): boolean {
  if (/^https:?(,|$)/.test(protocol.trim().toLowerCase())) {
    return true;
  }
  const name = host.toLowerCase().replace(/:\d+$/, "");
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}
