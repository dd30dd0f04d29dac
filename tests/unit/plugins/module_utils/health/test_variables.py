# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks know of the application: put in before they are read, and left out where nobody knows it."""

from __future__ import annotations

from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._health.variables import application_variables, place

KNOWN = {"application.namespace": "todo", "components.api.tag": "sha-1", "components.web.tag": None}


def test_variables_of_the_application() -> None:
    given = {
        "application.url": "http://x",
        "components.auth.tag": "sha-1",
        "components.api.tag": None,
        "application.port": 8080,
        "application.password": "hunter2",
        "base": "http://x",
    }
    assert application_variables(given) == {
        "application.url": "http://x",
        "components.auth.tag": "sha-1",
        "components.api.tag": None,
        "application.port": "8080",
    }


def test_every_text_of_a_check_is_filled() -> None:
    check = {
        "name": "version ${components.api.tag}",
        "url": "http://x/${components.api.tag}?next=${run_id}",
        "kubernetes": {"namespace": "${application.namespace}", "pod": None},
        "command": ["sh", "-c", "echo ${HOME} $${application.namespace}"],
        "timeout": 3.0,
    }
    (found,), left_out = place([check], KNOWN)
    assert found == {
        "name": "version sha-1",
        "url": "http://x/sha-1?next=${run_id}",
        "kubernetes": {"namespace": "todo", "pod": None},
        "command": ["sh", "-c", "echo ${HOME} $${application.namespace}"],
        "timeout": 3.0,
    }
    assert left_out == [] and check["name"] == "version ${components.api.tag}"


def test_what_nobody_knows_is_left_out_with_what_needs_it() -> None:
    checks: list[dict[str, Any]] = [
        {"name": "api", "url": "a"},
        {"name": "web", "url": "${components.web.tag}", "extract": {"token": "a"}},
        {"name": "uses it", "url": "a", "headers": {"A": "${token}"}, "extract": {"task": "b"}, "depends_on": ["web"]},
        {"name": "uses that", "url": "${task}", "depends_on": ["uses it"]},
        {"name": "comes after", "url": "a", "depends_on": ["web", "api"]},
        {"name": "alone", "url": "a", "depends_on": None, "extract": None},
    ]
    kept, left_out = place(checks, KNOWN)
    assert left_out == ["web", "uses it", "uses that"]
    assert [check["name"] for check in kept] == ["api", "comes after", "alone"]
    assert kept[1]["depends_on"] == ["api"] and kept[2]["depends_on"] is None
    assert checks[4]["depends_on"] == ["web", "api"]


def test_name_of_a_check_says_nothing_of_what_it_uses() -> None:
    assert place([{"name": "${components.web.tag}", "url": "a"}], KNOWN)[1] == []
