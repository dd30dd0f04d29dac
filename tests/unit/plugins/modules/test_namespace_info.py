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
from ansible_collections.slipway.kube.plugins.module_utils._kube import leases
from ansible_collections.slipway.kube.plugins.modules import namespace_info
from fake_kubernetes import Answer, FakeKubernetes, refusal, stand_in

Object = dict[str, Any]
MARK = {"app.kubernetes.io/managed-by": "slipway"}


def record(
    name: str, revision: int = 1, status: str = "deployed", ours: bool = True, application: str | None = None
) -> Object:
    labels = {"owner": "helm", "name": name, "status": status, "version": str(revision)}
    values = {"global": {"slipway": {"chartDigest": "0123", "application": application}}} if ours else {"global": {}}
    return {
        "type": releases.TYPE,
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "labels": labels},
        "data": {"release": releases.encode({"config": values})},
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


def test_what_another_application_has_deployed_under_the_same_names_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(application: str) -> Object:
        secrets = [secret("key", {**MARK, "slipway.kube/application": "shop"}), secret("old", MARK)]
        api = cluster(shop=(MARK, [record("web", 1), record("web", 2, application="shop"), *secrets], []))
        api.put(
            "persistentvolumeclaims",
            [{"metadata": {"name": "data", "labels": {"app.kubernetes.io/instance": "web"}}}],
            "shop",
        )
        return ask(api, monkeypatch, capsys, application=application, secrets=[{"name": "key"}, {"name": "old"}])

    assert found("shop")["removed"] == found("")["removed"] == ["shop"]
    other = found("blog")
    assert (other["removed"], other["releases"], other["objects"]) == ([], [], [])
    assert other["going"] == ["Secret old in namespace shop"]
    assert other["staying"] == [
        "namespace shop, because other Helm releases live in it: web",
        "release web in namespace shop, because it belongs to the application shop",
        "Secret key in namespace shop, because it belongs to the application shop",
    ]


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


@pytest.mark.parametrize("values", [{}, {"global": None}, {"global": ["slipway"]}, None])
def test_release_of_somebody_else_with_our_name_is_kept(
    values: Object | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = record("web", 2)
    theirs["data"]["release"] = releases.encode({"config": values}) if values is not None else "damaged"
    api = cluster(shop=(MARK, [record("web", ours=False), theirs], []))
    found = ask(api, monkeypatch, capsys)
    assert (found["releases"], found["kept_releases"]) == ([], [{"name": "web", "namespace": "shop"}])
    assert found["removed"] == found["going"] == [] and found["objects"] == []
    assert found["staying"] == [
        "namespace shop, because other Helm releases live in it: web",
        "release web in namespace shop, because Slipway did not create it",
    ]


def test_release_that_the_lease_names_is_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(shop=({}, [record("web", ours=False), record("api", ours=False)], []))
    log = json.dumps([{"at": "", "by": "ann@a", "before": {"shop/web": 0}}])
    api.add(
        "leases", leases.NAME, "shop", annotations={"slipway.kube/log": log, "slipway.kube/before": '{"shop/api": 1}'}
    )
    given = [{"name": name, "namespace": "shop"} for name in ("web", "api", "gone")]
    found = ask(api, monkeypatch, capsys, releases=given)
    assert [one["name"] for one in found["releases"]] == ["api", "web"] and found["kept_releases"] == []
    assert found["going"] == ["release api in namespace shop", "release web in namespace shop"]


def test_what_helm_leaves_in_a_namespace_that_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(shop=({}, [record("web"), record("api", ours=False), secret("key", MARK), secret("theirs")], []))
    migration = {"app.kubernetes.io/component": "migration"}
    for name in ("web", "api", "other"):
        labels = {"app.kubernetes.io/instance": name}
        api.add("persistentvolumeclaims", f"data-{name}-0", "shop", labels=labels)
        api.add("configmaps", f"{name}-migrated", "shop", labels={**labels, **migration})
        api.add("configmaps", f"{name}-settings", "shop", labels=labels)
    given = [{"name": name, "namespace": "shop"} for name in ("web", "api")]
    found = ask(api, monkeypatch, capsys, releases=given, secrets=[{"name": "key"}, {"name": "theirs"}])
    assert [(one["kind"], one["name"]) for one in found["objects"]] == [
        ("PersistentVolumeClaim", "data-web-0"),
        ("ConfigMap", "web-migrated"),
    ]
    assert found["going"] == [
        "release web in namespace shop",
        "Secret key in namespace shop",
        "PersistentVolumeClaim data-web-0 in namespace shop",
        "ConfigMap web-migrated in namespace shop",
    ]
    assert found["staying"] == [
        "namespace shop, because Slipway did not create it",
        "release api in namespace shop, because Slipway did not create it",
        "Secret theirs in namespace shop, because Slipway did not create it",
    ]


def test_namespace_and_secret_of_the_first_version_are_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As commit 4d430c7 wrote them."""
    made = {"name": "todo-backend", "labels": MARK, "annotations": {"slipway.kube/checksum-salt": "00"}}
    api = cluster(shop=(MARK, [{"type": "Opaque", "metadata": made, "data": {}}, record("web", 3)], []))
    log = json.dumps([{"at": "2026-01-01T10:00:00.000000Z", "by": "ann@a", "before": {"shop/web": 2}}])
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 7}
    api.add("leases", leases.NAME, "shop", annotations={"slipway.kube/log": log}, spec=spec)
    found = ask(api, monkeypatch, capsys, secrets=[{"name": "todo-backend"}])
    assert found["going"] == ["release web in namespace shop", "namespace shop with everything in it"]
    assert found["staying"] == []


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
