#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_history_info
short_description: Get the revisions of Helm releases, and whether they match the desired state
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Reads Helm's own records of many releases with one list request for each namespace, without running Helm.
  - Compares the values, chart and status of the newest revision with the desired ones. Names values that differ, but does not
    show them.
extends_documentation_fragment:
  - slipway.kube.attributes.reads
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    details: If the cluster does not exist, every release counts as not installed.
  diff_mode:
    details: Nothing is changed; the differences are in RV(releases[].reason).
options:
  compare:
    description: >-
      Whether to compare values, chart name and chart version of O(releases) with what is deployed, as far as they are given. Values that do
      not contain the checksums of Secrets yet cannot be compared.
    type: bool
    default: true
    version_added: 0.2.0
  drift:
    description:
      - Whether to compare the manifest of each deployed revision with the objects in the cluster, with one list request for each kind of
        object.
      - With V(repair), RV(releases[].action) is V(repair) for a release that is deployed as wanted, but not as its manifest declares it.
    type: str
    choices: [ignore, report, repair]
    default: ignore
    version_added: 0.3.0
  lease_namespace:
    description: Namespace whose lease of M(slipway.kube.deploy_lease) is read as well.
    type: str
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Get the deployed revisions
  slipway.kube.helm_history_info:
    releases:
      - name: todo
        namespace: todo
    context: slipway
  register: history
"""

RETURN = r"""
releases:
  description: The state of each release, in the order of O(releases).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the release.
      type: str
    namespace:
      description: Namespace of the release.
      type: str
    action:
      description: What is needed to reach the desired state - V(install), V(upgrade), V(repair) or V(none).
      type: str
    reason:
      description: Why, in a few words.
      type: str
      sample: "these values change: backend.image.tag"
    status:
      description: Status of the newest revision; V(absent) if there is none.
      type: str
      sample: deployed
    pending:
      description: Whether an interrupted run left the newest revision pending, so that Helm rejects every change.
      type: bool
    revision:
      description: Number of the newest revision; 0 if there is none.
      type: int
    deployed_revision:
      description:
        - Number of the revision that is in service; 0 if there is none. If Helm was killed during an upgrade, it is the
          revision before the upgrade.
      type: int
    previous_revision:
      description: Number of the revision that was in service before that one and had not failed; 0 if there is none.
      type: int
    images:
      description: The images in the manifest of the newest revision.
      type: list
      elements: str
      sample: ["todo-backend:sha-3f2a9c0d1e5b7a68"]
    chart:
      description: Name and version of the newest revision's chart.
      type: str
    app_version:
      description: The application version of the chart.
      type: str
    updated:
      description: When the newest revision was created (RFC 3339).
      type: str
    description:
      description: What Helm says about the newest revision.
      type: str
    history:
      description: Number and status of every revision, oldest first.
      type: list
      elements: dict
      sample: [{revision: 1, status: superseded}, {revision: 2, status: deployed}]
    application:
      description: The application that the newest revision's values name; empty if they name none.
      type: str
      sample: todo
    drift:
      description:
        - What of the deployed revision is not in the cluster as its manifest declares it. Empty with O(drift=ignore).
        - Values that a webhook or controller sets, defaults, and replicas that an autoscaler sets are no drift.
      type: list
      elements: dict
      contains:
        object:
          description: Kind and name of the object.
          type: str
          sample: ConfigMap/todo-backend-config
        namespace:
          description: Its namespace; empty for an object of the whole cluster.
          type: str
          sample: todo
        state:
          description: V(missing) or V(changed).
          type: str
          sample: changed
        fields:
          description: The fields of a changed object, each with C(path), C(wanted) and C(found) as JSON, and C(by) and C(since), the field
            manager that changed it last and when. Secret values are hidden.
          type: list
          elements: dict
          sample: [{path: data.LOG_LEVEL, wanted: '"info"', found: '"error"', by: kubectl-patch, since: "2026-11-30T12:00:00Z"}]
        text:
          description: All of it as a sentence.
          type: str
          sample: ConfigMap/todo-backend-config is missing
lease:
  description: The lease as M(slipway.kube.deploy_lease) returns it, with what it records of O(releases); its fields are empty if there is none.
  returned: success
  type: dict
  sample: {version: "", holder: "", since: "", renewed: "", expires: "", note: {}, log: []}
reachable:
  description: Whether the cluster is reachable. Can be false only in check mode.
  returned: success
  type: bool
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm import live, releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, leases, module_base


def look(
    cluster: client.KubernetesClient, wanted: list[Mapping[str, Any]], drift: str = "ignore"
) -> list[dict[str, Any]]:
    """Return what is known of the wanted releases, with one list call for each namespace. C(drift) is the option's value."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for namespace in dict.fromkeys(release["namespace"] for release in wanted):
        secrets = cluster.items(f"/api/v1/namespaces/{namespace}/secrets", fieldSelector=f"type={releases.TYPE}")
        names = {release["name"] for release in wanted if release["namespace"] == namespace}
        for name, revisions in releases.group(secrets).items():
            if name in names:
                known[namespace, name] = releases.describe(revisions)
    result = []
    for release in wanted:
        facts = known.get((release["namespace"], release["name"]))
        compared = drift != "ignore" and facts is not None and facts["status"] == "deployed"
        differs = drift_of(cluster, release, facts["manifest"]) if facts and compared else []
        told = {**summary(release, facts), "drift": differs}
        if drift == "repair" and differs and told["action"] == "none":
            told |= {"action": "repair", "reason": "; ".join(one["text"] for one in differs)}
        result.append(told)
    return result


def drift_of(cluster: client.KubernetesClient, release: Mapping[str, Any], manifest: str) -> list[dict[str, Any]]:
    """Return what of a release is not as its manifest declares it."""
    pairs = live.look(cluster, manifest, release["name"], release["namespace"])
    masker = Masker()
    return [differs.as_result(masker) for _pair, differs in live.drifts(cluster, pairs)]


def summary(release: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the result for one release; C(found) is what releases.describe returns."""
    action, reason = releases.need(release, found)
    facts = found or {}
    return {
        "name": release["name"],
        "namespace": release["namespace"],
        "action": action,
        "reason": reason,
        "status": facts.get("status", "absent"),
        "pending": facts.get("status") in releases.PENDING,
        "revision": facts.get("revision", 0),
        "deployed_revision": facts.get("deployed_revision", 0),
        "previous_revision": releases.previous(facts.get("history", []), facts.get("description", "")),
        "images": facts.get("images", []),
        "chart": f"{facts['chart_name']}-{facts['chart_version']}" if found else "",
        "app_version": facts.get("app_version", ""),
        "updated": facts.get("updated", ""),
        "description": facts.get("description", ""),
        "history": facts.get("history", []),
        "application": releases.application_of(facts.get("values")),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": {**module_base.RELEASES, "required": True},
            "compare": {"type": "bool", "default": True},
            "drift": {"type": "str", "choices": ["ignore", "report", "repair"], "default": "ignore"},
            "lease_namespace": {"type": "str"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    wanted, namespace = module.params["releases"], module.params["lease_namespace"]
    if not module.params["compare"]:
        wanted = [{key: release[key] for key in module_base.RELEASE} for release in wanted]

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        # First the lease: if it does not change until it is taken, nor have the releases.
        lease = leases.LeaseManager(cluster, namespace, "").look() if namespace else leases.Lease()
        lease = leases.of(lease, module_base.names_of(wanted))
        return {
            "releases": look(cluster, wanted, module.params["drift"]),
            "lease": lease.as_result(),
            "reachable": True,
        }

    def without() -> dict[str, Any]:
        found = [{**summary(release, None), "drift": []} for release in wanted]
        return {"releases": found, "lease": leases.Lease().as_result(), "reachable": False}

    module_base.run(module, work, without)


if __name__ == "__main__":
    main()
