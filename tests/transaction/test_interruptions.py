# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, and runs of two people at once: a plain run makes it whole, and one waits for the other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import HELMS, Shop

GOES_ON = "was interrupted. This run continues it"
# What is watched, and the line that a change of it makes; or what the run says.
OUTPUT = ()
RELEASES = ("secrets", "{.metadata.labels.name} {.metadata.labels.status}", "--selector=owner=helm")
LEASE = ("leases", "held by {.spec.holderIdentity}")
ROLLOUT = ("deployments", "{.metadata.name}: {.status.updatedReplicas} of {.status.replicas}")


@dataclass(frozen=True)
class Moment:
    """When a run is killed: as soon as what is watched matches, with all that it has started or without."""

    watched: tuple[str, ...]
    pattern: str
    all_of_it: bool
    held: bool = True  # the lease, so that the next run is told


MOMENTS = {
    "planning": Moment(OUTPUT, "^Deploy an application", all_of_it=True, held=False),
    "comparing": Moment(OUTPUT, "^tools", all_of_it=False, held=False),
    "lease": Moment(LEASE, "^held by .", all_of_it=True),
    "api-changing": Moment(RELEASES, "^api pending-upgrade", all_of_it=True),
    # Helm goes on, and the second run must wait for its end.
    "api-changing-alone": Moment(RELEASES, "^api pending-upgrade", all_of_it=False),
    "between": Moment(RELEASES, "^api deployed", all_of_it=True),
    "web-changing-alone": Moment(RELEASES, "^web pending-upgrade", all_of_it=False),
    "rolling-out": Moment(ROLLOUT, r"^web-component: \d* of 2", all_of_it=True),
    "verifying": Moment(ROLLOUT, r"(?s)^web-component: \d* of 2$.*^web-component: 1 of 1$", all_of_it=True),
    "over": Moment(LEASE, r"(?s)^held by .+\n.*^held by $", all_of_it=True, held=False),
}
# By default a sample, some of them one after the other in the same deploy. SLIPWAY_KILLS=all, which make test-more sets each night, kills
# a run at every moment; with the first installation and the unverified version these are twelve.
KILLS = (
    [(HELMS[0], name) for name in MOMENTS]
    if os.environ.get("SLIPWAY_KILLS") == "all"
    else [(HELMS[0], "planning lease"), (HELMS[0], "api-changing-alone"), (HELMS[0], "between verifying")]
)


def kill(shop: Shop, moment: Moment, **settings: Any) -> None:
    """Start a run and kill it at a moment."""
    with contextlib.ExitStack() as stack:
        watch = stack.enter_context(shop.watch(*moment.watched)) if moment.watched else None
        run = shop.start(**settings)
        watch = watch or stack.enter_context(shop.follow(run))
        watch.wait(moment.pattern, run)
        run.kill(moment.all_of_it)


# -- the first installation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shop", HELMS, indirect=True)
def test_killed_first_installation_is_made_whole_by_a_plain_second_run(shop: Shop) -> None:
    shop.kubectl("delete", "namespace", shop.namespace, "--ignore-not-found")
    tag = shop.version()
    kill(shop, Moment(RELEASES, "^api pending-install", all_of_it=True))
    again = shop.run()
    assert again.code == 0, again.output
    assert GOES_ON in again.words, again.output
    shop.assert_serves(tag)


# -- runs that are killed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shop", "moments"), [*KILLS, *((helm, "api-changing") for helm in HELMS[1:])], indirect=["shop"]
)
def test_killed_run_is_made_whole_by_a_plain_one(shop: Shop, good: str, moments: str) -> None:
    tag = shop.version()
    assert tag != good
    for name in moments.split():
        kill(shop, MOMENTS[name])
    again = shop.run()
    assert again.code == 0, again.output
    assert (GOES_ON in again.words) == MOMENTS[name].held, again.output
    if name == "api-changing":
        assert "Free what an interrupted run left pending-upgrade" in again.words, again.output
    shop.assert_serves(tag)


def test_unverified_version_of_a_killed_run_is_taken_back(shop: Shop, good: str) -> None:
    shop.version()
    kill(shop, Moment(RELEASES, "^web deployed", all_of_it=True), broken="verify")
    # Helm has nothing left to change, so that only the lease knows what was in service.
    again = shop.run(broken="verify")
    assert again.code == 2 and GOES_ON in again.words, again.output
    assert "Returned to the earlier version of" in again.words, again.output
    shop.assert_serves(good)


# -- two people at once ------------------------------------------------------------------------------------------------


def test_second_run_waits_or_says_who_deploys(shop: Shop, good: str) -> None:
    tag = shop.version()
    assert tag != good
    with shop.watch(*LEASE) as lease:
        first = shop.start()
        lease.wait("^held by .", first)
        first.send(signal.SIGSTOP)
    try:
        patient = shop.start("-e", "helm_release_lease_wait=300")
        hurried = shop.run("-e", "helm_release_lease_wait=0")
    finally:
        first.send(signal.SIGCONT)
    assert hurried.code == 2
    assert re.search(
        rf"Another deploy of namespace {shop.namespace} is under way: \S+@\S+ holds its lease since 20", hurried.words
    )
    assert "Returned to the earlier version" not in hurried.words
    done = first.wait()
    assert done.code == 0, done.output
    waited = patient.wait()
    assert waited.code == 0 and "nothing changed" in waited.words, waited.output
    assert GOES_ON not in waited.words
    shop.assert_serves(tag)


def test_run_without_changes_takes_no_lease(shop: Shop, good: str) -> None:
    before = shop.lease()["metadata"]["resourceVersion"]
    result = shop.deploy()
    assert "nothing changed" in result.words
    assert shop.lease()["metadata"]["resourceVersion"] == before
    shop.assert_serves(good)


def test_upgrade_over_a_lease_that_ran_out_elsewhere_costs_nobody_a_request(shop: Shop, good: str) -> None:
    left = {
        "holderIdentity": "ann@elsewhere/1b9d6bcd-4711-88123",
        "acquireTime": "2026-01-01T10:00:00.000000Z",
        "renewTime": "2026-01-01T10:00:00.000000Z",
        "leaseDurationSeconds": 3,
    }
    shop.kubectl("patch", "lease", "slipway-deploy", "--type=merge", f"--patch={json.dumps({'spec': left})}")
    new = shop.version()
    with shop.load() as page:
        result = shop.deploy()
        time.sleep(1)
    assert f"The deploy of ann@elsewhere {GOES_ON}" in result.words, result.output
    assert page.faults == []
    assert set(page.versions) == {good, new} and "changed" in result.words
    shop.assert_serves(new)
