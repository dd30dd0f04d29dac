#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: url_probe_info
short_description: Test which URLs are reachable within a time limit
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Sends a C(HEAD) request to all URLs in parallel and stops after O(timeout), even if a name server does not respond.
  - Uses the proxy settings of the environment.
options:
  urls:
    description: URLs to test.
    type: list
    elements: str
    required: true
  timeout:
    description: Timeout for all of them together, in seconds.
    type: float
    default: 2
extends_documentation_fragment:
  - slipway.kube.attributes.reads
seealso:
  - module: slipway.kube.health_check
"""

EXAMPLES = r"""
- name: Ask whether the download host and the registry answer
  slipway.kube.url_probe_info:
    urls: [https://dl.k8s.io/release/stable.txt, https://registry.k8s.io/v2/]
  register: network
"""

RETURN = r"""
reachable:
  description: Whether all of them are reachable. A request for credentials counts as reachable, any other error does not.
  returned: success
  type: bool
  sample: false
reasons:
  description: For each URL that is not reachable, the reason.
  returned: success
  type: dict
  sample: {"https://registry.k8s.io/v2/": it does not answer within 2 s}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._distribution import downloads


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "urls": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    found = downloads.probe(module.params["urls"], module.params["timeout"])
    reasons = {url: why for url, why in found.items() if why}
    module.exit_json(changed=False, reachable=not reasons, reasons=reasons)


if __name__ == "__main__":
    main()
