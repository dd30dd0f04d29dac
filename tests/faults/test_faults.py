# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault is named by its code, with cause and suggestion, before the deadline. How fast is measured by diagnosis.py."""

from __future__ import annotations

import re

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES
from faults import FAULTS, Fault, chosen
from play import DEADLINE, Answer, Stage

# What a single healthy node cannot show. The unit tests have a fixture for each.
NOT_HERE = {"node_not_ready", "node_pressure", "workloads_missing", "deadline_passed", "cluster_unreachable"}


def test_every_code_that_one_node_can_show_has_a_fault() -> None:
    assert {fault.code for fault in FAULTS} == set(CODES) - NOT_HERE


@pytest.mark.parametrize("fault", chosen(), ids=lambda fault: fault.name)
def test_fault(fault: Fault, answers: dict[str, Answer | Exception]) -> None:
    answer = answers[fault.name]
    if isinstance(answer, Exception):
        pytest.fail(f"{fault.name} could not be played: {answer}", pytrace=False)
    said = "\n".join(answer.lines)
    if answer.diagnosis.get("code") != fault.code:
        pytest.fail(f"expected {fault.code}, but it says:\n{said}\n\n{answer.evidence}", pytrace=False)
    assert re.search(fault.cause, answer.diagnosis["cause"]), said
    assert answer.diagnosis["suggestion"] == CODES[fault.code].suggestion
    assert len(answer.lines) <= 15, said
    assert answer.waited < DEADLINE, said


def test_nothing_is_wrong_with_what_is_well(stage: Stage, answers: dict[str, Answer | Exception]) -> None:
    healthy = Fault("healthy", "nothing", "", "", "available", {"command": SERVE, "probes": PROBES})
    answer = stage.slipway(healthy, stage.chart())
    assert answer.lines == ["ready"] and not answer.diagnosis, answer.lines


SERVE = ["python", "-m", "http.server", "8000", "--directory", "/tmp"]
PROBES = {"readiness": {"path": "/"}}
