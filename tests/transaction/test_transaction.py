# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy is one step: it succeeds whole, or the earlier version serves on as if nothing had been."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import NAMESPACE, Shop

# -- upgrades that fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("probe", "probe_failing"),
        ("migration", "column price is missing"),
        ("image", "image_missing"),
        ("verify", "page"),
    ],
)
def test_failed_upgrade_costs_nobody_a_request(shop: Shop, numbers: Iterator[int], broken: str, words: str) -> None:
    good = shop.version(next(numbers))
    shop.deploy()
    before = {release: max(shop.revisions(release)) for release in ("api", "web")}
    bad = shop.version(next(numbers), delivered=broken != "image")
    with shop.load() as page, shop.load("/api/work") as interface:
        result = shop.run(broken=broken)
        time.sleep(1)
    assert result.code == 2, result.output
    assert words in result.words
    assert re.search(r"Returned to the earlier version of .*api \(revision \d+ has failed", result.words), result.output
    assert "which is in service and passes its 2 checks" in result.words
    for load in (page, interface):
        assert load.faults == []
        assert load.rate > 25, "the load was too light to tell anything"
    # What was broken for the page never answered on its behalf, unless only the check could find it.
    assert set(page.versions) <= ({good, bad} if broken == "verify" else {good})
    shop.assert_serves(good)
    for release in ("api", "web"):
        history = shop.revisions(release)
        assert history[before[release] + 1] == "failed", (release, history)


def test_upgrade_costs_nobody_a_request(shop: Shop, numbers: Iterator[int]) -> None:
    shop.deploy()
    new = shop.version(next(numbers))
    with shop.load() as page:
        result = shop.deploy()
        time.sleep(1)
    assert page.faults == []
    assert new in page.versions and "changed" in result.words
    shop.assert_serves(new)


# -- runs that are killed ----------------------------------------------------------------------------------------------


def test_killed_run_is_made_whole_by_a_plain_second_one(shop: Shop, numbers: Iterator[int]) -> None:
    shop.version(next(numbers))
    whole = shop.deploy().seconds
    # From when Ansible has begun to just before the end. All nine, which with the first installation are ten, take five minutes.
    points = range(9) if os.environ.get("SLIPWAY_KILLS") == "all" else (1, 4, 7)
    for count in points:
        tag = shop.version(next(numbers))
        run = shop.start()
        time.sleep(whole * (0.12 + 0.86 * count / 9))
        run.kill(all_of_it=count % 2 == 0)
        run.process.wait(timeout=10)
        again = shop.run()
        assert again.code == 0, (count, again.output)
        shop.assert_serves(tag)


def test_unverified_version_of_a_killed_run_is_taken_back(shop: Shop, numbers: Iterator[int]) -> None:
    good = shop.version(next(numbers))
    shop.deploy()
    before = max(shop.revisions("web"))
    shop.version(next(numbers))
    run = shop.start(broken="verify")
    deadline = time.monotonic() + 300
    while shop.revisions("web").get(before + 1) != "deployed":
        assert time.monotonic() < deadline, run.wait().output
    run.kill(all_of_it=True)
    run.process.wait(timeout=10)
    # Helm has nothing left to change, so that only the lease knows what was in service.
    again = shop.run(broken="verify")
    assert again.code == 2 and "Returned to the earlier version of" in again.words, again.output
    shop.assert_serves(good)


# -- two people at once ------------------------------------------------------------------------------------------------


def test_second_run_waits_or_says_who_deploys(shop: Shop, numbers: Iterator[int]) -> None:
    tag = shop.version(next(numbers))
    first = shop.start()
    deadline = time.monotonic() + 300
    while not shop.lease()["spec"].get("holderIdentity"):
        assert time.monotonic() < deadline and first.process.poll() is None, first.wait().output
        time.sleep(0.05)
    patient = shop.start()
    hurried = shop.run("-e", "helm_release_lease_wait=0")
    assert first.process.poll() is None, "the first run was over before the second one asked"
    assert hurried.code == 2
    assert re.search(
        rf"Another deploy of namespace {NAMESPACE} is under way: \S+@\S+ holds its lease since 20", hurried.words
    )
    assert "Returned to the earlier version" not in hurried.words
    done = first.wait()
    assert done.code == 0, done.output
    waited = patient.wait()
    assert waited.code == 0 and "nothing changed" in waited.words, waited.output
    shop.assert_serves(tag)


def test_run_without_changes_takes_no_lease(shop: Shop) -> None:
    shop.deploy()
    before = shop.lease()["metadata"]["resourceVersion"]
    result = shop.deploy()
    assert "nothing changed" in result.words
    assert shop.lease()["metadata"]["resourceVersion"] == before


# -- seeing what changes -----------------------------------------------------------------------------------------------


def test_check_mode_announces_what_a_run_then_changes(shop: Shop, numbers: Iterator[int]) -> None:
    shop.version(next(numbers))
    shop.deploy()
    # The same version number of the chart; only a template differs.
    template = shop.project / "charts" / "component" / "templates" / "service.yaml"
    text = template.read_text(encoding="utf-8")
    template.write_text(
        text + "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-extra\ndata:\n  A: b\n"
    )
    try:
        announced = shop.run("--check", "--diff", note="new")
        assert announced.code == 0, announced.output
        assert "ConfigMap api-extra" in announced.output and "+++ after: ConfigMap web-extra" in announced.output
        assert re.search(r"^\s*\+ +NOTE: new$", announced.output, re.MULTILINE)
        assert not re.search(r"\+\+\+ .*Secret", announced.output)
        done = shop.deploy(note="new")
        counted = [re.search(r"(\d+) (?:would change|changed)", result.words) for result in (announced, done)]
        assert counted[0] and counted[1] and counted[0].group(1) == counted[1].group(1), (announced.output, done.output)
        assert shop.kubectl("get", "configmap", "web-extra", "--output=jsonpath={.data.A}") == "b"
    finally:
        template.write_text(text, encoding="utf-8")
    shop.deploy()


# -- the way back ------------------------------------------------------------------------------------------------------


def test_rollback_playbook_goes_back_one_deploy_after_the_other(shop: Shop, numbers: Iterator[int]) -> None:
    first = shop.version(next(numbers))
    shop.deploy()
    second = shop.version(next(numbers))
    shop.deploy()
    # Only one release is changed by the third deploy, so only that one goes back first.
    shop.deploy(note="third")
    web = max(shop.revisions("web"))
    with shop.load() as page:
        back = shop.run(playbook="rollback.yml")
        assert back.code == 0, back.output
        assert max(shop.revisions("web")) == web
        shop.assert_serves(second)
        back = shop.run(playbook="rollback.yml")
        assert back.code == 0, back.output
    assert page.faults == []
    shop.assert_serves(first)
    lost = shop.run("-e", "rollback_revision=9999", playbook="rollback.yml")
    assert lost.code == 2 and "has no revision 9999" in lost.words, lost.output
    shop.assert_serves(first)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_canaries_are_in_the_secret_and_nowhere_else(shop: Shop, numbers: Iterator[int]) -> None:
    shop.kubectl("delete", "secret", "shop-api")
    shop.version(next(numbers))
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(place.read_bytes())
                except OSError:
                    continue  # it has ended

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        shop.deploy("-vvv", "--diff")
        failed = shop.run("-vvv", "--diff", broken="verify")
    finally:
        ended.set()
        watcher.join()
    assert failed.code == 2, failed.output[-3000:]
    stored = json.loads(shop.kubectl("get", "secret", "shop-api", "--output=json"))["data"]
    values = {base64.b64decode(text).decode() for text in stored.values()} | set(stored.values())
    assert shop.canaries <= values, "the canaries did not reach the Secret"
    values |= shop.canaries | {base64.b64encode(canary.encode()).decode() for canary in shop.canaries}
    places = {f"process {index}": text.decode(errors="replace") for index, text in enumerate(seen)}
    assert any("helm" in text for text in places.values()), "no process of the run was seen"
    files = [*shop.logs, shop.place / "ansible.log", *(file for file in shop.reports.rglob("*") if file.is_file())]
    assert any(file.suffix == ".json" for file in files), "the run wrote no report to look into"
    places.update({str(file): file.read_text(encoding="utf-8", errors="replace") for file in files})
    for release in ("api", "web"):
        for revision in shop.revisions(release):
            places[f"helm get all {release} {revision}"] = shop.helm("get", "all", release, f"--revision={revision}")
    # Not a comparison of the texts themselves: a failure would print the values.
    assert sorted(place for place, text in places.items() if any(value in text for value in values)) == []
