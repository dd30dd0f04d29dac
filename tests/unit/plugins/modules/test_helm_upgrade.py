# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module helm_upgrade as Ansible runs it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._helm import upgrade
from ansible_collections.slipway.kube.plugins.module_utils._kube import heartbeat
from ansible_collections.slipway.kube.plugins.modules import helm_upgrade
from fake_helm import Helm
from fake_kubernetes import FakeKubernetes, stand_in
from field_managers import created, edited

OPTIONS = {"name": "todo", "namespace": "todo", "chart": "/charts/todo", "binary_path": "/bin/false"}
NOWHERE = {"kubeconfig": "/no/such/kubeconfig", "context": "nobody"}


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, dict[str, Any]]:
    with patch_module_args(options), pytest.raises(SystemExit) as ended:
        helm_upgrade.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_check_mode_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run(capsys, **OPTIONS, **NOWHERE, _ansible_check_mode=True)
    assert code == 0 and result["changed"]


def test_cluster_that_does_not_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    code, result = run(capsys, **OPTIONS, **NOWHERE)
    assert code and result["diagnosis"]["code"] == "cluster_unreachable" and "Start the cluster" in result["msg"]


def test_helm_gets_a_copy_of_the_chart_with_its_dependencies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, more in (
        ("common", ""),
        ("todo", "dependencies: [{name: common, version: 1.0.0, repository: file://../common}]\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Chart.yaml").write_text(f"name: {name}\nversion: 1.0.0\n{more}")
    seen: list[Path] = []

    def run_helm(command: list[str], *_rest: Any, **_options: Any) -> upgrade.HelmResult:
        chart = Path(command[3])
        seen.append(chart)
        assert (chart / "Chart.yaml").is_file() and (chart / "charts/common/Chart.yaml").is_file()
        return upgrade.HelmResult(0, "", None, False)

    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    stand_in(FakeKubernetes(), monkeypatch)
    monkeypatch.setattr(helm_upgrade.upgrade, "run", run_helm)
    monkeypatch.setattr(helm_upgrade, "newest", lambda *_release: (3, "deployed"))
    options = {"chart": str(tmp_path / "todo"), "binary_path": str(Helm(tmp_path).path)}
    code, result = run(capsys, **{**OPTIONS, **options}, **NOWHERE)
    assert code == 0 and result["revision"] == 3
    assert not seen[0].exists() and not (tmp_path / "todo/charts").exists()


def test_chart_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    stand_in(FakeKubernetes(), monkeypatch)
    code, result = run(capsys, **{**OPTIONS, "chart": str(tmp_path)}, **NOWHERE)
    assert code and "holds no Chart.yaml" in result["msg"]


def test_helm_that_is_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: todo\nversion: 1.0.0\n")
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    stand_in(FakeKubernetes(), monkeypatch)
    monkeypatch.setattr(helm_upgrade, "Watcher", lambda *_what, **_options: SimpleNamespace(begin=lambda: None))
    code, result = run(capsys, **{**OPTIONS, "chart": str(tmp_path), "binary_path": "/no/such/helm"}, **NOWHERE)
    assert (
        code
        and result["msg"]
        == "/no/such/helm cannot be started: No such file or directory. Correct binary_path, or install Helm."
    )


def test_run_that_has_lost_its_lease_starts_no_helm_and_says_so_of_one_that_was_killed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Chart.yaml").write_text("name: todo\nversion: 1.0.0\n")
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    stand_in(FakeKubernetes(), monkeypatch)
    monkeypatch.setattr(helm_upgrade, "newest", lambda *_release: (3, "pending-upgrade"))
    monkeypatch.setattr(helm_upgrade.upgrade, "run", lambda *_all, **_more: upgrade.HelmResult(-9, "", None, False))
    said = ["", "Bob has it."]
    monkeypatch.setattr(heartbeat, "lost_by_environment", lambda: said.pop(0))
    options = {"chart": str(tmp_path), "binary_path": str(Helm(tmp_path).path)}
    code, result = run(capsys, **{**OPTIONS, **options}, **NOWHERE)
    assert code and result["msg"] == "Bob has it." and result["lease_lost"] and result["changed"] and not said
    said = ["Bob has it."]
    code, result = run(capsys, **OPTIONS, **NOWHERE)
    assert code and result["msg"] == "Bob has it." and not result.get("changed") and not said


MANIFEST = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata: {A: wanted}\n"


@pytest.mark.parametrize("owned", [False, True])
def test_objects_are_looked_at_before_helm_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owned: bool
) -> None:
    """An object of somebody else is refused, and what people have changed in one's own is handed to Helm and said."""
    (tmp_path / "Chart.yaml").write_text("name: todo\nversion: 1.0.0\n")
    helm = Helm(tmp_path)
    helm.answer(MANIFEST)
    item: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "todo"},
        "data": {"A": "wanted"},
    }
    if owned:
        item["metadata"]["annotations"] = {
            "meta.helm.sh/release-name": "todo",
            "meta.helm.sh/release-namespace": "todo",
        }
    found = edited(created(item), ("f:data", "f:A"), "by hand")
    found["metadata"]["resourceVersion"] = "1"
    api = FakeKubernetes("todo", secrets=[], configmaps=[found])
    started: list[int] = []

    def run_helm(*_all: Any, **_more: Any) -> upgrade.HelmResult:
        started.append(len(api.writes))
        return upgrade.HelmResult(0, "", None, False)

    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_args, **_options: None)
    stand_in(api, monkeypatch)
    monkeypatch.setattr(helm_upgrade.upgrade, "run", run_helm)
    options = {"chart": str(tmp_path), "binary_path": str(helm.path)}
    code, result = run(capsys, **{**OPTIONS, **options}, **NOWHERE)
    if owned:
        assert code == 0 and started == [1], "the field is handed over first"
        (note,) = result["notes"]
        assert note.startswith('Takes back ConfigMap/web: data.A is "by hand" instead of "wanted" (by kubectl-patch')
    else:
        assert code and result["diagnosis"]["code"] == "foreign_object" and not started and not api.writes
        assert "helm_release_adopt: [ConfigMap/web]" in result["diagnosis"]["suggestion"]
