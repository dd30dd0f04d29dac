# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules take the releases of a plan as they are."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import module_base
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Release
from ansible_collections.slipway.kube.plugins.modules import (
    helm_history_info,
    namespace_info,
    restart_test,
    rollout_status,
)
from fake_kubernetes import FakeKubernetes, nobody, stand_in

Object = dict[str, Any]
RELEASE = Release("web", "shop", "/charts/web", "web", "1.0.0", "0f3c", {"image": {"tag": "b"}}, {"s": "a.b"}, True)


def answer(module: ModuleType, capsys: pytest.CaptureFixture[str], **options: Any) -> Object:
    with (
        patch_module_args({"releases": [RELEASE.as_dict()], "_ansible_check_mode": True, **options}),
        pytest.raises(SystemExit),
    ):
        module.main()
    found: Object = json.loads(capsys.readouterr().out)
    return found


def test_the_options_are_the_keys_of_a_plan_s_release() -> None:
    assert module_base.RELEASES["options"].keys() == RELEASE.as_dict().keys()


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (helm_history_info, {}),
        (namespace_info, {"namespace": "shop", "secrets": [{"name": "s", "namespace": "shop", "keys": {"A": {}}}]}),
        (restart_test, {"urls": ["http://127.0.0.1/"]}),
        (rollout_status, {}),
    ],
)
def test_an_entry_is_taken_whole(
    module: ModuleType, options: Object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody(monkeypatch)
    found = answer(module, capsys, **options)
    assert "failed" not in found, found["msg"]


def deployed() -> FakeKubernetes:
    """A cluster with one release that has other values than the plan's."""
    record = {
        "name": "web",
        "info": {"status": "deployed"},
        "chart": {"metadata": {"name": "web", "version": "1.0.0"}},
        "config": {"image": {"tag": "a"}},
        "manifest": "",
    }
    api = FakeKubernetes("shop")
    labels = {"name": "web", "owner": "helm", "status": "deployed", "version": "1"}
    data = {"release": releases.encode(record)}
    api.add("secrets", "sh.helm.release.v1.web.v1", labels=labels, type=releases.TYPE, data=data)
    return api


@pytest.mark.parametrize(("compare", "action"), [(True, "upgrade"), (False, "none")])
def test_values_that_are_not_complete_are_not_compared(
    compare: bool, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(deployed(), monkeypatch)
    [found] = answer(helm_history_info, capsys, compare=compare)["releases"]
    assert found["action"] == action, found["reason"]
