# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the workload behind a failing check does not serve. Private to the collection.

The judging is that of rollout_status; this narrows its view to one workload and what leads to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import Workload
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api

Object = Mapping[str, Any]
Diagnosis = dict[str, Any]

_PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
_AT_ONCE = re.compile(r"^0 s have passed(?:\.| and) (\w)")


def _labels(item: Object) -> Mapping[str, Any]:
    return ((item.get("metadata") or {}).get("labels")) or {}


def _pod_labels(item: Object) -> Mapping[str, Any]:
    return _labels((item.get("spec") or {}).get("template") or {})


def _name(item: Object) -> str:
    return str((item.get("metadata") or {}).get("name") or "")


def leads_to(service: Object, workload: Object) -> bool:
    """Tell whether a Service selects the pods that a workload makes."""
    wanted = (service.get("spec") or {}).get("selector") or {}
    made = _pod_labels(workload)
    return bool(wanted) and all(made.get(key) == value for key, value in wanted.items())


def backends(ingress: Object) -> set[str]:
    """Return the names of the Services that an Ingress leads to."""
    spec = ingress.get("spec") or {}
    paths = [path for rule in spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()]
    found = [spec.get("defaultBackend") or {}, *(path.get("backend") or {} for path in paths)]
    return {str((backend.get("service") or {}).get("name")) for backend in found if backend.get("service")}


def own(code: str, detail: str = "") -> Diagnosis:
    """Return a diagnosis that says why there is no other, with a code of this module's faults."""
    error = CheckError(code, detail)
    about = {"namespace": "", "object": "", "container": "", "log": [], "events": []}
    return {"code": code, "cause": error.message, "suggestion": error.fault.suggestion, **about}


class WorkloadView:
    """The API as if there were nothing but one workload, the Services that lead to it and their Ingresses."""

    def __init__(self, api: Any, workload: Workload) -> None:
        self._api: Api = api
        self.selector = f"{workload.kind}/{workload.name}"
        namespace = workload.namespace
        self._services = api.items(f"/api/v1/namespaces/{namespace}/services")
        everything = {
            plural: api.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}") for plural in _PLURALS.values()
        }
        if workload.kind == "Service":
            self._services = [item for item in self._services if _name(item) == workload.name]
            self._workloads = _behind_service(self._services, everything)
        else:
            plural = _PLURALS[workload.kind]
            self._workloads = {plural: [item for item in everything[plural] if _name(item) == workload.name]}
            mine = self._workloads[plural]
            self._services = [item for item in self._services if any(leads_to(item, one) for one in mine)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def items(self, path: str, **query: str) -> list[Any]:
        """Return the items of a list call; with the selector of this view, those that belong to it."""
        if query.get("labelSelector") != self.selector:
            return self._api.items(path, **query)
        plural = path.rpartition("/")[2]
        if plural == "services":
            return list(self._services)
        if plural == "ingresses":
            names = {_name(item) for item in self._services}
            return [item for item in self._api.items(path) if backends(item) & names]
        return list(self._workloads.get(plural, ()))


def _behind_service(services: Sequence[Object], everything: Mapping[str, Sequence[Object]]) -> dict[str, list[Object]]:
    """Return the workloads that a Service selects; if it selects none, those of its release, which it should."""
    found = {
        plural: [item for item in items if any(leads_to(service, item) for service in services)]
        for plural, items in everything.items()
    }
    if any(found.values()):
        return found
    releases = {_labels(service).get("app.kubernetes.io/instance") for service in services} - {None}
    return {
        plural: [item for item in items if _labels(item).get("app.kubernetes.io/instance") in releases]
        for plural, items in everything.items()
    }


def diagnose(
    workload: Workload,
    timeout: float,
    connect: Callable[[str | None, str | None, float], Any] | None = None,
    masker: Masker | None = None,
) -> Diagnosis | None:
    """Take one look at a workload; return what is wrong with it in the shape of rollout_status, or None.

    The masker learns the values of the Secrets beside the workload, which the answer may have shown.
    Blocks for a few requests of at most ``timeout`` seconds each. A cluster that cannot be asked is a diagnosis too.
    """
    # Imported here: the kubernetes library takes longer to load than most checks take altogether.
    from ansible_collections.slipway.kube.plugins.module_utils._kube import client
    from ansible_collections.slipway.kube.plugins.module_utils._rollout import watcher

    if connect is None and not client.HAS_KUBERNETES:
        return own("library_missing")
    try:
        with (connect or client.KubernetesClient)(workload.kubeconfig, workload.context, timeout) as api:
            view = WorkloadView(api, workload)
            options = watcher.Options(deadline=0.0, selector=view.selector)
            looking = watcher.Watcher(view, [(workload.namespace, "")], options, masker=masker)
            looking.learn(workload.namespace)
            found = looking.wait().diagnosis
    except client.KubernetesError as error:
        return watcher.unreachable(error)
    if found is None:
        return None
    # One look says nothing about time.
    cause = _AT_ONCE.sub(lambda start: start.group(1).upper(), str(found["cause"]))
    return {**found, "cause": cause}
