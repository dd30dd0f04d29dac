# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the specification: no value leaves it but to the module that writes Secrets."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.slipway.kube.plugins.filter.journey_checks import journey_checks
from ansible_collections.slipway.kube.plugins.filter.plain_urls import plain_urls
from ansible_collections.slipway.kube.plugins.filter.release_values import release_values
from ansible_collections.slipway.kube.plugins.filter.renamed import renamed
from ansible_collections.slipway.kube.plugins.filter.secret_inputs import secret_inputs
from ansible_collections.slipway.kube.plugins.filter.secret_outline import secret_outline
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import find


def keys(**sources: Any) -> list[dict[str, Any]]:
    return [{"name": "api", "keys": sources}]


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is warned of."""
    found: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text: found.append(text))
    return found


def test_the_old_name_of_the_fallback_warns_and_works(warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISSING", raising=False)
    old, new = (keys(A={"env": "MISSING", name: {"generate": 16}}) for name in ("otherwise", "fallback"))
    assert secret_outline(new) == secret_outline(old) and secret_inputs(new, "shop") == secret_inputs(old, "shop")
    assert set(warned) == {find("key", "otherwise").message}


def test_both_names_of_the_fallback_are_left_for_the_plan_to_refuse(warned: list[str]) -> None:
    both = keys(A={"env": "MISSING", "fallback": {"generate": 16}, "otherwise": {"generate": 16}})
    assert "otherwise" in secret_outline(both)[0]["keys"]["A"] and warned == []


def test_an_old_name_of_a_variable_warns_and_its_value_stays(warned: list[str]) -> None:
    assert renamed({"kind": "none"}, "verify_entry") == {"kind": "none"}
    assert renamed("undo.yml", "helm_release/rollback.yml") == "undo.yml"
    assert warned == [find("variable", "verify_entry").message, find("entry point", "rollback.yml").message]
    with pytest.raises(AnsibleFilterError, match="verify_exposure is no old name"):
        renamed(1, "verify_exposure")


def test_outline_holds_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "hunter2")
    monkeypatch.setenv("EMPTY", "")
    given = keys(
        A={"value": "hunter2"},
        B={"env": "GIVEN"},
        C={"env": "EMPTY", "fallback": {"value": "hunter2"}},
        D={"generate": 32},
        E="hunter2",
        F={"value": None},
    )
    outlined = secret_outline(given)
    assert "hunter2" not in str(outlined)
    assert outlined[0]["keys"] == {
        "A": {"value": True},
        "B": {"env": "GIVEN", "available": True},
        "C": {"env": "EMPTY", "available": False, "fallback": {"value": True}},
        "D": {"generate": 32},
        "E": "",
        "F": {"value": False},
    }
    assert "available" not in secret_outline(given, environment=False)[0]["keys"]["B"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("hunter2", ""),
        ({"a": "hunter2"}, {}),
        (["hunter2", 5, True, None], ["", 0, False, None]),
        ([{"name": "a", "keys": ["hunter2"]}], [{"name": "a", "keys": []}]),
        ([{"name": "a", "data": {"A": "hunter2"}}], [{"name": "a", "data": {}}]),
        (keys(A={"password": "hunter2"}, B=5.5, C=["hunter2"]), keys(A={"password": ""}, B=0, C=[])),
    ],
)
def test_outline_of_a_mistake_has_its_kind_and_nothing_else(given: Any, shown: Any) -> None:
    found = secret_outline(given)
    assert found == shown and "hunter2" not in str(found)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "from outside")
    monkeypatch.delenv("MISSING", raising=False)
    (found,) = secret_inputs(
        keys(
            A={"env": "GIVEN", "fallback": {"generate": 16}},
            B={"env": "MISSING", "fallback": {"env": "MISSING", "fallback": {"template": "{A}"}}},
            C={"env": "MISSING", "required": False},
            D={"value": 5},
        ),
        "todo",
    )
    assert found["namespace"] == "todo"
    assert found["keys"] == [
        {"name": "A", "data": encoded("from outside")},
        {"name": "B", "template": "{A}"},
        {"name": "C", "keep": True},
        {"name": "D", "data": encoded("5")},
    ]


@pytest.mark.parametrize(("source", "words"), [({"env": "MISSING"}, "MISSING is not set"), ("text", "say where")])
def test_inputs_that_are_missing(source: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISSING", raising=False)
    with pytest.raises(AnsibleFilterError, match=words):
        secret_inputs(keys(A=source))


def test_release_values() -> None:
    release = {"name": "todo", "chart_digest": "abc", "values": {"api": {"x": 1}}, "secret_checksums": {"s": "api.sum"}}
    (found,) = release_values([release], {"s": "123"})
    assert found["values"] == {"api": {"x": 1, "sum": "123"}, "global": {"slipway": {"chartDigest": "abc"}}}
    assert release["values"] == {"api": {"x": 1}}
    listed = {"hosts": ["a.test", {"name": "b.test", "paths": [{"path": "/"}]}], "empty": [], "none": None}
    assert release_values([{"name": "todo", "values": listed}])[0]["values"] == listed
    (unknown,) = release_values([release], {"s": ""})
    assert "sum" not in unknown["values"]["api"]
    (named,) = release_values([release], application="shop")
    assert named["values"]["global"]["slipway"] == {"chartDigest": "abc", "application": "shop"}
    assert release_values([{"name": "bare"}]) == [{"name": "bare", "values": {}}]


def test_release_values_that_do_not_fit() -> None:
    with pytest.raises(AnsibleFilterError, match="Release todo: global"):
        release_values([{"name": "todo", "chart_digest": "abc", "values": {"global": "text"}}])


def test_journey() -> None:
    checks = [{"name": "page", "url": "http://a.test/"}, {"name": "db", "type": "tcp", "url": "tcp://b.test:5"}]
    steps = [{"name": "one", "url": "http://a.test/1"}, {"name": "two", "url": "http://a.test/2"}]
    found = journey_checks(checks, steps, {"a.test": "127.0.0.1:8080"})
    assert [check.get("depends_on") for check in found] == [None, None, ["page", "db"], ["one"]]
    assert [check.get("resolve") for check in found] == [
        {"a.test": "127.0.0.1:8080"},
        None,
        *[{"a.test": "127.0.0.1:8080"}] * 2,
    ]
    assert journey_checks([], steps[:1]) == [steps[0]]


ADDRESS = {"resolve": {"a.test": "127.0.0.1:8080"}}


@pytest.mark.parametrize(
    ("check", "added"),
    [
        ({"name": "a", "url": "http://a.test/"}, ADDRESS),
        ({"name": "a", "url": "http://a.test/", "via": "direct"}, ADDRESS),
        ({"name": "a", "url": "tcp://a.test:5", "type": "tcp"}, ADDRESS),
        ({"name": "a", "url": "http://a.test/", "resolve": {"a.test": "::1"}}, {}),
        ({"name": "a", "url": "http://a.test/", "via": "port_forward"}, {}),
        ({"name": "a", "url": "http://a.test/", "type": "command", "command": ["true"]}, {}),
        ({"name": "a", "url": "http://other.test/"}, {}),
        ({"name": "a"}, {}),
    ],
)
def test_what_a_check_says_itself_stays(check: dict[str, Any], added: dict[str, Any]) -> None:
    assert journey_checks([], [check], {"a.test": "127.0.0.1:8080"}) == [{**check, **added}]
    # Where it depends on the step before, so that what it says of that itself can be seen to stay.
    before = {"name": "before", "url": "http://other.test/"}
    assert journey_checks([before], [check], {}) == [before, {"depends_on": ["before"], **check}]
    assert journey_checks([before], [{**check, "depends_on": []}], {}) == [before, {**check, "depends_on": []}]


def test_hosts_of_a_journey_are_found_behind_placeholders_that_stay() -> None:
    checks = [
        {"name": "page", "url": "${application.url}/", "headers": {"Origin": "${application.url}"}},
        {"name": "other", "url": "http://${application.host}/${run_id}"},
        {"name": "unknown", "url": "${base}/"},
    ]
    variables = {"application.url": "http://a.test:8080", "application.host": "b.test"}
    found = journey_checks(checks, [], {"a.test": "::1", "b.test": "::2"}, variables)
    assert found == [
        {**checks[0], "resolve": {"a.test": "::1"}},
        {**checks[1], "resolve": {"b.test": "::2"}},
        checks[2],
    ]


@pytest.mark.parametrize(
    ("check", "urls"),
    [
        ({"url": "${application.url}/"}, ["http://a.test/"]),
        ({"url": "http://b.test/", "expect": {"status": ["204"]}}, ["http://b.test/"]),
        ({"url": "http://b.test/", "expect": {"identity": {"equals": "${components.api.tag}"}}}, ["http://b.test/"]),
        ({"url": "http://b.test/", "expect": {"status": ["401"]}}, []),
        ({"url": "http://b.test/${run_id}"}, []),
        ({"url": "http://b.test/${components.api.tag}"}, []),
        ({"url": "http://b.test/", "method": "POST"}, []),
        ({"url": "http://b.test/", "headers": {"A": "b"}}, []),
        ({"url": "tcp://b.test:5", "type": "tcp"}, []),
        ({"via": "api_proxy", "url": "http://b.test/"}, []),
        ({"url": "http://b.test/", "invert": True}, []),
        ({"command": ["true"]}, []),
    ],
)
def test_addresses_that_a_plain_get_answers(check: dict[str, Any], urls: list[str]) -> None:
    variables = {"application.url": "http://a.test", "components.api.tag": None}
    assert plain_urls([{"name": "x", **check}], variables) == urls


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "it is empty"),
        (" \t", "it is nothing but blanks"),
        ("postgresql://x\n", "it ends with a newline"),
        ("\udcff", "it is not text in UTF-8"),
        ("line\nline\n", True),
        ("it ends with a blank ", True),
        (5, True),
    ],
)
def test_a_value_that_nobody_means_is_told_without_it(value: str, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [{"name": "s", "keys": {"K": {"value": value}}}]
    assert secret_outline(given)[0]["keys"]["K"] == {"value": said}
    if said is not True:
        with pytest.raises(AnsibleFilterError, match=rf"application_secrets\[0\].keys.K: {said}. Correct it."):
            secret_inputs(given)
    if value and said is not True:
        monkeypatch.setenv("K", value)
        outlined = secret_outline([{"name": "s", "keys": {"K": {"env": "K", "fallback": {"generate": 32}}}}])
        assert outlined[0]["keys"]["K"]["flaw"] == said
