#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_rollback
short_description: Roll a Helm release back to an earlier revision, or unlock it after an interrupted change
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - With O(state=rolled_back), runs C(helm rollback), for which no module exists.
  - Fields that people have changed with C(kubectl) since, at which Helm would fail, are handed to Helm first. What the API server would
    refuse is refused before anything changes.
  - With O(state=unblocked), marks the newest revision as failed if it is pending. An interrupted run leaves a release in that
    state, in which Helm rejects every change. Running workloads are not touched.
requirements:
  - helm
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
    details: Shows the objects of the manifest that change, without secret values.
  idempotent:
    support: full
    details: A release whose deployed revision is O(revision), or the result of a rollback to it, is not changed.
options:
  state:
    description: The desired state.
    type: str
    choices: [rolled_back, unblocked]
    default: rolled_back
  revision:
    description:
      - The revision to roll back to. Required for O(state=rolled_back). A revision that is itself a rollback stands for its
        target.
    type: int
  reason:
    description:
      - The reason for O(state=rolled_back). If Helm considers the newest revision deployed, it is marked as failed with this
        text once Helm has made a new one, so that nobody rolls back to it.
    type: str
    version_added: 0.2.0
  min_age:
    description:
      - Minimum age in seconds of a pending revision to be marked as failed, for O(state=unblocked). Helm may still be working
        on a newer one.
    aliases: [least_age]
    type: float
    default: 0.0
    version_added: 0.2.0
  history_max:
    description: How many revisions of the release Helm keeps.
    type: int
    default: 10
    version_added: 0.2.0
  timeout:
    description: Timeout for one hook, in seconds.
    type: int
    default: 300
  binary_path:
    description: Path of helm; by default the one on PATH.
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
  description: Status of the newest revision before the change.
  returned: success
  type: str
  sample: pending-upgrade
from_revision:
  description: Number of the newest revision before the change.
  returned: success
  type: int
  sample: 4
returned_to:
  description: Number of the revision that was rolled back to; 0 for O(state=unblocked).
  returned: success
  type: int
  sample: 3
notes:
  description: What was done besides the work of Helm, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
revision:
  description: Number of the newest revision after the change; in check mode, the one before.
  returned: success
  type: int
  sample: 5
"""

import re
import shutil
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import deprecated_aliases
from ansible_collections.slipway.kube.plugins.module_utils._helm import manifest, preparation, releases, upgrade
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, module_base

Record = dict[str, Any]


def revisions_of(cluster: client.KubernetesClient, namespace: str, name: str) -> list[Record]:
    """Return the Secrets of a release's revisions, oldest first. Raises KubernetesError when there is none."""
    query = {"fieldSelector": f"type={releases.TYPE}", "labelSelector": f"owner=helm,name={name}"}
    secrets = cluster.items(f"/api/v1/namespaces/{namespace}/secrets", **query)
    if not secrets:
        raise client.KubernetesError(
            f"There is no release {name} in namespace {namespace}. Check the name and the namespace."
        )
    return [dict(secret) for secret in releases.group(secrets)[name]]


def mark_failed(cluster: client.KubernetesClient, secret: Record, **why: str) -> None:
    """Mark a revision as failed."""
    path = f"/api/v1/namespaces/{secret['metadata']['namespace']}/secrets/{secret['metadata']['name']}"
    cluster.request("PATCH", path, body=releases.failed(secret, **why), content_type=client.MERGE_PATCH)


def unblock(module: AnsibleModule, cluster: client.KubernetesClient, newest: Record) -> bool:
    """Mark a pending revision as failed; returns whether that was needed."""
    status, age = releases.status_of(newest), releases.age(newest, datetime.now(timezone.utc))
    if status not in releases.PENDING:
        return False
    if age < module.params["min_age"]:
        module.fail_json(
            msg=f"Release {module.params['name']} is {status} for {age:.0f} s, and no Slipway run left it in that status: someone may be "
            f"running Helm by hand. Wait until it ends; after {module.params['min_age']:.0f} s it counts as interrupted."
        )
    if not module.check_mode:
        mark_failed(cluster, newest)
    return True


def canonical(revisions: list[Record], wanted: int) -> int:
    """Return the revision that a chain of rollbacks comes from, as far as Helm still has it."""
    known = {releases.revision_of(secret): secret for secret in revisions}
    while wanted in known:
        description = str((releases.decode(known[wanted]).get("info") or {}).get("description", ""))
        back = re.fullmatch(r"Rollback to (\d+)", description)
        if not back or int(back.group(1)) not in known:
            break
        wanted = int(back.group(1))
    return wanted


def roll_back(
    module: AnsibleModule, cluster: client.KubernetesClient, revisions: list[Record]
) -> tuple[list[dict[str, str]], list[str]] | None:
    """Run helm rollback unless its result is there already; returns the differences and what else was done, or nothing."""
    newest = revisions[-1]
    target = canonical(revisions, module.params["revision"])
    records = {releases.revision_of(secret): releases.decode(secret) for secret in revisions}
    current = releases.revision_of(newest)
    if target not in records:
        module.fail_json(
            msg=f"Release {module.params['name']} has no revision {target}; Helm keeps {', '.join(map(str, records))}. "
            "Choose one of them, or deploy the version that you want."
        )
    if releases.status_of(newest) == "deployed" and canonical(revisions, current) == target:
        return None
    before, after = (str(records[number].get("manifest") or "") for number in (current, target))
    differences = manifest.differences(before, after)
    if module.check_mode and not shutil.which(module.params["binary_path"] or "helm"):
        return differences, []
    program = helm_of(module)
    options = module.params
    preparer = preparation.Preparer(
        cluster,
        options["name"],
        options["namespace"],
        preparation.permissions_of(options),
        upgrade.by_server(module.run_command, program, releases.by_server(records[target])),
    )
    plan = preparer.find_out(before, after, back=True)
    if module.check_mode:
        return differences, plan.notes()
    preparer.apply(plan)
    if releases.status_of(newest) in releases.PENDING:
        mark_failed(cluster, newest)
    code, _output, errors = module.run_command(rollback_command(program, module.params, target))
    module_base.stop_if_lost(module, changed=True)
    mark_left(cluster, module.params, newest)
    if code:
        last = " ".join(Masker().outside(errors).split())[-500:]
        module.fail_json(
            msg=f"Release {module.params['name']} could not be rolled back to revision {target}: {last}. "
            f"Check it with 'helm history {module.params['name']} -n {module.params['namespace']}'.",
            rc=code,
        )
    return differences, plan.notes()


def helm_of(module: AnsibleModule) -> str:
    """Return the path of helm; fails the module if there is none, so that nothing is changed without it."""
    given = module.params["binary_path"]
    if given and shutil.which(given) is None:
        module.fail_json(msg=f"{given} is not a program. Correct binary_path, or install Helm. Nothing was changed.")
    return str(given or module.get_bin_path("helm", required=True))


def rollback_command(program: str, options: Mapping[str, Any], target: int) -> list[str]:
    """Return the command line of a rollback to a revision."""
    command = [program, "rollback", options["name"], str(target), "--namespace", options["namespace"]]
    command += ["--timeout", f"{options['timeout']}s", "--history-max", str(options["history_max"])]
    if options["kubeconfig"]:
        command += ["--kubeconfig", options["kubeconfig"]]
    if options["context"]:
        command += ["--kube-context", options["context"]]
    return command


def mark_left(cluster: client.KubernetesClient, options: Mapping[str, Any], left: Record) -> None:
    """Mark the revision that was in service as failed, for the given reason, if Helm has left it for a new one."""
    if not options["reason"] or releases.status_of(left) != "deployed":
        return
    number = releases.revision_of(left)
    revisions = {releases.revision_of(one): one for one in revisions_of(cluster, options["namespace"], options["name"])}
    if number in revisions and max(revisions) > number:
        mark_failed(cluster, revisions[number], why=options["reason"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **module_base.RELEASE,
            "state": {"type": "str", "choices": ["rolled_back", "unblocked"], "default": "rolled_back"},
            "revision": {"type": "int"},
            "reason": {"type": "str"},
            "min_age": {"type": "float", "default": 0.0, **deprecated_aliases("helm_rollback", "min_age")},
            "history_max": {"type": "int", "default": 10},
            "timeout": {"type": "int", "default": 300},
            "binary_path": {"type": "path"},
            **preparation.PERMISSIONS,
            **module_base.ARGUMENTS,
        },
        required_if=[("state", "rolled_back", ["revision"])],
        supports_check_mode=True,
    )
    name, namespace = module.params["name"], module.params["namespace"]

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        revisions = revisions_of(cluster, namespace, name)
        before = revisions[-1]
        done: tuple[list[dict[str, str]], list[str]] | None = None
        if module.params["state"] == "unblocked":
            changed = unblock(module, cluster, before)
        else:
            done = roll_back(module, cluster, revisions)
            changed = done is not None
        after = revisions_of(cluster, namespace, name)[-1] if changed else before
        return {
            "changed": changed,
            "status": releases.status_of(before),
            "from_revision": releases.revision_of(before),
            "returned_to": canonical(revisions, module.params["revision"] or 0),
            "revision": releases.revision_of(after),
            "diff": done[0] if done else [],
            "notes": done[1] if done else [],
        }

    module_base.run(module, work)


if __name__ == "__main__":
    main()
