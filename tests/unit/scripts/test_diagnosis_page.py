# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of what a failed deploy says shows what was measured, and the faults that are played cover the codes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES

FAULTS_DIR = Path(__file__).resolve().parents[2] / "faults"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"faults_{name}", FAULTS_DIR / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


diagnosis = load("diagnosis")
faults = load("faults")
MEASURED = json.loads(diagnosis.MEASURED.read_text(encoding="utf-8"))


def test_page_and_picture_are_made_from_what_was_measured() -> None:
    words = "run tests/faults/diagnosis.py"
    assert diagnosis.PAGE.read_text(encoding="utf-8") == diagnosis.page(MEASURED), words
    assert diagnosis.PICTURE.read_text(encoding="utf-8") == diagnosis.picture(MEASURED), words


def test_picture_is_well_formed_and_has_two_bars_for_each_fault() -> None:
    found = ElementTree.fromstring(diagnosis.picture(MEASURED))
    bars = [item for item in found if item.tag.endswith("rect") and item.get("height") == "10"]
    assert len(bars) == 2 * len(MEASURED["faults"])


def test_what_was_measured_is_of_the_faults_that_are_played() -> None:
    assert set(MEASURED["faults"]) == {fault.name for fault in faults.FAULTS}
    assert all(row["said"] == row["code"] in CODES for row in MEASURED["faults"].values())


@pytest.mark.parametrize("lines", [["deployment.apps/app-web condition met"], ["a condition met", "b condition met"]])
def test_a_wait_that_ends_as_if_all_were_well(lines: list[str]) -> None:
    assert diagnosis._content({"lines": lines})
    assert not diagnosis._content({"lines": [*lines, "error: timed out waiting for the condition"]})
    assert not diagnosis._content({"lines": []})


def test_faults_have_names_of_their_own_and_short_namespaces() -> None:
    names = [fault.name for fault in faults.FAULTS]
    assert len(names) >= 16 and len(set(names)) == len(names)
    assert all(len(fault.namespace) <= 58 and fault.code in CODES for fault in faults.FAULTS)
