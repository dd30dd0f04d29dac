#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: container_engine
short_description: Ensure that a container engine is running, or remove the one that Slipway installed
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - With O(state=started), a running engine is used as it is. Otherwise the module installs Debian's packages and starts the
    daemon, with systemd if that is the init system, otherwise directly.
  - With O(state=absent), the module removes what it installed and started. It does not touch an engine that it did not install,
    or one that still has containers or volumes.
options:
  state:
    description: Desired state; V(absent) applies only to an engine that Slipway installed.
    type: str
    choices: [started, absent]
    default: started
  directory:
    description: Data directory of an engine that is started without systemd.
    type: path
    default: /var/lib/slipway
  packages:
    description: Further Debian packages to install with the engine; they are removed with it.
    type: list
    elements: str
    default: []
  runtime_shim:
    description: Program that wraps runc if the machine lacks C(CAP_SYS_RESOURCE).
    type: path
extends_documentation_fragment:
  - slipway.kube.attributes
attributes:
  check_mode:
    support: full
    details: Returns whether something would be installed, started or removed, and fails if that is impossible.
  diff_mode:
    support: none
    details: A process has no text to diff.
  idempotent:
    support: full
    details: A running engine is not touched.
notes:
  - Packages are installed with C(apt-get) directly, because the module must know what to remove later.
requirements: [docker]
"""

EXAMPLES = r"""
- name: Ensure that a container engine answers
  slipway.kube.container_engine:

- name: Remove the engine if it was installed for Slipway and is empty
  slipway.kube.container_engine:
    state: absent
"""

RETURN = r"""
docker_host:
  description: Address of the engine.
  returned: when O(state=started)
  type: str
  sample: unix:///var/run/docker.sock
version:
  description: Version of the engine; empty in check mode if there is none yet.
  returned: when O(state=started)
  type: str
  sample: 20.10.24+dfsg1
installed:
  description: Packages that were installed, including dependencies.
  returned: when O(state=started)
  type: list
  elements: str
  sample: [containerd, docker.io, runc]
removed:
  description: What was removed.
  returned: when O(state=absent)
  type: list
  elements: str
  sample: ["the engine's process", "9 packages", /var/lib/slipway]
"""

import pathlib
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._distribution import container_engine
from ansible_collections.slipway.kube.plugins.module_utils._distribution.debian import installed_packages
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_network import EngineError

try:
    import docker  # noqa: F401
except ImportError:
    DOCKER_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    DOCKER_IMPORT_ERROR = None


def ensure_started(module: AnsibleModule, managed: container_engine.ManagedEngine) -> dict[str, t.Any]:
    """Install and start what is missing; the module's result."""
    packages = module.params["packages"]
    address, version = container_engine.find()
    wanted = list(packages) if version else [*container_engine.PACKAGES, *packages]
    missing = sorted(set(wanted) - installed_packages())
    # In check mode too: what would fail is to be known before anything is changed.
    if version is None:
        container_engine.refuse_silent(address)
    container_engine.refuse_powerless(missing)
    if version is None:
        container_engine.refuse_unprivileged_start()
    if module.check_mode:
        return {
            "changed": bool(missing) or version is None,
            "docker_host": address,
            "version": (version or {}).get("Version", ""),
            "installed": missing,
        }
    installed = managed.install(wanted) if missing else []
    started = False
    # A package's own script may have started the engine already.
    if version is None and (version := container_engine.ping(address)) is None:
        shim = module.params["runtime_shim"]
        managed.start(pathlib.Path(shim) if shim else None)
        version = container_engine.ping(address)
        started = True
    return {
        "changed": bool(installed) or started,
        "docker_host": address,
        "version": (version or {}).get("Version", ""),
        "installed": installed,
    }


def ensure_absent(module: AnsibleModule, managed: container_engine.ManagedEngine) -> dict[str, t.Any]:
    """Remove Slipway's own engine if it is empty; the module's result."""
    if not managed.record():
        return {"changed": False, "removed": []}
    held = managed.foreign() if container_engine.ping(managed.address) else []
    if held:
        module.warn(
            f"The container engine stays, because it still holds {', '.join(held[:5])}. Remove these and run this again."
        )
        return {"changed": False, "removed": []}
    if module.check_mode:
        return {"changed": True, "removed": [str(managed.directory)]}
    return {"changed": True, "removed": managed.remove()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "directory": {"type": "path", "default": "/var/lib/slipway"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "runtime_shim": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if DOCKER_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=DOCKER_IMPORT_ERROR)
    managed = container_engine.ManagedEngine(pathlib.Path(module.params["directory"]))
    try:
        result = (ensure_started if module.params["state"] == "started" else ensure_absent)(module, managed)
    except EngineError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
