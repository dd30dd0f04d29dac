# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed list of what can keep a rollout from ending. Private to the collection.

This is the only table: the modules take the suggestions from it and docs/troubleshooting.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One entry of the closed list.

    C(may_heal): it is believed only after it has been seen for a while, because it often passes by itself.
    C(shows): the reasons by which C(kubectl get) or C(kubectl events) show it.
    """

    meaning: str
    suggestion: str
    may_heal: bool = False
    shows: tuple[str, ...] = ()


CODES: Mapping[str, Code] = {
    # The image
    "image_not_found": Code(
        "The registry does not have the image or this tag.",
        "Push the image, or correct its repository and tag in the values of the release.",
        shows=("ErrImagePull", "ImagePullBackOff"),
    ),
    "image_pull_refused": Code(
        "The registry denies access to the image: the credentials are missing or wrong, or the image is not public.",
        "Set the registry credentials with imagePullSecrets, or correct the image name; build local images with --tags build.",
        shows=("ErrImagePull", "ImagePullBackOff"),
    ),
    "image_pull_failed": Code(
        "The node does not have the image and cannot pull it: the registry is not reachable.",
        "Build and load the image (--tags build), or correct the name of the registry and the node's network.",
        shows=("ImagePullBackOff",),
    ),
    "image_missing": Code(
        "The node does not have the image, and imagePullPolicy is Never.",
        "Load the image into the node: run the playbook with --tags build.",
        shows=("ErrImageNeverPull",),
    ),
    "image_name_invalid": Code(
        "Repository and tag do not form a valid image name.",
        "Correct the image's repository and tag in the values of the release.",
        shows=("InvalidImageName",),
    ),
    # The container
    "config_missing": Code(
        "A Secret or ConfigMap that a container needs, or one of its keys, is missing.",
        "Add the key to application_secrets or to the chart's config, and deploy again.",
        shows=("CreateContainerConfigError", "FailedMount"),
    ),
    "runs_as_root": Code(
        "The image runs as root, or as a user without a numeric ID, and the pod requires a non-root user.",
        "Set a numeric USER in the Dockerfile, or securityContext.runAsUser in the values.",
        shows=("CreateContainerConfigError",),
    ),
    "container_start_failed": Code(
        "The container runtime cannot start a container.",
        "Correct the command, the user or the volumes that the message names.",
        shows=("RunContainerError", "CreateContainerError", "StartError", "FailedCreatePodSandBox"),
    ),
    "crash_loop": Code(
        "A container keeps crashing.",
        "Read the log lines, fix the component or its configuration, and deploy again.",
        shows=("CrashLoopBackOff",),
    ),
    "out_of_memory": Code(
        "A container was killed because it used more memory than its limit.",
        "Raise resources.limits.memory of the component, or find out what uses so much memory.",
        shows=("OOMKilled",),
    ),
    "probe_failing": Code(
        "A container is running, but its startup, readiness or liveness probe fails.",
        "Fix what the response or the log lines name; if the component is healthy, correct the path, port or timing of the probe.",
        may_heal=True,
        shows=("Unhealthy",),
    ),
    "volume_failed": Code(
        "A volume does not exist, or cannot be provisioned or mounted.",
        "Correct the claim, its storage class, or the source of the volume.",
        may_heal=True,
        shows=("FailedMount", "FailedAttachVolume", "ProvisioningFailed"),
    ),
    # The node
    "unschedulable": Code(
        "No node can run the pod: not enough CPU or memory is free, or a scheduling rule excludes the nodes.",
        "Lower the requests or replicas, correct the node selector or tolerations, or enlarge the cluster.",
        may_heal=True,
        shows=("FailedScheduling",),
    ),
    "node_not_ready": Code(
        "The node of the pod is not ready.",
        "Run kubectl describe node; restart a Minikube node with --tags setup.",
        may_heal=True,
        shows=("NodeNotReady",),
    ),
    "node_pressure": Code(
        "The node is low on memory, disk or process IDs, so it accepts no pods or evicts them.",
        "Free the resource on the node, or enlarge the cluster.",
        may_heal=True,
        shows=("Evicted", "FailedScheduling"),
    ),
    # What the API server refuses
    "admission_denied": Code(
        "Pod Security or an admission webhook rejects the pods.",
        "Change what the message names in the chart, or change the policy of the namespace.",
        shows=("FailedCreate",),
    ),
    "quota_exceeded": Code(
        "The quota of the namespace is too small for the pods.",
        "Raise the quota, or lower requests, limits or replicas.",
        may_heal=True,
        shows=("FailedCreate",),
    ),
    "pods_refused": Code(
        "The API server rejects the pods for another reason, such as a missing service account.",
        "Fix what the message names in the chart.",
        may_heal=True,
        shows=("FailedCreate",),
    ),
    # Jobs and Helm hooks
    "job_failed": Code(
        "A Job or Helm hook failed, usually the database migrations.",
        "Read the log lines, fix the cause, and deploy again.",
        shows=("BackoffLimitExceeded", "DeadlineExceeded"),
    ),
    # The way to the pods
    "cluster_dns_failing": Code(
        "According to the log of a failing container, a host name cannot be resolved.",
        "Correct the host name in the log line; if CoreDNS is not ready, check its pods in kube-system.",
    ),
    "no_endpoints": Code(
        "A Service selects no ready pod.",
        "Correct the Service's selector so that it matches the labels of the pods.",
        may_heal=True,
    ),
    "service_port_wrong": Code(
        "A Service targets a port that its pods do not have, or on which nothing listens.",
        "Set the Service's targetPort to the port on which the container listens.",
        may_heal=True,
    ),
    "ingress_class_missing": Code(
        "An Ingress uses a class that does not exist in the cluster, so no controller serves it.",
        "Install the ingress controller (--tags setup), or correct ingress.className.",
    ),
    "ingress_backend_missing": Code(
        "An Ingress refers to a Service or a Service port that does not exist.",
        "Correct the name and port of the Service in the Ingress.",
        may_heal=True,
    ),
    "ingress_no_address": Code(
        "An Ingress has no address, and no ready controller was found for its class.",
        "Start the ingress controller (--tags setup), or correct ingress.className.",
        may_heal=True,
    ),
    # The whole
    "workloads_missing": Code(
        "There is no Deployment, StatefulSet, DaemonSet or Job to wait for.",
        "Deploy the release (--tags deploy); if it is deployed, check its manifest or the selector.",
        may_heal=True,
    ),
    "rollout_stalled": Code(
        "The rollout made no progress during the quiet period, and no cause is visible.",
        "Run kubectl describe on the pods to find out why they make no progress.",
    ),
    "deadline_passed": Code(
        "The rollout is still making progress, but its deadline has passed.",
        "Raise the deadline, or find out why the pods take so long.",
    ),
    "cluster_unreachable": Code(
        "The Kubernetes API is not reachable.",
        "Start the cluster (--tags setup), or correct the kubeconfig and context.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """Why a rollout cannot end. C(container) is empty when it is not about one.

    C(pod) is the pod whose log explains it, C(related) are further objects, as kind and name, whose events do.
    """

    code: str
    cause: str
    namespace: str
    object: str
    container: str = ""
    previous_log: bool = False
    pod: str = ""
    related: tuple[str, ...] = ()
    # Which probe fails: startup, readiness or liveness.
    probe: str = ""
    # Set where this case differs from what is usual for the code.
    heals: bool | None = None
    # Told before Kubernetes gives up: believed only while nothing else that it may wait for is on its way.
    early: bool = False

    def may_heal(self) -> bool:
        """Tell whether it is believed only after a while."""
        return CODES[self.code].may_heal if self.heals is None else self.heals
