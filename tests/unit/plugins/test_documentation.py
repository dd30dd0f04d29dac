# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin's page as ansible-doc makes it: it renders, and it says what a person has to know."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
KINDS = {"module": "modules", "filter": "filter", "callback": "callback"}
PAGES = [
    (kind, file.stem)
    for kind, place in KINDS.items()
    for file in sorted((PLUGINS / place).glob("*.py"))
    if not file.stem.startswith("_")
]
every_page = pytest.mark.parametrize(("kind", "name"), PAGES, ids=[f"{kind}-{name}" for kind, name in PAGES])
Page = Mapping[str, Any]


@functools.cache
def _pages(kind: str, root: Path) -> dict[str, Page]:
    names = [f"slipway.kube.{name}" for each, name in PAGES if each == kind]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root), "ANSIBLE_NOCOLOR": "1"}
    result = subprocess.run(
        ["ansible-doc", "--json", "--type", kind, *names], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Page] = json.loads(result.stdout)
    return found


@pytest.fixture
def page(kind: str, name: str, collections_root: Path) -> Page:
    """A plugin's page, with what it takes from fragments."""
    pages = _pages(kind, collections_root)
    assert f"slipway.kube.{name}" in pages, "ansible-doc cannot render it"
    return pages[f"slipway.kube.{name}"]


def options(given: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield path and description of every option, those inside of others too."""
    for name, option in given.items():
        yield place + name, option
        yield from options(option.get("suboptions") or {}, f"{place}{name}.")


def values(given: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield path and description of every return value, those inside of others too."""
    for name, value in given.items():
        yield place + name, value
        yield from values(value.get("contains") or {}, f"{place}{name}.")


@every_page
def test_options_are_described(page: Page) -> None:
    """Every option has a type and a description."""
    for path, option in options(page["doc"].get("options") or {}):
        assert option.get("type"), path
        assert "".join(option.get("description") or []).strip(), path


@every_page
def test_results_are_described(page: Page, kind: str) -> None:
    """Whatever is returned has a type and a description; texts and structures show a sample or their parts."""
    returned = page.get("return") or {}
    assert returned or kind == "callback"
    for path, value in values(returned):
        assert value.get("type"), path
        assert "".join(value.get("description") or []).strip(), path
    for name, value in returned.items():
        assert value.get("returned") or kind == "filter", name
        assert value["type"] in {"bool", "float", "int"} or value.get("contains") or "sample" in value, name


@every_page
def test_examples_use_the_plugin(page: Page, kind: str, name: str) -> None:
    """Examples are YAML and name the plugin in full."""
    if kind == "callback":
        return
    assert yaml.safe_load(page["examples"])
    assert f"slipway.kube.{name}" in page["examples"]


@pytest.mark.parametrize("name", [name for kind, name in PAGES if kind == "module"])
def test_attributes_are_honest(name: str, collections_root: Path) -> None:
    """A module says how far it supports check mode, differences and second runs, and why not where it does not."""
    attributes = _pages("module", collections_root)[f"slipway.kube.{name}"]["doc"]["attributes"]
    assert {"check_mode", "diff_mode", "idempotent"} <= attributes.keys()
    for attribute, said in attributes.items():
        assert said.get("description"), attribute
        assert said.get("support") in {"full", "partial", "none"}, attribute
        assert said["support"] == "full" or said.get("details"), attribute


def test_group_is_the_modules_that_take_a_cluster(collections_root: Path) -> None:
    """Defaults of the group kube may name kubeconfig and context: all of its modules take both, and it has all that do."""
    group = yaml.safe_load((PLUGINS.parent / "meta" / "runtime.yml").read_text())["action_groups"]["kube"]
    taking = [
        name
        for kind, name in PAGES
        if kind == "module"
        and {"kubeconfig", "context"}
        <= _pages("module", collections_root)[f"slipway.kube.{name}"]["doc"]["options"].keys()
    ]
    assert [name for name in group if "." not in name] == taking
