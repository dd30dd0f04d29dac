const LEVELS = { debug: 10, info: 20, warning: 30, error: 40 } as const;

export type Level = keyof typeof LEVELS;

/** LOG_LEVEL as a number; a level that is not known counts as info. */
function threshold(): number {
  const wanted = (process.env.LOG_LEVEL ?? "info").toLowerCase();
  return wanted in LEVELS ? LEVELS[wanted as Level] : LEVELS.info;
}

/** Writes one line of JSON to standard output. Callers pass no header, body or query: those may hold secrets. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (LEVELS[level] < threshold()) {
    return;
  }
  const line = { timestamp: new Date().toISOString(), level, service: "frontend", message, ...fields };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
