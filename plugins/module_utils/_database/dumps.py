# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of a PostgreSQL server in the cluster: written, checked, restored. Private to the collection.

PostgreSQL's own programs run in the server's container, so that their version is the server's and no password leaves it. Their data
goes through C(kubectl exec), which streams in both directions; kubernetes.core.k8s_exec returns text only, and k8s_cp needs room for the
dump in the container.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._database.servers import Server

SCRATCH = "slipway_restore"  # the database that a dump is restored into, before it takes the place of the old one
REPLACED = "slipway_replaced"  # the old one, until it is dropped

# As the official image does: the user and the database default to postgres and the user's name.
_ENVIRONMENT = """set -eu
export PGHOST=127.0.0.1 PGUSER="${POSTGRES_USER:-postgres}"
export PGDATABASE="${POSTGRES_DB:-$PGUSER}"
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then PGPASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"; else PGPASSWORD="$POSTGRES_PASSWORD"; fi
export PGPASSWORD PGOPTIONS='--client-min-messages=warning'
run() { psql --no-psqlrc --quiet --tuples-only --no-align --field-separator='|' --set=ON_ERROR_STOP=1 "$@"; }
"""

# Tables whose rows a dump holds: not those of extensions, which the extension brings.
_COUNT = r"""SELECT format('SELECT ''rows'', count(*), %L FROM ONLY %I.%I;', format('%I.%I', n.nspname, c.relname), n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1 \gexec
"""

# The rows are counted in the snapshot that is dumped, so writes in the meantime change neither. Counts go to standard error, the dump
# is alone on standard output. The snapshot holds as long as the transaction that exports it.
_DUMP = rf"""{_ENVIRONMENT}run <<'END'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \gset
\o | cat >&2
SELECT 'version', current_setting('server_version_num'), current_database();
{_COUNT}\o
\setenv SNAPSHOT :snapshot
\! pg_dump --format=custom --snapshot="$SNAPSHOT" && echo 'dumped|1|' >&2
COMMIT;
END
"""

# Reads the dump to its end, as a restore would, and counts the rows that it holds.
_READ = r"""set -eu
{ pg_restore --data-only --file=- && echo '-- whole'; } | awk '
  !copying && /^COPY .* FROM stdin;$/ { name = $0; sub(/^COPY /, "", name); sub(/ \(.*$/, "", name); rows = 0; copying = 1; next }
  copying && $0 == "\\." { print "rows|" rows "|" name; copying = 0; next }
  copying { rows++ }
  !copying { whole = $0 == "-- whole" }
  END { if (!whole) exit 1; print "read|1|" }'
"""

_RESTORE = f"""{_ENVIRONMENT}run --dbname=template1 <<'END'
DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE);
DROP DATABASE IF EXISTS {REPLACED} WITH (FORCE);
CREATE DATABASE {SCRATCH} TEMPLATE template0;
END
pg_restore --dbname={SCRATCH} --no-owner --exit-on-error --single-transaction
run --dbname={SCRATCH} <<'END'
{_COUNT}END
echo 'restored|1|'
"""

_DROP = f"""{_ENVIRONMENT}run --dbname=template1 --command='DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE)'"""

# Both names change in one transaction, so there is always a database of the name that the application uses. A client that connects
# between the two statements keeps the database from being renamed: then once more.
_SWAP = f"""{_ENVIRONMENT}database="$PGDATABASE"
swap() {{ run --dbname=template1 --set=database="$database" <<'END'
SELECT 'ended', count(pg_terminate_backend(pid)), '' FROM pg_stat_activity WHERE datname = :'database';
BEGIN;
ALTER DATABASE :"database" RENAME TO {REPLACED};
ALTER DATABASE {SCRATCH} RENAME TO :"database";
COMMIT;
END
}}
for attempt in 1 2 3 4; do if swap; then break; elif [ "$attempt" = 4 ]; then exit 1; fi; done
echo 'swapped|1|' >&2
run --dbname=template1 --command='DROP DATABASE {REPLACED} WITH (FORCE)'
"""

_ASK = f"""{_ENVIRONMENT}run <<'END'
SELECT 'version', current_setting('server_version_num'), current_database();
{_COUNT}END
"""


class DumpError(ValueError):
    """A dump could not be written, read or restored; the text is a sentence."""


@dataclass(frozen=True)
class Content:
    """What a database, or a dump of it, holds."""

    version: int  # of the server, as server_version_num: 170002
    database: str
    tables: dict[str, int]  # rows, by the table's name as SQL writes it

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.version // 10000

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(self.tables.values())


def parse(lines: str) -> tuple[dict[str, int], dict[str, tuple[int, str]], list[str]]:
    """Return rows by table, other facts by their words, and the lines that are neither."""
    tables: dict[str, int] = {}
    facts: dict[str, tuple[int, str]] = {}
    rest: list[str] = []
    for line in lines.splitlines():
        word, number, text = [*line.split("|", 2), "", ""][:3]
        if not number.isdigit():
            rest.append(line)
        elif word == "rows":
            tables[text] = int(number)
        else:
            facts[word] = int(number), text
    return tables, facts, rest


def difference(wanted: dict[str, int], found: dict[str, int]) -> str:
    """Name the first tables whose rows differ; empty when none do."""
    names = [name for name in sorted({*wanted, *found}) if wanted.get(name, 0) != found.get(name, 0)]
    told = [f"{name} has {found.get(name, 0)} rows instead of {wanted.get(name, 0)}" for name in names[:3]]
    return ", ".join(told) + (f", and {len(names) - 3} more" if len(names) > 3 else "")


class Pod:
    """A server's container, in which PostgreSQL's programs run. C(kubectl) is the program with its options for the cluster."""

    def __init__(self, kubectl: Sequence[str], server: Server, pod: str) -> None:
        self._command = [*kubectl, "--namespace", server.namespace, "exec", "--quiet", "--container", server.container]
        self._pod = pod
        self._server = server

    def _run(
        self, script: str, what: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
    ) -> tuple[str, str]:
        """Return what a script says on standard output and standard error. Raises DumpError when it fails."""
        code, output, errors = self._execute(script, stdin, stdout)
        if code:
            raise self._failed(what, errors)
        return output, errors

    def _execute(
        self, script: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
    ) -> tuple[int, str, str]:
        command = [*self._command, *(["--stdin"] if stdin else []), self._pod, "--", "sh", "-c", script]
        try:
            ended = subprocess.run(
                command, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise DumpError(
                f"{command[0]} cannot be run: {error.strerror}. Set binary_path to kubectl, or install it."
            ) from None
        return ended.returncode, (ended.stdout or b"").decode(errors="replace"), ended.stderr.decode(errors="replace")

    def _failed(self, what: str, errors: str) -> DumpError:
        lines = [line for line in parse(errors)[2] if line.strip() and not line.startswith("command terminated")]
        told = sentence(Masker().outside(" ".join(lines)) or "the connection to the pod broke off")
        return DumpError(f"{self._server.workload} in namespace {self._server.namespace} {what}: {told}")

    def look(self) -> Content:
        """Return what the database holds. Raises DumpError."""
        output, _errors = self._run(_ASK, "could not be asked")
        tables, facts, _rest = parse(output)
        return Content(*facts["version"], tables)

    def dump(self, file: IO[bytes]) -> Content:
        """Write a dump to a file; returns what it must hold. Raises DumpError."""
        what = "could not be dumped"
        _output, errors = self._run(_DUMP, what, stdout=file)
        tables, facts, _rest = parse(errors)
        if "dumped" not in facts or "version" not in facts:
            raise self._failed(what, errors)
        return Content(*facts["version"], tables)

    def read(self, file: IO[bytes]) -> dict[str, int]:
        """Read a dump to its end; returns rows by table. Raises DumpError."""
        return self._counted(_READ, "read", "could not read the dump", file)

    def restore(self, file: IO[bytes]) -> dict[str, int]:
        """Restore a dump beside the database, which is not touched; returns rows by table. Raises DumpError."""
        return self._counted(_RESTORE, "restored", "could not restore the dump", file)

    def _counted(self, script: str, end: str, what: str, file: IO[bytes]) -> dict[str, int]:
        """Return the rows by table that a script counts in a dump; the word C(end) says that it has come to its end."""
        output, errors = self._run(script, what, stdin=file)
        tables, facts, _rest = parse(output)
        if end not in facts:
            raise self._failed(what, errors)
        return tables

    def discard(self) -> None:
        """Drop what was restored beside the database. Raises DumpError."""
        self._run(_DROP, f"could not drop the database {SCRATCH}")

    def swap(self) -> None:
        """Put what was restored in the place of the database, whose connections end. Raises DumpError."""
        code, _output, errors = self._execute(_SWAP)
        if code and "swapped" in parse(errors)[1]:
            raise self._failed(
                f"is restored, but kept the old database as {REPLACED}; the next restore drops it", errors
            )
        if code:
            raise self._failed("could not switch to the restored database; the database is as it was", errors)
