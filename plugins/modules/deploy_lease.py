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
  - A second run waits for it, or fails with the name of the holder. The holder is the user, host, machine, boot and process of the run
    on the controller.
  - Leaves a process on the target that renews the lease every few seconds until the lease is released or the run ends. If the lease is
    lost, that process kills the programs that the run has started, and the run's next module fails with the reason.
  - Takes over a lease that has not been renewed for its duration, measured by the controller's own monotonic clock. Also takes over
    immediately a lease whose run is known to be gone, because it ran on the same controller, unless a program that it started is still
    running.
  - Records in the Lease what was in service before, for a run that takes over from an interrupted one, and a log of the last
    successful deploys. Both are by application, which O(releases) names.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases.optional
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Only the Lease is changed.
  idempotent:
    support: partial
    details: Acquiring or renewing a lease that this run holds writes it. The other states change nothing in a second run.
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
      - With V(held), the lease is acquired, or renewed if this run holds it.
      - With V(renewed), it is renewed. The module fails if this run does not hold it.
      - With V(released), it is released if this run holds it.
      - With V(absent), the Lease and its log are deleted, whoever holds it. With O(releases), only what it records of them is removed, and the
        Lease if nothing else is left.
    type: str
    choices: [held, renewed, released, absent]
    default: held
  duration:
    description: Duration of the lease without renewal, in seconds; at least 5.
    type: int
    default: 30
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
        the log, V(failed) drops the note, V(unfinished) leaves note and log to the next run.
      - With O(releases), the notes and entries of other applications stay.
    type: str
    choices: [done, failed, undone, unfinished]
    default: failed
  holder:
    description: Who acquires the lease. Set by the action plugin.
    type: str
  dead:
    description: A holder whose run is known to be gone. Set by the action plugin.
    type: str
  expired:
    description: The RV(lease.version) of a lease that has not been renewed for its duration. Set by the action plugin.
    type: str
  heartbeat:
    description: Whether to leave a process that renews the lease. Set by the action plugin.
    type: bool
    default: false
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
  description: Whether no other deploy ran since the lease had the version O(seen).
  returned: O(state=held)
  type: bool
taken_over:
  description: The holder from whom an abandoned lease was taken over; otherwise empty.
  returned: O(state=held)
  type: str
  sample: ""
kubeconfig:
  description: The kubeconfig by which the run is to write. Its requests carry the run's name, if RV(fenced); otherwise O(kubeconfig).
  returned: O(state=held) or O(state=renewed)
  type: str
  sample: /home/ann/.local/state/slipway/runs/1b9d6bcd4f2e7a90.kubeconfig
fenced:
  description: Whether the API server can refuse what this run writes with RV(kubeconfig) after it has lost the lease.
  returned: O(state=held) or O(state=renewed)
  type: bool
lease:
  description: The lease as it is now.
  returned: O(state=held)
  type: dict
  contains:
    version:
      description: The Lease's resourceVersion.
      type: str
    uid:
      description: The Lease's UID.
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
      description: When it expires without a renewal, by the clock of its holder.
      type: str
    duration:
      description: Its duration without a renewal, in seconds.
      type: int
      sample: 30
    note:
      description: What was in service before, as revisions by V(namespace/release).
      type: dict
      sample: {todo/todo: 3}
    log:
      description: The last successful deploys, newest first, each with C(at), C(by) and C(before).
      type: list
      elements: dict
    stale:
      description: Holders that may still write, though their lease was taken over.
      type: list
      elements: str
      sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, fencing, heartbeat, leases, module_base

Result = dict[str, Any]


def take(module: AnsibleModule, manager: leases.LeaseManager) -> Result:
    """Take the lease; fails the module when another run holds it."""
    options = module.params
    note = {str(key): int(revision) for key, revision in options["note"].items()}
    dead = options["dead"] or ""
    taking = manager.take(
        options["duration"],
        options["wait"],
        note,
        options["seen"],
        dead=dead,
        expired=options["expired"] or "",
        write=not module.check_mode,
    )
    found = leases.of(taking.now, module_base.names_of(options["releases"]))
    result = {"holder": options["holder"], "held": taking.held, "lease": found.as_result()}
    if not taking.held:
        working = leases.workers(taking.now.holder) if taking.now.holder == dead else []
        module.fail_json(msg=leases.refusal(taking.now, options["namespace"], options["name"], working), **result)
    before = taking.before.holder
    taken_over = before if before not in ("", options["holder"]) else ""
    # While this run holds it, only its renewals change it. What an abandoned run had started may have ended while this one waited.
    fresh = before == options["holder"] or (options["seen"] in (None, taking.before.version) and not before)
    return {**result, "changed": True, "taken_over": taken_over, "fresh": fresh}


def keep(module: AnsibleModule, cluster: client.KubernetesClient, key: str) -> Result:
    """See that the lease is renewed from now on; returns by which kubeconfig the run is to write."""
    options = module.params
    holder, kubeconfig, context = options["holder"], options["kubeconfig"], options["context"]
    if not options["heartbeat"] or module.check_mode:
        return {"kubeconfig": kubeconfig or "", "fenced": False}
    own = heartbeat.kubeconfig_of(holder, key)
    where = (options["namespace"], options["name"], options["duration"], kubeconfig, context)
    try:
        if heartbeat.ensure(holder, key, *where):
            fencing.kubeconfig_of(holder, own, kubeconfig, context, cluster)
    except OSError as error:
        module.fail_json(
            msg=f"The lease cannot be renewed while the run goes on: {error.filename or 'a process cannot be started'}: {error.strerror}. "
            "Make the directory writable, or set XDG_STATE_HOME to one that is.",
            held=True,
            holder=holder,
        )
    return {"kubeconfig": str(own) if own.exists() else kubeconfig or "", "fenced": own.exists()}


def fence(
    module: AnsibleModule, cluster: client.KubernetesClient, manager: leases.LeaseManager, result: Result
) -> None:
    """See that runs that may still write, though their lease was taken over, cannot write any more."""
    stale = result["lease"]["stale"]
    if stale and not module.check_mode:
        options = module.params
        fencing.revoke(stale, cluster, options["kubeconfig"], options["context"], manager.path)
        result["lease"] = manager.forget_stale().as_result()


def work(module: AnsibleModule, cluster: client.KubernetesClient) -> Result:
    """Bring the lease into the wanted state."""
    options = module.params
    holder, state, write = options["holder"], options["state"], not module.check_mode
    manager = leases.LeaseManager(cluster, options["namespace"], holder, options["name"])
    key = heartbeat.key_of(cluster.identity(), options["namespace"], options["name"])
    if state in ("held", "renewed"):
        if lost := heartbeat.lost(holder):
            module.fail_json(msg=lost, lease_lost=True, held=False, holder=holder)
        if state == "held":
            result = take(module, manager)
        else:
            found = manager.renew() if write else manager.look()
            found = leases.of(found, module_base.names_of(options["releases"]))
            result = {"changed": True, "held": True, "holder": holder, "lease": found.as_result()}
        result |= keep(module, cluster, key)
        fence(module, cluster, manager, result)
        return result
    if write:
        heartbeat.stop(holder, key)
    releases = module_base.names_of(options["releases"])
    changed = (
        manager.remove(write, releases) if state == "absent" else manager.release(options["outcome"], write, releases)
    )
    return {"changed": changed, "held": False, "holder": holder}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "default": leases.NAME},
            "state": {"type": "str", "choices": ["held", "renewed", "released", "absent"], "default": "held"},
            "duration": {"type": "int", "default": 30},
            "wait": {"type": "float", "default": 60.0},
            "note": {"type": "dict", "default": {}},
            "seen": {"type": "str"},
            "outcome": {"type": "str", "choices": ["done", "failed", "undone", "unfinished"], "default": "failed"},
            "holder": {"type": "str"},
            "dead": {"type": "str"},
            "expired": {"type": "str"},
            "heartbeat": {"type": "bool", "default": False},
            "releases": module_base.RELEASES,
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params
    if not options["holder"]:
        module.fail_json(
            msg="The holder is missing. Call this module in a task, where its action plugin names the run."
        )
    if options["duration"] < heartbeat.LEAST_DURATION:
        module.fail_json(
            msg=f"duration is {options['duration']}. Set it to at least {heartbeat.LEAST_DURATION} seconds, so that a renewal that fails "
            "once can be repeated."
        )
    module_base.run(module, lambda cluster: work(module, cluster))


if __name__ == "__main__":
    main()
