#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_image
short_description: Tell which images must be built, and deliver those that a Minikube node lacks
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Compares the engine's images with those of the node by image ID, for all components in one call.
  - With O(state=present) the images that the node lacks are streamed from the engine into the node's containerd.
options:
  state:
    description: V(info) only compares.
    type: str
    choices: [info, present]
    default: present
  components:
    description:
      - The components by name, in the order of building, as M(slipway.kube.application_plan) returns them. Of each, C(image) is
        read (a reference with a tag that says what it was made of), C(needs) (components it is built from) and C(deliver)
        (V(false) for one that others are built from and that the node does not need).
    type: dict
    required: true
  profile:
    description: Minikube profile.
    type: str
    default: slipway
  docker_host:
    description: Address of the container engine.
    type: str
    default: unix:///var/run/docker.sock
extends_documentation_fragment:
  - slipway.kube.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Images have no text to compare.
  idempotent:
    support: full
requirements: [docker]
"""

EXAMPLES = r"""
- name: Deliver what the node lacks
  slipway.kube.minikube_image:
    components:
      backend:
        image: todo-backend:sha-3f2a9c1b5d7e8a90
"""

RETURN = r"""
build:
  description: Names of the components whose images must be built first.
  returned: success
  type: list
  elements: str
  sample: [backend]
deliver:
  description: Names of the components whose images the node lacked, or lacks in check mode and with O(state=info).
  returned: success
  type: list
  elements: str
  sample: [backend]
sizes:
  description: Size in bytes of each image that the engine has.
  returned: success
  type: dict
  sample: {"todo-backend:sha-3f2a9c1b5d7e8a90": 214000000}
"""

import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils import _node_images

try:
    import docker
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    DOCKER_IMPORT_ERROR = None


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Compare, and deliver if asked for; the module's result."""
    components = module.params["components"]
    wanted = {component["image"] for component in components.values()}
    # An import of several hundred MB is one answer.
    engine = docker.DockerClient(base_url=module.params["docker_host"], timeout=600)
    node = _node_images.Node(engine, module.params["profile"])
    running = node.running()
    present: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for image in engine.images.list():
        for tag in image.tags:
            present[_node_images.normal_name(tag)] = image.id or ""
            if tag in wanted:
                sizes[tag] = image.attrs["Size"]
    build, deliver = _node_images.lacking(components, present, node.images() if running else {})
    changed = False
    if module.params["state"] == "present" and deliver:
        changed = True
        if not module.check_mode:
            if not running:
                raise _node_images.NodeError(
                    f"The cluster {module.params['profile']} does not run: start it with --tags setup."
                )
            if build:
                raise _node_images.NodeError(
                    f"These images have not been built: {', '.join(build)}. Build them with --tags build."
                )
            node.load([components[name]["image"] for name in deliver])
    return {"changed": changed, "build": build, "deliver": deliver, "sizes": sizes}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["info", "present"], "default": "present"},
            "components": {"type": "dict", "required": True},
            "profile": {"type": "str", "default": "slipway"},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
        },
        supports_check_mode=True,
    )
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    try:
        result = run(module)
    except _node_images.NodeError as error:
        module.fail_json(msg=str(error))
    except docker.errors.DockerException as error:
        module.fail_json(
            msg=f"The container engine at {module.params['docker_host']} does not answer as it should: {error}. Start it with --tags setup."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
