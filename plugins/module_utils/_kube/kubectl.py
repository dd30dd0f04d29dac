# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of kubectl for the cluster that a module uses. Private to the collection."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


def command(module: AnsibleModule) -> list[str]:
    """Return kubectl with its options for the module's cluster; fails the module when there is none on PATH and none is named."""
    options = module.params
    found = [options["binary_path"] or module.get_bin_path("kubectl", required=True)]
    if options["kubeconfig"]:
        found += ["--kubeconfig", options["kubeconfig"]]
    if options["context"]:
        found += ["--context", options["context"]]
    return found
