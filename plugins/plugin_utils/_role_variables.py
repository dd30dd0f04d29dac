# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's roles know as variables, and what of a person's is unknown or impossible. Private to the collection."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.slipway.kube.plugins.module_utils._common.options import OptionError, read_value
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import renamed_variables

ROLES = ("application", "database_backup", "helm_release", "image_build", "minikube_setup", "toolchain", "verify")
# Facts and results that roles leave for what follows them.
FACTS = (
    "application_plan",
    "database_backup_result",
    "helm_release_before",
    "helm_release_images",
    "helm_release_outcome",
    "helm_release_restored",
    "helm_release_rolled_back",
    "helm_release_transaction",
    "helm_release_variables",
    "image_build_missing",
    "minikube_setup_ingress_port",
    "toolchain_bundle_written",
    "toolchain_docker_host",
    "toolchain_environment",
    "toolchain_tools",
    "verify_result",
)
_FOLDER = Path(__file__).resolve().parents[2] / "roles"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Reading the names alone takes a tenth of the time that YAML takes, and each run needs them.
_NAME = re.compile(r"^      ([a-z]\w*):", re.MULTILINE)
# A prefix that people use for variables of their own, such as verify_ssl: only what is close to a variable of the role is a mistake.
_COMMON_WORDS = ("verify",)
_HIGHEST_PORT = 65535
_LIKENESS = 0.85  # of a prefix with a mistake in writing: one letter of seven


@cache
def names(role: str) -> frozenset[str]:
    """Return the names of a role's variables."""
    text = (_FOLDER / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    return frozenset(_NAME.findall(text))


@cache
def options(role: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the documented options of a role's variables."""
    text = (_FOLDER / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = yaml.load(text, _LOADER)["argument_specs"]["main"]["options"]
    return found


def role_of(variable: str) -> str | None:
    """Return the role whose prefix a variable has."""
    return next((role for role in ROLES if variable.startswith(f"{role}_")), None)


def unknown(variables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that no role knows although its name says so, or nearly says so, with what is wrong and what to do.

    Those of the role application are left to the plan.
    """
    given = sorted(variables)
    retired = {rename.old for rename in renamed_variables(given)}  # Roles' defaults read them, and warn.
    for variable in given:
        role = role_of(variable)
        if role == "application" or variable in FACTS or variable in retired:
            continue
        if role is None:
            meant = _meant(variable)
            if meant:
                yield variable, f"{variable}: this variable is unknown; did you mean {meant}."
        elif variable not in names(role):
            # The prefix, which they share, makes none alike.
            rests = {name.removeprefix(f"{role}_"): name for name in names(role)}
            close = difflib.get_close_matches(variable.removeprefix(f"{role}_"), rests, n=1)
            if not close and role in _COMMON_WORDS:
                continue
            remedy = f"did you mean {rests[close[0]]}" if close else f"see the variables of the role {role}"
            yield variable, f"{variable}: this variable is unknown; {remedy}."


def _meant(variable: str) -> str | None:
    """Return the variable of a role that differs only in its prefix, and little there."""
    for words in (1, 2):  # of a role's name
        *prefix, rest = variable.split("_", words)
        for role in _roles_with(rest) if len(prefix) == words else ():
            if difflib.SequenceMatcher(None, "_".join(prefix), role).ratio() >= _LIKENESS:
                return f"{role}_{rest}"
    return None


def _roles_with(rest: str) -> Iterator[str]:
    """Yield the roles that have a variable of this name after their prefix."""
    return (role for role in ROLES if f"{role}_{rest}" in names(role))


def impossible(variable: str, value: Any) -> str | None:
    """Say what is wrong with the value of a role's variable; None when nothing is. It is not repeated, because it may be a secret."""
    option = options(role_of(variable) or "").get(variable, {})
    try:
        read = read_value(value, option)
    except OptionError as error:
        return f"{variable}: {error}"
    kind = option.get("type", "str")
    if read is None:
        return None
    if kind in ("int", "float") and read < 0:
        return f"{variable}: it is {read}; write a number of at least 0."
    if kind == "int" and variable.endswith("_port") and read > _HIGHEST_PORT:
        return f"{variable}: it is {read}; write a port of at most {_HIGHEST_PORT}."
    return None
