# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of filters offers Ansible the filter that it documents."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml

FILTERS = sorted(
    path.stem
    for path in (Path(__file__).resolve().parents[4] / "plugins/filter").glob("*.py")
    if path.stem != "__init__"
)


def test_there_are_filters() -> None:
    assert FILTERS


@pytest.mark.parametrize("name", FILTERS)
def test_the_documented_filter_is_offered(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.slipway.kube.plugins.filter.{name}")
    assert yaml.safe_load(module.DOCUMENTATION)["name"] == name
    assert module.FilterModule().filters() == {name: getattr(module, name)}
