#!/bin/sh
# Writes what compose.yaml keeps secret into .env beside it, or into the file that is named. What is there stays: the
# database knows its first password only.
set -eu
file=${1:-$(dirname "$0")/.env}
if [ -e "$file" ]; then
  echo "$file is there already and stays as it is."
  exit 0
fi
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
printf 'POSTGRES_PASSWORD=%s\nJWT_SECRET=%s\n' "$(random)" "$(random)" >"$file"
echo "$file has new secrets; nobody else can read it."
