#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_image
short_description: Build missing images, load those that the cluster lacks, and remove old ones
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Compares the images of the engine with those of the node by image ID, for all components in one call. Does nothing more if
    nothing is missing.
  - Builds components in parallel, each as soon as the images that it is based on exist, and loads each as soon as it is built.
  - Keeps a copy of every image that it put into the node, from which O(state=restored) restores an image that the kubelet has removed. Copies
    share their content with the images.
  - Builds in the engine use BuildKit if O(builder) is set and the engine has BuildKit, otherwise the engine's classic builder.
options:
  components:
    description:
      - The components by name, in build order, as M(slipway.kube.application_plan) returns them. The module uses C(source),
        C(dockerfile), C(build_args), C(image) (a reference whose tag is computed from the sources), C(needs) (the components
        that it is based on) and C(deliver) (V(false) if only other components need the image, not the cluster).
      - With C(snapshot) and C(build_digest), an image is built from the snapshot of the sources that the plan made. The module
        warns about sources that have changed since; the change belongs to the next run. If the snapshot is lost and the sources
        have changed, the module builds nothing and fails.
    type: dict
    required: true
  state:
    description:
      - V(compared) only compares.
      - V(built) builds in the engine what neither the engine nor a running node has; this works before the cluster exists.
      - V(present) builds and loads.
      - V(restored) restores the images of every revision that Helm keeps that the node lacks, from its copies or the engine.
    type: str
    choices: [compared, built, present, restored]
    default: present
  delivery:
    description:
      - How images get to the cluster.
      - V(in_node) builds in the node's own BuildKit, directly into the kubelet's image store. Images that the engine already
        has are loaded.
      - V(load) builds in the engine and streams images into the node's containerd.
      - V(registry) builds in the engine and pushes to O(registry), which transfers only changed layers.
      - V(docker_env) is rejected, because it builds in the Docker inside the node, and nodes of this collection run containerd.
      - V(auto) means V(in_node) if the node has BuildKit, and O(builder) or its own C(buildctl) to access it. It means V(load)
        otherwise, and if a build argument contains an address that only this machine can reach, such as a mirror on
        C(localhost).
    type: str
    choices: [auto, in_node, load, registry, docker_env]
    default: auto
  registry:
    description: Address of the registry for O(delivery=registry), such as C(registry.example:5000/team). The names of images
      must start with it.
    type: str
    default: ""
  profile:
    description: Minikube profile; its node is a container with that name.
    type: str
    default: slipway
  start_wait:
    description:
      - How many seconds to wait for a node that another process is starting. The node accepts images long before its cluster is
        ready, so this module can run in parallel with M(slipway.kube.minikube_cluster). V(0) does not wait.
      - The wait ends if no process is starting the cluster, which the module finds out from O(home).
    type: int
    default: 0
  home:
    description: Directory of Minikube's own files (C(MINIKUBE_HOME)), as in M(slipway.kube.minikube_cluster). Required for
      O(start_wait).
    type: path
  docker_host:
    description: Address of the container engine.
    type: str
    default: unix:///var/run/docker.sock
  builder:
    description: Path of the program image-build, the client of BuildKit. Without it, the engine's classic builder and the
      node's own C(buildctl) are used.
    type: path
  network:
    description:
      - Network of the build containers in the engine. With V(host), they can use a resolver on a loopback address of this
        machine. Networks other than V(host), V(default) and V(none) always use the classic builder.
    type: str
    default: host
  build_args:
    description: Build arguments for every component; the component's own take precedence.
    type: dict
    default: {}
  keep:
    description:
      - How many images of each component to keep in the engine and in the node after one has been built or loaded, including
        the current one.
      - Only images that this module built or loaded are removed, and none that a container uses or that a revision names that Helm keeps.
        Without an answer of the cluster, nothing is removed. V(0) removes nothing.
    type: int
    default: 3
  max_parallel:
    description: How many components are built or loaded in parallel.
    aliases: [side_by_side]
    type: int
    default: 4
  progress_file:
    description: File to which the module appends one line for every step; you can read it while the module runs.
    type: path
  job:
    description:
      - The result of an earlier task with this module, C(async) and C(poll=0). The module then starts nothing, but shows the
        output of that task, waits for its end and returns its result. It ignores all other options.
    type: dict
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
    details: Returns what would be built, loaded and removed.
  diff_mode:
    support: none
    details: Images have no text to diff.
  idempotent:
    support: full
requirements: [docker, kubernetes]
"""

EXAMPLES = r"""
- name: Build what nobody has built while the cluster starts
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    state: built

- name: Start building images while the cluster starts
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    start_wait: 300
    home: /home/ada/.local/state/slipway
  async: 3600
  poll: 0
  register: started

- name: Wait for what was started
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    job: "{{ started }}"

- name: Build and deliver
  slipway.kube.minikube_image:
    components:
      backend:
        source: /srv/todo/backend
        image: todo-backend:sha-3f2a9c1b5d7e8a90

- name: Restore what a rollback may need
  slipway.kube.minikube_image:
    components: "{{ application_plan.components }}"
    state: restored
    context: slipway

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
  description: How images got to the cluster.
  returned: success
  type: str
  sample: in_node
build:
  description: Components whose images were built in the engine; in check mode and with O(state=compared), those that would be.
  returned: success
  type: list
  elements: str
  sample: [backend]
build_in_node:
  description: Components whose images were built in the node, or would be.
  returned: success
  type: list
  elements: str
  sample: [backend]
deliver:
  description: Components whose images were loaded from the engine into the cluster, or would be.
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
restored:
  description: Images that were restored in the node, or would be.
  returned: when O(state=restored)
  type: list
  elements: str
  sample: ["todo-backend:sha-0d1e2f3a4b5c6d7e"]
missing:
  description: Images of O(components) that are lost, with C(namespace), C(name) and C(revision) of each release that needs them, and C(image).
  returned: when O(state=restored)
  type: list
  elements: dict
  sample: [{namespace: todo, name: todo, revision: 3, image: "todo-backend:sha-0d1e2f3a4b5c6d7e"}]
sizes:
  description: Size in bytes of each image that was already in the engine.
  returned: success
  type: dict
  sample: {"todo-backend:sha-3f2a9c1b5d7e8a90": 214000000}
"""

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import deprecated_aliases
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
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


def kept_revisions(kubeconfig: str | None, context: str | None) -> list[plan.KeptRevision]:
    """Return the revisions that Helm keeps in a cluster, with their images. Raises KubernetesError and ValueError."""
    from ansible_collections.slipway.kube.plugins.module_utils._kube import client

    with client.KubernetesClient(kubeconfig, context) as cluster:
        query = {"fieldSelector": f"type={releases.TYPE}", "labelSelector": "owner=helm,name"}
        secrets = cluster.items("/api/v1/secrets", **query)
    return [
        plan.KeptRevision(
            str(secret["metadata"]["namespace"]),
            str(secret["metadata"]["labels"]["name"]),
            releases.revision_of(secret),
            tuple(releases.images_of(releases.decode(secret))),
        )
        for secret in secrets
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "components": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["compared", "built", "present", "restored"], "default": "present"},
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
            "max_parallel": {"type": "int", "default": 4, **deprecated_aliases("minikube_image", "max_parallel")},
            "progress_file": {"type": "path"},
            # Read by the action plugin.
            "job": {"type": "dict"},
            "kubeconfig": {"type": "path"},
            "context": {"type": "str"},
        },
        required_if=[("delivery", "registry", ["registry"])],
        supports_check_mode=True,
    )
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    if module.params["start_wait"] and not module.params["home"]:
        module.fail_json(msg="start_wait is set, but home is not, which shows whether the cluster is starting.")
    address = module.params["docker_host"]

    def ask_kept() -> list[plan.KeptRevision] | None:
        # Here, because most runs do not ask.
        from ansible_collections.slipway.kube.plugins.module_utils._kube import client

        if not client.HAS_KUBERNETES:
            module.fail_json(msg=missing_required_lib("kubernetes"))
        try:
            return kept_revisions(module.params["kubeconfig"], module.params["context"])
        except (client.KubernetesError, ValueError) as error:
            if module.params["state"] == "restored":
                module.fail_json(msg=str(error))
            return None

    try:
        # Reading an image of several hundred MB is one answer.
        engine = docker.DockerClient(base_url=address, timeout=1800)
        result = runner.run(module.params, engine, module.check_mode, ask_kept)
    except plan.ImageError as error:
        module.fail_json(msg=str(error))
    except ENGINE_ERRORS as error:
        module.fail_json(
            msg=f"The container engine at {address} does not work as expected: {error}. Start it with --tags setup."
        )
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
