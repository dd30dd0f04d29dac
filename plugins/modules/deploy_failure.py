#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_failure
short_description: Fail with the cause of a failed deploy and with what is in service
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - Ends a C(rescue) section with one message that contains all the information a user needs. The module always fails.
extends_documentation_fragment:
  - slipway.kube.attributes.reads
attributes:
  check_mode:
    details: Fails in the same way.
options:
  failure:
    description: Why the deploy failed, as RV(slipway.kube.deploy_failure_info#module:failure).
    type: dict
    required: true
  transaction:
    description: The revisions that were in service before, by C(namespace/release); V(0) for a first installation.
    type: dict
    default: {}
  rolled_back:
    description: The releases that were rolled back, as results of M(slipway.kube.helm_rollback) in a loop over releases.
    type: list
    elements: dict
    default: []
  restored:
    description: The result of M(slipway.kube.rollout_status) for the earlier version.
    type: dict
    default: {}
  health:
    description: The result of M(slipway.kube.health_check) for the earlier version; empty if it was not checked.
    type: dict
    default: {}
  removed:
    description: Whether first installations were removed.
    type: bool
    default: false
  lease_lost:
    description: Whether the run has lost its deploy lease, as RV(slipway.kube.deploy_failure_info#module:lease_lost).
    type: bool
    default: false
seealso:
  - module: slipway.kube.deploy_failure_info
"""

EXAMPLES = r"""
- name: Fail with the cause
  slipway.kube.deploy_failure:
    failure: "{{ found.failure }}"
    transaction: "{{ helm_release_transaction }}"
    rolled_back: "{{ helm_release_rolled_back }}"
    restored: "{{ helm_release_restored }}"
"""

RETURN = r"""
msg:
  description: The cause, its evidence, what to do and what is in service, in at most twelve lines.
  returned: always
  type: str
  sample: |-
    crash_loop: Container backend keeps crashing, last with exit code 3.
    Log: KeyError: 'DATABASE_URL'
    What to do: Read the log lines, fix the component or its configuration, and deploy again.
    Returned to the earlier version of todo (revision 5 has failed, revision 2 is back as revision 6), which is in service.
slipway_failure:
  description: The same as structured data, for a callback. Contains O(failure) and C(in_service).
  returned: always
  type: dict
  sample:
    task: Wait for the rollout
    code: crash_loop
    cause: Container backend keeps crashing, last with exit code 3.
    suggestion: Read the log lines, fix the component or its configuration, and deploy again.
    evidence: ["Log: KeyError: 'DATABASE_URL'"]
    in_service: Returned to the earlier version of todo (revision 5 has failed, revision 2 is back as revision 6), which is in service.
"""
