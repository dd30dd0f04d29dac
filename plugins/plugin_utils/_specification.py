# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a specification of which parts cannot be templated, so that those stand beside its other mistakes. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import VARIABLES
from ansible_collections.slipway.kube.plugins.plugin_utils._origins import named

_UNDEFINED = re.compile(r"'(\w+)' is undefined")
# What cannot be judged while a whole variable is unknown: parts of the places and sentences of other mistakes.
DEPENDENT: Mapping[str, tuple[str, ...]] = {
    "application_name": (".namespace:",),
    "application_namespace": (".namespace:",),
    "application_components": (".images", ".migrations", "components."),
    "application_secrets": (".secret_checksums",),
    "application_hosts": ("application.host",),
    "application_project_dir": (".source:", ".chart:", ".dockerfile:", ".migrations"),
}


@dataclass
class Partial:
    """What could be templated of a variable, and the places of what could not, each with a sentence."""

    value: Any = None
    problems: dict[str, str] = field(default_factory=dict)


def is_circular(variable: str, variables: Mapping[str, Any]) -> bool:
    """Say whether a variable consists of itself, also by way of others; Ansible takes seconds to find that out."""
    seen, value = {variable}, variables.get(variable)
    while (other := named(value)) and other in variables:
        if other in seen:
            return True
        seen.add(other)
        value = variables[other]
    return False


def partly(variable: str, variables: Mapping[str, Any], template: Callable[[Any], Any]) -> Partial:
    """Template each part of a variable by itself. C(template) raises AnsibleError for what cannot be."""
    found = Partial()
    if variable in variables:
        found.value = _read(variable, variables[variable], variables, template, found.problems, 0)
    else:
        close = nearest(variable, [name for name in variables if str(name).startswith(variable[:4])] or ["none"])
        remedy = close if close.startswith("did") and "application_" not in close else "write it"
        found.problems[variable] = f"it is missing; {remedy}"
    return found


def _read(
    place: str,
    raw: Any,
    variables: Mapping[str, Any],
    template: Callable[[Any], Any],
    problems: dict[str, str],
    depth: int,
) -> Any:
    try:
        return template(raw)
    except AnsibleError as error:
        reason = error
    if isinstance(raw, Mapping):
        return {key: _read(f"{place}.{key}", one, variables, template, problems, depth) for key, one in raw.items()}
    if isinstance(raw, list):
        return [_read(f"{place}[{index}]", one, variables, template, problems, depth) for index, one in enumerate(raw)]
    other = named(raw) or ""
    itself = re.match(rf"{re.escape(other)}(?!\w)", place)
    if other in (f"application_{name}" for name in VARIABLES) and not itself:
        return None  # it is told under its own name
    if other in variables and depth < len(variables):
        return _read(place, variables[other], variables, template, problems, depth + 1)
    problems[place] = _sentence(reason, variables)
    return None


def _sentence(error: AnsibleError, variables: Mapping[str, Any]) -> str:
    """Say what Ansible says of a template, in one line and with a remedy."""
    said = " ".join(str(error).split()).rstrip(".")
    if lost := _UNDEFINED.search(said):
        close = nearest(lost[1], [str(name) for name in variables])
        return f"{lost[0]}; {close if close.startswith('did') else f'define {lost[1]}'}"
    return f"{said.removeprefix('Template error: ')}; correct the expression"


def independent(problems: Iterable[str], unread: Iterable[str], wrong: Iterable[str]) -> list[str]:
    """Return the mistakes that do not merely follow from places that could not be read, or from variables that are wrong as a whole."""
    unread, wrong = list(unread), list(wrong)
    kept = []
    for problem in problems:
        follows = any(re.match(rf"{re.escape(place)}(?![\w-])", problem) for place in unread)
        follows = follows or any(
            part in problem
            for variable in wrong
            for part in DEPENDENT.get(variable, ())
            if not problem.startswith(variable)
        )
        if not follows:
            kept.append(problem)
    return kept
