# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy at a time: taking, waiting, taking over and giving back a Lease."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import leases
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import ApiError
from fake_kubernetes import Call, FakeKubernetes, refusal

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def cluster() -> FakeKubernetes:
    api = FakeKubernetes()
    api.add("namespaces", "todo")
    return api


class Clock:
    """A time that only passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def keeper(
    api: FakeKubernetes, clock: Clock, holder: str, working: Callable[[str], list[int]] = lambda _: []
) -> leases.LeaseManager:
    return leases.LeaseManager(
        api, "todo", holder, clock=clock, sleep=clock.sleep, working=working, timer=lambda: clock.now.timestamp()
    )


def test_second_run_waits_for_the_first() -> None:
    api, clock = cluster(), Clock()
    first, second = keeper(api, clock, "ann@a/1"), keeper(api, clock, "bob@b/2")
    assert first.take(900, 0, {"todo/web": 3}).held
    refused = second.take(900, 10)
    assert not refused.held and refused.now.holder == "ann@a/1" and clock.now == NOON + timedelta(seconds=10)
    text = leases.refusal(refused.now, "todo", "slipway-deploy", [])
    assert "ann@a holds its lease since 2026-01-01 12:00:00 UTC" in text and "kubectl delete lease" in text
    assert first.release("done")
    taking = second.take(900, 10, {"todo/web": 4})
    assert taking.held and taking.now.note == {"todo/web": 4} and taking.now.transitions == 1
    assert [(entry["by"], entry["before"]) for entry in taking.now.log] == [("ann@a", {"todo/web": 3})]


def test_renewing_keeps_the_time_of_taking_and_the_note() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(60, 0, {"todo/web": 3})
    clock.sleep(30)
    renewed = mine.take(60, 0, {"todo/web": 9, "todo/api": 1}).now
    assert renewed.acquired == NOON and renewed.renewed == NOON + timedelta(seconds=30)
    assert renewed.note == {"todo/web": 3, "todo/api": 1}


def test_lease_that_ran_out_is_taken_over_with_its_note() -> None:
    api, clock = cluster(), Clock()
    keeper(api, clock, "ann@a/1").take(60, 0, {"todo/web": 3})
    other = keeper(api, clock, "bob@b/2")
    seen = other.look().version
    taking = other.take(60, 0, {"todo/web": 4, "todo/api": 7}, seen, expired=seen)
    assert taking.held and taking.before.holder == "ann@a/1" and taking.now.note == {"todo/web": 3}
    # It may be at work all the same, until it is seen to that it cannot be.
    assert taking.now.stale == ["ann@a/1"] and other.renew().stale == ["ann@a/1"]
    third = keeper(api, clock, "eve@e/3")
    assert third.take(60, 0, expired=third.look().version).now.stale == ["ann@a/1", "bob@b/2"]
    assert third.forget_stale().stale == [] and third.look().stale == []
    assert not keeper(api, clock, "ann@a/1").release("done")


@pytest.mark.parametrize("ahead", [901, -901, 10**8])
def test_clock_that_is_wrong_takes_no_lease_that_is_renewed(ahead: int) -> None:
    api, clock, wrong = cluster(), Clock(), Clock()
    first = keeper(api, clock, "ann@a/1")
    first.take(30, 0)
    wrong.sleep(ahead)
    assert not keeper(api, wrong, "bob@b/2").take(30, 0).held
    # What had expired before it was renewed has not expired now.
    seen = first.look().version
    first.renew()
    assert not keeper(api, wrong, "bob@b/2").take(30, 0, expired=seen).held


def test_run_that_has_lost_its_lease_cannot_renew_it() -> None:
    api, clock = cluster(), Clock()
    mine, other = keeper(api, clock, "ann@a/1"), keeper(api, clock, "bob@b/2")
    mine.take(30, 0)
    assert mine.renew().holder == "ann@a/1"
    other.take(30, 0, dead="ann@a/1")
    with pytest.raises(
        leases.LostError, match="lost the deploy lease of namespace todo: bob@b took it over at 12:00:00 UTC"
    ):
        mine.renew()
    # Also when the other one has released it already: what this run knows of the cluster is out of date.
    other.release("done")
    for act in (mine.renew, lambda: other.remove() and mine.renew()):
        with pytest.raises(leases.LostError, match="it was released or deleted by somebody else"):
            act()
    assert not api.names("leases")


def test_lease_is_renewed_though_another_process_of_the_run_renews_it() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(30, 0, {"todo/web": 3})

    def beside(_call: Call) -> None:
        keeper(api, clock, "ann@a/1").renew()

    for act in (mine.renew, lambda: mine.take(30, 0), lambda: mine.release("done")):
        api.react("PATCH .*leases/", beside, times=1)
        assert act()
    assert mine.look().holder == "" and [entry["before"] for entry in mine.look().log] == [{"todo/web": 3}]


def test_conflicts_without_end_are_told() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(30, 0)
    api.go_wrong(refusal(409), "PATCH", times=None)
    with pytest.raises(ApiError):
        mine.renew()


def test_lease_of_a_run_that_is_gone_is_taken_over_when_its_programs_are_too() -> None:
    api, clock = cluster(), Clock()
    keeper(api, clock, "ann@a/1").take(900, 0)
    left = [[4711], [4711], []]
    taking = keeper(api, clock, "bob@b/2", lambda _: left.pop(0)).take(900, 10, dead="ann@a/1")
    assert taking.held and clock.now == NOON + timedelta(seconds=1) and taking.now.stale == []
    stuck = keeper(api, clock, "eve@e/3", lambda _: [4711]).take(900, 5, dead="bob@b/2")
    assert not stuck.held and "process 4711, is still at work" in leases.refusal(stuck.now, "todo", "l", [4711])


def test_two_that_write_at_once_do_not_both_hold_it() -> None:
    api, clock = cluster(), Clock()
    other = keeper(api, clock, "bob@b/2")

    def first(_call: Call) -> None:
        if not api.names("leases"):
            other.take(900, 0)

    api.react("POST .*leases$", first, times=1)
    assert not keeper(api, clock, "ann@a/1").take(900, 0).held
    assert other.look().holder == "bob@b/2"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_lease_that_may_not_be_read_is_not_taken_for_none(status: int) -> None:
    api, clock = cluster(), Clock()
    api.go_wrong(refusal(status), "GET", times=None)
    mine = keeper(api, clock, "ann@a/1")
    for act in (mine.look, lambda: mine.take(900, 0), lambda: mine.release("done"), mine.remove):
        with pytest.raises(ApiError) as caught:
            act()
        assert caught.value.status == status
    assert not api.names("leases")


def test_lease_that_was_taken_over_while_it_was_given_back() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(900, 0)

    def beside(_call: Call) -> None:
        keeper(api, clock, "bob@b/2").take(900, 0, dead="ann@a/1")

    api.react("PATCH .*leases/", beside, times=1)
    assert mine.release("done") is False
    assert mine.look().holder == "bob@b/2"


@pytest.mark.parametrize("status", [403, 408, 500])
def test_lease_that_cannot_be_given_back_or_taken_is_told(status: int) -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    mine.take(900, 0)
    api.go_wrong(refusal(status), "PATCH", times=None)
    for act in (lambda: mine.release("done"), lambda: mine.take(900, 0)):
        with pytest.raises(ApiError) as caught:
            act()
        assert caught.value.status == status


def test_note_of_another_state_is_not_written() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    seen = mine.look().version
    assert seen == ""
    other = keeper(api, clock, "bob@b/2")
    other.take(900, 0)
    other.release("failed")
    assert mine.take(900, 0, {"todo/web": 3}, seen).now.note == {}
    assert mine.take(900, 0, {"todo/web": 4}, mine.look().version).now.note == {"todo/web": 4}


def test_log_is_short_and_a_way_back_takes_from_it() -> None:
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    for revision in range(leases.LOG_LENGTH + 3):
        mine.take(900, 0, {"todo/web": revision})
        mine.release("done")
    assert len(mine.look().log) == leases.LOG_LENGTH and mine.look().log[0]["before"] == {"todo/web": 12}
    mine.take(900, 0, {"todo/web": 99})
    mine.release("undone")
    assert mine.look().log[0]["before"] == {"todo/web": 11} and not mine.look().note
    mine.take(900, 0, {"todo/web": 99})
    mine.release("failed")
    assert mine.look().log[0]["before"] == {"todo/web": 11} and not mine.look().note


WEB, MAIL = {"todo/web", "todo/api"}, {"todo/mail"}


def two_applications() -> tuple[FakeKubernetes, leases.LeaseManager]:
    """A Lease whose log has entries of two applications, and who writes it."""
    api, clock = cluster(), Clock()
    mine = keeper(api, clock, "ann@a/1")
    for note, releases in (({"todo/web": 1}, WEB), ({"todo/mail": 5}, MAIL), ({"todo/api": 2}, WEB)):
        mine.take(60, 0, note)
        mine.release("done", releases=releases)
    return api, mine


def log_of(manager: leases.LeaseManager) -> list[Any]:
    return [entry["before"] for entry in manager.look().log]


def test_way_back_of_one_application_leaves_the_log_of_another() -> None:
    _api, mine = two_applications()
    assert log_of(mine) == [{"todo/api": 2}, {"todo/mail": 5}, {"todo/web": 1}]
    mine.take(60, 0, {"todo/mail": 6})
    assert mine.release("undone", releases=MAIL)
    assert log_of(mine) == [{"todo/api": 2}, {"todo/web": 1}]
    assert [entry["before"] for entry in leases.of(mine.look(), MAIL).log] == []


@pytest.mark.parametrize("outcome", ["done", "failed", "undone"])
def test_note_of_another_application_stays(outcome: str) -> None:
    _api, mine = two_applications()
    mine.take(60, 0, {"todo/web": 3, "todo/mail": 6})
    mine.release(outcome, releases=MAIL)
    assert mine.look().note == {"todo/web": 3}
    assert leases.of(mine.look(), MAIL).note == {} and leases.of(mine.look(), WEB).note == {"todo/web": 3}
    assert ({"todo/mail": 6} in log_of(mine)) is (outcome == "done")


def test_run_that_ends_half_way_leaves_note_and_log_to_the_next_one() -> None:
    _api, mine = two_applications()
    before = log_of(mine)
    mine.take(60, 0, {"todo/web": 3})
    assert mine.release("unfinished", releases=WEB)
    found = mine.look()
    assert found.holder == "" and found.note == {"todo/web": 3} and log_of(mine) == before
    assert mine.take(60, 0, {"todo/web": 4}).now.note == {"todo/web": 3}


def test_log_of_a_busy_application_does_not_push_out_that_of_another() -> None:
    _api, mine = two_applications()
    for number in range(leases.LOG_LENGTH + 2):
        mine.take(60, 0, {"todo/web": number})
        mine.release("done", releases=WEB)
    assert {"todo/mail": 5} in log_of(mine) and len(log_of(mine)) == leases.LOG_LENGTH + 1
    for number in range(leases.MOST_ENTRIES):
        mine.take(60, 0, {f"todo/r{number}": 1})
        mine.release("done", releases={f"todo/r{number}"})
    assert len(log_of(mine)) == leases.MOST_ENTRIES


def test_lease_goes_with_the_last_application() -> None:
    api, mine = two_applications()
    mine.take(60, 0, {"todo/mail": 6})
    assert mine.remove(write=False, releases=MAIL) and mine.look().holder == "ann@a/1"
    assert mine.remove(releases=MAIL)
    assert mine.look().holder == "" and log_of(mine) == [{"todo/api": 2}, {"todo/web": 1}]
    assert mine.remove(releases=WEB) and not api.names("leases")
    assert not mine.remove(releases=WEB)


def test_lease_that_another_run_holds_stays() -> None:
    api, mine = two_applications()
    other = keeper(api, Clock(), "bob@b/2")
    other.take(60, 0)
    for releases in (WEB, MAIL):
        assert mine.remove(releases=releases)
    assert other.look().holder == "bob@b/2" and log_of(other) == []
    assert mine.remove() and not api.names("leases")


def test_nothing_is_written_in_check_mode() -> None:
    api, clock = cluster(), Clock()
    assert keeper(api, clock, "ann@a/1").take(900, 0, write=False).held and not api.names("leases")
    keeper(api, clock, "ann@a/1").take(900, 0)
    assert keeper(api, clock, "ann@a/1").release("done", write=False) and len(api.writes) == 1
    assert keeper(api, clock, "ann@a/1").remove(write=False) and api.names("leases")
    assert keeper(api, clock, "ann@a/1").remove() and not api.names("leases")
    assert not keeper(api, clock, "ann@a/1").remove()


# -- what is not ours --------------------------------------------------------------------------------------------------

NOT_OURS: dict[str, tuple[dict[str, Any], str]] = {
    "newer": (
        {"annotations": {"slipway.kube/format": "2"}},
        "Lease slipway-deploy in namespace todo was written by a newer Slipway (format 2; this one knows 1).",
    ),
    "newer, unreadable": ({"annotations": {"slipway.kube/format": "v2"}}, "was written by a newer Slipway (format v2"),
    "managed by another": ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "it is managed by Helm."),
    "leader election": (
        {"spec": {"holderIdentity": "pod-7f_9b1d"}},
        "does not belong to Slipway: pod-7f_9b1d holds it.",
    ),
    **{
        f"note {text}": (
            {"annotations": {"slipway.kube/before": text}},
            "cannot be read: its annotation slipway.kube/before is damaged.",
        )
        for text in ("", "{", "[1]", "7")
    },
    "log": ({"annotations": {"slipway.kube/log": "{}"}}, "its annotation slipway.kube/log is damaged."),
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_lease_that_is_not_ours_is_told_and_left_as_it_is(case: str) -> None:
    fields, words = NOT_OURS[case]
    api, clock = cluster(), Clock()
    api.add("leases", leases.NAME, **fields)
    mine = keeper(api, clock, "ann@a/1")
    for act in (mine.look, lambda: mine.take(30, 0), lambda: mine.release("done"), mine.renew, mine.remove):
        with pytest.raises(leases.LeaseError) as caught:
            act()
        assert words in str(caught.value)
    assert api.writes == []


# As commit 4d430c7 wrote it.
OLD = {
    "annotations": {
        "slipway.kube/before": '{"todo/web": 3}',
        "slipway.kube/log": '[{"at": "2026-01-01T10:00:00.000000Z", "by": "ann@a", "before": {"todo/web": 2}}]',
    },
    "spec": {
        "holderIdentity": "ann@a/1b9d6bcd-4711-88123",
        "acquireTime": "2026-01-01T11:00:00.000000Z",
        "renewTime": "2026-01-01T11:00:00.000000Z",
        "leaseDurationSeconds": 900,
        "leaseTransitions": 7,
    },
}


def test_lease_of_an_old_version_that_is_held_is_taken_over_when_it_has_expired() -> None:
    api, clock = cluster(), Clock()
    api.add("leases", leases.NAME, **OLD)
    mine = keeper(api, clock, "bob@b/2")
    assert not mine.take(30, 60, {"todo/web": 4}).held and api.writes == []
    taking = mine.take(30, 0, {"todo/web": 4}, expired=mine.look().version)
    assert taking.held and taking.now.note == {"todo/web": 3} and len(taking.now.log) == 1
    assert taking.now.transitions == 8 and taking.now.duration == 30
    assert api.get("leases", leases.NAME)["metadata"]["annotations"]["slipway.kube/format"] == "1"


def test_lease_of_an_old_version_that_is_free_is_taken_with_its_log() -> None:
    api, clock = cluster(), Clock()
    api.add(
        "leases",
        leases.NAME,
        annotations={"slipway.kube/log": OLD["annotations"]["slipway.kube/log"]},
        spec={"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 7},
    )
    taking = keeper(api, clock, "bob@b/2").take(30, 0, {"todo/web": 4})
    assert taking.held and taking.now.note == {"todo/web": 4} and len(taking.now.log) == 1


def test_time_that_cannot_be_read_is_unknown() -> None:
    found = leases.parse({"spec": {"renewTime": "soon"}})
    assert found.renewed is None and found.expires is None and found.as_result()["expires"] == ""


# -- who looks on ------------------------------------------------------------------------------------------------------


def test_lease_expires_when_no_renewal_was_seen_for_its_duration() -> None:
    observer = leases.Observer()
    assert observer.see("7", 30, asked=100, answered=101) == ""
    # Between the end of the first look and the beginning of this one are 29.5 s, whatever comes after.
    assert observer.see("7", 30, asked=130.5, answered=160) == ""
    assert observer.left(30, 130.5) == 0.5
    assert observer.see("8", 30, asked=131, answered=132) == ""
    assert observer.see("8", 30, asked=161.9, answered=162) == ""
    assert observer.see("8", 30, asked=162, answered=163) == "8"


def test_what_an_earlier_run_has_seen_counts() -> None:
    assert leases.Observer("7", 100).see("7", 900, asked=1000, answered=1001) == "7"
    assert leases.Observer("7", 100).see("8", 900, asked=1000, answered=1001) == ""


# -- programs ----------------------------------------------------------------------------------------------------------


def test_programs_of_a_run_are_found_by_its_mark() -> None:
    holder = f"ann@a/{os.getpid()}"
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(command, env={**os.environ, leases.MARK: holder}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline()
            assert leases.workers(holder) == [process.pid]
            assert leases.workers(f"{holder}0") == []
        finally:
            process.kill()
