#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_repair
short_description: Make the objects of a Helm release as its deployed revision declares them
version_added: 0.3.0
author:
  - Slipway contributors (@slipway)
description:
  - Compares the manifest of the deployed revision with the cluster. Creates objects that are missing, sets fields that somebody has changed,
    and removes fields that people have added with C(kubectl) or a similar program.
  - Leaves replicas that an autoscaler sets, defaults, and fields that a webhook or controller sets.
  - Writes by server-side apply under the name of Helm, so that the next upgrade finds no conflict. Makes no new revision.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.permissions
  - slipway.kube.release
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows each field as it is and as it is declared, without secret values.
  idempotent:
    support: full
seealso:
  - module: slipway.kube.helm_history_info
  - module: slipway.kube.helm_upgrade
"""

EXAMPLES = r"""
- name: Undo what somebody has changed with kubectl
  slipway.kube.helm_repair:
    name: todo
    namespace: todo
    context: slipway
"""

RETURN = r"""
repaired:
  description: What was not as declared, as RV(slipway.kube.helm_history_info#module:releases[].drift).
  returned: success
  type: list
  elements: dict
  sample: [{object: Service/backend-svc, namespace: todo, state: missing, fields: [], text: Service/backend-svc is missing}]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm import preparation, releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, module_base


def difference(repaired: Mapping[str, Any]) -> dict[str, str]:
    """Return the difference of one object in the form that Ansible shows."""
    fields: Sequence[Mapping[str, str]] = repaired["fields"]
    lines = {
        side: "".join(f"{one['path']}: {one[side]}\n" for one in fields if one[side]) for side in ("found", "wanted")
    }
    name = repaired["object"]
    missing = repaired["state"] == "missing"
    return {
        "before_header": "" if missing else name,
        "after_header": name,
        "before": lines["found"],
        "after": f"{name}\n" if missing else lines["wanted"],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**module_base.RELEASE, **preparation.PERMISSIONS, **module_base.ARGUMENTS},
        supports_check_mode=True,
    )
    name, namespace = module.params["name"], module.params["namespace"]

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        found = releases.in_service(cluster, namespace, name)
        if not found.manifest:
            raise ValueError(
                f"There is no release {name} in namespace {namespace}. Check the name and the namespace, or deploy it."
            )
        preparer = preparation.Preparer(cluster, name, namespace, preparation.permissions_of(module.params))
        masker = Masker()
        repaired = [differs.as_result(masker) for differs in preparer.repair(found.manifest, module.check_mode)]
        return {"changed": bool(repaired), "repaired": repaired, "diff": [difference(one) for one in repaired]}

    module_base.run(module, work)


if __name__ == "__main__":
    main()
