# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are part of the transaction: a version that goes back gets the ones that it had, and what was generated once comes back."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.transaction.conftest import EACH_NIGHT, Object, Shop
from tests.transaction.test_interruptions import GOES_ON, RELEASES, Moment, kill

COPIES = "--selector=slipway.kube/checksum"
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-api-0, labels: {app.kubernetes.io/instance: api}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""


def held(shop: Shop) -> Object:
    """What the Secret holds, encoded."""
    found: Object = json.loads(shop.kubectl("get", "secret", "shop-api", "--output=json"))["data"]
    return found


def copies(shop: Shop) -> list[Object]:
    """What the copies of the Secret hold."""
    return [one["data"] for one in json.loads(shop.kubectl("get", "secrets", COPIES, "--output=json"))["items"]]


def changed() -> dict[str, str]:
    """An environment that gives the Secret another value."""
    return {"TX_CANARY": f"canary-{secrets.token_hex(12)}"}


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_deleted_secret_comes_back_as_it_was(shop: Shop, good: str) -> None:
    before, revisions = held(shop), shop.revisions("api")
    shop.kubectl("delete", "secret", "shop-api")
    announced = shop.run("--check", "--diff")
    assert "Secret shop-api is missing; to be restored as in revision" in announced.words, announced.output
    result = shop.deploy()
    assert "Secret shop-api was missing; restored as in revision" in result.words, result.output
    # Compared without showing them.
    assert (held(shop) == before, shop.revisions("api")) == (True, revisions)
    shop.assert_serves(good)
    again = shop.deploy()
    assert "nothing changed" in again.words.lower(), again.output


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_failed_deploy_gives_the_secret_back(shop: Shop, good: str) -> None:
    before = held(shop)
    bad = shop.run(broken="verify", environment=changed())
    assert bad.code == 2 and "Secret shop-api is as in revision" in bad.words, bad.output
    assert (held(shop) == before, len(copies(shop))) == (True, 2)
    shop.assert_serves(good)


def test_rollback_by_hand_gives_the_secret_back(shop: Shop, good: str) -> None:
    before = held(shop)
    value = changed()
    shop.deploy(environment=value)
    after = held(shop)
    back = shop.run(playbook="rollback.yml", environment=value)
    assert back.code == 0 and "Secret shop-api is as in revision" in back.words, back.output
    assert (held(shop) == before, after == before) == (True, False)
    # What is declared is deployed by the next run, and the old value by the one after it.
    shop.deploy(environment=value)
    assert held(shop) == after
    shop.deploy()
    assert held(shop) == before


@pytest.mark.night
def test_interrupted_deploy_that_then_fails_gives_the_secret_back(shop: Shop, good: str) -> None:
    before = held(shop)
    value = changed()
    kill(shop, Moment(RELEASES, "^api pending-upgrade", all_of_it=True), environment=value)
    assert (held(shop) == before) is False
    bad = shop.run(broken="verify", environment=value)
    assert bad.code == 2 and GOES_ON in bad.words, bad.output
    assert (held(shop) == before) is True
    shop.assert_serves(good)


@pytest.mark.night
def test_copies_without_a_revision_are_removed(shop: Shop, good: str) -> None:
    for _number in range(2):
        shop.deploy("-e", "helm_release_history_max=2", environment=changed())
    # Those of two revisions, and the one that was replaced last.
    assert 2 <= len(copies(shop)) <= 3
    assert held(shop) in copies(shop)
    shop.deploy()


def test_secret_without_a_copy_is_not_made_anew_over_data(shop: Shop, good: str) -> None:
    manifest = shop.place / "claim.yaml"
    manifest.write_text(CLAIM, encoding="utf-8")
    shop.kubectl("apply", "--filename", str(manifest))
    shop.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data-api-0", "--timeout=60s")
    shop.kubectl("delete", "secret", "shop-api")
    shop.kubectl("delete", "secrets", COPIES)
    for arguments in ((), ("--check",)):
        refused = shop.run(*arguments)
        assert refused.code == 2, refused.output
        assert "Secret shop-api" in refused.words and "PersistentVolumeClaim data-api-0" in refused.words, (
            refused.output
        )
        assert "shop-api" not in shop.kubectl("get", "secrets", "--output=name")
    shop.kubectl("delete", "pvc", "data-api-0")
    shop.deploy()
    assert len(copies(shop)) == 1
