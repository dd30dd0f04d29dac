#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_address
short_description: Find the URL of a Service from outside the cluster
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - A Service of type NodePort is reachable at a node's address, one of type LoadBalancer at its assigned address.
  - A Minikube cluster assigns no addresses. With O(node), this module does what C(minikube tunnel) does, but without a
    permanent process, a route, or a password. It adds an address of the node's own container network to the node for every
    Service of type LoadBalancer that has none, and removes addresses that no Service uses any more.
requirements:
  - docker (the Python package), with O(node)
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
    details: RV(url) is empty if the address would be assigned by this task, or if the cluster or Service does not exist yet.
  diff_mode:
    support: none
    details: The change is an address of the node, returned in RV(address).
  idempotent:
    support: full
options:
  name:
    description: Name of the Service.
    type: str
    required: true
  namespace:
    description: Its namespace.
    type: str
    required: true
  port:
    description: Name or number of the Service's port; by default its first port.
    type: str
    default: ""
  node:
    description: Container of the Minikube node to which addresses are added. If omitted, the module expects the cluster to
      assign them.
    type: str
  docker_host:
    description: Address of the container engine that runs the node.
    type: str
    default: unix:///var/run/docker.sock
  timeout:
    description: How many seconds to wait for an address that the cluster assigns.
    type: float
    default: 60.0
"""

EXAMPLES = r"""
- name: Find the page behind a load balancer in Minikube
  slipway.kube.service_address:
    name: frontend
    namespace: todo
    node: minikube
  register: page

- name: Ask it
  slipway.kube.health_check:
    checks:
      - name: page
        url: "{{ page.url }}/"
"""

RETURN = r"""
url:
  description: The URL, without a trailing slash.
  returned: success
  type: str
  sample: http://192.168.49.240:3000
address:
  description: The host alone.
  returned: success
  type: str
  sample: 192.168.49.240
port:
  description: The port.
  returned: success
  type: int
  sample: 3000
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, module_base
from ansible_collections.slipway.kube.plugins.module_utils._kube.service_address import (
    AddressError,
    ContainerNode,
    find_address,
    url_of,
)

try:
    import docker

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False


def _node(module: AnsibleModule) -> ContainerNode | None:
    name = module.params["node"]
    if not name:
        return None
    if not HAS_DOCKER:
        module.fail_json(msg=missing_required_lib("docker"))
    try:
        return ContainerNode(docker.DockerClient(base_url=module.params["docker_host"], timeout=30), name)
    except docker.errors.DockerException as error:
        raise AddressError(
            f"The container engine at {module.params['docker_host']} is not reachable: {error}. Start it (--tags setup)."
        ) from None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "port": {"type": "str", "default": ""},
            "node": {"type": "str"},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "timeout": {"type": "float", "default": 60.0},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if not client.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    fields: dict[str, Any] = module.params
    try:
        with client.KubernetesClient(fields["kubeconfig"], fields["context"]) as cluster:
            found = find_address(
                cluster,
                fields["namespace"],
                fields["name"],
                fields["port"],
                _node(module),
                fields["timeout"],
                dry=module.check_mode,
            )
    except (AddressError, client.KubernetesError) as error:
        if module.check_mode:
            module.exit_json(changed=False, url="", address="", port=0)
        module.fail_json(msg=str(error))
    url = url_of(found.host, found.port) if found.host else ""
    module.exit_json(changed=found.changed, url=url, address=found.host, port=found.port)


if __name__ == "__main__":
    main()
