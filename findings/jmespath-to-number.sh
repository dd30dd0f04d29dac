#!/usr/bin/env bash
# jmespath 1.1.0 (Python): to_number() reads texts that are no JSON numbers.
#
# The specification says that to_number() of a text is the number that JSON would read, and null for every other text. The library
# asks Python's int() and float(), which also read "1_000", spaces, a plus sign, leading zeros, "nan", "infinity" and digits of other
# scripts. With nan a comparison is quietly false, and json.dumps() writes NaN, which is no JSON.
#
# Seen with jmespath 1.1.0 on Python 3.11 and 3.13. Looked for in the library's issues: the opposite was mended in 2017 (numbers without a
# dot were not read), this was not found.
# For Slipway: a check that compares a number out of a text, such as `to_number(version) > `1``, can pass for a text that is no number.
#
# Needs bash, Python 3 with venv (PYTHON names another one than python3), and the Python package index. Takes seconds. Ends with
# 1 when it has changed.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check jmespath==1.1.0

cat >"$place/expected" <<'END'
'12' -> 12
'1e3' -> 1000.0
'1_000' -> 1000
' 12 ' -> 12
'+5' -> 5
'007' -> 7
'5.' -> 5.0
'nan' -> nan
'infinity' -> inf
'\u0663' -> 3
'0x10' -> None
'nan' > 1 -> False
END
"$place/venv/bin/python" - >"$place/seen" <<'END'
import jmespath

for text in ("12", "1e3", "1_000", " 12 ", "+5", "007", "5.", "nan", "infinity", "\u0663", "0x10"):
    print(f"{ascii(text)} -> {jmespath.search('to_number(@)', text)}")
print(f"'nan' > 1 -> {jmespath.search('to_number(@) > `1`', 'nan')}")
END

if diff -u "$place/expected" "$place/seen"; then
  echo "as described: jmespath 1.1.0, to_number()"
else
  echo "the behaviour has changed: the lines with + are new" >&2
  exit 1
fi
