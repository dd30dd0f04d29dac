#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rollback
short_description: Give Secrets the content that revisions of Helm releases had
version_added: 0.3.0
author:
  - Slipway contributors (@slipway)
description:
  - The values of a revision name the checksums of the Secrets that it was made for. Each Secret gets the content with that checksum again, from the
    copies that M(slipway.kube.application_secret) keeps.
  - A Secret stays as it is, and RV(notes) says why, if there is no such copy, or if the revisions do not name a checksum of it.
  - Before it changes the Secret from which a PostgreSQL server of O(releases) takes C(POSTGRES_PASSWORD), changes the password in the database. If
    it cannot, all Secrets stay as they are.
  - Returns, shows and logs only names and checksums, never a value.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The values are not shown.
  idempotent:
    support: full
options:
  revisions:
    description: The revisions by V(namespace/release). Releases that are not named or have revision 0 are left out.
    type: dict
    required: true
  namespace:
    description: Namespace of the Secrets that name none.
    type: str
    required: true
  application:
    description: Name of the application that the Secrets belong to. A Secret that names another one stays as it is.
    type: str
    default: ""
  secrets:
    description: The Secrets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Its namespace; O(namespace) if omitted.
        type: str
      keys:
        description: Its keys, without a value, as P(slipway.kube.secret_outline#filter) returns them. They are not needed.
        type: dict
  binary_path:
    description: Path of kubectl, by which the password of a PostgreSQL server is changed; by default the one on PATH.
    type: path
seealso:
  - module: slipway.kube.application_secret
  - module: slipway.kube.helm_rollback
"""

EXAMPLES = r"""
- name: Give the Secrets the content of revision 3
  slipway.kube.secret_rollback:
    releases: "{{ application_plan.releases }}"
    revisions: {todo/todo: 3}
    namespace: todo
    secrets: "{{ application_secrets | slipway.kube.secret_outline(environment=false) }}"
    context: slipway
"""

RETURN = r"""
restored:
  description: The Secrets that got another content, each with C(name), C(namespace) and C(checksum).
  returned: success
  type: list
  elements: dict
  sample: [{name: todo-backend, namespace: todo, checksum: 5ab1c2d3e4f5061728394a5b6c7d8e9f}]
notes:
  description: What was restored, and what stays and why, a sentence each.
  returned: success
  type: list
  elements: str
  sample: [Secret todo-backend is as in revision 3 of release todo again.]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._database.passwords import PasswordChanger
from ansible_collections.slipway.kube.plugins.module_utils._helm.secret_history import SecretHistory
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, kubectl, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import roll_back


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": {**module_base.RELEASES, "required": True},
            "revisions": {"type": "dict", "required": True},
            "namespace": {"type": "str", "required": True},
            "application": {"type": "str", "default": ""},
            "secrets": {**module_base.SECRETS, "required": True},
            "binary_path": {"type": "path"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params
    revisions = {str(name): int(number) for name, number in options["revisions"].items()}
    listed = {name for release in options["releases"] for name in release["secret_checksums"] or {}}

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        targets = SecretHistory(cluster, options["releases"]).targets(revisions)
        wanted = [(one["namespace"] or options["namespace"], one["name"]) for one in options["secrets"]]
        names = [(release["namespace"], release["name"]) for release in options["releases"]]
        changer = PasswordChanger(cluster, lambda: kubectl.command(module), names)
        application, check = options["application"], module.check_mode
        return roll_back(cluster, wanted if targets else [], targets, listed, application, check, changer)

    module_base.run(module, work)


if __name__ == "__main__":
    main()
