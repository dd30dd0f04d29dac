# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways through the Kubernetes API for health checks: port forward, API proxy, exec. Private to the collection.

All methods block and are called in threads. Each call builds its own API client where the library's websocket
helper is used, because that helper swaps a method of the client it is given and so is not safe to share.
"""

from __future__ import annotations

import importlib
import os
import random
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._http.address import DEFAULT_PORTS
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls


@dataclass(frozen=True)
class Target:
    """The pod or service of a check that goes through the Kubernetes API."""

    namespace: str = "default"
    pod: str | None = None
    service: str | None = None
    selector: str | None = None
    container: str | None = None
    port: int | None = None
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class ApiProxy:
    """How to ask a pod or service through the API server's proxy."""

    url: str
    headers: Mapping[str, str]
    tls: Tls


def is_ready(pod: Any) -> bool:
    """Say whether a pod runs, is ready and is not on its way out."""
    if pod.metadata.deletion_timestamp is not None or pod.status.phase != "Running":
        return False
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions or ())


def pod_port(service: Any, pod: Any, port: int) -> int:
    """Translate a service's port into the pod's (kubectl port-forward does the same); unknown ports stay."""
    for item in service.spec.ports or ():
        if item.port != port:
            continue
        wanted = item.target_port
        if wanted is None or isinstance(wanted, int):
            return wanted or port
        for container in pod.spec.containers:
            for declared in container.ports or ():
                if declared.name == wanted:
                    return int(declared.container_port)
    return port


def proxy_path(target: Target, scheme: str, port: int, path: str) -> str:
    """Return the API server's path to a pod or service."""
    kind, name = ("pods", target.pod) if target.pod else ("services", target.service)
    middle = quote(f"{scheme}:{name}:{port}" if scheme == "https" or kind == "services" else f"{name}:{port}", safe=":")
    return f"/api/v1/namespaces/{quote(target.namespace)}/{kind}/{middle}/proxy{path or '/'}"


class Cluster:
    """The API servers that the checks' targets name, each kubeconfig and context loaded once."""

    def __init__(self) -> None:
        self._configurations: dict[tuple[str | None, str | None], Any] = {}
        self._lock = threading.Lock()

    def _client(self, target: Target) -> Any:
        client, config = _library("client"), _library("config")
        path = os.path.expanduser(target.kubeconfig) if target.kubeconfig else None
        key = (path, target.context)
        with self._lock:
            if key not in self._configurations:
                configuration = client.Configuration()
                try:
                    config.load_kube_config(
                        config_file=path, context=target.context, client_configuration=configuration
                    )
                except Exception as error:  # the library raises its own, YAML's and file errors alike
                    raise CheckError("kubeconfig_invalid", f"{_reason(error)}.") from None
                configuration.retries = False
                self._configurations[key] = configuration
        return client.ApiClient(configuration=self._configurations[key])

    def pod(self, target: Target, timeout: float) -> tuple[str, Any, Any]:
        """Find a ready pod of a target; return its name, the pod, and the service if one was named."""
        core = _library("client").CoreV1Api(self._client(target))
        try:
            if target.pod:
                pod = core.read_namespaced_pod(target.pod, target.namespace, _request_timeout=timeout)
                return target.pod, pod, None
            service, selector = None, target.selector
            if target.service:
                service = core.read_namespaced_service(target.service, target.namespace, _request_timeout=timeout)
                selector = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
                if not selector:
                    raise CheckError("pod_not_found", f"Service {target.service} selects no pods.")
            found = core.list_namespaced_pod(target.namespace, label_selector=selector, _request_timeout=timeout).items
        except CheckError:
            raise
        except Exception as error:  # the library raises its own and urllib3's errors alike
            raise _api_error(error) from None
        ready = [pod for pod in found if is_ready(pod)]
        if not ready:
            raise CheckError("pod_not_found", f"{target.namespace}: {len(found)} match {selector}, none is ready.")
        # Any of them, so that a streak of good answers means more than one good pod.
        pod = random.choice(ready)
        return pod.metadata.name, pod, service

    def forward(self, target: Target, port: int, timeout: float) -> socket.socket:
        """Open a port forward and return a socket that speaks to the pod."""
        client = self._client(target)
        api, portforward = _library("client"), _library("stream").portforward
        name, pod, service = self.pod(target, timeout)
        wanted = target.port or port
        if service is not None:
            wanted = pod_port(service, pod, wanted)
        try:
            forwarded = portforward(
                api.CoreV1Api(client).connect_get_namespaced_pod_portforward,
                name,
                target.namespace,
                ports=str(wanted),
                _request_timeout=timeout,
            )
            theirs = forwarded.socket(wanted)
            # A socket of our own on the same stream: the library's is a wrapper that an event loop refuses.
            ours = socket.socket(fileno=os.dup(theirs.fileno()))
            # Otherwise the library's thread would never see the end of the stream.
            theirs.close()
            return ours
        except Exception as error:  # the library raises its own and the websocket's errors alike
            raise _api_error(error) from None

    def api_proxy(self, target: Target, url: str) -> ApiProxy:
        """Return the address, headers and TLS options that ask a URL's path through the API server."""
        configuration = self._client(target).configuration
        parts = urlsplit(url)
        port = target.port or parts.port or DEFAULT_PORTS[parts.scheme]
        path = proxy_path(target, parts.scheme, port, parts.path)
        settings = configuration.auth_settings().values()
        return ApiProxy(
            url=configuration.host.rstrip("/") + path + (f"?{parts.query}" if parts.query else ""),
            headers={item["key"]: item["value"] for item in settings if item["in"] == "header" and item["value"]},
            tls=Tls(
                verify=bool(configuration.verify_ssl),
                ca_path=configuration.ssl_ca_cert,
                client_cert=configuration.cert_file,
                client_key=configuration.key_file,
                server_name=getattr(configuration, "tls_server_name", None),
            ),
        )

    def run(self, target: Target, command: Sequence[str], timeout: float, limit: int) -> tuple[int, bytes]:
        """Run a command in a pod; return its code and what it wrote, both streams together."""
        client = self._client(target)
        api, stream = _library("client"), _library("stream").stream
        end = time.monotonic() + timeout
        name, _pod, _service = self.pod(target, timeout)
        output = bytearray()
        try:
            session = stream(
                api.CoreV1Api(client).connect_get_namespaced_pod_exec,
                name,
                target.namespace,
                container=target.container,
                command=list(command),
                stderr=True,
                stdin=False,
                stdout=True,
                tty=False,
                _preload_content=False,
                _request_timeout=timeout,
            )
        except Exception as error:  # the library raises its own and the websocket's errors alike
            raise _api_error(error) from None
        try:
            running = True
            while running:
                left = end - time.monotonic()
                if left <= 0:
                    raise CheckError("read_timeout", f"The command still ran after {timeout:g} s.")
                session.update(timeout=min(left, 1.0))
                # Asked before reading: the last words may arrive together with the end.
                running = session.is_open()
                for read in (session.read_stdout, session.read_stderr):
                    text = read(timeout=0)
                    output += text.encode() if isinstance(text, str) else text or b""
                if len(output) > limit:
                    raise CheckError("body_too_large", f"The limit is {limit} bytes.")
            return int(session.returncode or 0), bytes(output)
        except CheckError:
            raise
        except Exception as error:  # as above, while the command runs
            raise _api_error(error) from None
        finally:
            session.close()


def _library(name: str) -> Any:
    """Import a part of the kubernetes library, which is needed for some ways only."""
    try:
        return importlib.import_module(f"kubernetes.{name}")
    except ImportError:
        raise CheckError("library_missing") from None


def _api_error(error: Exception) -> CheckError:
    if getattr(error, "status", None) == 404:
        return CheckError("pod_not_found", f"{_reason(error)}.")
    return CheckError("kubernetes_api", f"{_reason(error)}.")


def _reason(error: Exception) -> str:
    status, reason = getattr(error, "status", None), getattr(error, "reason", None)
    if isinstance(reason, str):
        return f"{status} {reason}" if status else reason.splitlines()[0][:160]
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
