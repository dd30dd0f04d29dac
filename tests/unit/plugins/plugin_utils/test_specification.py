# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of variables before Ansible templates them."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._specification import is_circular

VARIABLES = {
    "own": "{{ own }}",
    "one": "{{ two }}",
    "two": "{{ three }}",
    "three": "{{ two }}",
    "good": "{{ name }}",
    "name": "shop",
    "lost": "{{ nowhere }}",
    "joined": "{{ joined }}-x",
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_consists_of_itself_is_circular(variable: str) -> None:
    assert is_circular(variable, VARIABLES) is (variable in ("own", "one", "two", "three"))
    assert not is_circular("missing", VARIABLES)
