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
        "The registry does not have the image, or not under this tag.",
        "Push the image, or correct repository and tag in the release's values.",
        shows=("ErrImagePull", "ImagePullBackOff"),
    ),
    "image_pull_refused": Code(
        "The registry refuses to give the image: the credentials are missing or wrong, or the name is not public.",
        "Give the registry's credentials by imagePullSecrets, or correct the image's name; build what is meant to be "
        "local (--tags build).",
        shows=("ErrImagePull", "ImagePullBackOff"),
    ),
    "image_pull_failed": Code(
        "The node lacks the image and cannot get it: the registry cannot be reached.",
        "Build and deliver the image (--tags build), or correct the registry's name and the node's way to it.",
        shows=("ImagePullBackOff",),
    ),
    "image_missing": Code(
        "The node lacks the image, and the pod forbids pulling it.",
        "Deliver the image to the node: run the playbook with --tags build.",
        shows=("ErrImageNeverPull",),
    ),
    "image_name_invalid": Code(
        "Repository and tag together are no valid image name.",
        "Correct repository and tag of the image in the release's values.",
        shows=("InvalidImageName",),
    ),
    # The container
    "config_missing": Code(
        "A Secret or ConfigMap that a container needs, or a key of one, is missing.",
        "Add the key to application_secrets or to the chart's config, and deploy again.",
        shows=("CreateContainerConfigError", "FailedMount"),
    ),
    "runs_as_root": Code(
        "The image runs as root, or as a user that has only a name, and the pod forbids root.",
        "Set a numeric USER in the Dockerfile, or securityContext.runAsUser in the values.",
        shows=("CreateContainerConfigError",),
    ),
    "container_start_failed": Code(
        "The container runtime cannot start a container.",
        "Correct the command, the user or the volumes that the message names.",
        shows=("RunContainerError", "CreateContainerError", "StartError", "FailedCreatePodSandBox"),
    ),
    "crash_loop": Code(
        "A container ends again and again.",
        "Read the log lines, correct the component or its configuration, and deploy again.",
        shows=("CrashLoopBackOff",),
    ),
    "out_of_memory": Code(
        "A container was killed because it used more memory than its limit.",
        "Raise resources.limits.memory of the component, or find what needs so much.",
        shows=("OOMKilled",),
    ),
    "probe_failing": Code(
        "A container runs, but its startup, readiness or liveness probe does not pass.",
        "Correct what the answer or the log lines name; if the component is well, correct path, port or times of the probe.",
        may_heal=True,
        shows=("Unhealthy",),
    ),
    "volume_failed": Code(
        "A volume is not there, cannot be made or cannot be mounted.",
        "Correct the claim, its storage class, or what the volume mounts.",
        may_heal=True,
        shows=("FailedMount", "FailedAttachVolume", "ProvisioningFailed"),
    ),
    # The node
    "unschedulable": Code(
        "No node takes the pod: too little CPU or memory is left, or a rule keeps it away.",
        "Lower the requests or replicas, correct node selector or tolerations, or enlarge the cluster.",
        may_heal=True,
        shows=("FailedScheduling",),
    ),
    "node_not_ready": Code(
        "The node that shall run the pod is not ready.",
        "Look at the node by kubectl describe node; a Minikube node starts again by --tags setup.",
        may_heal=True,
        shows=("NodeNotReady",),
    ),
    "node_pressure": Code(
        "The node has too little memory, disk or process numbers left, so it takes no pods or evicts them.",
        "Free the resource on the node, or enlarge the cluster.",
        may_heal=True,
        shows=("Evicted", "FailedScheduling"),
    ),
    # What the API server refuses
    "admission_denied": Code(
        "Pod Security or an admission webhook refuses the pods.",
        "Change what the message names in the chart, or the policy of the namespace.",
        shows=("FailedCreate",),
    ),
    "quota_exceeded": Code(
        "The namespace's quota leaves no room for the pods.",
        "Raise the quota, or lower requests, limits or replicas.",
        may_heal=True,
        shows=("FailedCreate",),
    ),
    "pods_refused": Code(
        "The API server refuses to create the pods for another reason, such as a missing service account.",
        "Correct what the message names in the chart.",
        may_heal=True,
        shows=("FailedCreate",),
    ),
    # Jobs and Helm hooks
    "job_failed": Code(
        "A Job or Helm hook, most often the migrations of the database, failed.",
        "Read the log lines, correct the cause, and deploy again.",
        shows=("BackoffLimitExceeded", "DeadlineExceeded"),
    ),
    # The way to the pods
    "cluster_dns_failing": Code(
        "The log of a failing container says that a name cannot be resolved.",
        "Correct the host name that the log names; if CoreDNS is not ready, look at its pods in kube-system.",
    ),
    "no_endpoints": Code(
        "A Service selects no ready pod.",
        "Make the selector of the Service match the labels of the pods.",
        may_heal=True,
    ),
    "service_port_wrong": Code(
        "A Service leads to a port that its pods do not have, or on which nobody listens.",
        "Make targetPort of the Service the port on which the container listens.",
        may_heal=True,
    ),
    "ingress_class_missing": Code(
        "An Ingress names a class that the cluster does not have, so no controller serves it.",
        "Install the ingress controller (--tags setup), or correct ingress.className.",
    ),
    "ingress_backend_missing": Code(
        "An Ingress leads to a Service, or to a port of one, that does not exist.",
        "Correct the Service's name and port in the Ingress.",
        may_heal=True,
    ),
    "ingress_no_address": Code(
        "An Ingress has no address, and no ready controller seems to serve its class.",
        "Bring the ingress controller up (--tags setup), or correct ingress.className.",
        may_heal=True,
    ),
    # The whole
    "workloads_missing": Code(
        "There is no Deployment, StatefulSet, DaemonSet or Job to wait for.",
        "Deploy the release (--tags deploy); if it is deployed, look at its manifest or at the selector.",
        may_heal=True,
    ),
    "rollout_stalled": Code(
        "Nothing has moved for the quiet period and no cause is visible.",
        "Look at the pods by kubectl describe; nothing has moved for the quiet period.",
    ),
    "deadline_passed": Code(
        "Things still move, but the time for the whole rollout is over.",
        "Raise the deadline, or look at why the pods need so long.",
    ),
    "cluster_unreachable": Code(
        "The Kubernetes API does not answer.",
        "Bring the cluster up (--tags setup), or correct kubeconfig and context.",
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
