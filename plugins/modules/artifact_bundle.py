#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_bundle
short_description: Transfer the artifacts of a distribution directory between machines in one file
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Packs what M(slipway.kube.artifacts) built into one tar file, and unpacks such a file into the cache of a machine without a
    compiler and without access to package registries.
  - The file starts with C(manifest.json), which contains the name, size, SHA-256 and artifact digest of every other file in it.
    The module verifies every checksum before it adds anything to the cache; it rejects a damaged, modified or foreign bundle as
    a whole.
options:
  state:
    description: V(created) writes the bundle from the cache, V(unpacked) unpacks it into the cache.
    type: str
    choices: [created, unpacked]
    required: true
  path:
    description:
      - The bundle on the inventory host. With O(state=created), it may be a directory; the name of the file is then derived
        from the version of Kubernetes and the architecture.
      - With O(state=unpacked), it may be omitted if O(inputs) is given and the cache already has everything.
    type: path
  distribution:
    description: Directory with C(manifest.yml), C(programs/) and C(images/). It must be identical on both machines.
    type: path
    required: true
  cache_dir:
    description: The cache of M(slipway.kube.artifacts). The default is C($XDG_CACHE_HOME/slipway) or C(~/.cache/slipway).
    type: path
  inputs:
    description:
      - The machine-specific inputs of the artifacts in the cache, as in RV(inputs) when they were unpacked. The default is
        those of this machine, which is right for artifacts built here.
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
    details: Reads the bundle's manifest and returns whether something would be written; does not verify the checksums of the
      contents.
  diff_mode:
    support: none
    details: A bundle is a binary file.
  idempotent:
    support: full
    details: A bundle with the same contents is not written again, and a cache that has everything is not changed.
requirements: [PyYAML]
seealso:
  - module: slipway.kube.artifacts
"""

EXAMPLES = r"""
- name: Write a bundle into the working directory
  slipway.kube.artifact_bundle:
    state: created
    path: "{{ lookup('ansible.builtin.env', 'PWD') }}"
    distribution: "{{ playbook_dir }}/../distribution"

- name: Bring a bundle into the cache
  slipway.kube.artifact_bundle:
    state: unpacked
    path: /media/stick/slipway-bundle-v1.35.1-x86_64.tar
    distribution: "{{ playbook_dir }}/../distribution"
"""

RETURN = r"""
path:
  description: The bundle.
  returned: when one was written or read
  type: str
  sample: /home/ada/slipway-bundle-v1.35.1-x86_64.tar
size:
  description: Its size in bytes.
  returned: when O(state=created) and not in check mode
  type: int
  sample: 1494343680
sha256:
  description: Its SHA-256, in hex.
  returned: when O(state=created) and not in check mode
  type: str
  sample: 8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92
unpacked:
  description: Artifacts that were unpacked into the cache, or would be in check mode.
  returned: when O(state=unpacked)
  type: list
  elements: str
  sample: ["program:kube", "image:kicbase"]
inputs:
  description: The machine-specific inputs of the artifacts' digests; pass them to M(slipway.kube.artifacts).
  returned: success
  type: dict
  sample: {architecture: x86_64, ca_bundle: 9f0c66b0a1c9c6c8f1e4}
kubernetes_version:
  description: Version of Kubernetes that the artifacts are for.
  returned: success
  type: str
  sample: v1.35.1
programs:
  description: Paths of the commands for this machine in the cache.
  returned: when O(state=unpacked)
  type: dict
  sample: {kubectl: /home/ada/.cache/slipway/artifacts/program-kube-0f3c/kube}
runtime_shim:
  description: Path of the runtime shim in the cache.
  returned: when O(state=unpacked)
  type: str
  sample: /home/ada/.cache/slipway/artifacts/program-runtime-shim-77aa/runtime-shim
"""

import os
import pathlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common import files, paths, receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, bundles
from ansible_collections.slipway.kube.plugins.module_utils._distribution.bundle_manifest import (
    Bundle,
    BundleError,
    Member,
    distribution_of,
    file_name,
    listed,
    missing,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import machine_inputs


def create(module: AnsibleModule, cache: pathlib.Path, progress: ProgressFile) -> dict[str, t.Any]:
    """Write the bundle unless the file holds the same already; the module's result."""
    params = module.params
    inputs = params["inputs"] or machine_inputs()
    distribution = artifacts.load_for(pathlib.Path(params["distribution"]), params["inputs"])
    path = pathlib.Path(params["path"]).absolute()
    if path.is_dir():
        path /= file_name(distribution, inputs["architecture"])
    result = {"path": str(path), "inputs": inputs, "kubernetes_version": distribution.kubernetes_version}
    if module.check_mode:
        if distribution.faults(cache, params["check_sums"]):
            return {"changed": True, **result}
        wanted = bundles.describe(distribution, inputs, cache, params["check_sums"])
        return {"changed": not same(path, wanted), **result}
    with lock(cache, progress.say):
        bundle = bundles.describe(distribution, inputs, cache, params["check_sums"])
        if same(path, bundle):
            return {"changed": False, "size": path.stat().st_size, "sha256": sha256_of(path), **result}
        sha256 = bundles.write(path, bundle, cache, progress.say)
    return {"changed": True, "size": path.stat().st_size, "sha256": sha256, **result}


def same(path: pathlib.Path, wanted: Bundle) -> bool:
    """Whether the file is that bundle, whole."""
    try:
        found = bundles.read(path)
        if found == wanted:
            bundles.verify(path, found)
            return True
    except BundleError:
        pass  # whatever it is, it will be replaced
    return False


def unpack(module: AnsibleModule, cache: pathlib.Path, progress: ProgressFile) -> dict[str, t.Any]:
    """Bring the bundle into the cache as far as that lacks it; the module's result."""
    params = module.params
    root = pathlib.Path(params["distribution"])
    path = pathlib.Path(params["path"]).absolute() if params["path"] else None
    unpacked: list[Member] = []
    if params["inputs"] and (path is None or not path.exists()):
        # The stick is gone again, and nobody needs it.
        inputs = params["inputs"]
        distribution = artifacts.load(root, inputs)
        absent = distribution.faults(cache, params["check_sums"])
        if absent:
            raise BundleError(
                f"The cache {cache} lacks {listed(absent)}, and {f'there is no bundle at {path}' if path else 'toolchain_bundle is empty'}: "
                "set toolchain_bundle to the path on this machine of a file that 'make bundle' created."
            )
    elif path is None:
        raise BundleError(
            "toolchain_bundle is empty: set it to the path on this machine of a file that 'make bundle' created."
        )
    else:
        bundle = bundles.read(path)
        inputs = dict(bundle.inputs)
        distribution = distribution_of(bundle, root, os.uname().machine, path)
        deep = params["check_sums"]
        unpacked = missing(distribution, bundle, cache, deep)
        if unpacked and not module.check_mode:
            with lock(cache, progress.say):
                unpacked = missing(distribution, bundle, cache, deep)
                bundles.unpack(path, distribution, bundle, unpacked, cache, progress.say)

    programs = {command: distribution.of("program", program) for command, program in distribution.host.items()}
    shim = distribution.of("program", "runtime-shim")
    return {
        "changed": bool(unpacked),
        **({"path": str(path)} if path else {}),
        "unpacked": [member.key for member in unpacked],
        "inputs": inputs,
        "kubernetes_version": distribution.kubernetes_version,
        "programs": {command: str(one.path(cache)) for command, one in programs.items() if one.is_cached(cache)},
        "runtime_shim": str(shim.path(cache)) if shim.is_cached(cache) else None,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["created", "unpacked"], "required": True},
            "path": {"type": "path"},
            "distribution": {"type": "path", "required": True},
            "cache_dir": {"type": "path"},
            "inputs": {"type": "dict"},
            "check_sums": {"type": "bool", "default": False},
            "progress_file": {"type": "path"},
        },
        required_if=[("state", "created", ["path"])],
        supports_check_mode=True,
    )
    require(module, "yaml")
    cache = paths.cache_dir(module.params["cache_dir"])
    progress = ProgressFile(module.params["progress_file"])
    try:
        result = (create if module.params["state"] == "created" else unpack)(module, cache, progress)
    except (BundleError, artifacts.ManifestError, BuildError, receipts.ReceiptError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=files.unwritable(error, cache))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
