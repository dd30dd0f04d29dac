# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Services and Ingresses lead to the pods, from plain API objects. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    dig,
    fields,
    is_true,
    labels,
    matches,
    meta,
    number,
    rows,
)
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding


def template_pods(service: Object, workloads: Sequence[Object]) -> list[Object]:
    """Return the workloads whose pods a Service selects, judged by the labels of their pod templates."""
    selector = fields(service, "spec", "selector")
    return [
        item
        for item in workloads
        if selector
        and meta(item, "namespace") == meta(service, "namespace")
        and matches(selector, fields(item, "spec", "template", "metadata", "labels"))
    ]


def service_finding(service: Object, slices: Sequence[Object], workloads: Sequence[Object]) -> Finding | None:
    """Return why a Service leads nowhere, None when it leads to a ready pod or is not meant to select any."""
    selector, name = fields(service, "spec", "selector"), meta(service, "name")
    if not selector or dig(service, "spec", "type") == "ExternalName":
        return None
    behind = template_pods(service, workloads)
    where = (meta(service, "namespace"), f"Service/{name}")
    if not any(_ready(item) for item in slices if _of(item, service)):
        if behind and all(number(item, "spec", "replicas", default=1) == 0 for item in behind):
            return None
        words = ", ".join(f"{key}={value}" for key, value in selector.items())
        if behind:
            said = f"and none of its {len(behind)} workloads has a ready pod"
        else:
            said = "but no pod that was deployed with it has these labels"
        return Finding("no_endpoints", f"The Service {name} selects {words}, {said}.", *where)
    return port_finding(service, behind)


def port_finding(service: Object, behind: Sequence[Object]) -> Finding | None:
    """Return that a Service names a port that its pods, those of the workloads C(behind) it, do not have."""
    known = _ports(behind)
    for port in rows(service, "spec", "ports"):
        target = port.get("targetPort")
        if isinstance(target, str) and not target.isdigit() and behind and target not in dict(known):
            name = meta(service, "name")
            there = ", ".join(f"{label or '(unnamed)'}={value}" for label, value in known) or "none"
            cause = (
                f"The Service {name} maps port {port.get('port')} to a container port named {target}, "
                f"which its pods do not have; they have {there}."
            )
            return Finding("service_port_wrong", cause, meta(service, "namespace"), f"Service/{name}", heals=False)
    return None


def undeclared_ports(service: Object, workloads: Sequence[Object]) -> list[tuple[str, int]]:
    """Return the ports of a Service, as name or number, whose numbered target no container declares, with that target.

    A container may listen on a port that it does not declare: only asking tells.
    """
    behind = template_pods(service, workloads)
    declared = {value for _label, value in _ports(behind)}
    found = []
    for port in rows(service, "spec", "ports"):
        target = number(port, "targetPort", default=number(port, "port"))
        named = isinstance(port.get("targetPort"), str) and not str(port.get("targetPort")).isdigit()
        if behind and not named and target not in declared and str(port.get("protocol") or "TCP") == "TCP":
            found.append((str(port.get("name") or port.get("port")), target))
    return found


def wrong_port(service: Object, port: str, target: int, workloads: Sequence[Object]) -> Finding:
    """Return the finding for a port on which nobody was found to listen."""
    name = meta(service, "name")
    known = _ports(template_pods(service, workloads))
    there = f"; they declare {', '.join(str(value) for _label, value in known)}" if known else ""
    cause = f"The Service {name} maps port {port} to port {target} of its pods, where nothing listens{there}."
    return Finding("service_port_wrong", cause, meta(service, "namespace"), f"Service/{name}")


def _ports(workloads: Sequence[Object]) -> list[tuple[str, int]]:
    return [
        (str(port.get("name") or ""), number(port, "containerPort"))
        for item in workloads
        for containers in ("containers", "initContainers")
        for container in rows(item, "spec", "template", "spec", containers)
        # Of the others, only sidecars go on beside the containers.
        if containers == "containers" or container.get("restartPolicy") == "Always"
        for port in rows(container, "ports")
    ]


def _of(item: Object, service: Object) -> bool:
    return labels(item).get("kubernetes.io/service-name") == meta(service, "name") and meta(item, "namespace") == meta(
        service, "namespace"
    )


def _ready(item: Object) -> bool:
    # Not said means ready.
    return any(dig(endpoint, "conditions", "ready") is not False for endpoint in rows(item, "endpoints"))


def ingress_finding(ingress: Object, services: Sequence[Object], classes: Sequence[Object] | None) -> Finding | None:
    """Return why an Ingress cannot lead to its Services. C(classes) is None when they may not be read."""
    name, namespace = meta(ingress, "name"), meta(ingress, "namespace")
    where = (namespace, f"Ingress/{name}")
    if classes is not None and (found := class_finding(ingress, classes)):
        return found
    there = {meta(item, "name"): item for item in services if meta(item, "namespace") == namespace}
    for path, backend in _backends(ingress):
        target = str(backend.get("name") or "")
        port = dig(backend, "port", "number") or dig(backend, "port", "name")
        lead = f"The Ingress {name} routes {path} to"
        if target not in there:
            return Finding("ingress_backend_missing", f"{lead} Service {target}, which does not exist.", *where)
        ports = rows(there[target], "spec", "ports")
        if port is not None and not any(port in (item.get("port"), item.get("name")) for item in ports):
            known = ", ".join(str(item.get("port")) for item in ports)
            cause = f"{lead} port {port} of Service {target}, which has only {known}."
            return Finding("ingress_backend_missing", cause, *where)
    return None


def class_finding(ingress: Object, classes: Sequence[Object]) -> Finding | None:
    """Return that the class of an Ingress does not exist."""
    name, wanted = meta(ingress, "name"), str(dig(ingress, "spec", "ingressClassName") or "")
    if not wanted or wanted in {meta(item, "name") for item in classes}:
        return None
    known = ", ".join(meta(item, "name") for item in classes) or "none"
    cause = f"The Ingress {name} uses class {wanted}, which does not exist; the cluster has {known}."
    return Finding("ingress_class_missing", cause, meta(ingress, "namespace"), f"Ingress/{name}")


def _backends(ingress: Object) -> Iterator[tuple[str, Object]]:
    default = fields(ingress, "spec", "defaultBackend", "service")
    if default:
        yield "everything else", default
    for rule in rows(ingress, "spec", "rules"):
        for path in rows(rule, "http", "paths"):
            service = fields(path, "backend", "service")
            if service:
                yield f"{rule.get('host') or ''}{path.get('path') or '/'}", service


def has_address(ingress: Object) -> bool:
    """Tell whether a controller has written an address into an Ingress."""
    return bool(rows(ingress, "status", "loadBalancer", "ingress"))


def class_words(ingress: Object, classes: Sequence[Object] | None) -> set[str]:
    """Return the words by which a controller of an Ingress's class can be recognised, none when the class says nothing.

    C(k8s.io/ingress-nginx) gives C(ingressnginx), C(haproxy.org/ingress-controller) gives C(haproxy).
    """
    wanted = str(dig(ingress, "spec", "ingressClassName") or "")
    for item in classes or ():
        if meta(item, "name") == wanted:
            domain, _slash, rest = str(dig(item, "spec", "controller") or "").partition("/")
            words = {_plain(part) for part in (domain.split(".")[0], *rest.split("/"))}
            return words - {"", "k8s", "ingress", "controller", "ingresscontroller", "ingresscontrollers"}
    return set()


def serving(words: set[str], pods: Sequence[Object]) -> bool:
    """Tell whether a ready pod looks like a controller: by a word in its image, arguments or labels."""
    for pod in pods:
        if not is_true(fields(pod, "status"), "Ready"):
            continue
        parts = [str(value) for value in labels(pod).values()]
        for container in rows(pod, "spec", "containers"):
            parts += [str(container.get("image")), *(str(part) for part in container.get("args") or ())]
        text = _plain(" ".join(parts))
        if any(word in text for word in words):
            return True
    return False


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def unserved(ingress: Object) -> Finding:
    """Return the finding for an Ingress without an address whose controller is not there."""
    name, wanted = meta(ingress, "name"), dig(ingress, "spec", "ingressClassName")
    cause = f"The Ingress {name} has no address, and no ready controller was found for class {wanted}."
    return Finding("ingress_no_address", cause, meta(ingress, "namespace"), f"Ingress/{name}")
