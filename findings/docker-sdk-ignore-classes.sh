#!/usr/bin/env bash
# docker 7.2.0 (Python): a negated character class in .dockerignore means the opposite of what the engine's own matcher reads.
#
# .dockerignore takes the patterns of Go's filepath.Match, where [^a] is every character but a, and ! has no meaning inside of the
# brackets. The Docker SDK for Python translates patterns with a copy of Python's fnmatch, where [!a] is the negation and ^ is an
# ordinary character. So `[^a].txt` leaves out a.txt (and ^.txt) and sends all others, where `docker build` sends a.txt alone. A
# backslash is not an escape for it either: `a\-b` leaves out nothing.
#
# Seen with docker 7.2.0 on Python 3.11 and 3.13, and with github.com/moby/patternmatcher v0.6.0, which the Docker CLI and BuildKit use, on
# Go 1.26.
# Looked for in the SDK's issues: several pull requests brought it nearer to the CLI (** and !), classes were not found there.
# For Slipway: the same sources can make two contexts. It reads .dockerignore itself, with tests against the engine's rules.
#
# Needs bash, Python 3 with venv (PYTHON names another one than python3), Go, the Python package index and a Go module proxy. Takes less
# than a minute. Ends with 1 when it has changed.
set -euo pipefail

place=$(mktemp -d)
trap 'chmod -R u+w "$place" && rm -rf "$place"' EXIT # Go writes its modules without the right to write
export GOPATH=$place/go GOCACHE=$place/cache GOFLAGS=-mod=mod
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check docker==7.2.0

mkdir "$place/context" "$place/matcher"
touch "$place/context"/{'!.txt','^.txt',a-b,a.txt,b.txt}
patterns=('[a].txt' '[^a].txt' '[!a].txt' 'a\-b')

cat >"$place/expected" <<'END'
SDK [a].txt: sends !.txt ^.txt a-b b.txt
SDK [^a].txt: sends !.txt a-b b.txt
SDK [!a].txt: sends a-b a.txt
SDK a\-b: sends !.txt ^.txt a-b a.txt b.txt
moby [a].txt: sends !.txt ^.txt a-b b.txt
moby [^a].txt: sends a-b a.txt
moby [!a].txt: sends ^.txt a-b b.txt
moby a\-b: sends !.txt ^.txt a.txt b.txt
END

"$place/venv/bin/python" - "$place/context" "${patterns[@]}" >"$place/seen" <<'END'
import sys

from docker.utils.build import exclude_paths

for pattern in sys.argv[2:]:
    print(f"SDK {pattern}: sends {' '.join(sorted(exclude_paths(sys.argv[1], [pattern])))}")
END

cat >"$place/matcher/main.go" <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/moby/patternmatcher"
)

func main() {
	files, err := os.ReadDir(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, pattern := range os.Args[2:] {
		matcher, err := patternmatcher.New([]string{pattern})
		if err != nil {
			panic(err)
		}
		fmt.Printf("moby %s: sends", pattern)
		for _, file := range files {
			left, err := matcher.MatchesOrParentMatches(file.Name())
			if err != nil {
				panic(err)
			}
			if !left {
				fmt.Print(" ", file.Name())
			}
		}
		fmt.Println()
	}
}
END
(
  cd "$place/matcher"
  go mod init finding 2>/dev/null
  go get github.com/moby/patternmatcher@v0.6.0 2>/dev/null
  go run . "$place/context" "${patterns[@]}"
) >>"$place/seen"

if diff -u "$place/expected" "$place/seen"; then
  echo "as described: docker 7.2.0 and moby/patternmatcher v0.6.0"
else
  echo "the behaviour has changed: the lines with + are new" >&2
  exit 1
fi
