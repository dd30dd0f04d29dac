# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests in the name of another user, as a kubeconfig asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import kubeconfig
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import KubeconfigError
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import KubernetesClient
from fake_kubernetes import FakeKubernetes, serve

USER = {"username": "ann", "groups": ["devs", "all"], "extra": {"slipway-run": ["ann@a/1"]}}


def write(path: Path, user: dict[str, Any], **cluster: Any) -> str:
    path.parent.mkdir(exist_ok=True)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "other",
        "clusters": [{"name": "k", "cluster": {"server": "https://k", **cluster}}, {"name": "o", "cluster": {}}],
        "users": [{"name": "u", "user": user}, {"name": "o", "user": {"token": "not-this"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_kubeconfigs_impersonation_is_honoured(tmp_path: Path) -> None:
    user = {"token": "t", "as": "ann", "as-groups": ["devs", "all"], "as-user-extra": {"example.com/Why": ["a", "b"]}}
    fake = FakeKubernetes()
    with serve(fake) as server, KubernetesClient(server.kubeconfig(tmp_path, user), "c") as client:
        client.request("GET", "/version")
    found = {name: value for name, value in fake.calls[-1].headers.items() if name.startswith("impersonate")}
    assert found == {
        "impersonate-user": "ann",
        "impersonate-group": "devs, all",
        "impersonate-extra-example.com%2fwhy": "a, b",
    }


def test_kubeconfig_of_an_impersonation_holds_what_its_context_needs_and_nothing_else(tmp_path: Path) -> None:
    given = write(
        tmp_path / "given/kubeconfig",
        {"client-certificate": "u.crt", "client-key": "/keys/u.key", "client-key-data": ""},
        **{"certificate-authority": "../ca.crt", "proxy-url": "http://p"},
    )
    found = kubeconfig.impersonating(given, "c", USER)
    assert found and found["current-context"] == "c" and "not-this" not in json.dumps(found)
    (cluster,), (user,) = found["clusters"], found["users"]
    ca = Path(cluster["cluster"].pop("certificate-authority"))
    assert ca.resolve() == (tmp_path / "ca.crt").resolve()
    assert cluster["cluster"] == {"server": "https://k", "proxy-url": "http://p"}
    assert user["user"] == {
        "client-certificate": str((tmp_path / "given/u.crt").resolve()),
        "client-key": "/keys/u.key",
        "client-key-data": "",
        "as": "ann",
        "as-groups": ["devs", "all"],
        "as-user-extra": {"slipway-run": ["ann@a/1"]},
    }


@pytest.mark.parametrize(("command", "whole"), [("aws", False), ("bin/login", True)])
def test_login_program_of_an_impersonation_is_found(tmp_path: Path, command: str, whole: bool) -> None:
    given = write(tmp_path / "kubeconfig", {"exec": {"command": command, "args": ["a/b"]}})
    found = kubeconfig.impersonating(given, "c", USER)
    wanted = str(tmp_path.resolve() / command) if whole else command
    assert found and found["users"][0]["user"]["exec"] == {"command": wanted, "args": ["a/b"]}


@pytest.mark.parametrize("user", [{"as": "bob"}, {"auth-provider": {"name": "oidc"}}])
def test_user_that_cannot_impersonate_by_a_copy_of_the_kubeconfig(tmp_path: Path, user: dict[str, Any]) -> None:
    assert kubeconfig.impersonating(write(tmp_path / "kubeconfig", user), "c", USER) is None


def test_a_misspelt_context_is_told_with_the_one_that_is_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "given/kubeconfig", {})
    content = json.loads(Path(path).read_text())
    content["contexts"].append({"name": "production", "context": {"cluster": "k"}})
    Path(path).write_text(json.dumps(content))
    with pytest.raises(KubeconfigError) as caught:
        kubeconfig.Access(path, "prodution")
    assert "context prodution: It has no such context; did you mean production. " in str(caught.value)
