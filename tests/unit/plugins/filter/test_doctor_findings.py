# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor finds: what is there, what a deploy makes by itself, what somebody has to do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.filter.doctor_findings import doctor_findings

Object = dict[str, Any]
NEEDS = {"memory_mb": 4096, "disk_gb": 20, "cache": "~/.cache/slipway"}
MACHINE = {"architecture": "x86_64", "memory_mb": 24000, "disk_free_gb": 50, "port_error": ""}
RUNNING = {"profile": "slipway", "state": "running", "kubernetes_version": "v1.35.1", "ingress_port": 8080}
COMPLETE: Object = {
    "machine": MACHINE,
    "engine_version": "28.0.1",
    "docker_host": "unix:///var/run/docker.sock",
    "source": "packages",
    "cached": True,
    "missing": [],
    "cluster": RUNNING,
}
NEW: Object = {
    **COMPLETE,
    "engine_version": "",
    "source": "",
    "cached": False,
    "missing": ["container engine", "tool kubectl", "tool helm", "tool minikube"],
    "cluster": {"profile": "slipway", "state": "unknown"},
}


def rows(found: Object, **options: Any) -> dict[str, tuple[str, str]]:
    """State and text by subject."""
    lines = [line.split(maxsplit=2) for line in doctor_findings(found, NEEDS, **options)["lines"]]
    return {subject: (state, text) for state, subject, text in lines}


def test_a_complete_machine_has_everything() -> None:
    assert {state for state, _text in rows(COMPLETE).values()} == {"ok"}
    assert doctor_findings(COMPLETE, NEEDS)["problems"] == []
    assert rows(COMPLETE)["cluster"][1] == "slipway is running, Kubernetes v1.35.1, port 8080"
    assert "sums of all files" in rows(COMPLETE, sums=True)["tools"][1]


@pytest.mark.parametrize(("reachable", "source"), [(True, "their official releases"), (False, "package registries")])
def test_on_a_new_machine_a_deploy_gets_everything(reachable: bool, source: str) -> None:
    found = rows(NEW, probe={"reachable": reachable})
    assert {subject: state for subject, (state, _text) in found.items() if state != "ok"} == {
        "engine": "later",
        "tools": "later",
        "cluster": "later",
    }
    assert source in found["tools"][1]
    assert found["tools"][1].endswith("everything")
    assert doctor_findings(NEW, NEEDS)["problems"] == []


def test_what_is_lost_comes_back_from_the_cache() -> None:
    state, text = rows({**COMPLETE, "missing": ["image kicbase", "program helm (its size has changed)"]})["tools"]
    assert state == "later"
    assert text.endswith("from the cache: image kicbase, program helm (its size has changed)")
    _state, text = rows({**COMPLETE, "missing": ["program helm"], "cached": False})["tools"]
    assert text.endswith("from package registries, compiled and built on this machine once: program helm")


@pytest.mark.parametrize(
    ("change", "subject", "told"),
    [
        ({"architecture": "aarch64"}, "processor", "aarch64; Slipway's programs and images are built for x86_64"),
        ({"memory_mb": 2000}, "memory", "2000 MiB; a cluster needs 4096"),
        ({"disk_free_gb": 9}, "disk", "9 GB free for ~/.cache/slipway; setup needs 20"),
        ({"port_error": "Ports 8080 to 8099 are in use."}, "port", "Ports 8080 to 8099 are in use."),
    ],
)
def test_what_a_deploy_cannot_mend_is_a_problem(change: Object, subject: str, told: str) -> None:
    found = {**NEW, "machine": {**MACHINE, **change}}
    (problem,) = doctor_findings(found, NEEDS)["problems"]
    assert problem.startswith(f"{subject}: {told}")
    assert rows(found)[subject][0] == "problem"


def test_a_machine_that_has_everything_needs_no_disk_and_no_port() -> None:
    found = {**COMPLETE, "machine": {**MACHINE, "disk_free_gb": 1, "port_error": "Ports 8080 to 8099 are in use."}}
    assert doctor_findings(found, NEEDS)["problems"] == []


def test_an_engine_that_cannot_be_started_is_a_problem() -> None:
    (problem,) = doctor_findings(NEW, NEEDS, engine={"failed": True, "msg": "Join the group docker."})["problems"]
    assert problem == "engine: none is running. Join the group docker."
