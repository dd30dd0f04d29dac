# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: their README, their argument specification and their defaults say the same."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "meta").is_dir())

_spec = importlib.util.spec_from_file_location("role_docs", ROOT / "scripts/role_docs.py")
assert _spec and _spec.loader
role_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(role_docs)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) or {}


@pytest.mark.parametrize("role", ROLES)
def test_readme_is_generated_from_the_specification(role: str) -> None:
    path = ROOT / "roles" / role
    assert (path / "README.md").read_text() == role_docs.render(path), "run scripts/role_docs.py"


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specification_have_the_same_variables(role: str) -> None:
    path = ROOT / "roles" / role
    options = load(path / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {}
    required = {name for name, option in options.items() if option.get("required")}
    assert set(load(path / "defaults/main.yml")) == set(options) - required


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    path = ROOT / "roles" / role
    options = load(path / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {}
    for name, value in load(path / "defaults/main.yml").items():
        said = options[name].get("default")
        if "slipway.kube.renamed(" in str(value) and not isinstance(said, str):
            assert f" is defined else {said} }}}}" in value, name  # behind the old name of the variable
            continue
        if isinstance(said, str) and "{{" in str(value):
            continue  # the specification says, in words or shorter, what the expression computes
        assert said == value, name


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_role_in_their_name(role: str) -> None:
    for name in load(ROOT / "roles" / role / "defaults/main.yml"):
        assert name.startswith(f"{role}_")


@pytest.mark.parametrize("role", ROLES)
def test_defaults_of_the_specification_need_no_other_role(role: str) -> None:
    """Ansible renders them even where a variable is given, and a play may have this role alone."""
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    for expression in re.findall(r"{{(.+?)}}", text):
        assert re.match(rf" \(?{role}_", expression) or "| default(" in expression, expression


def test_roles_read_variables_in_one_direction() -> None:
    """The role minikube_setup reads what toolchain publishes; toolchain takes plain variables of its own."""
    for file in (ROOT / "roles" / "toolchain").rglob("*.yml"):
        names = set(re.findall(r"\b(?:minikube_setup|image_build|helm_release|verify)_\w+", file.read_text()))
        assert names == set(), file


def test_markup_becomes_markdown() -> None:
    text = role_docs.plain(
        "Set O(a.b=c) or V(1), see M(slipway.kube.x) and P(slipway.kube.y#filter); C(f(x)) B(not) I(so)"
    )
    assert text == "Set `a.b=c` or `1`, see `slipway.kube.x` and `slipway.kube.y`; `f(x)` **not** *so*"
