#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_lease
short_description: Allow one deploy at a time in a namespace
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - Acquires, renews and releases a Lease of C(coordination.k8s.io), which records who is deploying and since when.
  - A second run waits for it, or fails with the name of the holder. The holder is the user and the host of the
    controller, and the process of the run.
  - Takes over an expired lease. Also takes over immediately a lease whose run is known to be gone, because it ran on the same
    controller, unless a program that it started is still running.
  - Records in the Lease what was in service before, for a run that takes over from an interrupted one, and a log of the last
    successful deploys.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Only the Lease is changed.
  idempotent:
    support: partial
    details: Acquiring a lease that this run holds renews it. The other states change nothing in a second run.
options:
  namespace:
    description: The namespace.
    type: str
    required: true
  name:
    description: Name of the Lease.
    type: str
    default: slipway-deploy
  state:
    description:
      - With V(held), the lease is acquired or renewed.
      - With V(released), it is released if this run holds it.
      - With V(absent), the Lease and its log are deleted, whoever holds it.
    type: str
    choices: [held, released, absent]
    default: held
  duration:
    description: Duration of the lease without renewal, in seconds.
    type: int
    default: 900
  wait:
    description: How many seconds to wait for another holder.
    type: float
    default: 60.0
  note:
    description:
      - What is in service before the deploy, as revisions by V(namespace/release). Existing entries stay.
    type: dict
    default: {}
  seen:
    description: The RV(lease.version) on which a decision was based; RV(fresh) returns whether it is still current.
    type: str
  outcome:
    description:
      - How the deploy ended, for O(state=released). V(done) moves the note to the log, V(undone) removes the newest entry from
        the log, V(failed) does neither.
    type: str
    choices: [done, failed, undone]
    default: failed
  holder:
    description: Who acquires the lease. Set by the action plugin.
    type: str
  dead:
    description: A holder whose run is known to be gone. Set by the action plugin.
    type: str
"""

EXAMPLES = r"""
- name: Take the lease
  slipway.kube.deploy_lease:
    namespace: todo
    note:
      todo/todo: 3
    context: slipway

- name: Give it back
  slipway.kube.deploy_lease:
    namespace: todo
    state: released
    outcome: done
    context: slipway
"""

RETURN = r"""
held:
  description: Whether this run holds the lease now.
  returned: success
  type: bool
holder:
  description: This run, as it is named in the lease.
  returned: success
  type: str
  sample: ann@laptop/1b9d6bcd-4711-88123
fresh:
  description: Whether the lease still had the version O(seen), so that no other deploy ran in between.
  returned: O(state=held)
  type: bool
taken_over:
  description: The holder from whom an abandoned lease was taken over; otherwise empty.
  returned: O(state=held)
  type: str
  sample: ""
lease:
  description: The lease as it is now.
  returned: O(state=held)
  type: dict
  contains:
    version:
      description: The Lease's resourceVersion.
      type: str
    holder:
      description: Who holds it.
      type: str
      sample: ann@laptop/1b9d6bcd-4711-88123
    since:
      description: When it was acquired (RFC 3339).
      type: str
      sample: "2026-11-21T16:20:05.000000Z"
    renewed:
      description: When it was last renewed.
      type: str
    expires:
      description: When it expires.
      type: str
    note:
      description: What was in service before, as revisions by V(namespace/release).
      type: dict
      sample: {todo/todo: 3}
    log:
      description: The last successful deploys, newest first, each with C(at), C(by) and C(before).
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, leases, module_base


def take(module: AnsibleModule, keeper: leases.LeaseManager) -> dict[str, Any]:
    """Take the lease; fails the module when another run holds it."""
    options = module.params
    note = {str(key): int(revision) for key, revision in options["note"].items()}
    dead = options["dead"] or ""
    taking = keeper.take(
        options["duration"], options["wait"], note, options["seen"], dead=dead, write=not module.check_mode
    )
    result = {"holder": options["holder"], "held": taking.held, "lease": taking.now.as_result()}
    if not taking.held:
        working = leases.workers(taking.now.holder) if taking.now.holder == dead else []
        module.fail_json(msg=leases.refusal(taking.now, options["namespace"], options["name"], working), **result)
    before = taking.before.holder
    taken_over = before if before not in ("", options["holder"]) else ""
    return {
        **result,
        "changed": True,
        "taken_over": taken_over,
        # What an abandoned run had started may have come to its end while this one waited.
        "fresh": options["seen"] in (None, taking.before.version) and not taken_over,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "default": leases.NAME},
            "state": {"type": "str", "choices": ["held", "released", "absent"], "default": "held"},
            "duration": {"type": "int", "default": 900},
            "wait": {"type": "float", "default": 60.0},
            "note": {"type": "dict", "default": {}},
            "seen": {"type": "str"},
            "outcome": {"type": "str", "choices": ["done", "failed", "undone"], "default": "failed"},
            "holder": {"type": "str"},
            "dead": {"type": "str"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        keeper = leases.LeaseManager(cluster, options["namespace"], options["holder"], options["name"])
        if options["state"] == "held":
            return take(module, keeper)
        write = not module.check_mode
        changed = keeper.remove(write) if options["state"] == "absent" else keeper.release(options["outcome"], write)
        return {"changed": changed, "held": False, "holder": options["holder"]}

    if not options["holder"]:
        module.fail_json(
            msg="The holder is missing. Call this module in a task, where its action plugin names the run."
        )
    module_base.run(module, work)


if __name__ == "__main__":
    main()
