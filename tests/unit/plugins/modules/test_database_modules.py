# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores through a stand-in for kubectl, which answers as PostgreSQL's programs do.

The programs themselves are tried on a cluster by the scenario two_charts.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._database import backups, dumps
from ansible_collections.slipway.kube.plugins.modules import database_backup, database_restore
from fake_kubernetes import FakeKubernetes, stand_in

Object = dict[str, Any]
RELEASE = {"name": "shop", "namespace": "todo"}
DUMP = "PGDMP of the shop"
ROWS = "rows|12|public.tasks\nrows|0|public.users\n"
# Says what a script would say that the test names, one a kind of script; notes the kinds and the arguments.
KUBECTL = """#!{python}
import json, pathlib, sys
place = pathlib.Path(__file__).parent
script = sys.argv[-1]
words = {{"dump": "pg_dump", "read": "pg_restore --data-only", "restore": "pg_restore --dbname", "swap": "RENAME TO", "drop": "DROP DATABASE"}}
kind = next((kind for kind, word in words.items() if word in script), "look")
with (place / "calls").open("a") as calls:
    print(kind, file=calls)
(place / "arguments").write_text(json.dumps(sys.argv[1:-1]))
if kind in ("read", "restore"):
    (place / "received").write_bytes(sys.stdin.buffer.read())
output, errors, code = json.loads((place / "answers.json").read_text())[kind]
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""


class Server:
    """A cluster with one PostgreSQL server, and what its programs answer: standard output, standard error and exit code."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self._capsys = place, capsys
        self.kubectl = place / "kubectl"
        self.kubectl.write_text(KUBECTL.format(python=sys.executable), encoding="utf-8")
        self.kubectl.chmod(0o755)
        version = "version|170002|todo\n"
        self.answers: dict[str, tuple[str, str, int]] = {
            "dump": (DUMP, f"{version}{ROWS}dumped|1|\n", 0),
            "read": (f"{ROWS}read|1|\n", "", 0),
            "restore": (f"{ROWS}restored|1|\n", "", 0),
            "look": (f"{version}rows|3|public.tasks\n", "", 0),
            "swap": ("", "", 0),
            "drop": ("", "", 0),
        }
        container = {"name": "db", "ports": [{"containerPort": 5432}], "env": [{"name": "POSTGRES_PASSWORD"}]}
        workload = {
            "metadata": {"name": "db", "labels": {"app.kubernetes.io/instance": "shop"}},
            "spec": {
                "selector": {"matchLabels": {"app": "db"}},
                "template": {"spec": {"containers": [container]}},
            },
        }
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        api = FakeKubernetes()
        api.put("statefulsets", [workload], "todo")
        api.put("deployments", [], "todo")
        api.put("pods", [{"metadata": {"name": "db-0", "labels": {"app": "db"}}, "status": ready}], "todo")
        stand_in(api, monkeypatch)

    def run(self, module: Any, **options: Any) -> Object:
        """Run one of the modules; returns its result."""
        (self.place / "answers.json").write_text(json.dumps(self.answers), encoding="utf-8")
        (self.place / "calls").write_text("", encoding="utf-8")
        given = {"releases": [RELEASE], "binary_path": str(self.kubectl), "context": "slipway", **options}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        found: Object = json.loads(self._capsys.readouterr().out)
        return found

    def back_up(self, **options: Any) -> Object:
        return self.run(database_backup, directory=str(self.place / "backups"), **options)

    def restore(self, path: Path, **options: Any) -> Object:
        return self.run(database_restore, path=str(path), **options)

    @property
    def calls(self) -> list[str]:
        return (self.place / "calls").read_text(encoding="utf-8").split()

    @property
    def files(self) -> list[str]:
        return sorted(file.name for file in (self.place / "backups").iterdir())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Server:
    return Server(tmp_path, monkeypatch, capsys)


@pytest.fixture
def dump(server: Server) -> Path:
    (found,) = server.back_up()["backups"]
    return Path(found["path"])


def test_a_backup_is_a_dump_that_only_its_owner_reads_and_a_record_of_it(server: Server) -> None:
    (found,) = server.back_up()["backups"]
    path = Path(found["path"])
    assert (found["server"], found["rows"], found["size"]) == ("StatefulSet/db", 12, len(DUMP))
    assert path.read_text(encoding="utf-8") == DUMP
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    record = backups.Record.read(path)
    assert record is not None
    assert record.content == dumps.Content(170002, "todo", {"public.tasks": 12, "public.users": 0})
    assert record.sha256 == hashlib.sha256(DUMP.encode()).hexdigest()
    assert server.files == [path.name, f"{path.name}.json"]
    assert server.calls == ["dump", "read"]
    arguments = json.loads((server.place / "arguments").read_text(encoding="utf-8"))
    assert arguments[:4] == ["--context", "slipway", "--namespace", "todo"]
    assert arguments[-4:] == ["db-0", "--", "sh", "-c"]


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        ("dump", (DUMP, f"version|170002|todo\n{ROWS}", 0), "could not be dumped"),
        ("dump", ("", "pg_dump: error: permission denied for table tasks\n", 1), "permission denied for table tasks"),
        ("dump", ("", "", 137), "the connection to the pod broke off"),
        ("read", ("rows|12|public.tasks\n", "pg_restore: error: end of file", 1), "end of file"),
        ("read", ("rows|12|public.tasks\n", "", 0), "could not read the dump"),
        ("read", ("rows|11|public.tasks\nread|1|\n", "", 0), "public.tasks has 11 rows instead of 12"),
    ],
)
def test_a_dump_that_is_not_whole_is_not_kept(
    server: Server, kind: str, answer: tuple[str, str, int], told: str
) -> None:
    server.answers[kind] = answer
    found = server.back_up()
    assert found["failed"]
    assert told in found["msg"]
    assert server.files == []


def test_check_mode_backs_up_nothing(server: Server) -> None:
    found = server.back_up(_ansible_check_mode=True)
    assert [one["path"] for one in found["backups"]] == [""]
    assert server.calls == []
    assert not (server.place / "backups").exists()


def test_a_directory_that_cannot_be_written_is_named(server: Server) -> None:
    (server.place / "backups").write_text("", encoding="utf-8")
    assert "cannot be written: File exists" in server.back_up()["msg"]


def test_what_a_killed_run_left_is_overwritten(server: Server) -> None:
    (server.place / "backups").mkdir()
    (server.place / "backups/.todo-db.part").write_text("half of a dump that was much longer", encoding="utf-8")
    (found,) = server.back_up()["backups"]
    assert found["size"] == len(DUMP)
    assert len(server.files) == 2


def test_a_restore_switches_once_the_rows_are_there(server: Server, dump: Path) -> None:
    found = server.restore(dump)
    assert found["changed"]
    assert found["tables"] == {"public.tasks": 12, "public.users": 0}
    assert server.calls == ["look", "restore", "swap"]
    assert (server.place / "received").read_text(encoding="utf-8") == DUMP


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        (
            "restore",
            ("rows|11|public.tasks\nrestored|1|\n", "", 0),
            "public.tasks has 11 rows instead of 12. The database is as it was",
        ),
        ("restore", ("", "pg_restore: error: role ann does not exist", 1), "role ann does not exist"),
        ("restore", (ROWS, "", 0), "could not restore the dump"),
        (
            "swap",
            ("", "ERROR: database todo is being accessed by other users", 1),
            "the database is as it was: ERROR: database todo",
        ),
    ],
)
def test_a_restore_that_fails_leaves_the_database(
    server: Server, dump: Path, kind: str, answer: tuple[str, str, int], told: str
) -> None:
    server.answers[kind] = answer
    found = server.restore(dump)
    assert found["failed"]
    assert told in found["msg"]
    assert server.calls[-1] == "drop"
    assert ("swap" in server.calls) == (kind == "swap")


def test_a_restore_that_only_keeps_the_old_database_says_that_it_has_switched(server: Server, dump: Path) -> None:
    server.answers["swap"] = ("", "swapped|1|\nERROR: database slipway_replaced is being accessed by other users", 1)
    told = server.restore(dump)["msg"]
    assert (
        "is restored, but kept the old database as slipway_replaced; the next restore drops it: ERROR: database" in told
    )
    assert "as it was" not in told


def test_a_dump_of_a_newer_server_is_refused_before_anything_is_changed(server: Server, dump: Path) -> None:
    server.answers["look"] = ("version|160004|todo\n", "", 0)
    found = server.restore(dump)
    assert "is of PostgreSQL 17, which PostgreSQL 16 cannot restore" in found["msg"]
    assert server.calls == ["look"]


def test_a_dump_that_has_changed_is_refused(server: Server, dump: Path) -> None:
    dump.write_text(f"{DUMP} and more", encoding="utf-8")
    assert "has changed since it was written" in server.restore(dump)["msg"]
    assert server.calls == []


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ('{"format": 2}', "written by a newer Slipway"),
        ('{"format": 1}', "is not the record of a backup"),
        ("{", "is not the record of a backup"),
    ],
)
def test_a_record_that_cannot_be_used_is_named(server: Server, dump: Path, record: str, told: str) -> None:
    backups.record_path(dump).write_text(record, encoding="utf-8")
    assert told in server.restore(dump)["msg"]


def test_a_dump_of_somebody_else_is_restored_without_a_record(server: Server, dump: Path) -> None:
    backups.record_path(dump).unlink()
    found = server.restore(dump)
    assert (found["created"], found["rows"]) == ("", 12)


def test_what_is_no_dump_is_refused(server: Server, tmp_path: Path) -> None:
    plain = tmp_path / "plain.sql"
    plain.write_text("CREATE TABLE tasks ();", encoding="utf-8")
    assert "is not a dump in PostgreSQL's custom format" in server.restore(plain)["msg"]
    assert "No such file" in server.restore(tmp_path / "absent.dump")["msg"]


def test_check_mode_restores_nothing(server: Server, dump: Path) -> None:
    found = server.restore(dump, _ansible_check_mode=True)
    assert found["rows"] == 12
    assert server.calls == ["look"]
