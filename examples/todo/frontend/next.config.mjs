// @ts-check
import { STATIC_SECURITY_HEADERS } from "./src/lib/security-headers.mjs";

const here = import.meta.dirname;

/** @type {import("next").NextConfig} */
const config = {
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  // No image is transformed at run time, so sharp and libvips have no place in the image.
  images: { unoptimized: true },
  outputFileTracingExcludes: { "*": ["node_modules/sharp/**", "node_modules/@img/**"] },
  // Said explicitly: a lock file in a parent folder must not move the root of the standalone tree.
  outputFileTracingRoot: here,
  turbopack: { root: here },
  // Written into the scripts by the build, under whichever of its two names the address came.
  env: { NEXT_PUBLIC_API_URL: process.env.NEXT_PUBLIC_API_URL || process.env.NEXT_PUBLIC_BACKEND_URL || "" },
  headers: async () => [
    // Answers under /api carry the backend's own headers; the proxy adds what is missing there.
    { source: "/((?!api/).*)", headers: STATIC_SECURITY_HEADERS },
  ],
};

export default config;
