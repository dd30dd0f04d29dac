# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that run Helm, with a script in its place and an API server that holds its records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.modules import (
    deploy_lease,
    helm_diff,
    helm_history_info,
    helm_repair,
    helm_rollback,
)
from fake_helm import Helm
from fake_kubernetes import Answer, Call, FakeKubernetes, stand_in
from field_managers import created, edited

Object = dict[str, Any]
MANIFEST = "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata: {A: %s}\n"


def secret(revision: int, status: str, description: str = "", manifest: str = "") -> Object:
    info = {"status": status, "description": description, "last_deployed": "2026-01-01T00:00:00Z"}
    record = {"name": "web", "info": info, "manifest": manifest or MANIFEST % f"v{revision}"}
    return {
        "type": releases.TYPE,
        "metadata": {
            "name": f"sh.helm.release.v1.web.v{revision}",
            "namespace": "shop",
            "resourceVersion": str(revision),
            "labels": {"name": "web", "owner": "helm", "status": status, "version": str(revision)},
        },
        "data": {"release": releases.encode(record)},
    }


def cluster(*secrets: Object) -> FakeKubernetes:
    """A cluster with Helm's records."""
    return FakeKubernetes("shop", secrets=list(secrets))


def patched(api: FakeKubernetes) -> list[tuple[str, Object]]:
    """Return the revisions that were changed, each with what Helm's record now says of it."""
    return [(call.last.rpartition(".")[2], releases.decode(call.body)["info"]) for call in api.writes]


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)


def run(
    module: Any,
    api: FakeKubernetes,
    options: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Object:
    stand_in(api, monkeypatch)
    with patch_module_args(dict(options)), pytest.raises(SystemExit):
        module.main()
    found: Object = json.loads(capsys.readouterr().out)
    return found


def rolled_back(
    api: FakeKubernetes,
    helm: Helm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    **options: Any,
) -> Object:
    given = {"name": "web", "namespace": "shop", "binary_path": str(helm.path), **options}
    return run(helm_rollback, api, given, monkeypatch, capsys)


def roll_back_with_helm(api: FakeKubernetes, target: int) -> None:
    """Record in the cluster what Helm does: when the module looks again, there is a new revision."""
    left = api.collections[api.path("secrets")][-1]

    def rolled(_call: Call) -> None:
        if api.kinds.count("secrets") != 2:
            return
        number = releases.revision_of(left) + 1
        api.collections[api.path("secrets")].append(secret(number, "deployed", f"Rollback to {target}"))
        left["metadata"]["labels"]["status"] = "superseded"

    api.react("GET .*secrets$", rolled)


def test_rollback_marks_what_it_leaves(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    roll_back_with_helm(api, 1)
    result = rolled_back(api, helm, monkeypatch, capsys, revision=1, reason="crash_loop: it ends", history_max=3)
    assert result["changed"] and (result["from_revision"], result["returned_to"]) == (2, 1)
    assert helm.line[:3] == ["rollback", "web", "1"] and helm.line[-2:] == ["--history-max", "3"]
    ((name, info),) = patched(api)
    assert name == "v2" and (info["status"], info["description"]) == ("failed", "crash_loop: it ends")
    assert "A: v1" in result["diff"][0]["after"] and "A: v2" in result["diff"][0]["before"]


def test_rollback_to_a_rollback_is_one_to_what_that_returned_to(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        secret(1, "superseded"),
        secret(2, "failed"),
        secret(3, "superseded", "Rollback to 1"),
        secret(4, "failed"),
    ]
    result = rolled_back(cluster(*records), helm, monkeypatch, capsys, revision=3)
    assert result["returned_to"] == 1 and helm.line[2] == "1"


@pytest.mark.parametrize("description", ["", "Rollback to 1"])
def test_rollback_that_has_been_done_is_left_alone(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], description: str
) -> None:
    records = [secret(1, "superseded" if description else "deployed")]
    records += [secret(2, "failed"), secret(3, "deployed", description)] if description else []
    result = rolled_back(cluster(*records), helm, monkeypatch, capsys, revision=1, reason="x")
    assert not result["changed"] and not helm.line


def test_rollback_in_check_mode(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    result = rolled_back(api, helm, monkeypatch, capsys, revision=1, reason="x", _ansible_check_mode=True)
    assert result["changed"] and result["diff"] and not helm.line and not api.writes


def test_rollback_to_nowhere_and_rollback_that_helm_refuses(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(secret(4, "superseded"), secret(5, "deployed"))
    result = rolled_back(api, helm, monkeypatch, capsys, revision=1)
    assert result["failed"] and "no revision 1; Helm keeps 4, 5" in result["msg"]
    helm.answer("", 1)
    result = rolled_back(api, helm, monkeypatch, capsys, revision=4)
    assert result["failed"] and "could not be rolled back to revision 4: broken" in result["msg"]
    assert "no release web" in rolled_back(cluster(), helm, monkeypatch, capsys, revision=1)["msg"]


@pytest.mark.parametrize("status", ["deployed", "pending-upgrade"])
def test_rollback_without_helm_changes_nothing(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    api = cluster(secret(1, "superseded"), secret(2, status))
    options = {"revision": 1, "reason": "crash_loop: it ends"}
    away = rolled_back(api, helm, monkeypatch, capsys, **{**options, "binary_path": "/nowhere/helm"})
    assert away["msg"].startswith("/nowhere/helm is not a program. Correct binary_path")
    monkeypatch.setenv("PATH", str(helm.place / "empty"))
    without = rolled_back(api, helm, monkeypatch, capsys, **{**options, "binary_path": None})
    assert without["failed"] and 'Failed to find required executable "helm"' in without["msg"]
    assert not api.writes


def test_revision_in_service_is_not_marked_when_helm_refuses(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    helm.answer("", 1)
    assert rolled_back(api, helm, monkeypatch, capsys, revision=1, reason="x")["failed"] and not api.writes


def test_pending_release_is_freed_when_it_is_old_enough(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = cluster(secret(1, "deployed"), secret(2, "pending-upgrade"))
    young = rolled_back(api, helm, monkeypatch, capsys, state="unblocked", min_age=1e12)
    assert young["failed"] and "running Helm by hand" in young["msg"] and not api.writes
    freed = rolled_back(api, helm, monkeypatch, capsys, state="unblocked", min_age=300)
    assert freed["changed"] and freed["status"] == "pending-upgrade" and patched(api)[0][0] == "v2"
    assert not rolled_back(cluster(secret(1, "deployed")), helm, monkeypatch, capsys, state="unblocked")["changed"]


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    place = tmp_path / "charts" / "web"
    place.mkdir(parents=True)
    (place / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    return place


def test_difference_of_an_upgrade(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {
        "name": "web",
        "namespace": "shop",
        "chart": str(chart),
        "binary_path": str(helm.path),
        "values": {"a": 1},
    }
    helm.answer(json.dumps({"manifest": MANIFEST % "v3"}))
    # What failed is not what is in service.
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    result = run(helm_diff, api, options, monkeypatch, capsys)
    assert result["changed"] and result["objects"] == ["ConfigMap web"]
    assert (result["diff"][0]["before"].count("v2"), result["diff"][0]["after"].count("v3")) == (1, 1)
    assert (
        helm.line[0] == "upgrade"
        and "--dry-run=server" in helm.line
        and not [word for word in helm.line if '"a"' in word]
    )
    assert json.loads((helm.place / "input").read_text()) == {"a": 1}
    helm.answer(json.dumps({"manifest": MANIFEST % "v2"}))
    assert not run(helm_diff, api, options, monkeypatch, capsys)["changed"]


def test_difference_without_a_release_or_after_an_interruption_is_rendered_by_template(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path)}
    helm.answer(MANIFEST % "v3")
    new = run(helm_diff, cluster(), options, monkeypatch, capsys)
    assert new["objects"] == ["ConfigMap web"] and new["diff"][0]["before"] == "" and helm.line[0] == "template"
    assert helm.line[helm.line.index("--kube-version") + 1] == "v1.35.1"
    api = cluster(secret(1, "deployed"), secret(2, "pending-upgrade"))
    pending = run(helm_diff, api, options, monkeypatch, capsys)
    assert "v1" in pending["diff"][0]["before"] and helm.line[0] == "template"


def test_values_that_the_chart_refuses(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path)}
    helm.answer("", 1)
    result = run(helm_diff, cluster(), options, monkeypatch, capsys)
    assert result["failed"] and "Helm rejected release web: broken. Correct" in result["msg"]
    away = {**options, "binary_path": "/nowhere/helm", "_ansible_check_mode": True}
    assert "not there yet" in run(helm_diff, cluster(), away, monkeypatch, capsys)["msg"]


def test_lease_needs_a_holder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(deploy_lease, cluster(), {"namespace": "shop"}, monkeypatch, capsys)
    assert result["failed"] and "action plugin" in result["msg"]


ROUTE = """---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web}
spec: {rules: [{host: shop.localhost, http: {paths: [{path: /}]}}]}
"""


def test_difference_refuses_an_address_that_another_application_serves(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path)}
    api = cluster()
    helm.answer(ROUTE)
    assert run(helm_diff, api, options, monkeypatch, capsys)["objects"] == ["Ingress web"]
    rules = [{"host": "shop.localhost", "http": {"paths": [{"path": "/"}]}}]
    foreign = {"metadata": {"name": "front", "namespace": "other"}, "spec": {"rules": rules}}
    api.react(".*ingresses", lambda _call: Answer(200, {"items": [foreign]}), 1)
    result = run(helm_diff, api, options, monkeypatch, capsys)
    assert result["failed"] and result["msg"].startswith(
        "shop.localhost/ is served by the Ingress other/front already. "
    )
    api.go_wrong(Answer(403, {"message": "no", "reason": "Forbidden"}), ".*ingresses")
    assert not run(helm_diff, api, options, monkeypatch, capsys).get("failed")


def test_difference_looks_for_addresses_alone(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no other application has an Ingress, nothing is rendered; one may be in the same namespace."""
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path), "lazy": True}
    rules = [{"host": "shop.localhost", "http": {"paths": [{"path": "/"}]}}]
    metadata = {"name": "front", "namespace": "shop", "annotations": {"meta.helm.sh/release-name": "blog"}}
    api = cluster()
    api.react(
        ".*ingresses", lambda _call: Answer(200, {"items": [{"metadata": metadata, "spec": {"rules": rules}}]}), 4
    )
    helm.answer(ROUTE)
    assert not run(helm_diff, api, {**options, "siblings": ["blog"]}, monkeypatch, capsys)["changed"]
    assert helm.line == []
    result = run(helm_diff, api, options, monkeypatch, capsys)
    assert result["failed"] and "the Ingress shop/front of the release blog already. " in result["msg"]
    assert helm.line[0] == "template"


def test_difference_refuses_a_release_of_another_chart_unless_it_is_adopted(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = secret(1, "deployed")
    found = releases.decode(record)
    record["data"]["release"] = releases.encode({**found, "chart": {"metadata": {"name": "blog", "version": "1.0.0"}}})
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path)}
    helm.answer(json.dumps({"manifest": MANIFEST % "v2"}))
    result = run(helm_diff, cluster(record), options, monkeypatch, capsys)
    assert result["failed"] and "The release web in the namespace shop is of the chart blog, not of " in result["msg"]
    assert run(helm_diff, cluster(record), {**options, "adopt": True}, monkeypatch, capsys)["changed"]


def test_difference_refuses_a_release_of_another_application_unless_it_is_adopted(
    helm: Helm, chart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def of(application: str) -> dict[str, Any]:
        return {"global": {"slipway": {"application": application}}}

    record = secret(1, "deployed")
    record["data"]["release"] = releases.encode({**releases.decode(record), "config": of("shop")})
    options = {"name": "web", "namespace": "shop", "chart": str(chart), "binary_path": str(helm.path), "adopt": False}
    helm.answer(json.dumps({"manifest": MANIFEST % "v2"}))
    refused = run(helm_diff, cluster(record), {**options, "values": of("blog")}, monkeypatch, capsys)
    assert (
        refused["failed"]
        and "web in the namespace shop belongs to the application shop, not to blog." in refused["msg"]
    )
    for allowed in ({"values": of("shop")}, {"values": {}}, {"values": of("blog"), "adopt": True}):
        assert run(helm_diff, cluster(record), {**options, **allowed}, monkeypatch, capsys)["changed"]


# ---------------------------------------------------------------- drift
def drifted(**more: Any) -> FakeKubernetes:
    """A cluster with a revision whose ConfigMap somebody has changed."""
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    for key, text in more.items():
        api.collections[api.path("secrets")][-1]["metadata"]["labels"][key] = text
    declared = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "shop"},
        "data": {"A": "v2"},
    }
    owner = {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}
    declared["metadata"] |= {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": owner}
    changed = edited(created(declared), ("f:data", "f:A"), "by hand")
    changed["metadata"] |= {"uid": "uid-web", "resourceVersion": "7"}
    api.put("configmaps", [changed])
    return api


WEB = {"name": "web", "namespace": "shop"}


def test_history_tells_drift_only_when_it_is_asked_for_and_the_release_is_deployed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"releases": [WEB], "compare": False, "drift": "report"}
    (found,) = run(helm_history_info, drifted(), options, monkeypatch, capsys)["releases"]
    (one,) = found["drift"]
    assert one["text"] == 'ConfigMap/web: data.A is "by hand" instead of "v2" (by kubectl-patch, 2026-11-30T12:00:00Z)'
    assert one["fields"][0]["by"] == "kubectl-patch" and found["action"] == "none"
    (found,) = run(helm_history_info, drifted(), {**options, "drift": "repair"}, monkeypatch, capsys)["releases"]
    assert (found["action"], found["reason"]) == ("repair", one["text"])
    for api, asked in ((drifted(), "ignore"), (drifted(status="failed"), "report")):
        result = run(helm_history_info, api, {**options, "drift": asked}, monkeypatch, capsys)
        assert result["releases"][0]["drift"] == [] and "configmaps" not in api.kinds


@pytest.mark.parametrize("check_mode", [False, True])
def test_release_is_repaired(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], check_mode: bool
) -> None:
    api = drifted()
    result = run(helm_repair, api, {**WEB, "_ansible_check_mode": check_mode}, monkeypatch, capsys)
    (one,) = result["repaired"]
    assert result["changed"] and one["object"] == "ConfigMap/web"
    assert result["diff"] == [
        {
            "before_header": "ConfigMap/web",
            "after_header": "ConfigMap/web",
            "before": 'data.A: "by hand"\n',
            "after": 'data.A: "v2"\n',
        }
    ]
    assert bool(api.writes) is not check_mode


def test_repair_is_refused_where_nothing_is_to_be_taken_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = drifted()
    result = run(helm_repair, api, {**WEB, "conflicts": "fail"}, monkeypatch, capsys)
    assert result["failed"] and result["diagnosis"]["code"] == "field_conflict" and not api.writes
    assert "set helm_release_conflicts to take" in result["diagnosis"]["suggestion"]


def test_repair_without_a_release(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(helm_repair, cluster(), WEB, monkeypatch, capsys)
    assert result["failed"] and "There is no release web in namespace shop." in result["msg"]


def test_missing_object_is_put_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = cluster(secret(1, "deployed"))
    result = run(helm_repair, api, WEB, monkeypatch, capsys)
    assert [one["text"] for one in result["repaired"]] == ["ConfigMap/web is missing"]
    (call,) = api.writes
    assert call.body["data"] == {"A": "v1"} and result["diff"][0]["before_header"] == ""


def test_helm_that_does_not_tell_its_version(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    helm.version = "unknown"
    helm.answer("")
    api = cluster(secret(1, "superseded"), secret(2, "deployed"))
    record = api.collections[api.path("secrets")][0]
    record["data"]["release"] = releases.encode({**releases.decode(record), "apply_method": "ssa"})
    result = rolled_back(api, helm, monkeypatch, capsys, revision=1)
    assert result["failed"] and "does not tell its version" in result["msg"] and not api.writes
