# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an application's specification to its plan. Private to the collection.

Every mistake is collected with its place, so that a person meets all of them in one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of, nearest
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import renamed_variables
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotStore
from ansible_collections.slipway.kube.plugins.module_utils._plan.checks import read_checks
from ansible_collections.slipway.kube.plugins.module_utils._plan.components import BuildSetting, read_components
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Check, Component, Release, Secret
from ansible_collections.slipway.kube.plugins.module_utils._plan.releases import read_releases
from ansible_collections.slipway.kube.plugins.module_utils._plan.secrets import read_secrets
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import SpecificationError, Validator

# The variables of the specification; everything else that begins with application_ is a mistake in writing.
VARIABLES = (
    "name",
    "namespace",
    "hosts",
    "exposure",
    "project_dir",
    "components",
    "releases",
    "secrets",
    "checks",
    "journey",
)
NOT_SPECIFICATION = ("plan", "secrets_needed", "context_warning_mb")

_CHECKS = ("application_checks", "application_journey")
_EXPOSURES = ("ingress", "node_port", "load_balancer", "none")
_EXPOSURE_KEYS = ("kind", "service", "namespace", "port")


@dataclass(frozen=True)
class Plan:
    """What an application is to be, and what a person should be told about it."""

    name: str
    namespace: str
    project_dir: str
    hosts: Sequence[str]
    exposure: Mapping[str, str]
    components: Mapping[str, Component]
    releases: Sequence[Release]
    secrets: Sequence[Secret]
    checks: Sequence[Check]
    journey: Sequence[Check]
    warnings: Sequence[str] = ()

    @property
    def variables(self) -> dict[str, str]:
        """What the placeholders of checks stand for, but for C(application.url), which is known when the application runs."""
        found = {"application.name": self.name, "application.namespace": self.namespace}
        if self.hosts:
            found["application.host"] = self.hosts[0]
        for component in self.components.values():
            found.update(component.variables)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the plan with plain values only. It holds no secret."""
        return {
            "name": self.name,
            "namespace": self.namespace,
            "project_dir": self.project_dir,
            "hosts": list(self.hosts),
            "exposure": dict(self.exposure),
            "components": {name: component.as_dict() for name, component in self.components.items()},
            "releases": [release.as_dict() for release in self.releases],
            "secrets": [secret.as_dict() for secret in self.secrets],
            "checks": [check.as_dict() for check in self.checks],
            "journey": [check.as_dict() for check in self.journey],
            "variables": self.variables,
        }


def build_plan(specification: Mapping[str, Any], base: Path) -> Plan:
    """Check a specification and compute its plan.

    The keys of C(specification) are VARIABLES, C(given), the names of all variables that begin with C(application_), and
    C(check_variables), the names that checks may use beside those of the plan.
    Secrets come outlined: in place of a C(value) is V(true), and C(available) tells whether an environment variable is
    set. C(base) is what a relative project_dir starts from. Raises SpecificationError with every mistake found.
    """
    validator = Validator()
    retired = {rename.old for rename in renamed_variables(specification.get("given") or ())}
    for variable in specification.get("given") or ():
        if variable in retired:  # The role's defaults warn about it.
            continue
        short = str(variable).removeprefix("application_")
        if short not in VARIABLES and short not in NOT_SPECIFICATION:
            known = [f"application_{one}" for one in VARIABLES]
            validator.error(str(variable), "this variable is unknown", nearest(str(variable), known))
    name = validator.label("application_name", specification.get("name"), longest=53)
    namespace = specification.get("namespace") or name
    if namespace != name:  # otherwise a wrong name would be reported twice
        namespace = validator.namespace("application_namespace", namespace)
    hosts = _hosts(validator, specification.get("hosts"))
    project = (base / str(specification.get("project_dir") or "")).resolve()
    if not project.is_dir():
        validator.error("application_project_dir", f"there is no directory {project}", "correct it")
    given, place = specification.get("releases"), specification.get("snapshots")
    store = SnapshotStore(Path(place) if place else None)
    setting = BuildSetting(
        specification.get("build_args"),
        specification.get("distribution"),
        store,
        specification.get("context_warning_mb") or 0,
    )
    found, warnings = read_components(validator, specification.get("components"), project, name, setting, given)
    exposure = _exposure(validator, specification.get("exposure"), namespace)
    secrets = read_secrets(validator, specification.get("secrets"), namespace)
    releases = read_releases(validator, given, project, namespace, found, secrets, store)
    checks, old = read_checks(
        validator,
        {place: specification.get(place.removeprefix("application_")) for place in _CHECKS},
        hosts,
        list(found),
        specification.get("check_variables") or (),
    )
    if validator.errors:
        raise SpecificationError(validator.errors)
    components = {one: component for one, component in found.items() if component}
    return Plan(
        name=name,
        namespace=namespace,
        project_dir=str(project),
        hosts=hosts,
        exposure=exposure,
        components=components,
        releases=releases,
        secrets=secrets,
        checks=checks["application_checks"],
        journey=checks["application_journey"],
        warnings=(*warnings, *old),
    )


def _hosts(validator: Validator, given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        validator.error("application_hosts", f"it is {kind_of(given)}", "write a list of host names")
        return []
    hosts = [validator.host(f"application_hosts[{index}]", host) for index, host in enumerate(given)]
    validator.no_twice("application_hosts", hosts)
    return hosts


def _exposure(validator: Validator, given: Any, namespace: str) -> dict[str, str]:
    """Return how the application is reached from outside the cluster."""
    place = "application_exposure"
    fields = validator.mapping(place, given)
    validator.keys(place, fields, _EXPOSURE_KEYS)
    kind = fields.get("kind") or "ingress"
    if kind not in _EXPOSURES:
        validator.error(f"{place}.kind", f"{kind!r} is unknown", nearest(str(kind), _EXPOSURES))
    if kind not in ("node_port", "load_balancer"):
        for key in set(fields) - {"kind"}:
            validator.error(f"{place}.{key}", f"it cannot be combined with kind {kind}", "remove it")
        return {"kind": kind}
    port = fields.get("port")
    if isinstance(port, bool) or not isinstance(port, (int, str, type(None))):
        validator.error(f"{place}.port", f"it is {kind_of(port)}", "write the Service port's name or number")
    return {
        "kind": kind,
        "service": validator.label(f"{place}.service", fields.get("service")),
        "namespace": validator.namespace(f"{place}.namespace", fields.get("namespace"), default=namespace),
        "port": str(port or ""),
    }
