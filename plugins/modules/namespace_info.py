#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_info
short_description: Find out what can be deleted with an application
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - A namespace can be deleted if Slipway created it, as its label C(app.kubernetes.io/managed-by=slipway) shows, and if it
    contains no Helm releases other than those of the application. All others must be kept.
  - A release can be uninstalled if Slipway installed it, as its values C(global.slipway) show, or the log in the lease of
    M(slipway.kube.deploy_lease). A release of somebody else with the same name must be kept, and what another application has deployed.
  - Returns which of the application's Secrets in kept namespaces were created by Slipway, with the copies of what they have held, and which
    volume claims and records of migrations in them belong to the releases.
  - Inspects the namespaces of O(namespace), O(releases) and O(secrets). Returns only names, never the value of a Secret.
extends_documentation_fragment:
  - slipway.kube.attributes.reads
  - slipway.kube.kubernetes
  - slipway.kube.releases.optional
attributes:
  check_mode:
    details: If the cluster does not exist, no namespace exists.
options:
  namespace:
    description: The application's namespace.
    type: str
    required: true
  application:
    description: Name of the application. Releases and Secrets that name another one must be kept.
    type: str
    default: ""
  secrets:
    description: The application's Secrets.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Its namespace; O(namespace) if omitted.
        type: str
      keys:
        description: Its keys, without a value, as P(slipway.kube.secret_outline#filter) returns them. They are not needed.
        type: dict
"""

EXAMPLES = r"""
- name: Learn which namespaces may be removed
  slipway.kube.namespace_info:
    namespace: todo
    releases:
      - name: todo
        namespace: todo
    context: slipway
  register: namespaces
"""

RETURN = r"""
namespaces:
  description: The state of each namespace.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the namespace.
      type: str
    exists:
      description: Whether it exists.
      type: bool
    owned:
      description: Whether it has Slipway's label.
      type: bool
    other_releases:
      description: Helm releases in it that are not in O(releases), except releases that were uninstalled with their history
        kept.
      type: list
      elements: str
      sample: [monitoring]
    reason:
      description: Why it is removed or kept, as a clause.
      type: str
      sample: Slipway did not create it
removed:
  description: Names of the namespaces that can be deleted.
  returned: success
  type: list
  elements: str
  sample: [todo]
kept:
  description: The namespaces that must be kept, as in RV(namespaces).
  returned: success
  type: list
  elements: dict
  sample: [{name: team-a, exists: true, owned: false, other_releases: [], reason: Slipway did not create it}]
secrets:
  description: >-
    Those of O(secrets) in RV(kept) namespaces that Slipway created, and the copies of their content, each with C(name) and C(namespace).
  returned: success
  type: list
  elements: dict
  sample: [{name: todo-database, namespace: team-a}]
kept_secrets:
  description: Those of O(secrets) in RV(kept) namespaces that Slipway did not create, each with C(name) and C(namespace).
  returned: success
  type: list
  elements: dict
  sample: []
releases:
  description: Those of O(releases) that are installed and were installed by Slipway, each with C(name) and C(namespace).
  returned: success
  type: list
  elements: dict
  sample: [{name: todo, namespace: team-a}]
kept_releases:
  description: Those of O(releases) that are installed, but not by Slipway.
  returned: success
  type: list
  elements: dict
  sample: []
objects:
  description: What Helm does not delete with RV(releases) in RV(kept) namespaces, each with C(kind), C(name) and C(namespace).
  returned: success
  type: list
  elements: dict
  sample: [{kind: PersistentVolumeClaim, name: data-todo-0, namespace: team-a}]
going:
  description: What can be deleted, a line for each.
  returned: success
  type: list
  elements: str
  sample: [namespace todo with everything in it]
staying:
  description: What must be kept and why, a line for each.
  returned: success
  type: list
  elements: str
  sample: ["namespace team-a, because Slipway did not create it"]
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import api, client, leases, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import copy_of
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import application_of, is_owned

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
Entry = dict[str, str]


@dataclass
class Place:
    """What is in one namespace, as far as it concerns the application. Releases are names; other objects are C(kind) and name."""

    name: str
    exists: bool = False
    owned: bool = False
    ours: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    foreign_secrets: list[str] = field(default_factory=list)
    objects: list[tuple[str, str]] = field(default_factory=list)
    # Of what is another application's: that application, by a line's words.
    applications: dict[str, str] = field(default_factory=dict)

    @property
    def goes(self) -> bool:
        """Whether the namespace can be deleted."""
        return self.owned and not self.others and not self.foreign

    @property
    def reason(self) -> str:
        """Why it is deleted or kept, as a clause."""
        if not self.exists:
            return "it does not exist"
        if not self.owned:
            return "Slipway did not create it"
        if not self.goes:
            return f"other Helm releases live in it: {', '.join(sorted(self.others + self.foreign))}"
        return "Slipway made it, and no other Helm release lives in it"

    def as_result(self) -> dict[str, Any]:
        """Return the shape of a result."""
        return {
            "name": self.name,
            "exists": self.exists,
            "owned": self.owned,
            "other_releases": sorted(self.others + self.foreign),
            "reason": self.reason,
        }

    def entries(self, names: Iterable[str]) -> list[Entry]:
        """Return names with the namespace."""
        return [{"name": name, "namespace": self.name} for name in names]

    def going(self) -> list[str]:
        """Return a line for each thing that can be deleted."""
        lines = [f"release {name} in namespace {self.name}" for name in self.ours]
        if self.goes:
            return [*lines, f"namespace {self.name} with everything in it"]
        named = [("Secret", name) for name in self.secrets] + self.objects
        return lines + [f"{kind} {name} in namespace {self.name}" for kind, name in named]

    def staying(self) -> list[str]:
        """Return a line for each thing that must be kept."""
        if not self.exists or self.goes:
            return []
        named = [*(f"release {name}" for name in self.foreign), *(f"Secret {name}" for name in self.foreign_secrets)]
        return [
            f"namespace {self.name}, because {self.reason}",
            *(f"{what} in namespace {self.name}, because {self._whose(what)}" for what in named),
        ]

    def _whose(self, what: str) -> str:
        other = self.applications.get(what)
        return f"it belongs to the application {other}" if other else "Slipway did not create it"


def living_releases(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the releases whose newest revision is not uninstalled.

    C(records) are the Secrets of type helm.sh/release.v1, or the ConfigMaps of Helm's other driver, which carry the same labels.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records, key=releases.revision_of):
        newest[str(record["metadata"]["labels"]["name"])] = record
    return sorted(name for name, record in newest.items() if releases.status_of(record) != "uninstalled")


def is_ours(records: Iterable[Mapping[str, Any]], logged: bool) -> bool:
    """Tell whether Slipway installed a release: C(records) are its revisions, C(logged) is whether the lease names it."""
    return logged or any(_is_marked(record) for record in records)


def _is_marked(record: Mapping[str, Any]) -> bool:
    try:
        return releases.is_marked(releases.decode(record))
    except ValueError:
        return False


def others(
    records: Mapping[str, Sequence[Mapping[str, Any]]], secrets: Iterable[Mapping[str, Any]], application: str
) -> dict[str, str]:
    """Return what belongs to other applications than C(application), as C(release NAME) or C(Secret NAME), with that application.

    C(records) are the revisions of the declared releases, the oldest first, and C(secrets) the declared ones. What names no application is
    nobody else's.
    """
    named = {f"Secret {secret['metadata']['name']}": application_of(secret) for secret in secrets}
    for name, revisions in records.items():
        with contextlib.suppress(ValueError):
            named[f"release {name}"] = releases.application_of(releases.decode(revisions[-1]).get("config"))
    return {what: other for what, other in named.items() if application and other not in ("", application)}


def leftovers(items: Mapping[str, Iterable[Mapping[str, Any]]], ours: Iterable[str]) -> list[tuple[str, str]]:
    """Return kind and name of what Helm leaves of our releases: the claims of StatefulSets, and what hooks have recorded.

    C(items) are the claims and the ConfigMaps of a namespace, by their kind.
    """
    names, found = set(ours), []
    for kind, objects in items.items():
        for item in objects:
            labels = item["metadata"].get("labels") or {}
            if labels.get(INSTANCE) in names and (kind != "ConfigMap" or labels.get(COMPONENT) == "migration"):
                found.append((kind, str(item["metadata"]["name"])))
    return found


def summary(places: Sequence[Place]) -> dict[str, Any]:
    """Return the module's result."""
    kept = [place for place in places if place.exists and not place.goes]

    def of_kept(what: str) -> list[Entry]:
        return [entry for place in kept for entry in place.entries(getattr(place, what))]

    return {
        "namespaces": [place.as_result() for place in places],
        "removed": [place.name for place in places if place.goes],
        "kept": [place.as_result() for place in kept],
        "secrets": of_kept("secrets"),
        "kept_secrets": of_kept("foreign_secrets"),
        "releases": [entry for place in places for entry in place.entries(place.ours)],
        "kept_releases": [entry for place in places for entry in place.entries(place.foreign)],
        "objects": [
            {"kind": kind, "name": name, "namespace": place.name} for place in kept for kind, name in place.objects
        ],
        "going": [line for place in places for line in place.going()],
        "staying": [line for place in places for line in place.staying()],
    }


def wanted_secrets(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return namespace and name of each Secret of the module's options."""
    return [(one["namespace"] or options["namespace"], one["name"]) for one in options["secrets"]]


def places_of(options: Mapping[str, Any]) -> list[str]:
    """Return the names of all namespaces that the module's options name, each once."""
    named = [one["namespace"] for one in (options["releases"] or ())] + [
        place for place, _name in wanted_secrets(options)
    ]
    return list(dict.fromkeys([options["namespace"], *named]))


def look(cluster: client.KubernetesClient, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module's result, with five calls for each namespace that exists and is kept."""
    # One lease for the application: it names its releases in all namespaces.
    lease = leases.LeaseManager(cluster, options["namespace"], "").look()
    logged = {name for entry in [{"before": lease.note}, *lease.log] for name in entry.get("before") or {}}
    return summary([inspect(cluster, place, options, logged) for place in places_of(options)])


def inspect(cluster: client.KubernetesClient, name: str, options: Mapping[str, Any], logged: Collection[str]) -> Place:
    """Return what is in a namespace. C(logged) are the releases that the lease names, as C(namespace/release)."""
    path = f"/api/v1/namespaces/{name}"
    found = api.find(cluster, path)
    if found is None:
        return Place(name)
    secrets, configmaps = cluster.items(f"{path}/secrets"), cluster.items(f"{path}/configmaps")
    records: dict[str, list[Mapping[str, Any]]] = {**releases.group(secrets)}
    # Where HELM_DRIVER=configmap, Helm's records are no Secrets.
    for item in configmaps:
        labels = item["metadata"].get("labels") or {}
        if labels.get("owner") == "helm" and labels.get("name"):
            records.setdefault(str(labels["name"]), []).append(item)
    living = living_releases(one for revisions in records.values() for one in revisions)
    declared = {one["name"] for one in (options["releases"] or ()) if one["namespace"] == name}
    wanted = {secret for place, secret in wanted_secrets(options) if place == name}
    found_secrets = [one for one in secrets if (copy_of(one) or one["metadata"]["name"]) in wanted]
    applications = others(
        {one: records[one] for one in living if one in declared}, found_secrets, options["application"]
    )
    ours = [
        one
        for one in living
        if one in declared and f"release {one}" not in applications and is_ours(records[one], f"{name}/{one}" in logged)
    ]
    named = [
        (secret, is_owned(one) and f"Secret {secret}" not in applications)
        for one in found_secrets
        for secret in [str(one["metadata"]["name"])]
    ]
    place = Place(
        name,
        exists=True,
        owned=is_owned(found),
        ours=ours,
        foreign=[one for one in living if one in declared and one not in ours],
        others=[one for one in living if one not in declared],
        secrets=[one for one, owned in named if owned],
        foreign_secrets=[one for one, owned in named if not owned],
        applications=applications,
    )
    if not place.goes:
        claims = cluster.items(f"{path}/persistentvolumeclaims")
        # Also of a release that an interrupted run has uninstalled already.
        mine = declared - set(place.foreign)
        place.objects = leftovers({"PersistentVolumeClaim": claims, "ConfigMap": configmaps}, mine)
    return place


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "application": {"type": "str", "default": ""},
            "releases": module_base.RELEASES,
            "secrets": {**module_base.SECRETS, "default": []},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params

    def without() -> dict[str, Any]:
        return summary([Place(name) for name in places_of(options)])

    module_base.run(module, lambda cluster: look(cluster, options), without)


if __name__ == "__main__":
    main()
