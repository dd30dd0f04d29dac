# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders are found and filled in trees and addresses."""

from __future__ import annotations

from ansible_collections.slipway.kube.plugins.module_utils._common import placeholders


def test_placeholders() -> None:
    value = {"a": "x ${one} $${two}", "b": [{"c": "${three}"}], "d": 4}
    assert placeholders.placeholders(value) == ["one", "three"]
    variables = {"one": "1 /", "three": [3], "base": "http://a"}
    assert placeholders.fill_tree(value, variables) == {"a": "x 1 / ${two}", "b": [{"c": [3]}], "d": 4}
    assert placeholders.fill_url("${base}/p/${one}?q=${one}", variables) == "http://a/p/1%20%2F?q=1%20%2F"


def test_known_names_are_put_in_and_all_else_stays() -> None:
    value = {"a": "${one}/${two}/$${one}/${none}", "b": [4, ("${one}",)], "c": None}
    found = placeholders.substitute(value, {"one": "1 /${two}", "none": None})
    assert found == {"a": "1 /${two}/${two}/$${one}/${none}", "b": [4, ["1 /${two}"]], "c": None}


def test_names_of_an_application() -> None:
    names = ["application.url", "components.api.tag", "components", "applications.url", "run_id"]
    assert [name for name in names if placeholders.of_application(name)] == names[:2]
