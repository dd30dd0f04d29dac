// @ts-check
// Plain JavaScript because next.config.mjs, which Node loads untranspiled, reads it too.

/**
 * Headers that are the same for every answer; the Content-Security-Policy, which carries a nonce, and the
 * Cross-Origin-Opener-Policy are made per request in src/proxy.ts. No HSTS: whoever ends TLS in front of this server knows whether it applies.
 *
 * @type {{ key: string, value: string }[]}
 */
export const STATIC_SECURITY_HEADERS = [
  { key: "X-Content-Type-Options", value: "nosniff" },
  { key: "X-Frame-Options", value: "DENY" },
  { key: "Referrer-Policy", value: "same-origin" },
  { key: "Permissions-Policy", value: "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
];
