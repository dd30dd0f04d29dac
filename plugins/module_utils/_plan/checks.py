# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a specification, whose placeholders stay until they are asked. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    of_application,
    placeholders,
    substitute,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import in_order
from ansible_collections.slipway.kube.plugins.module_utils._health.mistakes import find_mistakes
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Check
from ansible_collections.slipway.kube.plugins.module_utils._plan.placeholder_names import (
    APPLICATION_NAMES,
    component_names,
    current_names,
    texts,
    validate_names,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import Validator

# As the health check fills them before it reads a check; here only the form counts.
_FORMS = {"application.url": "http://unread.invalid", "application.host": "unread.invalid"}


def read_checks(
    validator: Validator, given: Mapping[str, Any], hosts: Sequence[str], components: Sequence[str], own: Sequence[str]
) -> tuple[dict[str, list[Check]], list[str]]:
    """Return the checks of each list as they are written, and warnings; note everything that health_check would refuse.

    C(given) has the checks that run first and then those of the journey, by the place that they are written in; C(own) are names that
    placeholders may have beside those of the plan.
    """
    found: dict[str, list[Check]] = {}
    places: list[str] = []
    warnings: list[str] = []
    known = [*APPLICATION_NAMES, *component_names(dict.fromkeys(components))]
    for place, items in given.items():
        found[place] = []
        for where, item in validator.items(place, items):
            options, old = current_names(where, {str(key): value for key, value in item.items()}, components)
            warnings.extend(old)
            validate_names(validator, where, options, known)
            _first_host(validator, where, options, hosts)
            found[place].append(Check(str(item.get("name", "")), options))
            places.append(where)
    names = [check.name for checks in found.values() for check in checks]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            validator.error(places[index], f"{name!r} is used twice", "remove or rename one of them")
    _note_mistakes(validator, places, found, known, own)
    return found, warnings


def _first_host(validator: Validator, place: str, options: Mapping[str, Any], hosts: Sequence[str]) -> None:
    for place_of, text in texts(place, options):
        if not hosts and "application.host" in placeholders(text):
            validator.error(
                place_of, "${application.host} is the first of application_hosts, which is empty", "name a host"
            )


def _note_mistakes(
    validator: Validator,
    places: Sequence[str],
    found: Mapping[str, Sequence[Check]],
    known: Sequence[str],
    own: Sequence[str],
) -> None:
    checks, journey = ([check.options for check in one] for one in found.values())
    filled = substitute(in_order(checks, journey), {name: _FORMS.get(name, "unread") for name in known})
    # Names that begin like those of the plan and are none are noted already.
    lost = [name for name in placeholders(filled) if of_application(name)]
    for index, key, reason in find_mistakes(filled, [*own, *lost]):
        validator.errors.append(f"{places[index]}.{key}: {reason}")
