# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks: their placeholders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from specifications import assert_mistake, problems, specification


def test_placeholders_stay_until_the_checks_are_asked(project: Path) -> None:
    checks = [
        {
            "name": "page",
            "url": "${application.url}/${run_id}",
            "kubernetes": {"namespace": "${application.namespace}"},
        },
        {
            "name": "digest",
            "url": "http://x/$${components.x.tag}",
            "expect": {"identity": {"equals": "${components.api.tag}"}},
        },
    ]
    assert build_plan(specification(checks=checks), project).as_dict()["checks"] == checks


def test_old_name_of_the_source_digest_works_and_is_said(project: Path) -> None:
    checks = [
        {"name": "a", "url": "http://x/", "body": {"built": ["of ${components.api.digest}"]}},
        {"name": "b", "url": "http://x/", "body": "$${components.api.digest}"},
    ]
    plan = build_plan(specification(checks=checks), project)
    found = plan.as_dict()
    assert found["checks"][0]["body"] == {"built": ["of ${components.api.source_digest}"]}
    assert found["checks"][1] == checks[1]
    assert plan.warnings == (
        "application_checks[0].body.built[0]: ${components.api.digest} is deprecated and will be removed in version 1.0.0. "
        "Use ${components.api.source_digest}.",
    )


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"checks": [{"name": "a"}, {"name": "a"}]}, "application_checks[1]", "twice"),
        ({"checks": [{"url": "http://x"}]}, "application_checks[0].name", "missing"),
        ({"checks": [{"name": "a"}], "journey": [{"name": "a"}]}, "application_journey[0]", "twice"),
        (
            {"checks": [{"name": "a", "url": "${components.apy.tag}"}]},
            "application_checks[0].url",
            "did you mean components.api.tag",
        ),
        (
            {"journey": [{"name": "a", "body": [{"x": "${application.hots}"}]}]},
            "application_journey[0].body[0].x",
            "did you mean application.host",
        ),
        (
            {"hosts": [], "checks": [{"name": "a", "url": "${application.host}"}]},
            "application_checks[0].url",
            "is empty",
        ),
        ({"journey": "x"}, "application_journey", "write a list"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


def test_without_hosts_only_a_check_of_the_first_one_is_a_mistake(project: Path) -> None:
    checks = [{"name": "a", "url": "http://x/"}]
    assert build_plan(specification(hosts=[], checks=checks), project).as_dict()["checks"] == checks
    assert_mistake(project, {"hosts": []}, "application_checks[0].url", "which is empty")


def test_everything_that_the_module_would_refuse_is_found_at_once_with_its_place(project: Path) -> None:
    checks = [
        {
            "name": "regex",
            "url": "http://x/",
            "expect": {"body_regex": ["ok", "(["], "json": [{"path": "a[", "exists": True}]},
        },
        {"name": "numbers", "url": "http://x:70000/", "timeout": 0, "retry_for": "5m", "interval": -5},
        {"name": "address", "url": "shop.localhost/", "method": "FETCH", "kubernetes": {"kind": "Deployment"}},
        {
            "name": "unknown",
            "url": "http://x/${nope}",
            "expects": {},
            "expect": {"json": [{"path": "a"}, {"exists": True}]},
        },
    ]
    journey = [
        {"name": "log in", "url": "http://x/", "extract": {"token": "token"}},
        {"name": "read", "url": "http://x/", "headers": {"X": "${token} ${tokn}"}, "depends_on": ["lgo in"]},
    ]
    assert problems(project, checks=checks, journey=journey) == [
        "application_checks[0].expect.json[0].path: 'a[' is no JMESPath: Invalid jmespath expression: Incomplete expression: \"a[\" ^.",
        "application_checks[0].expect.body_regex[1]: '([' is not a valid regular expression: unterminated character set at "
        "position 1.",
        "application_checks[1].retry_for: it is a text; write a number.",
        "application_checks[1].url: 'http://x:70000/' is not a valid address: Port out of range 0-65535.",
        "application_checks[1].timeout: 0.0 is not allowed, the least is 0.001.",
        "application_checks[1].interval: -5.0 is not allowed, the least is 0.",
        "application_checks[2].kubernetes.kind: this key is unknown; known are namespace, pod, service, selector, container, port, "
        "kubeconfig, context.",
        "application_checks[2].method: 'FETCH' is no HTTP method; did you mean PATCH.",
        "application_checks[2].url: 'shop.localhost/' must begin with http:// or https:// and a host.",
        "application_checks[3].expects: this key is unknown; did you mean expect.",
        "application_checks[3].expect.json[1].path: it is missing; write it.",
        "application_checks[3].expect.json[0]: it says nothing about the value; use one of equals, not_equals, less, greater, in, exists, "
        "matches, length, type.",
        "application_checks[3].url: nothing is known as ${nope}; known are run_id, token.",
        "application_journey[1].depends_on: there is no check 'lgo in'; did you mean 'log in'?",
        "application_journey[1].headers.X: ${token} comes from check 'log in': name that check in depends_on.",
        "application_journey[1].headers.X: nothing is known as ${tokn}; did you mean token.",
    ]


def test_a_name_of_a_persons_own_and_what_earlier_steps_extract_are_known(project: Path) -> None:
    journey = [
        {"name": "log in", "url": "http://x/${tenant}", "extract": {"token": "token"}},
        {"name": "read", "url": "http://x/${run_id}", "headers": {"X": "${token}"}},
    ]
    plan = build_plan(specification(journey=journey, check_variables=["tenant"]), project)
    assert [check.name for check in plan.journey] == ["log in", "read"]
    assert_mistake(project, {"journey": journey}, "application_journey[0].url", "${tenant}")


def test_no_secret_of_a_check_is_repeated(project: Path) -> None:
    checks = [{"name": "a", "url": "http://user:hunter2@x:70000/"}]
    assert "hunter2" not in " ".join(problems(project, checks=checks))
