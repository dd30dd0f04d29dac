# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revisions a rollback returns to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.filter.rollback_targets import rollback_targets


def history(*log: Any) -> dict[str, Any]:
    known = [
        {
            "name": name,
            "namespace": "shop",
            "deployed_revision": deployed,
            "previous_revision": previous,
            "history": [{"revision": number} for number in range(1, deployed + 1)],
        }
        for name, deployed, previous in (("db", 1, 0), ("api", 4, 3), ("web", 6, 5))
    ]
    return {"releases": known, "lease": {"log": list(log)}}


def chosen(*log: Any, revision: Any = "") -> list[tuple[str, int]]:
    return [(one["name"], one["revision"]) for one in rollback_targets(history(*log), revision)["releases"]]


def test_the_last_deploy_is_taken_back() -> None:
    assert chosen({"before": {"shop/web": 2, "shop/api": 1}}, {"before": {"shop/db": 1}}) == [("web", 2), ("api", 1)]
    # What a deploy installed for the first time has nothing to return to.
    assert chosen({"before": {"shop/web": 0, "shop/api": 1}}) == [("api", 1)]


@pytest.mark.parametrize("log", [(), ({"before": {}},), ({},)])
def test_without_a_log_each_release_goes_back_by_itself(log: tuple[Any, ...]) -> None:
    assert chosen(*log) == [("web", 5), ("api", 3)]


def test_a_revision_counts_more_than_the_log() -> None:
    log = {"before": {"shop/web": 2}}
    assert chosen(log, revision="3") == chosen(log, revision=3) == [("web", 3), ("api", 3), ("db", 3)]
    assert chosen(log, revision={"api": "2"}) == [("api", 2)]


def test_releases_of_another_application_are_refused() -> None:
    known = history({"before": {"shop/web": 2}})
    known["releases"][2]["application"] = "shop"
    assert rollback_targets(known, application="shop")["problem"] == rollback_targets(known)["problem"] == ""
    problem = rollback_targets(known, application="blog")["problem"]
    assert problem.startswith("Release shop/web belongs to the application shop, not to blog. Nothing was changed.")


def test_what_is_in_service_is_told() -> None:
    assert rollback_targets(history())["in_service"] == {"shop/db": 1, "shop/api": 4, "shop/web": 6}
    assert rollback_targets(history())["problem"] == ""


@pytest.mark.parametrize("revision", [{"other": 3}, {"web": 0}, "third", "-1"])
def test_nothing_to_return_to(revision: Any) -> None:
    found = rollback_targets(history(), revision)
    assert found["releases"] == []
    assert found["problem"].startswith("There is no earlier version of shop/db, shop/api, shop/web to return to")
    assert "the revisions 1; 1 2 3 4; 1 2 3 4 5 6. Name one by -e rollback_revision=" in found["problem"]


def test_a_release_without_revisions() -> None:
    absent = history()
    absent["releases"][0]["history"] = []
    assert "the revisions none; 1 2 3 4;" in rollback_targets(absent, "x")["problem"]


def test_a_revision_whose_image_is_lost_is_refused() -> None:
    lost = {"namespace": "shop", "name": "api", "image": "shop-api:sha-1"}
    for revision, refused in ((3, True), (2, False)):
        found = rollback_targets(history(), "", [{**lost, "revision": revision}])
        assert bool(found["problem"]) is refused and found["releases"]
    found = rollback_targets(history(), "", [{**lost, "revision": 3}])
    assert found["problem"].startswith("Revision 3 of release shop/api needs image shop-api:sha-1, which neither")


def test_a_revision_that_helm_does_not_keep_is_refused() -> None:
    found = rollback_targets(history({"before": {"shop/web": 2, "shop/api": 7}}))
    assert found["problem"].startswith(
        "Release shop/api has no revision 7; Helm keeps 1, 2, 3, 4. Nothing was changed."
    )
    assert not rollback_targets(history(), {"api": 4, "web": 0})["problem"]
