#!/usr/bin/env bash
# Makes .venv: Python's packages at pinned versions and the Ansible collections that Slipway calls.
#
#   scripts/setup.sh [deploy|test]     deploy: what a deploy needs (default); test: also what the tests need
#
# Safe to run again: nothing is done while the pins, the interpreter and the place are what they were.
set -euo pipefail

profile=${1:-deploy}
case $profile in deploy | test) ;; *) echo "usage: scripts/setup.sh [deploy|test]" >&2; exit 64 ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
least=12 # of Python 3, because ansible-core asks for it

# Its interpreter may be gone, or another one may stand in its place: it is run, and its version is part of the stamp.
interpreter() { "$venv/bin/python" -I -S -c 'import sys; print(sys.version)' 2>/dev/null; }

stamp_of() { # the profile's pins, this script, the place and the interpreter, as one sum
  local sum
  sum=$(cd "$root" && { cat "requirements/$1.txt" requirements/collections.yml requirements/bundle.txt scripts/setup.sh && pwd -P && printf '%s\n' "$runs"; } | sha256sum)
  printf '%s\n' "${sum%% *}"
}

# What was set up for the tests serves a deploy as well.
runs=$(interpreter) || runs=
for done_profile in test "$profile"; do
  stamp=$venv/.slipway-$done_profile
  if [ -n "$runs" ] && [ -x "$venv/bin/ansible-playbook" ] && [ -f "$stamp" ] && [ "$(<"$stamp")" = "$(stamp_of "$done_profile")" ] &&
    { [ -z "${SLIPWAY_PYTHON:-}" ] || [ "$SLIPWAY_PYTHON" = "$(cat "$venv/.slipway-named" 2>/dev/null)" ]; }; then
    exit 0
  fi
done

usable() { # is $1 a Python that is new enough and can make virtual environments?
  "$1" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $least))" 2>/dev/null
}

itself() { # The interpreter of $1: a pyenv shim answers differently in another directory, and one of .venv may have to go.
  "$1" -c 'import sys; print(getattr(sys, "_base_executable", None) or sys.executable)'
}

find_python() {
  local candidate
  for candidate in python3.13 python3.12 python3.14 python3 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/{3.13,3.12,3.14}.*/bin/python3; do
    if usable "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

if [ -n "${SLIPWAY_PYTHON:-}" ]; then
  wrong=
  if ! python=$(command -v "$SLIPWAY_PYTHON"); then
    wrong="there is no such program"
  elif ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
    wrong="it does not run as Python"
  elif ! "$python" -c "import sys; sys.exit(sys.version_info < (3, $least))"; then
    wrong="it is Python $version, and Slipway needs 3.$least or newer"
  elif ! usable "$python"; then
    wrong="it lacks the module venv or ensurepip (on Debian and Ubuntu: install python$version-venv)"
  fi
  if [ -n "$wrong" ]; then
    cat >&2 <<EOF
SLIPWAY_PYTHON=$SLIPWAY_PYTHON cannot be used: $wrong.
What to do: name another interpreter, or unset SLIPWAY_PYTHON to use one from PATH or pyenv. Nothing was changed.
EOF
    exit 69
  fi
elif ! python=$(find_python); then
  cat >&2 <<EOF
Slipway needs Python 3.$least or newer with the venv module, and found none on PATH or under pyenv.
What to do: on Debian 13 or Ubuntu 24.04 and newer, install python3-venv; elsewhere, 'pyenv install 3.13', or
name an interpreter in the environment variable SLIPWAY_PYTHON, and run this again.
EOF
  exit 69
fi
python=$(itself "$python")

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

# Two set-ups at once would write over each other; the second waits and then finds the work done.
exec 9>"$root/.setup.lock"
flock 9

has_packages() { # are the packages of .venv those of its interpreter's version? Its word counts: an empty file also exits with 0.
  [ "$("$venv/bin/python" -I -c 'import os, sysconfig; print(os.path.isdir(sysconfig.get_path("purelib")))' 2>/dev/null)" = True ]
}

fits() { # does .venv work, here, and with the interpreter that was named?
  [ "$(cat "$venv/.slipway-place" 2>/dev/null)" = "$root" ] && usable "$venv/bin/python" && has_packages &&
    { [ -z "${SLIPWAY_PYTHON:-}" ] || [ "$(itself "$venv/bin/python")" -ef "$python" ]; }
}

# Of a link only the link is removed.
if { [ -e "$venv" ] || [ -L "$venv" ]; } && ! fits; then
  say "the Python environment is incomplete, or was made for another place or Python: making it anew"
  rm -rf "$venv"
fi
if [ ! -d "$venv" ]; then
  say "making .venv with $("$python" --version)"
  "$python" -m venv "$venv"
  printf '%s\n' "$root" >"$venv/.slipway-place"
fi
say "installing Python packages (requirements/$profile.txt)"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements/$profile.txt"

site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$venv/bin/python" "$root/scripts/install_collections.py" --requirements "$root/requirements/collections.yml" \
  --bundle "$root/requirements/bundle.txt" --into "$site"

# The checkout is the collection slipway.kube wherever it lies.
mkdir -p "$site/ansible_collections/slipway"
ln -sfn "$root" "$site/ansible_collections/slipway/kube"

printf '%s\n' "${SLIPWAY_PYTHON:-}" >"$venv/.slipway-named"
runs=$(interpreter)
# The stamp says that all is there, so all must be on the disk before it: the machine may lose power.
sync -f "$venv"
stamp_of "$profile" >"$venv/.slipway-$profile.new"
sync "$venv/.slipway-$profile.new"
mv "$venv/.slipway-$profile.new" "$venv/.slipway-$profile"
say "ready"
