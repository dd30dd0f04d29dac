#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Build the programs and images of a distribution directory
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Builds what a Minikube cluster needs on a machine that can reach package registries but no container registry and no
    download host. Programs are compiled from Go modules; images are built from Debian packages.
  - Keeps every artifact in the cache under a digest of all its inputs, with a receipt beside it, so nothing is built twice, and an
    interrupted run resumes with what is missing. What has no receipt, or not the right one or size, is built again. What an earlier
    version of Slipway left without a receipt is kept if the checksums in the file itself are right.
options:
  distribution:
    description: Directory with C(manifest.yml), C(programs/) and C(images/).
    type: path
    required: true
  cache_dir:
    description: Directory of the cache. The default is C($XDG_CACHE_HOME/slipway) or C(~/.cache/slipway).
    type: path
  targets:
    description:
      - The artifacts to build; missing dependencies are built too.
      - V(runtime) is what the container engine needs before it starts, V(programs) are the commands of this machine, V(images)
        are the images of the engine, and V(preload) is the initial disk content of a node.
    type: list
    elements: str
    choices: [runtime, programs, images, preload]
    default: [runtime, programs, images, preload]
  docker_host:
    description: Address of the container engine. Not needed for the targets V(runtime) and V(programs).
    type: str
  inputs:
    description:
      - The machine-specific inputs of the artifacts, as returned by M(slipway.kube.artifact_bundle). The default is those of
        this machine, which is right for everything that this machine builds.
    type: dict
  progress_file:
    description: File to which the module appends one line for every step; you can read it while the module runs.
    type: path
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.check_sums
attributes:
  check_mode:
    support: full
    details: Returns what would be built, and builds nothing.
  diff_mode:
    support: none
    details: Artifacts are binary files.
  idempotent:
    support: full
    details: Artifacts in the cache are not built again.
requirements: [docker, PyYAML]
seealso:
  - module: slipway.kube.artifact_bundle
  - module: slipway.kube.container_engine
  - module: slipway.kube.minikube_cluster
"""

EXAMPLES = r"""
- name: Compile the programs and build the images that are missing
  slipway.kube.artifacts:
    distribution: "{{ playbook_dir }}/../distribution"
    docker_host: unix:///var/run/docker.sock
"""

RETURN = r"""
made:
  description: What was built, or would be in check mode, each as C(kind:name).
  returned: success
  type: list
  elements: str
  sample: ["program:kube", "image:kicbase"]
confirmed:
  description: Files without a receipt that were kept, or would be in check mode, each as C(kind:name).
  returned: success
  type: list
  elements: str
  sample: ["program:helm"]
loaded:
  description: Images that were loaded from the cache into the engine.
  returned: success
  type: list
  elements: str
  sample: [python]
programs:
  description: Paths of the commands for this machine in the cache.
  returned: success
  type: dict
  sample: {kubectl: /home/ada/.cache/slipway/artifacts/program-kube-0f3c/kube}
runtime_shim:
  description: Path of the runtime shim, if it is in the cache.
  returned: success
  type: str
  sample: /home/ada/.cache/slipway/artifacts/program-runtime-shim-77aa/runtime-shim
node_image:
  description: Content-addressed reference of the node image.
  returned: success
  type: str
  sample: slipway.local/kicbase:0f3c2e6a51b7d9c4
preload:
  description: Path of the preload.
  returned: success
  type: str
  sample: /home/ada/.cache/slipway/artifacts/preload-preload-9a1c/preloaded-images-k8s-v18-v1.35.1-containerd-overlay2-amd64.tar.lz4
kubernetes_version:
  description: Version of Kubernetes that the manifest declares.
  returned: success
  type: str
  sample: v1.35.1
"""

import pathlib
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._common import files, paths, receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, container_engine
from ansible_collections.slipway.kube.plugins.module_utils._distribution.builder import Builder
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError

try:
    import docker
    import docker.errors
    import requests
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
    ENGINE_ERRORS: tuple[type[Exception], ...] = ()
else:
    DOCKER_IMPORT_ERROR = None
    # requests is what docker talks by; its errors are OSErrors, and say nothing of a disk.
    ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module's options ask for and return its result."""
    params = module.params
    distribution = artifacts.load_for(pathlib.Path(params["distribution"]), params["inputs"])
    cache = paths.cache_dir(params["cache_dir"])
    progress = ProgressFile(params["progress_file"])
    engine = None
    if {"images", "preload"} & set(params["targets"]) and params["docker_host"]:
        if DOCKER_IMPORT_ERROR:
            module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
        # In check mode the engine may be one of the things that are still to come.
        if not module.check_mode or container_engine.ping(params["docker_host"]):
            # Importing an image of 700 MB is one answer that takes as long as it takes.
            engine = docker.DockerClient(base_url=params["docker_host"], timeout=900)

    builder = Builder(distribution, cache, progress.say, engine, params["check_sums"])
    targets = [key for target in params["targets"] for key in distribution.keys_of(target)]
    loaded = []
    if module.check_mode:
        confirmed = builder.confirm(targets, write=False)
        made = [artifact.key for artifact in distribution.wanted(targets, builder.present)]
    else:
        with lock(cache, progress.say):
            confirmed = builder.confirm(targets, write=True)
            made = builder.build(targets)
            if "images" in params["targets"]:
                loaded = [
                    artifact.name
                    for key in distribution.keys_of("images")
                    if builder.images.load(artifact := distribution.artifacts[key])
                ]

    def path(artifact: artifacts.Artifact) -> str | None:
        return str(artifact.path(cache)) if artifact.is_cached(cache) else None

    programs = {command: path(distribution.of("program", program)) for command, program in distribution.host.items()}
    return {
        "changed": bool(made or confirmed or loaded),
        "made": made,
        "confirmed": confirmed,
        "loaded": loaded,
        "programs": {command: file for command, file in programs.items() if file},
        "runtime_shim": path(distribution.of("program", "runtime-shim")),
        "node_image": distribution.of("image", distribution.of("preload", "preload").settings["node"]).image,
        "preload": path(distribution.of("preload", "preload")),
        "kubernetes_version": distribution.kubernetes_version,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "distribution": {"type": "path", "required": True},
            "cache_dir": {"type": "path"},
            "targets": {
                "type": "list",
                "elements": "str",
                "choices": ["runtime", "programs", "images", "preload"],
                "default": ["runtime", "programs", "images", "preload"],
            },
            "docker_host": {"type": "str"},
            "inputs": {"type": "dict"},
            "check_sums": {"type": "bool", "default": False},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    require(module, "yaml")
    try:
        result = run(module)
    except (artifacts.ManifestError, BuildError, receipts.ReceiptError) as error:
        module.fail_json(msg=str(error))
    except ENGINE_ERRORS as error:
        module.fail_json(
            msg=f"The container engine at {module.params['docker_host']} failed to do the request: {error}"
        )
    except OSError as error:
        module.fail_json(msg=files.unwritable(error, paths.cache_dir(module.params["cache_dir"])))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
