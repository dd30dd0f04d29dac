# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not get ready, from its status and its events. Private to the collection.

The reasons are those of the kubelet and the scheduler; their messages are read only for what a reason leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    about,
    condition,
    containers,
    dig,
    event_count,
    fields,
    meta,
    number,
    rows,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding

_PULL = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_START = ("RunContainerError", "CreateContainerError", "StartError", "ContainerCannotRun")
_REFUSED = re.compile(
    r"\b40[13]\b|unauthori[sz]ed|authorization failed|authentication required|access denied|denied:|forbidden|"
    r"no basic auth|insufficient_scope",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(r"not found|manifest unknown|name unknown|does not exist|\b404\b", re.IGNORECASE)
_ROOT = re.compile(r"runAsNonRoot|non-numeric user|verify user is non-root|breaks non-root policy")
_LACKS = re.compile(
    r"""(?P<kind>secret|configmap)\s"(?P<name>[^"]+)"\snot\sfound|references\snon-existent\s(?P<part>secret|config)\skey""",
    re.IGNORECASE,
)
# What a probe ends a container with; a program that handles the signal ends with 0.
_KILLED = (0, 137, 143)


def pod_findings(pod: Object, events: Sequence[Object] = (), crash_restarts: int = 1) -> Iterator[Finding]:
    """Yield everything that keeps a pod from getting ready, the surest first. C(events) may be about anything."""
    name, namespace = meta(pod, "name"), meta(pod, "namespace")
    mine = about(events, pod)
    if dig(pod, "status", "reason") == "Evicted":
        text = sentence(dig(pod, "status", "message") or "")
        yield Finding("node_pressure", f"The node evicted the pod: {text}", namespace, f"Pod/{name}")
        return
    for container in containers(pod):
        found = _container_finding(pod, container, mine, crash_restarts)
        if found:
            yield found
    yield from _mount_findings(pod, mine)
    scheduled = condition(fields(pod, "status"), "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        yield _unscheduled(pod, str(scheduled.get("message") or ""))


def restarted(pod: Object, since: str, restarts: int) -> Finding | None:
    """Return that a container of a pod has ended after C(since) (RFC 3339, UTC) and was started more often than C(restarts) again."""
    for container in containers(pod):
        last, count = fields(container, "lastState", "terminated"), number(container, "restartCount")
        ended = str(last.get("finishedAt") or "")
        if count > restarts and ended > since:
            label = str(container.get("name"))
            times = "once" if count == 1 else f"{count} times"
            cause = (
                f"Container {label} has restarted {times}, last at {ended} with exit code {last.get('exitCode', '?')}, "
                "although everything else was ready."
            )
            name = meta(pod, "name")
            return Finding("crash_loop", cause, meta(pod, "namespace"), f"Pod/{name}", label, True, pod=name)
    return None


def _container_finding(pod: Object, container: Object, events: Sequence[Object], crash_restarts: int) -> Finding | None:
    name, label = meta(pod, "name"), str(container.get("name"))
    waiting = fields(container, "state", "waiting")
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    last = fields(container, "state", "terminated") or fields(container, "lastState", "terminated")
    restarts = number(container, "restartCount")

    def finding(code: str, cause: str, previous: bool | None = None) -> Finding:
        pod_name = "" if previous is None else name
        return Finding(code, cause, meta(pod, "namespace"), f"Pod/{name}", label, bool(previous), pod=pod_name)

    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        cause = f"Container {label} was killed because it used more memory than its limit{_limit(pod, label)}."
        return finding("out_of_memory", cause, previous=not fields(container, "state", "terminated"))
    if reason == "ErrImageNeverPull":
        return finding(
            "image_missing", _image_cause(container, "is not in the node, and the pod forbids pulling it", "")
        )
    if reason in ("InvalidImageName", "ErrInvalidImageName"):
        return finding("image_name_invalid", _image_cause(container, "has no valid name", message))
    if reason in _PULL:
        return _pull_finding(container, reason, message, events, finding)
    if reason == "CreateContainerConfigError":
        if _ROOT.search(message):
            return finding("runs_as_root", f"Container {label} may not run: {sentence(message)}")
        text = sentence(message) + _keys_wanted(pod, label, message)
        return finding("config_missing", f"Container {label} lacks part of its configuration: {text}")
    if reason in _START or last.get("reason") in _START:
        text = sentence(message if reason in _START and message else last.get("message") or reason)
        return finding("container_start_failed", f"Container {label} cannot be started: {text}")
    killed = _killing_probe(pod, container, last, events) if restarts >= crash_restarts else None
    if killed:
        return killed
    if reason == "CrashLoopBackOff" and restarts >= crash_restarts:
        code = last.get("exitCode", "?")
        return finding("crash_loop", f"Container {label} keeps crashing, last with exit code {code}.", previous=True)
    return None


def _image_cause(container: Object, what: str, message: str) -> str:
    words = f"The image {container.get('image')} of container {container.get('name')} {what}"
    return f"{words}: {sentence(message)}" if message else f"{words}."


def _pull_finding(
    container: Object, reason: str, message: str, events: Sequence[Object], finding: Any
) -> Finding | None:
    """Tell the three ways in which a pull fails; an unreachable registry is believed from the second try on."""
    # Older clusters say the cause in the event alone.
    told = [str(event.get("message") or "") for event in events if event.get("reason") == "Failed"]
    detail = next((text for text in (message, *reversed(told)) if _REFUSED.search(text) or _NOT_FOUND.search(text)), "")
    found: Finding
    if _REFUSED.search(detail):
        found = finding("image_pull_refused", _image_cause(container, "is refused by the registry", _reason(detail)))
    elif detail:
        found = finding("image_not_found", _image_cause(container, "is not in the registry", _reason(detail)))
    elif reason == "ImagePullBackOff":
        text = next((text for text in reversed(told) if "pull" in text), message)
        found = finding("image_pull_failed", _image_cause(container, "cannot be had", _reason(text)))
    else:
        return None
    return found


def _reason(message: str) -> str:
    """Return what a runtime's message says at its end: what it was about to do comes first."""
    text = " ".join(message.split())
    for mark in (" desc = ", "ErrImagePull: "):
        text = text.rpartition(mark)[2] or text
    return text


def _limit(pod: Object, container: str) -> str:
    memory = fields(_spec(pod, container), "resources", "limits").get("memory")
    return f" of {memory}" if memory else ""


def _spec(pod: Object, container: str) -> Object:
    every = rows(pod, "spec", "containers") + rows(pod, "spec", "initContainers")
    return next((item for item in every if item.get("name") == container), {})


def _keys_wanted(pod: Object, container: str, message: str) -> str:
    """Return which keys a container wants of a Secret or ConfigMap that is missing as a whole."""
    lacks = _LACKS.search(message)
    if not lacks or not lacks["name"]:
        return ""
    reference = "secretKeyRef" if lacks["kind"].lower() == "secret" else "configMapKeyRef"
    asked = [fields(item, "valueFrom", reference) for item in rows(_spec(pod, container), "env")]
    keys = [str(item.get("key")) for item in asked if item.get("name") == lacks["name"]]
    return f" It is asked for {', '.join(keys)}." if keys else " All its keys become environment variables."


def _mount_findings(pod: Object, events: Sequence[Object]) -> Iterator[Finding]:
    """Yield what keeps a scheduled pod's containers from being made: volumes and the pod's network."""
    reasons = {str(dig(item, "state", "waiting", "reason") or "") for item in containers(pod)}
    if reasons and not reasons & {"ContainerCreating", "PodInitializing"}:
        return
    name, namespace = meta(pod, "name"), meta(pod, "namespace")
    failed = [event for event in events if event.get("reason") in ("FailedMount", "FailedAttachVolume")]
    if failed:
        text = " ".join(str(failed[-1].get("message") or "").split())
        lacks = _LACKS.search(text)
        if lacks:
            cause = f"A volume of the pod lacks its source: {sentence(text)}"
            yield Finding("config_missing", cause, namespace, f"Pod/{name}", heals=True)
        else:
            yield Finding(
                "volume_failed", f"A volume of the pod cannot be mounted: {sentence(text)}", namespace, f"Pod/{name}"
            )
    sandbox = [event for event in events if event.get("reason") == "FailedCreatePodSandBox"]
    if sandbox:
        text = sentence(sandbox[-1].get("message") or "")
        yield Finding(
            "container_start_failed",
            f"The pod's network cannot be set up: {text}",
            namespace,
            f"Pod/{name}",
            heals=True,
        )


_PRESSURE = re.compile(r"node\.kubernetes\.io/(memory|disk|pid)-pressure")
_DOWN = re.compile(r"node\.kubernetes\.io/(not-ready|unreachable|network-unavailable)")


def _unscheduled(pod: Object, message: str) -> Finding:
    name, namespace = f"Pod/{meta(pod, 'name')}", meta(pod, "namespace")
    if "persistentvolumeclaim" in message.lower():
        claims = [dig(item, "persistentVolumeClaim", "claimName") for item in rows(pod, "spec", "volumes")]
        related = tuple(f"PersistentVolumeClaim/{claim}" for claim in claims if claim)
        cause = f"The pod is waiting for a volume: {sentence(message)}"
        return Finding("volume_failed", cause, namespace, name, related=related)
    pressure = _PRESSURE.search(message)
    if pressure:
        cause = f"A node is low on {pressure[1]} and accepts no pods: {sentence(message)}"
        return Finding("node_pressure", cause, namespace, name)
    if _DOWN.search(message):
        return Finding("node_not_ready", f"A node is not ready: {sentence(message)}", namespace, name)
    return Finding("unschedulable", f"No node can run the pod: {missing(pod, message)}", namespace, name)


def missing(pod: Object, message: str) -> str:
    """Return what the scheduler's message means for a pod, with what the pod asks for."""
    found = []
    for _count, resource in re.findall(r"(\d+) Insufficient ([\w./-]*\w)", message):
        found.append(f"not enough free {resource}{_asked(pod, resource)}")
    if "node affinity" in message or "node selector" in message:
        selector = ", ".join(f"{key}={value}" for key, value in fields(pod, "spec", "nodeSelector").items())
        found.append(f"no node matches {f'the node selector {selector}' if selector else 'the node affinity'}")
    for taint in re.findall(r"untolerated taint(?:\(s\))?:? ?\{([^}]*)\}", message):
        found.append(f"the taint {taint.rstrip(': ')} is not tolerated")
    for words, meaning in (
        ("free ports for the requested pod ports", "a port that the pod wants on the node is taken"),
        ("pod anti-affinity", "the pod's anti-affinity keeps it away"),
        ("topology spread", "the topology spread constraints keep it away"),
        ("Too many pods", "the node has as many pods as it may"),
        ("were unschedulable", "the node is cordoned"),
        ("volume node affinity", "its volume is on another node"),
    ):
        if words in message:
            found.append(meaning)
    return f"{'; '.join(found)}." if found else sentence(message)


def _asked(pod: Object, resource: str) -> str:
    amounts = [
        str(amount)
        for item in rows(pod, "spec", "containers")
        if (amount := fields(item, "resources", "requests").get(resource)) is not None
    ]
    return f" (the pod requests {' + '.join(amounts)})" if amounts else ""


def _unhealthy(events: Sequence[Object], container: str, kind: str) -> list[Object]:
    """Return the events of one probe of a container, the newest last."""
    return [
        event
        for event in events
        if event.get("reason") == "Unhealthy"
        and str(event.get("message") or "").startswith(f"{kind.capitalize()} probe")
        and str(dig(event, "involvedObject", "fieldPath") or f"{{{container}}}").endswith(f"{{{container}}}")
    ]


def _answer(events: Sequence[Object]) -> str:
    """Return what the newest event says that the probe got."""
    text = " ".join(str(events[-1].get("message") or "").split())
    return text.partition(": ")[2] or text


def probe_words(pod: Object, container: str, kind: str) -> str:
    """Return what a probe asks, for a person."""
    probe = fields(_spec(pod, container), f"{kind}Probe")
    http = fields(probe, "httpGet")
    if http:
        return f"{kind} probe (GET {http.get('path') or '/'} on port {http.get('port')})"
    for key, words in (("tcpSocket", "connects to port"), ("grpc", "asks gRPC port")):
        if probe.get(key):
            return f"{kind} probe ({words} {dig(probe, key, 'port')})"
    command = dig(probe, "exec", "command")
    if isinstance(command, list):
        return f"{kind} probe (runs {' '.join(str(part) for part in command)[:80]})"
    return f"{kind} probe"


def _killing_probe(pod: Object, container: Object, last: Object, events: Sequence[Object]) -> Finding | None:
    """Return the probe that ended a container, None when the container ended by itself."""
    label, name = str(container.get("name")), meta(pod, "name")
    if last.get("exitCode") not in _KILLED:
        return None
    for kind in ("liveness", "startup"):
        probe = fields(_spec(pod, label), f"{kind}Probe")
        seen = _unhealthy(events, label, kind)
        if probe and seen and sum(map(event_count, seen)) >= number(probe, "failureThreshold", default=3):
            words = f"{probe_words(pod, label, kind)} fails: {sentence(_answer(seen))}"
            cause = f"Container {label} is restarted because its {words}"
            where = (meta(pod, "namespace"), f"Pod/{name}", label, True)
            return Finding("probe_failing", cause, *where, pod=name, heals=False, probe=kind)
    return None


def _is_running(container: Object) -> bool:
    return "running" in fields(container, "state")


def unready(pods: Sequence[Object], events: Sequence[Object]) -> Iterator[Finding]:
    """Yield the containers that run, were started as their startup probe says, and answer their readiness probe badly.

    Kubernetes has to have asked as often as the probe's own threshold. No answer at all is believed only of a container
    with a startup probe: without one, it may still be starting.
    """
    for pod in pods:
        mine = about(events, pod)
        for container in containers(pod):
            label = str(container.get("name"))
            if container.get("ready") or not container.get("started") or not _is_running(container):
                continue
            spec = _spec(pod, label)
            seen = _unhealthy(mine, label, "readiness")
            # A threshold that no API server would take, such as 0, does not make of no event an answer.
            if not seen or sum(map(event_count, seen)) < number(spec, "readinessProbe", "failureThreshold", default=3):
                continue
            answer = _answer(seen)
            if "statuscode" in answer or dig(spec, "readinessProbe", "exec") or fields(spec, "startupProbe"):
                yield _probe_finding(pod, label, "readiness", answer)


def _probe_finding(pod: Object, container: str, kind: str, answer: str) -> Finding:
    name = meta(pod, "name")
    words = f"Container {container} is running, but its {probe_words(pod, container, kind)} fails: {sentence(answer)}"
    return Finding("probe_failing", words, meta(pod, "namespace"), f"Pod/{name}", container, pod=name, probe=kind)


def not_ready(pods: Sequence[Object], events: Sequence[Object] = ()) -> Finding | None:
    """Return the first pod that runs without passing a probe, for the time when nothing else explains a stop."""
    for pod in pods:
        mine = about(events, pod)
        for container in rows(pod, "status", "containerStatuses"):
            label, name = str(container.get("name")), meta(pod, "name")
            kind = "readiness" if container.get("started") else "startup"
            if container.get("ready") or not _is_running(container) or not fields(_spec(pod, label), f"{kind}Probe"):
                continue
            seen = _unhealthy(mine, label, kind)
            if seen:
                return _probe_finding(pod, label, kind, _answer(seen))
            cause = f"Container {label} is running, but its {probe_words(pod, label, kind)} has not passed."
            return Finding("probe_failing", cause, meta(pod, "namespace"), f"Pod/{name}", label, pod=name, probe=kind)
    return None


def probe_target(pod: Object, container: str, kind: str) -> tuple[str, str] | None:
    """Return port number and path of a probe that asks by plain HTTP, so that it can be asked again for its words."""
    spec = _spec(pod, container)
    http = fields(spec, f"{kind}Probe", "httpGet")
    if not http or str(http.get("scheme") or "HTTP") != "HTTP" or http.get("host"):
        return None
    port = http.get("port")
    named = [item.get("containerPort") for item in rows(spec, "ports") if item.get("name") == port]
    return str(named[0] if named else port), str(http.get("path") or "/")


_LOOKUP = re.compile(
    r"Name or service not known|Temporary failure in name resolution|Name does not resolve|No address associated with|"
    r"nodename nor servname|could not translate host name|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|no such host|"
    r"UnknownHostException|failed to resolve host|Could not resolve host|server misbehaving",
    re.IGNORECASE,
)


def lookup_failure(lines: Sequence[str]) -> str:
    """Return the last log line that says that a name cannot be resolved, empty when there is none."""
    return next((line for line in reversed(lines) if _LOOKUP.search(line)), "")


def node_finding(pod: Object, nodes: Sequence[Object]) -> Finding | None:
    """Return what is wrong with the node that a pod was given to."""
    wanted = str(dig(pod, "spec", "nodeName") or "")
    node = next((item for item in nodes if wanted and meta(item, "name") == wanted), None)
    if node is None:
        return None
    status, name = fields(node, "status"), meta(node, "name")
    ready = condition(status, "Ready")
    where = f"Pod/{meta(pod, 'name')}"
    if ready and ready.get("status") != "True":
        cause = (
            f"The node {name} of the pod is not ready: {sentence(ready.get('message') or ready.get('reason') or '')}"
        )
        return Finding("node_not_ready", cause, meta(pod, "namespace"), where, related=(f"Node/{name}",))
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure"):
        found = condition(status, kind)
        if found.get("status") == "True":
            cause = (
                f"The node {name} of the pod has {kind}: {sentence(found.get('message') or found.get('reason') or '')}"
            )
            return Finding("node_pressure", cause, meta(pod, "namespace"), where, related=(f"Node/{name}",))
    return None
