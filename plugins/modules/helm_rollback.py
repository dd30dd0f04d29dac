#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_rollback
short_description: Take a Helm release back to an earlier revision, or out of an interrupted change
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - With O(state=rolled_back), runs C(helm rollback), for which no module exists.
  - With O(state=unblocked), marks a newest revision that is pending as failed. Helm refuses every change of a release
    in that state, which an interrupted run leaves behind. Nothing that runs is touched.
requirements:
  - helm
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: What changes is a revision, named by RV(revision).
  idempotent:
    support: full
    details: A release whose deployed revision is O(revision), or came of a rollback to it, is left alone.
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [rolled_back, unblocked]
    default: rolled_back
  revision:
    description:
      - The revision to return to. Required for O(state=rolled_back).
    type: int
  timeout:
    description: The seconds that Helm may wait for a single hook.
    type: int
    default: 300
  binary_path:
    description: The helm program; the one on the path if omitted.
    type: path
"""

EXAMPLES = r"""
- name: Return to what was in service before
  slipway.kube.helm_rollback:
    name: todo
    namespace: todo
    revision: 3
    context: slipway

- name: Free a release that an interrupted run left pending
  slipway.kube.helm_rollback:
    name: todo
    namespace: todo
    state: unblocked
"""

RETURN = r"""
status:
  description: Status of the newest revision before.
  returned: success
  type: str
  sample: pending-upgrade
revision:
  description: Number of the newest revision afterwards; that before in check mode.
  returned: success
  type: int
  sample: 5
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils import _cluster, _kube_module, _releases


def newest(cluster: _cluster.Cluster, namespace: str, name: str) -> dict[str, Any]:
    """Return the Secret of a release's newest revision. Raises ClusterError when there is none."""
    query = {"fieldSelector": f"type={_releases.TYPE}", "labelSelector": f"owner=helm,name={name}"}
    secrets = cluster.items(f"/api/v1/namespaces/{namespace}/secrets", **query)
    if not secrets:
        raise _cluster.ClusterError(
            f"There is no release {name} in namespace {namespace}. Check the name and the namespace."
        )
    return dict(_releases.group(secrets)[name][-1])


def unblock(module: AnsibleModule, cluster: _cluster.Cluster, secret: dict[str, Any]) -> bool:
    """Mark a pending revision as failed; returns whether that was needed."""
    if _releases.status_of(secret) not in _releases.PENDING:
        return False
    if not module.check_mode:
        path = f"/api/v1/namespaces/{secret['metadata']['namespace']}/secrets/{secret['metadata']['name']}"
        cluster.request("PATCH", path, body=_releases.interrupted(secret), content_type=_cluster.MERGE_PATCH)
    return True


def roll_back(module: AnsibleModule, secret: dict[str, Any]) -> bool:
    """Run helm rollback unless its result is there already; returns whether that was needed."""
    revision = module.params["revision"]
    if _releases.status_of(secret) == "deployed":
        description = str((_releases.decode(secret).get("info") or {}).get("description", ""))
        if _releases.revision_of(secret) == revision or description == f"Rollback to {revision}":
            return False
    if module.check_mode:
        return True
    program = module.params["binary_path"] or module.get_bin_path("helm", required=True)
    command = [program, "rollback", module.params["name"], str(revision)]
    command += ["--namespace", module.params["namespace"], "--timeout", f"{module.params['timeout']}s"]
    if module.params["kubeconfig"]:
        command += ["--kubeconfig", module.params["kubeconfig"]]
    if module.params["context"]:
        command += ["--kube-context", module.params["context"]]
    code, _output, errors = module.run_command(command)
    if code:
        last = " ".join(errors.split())[-500:]
        module.fail_json(
            msg=f"Release {module.params['name']} could not be rolled back to revision {revision}: {last}. "
            f"See what Helm knows of it by 'helm history {module.params['name']} -n {module.params['namespace']}'.",
            rc=code,
        )
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["rolled_back", "unblocked"], "default": "rolled_back"},
            "revision": {"type": "int"},
            "timeout": {"type": "int", "default": 300},
            "binary_path": {"type": "path"},
            **_kube_module.ARGUMENTS,
        },
        required_if=[("state", "rolled_back", ["revision"])],
        supports_check_mode=True,
    )
    name, namespace = module.params["name"], module.params["namespace"]

    def work(cluster: _cluster.Cluster) -> dict[str, Any]:
        secret = newest(cluster, namespace, name)
        unblocks = module.params["state"] == "unblocked"
        changed = unblock(module, cluster, secret) if unblocks else roll_back(module, secret)
        after = newest(cluster, namespace, name) if changed else secret
        return {
            "changed": changed,
            "status": _releases.status_of(secret),
            "revision": _releases.revision_of(after),
        }

    _kube_module.run(module, work)


if __name__ == "__main__":
    main()
