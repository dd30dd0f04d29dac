#!/usr/bin/env bash
# The example backend's linters, types and tests, in a Python environment of their own (.cache/backend).
#
# The tests start a PostgreSQL of their own. Where its programs are missing, root gets them installed by apt-get; anyone
# else is told how. TEST_DATABASE_URL names a server to use instead.
set -euo pipefail
# shellcheck source=tests/app/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

backend=$root/examples/todo/backend
venv=$cache/backend
# Nothing is written into the directory that the image is built of.
export PYTHONPYCACHEPREFIX=$cache/pycache
cd "$backend"

find_initdb() {
  command -v initdb || find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | head -n 1
}

install_postgresql() {
  export DEBIAN_FRONTEND=noninteractive
  local get=(apt-get -q -y -o Acquire::Retries=5 -o DPkg::Lock::Timeout=120)
  quiet "package index" "${get[@]}" update
  # The package would make and start a server that nobody asked for.
  quiet "PostgreSQL's settings" "${get[@]}" install --no-install-recommends postgresql-common
  sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  quiet "PostgreSQL" "${get[@]}" install --no-install-recommends postgresql
}

if [ -z "${TEST_DATABASE_URL:-}" ] && [ -z "$(find_initdb)" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "The tests need PostgreSQL's initdb, and there is none."
    say "What to do: install PostgreSQL (apt-get install postgresql), or set TEST_DATABASE_URL to a server on which databases may be created."
    exit 69
  fi
  say "PostgreSQL is missing: installing Debian's packages, without a server that starts by itself"
  install_postgresql
fi

python=$root/.venv/bin/python
stamp=$({ "$python" --version && printf '%s\n' "$venv"; } | sum_of requirements-dev.txt)
if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$venv"
  quiet "Python environment" "$python" -m venv "$venv"
  quiet "Python packages" "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
  printf '%s\n' "$stamp" >"$venv/.stamp"
fi

quiet "linter" "$venv/bin/ruff" check --cache-dir "$cache/ruff-backend" .
quiet "types" "$venv/bin/mypy" --cache-dir "$cache/mypy-backend"
quiet "tests" "$venv/bin/python" -m pytest -p no:cacheprovider
say "$(tail -n 1 "$logs/backend.sh-tests.log")"
