#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_image
short_description: Build the images that nobody has built, deliver those that the cluster lacks, remove old ones
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Compares the engine's images with those of the node by image ID, for all components in one call. Nothing more is done where nothing
    lacks.
  - Builds components side by side, each as soon as those it is built from exist, and delivers each as soon as it is built.
  - In the engine, BuildKit builds where O(builder) and an engine with BuildKit are there, the engine's classic builder elsewhere.
options:
  components:
    description:
      - The components by name, in the order of building, as M(slipway.kube.application_plan) returns them. Of each, C(source), C(dockerfile),
        C(build_args) and C(image) (a reference with a tag that says what it was made of) are read, C(needs) (components it is built from) and
        C(deliver) (V(false) for one that others are built from and that the cluster does not need).
    type: dict
    required: true
  state:
    description:
      - V(compared) only compares.
      - V(built) builds in the engine what neither the engine nor a running node has, so that it can be done before there is a cluster.
      - V(present) builds and delivers.
    type: str
    choices: [compared, built, present]
    default: present
  delivery:
    description:
      - Way to the cluster.
      - V(in_node) builds in the node by its own BuildKit, where the kubelet finds the image at once. What the engine has already is loaded.
      - V(load) builds in the engine and streams images into the node's containerd.
      - V(registry) builds in the engine and pushes to O(registry), to which only changed layers travel.
      - V(docker_env) would build in the Docker inside of the node. It is refused, because nodes of this collection run containerd.
      - V(auto) is V(in_node) where the node has BuildKit and O(builder) or a C(buildctl) of its own to ask it, V(load) elsewhere, and where a build
        argument has an address that only this machine reaches, such as a mirror on C(localhost).
    type: str
    choices: [auto, in_node, load, registry, docker_env]
    default: auto
  registry:
    description: Address of the registry for O(delivery=registry), such as C(registry.example:5000/team). Images' names must begin with it.
    type: str
    default: ""
  profile:
    description: Minikube profile, whose node is a container of that name.
    type: str
    default: slipway
  start_wait:
    description:
      - How many seconds to wait for a node that another process is starting. Images can be built and taken in long before its cluster answers,
        so this module can work beside M(slipway.kube.minikube_cluster). V(0) waits for nothing.
      - The wait ends when nobody is starting the cluster, which O(home) tells.
    type: int
    default: 0
  home:
    description: Directory of Minikube's own files (C(MINIKUBE_HOME)), as M(slipway.kube.minikube_cluster) has it. Required for O(start_wait).
    type: path
  docker_host:
    description: Address of the container engine.
    type: str
    default: unix:///var/run/docker.sock
  builder:
    description: Path of the program image-build, which asks BuildKit. Without it the engine's classic builder and the node's own C(buildctl) build.
    type: path
  network:
    description:
      - Network of the build's containers in the engine. V(host) reaches a resolver on a loopback address of this machine. Other names than V(host),
        V(default) and V(none) need the classic builder, which is taken then.
    type: str
    default: host
  build_args:
    description: Build arguments for every component; its own win.
    type: dict
    default: {}
  keep:
    description:
      - How many images of each component to keep in the engine and in the node when one has been built or delivered, the present one among them.
      - Only images that this module built or delivered are removed, and none that a container uses. V(0) removes nothing.
    type: int
    default: 3
  side_by_side:
    description: How many components are built or delivered at once.
    type: int
    default: 4
  progress_file:
    description: File to which a line is appended for every step; read it while the module runs.
    type: path
  job:
    description:
      - What an earlier task of this module with C(async) and C(poll=0) returned. Nothing is begun then. The task shows what that one has said,
        waits for its end and returns its result. Other options are ignored.
    type: dict
extends_documentation_fragment:
  - slipway.kube.attributes
attributes:
  check_mode:
    support: full
    details: Says what would be built, delivered and removed.
  diff_mode:
    support: none
    details: Images have no text to compare.
  idempotent:
    support: full
requirements: [docker]
"""

EXAMPLES = r"""
- name: Build what nobody has built while the cluster starts
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    state: built

- name: Begin to build and deliver beside the start of the cluster
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    start_wait: 300
    home: /home/ada/.local/state/slipway
  async: 3600
  poll: 0
  register: begun

- name: Wait for what was begun
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    job: "{{ begun }}"

- name: Build and deliver
  slipway.kube.minikube_image:
    components:
      backend:
        source: /srv/todo/backend
        image: todo-backend:sha-3f2a9c1b5d7e8a90

- name: Push to a registry
  slipway.kube.minikube_image:
    components:
      backend:
        source: /srv/todo/backend
        image: registry.example:5000/todo-backend:sha-3f2a9c1b5d7e8a90
    delivery: registry
    registry: registry.example:5000
"""

RETURN = r"""
way:
  description: The way that was taken.
  returned: success
  type: str
  sample: in_node
build:
  description: Components whose images were built in the engine, or would be in check mode and with O(state=compared).
  returned: success
  type: list
  elements: str
  sample: [backend]
build_in_node:
  description: The same for the node.
  returned: success
  type: list
  elements: str
  sample: [backend]
deliver:
  description: Components whose images were brought from the engine to the cluster, or would be.
  returned: success
  type: list
  elements: str
  sample: [backend]
pruned:
  description: Old images that were removed, or would be.
  returned: success
  type: dict
  contains:
    engine:
      description: From the engine.
      type: list
      elements: str
      sample: ["todo-backend:sha-0d1e2f3a4b5c6d7e"]
    node:
      description: From the node.
      type: list
      elements: str
      sample: ["docker.io/library/todo-backend:sha-0d1e2f3a4b5c6d7e"]
seconds:
  description: How long each step took.
  returned: success
  type: dict
  sample: {"build backend": 1.9, "deliver backend": 4.2}
sizes:
  description: Size in bytes of each image that the engine had before.
  returned: success
  type: dict
  sample: {"todo-backend:sha-3f2a9c1b5d7e8a90": 214000000}
"""

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._images import plan, runner

try:
    import docker
    import docker.errors
    import requests
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
    ENGINE_ERRORS: tuple[type[Exception], ...] = ()
else:
    DOCKER_IMPORT_ERROR = None
    ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "components": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["compared", "built", "present"], "default": "present"},
            "delivery": {
                "type": "str",
                "choices": ["auto", "in_node", "load", "registry", "docker_env"],
                "default": "auto",
            },
            "registry": {"type": "str", "default": ""},
            "profile": {"type": "str", "default": "slipway"},
            "start_wait": {"type": "int", "default": 0},
            "home": {"type": "path"},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "builder": {"type": "path"},
            "network": {"type": "str", "default": "host"},
            "build_args": {"type": "dict", "default": {}},
            "keep": {"type": "int", "default": 3},
            "side_by_side": {"type": "int", "default": 4},
            "progress_file": {"type": "path"},
            # Read by the action plugin.
            "job": {"type": "dict"},
        },
        required_if=[("delivery", "registry", ["registry"])],
        supports_check_mode=True,
    )
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    if module.params["start_wait"] and not module.params["home"]:
        module.fail_json(msg="start_wait is set and home is not: it tells whether anybody starts the cluster.")
    address = module.params["docker_host"]
    try:
        # Reading an image of several hundred MB is one answer.
        client = docker.DockerClient(base_url=address, timeout=1800)
        result = runner.run(module.params, client, module.check_mode)
    except plan.ImageError as error:
        module.fail_json(msg=str(error))
    except ENGINE_ERRORS as error:
        module.fail_json(
            msg=f"The container engine at {address} does not answer as it should: {error}. Start it with --tags setup."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
