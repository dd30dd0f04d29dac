#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_info
short_description: Find out which namespaces can be deleted with an application
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - A namespace can be deleted if Slipway created it, as its label C(app.kubernetes.io/managed-by=slipway) shows, and if it
    contains no Helm releases other than those of the application. All others must be kept.
  - Returns which of the application's Secrets in kept namespaces were created by Slipway.
  - Inspects the namespaces of O(namespace), O(releases) and O(secrets). Reads only names, never the value of a Secret.
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
  description: Those of O(secrets) in RV(kept) namespaces that Slipway created, each with C(name) and C(namespace).
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
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import api, client, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import is_owned


def living_releases(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the releases whose newest revision is not uninstalled.

    C(records) are the Secrets of type helm.sh/release.v1, or the ConfigMaps of Helm's other driver, which carry the same labels.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records, key=releases.revision_of):
        newest[str(record["metadata"]["labels"]["name"])] = record
    return sorted(name for name, record in newest.items() if releases.status_of(record) != "uninstalled")


def judge(name: str, found: Mapping[str, Any] | None, others: Sequence[str]) -> dict[str, Any]:
    """Return the result for one namespace; C(found) is its object, C(others) the living releases of other applications."""
    owned = found is not None and is_owned(found)
    if found is None:
        reason = "it does not exist"
    elif not owned:
        reason = "Slipway did not create it"
    elif others:
        reason = f"other Helm releases live in it: {', '.join(others)}"
    else:
        reason = "Slipway made it, and no other Helm release lives in it"
    return {
        "name": name,
        "exists": found is not None,
        "owned": owned,
        "other_releases": list(others),
        "reason": reason,
    }


def may_go(namespace: Mapping[str, Any]) -> bool:
    """Tell of a namespace as C(judge) returns it whether it may be removed."""
    return bool(namespace["owned"] and not namespace["other_releases"])


def summary(namespaces: Sequence[Mapping[str, Any]], secrets: Sequence[tuple[str, str, bool]]) -> dict[str, Any]:
    """Return the module's result. C(secrets) are namespace and name of those that exist, and whether Slipway made each."""
    kept = [one for one in namespaces if one["exists"] and not may_go(one)]
    places = {one["name"] for one in kept}
    ours, others = (
        [{"name": name, "namespace": place} for place, name, owned in secrets if place in places and owned is wanted]
        for wanted in (True, False)
    )
    return {
        "namespaces": list(namespaces),
        "removed": [one["name"] for one in namespaces if may_go(one)],
        "kept": kept,
        "secrets": ours,
        "kept_secrets": others,
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
    """Return the module's result, with three calls for each namespace that exists."""
    wanted = set(wanted_secrets(options))
    namespaces: list[dict[str, Any]] = []
    present: list[tuple[str, str, bool]] = []
    for place in places_of(options):
        path = f"/api/v1/namespaces/{place}"
        found = api.find(cluster, path)
        if found is None:
            namespaces.append(judge(place, None, []))
            continue
        secrets = cluster.items(f"{path}/secrets")
        # Where HELM_DRIVER=configmap, Helm's records are no Secrets.
        records: list[Mapping[str, Any]] = [*cluster.items(f"{path}/configmaps", labelSelector="owner=helm,name")]
        records += [revision for revisions in releases.group(secrets).values() for revision in revisions]
        ours = {one["name"] for one in (options["releases"] or ()) if one["namespace"] == place}
        namespaces.append(judge(place, found, [one for one in living_releases(records) if one not in ours]))
        names = [(secret["metadata"]["name"], is_owned(secret)) for secret in secrets]
        present += [(place, name, owned) for name, owned in names if (place, name) in wanted]
    return summary(namespaces, present)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "releases": module_base.RELEASES,
            "secrets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "namespace": {"type": "str"},
                    "keys": {"type": "dict", "no_log": False},
                },
                # Names of Secrets are no secrets.
                "no_log": False,
            },
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params

    def without() -> dict[str, Any]:
        return summary([judge(place, None, []) for place in places_of(options)], [])

    module_base.run(module, lambda cluster: look(cluster, options), without)


if __name__ == "__main__":
    main()
