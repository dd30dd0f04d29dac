# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module application_plan, with what only the controller knows: what cannot be templated, roles' variables, files and lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import VARIABLES
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import SpecificationError
from ansible_collections.slipway.kube.plugins.plugin_utils import _origins, _role_variables, _secret_sources
from ansible_collections.slipway.kube.plugins.plugin_utils._forked import ForkedModule, load_plugins
from ansible_collections.slipway.kube.plugins.plugin_utils._progress import tell_after
from ansible_collections.slipway.kube.plugins.plugin_utils._specification import independent, is_circular, partly
from ansible_collections.slipway.kube.plugins.plugin_utils._spelling import Misread, Spellings, misread, parts

load_plugins()

_UNREAD = "__slipway_unread"
_CIRCULAR = "it refers to itself; write its value"
# Stand for what could not be read, so that the module can judge the rest.
_INSTEAD = {"name": "unread", "project_dir": "/"}
_CONTAINERS = {"components": "a dictionary", "releases": "a list", "checks": "a list", "journey": "a list"}


# Seconds after which a person is told what the plan is doing.
_SILENT = 2.0
_LONG = "Reading and copying the sources, which takes longer the first time and with large build contexts."


class ActionModule(ForkedModule):
    """See the module's documentation; nothing is added to its options."""

    _supports_check_mode = True
    _supports_async = True
    _telling: threading.Timer | None = None

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Template an option; what cannot be is kept with its reasons, so that it is told beside the other mistakes."""
        variable = f"application_{name}"
        if variable in str(value) and is_circular(variable, templar.available_variables):
            return {_UNREAD: {variable: _CIRCULAR}, "value": None, "reason": _CIRCULAR}
        try:
            return super().finalize_task_arg(name, value, templar, context)
        except AnsibleError as error:
            if name not in VARIABLES:
                raise
            found = partly(variable, templar.available_variables, templar.template)
            return {_UNREAD: found.problems, "value": found.value, "reason": str(error)}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and fail with its mistakes and those that are found here."""
        variables = task_vars or {}
        unread: dict[str, str] = {}
        reasons: dict[str, str] = {}
        for name, value in self._task.args.items():
            if isinstance(value, Mapping) and _UNREAD in value:
                unread.update(value[_UNREAD])
                reasons[f"application_{name}"] = f"{value['reason'].rstrip('.')}; correct the expression"
                self._task.args[name] = self._instead(name, value["value"], variables)
        self._task.args["check_variables"] = self._check_variables(variables)
        # No part of it is wrong by itself, nor another variable that it takes.
        unread = unread or reasons
        problems = [f"{place}: {reason}." for place, reason in unread.items()]
        problems += [
            f"application_{name}: it is nothing; write {kind}, or remove it."
            for name, kind in _CONTAINERS.items()
            if variables.get(f"application_{name}", ()) is None
        ]
        problems += self._of_roles(variables)
        spelled = list(self._misread(variables))
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
        finally:
            if self._telling:
                self._telling.cancel()
        found = list(result.get("problems") or ())
        # A variable that is wrong as a whole says as little about the others as one that cannot be read.
        wrong = {problem.split(":", 1)[0]: "" for problem in [*problems, *found]}
        found = independent(found, [*unread, *(one.place for one in spelled)], [*unread, *wrong])
        if (result.get("failed") and not result.get("problems")) or not (problems or found or spelled):
            return result
        result.pop("plan", None)
        result.pop("exception", None)  # of the module, which knows only some of the mistakes
        placed = [self._placed(problem, variables) for problem in [*problems, *found]]
        # What several variables take from one place is one mistake.
        placed = list({problem.split(": ", 1)[-1]: problem for problem in reversed(placed)}.values())[::-1]
        placed += [f"{one.place}: {one.sentence}{f' ({one.where})' if one.where else ''}" for one in spelled]
        result.update(failed=True, changed=False, msg=str(SpecificationError(placed)), problems=placed)
        return result

    def _module_begins(self) -> None:
        self._telling = tell_after(_SILENT, self._display.display, _LONG)

    @staticmethod
    def _instead(name: str, value: Any, variables: Mapping[str, Any]) -> Any:
        if name == "secrets":
            return _secret_sources.outlined(value, False)
        return _INSTEAD.get(name) if value is None else value

    def _check_variables(self, variables: Mapping[str, Any]) -> list[str]:
        """Return the names that a person gives to the checks beside those of the plan, whatever they stand for."""
        names: list[str] = list(self._task.args.get("check_variables") or ())
        value = variables.get("verify_variables")
        if isinstance(value, str) and _origins.is_a_persons(value):
            try:
                value = self._templar.template(value)
            except AnsibleError:
                value = None  # the role verify tells it
        return [*names, *map(str, value)] if isinstance(value, Mapping) else names

    def _misread(self, variables: Mapping[str, Any]) -> Iterator[Misread]:
        """Yield what is read otherwise than it was written."""
        spellings = Spellings()
        given = {name: self._task.args.get(name) for name in VARIABLES if name not in ("secrets", "project_dir")}
        keys = {name: name for name in variables}
        told = set()
        for place, value, expected in parts({**given, "secrets": self._secrets(variables)}):
            for one in misread(place, value, expected, spellings, keys.get(place)):
                # What several checks take from one place is one mistake.
                at = (one.at, one.place.rpartition(".")[2])
                if one.at is None or at not in told:
                    yield one
                told.add(at)

    def _secrets(self, variables: Mapping[str, Any]) -> Any:
        """Return the secrets with their values, which the module does not get."""
        try:
            return self._templar.template(variables.get("application_secrets"))
        except AnsibleError:
            return None  # told already

    def _of_roles(self, variables: Mapping[str, Any]) -> list[str]:
        """Return the mistakes in the variables of the other roles."""
        written = [name for name, value in variables.items() if _origins.is_a_persons(value)]
        wrong = dict(_role_variables.unknown(written))
        for name in written:
            # A boolean has no origin, and converts to most types.
            if not _origins.origin_of(variables[name]):
                continue
            if name in wrong or _role_variables.role_of(name) in (None, "application") or name in _role_variables.FACTS:
                continue
            try:
                problem = _role_variables.impossible(name, self._templar.template(variables[name]))
            except AnsibleError:
                continue  # It may need what a role sets later.
            if problem:
                wrong[name] = problem
        return list(wrong.values())

    @staticmethod
    def _placed(problem: str, variables: Mapping[str, Any]) -> str:
        place = _origins.place_of(problem.split(": ", 1)[0], variables)
        return f"{problem} ({place})" if place else problem
