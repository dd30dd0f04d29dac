# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values reach Helm, which reads YAML, as they are."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._helm.values import values_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "value",
    [
        "a rocket \U0001f680",
        "\x85 and \u2028",
        r"no pair: \\ud83d\\ude80",
        "\\\U0001f680",
        "on",
        "1.10",
        "",
        1,
        1.5,
        True,
        None,
        ["\U00010000"],
    ],
)
def test_a_yaml_reader_gets_the_same_values(value: object) -> None:
    text = values_text({"value": value})
    assert text.isascii() and yaml.safe_load(text) == {"value": value}


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_any_text_is_kept(values: dict[str, str]) -> None:
    assert yaml.safe_load(values_text(values)) == values
