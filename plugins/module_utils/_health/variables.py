# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks know of the application they ask. Private to the collection.

These variables are put into every text of a check before it is read, so that they may also name a namespace or a pod;
all others are filled where M(slipway.kube.health_check) says, when the check is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    as_text,
    of_application,
    placeholders,
    substitute,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import is_sensitive


def application_variables(variables: Mapping[str, Any]) -> dict[str, str | None]:
    """Return those of the variables that say what the application is; None stands for what nobody knows.

    A component may be called auth or session: what its image is called is no secret, so only the last word of a name
    counts. One that means a secret is a variable like all others.
    """
    return {
        name: None if value is None else as_text(value)
        for name, value in variables.items()
        if of_application(str(name)) and not is_sensitive(str(name).rpartition(".")[2])
    }


def place(
    checks: Sequence[Mapping[str, Any]], variables: Mapping[str, str | None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the checks with the application's variables in them, and the names of those that are left out.

    A check is left out when it uses a variable that stands for nothing, or what such a check extracts. One that only
    comes after it is asked without waiting for it.
    """
    filled: list[dict[str, Any]] = substitute(checks, variables)
    unknown = {name for name, value in variables.items() if value is None}
    left_out: dict[Any, None] = {}
    while True:
        more = [check for check in filled if check.get("name") not in left_out and unknown.intersection(_used(check))]
        if not more:
            break
        for check in more:
            left_out[check.get("name")] = None
            unknown.update(check.get("extract") or ())
    kept = [check for check in filled if check.get("name") not in left_out]
    for check in kept:
        if check.get("depends_on"):
            check["depends_on"] = [name for name in check["depends_on"] if name not in left_out]
    return kept, [str(check["name"]) for check in filled if check.get("name") in left_out]


def _used(check: Mapping[str, Any]) -> list[str]:
    return placeholders({key: value for key, value in check.items() if key not in ("name", "depends_on")})
