# For the scripts beside it: steps that say one line when all is well and everything when it is not.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cache=$root/.cache
logs=$cache/logs
mkdir -p "$logs"

say() { printf '   %s\n' "$*"; }

# quiet NAME COMMAND...: run it with its output in a file; show the file and end the script when it fails.
quiet() {
  local name=$1 log="$logs/${0##*/}-${1// /-}.log" started=$SECONDS code=0
  shift
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if [ "$code" -ne 0 ]; then
    cat "$log"
    say "$name failed with exit code $code after $((SECONDS - started)) s: $*"
    exit 1
  fi
  say "$name: done in $((SECONDS - started)) s"
}

# sum_of FILE...: one sum over files, and over words that come on standard input.
sum_of() { cat - "$@" | sha256sum | cut -d' ' -f1; }
