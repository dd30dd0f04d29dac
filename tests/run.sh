#!/usr/bin/env bash
# Runs the tests and ends with one line of what passed and failed.
#
#   tests/run.sh [lint|sanity|docsite|unit|charts|app|engine|molecule ...]     these, in a sensible order, when none is named
#   tests/run.sh deployments|transaction|drift                         parts of what needs a cluster, by themselves
#   tests/run.sh more|mutants                                          what takes longer; runs each night
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export PATH=$root/.venv/bin:$PATH
# Compiled code is kept, whatever a container's image has set: without it, the unit tests take a third longer.
unset PYTHONDONTWRITEBYTECODE
export ANSIBLE_NOCOLOR=${ANSIBLE_NOCOLOR:-1} NO_COLOR=${NO_COLOR:-1} PY_COLORS=0 MOLECULE_COMMAND_BORDERS=false

scratch=$(mktemp -d) || exit
trap 'rm -rf "$scratch"' EXIT
outcomes=$scratch/outcomes # a line for each step that has ended
: >"$outcomes"
lanes=() # process groups of lists of steps that run beside each other

interrupted() {
  if [ ${#lanes[@]} -gt 0 ]; then
    kill -INT -- "${lanes[@]/#/-}"
    wait
  fi
  exit 130
}
trap interrupted INT TERM

step() { # run a named step and note how it ended; beside others it is shown in one piece when it has
  local name=$1 started=$SECONDS outcome=passed log=$scratch/$1
  shift
  if [ -z "${beside:-}" ]; then
    printf '\n== %s\n' "$name"
    "$@" 2>&1 | tee "$log" || outcome=FAILED
    printf '== %s: %s (%ss)\n' "$name" "$outcome" $((SECONDS - started))
  else
    "$@" >"$log" 2>&1 || outcome=FAILED
    { flock 9 && printf '\n== %s\n' "$name" && cat "$log" && printf '== %s: %s (%ss)\n' "$name" "$outcome" $((SECONDS - started)); } 9>"$scratch/lock"
  fi
  printf '%s %s\n' "$outcome" "$name" >>"$outcomes"
}

side_by_side() { # run lists of parts at the same time, each list in its order
  local list beside=yes
  set -m # a process group for each, so that an interruption reaches all of it
  for list; do
    # shellcheck disable=SC2086  # words
    (trap 'exit 130' INT && run_parts $list) </dev/null &
    lanes+=($!)
  done
  for list in "${lanes[@]}"; do
    wait "$list" || printf 'FAILED steps beside each other\n' >>"$outcomes" # it was killed, and says nothing itself
  done
  set +m
  lanes=()
}

in_lanes() { # lists of parts: beside each other, or one after the other where something else runs on the second core
  if [ -z "${beside:-}" ]; then
    side_by_side "$@"
  else
    run_parts "$@"
  fi
}

as_collection() { # run a program that must see the collection under its own name, wherever the checkout lies
  local place
  place=$(mktemp -d) || return
  mkdir -p "$place/ansible_collections/slipway" && ln -s "$root" "$place/ansible_collections/slipway/kube" || return
  (cd "$place" && PYTHONPATH=$place "$@")
  local code=$?
  rm -rf "$place"
  return $code
}
types() { as_collection mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" -p ansible_collections.slipway.kube.plugins; }
imports() { as_collection lint-imports --no-cache "$root/pyproject.toml"; }

spelling() { git ls-files -z | xargs -0 codespell; }

shell_syntax() { git ls-files -z -- '*.sh' .ci/run distribution/images/*/entrypoint distribution/images/*/prepare | xargs -0 -n 1 bash -n; }

go_formatting() {
  local formatter unformatted
  formatter=$(tests/tools/tools.py gofmt) || return
  unformatted=$("$formatter" -l distribution/programs) || return
  [ -z "$unformatted" ] || { printf 'not formatted:\n%s\n' "$unformatted"; return 1; }
}

charts() { # the programs come from the cache, or are made once
  local programs
  programs=$(tests/tools/tools.py helm helm-unittest kubeconform schemas) || return
  { read -r HELM && read -r HELM_UNITTEST && read -r KUBECONFORM && read -r KUBERNETES_SCHEMAS; } <<<"$programs"
  export HELM HELM_UNITTEST KUBECONFORM KUBERNETES_SCHEMAS
  pytest tests/charts
}

run_lint() { in_lanes "ansible_lint" "other_lint"; }
run_ansible_lint() { step "ansible-lint" ansible-lint; }
run_other_lint() {
  step "ruff" ruff check .
  step "types" types
  step "direction of imports" imports
  step "spelling" spelling
  step "changelog fragments" antsibull-changelog lint
  step "yamllint" yamllint --strict .
  step "shell syntax" shell_syntax
  step "Go formatting" go_formatting
}
run_docsite() { step "documentation pages" scripts/docsite.py; }
run_sanity() { step "ansible-test sanity" tests/sanity/run.py; }
# More lanes than cores: these tests wait for servers, processes and times that are up as often as they compute.
run_unit() { in_lanes "toolchain_tests" "role_tests" "shared_code_tests" "other_tests"; }
run_toolchain_tests() { step "unit tests of the role toolchain" pytest tests/unit/roles/test_toolchain.py; }
run_role_tests() { step "unit tests of roles" pytest tests/unit/roles --ignore=tests/unit/roles/test_toolchain.py; }
run_shared_code_tests() { step "unit tests of shared code" pytest tests/unit/plugins/module_utils; }
run_other_tests() { step "unit tests" pytest tests/unit tests/bench --ignore=tests/unit/roles --ignore=tests/unit/plugins/module_utils; }
run_charts() { step "charts" charts; }
run_app() {
  step "backend" tests/app/backend.sh
  step "frontend" tests/app/frontend.sh
  step "compose" tests/app/compose.sh
}
# After the compose step, which brings an engine where there is none.
run_engine() { step "container engine" pytest tests/engine; }
# One cluster for all scenarios of a run: made by the first step, removed by the last.
scenarios() { # Molecule notes outside the checkout that it has created one: a killed run's note would skip the first step
  molecule reset --scenario-name default && molecule test "$@"
}
run_molecule() { step "molecule" scenarios --all --report; }
run_transaction() { step "molecule: transaction" scenarios -s transaction; }
run_drift() { step "molecule: changes by hand" scenarios -s drift; }
run_deployments() {
  step "molecule: the five deployments" scenarios --report \
    -s default -s two_charts -s hardened -s nodeport -s loadbalancer
}
run_more() {
  step "unit tests with new examples" env SLIPWAY_EXAMPLES=random pytest tests/unit
  # Each day of the week begins with another fault, so that all points meet all faults.
  SLIPWAY_KILLS=all SLIPWAY_NIGHT=$(date +%u) step "molecule: runs interrupted at every point, and all changes by hand" \
    scenarios -s transaction -s drift
}
run_mutants() { step "mutants" tests/tools/mutants.py; }

run_parts() {
  local part
  for part; do "run_$part"; done
}

for part; do
  case $part in
    lint | sanity | docsite | unit | charts | app | engine | molecule | deployments | transaction | drift | more | mutants) ;;
    *) echo "usage: tests/run.sh [lint|sanity|docsite|unit|charts|app|engine|molecule|deployments|transaction|drift|more|mutants ...]" >&2; exit 64 ;;
  esac
done
if [ $# -gt 0 ]; then
  run_parts "$@"
else
  # Each of the two keeps one core busy, and they take equally long. A cluster wants the machine for itself.
  side_by_side "lint sanity docsite unit" "app engine charts"
  run_parts molecule
fi

printf '\n== all steps (%ss)\n' "$SECONDS"
while read -r outcome name; do # what failed in them, for whoever sees only the end
  [ "$outcome" = FAILED ] || continue
  printf 'FAILED %s\n' "$name"
  [ -f "$scratch/$name" ] && grep -E 'FAILED |^ *(- )?.?E  +|fatal: |^\[ERROR\]' "$scratch/$name" | grep -v RETRYING | cut -c 1-200 | tail -n 20 | sed 's/^/    /'
done <"$outcomes"
failed=$(grep -c '^FAILED ' "$outcomes")
printf '%d passed, %d failed\n' "$(grep -c '^passed ' "$outcomes")" "$failed"
[ "$failed" -eq 0 ]
