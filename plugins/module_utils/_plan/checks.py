# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a specification, whose placeholders stay until they are asked. Private to the collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import placeholders
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Check
from ansible_collections.slipway.kube.plugins.module_utils._plan.placeholder_names import (
    APPLICATION_NAMES,
    component_names,
    current_names,
    texts,
    validate_names,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator


def read_checks(
    validator: Validator, place: str, given: Any, hosts: Sequence[str], components: Sequence[str]
) -> tuple[list[Check], list[str]]:
    """Return the checks as they are written, and warnings; note names that stand for nothing."""
    checks: list[Check] = []
    warnings: list[str] = []
    known = [*APPLICATION_NAMES, *component_names(dict.fromkeys(components))]
    for where, item in validator.items(place, given):
        validator.text(f"{where}.name", item.get("name"), example="page")
        options, old = current_names(where, {str(key): value for key, value in item.items()}, components)
        warnings.extend(old)
        validate_names(validator, where, options, known)
        for place_of, text in texts(where, options):
            if not hosts and "application.host" in placeholders(text):
                validator.error(
                    place_of,
                    "${application.host} is the first of application_hosts, which is empty",
                    "name a host",
                )
        checks.append(Check(str(item.get("name", "")), options))
    validator.no_twice(place, [check.name for check in checks])
    return checks, warnings
