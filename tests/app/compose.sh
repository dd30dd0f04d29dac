#!/usr/bin/env bash
# The example without a cluster: brings up examples/todo/compose.yaml, goes a user's way through it, restarts the
# database, and takes everything down again. On a port, with secrets and under a project name of its own.
#
# The engine and the base images come as for a deploy. Where there is no Compose, root gets Debian's installed; anyone
# else is told how.
set -euo pipefail
# shellcheck source=tests/app/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

export PATH=$root/.venv/bin:$PATH ANSIBLE_NOCOLOR=1 PYTHONDONTWRITEBYTECODE=1
# The person's own settings are no business of a test.
unset "${!POSTGRES_@}" "${!OPENAI_@}" "${!OPENROUTER_@}" "${!VAPID_@}" "${!APP_@}" "${!NEXT_PUBLIC_@}" "${!COMPOSE_@}" \
  JWT_SECRET BETTER_AUTH_SECRET ALLOWED_ORIGINS ENVIRONMENT API_VERSION LOG_LEVEL LOG_FORMAT \
  BACKEND_IMAGE FRONTEND_IMAGE PYTHON_VERSION NODE_VERSION TODO_PORT
# Debian's docker-compose builds by itself then, and asks for no client beside it.
export COMPOSE_DOCKER_CLI_BUILD=0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    return 1
  fi
}

install_compose() {
  export DEBIAN_FRONTEND=noninteractive
  local get=(apt-get -q -y -o Acquire::Retries=5 -o DPkg::Lock::Timeout=120)
  quiet "package index" "${get[@]}" update
  quiet "Compose" "${get[@]}" install --no-install-recommends docker-compose
}

cd "$root"
# Not in silence: making them takes as long as a first deploy.
SLIPWAY_REPORT_DIR=$logs/engine ansible-playbook -i inventory/umbrella tests/app/engine.yml -e "engine_address_file=$scratch/engine" \
  </dev/null 2>&1 | sed -u 's/^/   /'
DOCKER_HOST=$(cat "$scratch/engine")
export DOCKER_HOST

if ! find_compose; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "The test needs Compose, and there is none."
    say "What to do: install it (apt-get install docker-compose, or Docker's plugin for Compose)."
    exit 69
  fi
  say "Compose is missing: installing Debian's package"
  install_compose
  find_compose
fi

cd "$root/examples/todo"
quiet "secrets" ./secrets.sh "$scratch/env"
TODO_PORT=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export TODO_PORT TODO_COMPOSE_PROJECT=todo-test-$$
compose+=(--file compose.yaml --project-name "$TODO_COMPOSE_PROJECT" --env-file "$scratch/env")

take_down() {
  local code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    "${compose[@]}" ps || say "the containers cannot be listed"
    "${compose[@]}" logs --no-color --tail 25 || say "the logs cannot be read"
  fi
  "${compose[@]}" down --volumes --remove-orphans >"$logs/compose.sh-down.log" 2>&1 || {
    cat "$logs/compose.sh-down.log"
    code=1
  }
  rm -rf "$scratch"
  exit "$code"
}
trap take_down EXIT
trap 'exit 130' INT TERM

quiet "images" "${compose[@]}" build
quiet "start" "${compose[@]}" up --detach
printf -v TODO_COMPOSE '%s\n' "${compose[@]}"
export TODO_COMPOSE
quiet "tests" python -m pytest -p no:cacheprovider --rootdir "$root/tests/app" "$root/tests/app/test_compose.py"
say "$(tail -n 1 "$logs/compose.sh-tests.log")"
