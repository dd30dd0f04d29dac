# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the plan in placeholders: known, old and misspelt ones."""

from __future__ import annotations

from ansible_collections.slipway.kube.plugins.module_utils._plan.placeholder_names import (
    component_names,
    current_names,
    validate_names,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator


def test_only_names_of_the_plan_are_validated() -> None:
    validator = Validator()
    value = {"a": ["${run_id} ${components.api.tag}", "$${components.x.tag}"], "b": "${components.api.tga}"}
    validate_names(validator, "checks[0]", value, component_names({"api": None}))
    assert validator.errors == ["checks[0].b: ${components.api.tga} is unknown; did you mean components.api.tag."]


def test_old_names_are_replaced_and_told() -> None:
    value = {"a": ["${components.api.digest} ${components.web.digest} $${components.api.digest}"], "b": 1}
    found, warnings = current_names("x", value, ["api"])
    assert found == {
        "a": ["${components.api.source_digest} ${components.web.digest} $${components.api.digest}"],
        "b": 1,
    }
    (warning,) = warnings
    assert warning.startswith("x.a[0]: ${components.api.digest} is deprecated")
    assert current_names("x", {"a": "${components.web.digest}"}, ["api"]) == ({"a": "${components.web.digest}"}, [])
