# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Beginning and end of every module that talks to a cluster. Private to the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, heartbeat
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MalformedKubeconfigError

# Documented by the fragment slipway.kube.kubernetes.
ARGUMENTS: dict[str, dict[str, Any]] = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}
# Documented by the fragment slipway.kube.release.
RELEASE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
}
# Documented by the fragment slipway.kube.releases: a plan's entries whole, whatever a module needs of them.
RELEASES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        **RELEASE,
        "chart": {"type": "str"},
        "chart_name": {"type": "str"},
        "chart_version": {"type": "str"},
        "chart_digest": {"type": "str"},
        "chart_snapshot": {"type": "str"},
        "values": {"type": "dict"},
        # Sums are no secrets.
        "secret_checksums": {"type": "dict", "no_log": False},
        "wait": {"type": "bool"},
    },
}
# Secrets without their values, as the filter secret_outline returns them. Their names and the names of their keys are no secrets.
SECRETS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "no_log": False,
    "options": {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str"},
        "keys": {"type": "dict", "no_log": False},
    },
}

Result = dict[str, Any]


def names_of(releases: Iterable[Mapping[str, Any]] | None) -> set[str] | None:
    """Return the releases of a module's option as C(namespace/release); None without the option."""
    return None if releases is None else {f"{one['namespace']}/{one['name']}" for one in releases}


def stop_if_lost(module: AnsibleModule, **result: Any) -> None:
    """Fail the module when its run has lost the deploy lease that it took before."""
    if lost := heartbeat.lost_by_environment():
        module.fail_json(msg=lost, lease_lost=True, **result)


def run(
    module: AnsibleModule,
    work: Callable[[client.KubernetesClient], Result],
    without: Callable[[], Result] | None = None,
) -> None:
    """End the module with what ``work`` returns for the cluster, or fail with the cause as a sentence.

    ``without`` answers in check mode when there is no cluster yet, which a kubeconfig that cannot be read does not say; C(no_cluster) then says
    why there is none. Sentences are those of KubernetesError and ValueError; what they have as C(result) becomes part of the module's.
    """
    if not client.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    stop_if_lost(module)
    try:
        try:
            with client.KubernetesClient(module.params["kubeconfig"], module.params["context"]) as cluster:
                result = work(cluster)
        except client.UnreachableError as error:
            if without is None or not module.check_mode or isinstance(error, MalformedKubeconfigError):
                raise
            result = {**without(), "no_cluster": str(error)}
    except (client.KubernetesError, ValueError) as error:
        module.fail_json(msg=str(error), **getattr(error, "result", {}))
    module.exit_json(**result)
