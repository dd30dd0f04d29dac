// @ts-check
// Plain JavaScript because next.config.mjs, which Node loads untranspiled, reads it too.

/**
 * Headers that are the same for every answer; the Content-Security-Policy carries a nonce and is
 * made per request in src/proxy.ts. No HSTS: whoever ends TLS in front of this server knows whether it applies.
 *
 * @type {{ key: string, value: string }[]}
 */
export const STATIC_SECURITY_HEADERS = [
  { key: "X-Content-Type-Options", value: "nosniff" },
  { key: "X-Frame-Options", value: "DENY" },
  { key: "Referrer-Policy", value: "same-origin" },
  { key: "Permissions-Policy", value: "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
  { key: "Cross-Origin-Opener-Policy", value: "same-origin" },
];
