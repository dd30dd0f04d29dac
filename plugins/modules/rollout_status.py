#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_status
short_description: Wait for the rollout of Helm releases, and diagnose why it cannot complete
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Watches the Deployments, StatefulSets, DaemonSets and Jobs of releases until all are rolled out, then checks whether
    Services and Ingresses lead to them.
  - Stops immediately in a state that cannot recover, with a code, the cause, a suggestion, the last log lines and events.
  - Considers only pods of the newest revision.
  - See docs/troubleshooting.md for all codes.
extends_documentation_fragment:
  - slipway.kube.attributes.reads
  - slipway.kube.kubernetes
  - slipway.kube.releases.optional
attributes:
  check_mode:
    details: Inspects the state once and does not wait. RV(ready) is whether everything is rolled out, or null if the cluster
      does not exist.
options:
  selector:
    description: A label selector as in C(kubectl get -l), for workloads that do not belong to a Helm release. Requires
      O(namespace). Either this or O(releases) is required.
    type: str
    version_added: 0.2.0
  namespace:
    description: The namespace of O(selector).
    type: str
    version_added: 0.2.0
  deadline:
    description: Deadline for the whole rollout, in seconds. With V(0), the module inspects the state once.
    type: float
    default: 300.0
  quiet_period:
    description: How many seconds a rollout may go without progress.
    type: float
    default: 120.0
  heal_period:
    description:
      - How many seconds to watch a state that can recover on its own, such as an unschedulable pod while older ones terminate,
        or a readiness probe that has reached its failure threshold.
    type: float
    default: 10.0
  crash_restarts:
    description: How many restarts count as a crash loop; a Job fails after one more failure than that.
    type: int
    default: 1
  restart_period:
    description:
      - A container that has restarted more than O(crash_restarts) times, last within so many seconds, fails a rollout that is complete.
      - Restarts before the other workloads or the node became ready do not count. With V(0), none does.
    type: float
    default: 600.0
    version_added: 0.3.0
  log_lines:
    description: How many of a container's last log lines to return.
    type: int
    default: 8
  hooks:
    description:
      - Whether to include Jobs and Pods that are Helm hooks, to explain why Helm failed.
      - M(slipway.kube.helm_upgrade) watches them while Helm waits for them.
    type: bool
    default: false
  routes:
    description:
      - Whether to include Services and Ingresses once the workloads are ready.
      - An Ingress without an address is accepted if a ready controller of its class exists, because controllers may take a
        minute to set it and some never do.
    type: bool
    default: true
    version_added: 0.2.0
  fail:
    description: Whether the task fails if the rollout does not complete.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Wait for the rollout
  slipway.kube.rollout_status:
    releases:
      - name: todo
        namespace: todo
    deadline: 180
    context: slipway

- name: Look at a deployment that no Helm release made, without waiting
  slipway.kube.rollout_status:
    selector: app=shop
    namespace: shop
    deadline: 0
    fail: false
    context: slipway
  register: shop
"""

RETURN = r"""
ready:
  description: Whether everything is rolled out.
  returned: always
  type: bool
workloads:
  description: The progress of every workload.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(Deployment), V(StatefulSet), V(DaemonSet) or V(Job).
      type: str
    namespace:
      description: Its namespace.
      type: str
    name:
      description: Its name.
      type: str
    done:
      description: Whether it is rolled out.
      type: bool
    ready:
      description: How many of its pods are ready, or how many of its runs succeeded.
      type: int
    wanted:
      description: How many it should have.
      type: int
    message:
      description: What is missing; empty if it is rolled out.
      type: str
diagnosis:
  description: Why the rollout cannot complete; null if it is complete.
  returned: always
  type: dict
  contains:
    code:
      description: The diagnosis code.
      type: str
      sample: crash_loop
    cause:
      description: What is wrong.
      type: str
      sample: Container backend keeps crashing, last with exit code 3.
    suggestion:
      description: What to do.
      type: str
      sample: Read the log lines, fix the component or its configuration, and deploy again.
    namespace:
      description: The namespace of the object.
      type: str
    object:
      description: The object, as kind and name.
      type: str
      sample: Pod/todo-backend-6d5f7c9b8-x2x7k
    container:
      description: The container; empty if the cause is not specific to one.
      type: str
    log:
      description: The last log lines of the container.
      type: list
      elements: str
    events:
      description: The latest Kubernetes warning events of the object and its dependencies.
      type: list
      elements: str
seconds:
  description: How long the module waited.
  returned: always
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, module_base
from ansible_collections.slipway.kube.plugins.module_utils._rollout.watcher import (
    Options,
    Watcher,
    message,
    unreachable,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": module_base.RELEASES,
            "selector": {"type": "str"},
            "namespace": {"type": "str"},
            "deadline": {"type": "float", "default": 300.0},
            "quiet_period": {"type": "float", "default": 120.0},
            "heal_period": {"type": "float", "default": 10.0},
            "crash_restarts": {"type": "int", "default": 1},
            "restart_period": {"type": "float", "default": 600.0},
            "log_lines": {"type": "int", "default": 8},
            "hooks": {"type": "bool", "default": False},
            "routes": {"type": "bool", "default": True},
            "fail": {"type": "bool", "default": True},
            **module_base.ARGUMENTS,
        },
        required_one_of=[("releases", "selector")],
        mutually_exclusive=[("releases", "selector")],
        required_together=[("selector", "namespace")],
        supports_check_mode=True,
    )
    if not client.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    fields = module.params
    options = Options(
        deadline=0.0 if module.check_mode else fields["deadline"],
        quiet=fields["quiet_period"],
        heal=fields["heal_period"],
        crash_restarts=fields["crash_restarts"],
        restart_period=fields["restart_period"],
        log_lines=fields["log_lines"],
        hooks=fields["hooks"],
        routes=fields["routes"],
        selector=fields["selector"] or "",
    )
    releases = [(release["namespace"], release["name"]) for release in fields["releases"] or ()]
    if fields["selector"]:
        releases = [(fields["namespace"], "")]
    try:
        with client.KubernetesClient(fields["kubeconfig"], fields["context"]) as cluster:
            watcher = Watcher(cluster, releases, options)
            outcome = watcher.wait()
    except client.KubernetesError as error:
        if module.check_mode and isinstance(error, client.UnreachableError):
            module.exit_json(changed=False, ready=None, workloads=[], diagnosis=None, seconds=0.0)
        diagnosis = unreachable(error)
        result: dict[str, Any] = {"ready": False, "workloads": [], "diagnosis": diagnosis, "seconds": 0.0}
        if fields["fail"]:
            module.fail_json(msg=message(diagnosis), **result)
        module.exit_json(changed=False, **result)
    for warning in watcher.warnings:
        module.warn(warning)
    result = {
        "ready": outcome.diagnosis is None,
        "workloads": [item.as_result() for item in outcome.workloads],
        "diagnosis": outcome.diagnosis,
        "seconds": round(outcome.seconds, 2),
    }
    if outcome.diagnosis and fields["fail"] and not module.check_mode:
        module.fail_json(msg=message(outcome.diagnosis), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
