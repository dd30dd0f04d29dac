# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of what Secrets have held: when they are made and removed, and what is taken from them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import (
    TYPE,
    Choice,
    Content,
    SecretError,
    Target,
    by_secret,
    choose,
    copy_name,
    roll_back,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import SecretManager, read_wanted
from fake_kubernetes import FakeKubernetes, refusal

Object = dict[str, Any]


@dataclass
class History:
    """What the releases say."""

    sums: set[str] = field(default_factory=set)
    serving: dict[str, str] = field(default_factory=dict)
    claim: str = ""
    damaged: bool = False
    asked: list[str] = field(default_factory=list)

    def kept(self) -> set[str]:
        self.asked.append("kept")
        if self.damaged:
            raise ValueError("no record")
        return self.sums

    def in_service(self) -> dict[str, str]:
        self.asked.append("in_service")
        return self.serving

    def claim_of(self, namespace: str, secret: str) -> str:
        self.asked.append(f"claim_of {namespace}/{secret}")
        return self.claim


@pytest.fixture
def api() -> FakeKubernetes:
    found = FakeKubernetes()
    found.add("namespaces", "todo", status={"phase": "Active"})

    def date(call: Any) -> None:
        # As the API server does; the fake's number of writes is the time.
        call.body["metadata"]["creationTimestamp"] = f"2026-01-01T00:{found.version:04}"

    found.react(r"^POST .*/secrets$", date)
    return found


@pytest.fixture
def history() -> History:
    return History()


def ensure(api: FakeKubernetes, history: History | None = None, check: bool = False, **values: str) -> Object:
    """Bring the Secret db, with a generated password and these values, to what is declared."""
    keys: list[Object] = [{"name": "PASSWORD", "generate": 32}]
    keys += [{"name": name, "value": value} for name, value in values.items()]
    return SecretManager(api, check, history=history).ensure(
        read_wanted([{"name": "db", "namespace": "todo", "keys": keys}])
    )


def values(api: FakeKubernetes, name: str = "db") -> dict[str, str]:
    return {key: base64.b64decode(text).decode() for key, text in api.get("secrets", name)["data"].items()}


def copies(api: FakeKubernetes) -> list[str]:
    """The copies, by the value of the key USER that each holds."""
    return [values(api, name).get("USER", "") for name in api.names("secrets") if name != "db"]


def sums(api: FakeKubernetes) -> dict[str, str]:
    """The checksum of each copy by the value of the key USER."""
    found = by_secret(api.collections[api.path("secrets")])["db"]
    return {content.data["USER"].decode(): content.checksum for content in found}


# -- making and removing -----------------------------------------------------------------------------------------------
def test_every_content_is_kept_beside_the_secret_and_never_told(api: FakeKubernetes) -> None:
    result = ensure(api, USER="first")
    (name,) = (one for one in api.names("secrets") if one != "db")
    copy = api.get("secrets", name)
    assert name == f"db-{result['checksums']['db'][:12]}" and result["copied"] == ["db"]
    assert copy["type"] == TYPE and copy["immutable"] and values(api, name) == values(api)
    assert copy["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "slipway",
        "slipway.kube/checksum": result["checksums"]["db"],
    }
    second = ensure(api, USER="second")
    assert copies(api) == ["first", "second"]
    shown = json.dumps([result, second]) + repr(by_secret(api.collections[api.path("secrets")]))
    assert not any(value in shown for value in (*values(api).values(), "first"))


def test_content_without_a_copy_is_copied_without_a_change(api: FakeKubernetes, history: History) -> None:
    made = ensure(api, USER="first")
    api.put("secrets", [api.get("secrets", "db")])
    api.calls.clear()
    assert ensure(api, history, check=True, USER="first")["copied"] == ["db"] and not api.writes
    result = ensure(api, history, USER="first")
    assert result["copied"] == ["db"] and not result["changed"] and result["checksums"] == made["checksums"]
    assert [call.method for call in api.writes] == ["POST"] and copies(api) == ["first"]
    api.calls.clear()
    again = ensure(api, history, USER="first")
    assert again["copied"] == [] and [call.last for call in api.calls] == ["todo", "secrets"] and history.asked == []


def test_content_from_before_there_were_copies_is_copied_before_it_changes(api: FakeKubernetes) -> None:
    ensure(api, USER="first")
    api.put("secrets", [api.get("secrets", "db")])
    ensure(api, USER="second")
    assert sorted(copies(api)) == ["first", "second"]


def test_copies_that_no_revision_names_are_removed(api: FakeKubernetes, history: History) -> None:
    for user in ("first", "second", "third"):
        ensure(api, USER=user)
    history.sums = {sums(api)["first"]}
    ensure(api, history, USER="fourth")
    # One is named, one was there right before and one is there now.
    assert copies(api) == ["first", "third", "fourth"]


def test_copies_stay_while_a_revision_cannot_be_read(api: FakeKubernetes) -> None:
    for user in ("first", "second"):
        ensure(api, USER=user)
    ensure(api, History(damaged=True), USER="third")
    assert copies(api) == ["first", "second", "third"]


def test_copy_that_the_api_refuses_leaves_the_secret_as_it_is(api: FakeKubernetes) -> None:
    ensure(api, USER="first")
    api.go_wrong(refusal(422, "second is invalid"), "POST")
    with pytest.raises(
        SecretError, match=r"a copy of Secret db in namespace todo, db-\w{12} \(422 Invalid\)"
    ) as caught:
        ensure(api, USER="second")
    assert values(api)["USER"] == "first" and "second" not in str(caught.value)


def test_name_of_a_copy_has_room() -> None:
    name = copy_name("a" * 239 + "." + "b" * 13, "0123456789abcdef")
    assert name == "a" * 239 + "-0123456789ab"
    assert len(copy_name("a" * 253, "0" * 32)) == 253


def test_copy_is_no_secret_of_the_application(api: FakeKubernetes) -> None:
    made = ensure(api, USER="first")["checksums"]["db"]
    name = copy_name("db", made)
    wanted = read_wanted([{"name": name, "namespace": "todo", "keys": [{"name": "A", "value": "aaaa"}]}])
    assert SecretManager(api, check_mode=True).ensure(wanted)["secrets"][0]["state"] == "created"


def test_damaged_copy_is_none(api: FakeKubernetes) -> None:
    ensure(api, USER="first")
    copy = api.get("secrets", copy_name("db", sums(api)["first"]))
    copy["data"]["USER"] = base64.b64encode(b"other").decode()
    assert by_secret(api.collections[api.path("secrets")]) == {}


# -- lost Secrets ------------------------------------------------------------------------------------------------------
def lose(api: FakeKubernetes) -> None:
    api.request("DELETE", f"{api.path('secrets')}/db")
    api.calls.clear()


def test_lost_secret_is_as_the_revision_in_service_had_it(api: FakeKubernetes, history: History) -> None:
    first = ensure(api, USER="first")
    before = values(api)
    ensure(api, USER="second")
    history.serving = {sums(api)["first"]: "revision 3 of release todo"}
    lose(api)
    announced = ensure(api, history, check=True, USER="first")
    assert announced["notes"] == ["Secret db is missing; to be restored as in revision 3 of release todo."]
    assert not api.writes
    result = ensure(api, history, USER="first")
    assert result["notes"] == ["Secret db was missing; restored as in revision 3 of release todo."]
    # The same checksum, so no pod restarts.
    assert values(api) == before and result["checksums"] == first["checksums"] and result["changed"]


def test_lost_secret_of_which_something_else_is_declared_now(api: FakeKubernetes, history: History) -> None:
    ensure(api, USER="first")
    password = values(api)["PASSWORD"]
    history.serving = {sums(api)["first"]: "revision 3 of release todo"}
    lose(api)
    result = ensure(api, history, USER="second")
    assert values(api) == {"PASSWORD": password, "USER": "second"}
    assert result["notes"] == ["Secret db was missing; PASSWORD restored as in revision 3 of release todo."]


@pytest.mark.parametrize("given", [None, History()])
def test_lost_secret_that_no_revision_names_is_as_its_newest_copy(api: FakeKubernetes, given: History | None) -> None:
    for user in ("first", "second"):
        ensure(api, USER=user)
    before = values(api)
    lose(api)
    assert ensure(api, given, USER="second")["notes"] == ["Secret db was missing; restored from its newest copy."]
    assert values(api) == before


def test_lost_secret_of_declared_values_is_made_again(api: FakeKubernetes) -> None:
    given = [{"name": "db", "namespace": "todo", "keys": [{"name": "A", "value": "aaaa"}]}]
    SecretManager(api).ensure(read_wanted(given))
    lose(api)
    given[0]["keys"] = [{"name": "A", "value": "bbbb"}]
    assert SecretManager(api).ensure(read_wanted(given))["notes"] == [] and values(api) == {"A": "bbbb"}


def test_lost_key_is_restored_and_a_new_one_generated(api: FakeKubernetes, history: History) -> None:
    ensure(api, USER="first")
    before = values(api)
    del api.get("secrets", "db")["data"]["PASSWORD"]
    result = ensure(api, history, USER="first")
    assert values(api) == before and result["notes"] == ["Secret db lacked PASSWORD; restored from its newest copy."]
    keys = [{"name": name, "generate": 32} for name in ("PASSWORD", "NEW")]
    new = SecretManager(api, history=history).ensure(read_wanted([{"name": "db", "namespace": "todo", "keys": keys}]))
    assert new["notes"] == [] and values(api)["PASSWORD"] == before["PASSWORD"] and len(values(api)["NEW"]) == 32


def test_nothing_is_generated_anew_over_data(api: FakeKubernetes, history: History) -> None:
    history.claim = "data-db-0"
    with pytest.raises(
        SecretError, match="Secret db in namespace todo is missing.*PersistentVolumeClaim data-db-0 may hold"
    ) as caught:
        ensure(api, history, USER="first")
    for way in (
        "generated for PASSWORD",
        "Nothing was changed.",
        "app.kubernetes.io/managed-by=slipway",
        "environment",
        "make undeploy",
    ):
        assert way in str(caught.value)
    assert not api.writes and history.asked == ["claim_of todo/db"]
    # A Secret without generated keys is no loss.
    wanted = [{"name": "api", "namespace": "todo", "keys": [{"name": "A", "value": "aaaa"}]}]
    assert SecretManager(api, history=history).ensure(read_wanted(wanted))["changed"]


# -- going back --------------------------------------------------------------------------------------------------------
A, B = Content({"K": b"aaaa"}, "salt"), Content({"K": b"bbbb"}, "salt")


def target(*checksums: str, number: int = 3, **named: str) -> Target:
    return Target(f"revision {number} of release api", checksums, named)


NO_COPY = "Secret db stays as it is, because no copy of what it held in revision 3 of release api is left."


@pytest.mark.parametrize(
    ("current", "targets", "listed", "expected"),
    [
        (B, [target(A.checksum, db=A.checksum)], True, Choice(A, "Secret db is as in revision 3 of release api again.")),
        # The place at which the checksum lies may have been another one then.
        (B, [target(A.checksum, db="")], True, Choice(A, "Secret db is as in revision 3 of release api again.")),
        (A, [target(A.checksum, db=A.checksum)], True, Choice()),
        # Of a revision from before there were copies.
        (B, [target("c" * 32, db="c" * 32)], True, Choice(words=NO_COPY)),
        (B, [target(db="")], True, Choice(words="Secret db stays as it is, because the values of revision 3 of release api do not say what it held then.")),
        (B, [target()], False, Choice(words="Secret db stays as it is, because the values of revision 3 of release api do not say what it held then.")),
        # Another release uses it, which does not go back.
        (B, [target()], True, Choice()),
        (
            B,
            [target(A.checksum), target(B.checksum, number=4)],
            True,
            Choice(words="Secret db stays as it is, because it had more than one content in revision 3 of release api and revision 4 of release api."),
        ),
        (B, [], True, Choice()),
    ],
)  # fmt: skip
def test_choice_of_the_content_to_go_back_to(
    current: Content, targets: list[Target], listed: bool, expected: Choice
) -> None:
    assert choose("db", current.checksum, [A, B], targets, listed) == expected


def test_secret_that_never_changed_needs_no_words() -> None:
    assert choose("db", A.checksum, [A], [target()], False) == Choice()


def test_content_goes_back_and_forth(api: FakeKubernetes) -> None:
    ensure(api, USER="first", HOST="host")
    before = values(api)
    ensure(api, USER="second", MORE="more")
    after, known = values(api), sums(api)
    api.calls.clear()
    announced = roll_back(api, [("todo", "db")], [target(known["first"])], ["db"], check=True)
    assert announced["notes"] == ["Secret db would be as in revision 3 of release api again."] and not api.writes
    result = roll_back(api, [("todo", "db"), ("todo", "other")], [target(known["first"])], ["db"])
    assert values(api) == before and result["changed"]
    assert result["restored"] == [{"name": "db", "namespace": "todo", "checksum": known["first"]}]
    assert not any(value in json.dumps(result) for value in before.values())
    assert not roll_back(api, [("todo", "db")], [target(known["first"])], ["db"])["changed"]
    roll_back(api, [("todo", "db")], [target(known["second"])], ["db"])
    assert values(api) == after
    # And what is declared finds nothing to do.
    assert not ensure(api, USER="second", MORE="more")["changed"]


def test_secret_that_was_lost_meanwhile_goes_back_too(api: FakeKubernetes) -> None:
    ensure(api, USER="first")
    before = values(api)
    known = sums(api)
    lose(api)
    assert roll_back(api, [("todo", "db")], [target(known["first"])], ["db"])["changed"]
    assert values(api) == before and api.get("secrets", "db")["type"] == "Opaque"
    assert not ensure(api, USER="first")["changed"]


def test_secret_of_somebody_else_does_not_go_back(api: FakeKubernetes) -> None:
    for user in ("first", "second"):
        ensure(api, USER=user)
    api.get("secrets", "db")["metadata"]["labels"]["slipway.kube/application"] = "blog"
    api.calls.clear()
    result = roll_back(api, [("todo", "db")], [target(sums(api)["first"])], ["db"], "shop")
    assert result == {"changed": False, "restored": [], "notes": []} and not api.writes


def test_refused_restoration_does_not_quote_what_was_sent(api: FakeKubernetes) -> None:
    for user in ("first", "second"):
        ensure(api, USER=user)
    api.go_wrong(refusal(422, "first is invalid"), "PATCH")
    with pytest.raises(SecretError, match="refused to write Secret db in namespace todo") as caught:
        roll_back(api, [("todo", "db")], [target(sums(api)["first"])], ["db"])
    assert "first" not in str(caught.value)
