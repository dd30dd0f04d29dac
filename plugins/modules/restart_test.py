#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restart_test
short_description: Delete the pods of Helm releases one by one and count the requests that fail during that time
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - Deletes, one after the other, each pod of the releases' Deployments with at least two ready replicas, as draining a node
    does. Deletes the next pod when the previous one is gone and its Deployment has all replicas ready again.
  - During that time, sends requests to O(urls) in turn at a constant rate, each over a new connection. Every response other
    than 2xx and 3xx, every refused or broken connection and every timeout is a failed request, and one fails the task.
  - Skips Deployments with one replica, StatefulSets and DaemonSets, because requests may fail while their pod is replaced;
    RV(left_out) lists them.
  - Sends one request to each URL before it deletes anything, and deletes nothing if one fails.
requirements:
  - h11
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    support: full
    details: RV(deleted) lists the pods that would be deleted. No requests are sent; if the cluster does not exist, the lists
      are empty.
  diff_mode:
    support: none
    details: The Deployments replace their pods, so there is no difference to show.
  idempotent:
    support: none
    details:
      - Each run deletes all pods again.
      - RV(ignore:changed) is always V(false), because the Deployments are the same after the test, with other pods.
options:
  urls:
    description:
      - The URLs for GET requests, such as V(http://todo.local/). Redirects are not followed.
      - If no URL leads to a Deployment, the test cannot notice that its pods are gone, so include one for each.
    type: list
    elements: str
    required: true
  resolve:
    description: >-
      Maps hosts to the address to connect to, as V(address), V(address:port) or V([v6]:port). The Host header is still that of
      O(urls), so that an Ingress can be tested without DNS.
    type: dict
    default: {}
  headers:
    description: Headers to send. Their values are redacted in all output.
    type: dict
    default: {}
  rate:
    description: >-
      Requests per second to all URLs together, 1 to 1000. At most 256 are in flight at once; while all of them wait for a
      response, fewer are sent.
    type: float
    default: 50.0
  timeout:
    description: Timeout for one complete request, in seconds.
    type: float
    default: 5.0
  deadline:
    description: Deadline for all deletions together, in seconds.
    type: float
    default: 300.0
  give_up_after:
    description: How many failed requests end the test early.
    type: int
    default: 20
seealso:
  - module: slipway.kube.rollout_status
  - module: slipway.kube.health_check
"""

EXAMPLES = r"""
- name: Delete the pods one by one, and demand that no request fails
  slipway.kube.restart_test:
    releases:
      - name: todo
        namespace: todo
    urls:
      - http://todo.local/
      - http://todo.local/api/health
    resolve:
      todo.local: 127.0.0.1:8080
    rate: 100
    context: slipway
  register: restart
"""

RETURN = r"""
msg:
  description: The result in one sentence; for a failure, the cause, the evidence and the remedy.
  returned: always
  type: str
  sample: 4 pods were deleted one by one, and none of 2310 requests failed.
requests:
  description: How many requests were sent.
  returned: always
  type: int
failed_requests:
  description: How many of them failed.
  returned: always
  type: int
failures:
  description: The first five that failed.
  returned: always
  type: list
  elements: dict
  contains:
    time:
      description: When the request was sent, in UTC.
      type: str
      sample: "2026-01-01T12:00:00.123Z"
    url:
      description: The URL without its query.
      type: str
      sample: http://todo.local/api/health
    code:
      description: One of the codes of M(slipway.kube.health_check).
      type: str
      sample: connection_reset
    error:
      description: What was wrong.
      type: str
      sample: The server reset the connection. 0 bytes had arrived.
    pod:
      description: The pod that was being deleted or replaced at that time; empty if there was none.
      type: str
      sample: todo-backend-6d5f7c9b8-x2x7k
deleted:
  description: The pods that were deleted, in order.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace.
      type: str
    deployment:
      description: The Deployment that the pod belongs to.
      type: str
    pod:
      description: The pod.
      type: str
left_out:
  description: The workloads that were skipped.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(Deployment), V(StatefulSet) or V(DaemonSet).
      type: str
    namespace:
      description: The namespace.
      type: str
    name:
      description: The name.
      type: str
    reason:
      description: Why it was skipped.
      type: str
      sample: its replicas are 1, and the test needs 2.
seconds:
  description: How long the deletions took.
  returned: always
  type: float
latency:
  description: Latencies of the successful requests, in milliseconds; empty if there are none.
  returned: always
  type: dict
  contains:
    p50_ms:
      description: The 50th percentile (nearest rank).
      type: float
    p95_ms:
      description: The 95th percentile.
      type: float
    p99_ms:
      description: The 99th percentile.
      type: float
    max_ms:
      description: The longest time.
      type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._kube import module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import KubernetesClient
from ansible_collections.slipway.kube.plugins.module_utils._rollout.load import LoadGenerator, LoadOptions
from ansible_collections.slipway.kube.plugins.module_utils._rollout.restarts import (
    Outcome,
    Plan,
    fault,
    plan,
    restart,
)


def _result(generator: LoadGenerator, planned: Plan, outcome: Outcome, msg: str) -> dict[str, Any]:
    return {
        "msg": msg,
        # Deployments bring back what was deleted: nothing in the cluster is lastingly another than before.
        "changed": False,
        "requests": generator.requests,
        # Ansible itself reads "failed" and "skipped" in a result.
        "failed_requests": generator.failed,
        "failures": [one.as_result() for one in generator.failures],
        "deleted": [one.as_result() for one in outcome.deleted],
        "left_out": list(planned.left_out),
        "seconds": round(outcome.seconds, 2),
        "latency": generator.latency(),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": {**module_base.RELEASES, "required": True},
            "urls": {"type": "list", "elements": "str", "required": True},
            "resolve": {"type": "dict", "default": {}},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "rate": {"type": "float", "default": 50.0},
            "timeout": {"type": "float", "default": 5.0},
            "deadline": {"type": "float", "default": 300.0},
            "give_up_after": {"type": "int", "default": 20},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    require(module, "h11")
    fields = module.params
    try:
        options = LoadOptions(
            fields["urls"],
            {str(host): str(address) for host, address in fields["resolve"].items()},
            {str(name): str(value) for name, value in fields["headers"].items()},
            fields["rate"],
            fields["timeout"],
        )
        if fields["give_up_after"] < 1:
            raise ValueError("give_up_after: it must be at least 1.")
    except ValueError as error:
        module.fail_json(msg=str(error))
    generator = LoadGenerator(options, fields["give_up_after"])

    def work(cluster: KubernetesClient) -> dict[str, Any]:
        planned = plan(cluster, [(release["namespace"], release["name"]) for release in fields["releases"]])
        if module.check_mode:
            count = len(planned.targets)
            return _result(
                generator, planned, Outcome(planned.targets, "", 0.0), f"{count} pods would be deleted one by one."
            )
        if not planned.targets:
            msg = "Nothing was tested: no Deployment has 2 ready replicas."
            return _result(generator, planned, Outcome((), "", 0.0), msg)
        with generator:
            outcome = restart(cluster, planned.targets, generator, fields["deadline"])
        if wrong := fault(generator, outcome):
            module.fail_json(**_result(generator, planned, outcome, wrong))
        msg = f"{len(outcome.deleted)} pods were deleted one by one, and none of {generator.requests} requests failed."
        return _result(generator, planned, outcome, msg)

    nothing = Outcome((), "", 0.0)
    module_base.run(
        module,
        work,
        lambda: _result(generator, Plan((), ()), nothing, "There is no cluster yet, so the pods are not known."),
    )


if __name__ == "__main__":
    main()
