# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts/docsite.py makes of role options, which antsibull-docs is stricter about than Ansible."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
docsite = importlib.import_module("docsite")


def prepared(option: dict[str, Any]) -> dict[str, Any]:
    spec = {"argument_specs": {"main": {"short_description": "Do it", "options": {"it": option}}}}
    found: dict[str, Any] = docsite.with_typed_defaults(spec)["argument_specs"]["main"]["options"]["it"]
    return found


@pytest.mark.parametrize(
    "option",
    [
        {"type": "int", "default": 3, "description": "How many."},
        {"type": "list", "elements": "str", "default": [], "description": ["Which."]},
        {"type": "str", "default": "{{ other }}", "description": "A text may hold an expression."},
        {"default": "{{ other }}", "description": "No type is a text."},
        {"type": "bool", "default": False, "description": "Whether."},
        {"type": "int", "description": "No default."},
    ],
)
def test_an_option_of_its_type_stays(option: dict[str, Any]) -> None:
    assert prepared(option) == option


def test_a_default_from_another_variable_moves_to_the_description() -> None:
    option = {"type": "int", "default": "{{ port }}", "description": "The port."}
    assert prepared(option) == {"type": "int", "description": ["The port.", "By default C({{ port }})."]}
    assert option["default"] == "{{ port }}"


@pytest.mark.parametrize("arguments", [["--help"], ["a", "b"]])
def test_other_arguments_than_a_directory_show_the_usage(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert docsite.main(arguments) == 64
    assert "usage: scripts/docsite.py" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_suboptions_are_looked_at_too() -> None:
    option = {"type": "dict", "options": {"port": {"type": "int", "default": "{{ port }}", "description": "It."}}}
    assert "default" not in prepared(option)["options"]["port"]


def test_an_entry_point_without_a_description_gets_its_short_one() -> None:
    spec = {"argument_specs": {"look": {"short_description": "Look at the machine"}}}
    assert docsite.with_typed_defaults(spec)["argument_specs"]["look"]["description"] == ["Look at the machine."]


def test_more_than_one_directory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert docsite.main(["one", "two"]) == 64
    assert capsys.readouterr().err.startswith("usage: ")
