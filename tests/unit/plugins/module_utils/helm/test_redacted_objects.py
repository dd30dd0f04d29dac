# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two versions of an object are shown without secret values, and with whether those differ."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm.redacted_objects import (
    OTHER,
    SAME,
    all_secret_values,
    redacted,
)


def shown(was: Any, becomes: Any, *values: str) -> tuple[Any, Any]:
    return redacted(was, becomes, Masker(values))


def test_an_object_keeps_what_is_no_secret() -> None:
    before = {
        "kind": "ConfigMap",
        "data": {"LEVEL": "info", "PASSWORD": "one"},
        "env": [{"name": "TOKEN", "value": "t"}],
    }
    after = {**before, "data": {"LEVEL": "info", "PASSWORD": "two"}}
    assert shown(before, after) == (
        {**before, "data": {"LEVEL": "info", "PASSWORD": SAME}, "env": [{"name": "TOKEN", "value": SAME}]},
        {**before, "data": {"LEVEL": "info", "PASSWORD": OTHER}, "env": [{"name": "TOKEN", "value": SAME}]},
    )
    assert before["data"] == {"LEVEL": "info", "PASSWORD": "one"}


def test_secrets_within_other_objects_are_hidden() -> None:
    held = {"kind": "Secret", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}
    item = {"kind": "Bundle", "spec": {"objects": [{**held, "data": {"A": "b25l"}, "stringData": {"B": "two"}}]}}
    _none, [found] = shown(None, item)[0], shown(None, item)[1]["spec"]["objects"]
    assert found["data"] == {"A": SAME} and found["stringData"] == {"B": SAME}
    assert found["metadata"]["annotations"] == {"kubectl.kubernetes.io/last-applied-configuration": SAME}
    assert sorted(all_secret_values(item)) == ["one", "two"]


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (
            {"URL": "postgresql://todo:hunter22@db/todo"},
            {"URL": "postgresql://todo:hunter33@db/todo"},
            ({"URL": f"postgresql://{SAME}@db/todo"}, {"URL": f"postgresql://{OTHER}@db/todo"}),
        ),
        (
            {"app.ini": "level = info\npassword = hunter22\n"},
            {"app.ini": "level = debug\npassword = hunter33\n"},
            ({"app.ini": f"level = info\npassword = {SAME}\n"}, {"app.ini": f"level = debug\npassword = {SAME}\n"}),
        ),
        (
            {"args": ["--api-token", "hunter22", "--level", "info", "--password=hunter22"]},
            {"args": ["--api-token", "hunter33", "--level", "info", "--password=hunter22"]},
            (
                {"args": ["--api-token", SAME, "--level", "info", f"--password={SAME}"]},
                {"args": ["--api-token", OTHER, "--level", "info", f"--password={SAME}"]},
            ),
        ),
        (
            {"env": [{"name": "A", "value": "x"}, {"name": "TOKEN", "value": "one"}]},
            {"env": [{"name": "TOKEN", "value": "two"}]},
            (
                {"env": [{"name": "A", "value": "x"}, {"name": "TOKEN", "value": SAME}]},
                {"env": [{"name": "TOKEN", "value": OTHER}]},
            ),
        ),
        ({"a": "swordfish one"}, {"a": "swordfish two"}, ({"a": f"{SAME} one"}, {"a": f"{SAME} two"})),
        ({"a": [1]}, {"a": {"password": "x"}}, ({"a": [1]}, {"a": {"password": SAME}})),
        (
            {"secretKeyRef": {"name": "s", "key": "PASSWORD"}, "automountServiceAccountToken": False},
            None,
            ({"secretKeyRef": {"name": "s", "key": "PASSWORD"}, "automountServiceAccountToken": False}, None),
        ),
    ],
)
def test_credentials_in_any_object(was: Any, becomes: Any, expected: tuple[Any, Any]) -> None:
    assert shown(was, becomes, "swordfish") == expected
