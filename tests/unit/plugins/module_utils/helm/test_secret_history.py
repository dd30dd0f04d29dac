# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the revisions of releases say of Secrets."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._helm.secret_history import SecretHistory, used_by
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import Target
from fake_kubernetes import FakeKubernetes

A, B, C = (letter * 32 for letter in "abc")
RELEASES = [
    {"name": "db", "namespace": "todo", "secret_checksums": {"password": "postgresql.secretChecksum"}},
    {"name": "api", "namespace": "todo"},
]
MANIFEST = """
kind: StatefulSet
metadata: {name: db}
spec:
  template:
    spec:
      containers:
        - env: [{name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: password, key: P}}}]
          envFrom: [{secretRef: {name: environment}}, {configMapRef: {name: settings}}]
      volumes: [{name: a, secret: {secretName: mounted}}, {name: b, projected: {sources: [{secret: {name: projected}}]}}]
---
kind: Service
metadata: {name: unused}
"""


@pytest.fixture
def api() -> FakeKubernetes:
    return FakeKubernetes()


def revision(api: FakeKubernetes, name: str, number: int, status: str, config: Any = None, manifest: str = "") -> None:
    record = {"name": name, "info": {}, "chart": {}, "config": config, "manifest": manifest}
    labels = {"name": name, "owner": "helm", "status": status, "version": str(number)}
    data = {"release": releases.encode(record)}
    api.add("secrets", f"sh.helm.release.v1.{name}.v{number}", labels=labels, type=releases.TYPE, data=data)


def claim(api: FakeKubernetes, name: str, release: str, phase: str = "Bound") -> None:
    labels = {"app.kubernetes.io/instance": release}
    api.add("persistentvolumeclaims", name, labels=labels, status={"phase": phase})


def test_checksums_of_all_revisions_and_of_those_in_service(api: FakeKubernetes) -> None:
    revision(api, "db", 1, "superseded", {"postgresql": {"secretChecksum": A}})
    revision(api, "db", 2, "deployed", {"list": [{"any": B}], "digest": "d" * 40, "number": 3})
    revision(api, "db", 3, "failed", {"postgresql": {"secretChecksum": C}})
    revision(api, "api", 1, "failed")
    revision(api, "other", 7, "deployed", {"sum": "e" * 32})
    history = SecretHistory(api, RELEASES)
    assert history.kept() == {A, B, C, "e" * 32}
    assert history.in_service() == {B: "revision 2 of release db"}
    assert [call.last for call in api.calls] == ["secrets"]


def test_record_that_cannot_be_read(api: FakeKubernetes) -> None:
    revision(api, "db", 1, "deployed")
    api.get("secrets", "sh.helm.release.v1.db.v1")["data"]["release"] = "bm8="
    with pytest.raises(ValueError, match="holds no record"):
        SecretHistory(api, RELEASES).kept()


def test_targets(api: FakeKubernetes) -> None:
    revision(api, "db", 1, "superseded", {"postgresql": {"secretChecksum": A}, "other": B})
    revision(api, "db", 2, "superseded", {"postgresql": {"secretChecksum": "by hand"}})
    revision(api, "db", 3, "deployed", None)
    revision(api, "api", 1, "deployed", {"secretChecksum": C})
    history = SecretHistory(api, RELEASES)
    assert history.targets({"todo/db": 1, "todo/api": 1}) == [
        Target("revision 1 of release db", frozenset({A, B}), {"password": A}),
        Target("revision 1 of release api", frozenset({C}), {}),
    ]
    for number in (2, 3):
        words = f"revision {number} of release db"
        assert history.targets({"todo/db": number}) == [Target(words, frozenset(), {"password": ""})]
    # A first installation, and one that Helm has forgotten.
    assert history.targets({"todo/db": 0, "todo/api": 9}) == []


def test_secrets_that_pods_use() -> None:
    assert set(used_by(list(yaml.safe_load_all(MANIFEST)))) == {"password", "environment", "mounted", "projected"}


def test_claim_whose_data_needs_a_lost_secret(api: FakeKubernetes) -> None:
    revision(api, "db", 1, "deployed", manifest=MANIFEST)
    claim(api, "cache", "theirs")
    assert SecretHistory(api, RELEASES).claim_of("todo", "password") == ""
    claim(api, "data-db-0", "db")
    history = SecretHistory(api, RELEASES)
    assert history.claim_of("todo", "password") == "data-db-0"
    # One that is declared for the first time, and one that has the name of something else.
    assert history.claim_of("todo", "new") == "" and history.claim_of("todo", "unused") == ""
    assert history.claim_of("elsewhere", "password") == ""


def test_claim_of_a_release_that_is_not_installed_any_more(api: FakeKubernetes) -> None:
    claim(api, "data-db-0", "db", phase="Pending")
    assert SecretHistory(api, RELEASES).claim_of("todo", "password") == "", "it has never held data"
    claim(api, "data-db-1", "db")
    assert SecretHistory(api, RELEASES).claim_of("todo", "password") == "data-db-1"


def test_claim_of_an_installation_that_failed(api: FakeKubernetes) -> None:
    revision(api, "db", 1, "failed", manifest=MANIFEST)
    claim(api, "data-db-0", "db")
    history = SecretHistory(api, RELEASES)
    assert (history.claim_of("todo", "password"), history.claim_of("todo", "new")) == ("data-db-0", "")
