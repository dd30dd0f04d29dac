# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that fails is as if it had never been, one that is announced does what was announced, and there is a way back."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from .conftest import HELMS, Shop

# -- upgrades that fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shop", "broken", "words"),
    [
        (HELMS[0], "probe", "probe_failing"),
        (HELMS[0], "image", "image_missing"),
        # The check by its name, and what it observed.
        (HELMS[0], "verify", "page: .{0,120}good equals"),
        *((helm, "migration", "column price is missing") for helm in HELMS),
    ],
    indirect=["shop"],
)
def test_failed_upgrade_costs_nobody_a_request(shop: Shop, good: str, broken: str, words: str) -> None:
    before = {release: max(shop.revisions(release)) for release in ("api", "web")}
    bad = shop.version(delivered=broken != "image")
    with shop.load() as page, shop.load("/api/work") as interface:
        result = shop.run(broken=broken)
        time.sleep(1)
    assert result.code == 2, result.output
    assert re.search(words, result.words), result.output
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


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"targetPort: http\n": "targetPort: htp\n"}, "service_port_wrong"),
        ({'include "common.selectorLabels" (dict "ctx" .)': '(list "app: else" | first)'}, "no_endpoints"),
    ],
)
def test_upgrade_that_is_certain_to_fail_is_refused_before_it_costs_a_request(
    shop: Shop, good: str, wrong: dict[str, str], code: str
) -> None:
    before = {release: shop.revisions(release) for release in ("api", "web")}
    template = shop.project / "charts" / "common" / "templates" / "_service.tpl"
    text = changed = template.read_text(encoding="utf-8")
    for old, new in wrong.items():
        assert old in changed
        changed = changed.replace(old, new)
    template.write_text(changed, encoding="utf-8")
    try:
        with shop.load() as page:
            result = shop.run()
    finally:
        template.write_text(text, encoding="utf-8")
    assert result.code == 2 and code in result.words and "Nothing was changed" in result.words, result.output
    assert page.faults == []
    assert before == {release: shop.revisions(release) for release in ("api", "web")}
    shop.assert_serves(good)


@pytest.mark.parametrize("shop", HELMS, indirect=True)
def test_an_upgrade_migrates_what_has_not_been_migrated(shop: Shop, good: str) -> None:
    def migrated() -> str:
        selector = "--selector=app.kubernetes.io/component=migration"
        return shop.kubectl("get", "configmap", selector, "--output=jsonpath={.items[*].metadata.uid}")

    shop.deploy(migrations="one")
    first = migrated()
    assert first
    shop.version()
    shop.deploy(migrations="one")
    assert migrated() == first
    failed = shop.run(migrations="two", broken="migration")
    assert failed.code == 2 and "column price is missing" in failed.words, failed.output
    assert migrated() == first
    shop.deploy(migrations="two")
    second = migrated()
    assert second and second != first
    # Nor does the way back ask for the older ones again.
    back = shop.run(playbook="rollback.yml")
    assert back.code == 0, back.output
    assert migrated() == second
    shop.deploy()


# -- seeing what changes -----------------------------------------------------------------------------------------------


def test_check_mode_announces_what_a_run_then_changes(shop: Shop, good: str) -> None:
    before = {release: max(shop.revisions(release)) for release in ("api", "web")}
    # The same version number of the chart; only a template differs.
    template = shop.project / "charts" / "component" / "templates" / "manifests.yaml"
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
        assert before == {release: max(shop.revisions(release)) for release in ("api", "web")}
        done = shop.deploy(note="new")
        counted = [re.search(r"(\d+) (?:would change|changed)", result.words) for result in (announced, done)]
        assert counted[0] and counted[1] and counted[0].group(1) == counted[1].group(1), (announced.output, done.output)
        assert shop.kubectl("get", "configmap", "web-extra", "--output=jsonpath={.data.A}") == "b"
    finally:
        template.write_text(text, encoding="utf-8")
    shop.assert_serves(good)


# -- the way back ------------------------------------------------------------------------------------------------------


def test_rollback_playbook_goes_back_one_deploy_after_the_other(shop: Shop, good: str) -> None:
    second = shop.version()
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
    assert set(page.versions) == {good, second}
    lost = shop.run("-e", "rollback_revision=9999", playbook="rollback.yml")
    assert lost.code == 2 and "has no revision 9999" in lost.words, lost.output
    shop.assert_serves(good)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_canaries_are_in_the_secret_and_nowhere_else(shop: Shop, good: str) -> None:
    shop.kubectl("delete", "secret", "shop-api")
    assert shop.version() != good
    seen: set[bytes] = set()
    looks: Counter[str] = Counter()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for name in os.listdir("/proc"):
                # A process has its own arguments soon after it began.
                if not name.isdigit() or looks[name] > 50:
                    continue
                looks[name] += 1
                try:
                    seen.add(Path("/proc", name, "cmdline").read_bytes())
                except OSError:
                    del looks[name]  # it has ended

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
