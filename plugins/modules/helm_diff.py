#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_diff
short_description: Show what an installation or upgrade of a Helm release would change
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - Renders the chart with a dry run of Helm and compares it, object by object, with the deployed manifest.
  - For the values of Secrets, and of environment variables and configuration keys whose names suggest a secret, shows only
    whether they differ.
  - Fails like the real change if the chart rejects its values.
  - Fails if the API server would refuse a change, or if objects exist already that belong to no release or to another one.
  - Fails if an Ingress of another namespace, or of a release that is not among O(siblings), serves one of the release's hosts with the
    same path, and if a release of this name is of another chart or application, unless O(adopt) is set. The application is the value
    C(global.slipway.application), which P(slipway.kube.release_values#filter) adds.
requirements:
  - helm
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.chart_snapshot
  - slipway.kube.kubernetes
  - slipway.kube.permissions
  - slipway.kube.permissions.upgrade
  - slipway.kube.release
attributes:
  check_mode:
    support: full
    details: If the cluster does not exist, every object counts as new. Without Helm, the module only says that Helm is missing.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: The module changes nothing. C(changed) is true if there is a difference.
options:
  chart:
    description: Directory of the chart. It need not contain local dependencies.
    type: path
    required: true
  values:
    description: The values.
    type: dict
    default: {}
  adopt:
    description: Whether an existing release of another chart or application may be upgraded to this one.
    type: bool
    default: false
    version_added: 0.2.0
  siblings:
    description: Names of the releases of the same application in O(namespace), which may pass hosts and paths to each other.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  lazy:
    description:
      - Whether the chart is rendered only if the cluster has Ingresses that are not the application's, for a run that installs the
        release right afterwards. Otherwise the module returns no objects.
    type: bool
    default: false
    version_added: 0.2.0
  binary_path:
    description: Path of helm; by default the one on PATH.
    type: path
"""

EXAMPLES = r"""
- name: Show what an upgrade would change
  slipway.kube.helm_diff:
    name: todo
    namespace: todo
    chart: charts/todo-app
    values:
      backend:
        replicas: 3
    context: slipway
  diff: true
"""

RETURN = r"""
objects:
  description: The objects that would be added, changed or removed, as kind and name.
  returned: success
  type: list
  elements: str
  sample: [Deployment todo-backend]
notes:
  description: What an upgrade would do besides the work of Helm, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Deletes Job/report and creates it again."]
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._helm import (
    manifest,
    preparation,
    releases,
    rendering,
    upgrade,
)
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import ChartError, complete, read_chart
from ansible_collections.slipway.kube.plugins.module_utils._helm.claims import of_others, taken
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import items_if_readable


def refuse_release(options: Mapping[str, Any], chart: str, application: str = "") -> None:
    """Raise ValueError when the release of C(chart) that is deployed under this name is, or may be, another application's.

    C(application) is the one that the deployed release names, empty if it names none.
    """
    release, own = options["name"], read_chart(Path(options["chart"])).name
    ours = releases.application_of(options["values"])
    if application and ours and application != ours and not options["adopt"]:
        raise ValueError(
            f"The release {release} in the namespace {options['namespace']} belongs to the application {application}, not to {ours}. "
            "Choose another name or namespace; or, if it is to become this application's, allow its adoption."
        )
    if chart and chart != own and not options["adopt"]:
        raise ValueError(
            f"The release {release} in the namespace {options['namespace']} is of the chart {chart}, not of {own}: it may be another "
            "application's. Choose another name or namespace; or, if it is to become this application's, allow its adoption."
        )


def refuse_addresses(rendered: str, others: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError when one of the Ingresses of others serves what the rendered release wants to."""
    routes = [item for item in manifest.objects(rendered).values() if item.get("kind") == "Ingress"]
    if found := taken(routes, others):
        raise ValueError(f"{' '.join(found)} Choose another host or path, or remove that application first.")


def render(module: AnsibleModule, program: str, upgrade: bool, version: str) -> str:
    """Return the manifest that Helm would install from the chart as it is installed, with its neighbours. C(version) is that of the cluster."""
    options = module.params
    with complete(
        Path(options["chart"]), module.tmpdir, options["chart_digest"] or "", options["chart_snapshot"] or ""
    ) as chart:
        return rendering.render(module.run_command, program, str(chart), options, upgrade, version)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **module_base.RELEASE,
            "chart": {"type": "path", "required": True},
            "chart_digest": {"type": "str"},
            "chart_snapshot": {"type": "path"},
            "values": {"type": "dict", "default": {}},
            "adopt": {"type": "bool", "default": False},
            "siblings": {"type": "list", "elements": "str", "default": []},
            "lazy": {"type": "bool", "default": False},
            "binary_path": {"type": "path"},
            **preparation.UPGRADE_PERMISSIONS,
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )

    def result(cluster: client.KubernetesClient | None = None) -> dict[str, Any]:
        if module.check_mode and not Path(module.params["binary_path"] or module.get_bin_path("helm") or "").is_file():
            return {
                "changed": True,
                "objects": [],
                "diff": [],
                "notes": [],
                "msg": "Helm is not there yet, so the objects are not known.",
            }
        options = module.params
        found = releases.in_service(cluster, options["namespace"], options["name"]) if cluster else releases.InService()
        try:
            refuse_release(options, found.chart, found.application)
            others: list[Mapping[str, Any]] = []
            if cluster:
                own = [options["name"], *options["siblings"]]
                others = of_others(
                    items_if_readable(cluster, "/apis/networking.k8s.io/v1/ingresses") or [], options["namespace"], own
                )
            if options["lazy"] and not others:
                return {"changed": False, "objects": [], "diff": [], "notes": []}
            program = options["binary_path"] or module.get_bin_path("helm", required=True)
            version = (
                str(cluster.request("GET", "/version").get("gitVersion") or "")
                if cluster and not found.is_newest
                else ""
            )
            rendered = render(module, program, found.is_newest, version)
            refuse_addresses(rendered, others)
            notes = []
            if cluster:
                by_server = upgrade.by_server(module.run_command, program, found.by_server)
                permissions = preparation.permissions_of(options)
                preparer = preparation.Preparer(cluster, options["name"], options["namespace"], permissions, by_server)
                notes = preparer.find_out(found.manifest, rendered).notes()
            differences = manifest.differences(found.manifest, rendered)
        except ChartError as error:
            raise ValueError(f"{error}.") from None
        names = [one["after_header"] if one["after"] else one["before_header"] for one in differences]
        return {"changed": bool(differences), "objects": names, "diff": differences, "notes": notes}

    module_base.run(module, result, result)


if __name__ == "__main__":
    main()
