# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password in a database follows its Secret, through a stand-in for kubectl."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._database.passwords import (
    PasswordChanger,
    PasswordError,
    verifier,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import Target, by_secret, roll_back
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import SecretManager, read_wanted
from fake_kubernetes import FakeKubernetes

KUBECTL = """#!{python}
import json, pathlib, sys
place = pathlib.Path(__file__).parent
with (place / "calls").open("a") as calls:
    print(json.dumps([sys.argv[1:], sys.stdin.read()]), file=calls)
if (place / "refused").exists():
    sys.exit("ERROR: permission denied")
"""


class Database:
    """A cluster with a PostgreSQL server that takes its password from the key P of the Secret db."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.kubectl = place / "kubectl"
        self.kubectl.write_text(KUBECTL.format(python=sys.executable), encoding="utf-8")
        self.kubectl.chmod(0o755)
        self.api = FakeKubernetes()
        self.api.add("namespaces", "todo", status={"phase": "Active"})
        source = {"valueFrom": {"secretKeyRef": {"name": "db", "key": "P"}}}
        environment = [{"name": "POSTGRES_PASSWORD", **source}]
        container = {"name": "server", "ports": [{"containerPort": 5432}], "env": environment}
        spec = {"selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"containers": [container]}}}
        self.api.add("statefulsets", "db", labels={"app.kubernetes.io/instance": "shop"}, spec=spec)
        self.pod = self.api.add("pods", "db-0", labels={"a": "1"})
        self.ready("True")
        self.waited: list[float] = []

    def ready(self, status: str) -> None:
        self.api.get("pods", "db-0")["status"] = {"conditions": [{"type": "Ready", "status": status}]}

    @property
    def calls(self) -> list[Any]:
        """Arguments and standard input of each call of kubectl."""
        file = self.place / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def changer(self) -> PasswordChanger:
        command = [str(self.kubectl), "--context", "c"]
        return PasswordChanger(self.api, lambda: command, [("todo", "shop")], self.waited.append)  # type: ignore[arg-type]

    def deploy(self, password: str, **values: str) -> dict[str, Any]:
        keys = [{"name": name, "value": value} for name, value in {"P": password, **values}.items()]
        wanted = read_wanted([{"name": "db", "namespace": "todo", "keys": keys}])
        return SecretManager(self.api, prepare=self.changer).ensure(wanted)

    def go_back(self) -> dict[str, Any]:
        """Go back to the first content."""
        first = by_secret(self.api.collections[self.api.path("secrets")])["db"]
        wanted = next(copy for copy in first if copy.data["P"] == b"first password")
        target = Target("revision 1 of release shop", [wanted.checksum], {})
        return roll_back(self.api, [("todo", "db")], [target], ["db"], prepare=self.changer)

    @property
    def password(self) -> str:
        return base64.b64decode(self.api.get("secrets", "db")["data"]["P"]).decode()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path)


def test_verifier_is_the_one_of_rfc_7677() -> None:
    # Password and salt are those of its example, and so is the key by which its server signature is made.
    found = verifier(b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert found == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    # The letter e with an accent as one character and as two; bytes that are no text.
    assert verifier("\u00e9".encode(), b"s") == verifier("e\u0301".encode(), b"s") != verifier(b"\xff", b"s")


def test_password_is_changed_before_the_secret_and_its_value_leaves_no_trace(database: Database) -> None:
    assert database.deploy("first password")["changed"] and database.calls == []
    seen: list[str] = []
    database.api.react("PATCH .*/db$", lambda _call: seen.extend(database.calls[0][0]))
    database.deploy("second password")
    ((arguments, given),) = database.calls
    assert seen == arguments, "the Secret changed before the database"
    place = ["--context", "c", "--namespace", "todo", "exec", "--quiet", "--stdin", "--container", "server", "db-0"]
    assert arguments[:-1] == [*place, "--", "sh", "-c"] and "ALTER ROLE" in arguments[-1]
    salt = base64.b64decode(given.split(":")[1].partition("$")[0])
    assert given == f"{verifier(b'second password', salt)}\n" and "second password" not in str(database.calls)


def test_other_changes_are_none_of_the_database(database: Database) -> None:
    database.deploy("first password")
    database.deploy("first password", OTHER="other value")
    keys = [{"name": "P", "value": "another value"}]
    for value in ("another value", "changed value"):
        keys[0]["value"] = value
        wanted = read_wanted([{"name": "api", "namespace": "todo", "keys": keys}])
        SecretManager(database.api, prepare=database.changer).ensure(wanted)
    assert database.calls == []


def test_password_goes_back(database: Database) -> None:
    database.deploy("first password")
    database.deploy("second password")
    result = database.go_back()
    salt = base64.b64decode(database.calls[1][1].split(":")[1].partition("$")[0])
    assert database.calls[1][1] == f"{verifier(b'first password', salt)}\n"
    assert result["changed"] and database.password == "first password"


def test_pod_that_is_being_replaced_is_waited_for(database: Database) -> None:
    database.deploy("first password")
    database.ready("False")
    database.api.react("GET .*/pods$", lambda _call: database.ready("True") if len(database.waited) == 3 else None)
    database.deploy("second password")
    assert database.waited == [1, 1, 1] and len(database.calls) == 1


def test_secret_stays_when_the_database_cannot_be_told(database: Database) -> None:
    database.deploy("first password")
    database.ready("False")
    with pytest.raises(
        PasswordError, match=r"changes the password in the database of StatefulSet/db .*No pod of StatefulSet/db"
    ):
        database.deploy("second password")
    assert database.password == "first password" and database.calls == []
    database.ready("True")
    (database.place / "refused").touch()
    with pytest.raises(PasswordError, match="which PostgreSQL refused: ERROR: permission denied"):
        database.deploy("second password")
    assert database.password == "first password"


def test_secrets_stay_when_the_database_cannot_be_told_on_the_way_back(database: Database) -> None:
    database.deploy("first password")
    database.deploy("second password")
    (database.place / "refused").touch()
    result = database.go_back()
    assert not result["changed"] and result["restored"] == [] and database.password == "second password"
    assert result["notes"][0].startswith("The Secrets stay as they are. Secret db changes the password")


def test_kubectl_that_is_not_there(database: Database) -> None:
    database.deploy("first password")
    database.kubectl.unlink()
    with pytest.raises(PasswordError, match="kubectl cannot be run: No such file or directory. Install kubectl."):
        database.deploy("second password")
