"use client";

import { Mark } from "@/components/icons";

/** Shown when a page itself breaks; failed calls to the API are handled where they happen. */
export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  return (
    <main className="splash" role="alert">
      <Mark />
      <h1>This page broke</h1>
      <p className="muted">Your tasks are safe on the server. Try again; if it stays broken, reload the page.</p>
      <button type="button" className="button button-primary" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
