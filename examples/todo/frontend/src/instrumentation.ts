/** Runs once, when the server starts. */
export async function register(): Promise<void> {
  // Imported under this condition only: the announcement uses Node's own interfaces.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { announce } = await import("@/lib/announce");
    announce();
  }
}
