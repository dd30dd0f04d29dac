# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: which value a key gets, what is written, and that no value is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import ApiError
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    Source,
    TemplateError,
    Wanted,
    checksum,
    differences,
    generate,
    resolve,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import (
    SecretError,
    SecretKeeper,
    read_labels,
    read_wanted,
)


class FakeApi:
    """An API server that holds Secrets and namespaces."""

    def __init__(self, *secrets: dict[str, Any], namespaces: tuple[str, ...] = ()) -> None:
        self.secrets = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in secrets}
        self.namespaces = dict.fromkeys(namespaces, "Active")
        self.labels: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.refuse: ApiError | None = None

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        self.calls.append(("LIST", path, query))
        return [item for (namespace, _name), item in self.secrets.items() if f"/{namespace}/" in path]

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
    ) -> Any:
        self.calls.append((method, path, body))
        parts = path.split("/")
        if method == "GET":
            if parts[-1] not in self.namespaces:
                raise ApiError(404, "NotFound", "not found")
            return {
                "metadata": {"labels": self.labels.get(parts[-1], {})},
                "status": {"phase": self.namespaces[parts[-1]]},
            }
        if self.refuse:
            raise self.refuse
        if path == "/api/v1/namespaces":
            self.namespaces[body["metadata"]["name"]] = "Active"
            self.labels[body["metadata"]["name"]] = body["metadata"]["labels"]
        elif len(parts) == 5:
            self.labels.setdefault(parts[4], {}).update(body["metadata"]["labels"])
        elif method == "POST":
            body["metadata"].update(namespace=parts[4], resourceVersion="1")
            self.secrets[parts[4], body["metadata"]["name"]] = body
        else:
            found = self.secrets[parts[4], parts[6]]
            found["metadata"].setdefault("labels", {}).update(body["metadata"]["labels"])
            found["metadata"].setdefault("annotations", {}).update(body["metadata"]["annotations"])
            data = {**found.get("data", {}), **body["data"]}
            found["data"] = {key: value for key, value in data.items() if value is not None}
        return body

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        return [call for call in self.calls if call[0] in ("POST", "PATCH")]

    def value(self, name: str, key: str) -> str:
        return base64.b64decode(self.secrets["todo", name]["data"][key]).decode()


def foreign(**metadata: Any) -> dict[str, Any]:
    return {
        "type": "Opaque",
        "metadata": {"name": "api", "namespace": "todo", "resourceVersion": "7", **metadata},
        "data": {},
    }


WANTED = [
    {"name": "db", "namespace": "todo", "keys": [{"name": "PASSWORD", "generate": 32}]},
    {
        "name": "api",
        "namespace": "todo",
        "keys": [{"name": "URL", "template": "db://{PASSWORD}@host"}, {"name": "KEY", "value": "hunter2-hunter2"}],
    },
]


def ensure(api: FakeApi | None, given: list[dict[str, Any]] | None = None, **options: bool) -> dict[str, Any]:
    return SecretKeeper(api, **options).ensure(read_wanted(WANTED if given is None else given))


def test_first_run_makes_everything_and_tells_no_value() -> None:
    api = FakeApi()
    result = ensure(api)
    assert result["changed"] and result["namespaces"] == ["todo"]
    password = api.value("db", "PASSWORD")
    assert len(password) == 32 and password.isalnum()
    assert api.value("api", "URL") == f"db://{password}@host"
    shown = json.dumps(result)
    assert password not in shown and "hunter2" not in shown
    assert base64.b64encode(password.encode()).decode() not in shown
    assert result["secrets"][1]["differences"] == {"KEY": "added", "URL": "added"}
    labels = api.secrets["todo", "db"]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": "slipway"}


def test_second_run_changes_nothing_with_one_list_call() -> None:
    api = FakeApi()
    first = ensure(api)
    password = api.value("db", "PASSWORD")
    api.calls.clear()
    second = ensure(api)
    assert not second["changed"] and not api.writes
    assert [call[0] for call in api.calls] == ["LIST", "GET"]
    assert second["checksums"] == first["checksums"] and api.value("db", "PASSWORD") == password
    assert second["diff"]["prepared"] == ""


def test_change_writes_only_the_difference() -> None:
    api = FakeApi()
    first = ensure(api)
    api.calls.clear()
    changed = [WANTED[0], {**WANTED[1], "keys": [WANTED[1]["keys"][0], {"name": "KEY2", "value": "other-value"}]}]
    result = ensure(api, changed)
    ((method, _path, body),) = api.writes
    assert method == "PATCH" and set(body["data"]) == {"KEY", "KEY2"} and body["data"]["KEY"] is None
    assert body["metadata"]["resourceVersion"] == "1"
    assert result["secrets"][1]["differences"] == {"KEY": "removed", "KEY2": "added"}
    assert result["diff"]["prepared"] == "todo/api: KEY removed\ntodo/api: KEY2 added\n"
    assert result["checksums"]["db"] == first["checksums"]["db"]
    assert result["checksums"]["api"] != first["checksums"]["api"]


def test_check_mode_writes_nothing_and_promises_no_checksum() -> None:
    api = FakeApi()
    result = ensure(api, check_mode=True)
    assert result["changed"] and not api.writes and result["checksums"] == {"db": "", "api": ""}
    without = ensure(None, check_mode=True)
    assert without["changed"] and not without["reachable"] and without["namespaces"] == ["todo"]


def test_secret_of_somebody_else_stops_all_of_it() -> None:
    api = FakeApi(foreign(labels={"app.kubernetes.io/managed-by": "Helm"}))
    with pytest.raises(SecretError, match="by Helm and is left alone.*adopt"):
        ensure(api)
    assert not api.writes
    result = ensure(api, adopt=True)
    assert (
        result["changed"]
        and api.secrets["todo", "api"]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "slipway"
    )
    assert not ensure(api)["changed"]


def test_generated_value_is_kept_when_adopted() -> None:
    kept = base64.b64encode(b"older").decode()
    api = FakeApi({**foreign(), "metadata": {**foreign()["metadata"], "name": "db"}, "data": {"PASSWORD": kept}})
    ensure(api, adopt=True)
    assert api.value("db", "PASSWORD") == "older" and api.value("api", "URL") == "db://older@host"


def test_namespace_that_goes_away() -> None:
    api = FakeApi(namespaces=("todo",))
    api.namespaces["todo"] = "Terminating"
    with pytest.raises(SecretError, match="being deleted"):
        ensure(api)


def test_labels_of_namespaces_are_kept_beside_others() -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    api = FakeApi(namespaces=("todo",))
    api.labels["todo"] = {"team": "a"}
    planned = SecretKeeper(api, check_mode=True).ensure([], (), {"todo": level, "new": level})
    assert planned["changed"] and planned["namespaces"] == ["new"] and not api.writes
    result = SecretKeeper(api).ensure([], (), {"todo": level, "new": level})
    assert result["labels"] == planned["labels"] == {"todo": level, "new": level}
    assert result["diff"] == planned["diff"]
    assert "namespace todo: pod-security.kubernetes.io/enforce=restricted\n" in result["diff"]["prepared"]
    assert api.labels["todo"] == {"team": "a", **level} and api.labels["new"].items() >= level.items()
    assert not SecretKeeper(api).ensure([], (), {"todo": level, "new": level})["changed"]


def test_labels_that_are_none() -> None:
    assert read_labels({"todo": {"audited": 1}}) == {"todo": {"audited": "1"}}
    with pytest.raises(SecretError, match="no dictionary"):
        read_labels({"todo": "restricted"})


def test_refused_write_does_not_quote_what_was_sent() -> None:
    api = FakeApi(namespaces=("todo",))
    api.refuse = ApiError(422, "Invalid", "hunter2-hunter2 is invalid")
    with pytest.raises(SecretError, match="422 Invalid") as caught:
        ensure(api)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([WANTED[0], WANTED[0]], "declared twice"),
        (
            [{"name": "a", "namespace": "n", "keys": [{"name": "K", "generate": 20}, {"name": "K", "value": "x"}]}],
            "Key K",
        ),
        ([{"name": "a", "namespace": "n", "keys": [{"name": "K", "data": "no base64!"}]}], "not base64"),
        ([{"name": "a", "namespace": "n", "keys": [{"name": "K", "generate": 3}]}], "16 to 1024"),
    ],
)
def test_wrong_options(given: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(SecretError, match=words):
        read_wanted(given)


def test_binary_data_survives() -> None:
    api = FakeApi()
    ensure(api, [{"name": "b", "namespace": "todo", "keys": [{"name": "K", "data": "AP8="}]}])
    assert base64.b64decode(api.secrets["todo", "b"]["data"]["K"]) == b"\x00\xff"


def test_templates() -> None:
    wanted = [
        Wanted("a", "n", {"P": Source(value=b"p@ss/w"), "T": Source(template="{P} {P|url} {b/Q} {{x")}),
        Wanted("b", "n", {"Q": Source(template="<{T2}>"), "T2": Source(value=b"q")}),
    ]
    assert resolve(wanted, {})["n", "a"]["T"] == b"p@ss/w p%40ss%2Fw <q> {{x"


@pytest.mark.parametrize(
    ("template", "words"), [("{Z}", "names no declared key"), ("{b/Z}", "no declared"), ("{D}", "write {b/D} or {c/D}")]
)
def test_reference_that_leads_nowhere(template: str, words: str) -> None:
    wanted = [
        Wanted("a", "n", {"T": Source(template=template)}),
        Wanted("b", "n", {"D": Source(value=b"1")}),
        Wanted("c", "n", {"D": Source(value=b"2")}),
    ]
    with pytest.raises(TemplateError, match=words):
        resolve(wanted, {})


def test_circle_is_found_when_resolving() -> None:
    with pytest.raises(TemplateError, match=r"a\.X -> a\.Y -> a\.X"):
        resolve([Wanted("a", "n", {"X": Source(template="{Y}"), "Y": Source(template="{X}")})], {})


def test_a_long_chain_of_templates_is_filled() -> None:
    keys = {f"K{at}": Source(template=f"{{K{at + 1}}}") for at in range(3000)}
    assert resolve([Wanted("a", "n", {**keys, "K3000": Source(value=b"end")})], {})["n", "a"]["K0"] == b"end"


def test_generated_values_differ() -> None:
    assert generate(48) != generate(48) and len(generate(48)) == 48


def test_checksum_needs_the_salt_and_keeps_fields_apart() -> None:
    # Made by hand: HMAC with SHA-256 over each length in eight bytes and what has it. Another sum would restart all pods.
    assert checksum({"A": b"x"}, "s") == "df95b949fe28001c9b0e7597ebb4ce4b"
    assert checksum({"B": b"2", "A": b"1"}, "s") == checksum({"A": b"1", "B": b"2"}, "s")
    assert checksum({"A": b"x"}, "s") != checksum({"A": b"x"}, "t")
    assert checksum({"A": b"xB"}, "s") != checksum({"A": b"x", "B": b""}, "s")


def test_differences() -> None:
    assert differences({"a": b"1", "b": b"2"}, {"b": b"3", "c": b"4"}) == {"a": "removed", "b": "changed", "c": "added"}
    assert differences(None, {"a": b""}) == {"a": "added"}
