#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_cluster
short_description: Create, start, stop or delete a Minikube cluster
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Ensures the state of a Minikube profile with the docker driver. Starts a cluster that is stopped, or whose container exited
    with the engine.
  - Watches the start. If the kubelet does not stay up, the module fails with the kubelet's own message instead of Minikube's
    timeout.
  - Fails if the existing profile has another driver, version or runtime, and names the difference. Never changes or deletes a
    profile that it did not create.
  - With the last profile that the module created, O(state=absent) removes C(.minikube) from O(home) if O(home) is O(state_dir)
    and contains no other profile. Otherwise it removes only what belongs to the profile, and RV(kept) says why.
options:
  state:
    description: Desired state.
    type: str
    choices: [started, stopped, absent]
    default: started
  profile:
    description: Name of the profile, and of the node's container, volume, network and kubeconfig context.
    type: str
    default: slipway
  binary:
    description: Path of C(minikube).
    type: path
    required: true
  home:
    description: Directory of Minikube's own files (C(MINIKUBE_HOME)).
    type: path
    required: true
  state_dir:
    description: Slipway's own state directory. In another O(home), C(.minikube) is never removed as a whole.
    type: path
    version_added: 0.2.0
  kubeconfig:
    description: File to which the cluster's context is added.
    type: path
    required: true
  docker_host:
    description: Address of the container engine.
    type: str
    default: unix:///var/run/docker.sock
  driver:
    description: Minikube's driver.
    type: str
    choices: [docker]
    default: docker
  kubernetes_version:
    description: Version of Kubernetes, with the leading C(v). Required for O(state=started).
    type: str
  container_runtime:
    description: Container runtime of the node.
    type: str
    choices: [containerd, docker, cri-o]
    default: containerd
  cpus:
    description: CPUs of the node.
    type: int
    default: 2
  memory:
    description: Memory of the node in MiB.
    type: int
    default: 6144
  addons:
    description: Minikube addons to enable.
    type: list
    elements: str
    default: []
  base_image:
    description: Node image that was built on this machine. Without it, Minikube pulls its own.
    type: str
  preload:
    description: Initial disk content of a node, in Minikube's format.
    type: path
  ingress_address:
    description: Address of this machine on which the node's port 80 is published.
    type: str
    default: 127.0.0.1
  ingress_port:
    description: First port to try for that address; if it is in use, the next free one is used. An existing cluster keeps its
      port.
    type: int
    default: 8080
  progress_file:
    description: File to which the module appends one line for every step; you can read it while the module runs.
    type: path
extends_documentation_fragment:
  - slipway.kube.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A cluster has no text to diff.
  idempotent:
    support: full
requirements: [docker]
"""

EXAMPLES = r"""
- name: Ensure a running cluster
  slipway.kube.minikube_cluster:
    binary: /usr/local/bin/minikube
    home: /home/ada/.local/state/slipway
    kubeconfig: /home/ada/.kube/config
    kubernetes_version: v1.35.1

- name: Delete the cluster
  slipway.kube.minikube_cluster:
    state: absent
    binary: /usr/local/bin/minikube
    home: /home/ada/.local/state/slipway
    state_dir: /home/ada/.local/state/slipway
    kubeconfig: /home/ada/.kube/config
"""

RETURN = r"""
state:
  description:
    - State before any change. With O(state=absent), it is V(unknown) if there is no engine or no C(minikube) and the module has not
      created the profile; then only files are removed.
  returned: success
  type: str
  sample: stopped
ingress_port:
  description: Port of O(ingress_address) that forwards to the node's port 80.
  returned: when O(state=started)
  type: int
  sample: 8080
address:
  description: The node's address in the engine's network.
  returned: when O(state=started), not in check mode
  type: str
  sample: 192.168.49.2
removed:
  description: Files and directories in O(home) that were removed with the profile.
  returned: when O(state=absent)
  type: list
  elements: str
  sample: [/home/ada/.local/state/slipway/.minikube]
kept:
  description: Which directories stay and why, as sentences; empty if none do.
  returned: when O(state=absent)
  type: str
  sample: ""
"""

import pathlib
import shutil
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._distribution import container_engine
from ansible_collections.slipway.kube.plugins.module_utils._minikube import files, profiles
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError

try:
    import docker
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    DOCKER_IMPORT_ERROR = None


def wanted_of(params: t.Mapping[str, t.Any]) -> profiles.ProfileSpec:
    """The wanted cluster out of the module's options."""
    return profiles.ProfileSpec(
        profile=params["profile"],
        driver=params["driver"],
        kubernetes_version=params["kubernetes_version"],
        container_runtime=params["container_runtime"],
        cpus=params["cpus"],
        memory=params["memory"],
        addons=tuple(params["addons"]),
        base_image=params["base_image"],
        preload=pathlib.Path(params["preload"]) if params["preload"] else None,
        ingress_address=params["ingress_address"],
        ingress_port=params["ingress_port"],
    )


def ensure_started(
    module: AnsibleModule, minikube: profiles.Minikube, found: profiles.ProfileState
) -> dict[str, t.Any]:
    """Create or start the cluster if it does not run; the module's result."""
    wanted = wanted_of(module.params)
    if found.driver and (differences := found.differences(wanted)):
        raise MinikubeError(
            f"The cluster {wanted.profile} is not as requested: {'; '.join(differences)}. "
            "Request the existing settings, set another minikube_setup_profile, or delete it with 'make teardown'."
        )
    changed = found.state != "running"
    cluster = found
    if changed and not module.check_mode:
        progress = ProgressFile(module.params["progress_file"])
        with minikube.lock(wanted.profile):
            # Another run may have started it while this one waited.
            cluster = minikube.inspect(wanted.profile)
            if cluster.state != "running":
                minikube.start(wanted, progress.say)
                cluster = minikube.inspect(wanted.profile)
    return {"changed": changed, "ingress_port": cluster.ingress_port or wanted.ingress_port, "address": cluster.address}


def ensure_stopped(
    module: AnsibleModule, minikube: profiles.Minikube, found: profiles.ProfileState
) -> dict[str, t.Any]:
    """Stop the cluster if its node runs, also where Kubernetes in it does not; the module's result."""
    profile = module.params["profile"]
    if found.is_up and not module.check_mode:
        with minikube.lock(profile):
            # Another run may have stopped it while this one waited.
            if minikube.inspect(profile).is_up:
                minikube.stop(profile)
    return {"changed": found.is_up}


def ensure_absent(module: AnsibleModule, minikube: profiles.Minikube | None, state: str) -> dict[str, t.Any]:
    """Delete the cluster if there is one, and the files that go with it; the module's result."""
    params = module.params
    home, profile = pathlib.Path(params["home"]), params["profile"]
    state_dir = pathlib.Path(params["state_dir"]) if params["state_dir"] else None
    # Looked for first, for with the cluster goes the note that says whose it was.
    found = files.files_of(home, profile, state_dir)
    exists = minikube is not None and state != "absent"
    if not module.check_mode and (exists or found.paths):
        with minikube.lock(profile) if minikube else files.locked(home, profile):
            # Another run may have started or deleted it, or another profile, while this one waited.
            found = files.files_of(home, profile, state_dir)
            if minikube is not None and minikube.inspect(profile).state != "absent":
                minikube.delete(profile)
            files.remove_files(found.paths)
    return {
        "state": state,
        "changed": exists or bool(found.paths),
        "removed": [str(path) for path in found.paths],
        "kept": found.kept,
    }


def check_files_may_go(params: t.Mapping[str, t.Any], why: str) -> None:
    """Raise MinikubeError for a profile of Slipway whose container may still be there: with its files goes the note of whose it is."""
    home, profile = pathlib.Path(params["home"]), params["profile"]
    if files.owner_note(home, profile):
        raise MinikubeError(
            f"The cluster {profile} cannot be deleted, because {why}. Nothing was changed. Make that right, for example with "
            f"--tags setup, and run this again. If the cluster's container is gone for good, remove {files.note_file(home, profile)}."
        )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Bring the profile into the wanted state; the module's result."""
    params = module.params
    profile = params["profile"]
    answers = container_engine.ping(params["docker_host"]) is not None
    if params["state"] == "absent" and not (answers and shutil.which(params["binary"])):
        address, binary = params["docker_host"], params["binary"]
        check_files_may_go(
            params, f"{binary} is missing" if answers else f"the container engine at {address} does not answer"
        )
        return ensure_absent(module, None, "unknown")
    if module.check_mode and not answers:
        # The engine is still to come, so there is no cluster yet.
        return {"state": "absent", "changed": params["state"] == "started", "ingress_port": params["ingress_port"]}
    engine = docker.DockerClient(base_url=params["docker_host"], timeout=60)
    minikube = profiles.Minikube(
        params["binary"],
        pathlib.Path(params["home"]),
        pathlib.Path(params["kubeconfig"]),
        params["docker_host"],
        engine,
    )
    found = minikube.inspect(profile)
    if found.state == "foreign":
        raise MinikubeError(minikube.refusal(profile))
    if params["state"] == "started":
        return {"state": found.state, **ensure_started(module, minikube, found)}
    if params["state"] == "absent":
        return ensure_absent(module, minikube, found.state)
    return {"state": found.state, **ensure_stopped(module, minikube, found)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "profile": {"type": "str", "default": "slipway"},
            "binary": {"type": "path", "required": True},
            "home": {"type": "path", "required": True},
            "state_dir": {"type": "path"},
            "kubeconfig": {"type": "path", "required": True},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "driver": {"type": "str", "choices": ["docker"], "default": "docker"},
            "kubernetes_version": {"type": "str"},
            "container_runtime": {"type": "str", "choices": ["containerd", "docker", "cri-o"], "default": "containerd"},
            "cpus": {"type": "int", "default": 2},
            "memory": {"type": "int", "default": 6144},
            "addons": {"type": "list", "elements": "str", "default": []},
            "base_image": {"type": "str"},
            "preload": {"type": "path"},
            "ingress_address": {"type": "str", "default": "127.0.0.1"},
            "ingress_port": {"type": "int", "default": 8080},
            "progress_file": {"type": "path"},
        },
        required_if=[("state", "started", ["kubernetes_version"])],
        supports_check_mode=True,
    )
    require(module, "yaml")
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    try:
        result = run(module)
    except MinikubeError as error:
        module.fail_json(msg=str(error))
    except docker.errors.DockerException as error:
        module.fail_json(
            msg=f"The container engine at {module.params['docker_host']} does not work as expected: {error}"
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
