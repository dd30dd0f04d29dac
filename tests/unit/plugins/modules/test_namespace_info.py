# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces and Secrets go with an application: those of somebody else never do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.modules import namespace_info
from fake_kubernetes import Answer, FakeKubernetes, refusal, stand_in

Object = dict[str, Any]
MARK = {"app.kubernetes.io/managed-by": "slipway"}


def record(name: str, revision: int = 1, status: str = "deployed") -> Object:
    labels = {"owner": "helm", "name": name, "status": status, "version": str(revision)}
    return {
        "type": releases.TYPE,
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "labels": labels},
    }


def secret(name: str, labels: dict[str, str] | None = None) -> Object:
    return {"type": "Opaque", "metadata": {"name": name, "labels": labels or {}}, "data": {"password": "aHVzaC1odXNo"}}


def cluster(**places: tuple[dict[str, str] | None, list[Object], list[Object]]) -> FakeKubernetes:
    """Namespaces by their names, each with its labels, Secrets and ConfigMaps."""
    api = FakeKubernetes()
    for name, (labels, secrets, configmaps) in places.items():
        api.add("namespaces", name, labels=labels)
        api.put("secrets", secrets, name)
        api.put("configmaps", configmaps, name)
    return api


def ask(
    api: FakeKubernetes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    **options: Any,
) -> Object:
    stand_in(api, monkeypatch)
    given = {"namespace": "shop", "releases": [{"name": "web", "namespace": "shop"}], **options}
    with patch_module_args(given), pytest.raises(SystemExit):
        namespace_info.main()
    text = capsys.readouterr().out
    assert "aHVzaC1odXNo" not in text
    found: Object = json.loads(text)
    assert not found.get("changed")
    return found


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/managed-by": "Helm"}, {"managed-by": "slipway"}])
def test_namespace_without_the_label_is_kept(
    labels: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask(cluster(shop=(labels, [record("web")], [])), monkeypatch, capsys)
    assert found["removed"] == []
    assert [(one["name"], one["reason"]) for one in found["kept"]] == [("shop", "Slipway did not create it")]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record("web")],
        [record("web", 9, "superseded"), record("web", 10, "failed")],
        # Its history was kept when it was uninstalled: revision 10 is the newest, whatever the order of the names is.
        [record("old", 10, "uninstalled"), record("old", 9, "superseded")],
        [secret("mail", record("mail")["metadata"]["labels"])],
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_namespace_of_slipway_goes(
    records: list[Object], check_mode: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask(cluster(shop=(MARK, records, [])), monkeypatch, capsys, _ansible_check_mode=check_mode)
    assert (found["removed"], found["kept"]) == (["shop"], [])
    assert found["namespaces"][0]["other_releases"] == []


@pytest.mark.parametrize("in_configmaps", [False, True])
def test_namespace_with_a_release_of_another_application_is_kept(
    in_configmaps: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        record("web"),
        record("mail", 9, "uninstalled"),
        record("mail", 10, "pending-install"),
        record("api", 2, "failed"),
    ]
    given = ([], records) if in_configmaps else (records, [])
    found = ask(cluster(shop=(MARK, *given)), monkeypatch, capsys)
    assert found["removed"] == []
    (kept,) = found["kept"]
    assert kept["other_releases"] == ["api", "mail"] and kept["owned"]
    assert kept["reason"] == "other Helm releases live in it: api, mail"


def test_release_counts_as_ours_in_its_own_namespace_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(shop=(MARK, [], []), other=(MARK, [record("web")], []))
    found = ask(api, monkeypatch, capsys, secrets=[{"name": "key", "namespace": "other"}])
    assert found["removed"] == ["shop"]
    assert [one["name"] for one in found["kept"]] == ["other"]


def test_namespaces_that_do_not_exist_are_neither_removed_nor_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    releases = [{"name": "web", "namespace": "shop"}, {"name": "db", "namespace": "data"}]
    found = ask(cluster(data=(MARK, [], [])), monkeypatch, capsys, releases=releases)
    assert [(one["name"], one["exists"]) for one in found["namespaces"]] == [("shop", False), ("data", True)]
    assert (found["removed"], found["kept"]) == (["data"], [])


def test_only_secrets_that_slipway_made_go_from_a_namespace_that_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = [secret("ours", MARK), secret("theirs"), secret("ours-too", MARK)]
    api = cluster(shop=({}, shop, []), data=(MARK, [secret("theirs")], []))
    wanted = [{"name": name} for name in ("ours", "theirs", "missing")] + [{"name": "theirs", "namespace": "data"}]
    found = ask(api, monkeypatch, capsys, secrets=wanted)
    assert found["secrets"] == [{"name": "ours", "namespace": "shop"}]
    # What lies in a namespace that goes, goes with it.
    assert found["kept_secrets"] == [{"name": "theirs", "namespace": "shop"}] and found["removed"] == ["data"]


def test_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = cluster()
    api.go_wrong(refusal(403))
    found = ask(api, monkeypatch, capsys)
    assert found["failed"] and found["msg"] == "refused with 403"


def test_nothing_exists_in_check_mode_without_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster()
    api.go_wrong(Answer(how="break"), times=None)
    assert "does not answer" in ask(api, monkeypatch, capsys)["msg"]
    found = ask(api, monkeypatch, capsys, _ansible_check_mode=True)
    assert (found["removed"], found["kept"], found["namespaces"][0]["exists"]) == ([], [], False)
