#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: application_secret
short_description: Ensure the content of an application's Kubernetes Secrets
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Creates Secrets through the Kubernetes API, so that no value appears on a command line or in a Helm release.
  - Generates a value once; the Secret itself keeps it.
  - Keeps every content of a Secret in an immutable Secret of type C(slipway.kube/secret-copy) beside it, for M(slipway.kube.secret_rollback), as
    long as a revision that Helm keeps names the content's checksum. Generated keys that a Secret has lost are taken from there.
  - Before it changes the Secret from which a PostgreSQL server of O(releases) takes C(POSTGRES_PASSWORD), changes the password in the database.
  - Fails if a Secret with generated keys is missing, no copy of it is left, and a volume claim of O(releases) may hold data that needs them.
  - Applies only differences. A key that is no longer declared is removed.
  - Returns, shows and logs only names of keys and a checksum, never a value.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases.optional
attributes:
  check_mode:
    support: full
    details: If the cluster does not exist, everything counts as missing.
  diff_mode:
    support: full
    details: Shows which keys are added, changed or removed, never their values.
  idempotent:
    support: full
options:
  secrets:
    description: The Secrets, as returned by P(slipway.kube.secret_inputs#filter). Their names must differ.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Namespace of the Secret. It is created if it is missing.
        type: str
        default: default
      type:
        description: Kubernetes type of the Secret, which cannot change later.
        type: str
        default: Opaque
      keys:
        description: The keys. Each has exactly one of value, data, generate, template and keep.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the key.
            type: str
            required: true
          value:
            description: The value as a string.
            type: str
          data:
            description: The value encoded with base64.
            type: str
          generate:
            description: Length of a random string of letters and digits, which is generated if the key is missing.
            type: int
          keep:
            description: Whether to leave the key as it is in the cluster. If the Secret does not have it, it is left out.
            type: bool
            version_added: 0.2.0
          template:
            description:
              - A text in which C({KEY}) stands for another key of the same Secret, or of the only other one that has
                it, and C({secret/KEY}) for a key of another one. With C(|url) before the closing brace the value is
                percent-encoded.
            type: str
  namespaces:
    description: Further namespaces to create if they are missing.
    type: list
    elements: str
    default: []
  namespace_labels:
    description:
      - Labels that namespaces must have, such as the Pod Security levels, by the name of the namespace. Other labels stay.
    type: dict
    default: {}
    version_added: 0.2.0
  adopt:
    description: Whether an existing Secret that Slipway did not create, or that belongs to another application, may be adopted.
    type: bool
    default: false
  application:
    description:
      - Name of the application that the Secrets belong to. It is written to their label C(slipway.kube/application).
      - A Secret with the label of another application is refused before anything is changed, unless O(adopt) is set.
    type: str
    default: ""
    version_added: 0.2.0
  binary_path:
    description: Path of kubectl, by which the password of a PostgreSQL server is changed; by default the one on PATH.
    type: path
    version_added: 0.3.0
seealso:
  - module: slipway.kube.secret_rollback
"""

EXAMPLES = r"""
- name: Ensure that the application has its secrets
  slipway.kube.application_secret:
    secrets:
      - name: todo-postgresql
        namespace: todo
        keys:
          - name: POSTGRES_PASSWORD
            generate: 32
      - name: todo-backend
        namespace: todo
        keys:
          - name: DATABASE_URL
            template: "postgresql://todo:{POSTGRES_PASSWORD}@todo-postgresql:5432/todo"
    context: slipway
  no_log: true
"""

RETURN = r"""
secrets:
  description: The Secrets and their changes, in the order of O(secrets).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the Secret.
      type: str
    namespace:
      description: Namespace of the Secret.
      type: str
    state:
      description: One of V(created), V(changed) and V(unchanged).
      type: str
    key_names:
      description: Names of its keys.
      type: list
      elements: str
      sample: [DATABASE_URL, JWT_SECRET]
    differences:
      description: Names of the keys that are V(added), V(changed) or V(removed).
      type: dict
      sample: {JWT_SECRET: added}
    checksum:
      description: A salted checksum that changes with the content. Empty in check mode when the content would change.
      type: str
checksums:
  description: The checksums by the names of the Secrets.
  returned: success
  type: dict
  sample: {todo-backend: 5ab1c2d3e4f5061728394a5b6c7d8e9f}
copied:
  description: Names of the Secrets whose content was copied, because there was no copy of it. This alone is no change.
  returned: success
  type: list
  elements: str
  sample: [todo-backend]
notes:
  description: What was missing and was taken from a copy, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Secret todo-postgresql was missing; restored as in revision 3 of release todo."]
namespaces:
  description: Namespaces that were created.
  returned: success
  type: list
  elements: str
  sample: [todo]
labels:
  description: Labels that were set on namespaces, by the namespace's name.
  returned: success
  type: dict
  sample: {todo: {pod-security.kubernetes.io/enforce: restricted}}
reachable:
  description: Whether the cluster is reachable. Can be false only in check mode.
  returned: success
  type: bool
no_cluster:
  description: Why the cluster is not reachable.
  returned: when the cluster is not reachable
  type: str
  sample: "The kubeconfig of this user cannot be used with context slipwy: It has no such context; did you mean slipway. ..."
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._database.passwords import PasswordChanger
from ansible_collections.slipway.kube.plugins.module_utils._helm.secret_history import SecretHistory
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, kubectl, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import SecretManager, read_labels, read_wanted

KEY_OPTIONS = {
    "name": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "str", "no_log": True},
    "data": {"type": "str", "no_log": True},
    "generate": {"type": "int"},
    "keep": {"type": "bool"},
    "template": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "namespace": {"type": "str", "default": "default"},
                    "type": {"type": "str", "default": "Opaque"},
                    "keys": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "no_log": False,
                        "options": KEY_OPTIONS,
                        "mutually_exclusive": [("value", "data", "generate", "template", "keep")],
                        "required_one_of": [("value", "data", "generate", "template", "keep")],
                    },
                },
            },
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "namespace_labels": {"type": "dict", "default": {}},
            "adopt": {"type": "bool", "default": False},
            "application": {"type": "str", "default": ""},
            "releases": module_base.RELEASES,
            "binary_path": {"type": "path"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        wanted = read_wanted(module.params["secrets"])
        labels = read_labels(module.params["namespace_labels"])
    except ValueError as error:
        module.fail_json(msg=str(error))

    def work(cluster: client.KubernetesClient | None = None) -> dict[str, Any]:
        options = module.params
        history = SecretHistory(cluster, options["releases"]) if cluster and options["releases"] else None
        changer = None
        if cluster and options["releases"]:
            names = [(release["namespace"], release["name"]) for release in options["releases"]]
            changer = PasswordChanger(cluster, lambda: kubectl.command(module), names)
        keeper = SecretManager(cluster, module.check_mode, options["adopt"], options["application"], history, changer)
        return keeper.ensure(wanted, options["namespaces"], labels)

    module_base.run(module, work, work)


if __name__ == "__main__":
    main()
