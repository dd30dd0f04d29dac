# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading objects of the API whose fields may be missing or of another kind."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import objects


@pytest.mark.parametrize(
    ("event", "count"),
    [({}, 1), ({"count": 4}, 4), ({"count": 0}, 1), ({"count": 2, "series": {"count": 9}}, 9), ({"series": None}, 1)],
)
def test_an_event_was_seen_as_often_as_it_says_and_once_at_least(event: dict[str, Any], count: int) -> None:
    assert objects.event_count(event) == count


def test_the_newest_event_about_an_object_comes_last() -> None:
    pod = {"metadata": {"name": "web-0", "uid": "new"}}
    events = [
        {
            "reason": "Failed",
            "involvedObject": {"name": "web-0", "uid": "new"},
            "lastTimestamp": "2026-01-01T00:00:09Z",
        },
        {"reason": "Pulled", "involvedObject": {"name": "web-0", "uid": "new"}, "eventTime": "2026-01-01T00:00:03Z"},
        {
            "reason": "Failed",
            "involvedObject": {"name": "web-0", "uid": "new"},
            "series": {"lastObservedTime": "2026-01-01T00:00:12Z"},
            "lastTimestamp": "2026-01-01T00:00:01Z",
        },
        {
            "reason": "Failed",
            "involvedObject": {"name": "web-0", "uid": "old"},
            "lastTimestamp": "2026-01-01T00:00:20Z",
        },
    ]
    assert objects.about(events, pod) == [events[1], events[0], events[2]]
    assert objects.about(events, pod, "Failed") == [events[0], events[2]]
    assert len(objects.about(events, {"metadata": {"name": "web-0"}})) == 4


@pytest.mark.parametrize(
    ("hook", "is_hook", "is_test"),
    [
        (None, False, False),
        ("pre-install,pre-upgrade", True, False),
        ("test", False, True),
        (" test-success ", False, True),
        ("test, post-install", True, False),
    ],
)
def test_a_hook_of_a_deploy_is_no_test(hook: str | None, is_hook: bool, is_test: bool) -> None:
    item = {"metadata": {"annotations": {} if hook is None else {"helm.sh/hook": hook}}}
    assert (objects.is_hook(item), objects.is_test(item)) == (is_hook, is_test)


def test_what_is_missing_or_of_another_kind_is_nothing() -> None:
    item = {"metadata": {"labels": ["x"]}, "status": {"replicas": "3", "conditions": [{"type": "Ready"}, None]}}
    assert objects.labels(item) == {} and objects.rows(item, "metadata", "labels") == []
    assert objects.number(item, "status", "replicas") == 3
    assert objects.number(item, "status", "missing", default=7) == 7
    assert objects.rows(item, "status", "conditions") == [{"type": "Ready"}]
    assert objects.dig(item, "status", "replicas", "deeper") is None
    assert not objects.is_true(item["status"], "Ready")
