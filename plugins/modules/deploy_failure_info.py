#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_failure_info
short_description: Find the cause of a failed deploy
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - For a C(rescue) section. Determines the cause from the result of the failed task and from the state of the workloads.
  - Inspects the workloads as M(slipway.kube.rollout_status) does, without waiting, unless the result already contains a
    diagnosis.
  - If the workloads cannot be inspected, the module does not fail, and uses only the result.
extends_documentation_fragment:
  - slipway.kube.attributes.reads
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    details: Inspects in the same way.
options:
  task:
    description: Name of the failed task, as in C(ansible_failed_task.name).
    type: str
    required: true
  action:
    description: Action of the task, as in C(ansible_failed_task.action).
    type: str
    required: true
  result:
    description: Result of the task, as in C(ansible_failed_result).
    type: dict
    required: true
seealso:
  - module: slipway.kube.deploy_failure
"""

EXAMPLES = r"""
- name: Deploy
  block:
    - name: Wait for the rollout
      slipway.kube.rollout_status:
        releases:
          - name: todo
            namespace: todo
  rescue:
    - name: Find the cause
      slipway.kube.deploy_failure_info:
        task: "{{ ansible_failed_task.name }}"
        action: "{{ ansible_failed_task.action }}"
        result: "{{ ansible_failed_result }}"
        releases:
          - name: todo
            namespace: todo
      register: found
"""

RETURN = r"""
failure:
  description: Why the deploy failed.
  returned: success
  type: dict
  contains:
    task:
      description: Name of the task that failed.
      type: str
    code:
      description: The diagnosis code of a rollout or of a check. Empty if the cause has none.
      type: str
      sample: crash_loop
    cause:
      description: What is wrong, in one line.
      type: str
      sample: Container backend keeps crashing, last with exit code 3.
    suggestion:
      description: What to do. Empty if the cause says it.
      type: str
      sample: Read the log lines, fix the component or its configuration, and deploy again.
    evidence:
      description: At most nine lines of logs and events, or one line for each failed check.
      type: list
      elements: str
      sample: ["Log: KeyError: 'DATABASE_URL'"]
reason:
  description: Code and cause in at most 300 characters, for O(slipway.kube.helm_rollback#module:reason).
  returned: success
  type: str
  sample: "crash_loop: Container backend keeps crashing, last with exit code 3."
lease_lost:
  description: Whether the run has lost its deploy lease, so that it must not change anything any more.
  returned: success
  type: bool
  sample: false
"""
