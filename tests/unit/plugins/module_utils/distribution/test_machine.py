# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of this machine goes into what is made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import machine


def test_mirrors_and_proxies_of_this_machine_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "environ", {})
    configured = subprocess.CompletedProcess([], 0, stdout="https://index.example/simple\n")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_arguments, **_options: configured)
    assert machine.mirror_variables() == {"PIP_INDEX_URL": "https://index.example/simple"}
    own = {"PIP_INDEX_URL": "https://nearer.example/simple", "npm_config_registry": "https://npm.example"}
    monkeypatch.setattr(machine.os, "environ", {**own, "https_proxy": "http://proxy.example", "no_proxy": ""})
    assert machine.mirror_variables() == {
        "https_proxy": "http://proxy.example",
        "PIP_INDEX_URL": "https://nearer.example/simple",
        "NPM_CONFIG_REGISTRY": "https://npm.example",
    }


def test_ca_bundle_that_a_variable_names_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.pem"
    own.write_text("own")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert machine.ca_bundle() == str(own)
    before = machine.machine_inputs()
    own.write_text("other")
    assert machine.machine_inputs() != before


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ("Name:\tx\nCapBnd:\t0000000001000000\n", True),
        ("CapBnd:\t0000000000800000\n", False),
        ("CapBnd:\t0000000002000000\n", False),
        ("CapBnd:\t000001ffffffffff\n", True),
        ("Name:\tx\n", True),
    ],
)
def test_a_capability_is_a_bit_of_what_the_process_may_have(
    status: str, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.pathlib.Path, "read_text", lambda *_arguments, **_options: status)
    assert machine.has_capability(machine.CAP_SYS_RESOURCE) is held


def test_a_named_bundle_of_certificates_counts_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    assert machine.ca_bundle() != str(named)
    named.write_text("certificate", encoding="utf-8")
    assert machine.ca_bundle() == str(named)
