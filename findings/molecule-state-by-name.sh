#!/usr/bin/env bash
# molecule 26.10.0: two projects in directories of the same name share their state.
#
# Molecule notes in the user's home, outside the project, that a scenario's instances have been created. One would expect one note for each
# project, since two checkouts of a collection, or a new clone after the old one was deleted, have different instances. The directory of the
# note is named after a hash of the last part of the project's path alone. So "molecule create" in the second checkout runs nothing
# ("instances already created"), and what follows works on instances that are not there, or on those of the other checkout.
#
# Seen with molecule 26.10.0, ansible-core 2.21.5 and Python 3.13. Looked for in the project's issues: two scenarios of one project that share
# a directory are discussed, two projects were not found.
# For Slipway: tests/run.sh forgets the note with "molecule reset" before it runs Molecule.
#
# Needs bash, Python 3.12 or newer with venv (PYTHON names another one than python3), and the Python package index. Takes a minute. Ends with
# 1 when it has changed.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check molecule==26.10.0 ansible-core==2.21.5
export HOME=$place/home PATH=$place/venv/bin:$PATH NO_COLOR=1
mkdir "$HOME"

for checkout in first second; do
  scenario=$place/$checkout/shop/molecule/default
  mkdir -p "$scenario"
  echo '{driver: {name: default}, platforms: [{name: instance}], scenario: {create_sequence: [create]}}' >"$scenario/molecule.yml"
  for playbook in create destroy converge; do
    echo '[{hosts: localhost, gather_facts: false, tasks: []}]' >"$scenario/$playbook.yml"
  done
done

cat >"$place/expected" <<'END'
first: Successful
second: Skipped (Skipping, instances already created.)
END
for checkout in first second; do
  (cd "$place/$checkout/shop" && molecule create 2>&1) | sed -n "s/^default > create: Executed: /$checkout: /p"
done >"$place/seen"

if diff -u "$place/expected" "$place/seen"; then
  echo "as described: molecule 26.10.0, state of a project"
else
  echo "the behaviour has changed: the lines with + are new" >&2
  exit 1
fi
