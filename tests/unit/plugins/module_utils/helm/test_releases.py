# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm's records: reading them, comparing, and freeing an interrupted release."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "todo",
        "info": {"status": "deployed", "last_deployed": "2026-01-01T00:00:00Z", "description": "Install complete"},
        "chart": {"metadata": {"name": "app", "version": "1.0.0", "appVersion": "2"}},
        "config": {"replicas": 2},
        "manifest": "---",
    }
    return {**base, **changes}


def secret(revision: int, status: str, name: str = "todo", **changes: Any) -> dict[str, Any]:
    return {
        "type": releases.TYPE,
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": "todo",
            "resourceVersion": "9",
            "labels": {"name": name, "owner": "helm", "status": status, "version": str(revision)},
        },
        "data": {"release": releases.encode(record(**changes))},
    }


def test_record_as_helm_writes_it() -> None:
    packed = base64.b64encode(base64.b64encode(gzip.compress(b'{"name": "todo"}'))).decode()
    assert releases.decode({"data": {"release": packed}}) == {"name": "todo"}
    bare = base64.b64encode(base64.b64encode(b'{"name": "old"}')).decode()
    assert releases.decode({"data": {"release": bare}}) == {"name": "old"}
    assert releases.decode(secret(1, "deployed")) == record()


@pytest.mark.parametrize("data", [{}, {"release": "!"}, {"release": base64.b64encode(b"x").decode()}])
def test_no_record(data: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="holds no record"):
        releases.decode({"metadata": {"name": "s"}, "data": data})


def test_grouping_orders_by_number() -> None:
    found = releases.group(
        [secret(10, "deployed"), secret(9, "superseded"), secret(1, "x", "other"), {"type": "Opaque"}]
    )
    assert [releases.revision_of(item) for item in found["todo"]] == [9, 10] and set(found) == {"todo", "other"}


def test_description() -> None:
    found = releases.describe([secret(1, "superseded"), secret(2, "deployed"), secret(3, "failed", config={"a": 1})])
    assert (found["revision"], found["status"], found["deployed_revision"]) == (3, "failed", 2)
    assert found["values"] == {"a": 1} and found["chart_version"] == "1.0.0"
    assert found["history"][0] == {"revision": 1, "status": "superseded"}


WANTED = {"name": "todo", "namespace": "todo", "values": {"replicas": 2}, "chart_name": "app", "chart_version": "1.0.0"}


@pytest.mark.parametrize(
    ("revisions", "wanted", "action", "words"),
    [
        ([secret(1, "deployed")], {}, "none", "as wanted"),
        ([secret(1, "deployed")], {"values": None}, "none", "as wanted"),
        ([secret(1, "deployed")], {"values": {"replicas": 3}}, "upgrade", "replicas"),
        ([secret(1, "deployed")], {"values": {"replicas": 2, "a": {"b": 1}}}, "upgrade", "a"),
        ([secret(1, "deployed")], {"chart_version": "1.0.1"}, "upgrade", "from 1.0.0 to 1.0.1"),
        ([secret(1, "deployed")], {"chart_name": "other"}, "upgrade", "chart changes"),
        ([secret(1, "deployed"), secret(2, "failed")], {}, "upgrade", "is failed"),
        ([secret(1, "pending-install")], {}, "upgrade", "interrupted"),
        ([secret(1, "uninstalled")], {}, "install", "not installed"),
    ],
)
def test_need(revisions: list[dict[str, Any]], wanted: dict[str, Any], action: str, words: str) -> None:
    found = releases.need({**WANTED, **wanted}, releases.describe(revisions))
    assert found[0] == action and words in found[1]


def test_need_of_nothing() -> None:
    assert releases.need(WANTED, None)[0] == "install"


def test_reason_names_paths_and_no_values() -> None:
    before, after = {"a": {f"k{count}": "old" for count in range(6)}}, {"a": {f"k{count}": "new" for count in range(6)}}
    found = releases.describe([secret(1, "deployed", config=before)])
    _action, reason = releases.need({**WANTED, "values": after}, found)
    assert "a.k0, a.k1, a.k2, a.k3 and 2 more" in reason and "new" not in reason


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
        ({}, {"a": None}, ["a"]),
        ({"a": "1"}, {"a": 1}, ["a"]),
    ],
)
def test_difference(before: Any, after: Any, paths: list[str]) -> None:
    assert releases.difference(before, after) == paths


def test_interrupted_revision_becomes_a_failed_one() -> None:
    patch = releases.failed(secret(4, "pending-upgrade"))
    assert patch["metadata"] == {"resourceVersion": "9", "labels": {"status": "failed"}}
    after = releases.decode(patch)
    assert after["info"] == {**record()["info"], "status": "failed", "description": releases.INTERRUPTED}
    assert {**after, "info": None} == {**record(), "info": None}
    assert json.loads(json.dumps(patch)) == patch


def test_revision_in_service_when_helm_was_killed_while_it_replaced_it() -> None:
    killed = [secret(1, "superseded"), secret(2, "superseded"), secret(3, "failed"), secret(4, "pending-upgrade")]
    assert releases.describe(killed)["deployed_revision"] == 2
    assert releases.describe([secret(1, "pending-install")])["deployed_revision"] == 0
    assert releases.describe([secret(1, "superseded"), secret(2, "uninstalled")])["deployed_revision"] == 0


@pytest.mark.parametrize(
    ("statuses", "description", "revision"),
    [
        (["superseded", "superseded", "deployed"], "Upgrade complete", 2),
        (["superseded", "failed", "deployed"], "Upgrade complete", 1),
        (["superseded", "superseded", "failed", "deployed"], "Rollback to 2", 1),
        (["deployed", "failed"], "Upgrade failed", 0),
        (["superseded", "deployed"], "Rollback to 1", 0),
        ([], "", 0),
    ],
)
def test_revision_before(statuses: list[str], description: str, revision: int) -> None:
    history = [{"revision": number, "status": status} for number, status in enumerate(statuses, start=1)]
    assert releases.previous(history, description) == revision


def test_images_of_the_newest_revision() -> None:
    manifest = """
      initContainers:
      - image: "busybox:1"
        name: a
      containers:
        - name: web
          image: registry.example:5000/web:sha-1 # the page
          imagePullPolicy: Never
    """
    found = releases.describe(
        [secret(1, "superseded", manifest="image: old:1"), secret(2, "deployed", manifest=manifest)]
    )
    assert found["images"] == ["busybox:1", "registry.example:5000/web:sha-1"]


def test_images_of_a_revision_are_those_of_its_hooks_too() -> None:
    hooks = [{"manifest": "image: web:1\n"}, {"manifest": "  - image: migrate:1\n"}, {}]
    assert releases.images_of(record(manifest="image: web:1\n", hooks=hooks)) == ["migrate:1", "web:1"]
    assert releases.images_of({"manifest": None, "hooks": None}) == []


def test_age() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc)
    started = {"info": {"last_deployed": "2026-01-01T01:00:30.123456789+01:00"}}
    assert releases.age(secret(1, "pending-upgrade", **started), now) == pytest.approx(29.876544)
    assert releases.age(secret(1, "pending-upgrade", info={}), now) == float("inf")
