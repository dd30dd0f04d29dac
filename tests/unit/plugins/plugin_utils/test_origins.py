# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a person wrote a value, by what Ansible's own reader of YAML keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.slipway.kube.plugins.plugin_utils import _origins

TEXT = """\
release: "{{ other }}"
other:
  name: shop
  values:
    a.b: dotted
    a:
      b: nested
items:
  - first
  - key: "{{ missing }}"
loop: "{{ loop }}"
number: 3
ready: true
nothing:
again: "{{ release }}"
"""
pytestmark = pytest.mark.skipif(_origins.Origin is None, reason="this version of ansible-core keeps no places")


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Variables as Ansible reads them from a file in the working directory."""
    (tmp_path / "all.yml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = DataLoader().load_from_file(str(tmp_path / "all.yml"))
    return found


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("other", 2),
        ("other.name", 3),
        ("other.name.deeper", 3),
        ("other.missing", 2),
        ("other.names", 2),
        # A key may have dots in it.
        ("other.values.a.b", 5),
        ("other.values.a", 6),
        ("items[0]", 9),
        ("items[1].key", 10),
        ("items[2]", 8),
        ("items.first", 8),
        # Through the variables that a template consists of.
        ("release", 1),
        ("release.name", 3),
        ("again.name", 3),
        ("loop.name", 11),
        ("items[1].key.deeper", 10),
    ],
)
def test_a_place_leads_to_the_line_that_says_it_or_the_nearest_one(
    variables: dict[str, Any], place: str, line: int
) -> None:
    # A mapping or list begins with what is first in it.
    found = _origins.place_of(place, variables)
    assert found.rpartition(":")[0] == "all.yml" and int(found.rpartition(":")[2]) in (line, line + 1), found


def test_a_place_in_no_variable_is_nowhere(variables: dict[str, Any]) -> None:
    assert [_origins.place_of(place, variables) for place in ("unknown.name", "", ".name")] == ["", "", ""]


def test_a_file_elsewhere_is_told_with_its_whole_path(
    variables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert _origins.origin_of(variables["other"]["name"]) == f"{str(tmp_path).lstrip('/')}/all.yml:3"
    assert _origins.origin_of("made here") == ""


@pytest.mark.parametrize(
    ("value", "name"),
    [("{{ other }}", "other"), (" {{- other -}} ", "other"), ("{{ a.b }}", None), ("x {{ a }}", None), (3, None)],
)
def test_a_template_that_is_one_variable_names_it(value: Any, name: str | None) -> None:
    assert _origins.named(value) == name


def test_a_value_of_an_inventory_is_a_persons_and_one_of_a_role_or_a_task_is_not(variables: dict[str, Any]) -> None:
    assert _origins.is_a_persons(variables["release"]) and _origins.is_a_persons(variables["number"])
    # They carry no tag, and may be anybody's.
    assert _origins.is_a_persons(variables["ready"]) and _origins.is_a_persons(variables["nothing"])
    assert not _origins.is_a_persons("made by a task")
    defaults = DataLoader().load_from_file(str(_origins._ROOT / "roles/verify/defaults/main.yml"))
    assert not any(_origins.is_a_persons(value) for value in defaults.values() if isinstance(value, str))
