# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: documentation and options agree, results are JSON, nothing secret is in them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible.utils.plugin_docs import merge_fragment

NAMES = (
    "application_plan",
    "application_secret",
    "deploy_lease",
    "helm_diff",
    "helm_history_info",
    "helm_rollback",
    "helm_upgrade",
    "namespace_info",
    "restart_test",
    "rollout_status",
    "secret_rollback",
    "service_address",
)


def load(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.slipway.kube.plugins.modules.{name}")


def documentation(module: Any) -> dict[str, Any]:
    """A module's documentation with what it takes from fragments."""
    found: dict[str, Any] = yaml.safe_load(module.DOCUMENTATION)
    for name in found.get("extends_documentation_fragment", []):
        file, _dot, variant = name.removeprefix("slipway.kube.").partition(".")
        fragment = importlib.import_module(f"ansible_collections.slipway.kube.plugins.doc_fragments.{file}")
        text = getattr(fragment.ModuleDocFragment, variant.upper() or "DOCUMENTATION")
        for part, content in yaml.safe_load(text).items():
            if isinstance(content, dict):
                merge_fragment(found.setdefault(part, {}), content)
    return found


class SpecificationSeen(Exception):
    """Ends a module where it has said what its options are."""


@pytest.mark.parametrize("name", NAMES)
def test_documentation_and_options_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(name)
    seen: dict[str, Any] = {}

    def take(**options: Any) -> None:
        seen.update(options)
        raise SpecificationSeen

    monkeypatch.setattr(module, "AnsibleModule", take)
    with pytest.raises(SpecificationSeen):
        module.main()
    documented = documentation(module)
    assert documented["module"] == name
    assert (documented["attributes"]["check_mode"]["support"] != "none") is seen["supports_check_mode"]
    compare(documented["options"], seen["argument_spec"], name)
    assert yaml.safe_load(module.RETURN) and yaml.safe_load(module.EXAMPLES)


def compare(documented: Mapping[str, Any], real: Mapping[str, Any], place: str) -> None:
    assert set(documented) == set(real), place
    for key, option in real.items():
        said = documented[key]
        for field, default in (
            ("type", "str"),
            ("required", False),
            ("default", None),
            ("choices", None),
            ("elements", None),
        ):
            assert said.get(field, default) == option.get(field, default), f"{place}.{key}.{field}"
        compare(said.get("suboptions", {}), option.get("options", {}), f"{place}.{key}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, text: lines.append(str(text)))
    monkeypatch.setattr(basic, "has_journal", False)
    return lines


def run(name: str, capsys: pytest.CaptureFixture[str], /, **options: Any) -> tuple[int, str, dict[str, Any]]:
    with patch_module_args(options), pytest.raises(SystemExit) as caught:
        load(name).main()
    text = capsys.readouterr().out
    return int(caught.value.code or 0), text, json.loads(text)


NOWHERE = {"kubeconfig": "/nonexistent/kubeconfig", "context": "nobody"}
SECRETS = [
    {
        "name": "todo-api",
        "namespace": "todo",
        "keys": [
            {"name": "A", "value": "hunter2-plain"},
            {"name": "B", "data": "aHVudGVyMi1kYXRh"},
            {"name": "C", "template": "{A}"},
        ],
    }
]


@pytest.mark.parametrize("check", [True, False])
def test_secret_values_are_in_no_result_and_no_log(
    check: bool, capsys: pytest.CaptureFixture[str], log: list[str]
) -> None:
    code, text, result = run(
        "application_secret", capsys, secrets=SECRETS, _ansible_check_mode=check, _ansible_diff=True, **NOWHERE
    )
    assert (code == 0) is check
    for secret in ("hunter2", "aHVudGVyMi1kYXRh"):
        assert secret not in text and secret not in "\n".join(log)
    if check:
        assert result["changed"] and not result["reachable"] and result["checksums"] == {"todo-api": ""}
        assert "todo/todo-api: A added" in result["diff"]["prepared"]
    else:
        assert "cannot be used with context nobody" in result["msg"] and "Traceback" not in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([{"name": "A", "value": "some value", "generate": 20}], "mutually exclusive"),
        ([{"name": "A"}], "one of the following is required"),
        ([{"name": "A", "template": "{NO}"}], "names no declared key"),
    ],
)
def test_wrong_keys(keys: list[dict[str, Any]], words: str, capsys: pytest.CaptureFixture[str], log: list[str]) -> None:
    code, _text, result = run("application_secret", capsys, secrets=[{"name": "a", "keys": keys}], **NOWHERE)
    assert code and words in result["msg"]


def test_history_without_a_cluster(capsys: pytest.CaptureFixture[str], log: list[str]) -> None:
    wanted = [{"name": "todo", "namespace": "todo", "values": {}}]
    code, _text, result = run("helm_history_info", capsys, releases=wanted, _ansible_check_mode=True, **NOWHERE)
    assert not code and not result["reachable"] and result["releases"][0]["action"] == "install"
    code, text, result = run("helm_history_info", capsys, releases=wanted, **NOWHERE)
    assert code and "Start the cluster" in result["msg"] and "Traceback" not in text


def test_rollout_without_a_cluster(capsys: pytest.CaptureFixture[str], log: list[str]) -> None:
    wanted = [{"name": "todo", "namespace": "todo"}]
    code, _text, result = run("rollout_status", capsys, releases=wanted, _ansible_check_mode=True, **NOWHERE)
    assert not code and result["ready"] is None
    code, _text, result = run("rollout_status", capsys, releases=wanted, **NOWHERE)
    assert code and result["diagnosis"]["code"] == "cluster_unreachable"
    code, _text, result = run("rollout_status", capsys, releases=wanted, fail=False, **NOWHERE)
    assert not code and result["ready"] is False


def test_plan_reports_all_mistakes_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: list[str]
) -> None:
    code, text, result = run("application_plan", capsys, name="X", project_dir=str(tmp_path), components={"a": 1})
    assert code and len(result["problems"]) == 2 and "Nothing was changed" in result["msg"] and "Traceback" not in text
