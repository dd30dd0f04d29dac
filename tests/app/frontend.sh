#!/usr/bin/env bash
# The example frontend's linter, types and tests, with the Node.js of .venv: nothing of the machine's own is needed.
set -euo pipefail
# shellcheck source=tests/app/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

export PATH=$root/.venv/bin:$PATH CI=1 NEXT_TELEMETRY_DISABLED=1 NO_COLOR=1
if [ ! -x "$root/.venv/bin/npm" ]; then
  say "Node.js is not in .venv. What to do: run 'make test-app', which sets it up, or 'scripts/setup.sh test'."
  exit 69
fi
cd "$root/examples/todo/frontend"

stamp=$(node --version | sum_of package.json package-lock.json)
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$stamp" ]; then
  quiet "Node packages" npm ci --no-progress
  printf '%s\n' "$stamp" >node_modules/.stamp
fi

quiet "linter" npm run lint
quiet "types" npm run typecheck
quiet "tests" npm run test
say "$(grep -E '^ *Tests ' "$logs/frontend.sh-tests.log" | tr -s ' ')"
