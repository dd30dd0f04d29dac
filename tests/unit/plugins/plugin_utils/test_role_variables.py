# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the roles that nobody knows, and values that they cannot have."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils import _role_variables


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("verify_hosst", "did you mean verify_hosts"),
        ("toolchain_zzzzz", "see the variables of the role toolchain"),
        # A mistake in the prefix, of one word or two.
        ("verfy_hosts", "did you mean verify_hosts"),
        ("minikube_setpu_profile", "did you mean minikube_setup_profile"),
        ("image_biuld_components", "did you mean image_build_components"),
    ],
)
def test_an_unknown_variable_is_told_with_what_to_do(variable: str, remedy: str) -> None:
    given = [variable, "verify_hosts", "own"]
    assert list(_role_variables.unknown(given)) == [(variable, f"{variable}: this variable is unknown; {remedy}.")]


@pytest.mark.parametrize(
    "variable",
    [
        "toolchain_source",
        "application_zzz",  # told by the plan
        "toolchain_environment",  # a fact
        "verify_entry",  # an old name that still works
        "hosts",
        "verfy_zzz",  # no role has the rest
        "other_profile",  # no role has a prefix that is alike
        "ansible_connection",
    ],
)
def test_a_variable_that_is_known_or_nobodys_is_left_alone(variable: str) -> None:
    assert list(_role_variables.unknown([variable])) == []


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("toolchain_min_disk_gb", 0, None),
        ("toolchain_min_disk_gb", -1, "it is -1; write a number of at least 0."),
        ("minikube_setup_memory_mb", 70000, None),
        ("minikube_setup_ingress_first_port", 65535, None),
        ("minikube_setup_ingress_first_port", "65536", "it is 65536; write a port of at most 65535."),
        ("minikube_setup_profile", "65536", None),
        ("toolchain_bundle", None, None),
    ],
)
def test_numbers_are_in_their_range(variable: str, value: Any, wrong: str | None) -> None:
    assert _role_variables.impossible(variable, value) == (wrong and f"{variable}: {wrong}")


def test_a_value_of_another_kind_is_told_without_repeating_it() -> None:
    told = _role_variables.impossible("minikube_setup_cpus", "geheim")
    assert told and told.startswith("minikube_setup_cpus: ") and "geheim" not in told
