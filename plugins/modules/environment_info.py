#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: environment_info
short_description: Gather the state of tools, container engine and cluster
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Inspects the cache, the container engine and the cluster once for everything that the roles need, so that a run without
    changes takes one task.
options:
  cache_dir:
    description: The cache of M(slipway.kube.artifacts).
    type: path
  state_dir:
    description: Directory in which the role toolchain records the source of the tools.
    type: path
    required: true
  distribution:
    description: The distribution directory, for a toolchain that is built on the machine.
    type: path
    required: true
  releases:
    description: Path in the cache of each program of an official release. A command that leads to another file counts as missing.
    type: dict
    default: {}
    suboptions:
      kubectl:
        description: Path of kubectl.
        type: path
      helm:
        description: Path of Helm.
        type: path
      minikube:
        description: Path of Minikube.
        type: path
  versions:
    description: Version of each program that is wanted, to warn about one that is built on the machine in another version.
    type: dict
    default: {}
  check_sums:
    description: Whether to read every cached file and compare its SHA-256 with the one in its receipt, instead of its size only.
    type: bool
    default: false
  profile:
    description: Minikube profile to inspect.
    type: str
    default: slipway
  minikube_home:
    description: Directory of Minikube's own files.
    type: path
    required: true
  kubeconfig:
    description: Kubeconfig file of the cluster.
    type: path
    required: true
  context:
    description: Context in that file.
    type: str
    default: slipway
  ingress_address:
    description: Address of this machine on which a new cluster is to publish its ingress.
    type: str
    default: 127.0.0.1
  ingress_port:
    description: First port to try for that address; if it is in use, the next ones are tried.
    type: int
    default: 8080
  images:
    description: Images to look for in the node.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - slipway.kube.attributes.reads
requirements: [docker, PyYAML]
"""

EXAMPLES = r"""
- name: Inspect the machine
  slipway.kube.environment_info:
    state_dir: ~/.local/state/slipway
    distribution: "{{ playbook_dir }}/../distribution"
    minikube_home: ~/.local/state/slipway
    kubeconfig: ~/.kube/config
  register: environment
"""

RETURN = r"""
source:
  description: Where the tools came from; empty before setup.
  returned: success
  type: str
  sample: packages
inputs:
  description: The machine-specific inputs of artifacts that came in a bundle; otherwise empty.
  returned: success
  type: dict
  sample: {architecture: x86_64, ca_bundle: 9f0c66b0a1c9c6c8f1e4}
tools:
  description: Path of each installed tool.
  returned: success
  type: dict
  sample: {helm: /home/ada/.cache/slipway/artifacts/program-helm-0f3c/helm}
cached:
  description: Whether the cache has every file of the recorded source, so that no download is needed.
  returned: success
  type: bool
  sample: true
missing:
  description: What is missing before a cluster can be started, with the reason if it is there but not usable; empty if setup
    is complete.
  returned: success
  type: list
  elements: str
  sample: ["container engine", "program kube"]
docker_host:
  description: Address of the container engine.
  returned: success
  type: str
  sample: unix:///var/run/docker.sock
engine_version:
  description: Version of the engine; empty if none is running.
  returned: success
  type: str
  sample: 20.10.24+dfsg1
node_image:
  description: Node image that was built on this machine; empty for Minikube's own.
  returned: success
  type: str
  sample: slipway.local/kicbase:0f3c2e6a51b7d9c4
preload:
  description: Path of the preload that was built on this machine; empty for Minikube's own.
  returned: success
  type: str
  sample: /home/ada/.cache/slipway/artifacts/preload-preload-9a1c/preloaded.tar.lz4
profiles:
  description: Minikube profiles that Slipway created, in O(minikube_home) and in O(state_dir). They share the tools and the
    engine.
  returned: success
  type: list
  elements: str
  sample: [slipway]
machine:
  description:
    - Size of the machine. C(memory_mb) is the total memory, C(disk_free_gb) the free space on the file system of the cache.
    - C(needs_runtime_shim) is true if the machine lacks a capability that runc needs for a node.
    - C(port_error) is the reason why a new cluster has no port for its ingress; empty if it has one or the cluster exists.
  returned: success
  type: dict
  sample: {architecture: x86_64, memory_mb: 24000, disk_free_gb: 80, needs_runtime_shim: false, port_error: ""}
cluster:
  description:
    - State of the cluster of O(profile). C(platform) is the digest of what minikube_setup last applied to it.
    - C(images) lists those of O(images) that the node has, except those that the engine has under the same name with another
      ID.
  returned: success
  type: dict
  sample:
    profile: slipway
    state: running
    kubernetes_version: v1.35.1
    driver: docker
    ingress_port: 8080
    address: 192.168.49.2
    platform: 5a0e
    images: []
"""

import json
import os
import pathlib
import shutil
import subprocess
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._common import paths, receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, container_engine
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import (
    CAP_SYS_RESOURCE,
    has_capability,
)
from ansible_collections.slipway.kube.plugins.module_utils._images import node_images, plan
from ansible_collections.slipway.kube.plugins.module_utils._minikube import profiles
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from ansible_collections.slipway.kube.plugins.module_utils._minikube.files import owned_profiles
from ansible_collections.slipway.kube.plugins.module_utils._minikube.ports import free_port

try:
    import docker
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    DOCKER_IMPORT_ERROR = None

TOOLS = ("kubectl", "helm", "minikube")
PLATFORM_CONFIGMAP = "slipway-platform"


def toolchain(params: t.Mapping[str, t.Any], engine: t.Any) -> dict[str, t.Any]:
    """The part of the result about tools: what the role noted, checked against what is there."""
    state = paths.state_dir(params["state_dir"])
    try:
        noted = json.loads((state / "toolchain.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        noted = {}
    result: dict[str, t.Any] = {"inputs": noted.get("inputs") or {}, "node_image": "", "preload": "", "warnings": []}
    result["source"] = source = noted.get("source", "")
    if source in ("packages", "bundle"):
        return {**result, **built_tools(params, state / "bin", result["inputs"], engine)}
    return {**result, **released_tools(params, noted.get("tools", {}))}


def released_tools(params: t.Mapping[str, t.Any], noted: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The tools whose commands lead to whole files: of official releases to the wanted version of each."""
    tools: dict[str, str] = {}
    missing = []
    confirmable = True
    for name in TOOLS:
        command = pathlib.Path(noted.get(name, ""))
        wanted = pathlib.Path(params["releases"].get(name) or command.resolve())
        reason = receipts.fault(wanted, deep=params["check_sums"]) if name in noted else receipts.ABSENT
        if not reason and not receipts.is_link_to(command, wanted):
            reason = receipts.ABSENT
        if reason:
            missing.append(receipts.lacking(f"tool {name}", reason))
        else:
            tools[name] = str(command)
        confirmable = confirmable and reason in ("", receipts.UNCONFIRMED)
    return {"tools": tools, "missing": missing, "cached": confirmable}


def built_tools(
    params: t.Mapping[str, t.Any], commands: pathlib.Path, inputs: t.Mapping[str, str], engine: t.Any
) -> dict[str, t.Any]:
    """What was built on a machine, this one or that of a bundle, as far as it is there and whole."""
    # What came in a bundle carries the digests of the machine that made it.
    distribution = artifacts.load_for(pathlib.Path(params["distribution"]), inputs)
    cache = paths.cache_dir(params["cache_dir"])
    faults = distribution.faults(cache, params["check_sums"])
    tools: dict[str, str] = {}
    missing = []
    for command, program in distribution.host.items():
        artifact = distribution.of("program", program)
        link = commands / command
        # A link to another version of the program is none: what calls it expects this one.
        reason = faults.get(artifact.key, "" if receipts.is_link_to(link, artifact.path(cache)) else receipts.ABSENT)
        if reason:
            missing.append(receipts.lacking(f"program {program}", reason))
        else:
            tools[command] = str(link)
    present = {tag for image in engine.api.images() for tag in image["RepoTags"] or []} if engine is not None else set()
    for key in distribution.keys_of("images"):
        artifact = distribution.artifacts[key]
        if key in faults or not present.issuperset([artifact.image, *artifact.names]):
            missing.append(receipts.lacking(f"image {artifact.name}", faults.get(key, receipts.ABSENT)))
    preload = distribution.of("preload", "preload")
    if preload.key in faults:
        missing.append(receipts.lacking("preload", faults[preload.key]))
    return {
        "tools": tools,
        "missing": missing,
        "cached": not faults,
        "preload": "" if preload.key in faults else str(preload.path(cache)),
        "node_image": distribution.of("image", preload.settings["node"]).image,
        "warnings": other_versions(params["versions"], distribution.versions),
    }


def other_versions(wanted: t.Mapping[str, str], built: t.Mapping[str, str]) -> list[str]:
    """A warning for each program that is wanted in another version than the one that is built."""
    return [
        f"toolchain_{name}_version is {wanted[name]}, but the tools here are built by Slipway, which builds {name} {version}. "
        "Remove the variable, or remove the tools with their cluster ('make teardown') and set toolchain_source=release."
        for name, version in built.items()
        if wanted.get(name, version) != version
    ]


def machine(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The part of the result about the machine's size."""
    place = paths.cache_dir(params["cache_dir"])
    while not place.exists():
        place = place.parent
    return {
        "architecture": os.uname().machine,
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "disk_free_gb": shutil.disk_usage(place).free >> 30,
        "needs_runtime_shim": not has_capability(CAP_SYS_RESOURCE),
    }


def cluster(
    params: t.Mapping[str, t.Any], tools: t.Mapping[str, str], docker_host: str, engine: t.Any
) -> dict[str, t.Any]:
    """The part of the result about the cluster."""
    if engine is None or "minikube" not in tools:
        return {"profile": params["profile"], "state": "unknown", "platform": "", "images": []}
    minikube = profiles.Minikube(
        tools["minikube"],
        pathlib.Path(params["minikube_home"]),
        pathlib.Path(params["kubeconfig"]),
        docker_host,
        engine,
    )
    found = minikube.inspect(params["profile"])
    platform = ""
    images: list[str] = []
    if found.state == "running" and "kubectl" in tools:
        # kubectl answers in a tenth of the time that importing the Python client takes.
        command = [
            tools["kubectl"],
            f"--kubeconfig={params['kubeconfig']}",
            f"--context={params['context']}",
            "--request-timeout=5s",
            f"--cache-dir={paths.state_dir(params['state_dir']) / 'kubectl-cache'}",
        ]
        command += [
            "get",
            "configmap",
            PLATFORM_CONFIGMAP,
            "--namespace=kube-system",
            "--ignore-not-found",
            "--output=jsonpath={.data.digest}",
        ]
        run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        # Without an answer the platform counts as not applied: applying it again says why.
        platform = run.stdout if run.returncode == 0 else ""
        if params["images"]:
            here, there = node_images.Engine(engine).images(), node_images.Node(engine, params["profile"]).images()
            images = [one for one in params["images"] if not plan.lacks(plan.normal_name(one), here, there)]
    return {"profile": params["profile"], **vars(found), "platform": platform, "images": images}


def served_profiles(params: t.Mapping[str, t.Any]) -> list[str]:
    """The profiles that the tools and the engine serve."""
    homes = (pathlib.Path(params["minikube_home"]), paths.state_dir(params["state_dir"]))
    return sorted({profile for home in homes for profile in owned_profiles(home)})


def port_error(params: t.Mapping[str, t.Any]) -> str:
    """Why a new cluster would have no port for its ingress, empty when it would have one."""
    try:
        free_port(params["ingress_address"], params["ingress_port"])
    except MinikubeError as error:
        return str(error)
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cache_dir": {"type": "path"},
            "state_dir": {"type": "path", "required": True},
            "distribution": {"type": "path", "required": True},
            "releases": {"type": "dict", "default": {}, "options": {name: {"type": "path"} for name in TOOLS}},
            "versions": {"type": "dict", "default": {}},
            "check_sums": {"type": "bool", "default": False},
            "profile": {"type": "str", "default": "slipway"},
            "minikube_home": {"type": "path", "required": True},
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str", "default": "slipway"},
            "ingress_address": {"type": "str", "default": "127.0.0.1"},
            "ingress_port": {"type": "int", "default": 8080},
            "images": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    require(module, "yaml")
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    address, version = container_engine.find()
    engine = docker.DockerClient(base_url=address, timeout=20) if version else None
    try:
        result = toolchain(module.params, engine)
        result["profiles"] = served_profiles(module.params)
        result["machine"] = machine(module.params)
        result["cluster"] = cluster(module.params, result["tools"], address, engine)
        # A cluster that is there holds its port itself.
        has_none = result["cluster"]["state"] in ("unknown", "absent")
        result["machine"]["port_error"] = port_error(module.params) if has_none else ""
    except (
        artifacts.ManifestError,
        BuildError,
        receipts.ReceiptError,
        plan.ImageError,
        docker.errors.DockerException,
    ) as error:
        module.fail_json(msg=str(error))
    for text in result.pop("warnings"):
        module.warn(text)
    if engine is None:
        result["missing"].insert(0, "container engine")
    module.exit_json(changed=False, docker_host=address, engine_version=(version or {}).get("Version", ""), **result)


if __name__ == "__main__":
    main()
