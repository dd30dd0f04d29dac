# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of diagnosis codes says what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

_spec = importlib.util.spec_from_file_location("troubleshooting", ROOT / "scripts/troubleshooting.py")
assert _spec and _spec.loader
troubleshooting = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(troubleshooting)


def test_page_is_generated_from_the_code() -> None:
    page = troubleshooting.PAGE.read_text(encoding="utf-8")
    assert page == troubleshooting.render(page), "run scripts/troubleshooting.py"


def test_page_has_one_row_for_every_code() -> None:
    page = troubleshooting.PAGE.read_text(encoding="utf-8")
    codes = [*troubleshooting.load("_rollout/codes").CODES, *troubleshooting.load("_http/faults").FAULTS]
    assert len(codes) > 40
    assert [code for code in codes if page.count(f'<a id="{code}"></a>') != 1] == []


def test_tables_replace_only_what_lies_between_the_marks() -> None:
    page = troubleshooting.PAGE.read_text(encoding="utf-8")
    worn = page.replace("Nothing is listening on this address and port.", "Something else.")
    assert worn != page
    assert troubleshooting.render("Before.\n" + worn + "After.\n") == "Before.\n" + page + "After.\n"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(troubleshooting.OutOfStep, match="must have the lines"):
        troubleshooting.render("# Nothing\n")
