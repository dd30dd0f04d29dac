# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module helm_upgrade as Ansible runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.modules import helm_upgrade

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
    assert code and result["diagnosis"]["code"] == "cluster_unreachable" and "Bring the cluster up" in result["msg"]
