# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that YAML reads as another than was written are found with the file and line, and with what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.slipway.kube.plugins.plugin_utils._spelling import Expected, Spellings, misread, parts

LARGE = 2**53


def mistakes(tmp_path: Path, text: str, expected: Expected) -> list[tuple[str, str]]:
    """The places and sentences for a value as Ansible reads it from a file."""
    file = tmp_path / "all.yml"
    file.write_text(text)
    found = list(misread("v", DataLoader().load_from_file(str(file)), expected, Spellings()))
    assert all(one.where.startswith(f"{file}:") for one in found)
    return [(one.place, one.sentence) for one in found]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3.10", "3.10 is read as the number 3.1; quote it: '3.10'."),
        ("3.11", "3.11 is read as the number 3.11; quote it: '3.11'."),
        ("1.0", "1.0 is read as the number 1; quote it: '1.0'."),
        ("0644", "0644 is read as the number 420; quote it: '0644'."),
        ("0x1F", "0x1F is read as the number 31; quote it: '0x1F'."),
        ("1_000", "1_000 is read as the number 1000; quote it: '1_000'."),
        ("12:30:45", "12:30:45 is read as the number 45045; quote it: '12:30:45'."),
        ("on", "on is read as true; quote it: 'on'."),
        ("No", "No is read as false; quote it: 'No'."),
        ("2026-01-31", "2026-01-31 is read as a date; quote it: '2026-01-31'."),
    ],
)
def test_a_text_that_is_read_as_another_value(tmp_path: Path, written: str, said: str) -> None:
    assert mistakes(tmp_path, f"A: x\nB: [{{C: {written}}}]\n", Expected.TEXT) == [("v.B[0].C", said)]
    ((place, sentence),) = mistakes(tmp_path, f"A: {written}\n", Expected.SECRET)
    assert place == "v.A" and sentence.endswith("quote it.")
    assert written not in sentence, "a secret"


@pytest.mark.parametrize(
    "written", ["'3.10'", '"on"', "12e45", "y", "2048", "0", "-5", "|\n  0644", "null", "a #b", "sha-1"]
)
def test_what_is_read_as_it_is_written(tmp_path: Path, written: str) -> None:
    for expected in Expected:
        assert mistakes(tmp_path, f"A: {written}\n", expected) == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1.10", "1.10 is read as the number 1.1; quote it: '1.10', or write 1.1."),
        ("2.0", "2.0 is read as the number 2; quote it: '2.0', or write 2."),
        ("0644", "0644 is read as the number 420; quote it: '0644', or write 420."),
        (f"{LARGE}", f"{LARGE} is read as a number, which Helm keeps only below 2^53; quote it: '{LARGE}'."),
        (f"-{LARGE}", f"-{LARGE} is read as a number, which Helm keeps only below 2^53; quote it: '-{LARGE}'."),
        (f"{LARGE - 1}", None),
        ("0.5", None),
        ("yes", None),
        ("true", None),
    ],
)
def test_a_number_among_the_values_of_a_chart(tmp_path: Path, written: str, said: str | None) -> None:
    assert mistakes(tmp_path, f"A: {written}\n", Expected.CHART) == ([("v.A", said)] if said else [])


def test_a_number_of_a_check_may_have_a_fraction_but_no_other_notation(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "timeout: 5.0\nequals: 1.10\nstart: 2026-01-01\nverify: yes\n", Expected.NUMBER) == []
    ((place, sentence),) = mistakes(tmp_path, "timeout: 1:30\n", Expected.NUMBER)
    assert place == "v.timeout" and sentence == "1:30 is read as the number 90; quote it: '1:30', or write 90."


def test_a_boolean_in_a_list(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "hosts: [shop.localhost, on, 'off']\nothers:\n  - no\n", Expected.TEXT) == [
        ("v.hosts[1]", "on is read as true; quote it: 'on'."),
        ("v.others[0]", "no is read as false; quote it: 'no'."),
    ]


def test_a_key_that_is_read_as_a_boolean(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "B: {on: x, 'off': y}\nC: {Yes: [no]}\n", Expected.CHART) == [
        ("v.B", "the key on is read as a boolean; quote it: 'on'."),
        ("v.C", "the key Yes is read as a boolean; quote it: 'Yes'."),
    ]


def test_the_result_of_an_expression_has_no_spelling() -> None:
    def found(value: Any, expected: Expected) -> list[str]:
        return [one.sentence for one in misread("v", value, expected, Spellings())]

    assert found({"a": 1.1}, Expected.TEXT) == ["it is read as the number 1.1; write it as a text in quotes."]
    assert found({"a": 1.1, "b": True, "c": 420}, Expected.CHART) == []


def test_each_part_of_a_specification_has_its_kind() -> None:
    specification = {
        "name": "shop",
        "components": {"web": {"source": "web", "build_args": {"A": "1"}}},
        "releases": [{"name": "shop", "values": {"a": 1}, "wait": True}],
        "secrets": [{"name": "s", "keys": {"K": {"env": "K", "fallback": {"value": "x"}}}}],
        "checks": [],
    }
    assert {place: (value, expected) for place, value, expected in parts(specification)} == {
        "application_components.web.build_args": ({"A": "1"}, Expected.TEXT),
        "application_components.web": ({"source": "web"}, Expected.TEXT),
        "application_releases[0].values": ({"a": 1}, Expected.CHART),
        "application_releases[0]": ({"name": "shop"}, Expected.TEXT),
        "application_secrets[0].keys.K": ({}, Expected.SECRET),
        "application_secrets[0].keys.K.fallback": ({"value": "x"}, Expected.SECRET),
        "application_name": ("shop", Expected.TEXT),
        "application_namespace": (None, Expected.TEXT),
        "application_hosts": (None, Expected.TEXT),
        "application_checks": ([], Expected.NUMBER),
    }
    assert list(parts({"components": "x", "releases": None, "secrets": [3]}))  # told by the plan
