import Link from "next/link";

import { Mark } from "@/components/icons";

export default function NotFound() {
  return (
    <main className="splash">
      <Mark />
      <h1>There is nothing here</h1>
      <p className="muted">The page you asked for does not exist.</p>
      <Link className="button button-primary" href="/">
        Go to your tasks
      </Link>
    </main>
  );
}
