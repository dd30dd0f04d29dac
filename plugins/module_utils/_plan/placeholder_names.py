# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that placeholders may have: those of the plan, old ones, and misspelt ones. Private to the collection.

They begin with C(application.) or C(components.). What they stand for is in the plan's variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    of_application,
    placeholders,
    substitute,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import REMOVED_IN, find
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import COMPONENT_FACTS
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator

APPLICATION_NAMES = tuple(f"application.{fact}" for fact in ("name", "namespace", "host", "url"))
_OLD = find("placeholder", "components.NAME.digest")


def component_names(components: Mapping[str, Any]) -> list[str]:
    """List the names that stand for something of a component."""
    return [f"components.{name}.{fact}" for name in components for fact in COMPONENT_FACTS]


def validate_names(validator: Validator, place: str, value: Any, known: Sequence[str]) -> None:
    """Note the placeholders that begin like names of the plan and are none; all others are the check's own."""
    for where, text in texts(place, value):
        for name in placeholders(text):
            if of_application(name) and name not in known:
                validator.error(where, f"${{{name}}} is unknown", nearest(name, known))


def current_names(place: str, value: Any, components: Sequence[str]) -> tuple[Any, list[str]]:
    """Return a value in which old names are replaced by those of today, and a warning for each."""
    renamed = {_OLD.old.replace("NAME", name): _OLD.new.replace("NAME", name) for name in components}
    warnings = [
        f"{where}: ${{{name}}} is deprecated and will be removed in version {REMOVED_IN}. Use ${{{renamed[name]}}}."
        for where, text in texts(place, value)
        for name in placeholders(text)
        if name in renamed
    ]
    return substitute(value, {old: f"${{{new}}}" for old, new in renamed.items()}) if warnings else value, warnings


def texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield all texts in a value with their places."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(f"{place}.{key}", item)
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from texts(f"{place}[{index}]", item)
