# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: which value a key gets, what is written, and that no value is told."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    DesiredSecret,
    Source,
    TemplateError,
    checksum,
    differences,
    generate,
    resolve,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import (
    SecretError,
    SecretManager,
    read_labels,
    read_wanted,
)
from fake_kubernetes import FakeKubernetes, refusal


def cluster(*secrets: dict[str, Any], namespaces: tuple[str, ...] = ()) -> FakeKubernetes:
    """A cluster with these Secrets and namespaces."""
    api = FakeKubernetes()
    for name in namespaces:
        api.add("namespaces", name, status={"phase": "Active"})
    api.put("secrets", list(secrets))
    return api


def value(api: FakeKubernetes, name: str, key: str) -> str:
    return base64.b64decode(api.get("secrets", name)["data"][key]).decode()


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


def ensure(api: FakeKubernetes | None, given: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:
    return SecretManager(api, **options).ensure(read_wanted(WANTED if given is None else given))


def test_first_run_makes_everything_and_tells_no_value() -> None:
    api = cluster()
    result = ensure(api)
    assert result["changed"] and result["namespaces"] == ["todo"]
    password = value(api, "db", "PASSWORD")
    assert len(password) == 32 and password.isalnum()
    assert value(api, "api", "URL") == f"db://{password}@host"
    shown = json.dumps(result)
    assert password not in shown and "hunter2" not in shown
    assert base64.b64encode(password.encode()).decode() not in shown
    assert result["secrets"][1]["differences"] == {"KEY": "added", "URL": "added"}
    labels = api.get("secrets", "db")["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": "slipway"}


def test_second_run_changes_nothing_with_one_list_call() -> None:
    api = cluster()
    first = ensure(api)
    password = value(api, "db", "PASSWORD")
    api.calls.clear()
    second = ensure(api)
    assert not second["changed"] and not api.writes
    assert [(call.method, call.last) for call in api.calls] == [("GET", "todo"), ("GET", "secrets")]
    assert second["checksums"] == first["checksums"] and value(api, "db", "PASSWORD") == password
    assert second["diff"]["prepared"] == ""


def test_change_writes_only_the_difference() -> None:
    api = cluster()
    first = ensure(api)
    before = api.get("secrets", "api")["metadata"]["resourceVersion"]
    api.calls.clear()
    changed = [WANTED[0], {**WANTED[1], "keys": [WANTED[1]["keys"][0], {"name": "KEY2", "value": "other-value"}]}]
    result = ensure(api, changed)
    assert result["changed"] and result["namespaces"] == [] and result["labels"] == {}
    copy, write = api.writes
    assert copy.method == "POST" and copy.body["immutable"]
    assert (
        write.method == "PATCH" and write.body["data"].keys() == {"KEY", "KEY2"} and write.body["data"]["KEY"] is None
    )
    assert write.body["metadata"]["resourceVersion"] == before
    assert result["secrets"][1]["differences"] == {"KEY": "removed", "KEY2": "added"}
    assert result["diff"]["prepared"] == "todo/api: KEY removed\ntodo/api: KEY2 added\n"
    assert result["checksums"]["db"] == first["checksums"]["db"]
    assert result["checksums"]["api"] != first["checksums"]["api"]


def test_check_mode_writes_nothing_and_promises_no_checksum() -> None:
    api = cluster()
    result = ensure(api, check_mode=True)
    assert result["changed"] and not api.writes and result["checksums"] == {"db": "", "api": ""}
    without = ensure(None, check_mode=True)
    assert without["changed"] and not without["reachable"] and without["namespaces"] == ["todo"]


def test_key_whose_variable_is_not_set_stays_as_it_is() -> None:
    def given(**key: Any) -> list[dict[str, Any]]:
        keys = [{"name": "A", "value": "aaaa"}, {"name": "TOKEN", **key}]
        return [{"name": "web", "namespace": "todo", "keys": keys}]

    api = cluster(namespaces=("todo",))
    kept = given(keep=True)
    assert ensure(api, kept)["secrets"][0]["key_names"] == ["A"]
    assert not ensure(api, kept)["changed"]
    # Ann has the variable, Bob has not.
    before = ensure(api, given(value="from ann"))["checksums"]
    result = ensure(api, kept)
    assert not result["changed"] and result["checksums"] == before and value(api, "web", "TOKEN") == "from ann"
    # What is not declared any more goes.
    assert ensure(api, [{**kept[0], "keys": kept[0]["keys"][:1]}])["secrets"][0]["differences"] == {"TOKEN": "removed"}


def test_template_of_a_key_that_is_kept() -> None:
    keys = [{"name": "TOKEN", "keep": True}, {"name": "URL", "template": "x:{TOKEN}"}]
    given = [{"name": "web", "namespace": "todo", "keys": keys}]
    api = cluster(namespaces=("todo",))
    with pytest.raises(TemplateError, match="{TOKEN} has no value: its variable is not set, and the cluster has none"):
        ensure(api, given)
    assert api.writes == []
    ensure(api, [{**given[0], "keys": [{"name": "TOKEN", "value": "tttt"}]}])
    ensure(api, given)
    assert value(api, "web", "URL") == "x:tttt"


@pytest.mark.parametrize(
    ("present", "refused"),
    [({"A": "YWFhYQ=="}, False), ({"A": "YWFhYQ==", "TOKEN": "dHR0dA=="}, False), ({"B": ""}, True)],
)
def test_immutable_secret_with_a_key_that_is_kept(present: dict[str, str], refused: bool) -> None:
    found = foreign(labels={"app.kubernetes.io/managed-by": "slipway"}) | {"immutable": True, "data": present}
    keys = [{"name": "A", "value": "aaaa"}, {"name": "TOKEN", "keep": True}]
    given = [{"name": found["metadata"]["name"], "namespace": "todo", "keys": keys}]
    api = cluster(found, namespaces=("todo",))
    if refused:
        with pytest.raises(SecretError, match="is immutable"):
            ensure(api, given)
    else:
        assert ensure(api, given)["secrets"][0]["differences"] == {}


def test_secret_of_somebody_else_stops_all_of_it() -> None:
    api = cluster(foreign(labels={"app.kubernetes.io/managed-by": "Helm"}))
    with pytest.raises(SecretError, match="by Helm and is not changed.*adopt"):
        ensure(api)
    assert not api.writes
    result = ensure(api, adopt=True)
    assert (
        result["changed"]
        and api.get("secrets", "api")["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "slipway"
    )
    assert not ensure(api)["changed"]


def test_secret_of_another_application_stops_all_of_it() -> None:
    api = cluster()
    ensure(api, application="shop")
    assert {one["metadata"]["labels"]["slipway.kube/application"] for one in api.collections[api.path("secrets")]} == {
        "shop"
    }
    api.calls.clear()
    assert not ensure(api, application="shop")["changed"] and not api.writes
    with pytest.raises(SecretError, match=r"Secret db in namespace todo belongs to the application shop.*adopt"):
        ensure(api, application="blog")
    assert not api.writes
    password = value(api, "db", "PASSWORD")
    assert ensure(api, application="blog", adopt=True)["changed"] and value(api, "db", "PASSWORD") == password
    assert api.get("secrets", "db")["metadata"]["labels"]["slipway.kube/application"] == "blog"


def test_secret_of_slipway_0_1_becomes_the_application_s() -> None:
    api = cluster()
    ensure(api)
    assert [one["state"] for one in ensure(api, application="shop")["secrets"]] == ["changed", "changed"]
    assert not ensure(api, application="shop")["changed"]


def test_generated_value_is_kept_when_adopted() -> None:
    kept = base64.b64encode(b"older").decode()
    api = cluster({**foreign(), "metadata": {**foreign()["metadata"], "name": "db"}, "data": {"PASSWORD": kept}})
    ensure(api, adopt=True)
    assert value(api, "db", "PASSWORD") == "older" and value(api, "api", "URL") == "db://older@host"


def test_namespace_that_is_being_deleted_is_waited_for() -> None:
    api = cluster(namespaces=("todo",))
    ensure(api)
    namespace = api.get("namespaces", "todo")
    namespace["status"] = {
        "phase": "Terminating",
        "conditions": [
            {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: pods."},
            {"type": "NamespaceFinalizersRemaining", "status": "False", "message": "All is well."},
        ],
    }
    waited: list[float] = []
    words = "todo is being deleted, and is not gone after 60 s. Some resources are remaining: pods. Wait until"
    with pytest.raises(SecretError, match=re.escape(words)):
        ensure(api, sleep=waited.append)
    assert sum(waited) == 60

    def gone(_seconds: float) -> None:
        for kind in ("namespaces", "secrets"):
            api.collections[api.path(kind)].clear()

    result = ensure(api, sleep=gone)
    assert result["namespaces"] == ["todo"] and {one["state"] for one in result["secrets"]} == {"created"}


def test_labels_of_namespaces_are_kept_beside_others() -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    api = cluster()
    api.add("namespaces", "todo", labels={"team": "a"})
    planned = SecretManager(api, check_mode=True).ensure([], (), {"todo": level, "new": level})
    assert planned["changed"] and planned["namespaces"] == ["new"] and not api.writes
    result = SecretManager(api).ensure([], (), {"todo": level, "new": level})
    assert result["labels"] == planned["labels"] == {"todo": level, "new": level}
    assert result["diff"] == planned["diff"]
    assert "namespace todo: pod-security.kubernetes.io/enforce=restricted\n" in result["diff"]["prepared"]
    labels = [api.get("namespaces", name)["metadata"]["labels"] for name in ("todo", "new")]
    assert labels[0] == {"team": "a", **level} and labels[1].items() >= level.items()
    assert not SecretManager(api).ensure([], (), {"todo": level, "new": level})["changed"]


def test_labels_that_are_none() -> None:
    assert read_labels({"todo": {"audited": 1}}) == {"todo": {"audited": "1"}}
    with pytest.raises(SecretError, match="no dictionary"):
        read_labels({"todo": "restricted"})


def test_refused_write_does_not_quote_what_was_sent() -> None:
    api = cluster(namespaces=("todo",))
    api.go_wrong(refusal(422, "hunter2-hunter2 is invalid"), "POST")
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
        (
            [{"name": "a", "namespace": "n", "keys": [{"name": "K", "value": "abc "}]}],
            "K of Secret a is shorter than 4",
        ),
        ([{"name": "a", "namespace": "n", "keys": [{"name": "K", "data": "YWJj"}]}], "shorter than 4"),
        ([{"name": "a", "namespace": "n", "keys": [{"name": "K", "template": "abc"}]}], "shorter than 4"),
    ],
)
def test_wrong_options(given: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(SecretError, match=words):
        read_wanted(given)


def test_binary_data_survives() -> None:
    api = cluster()
    ensure(api, [{"name": "b", "namespace": "todo", "keys": [{"name": "K", "data": "AP8="}]}])
    assert base64.b64decode(api.get("secrets", "b")["data"]["K"]) == b"\x00\xff"


def test_templates() -> None:
    wanted = [
        DesiredSecret("a", "n", {"P": Source(value=b"p@ss/w"), "T": Source(template="{P} {P|url} {b/Q} {{x")}),
        DesiredSecret("b", "n", {"Q": Source(template="<{T2}>"), "T2": Source(value=b"q")}),
    ]
    assert resolve(wanted, {})["n", "a"]["T"] == b"p@ss/w p%40ss%2Fw <q> {{x"


@pytest.mark.parametrize(
    ("template", "words"), [("{Z}", "names no declared key"), ("{b/Z}", "no declared"), ("{D}", "write {b/D} or {c/D}")]
)
def test_reference_that_leads_nowhere(template: str, words: str) -> None:
    wanted = [
        DesiredSecret("a", "n", {"T": Source(template=template)}),
        DesiredSecret("b", "n", {"D": Source(value=b"1")}),
        DesiredSecret("c", "n", {"D": Source(value=b"2")}),
    ]
    with pytest.raises(TemplateError, match=words):
        resolve(wanted, {})


def test_circle_is_found_when_resolving() -> None:
    with pytest.raises(TemplateError, match=r"a\.X -> a\.Y -> a\.X"):
        resolve([DesiredSecret("a", "n", {"X": Source(template="{Y}"), "Y": Source(template="{X}")})], {})


def test_a_long_chain_of_templates_is_filled() -> None:
    keys = {f"K{at}": Source(template=f"{{K{at + 1}}}") for at in range(3000)}
    assert resolve([DesiredSecret("a", "n", {**keys, "K3000": Source(value=b"end")})], {})["n", "a"]["K0"] == b"end"


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


def test_secret_of_another_type_is_told() -> None:
    api = cluster({**foreign(labels={"app.kubernetes.io/managed-by": "slipway"}), "type": "kubernetes.io/tls"})
    with pytest.raises(
        SecretError, match="Secret api in namespace todo has type kubernetes.io/tls, which cannot change"
    ):
        ensure(api)
    assert not api.writes
