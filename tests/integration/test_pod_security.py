# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pod keeps to the restricted Pod Security Standard, asks for what it needs, and has no more than that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Deployment

# Prints the real user ID of every process of a pod, for all pods: the pod's UID is part of its control group's name.
PROCESS_USERS = r"""
for process in /proc/[0-9]*; do
  group=$(grep -o 'pod[0-9a-f_-]\{36\}' "$process/cgroup" 2>/dev/null | head -n 1)
  [ -z "$group" ] || echo "$group $(grep '^Uid:' "$process/status" 2>/dev/null)"
done
"""


def containers(pod: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each container of a pod with the name to report it by."""
    for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
        yield f"{pod['metadata']['name']}/{container['name']}", container


def test_namespace_may_enforce_the_restricted_standard(deployment: Deployment) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    ours = {pod["metadata"]["name"] for pod in deployment.every_pod()}
    for namespace in deployment.namespaces:
        said = deployment.kubectl(
            "label", "--dry-run=server", "--overwrite", "namespace", namespace, label, check=False
        )
        assert f"namespace/{namespace} " in said, said
        # One line per kind of violation: "Warning: <pod> (and 2 other pods): runAsNonRoot != true".
        broken = [
            line
            for line in said.splitlines()
            if line.startswith("Warning:") and ("other pod" in line or any(f" {name}" in line for name in ours))
        ]
        assert broken == []


def test_the_standard_is_enforced_by_this_cluster(deployment: Deployment) -> None:
    # Otherwise the test above could not fail. The node's own pods, such as the API server, need more than is allowed.
    label = "pod-security.kubernetes.io/enforce=restricted"
    said = deployment.kubectl(
        "label", "--dry-run=server", "--overwrite", "namespace", "kube-system", label, check=False
    )
    assert "violate the new PodSecurity enforce level" in said


def test_security_contexts_allow_nothing_that_is_not_needed(deployment: Deployment) -> None:
    for pod in deployment.every_pod():
        name, spec = pod["metadata"]["name"], pod["spec"]
        assert not any(spec.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC")), name
        assert not any("hostPath" in volume for volume in spec.get("volumes", [])), name
        for place, container in containers(pod):
            # What the container does not say, the pod says for it.
            context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
            assert context.get("runAsNonRoot") is True, place
            assert context.get("runAsUser", 0) > 0, place
            assert context.get("runAsGroup", 0) > 0, place
            assert context.get("allowPrivilegeEscalation") is False, place
            assert context.get("privileged", False) is False, place
            assert context.get("readOnlyRootFilesystem") is True, place
            assert context.get("capabilities") == {"drop": ["ALL"]}, place
            assert context.get("seccompProfile") == {"type": "RuntimeDefault"}, place


def test_no_process_of_a_pod_is_root(deployment: Deployment) -> None:
    code, output = deployment.node().exec_run(["sh", "-c", PROCESS_USERS])
    assert code == 0, output.decode()
    users: dict[str, set[str]] = {}
    for line in output.decode().splitlines():
        group, _, uids = line.partition(" Uid:")
        users.setdefault(group.removeprefix("pod").replace("_", "-"), set()).update(uids.split())
    running = deployment.pods()
    assert running, "no pod runs"
    for pod in running:
        seen = users.get(pod["metadata"]["uid"], set())
        assert seen, f"no process of {pod['metadata']['name']} was found in the node"
        assert "0" not in seen, f"{pod['metadata']['name']} has processes of the users {sorted(seen)}"


def test_pods_have_no_token_for_the_api(deployment: Deployment) -> None:
    for pod in deployment.every_pod():
        sources = [
            source
            for volume in pod["spec"].get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
        ]
        assert not any("serviceAccountToken" in source for source in sources), pod["metadata"]["name"]


@pytest.mark.parametrize(("part", "kind"), [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")])
def test_resources_are_set(deployment: Deployment, part: str, kind: str) -> None:
    missing = [
        place
        for pod in deployment.every_pod()
        for place, container in containers(pod)
        if not container.get("resources", {}).get(part, {}).get(kind)
    ]
    assert missing == []
