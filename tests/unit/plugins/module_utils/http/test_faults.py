# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault has one cause and one suggestion, and every code that is raised is one of them."""

from __future__ import annotations

import re
from pathlib import Path

import ansible_collections.slipway.kube.plugins.module_utils._http.faults as faults
import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import FAULTS, CheckError


def test_every_fault_has_a_cause_and_one_suggestion() -> None:
    for code, fault in FAULTS.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert fault.cause.endswith(".") and fault.suggestion.endswith(".")
    with pytest.raises(KeyError):
        CheckError("no_such_code")


def test_every_code_that_is_raised_is_in_the_table_and_the_other_way_round() -> None:
    texts = [path.read_text("utf-8") for path in Path(faults.__file__).parents[1].rglob("*.py")]
    body = "\n".join(text for text in texts if "FAULTS: Mapping" not in text)
    raised = set(re.findall(r'CheckError\(\s*"([a-z_]+)"', body))
    assert raised <= set(FAULTS)
    assert {code for code in FAULTS if f'"{code}"' not in body} == set()
