# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways through the Kubernetes API for health checks: port forward, API proxy, exec. Private to the collection.

All methods block and are called in threads. Port forward and exec speak the protocol v4.channel.k8s.io over a websocket: each
message begins with a byte that names its channel (kubernetes/kubernetes, staging/src/k8s.io/kubelet, pkg/cri/streaming). The
kubernetes library's helper for it bounds no connecting, cannot be shared by threads, and fails beyond 1024 open files.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._http.address import DEFAULT_PORTS
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import ApiError, KubeconfigError, KubernetesError
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import (
    Object,
    fields,
    is_true,
    meta,
    rows,
)

_PROTOCOL = "v4.channel.k8s.io"
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3  # channels of exec
_CHUNK = 65536


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


def is_ready(pod: Object) -> bool:
    """Say whether a pod runs, is ready and is not on its way out."""
    status = fields(pod, "status")
    return not meta(pod, "deletionTimestamp") and status.get("phase") == "Running" and is_true(status, "Ready")


def pod_port(service: Object, pod: Object, port: int) -> int:
    """Translate a service's port into the pod's (kubectl port-forward does the same); unknown ports stay."""
    for item in rows(service, "spec", "ports"):
        if item.get("port") != port:
            continue
        wanted = item.get("targetPort")
        if wanted is None or isinstance(wanted, int):
            return wanted or port
        for container in rows(pod, "spec", "containers"):
            for declared in rows(container, "ports"):
                if declared.get("name") == wanted:
                    return int(declared["containerPort"])
    return port


def proxy_path(target: Target, scheme: str, port: int, path: str) -> str:
    """Return the API server's path to a pod or service."""
    kind, name = ("pods", target.pod) if target.pod else ("services", target.service)
    middle = quote(f"{scheme}:{name}:{port}" if scheme == "https" or kind == "services" else f"{name}:{port}", safe=":")
    return f"/api/v1/namespaces/{quote(target.namespace)}/{kind}/{middle}/proxy{path or '/'}"


class PodStreams:
    """Streams to the pods that the checks' targets name, by one client for each kubeconfig and context."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str | None, str | None], Any] = {}
        self._lock = threading.Lock()
        self._login = threading.Lock()  # a lock of its own: closing must not wait for a login that hangs
        self._closed = False

    def close(self) -> None:
        """Close the clients; what was forwarded stays open."""
        with self._lock:
            self._closed = True
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _client(self, target: Target) -> Any:
        # Imported here: the libraries take longer to load than most checks take altogether.
        from ansible_collections.slipway.kube.plugins.module_utils._kube import client

        if not client.HAS_KUBERNETES:
            raise CheckError("library_missing")
        key = (target.kubeconfig, target.context)
        with self._login:
            found = self._clients.get(key)
            if found:
                return found
            try:
                made = client.KubernetesClient(*key)
            except KubeconfigError as error:
                raise CheckError("kubeconfig_invalid", str(error)) from None
            with self._lock:
                if not self._closed:
                    self._clients[key] = made
                    return made
            made.close()  # nobody waits for it any more
            raise CheckError("deadline")

    def pod(self, target: Target, timeout: float) -> tuple[str, Object, Object | None]:
        """Find a ready pod of a target; return its name, the pod, and the service if one was named."""
        client, end = self._client(target), time.monotonic() + timeout
        base = f"/api/v1/namespaces/{quote(target.namespace)}"

        def get(path: str, query: Mapping[str, str] | None = None) -> Any:
            try:
                return client.request("GET", f"{base}/{path}", query, timeout=max(0.01, end - time.monotonic()))
            except KubernetesError as error:
                raise _check_error(error) from None

        if target.pod:
            return target.pod, get(f"pods/{quote(target.pod)}"), None
        service, selector = None, target.selector
        if target.service:
            service = get(f"services/{quote(target.service)}")
            selector = ",".join(f"{key}={value}" for key, value in fields(service, "spec", "selector").items())
            if not selector:
                raise CheckError("pod_not_found", f"Service {target.service} selects no pods.")
        found = rows(get("pods", {"labelSelector": selector} if selector else None), "items")
        ready = [pod for pod in found if is_ready(pod)]
        if not ready:
            raise CheckError("pod_not_found", f"{target.namespace}: {len(found)} match {selector}, none is ready.")
        # Any of them, so that a streak of good answers means more than one good pod.
        pod = random.choice(ready)
        return meta(pod, "name"), pod, service

    def forward(self, target: Target, port: int, timeout: float) -> socket.socket:
        """Open a port forward and return a socket that speaks to the pod."""
        end = time.monotonic() + timeout
        name, pod, service = self.pod(target, timeout)
        wanted = target.port or port
        if service is not None:
            wanted = pod_port(service, pod, wanted)
        stream = self._open(target, name, "portforward", [("ports", str(wanted))], end)
        ours, theirs = socket.socketpair()
        for work in (_to_pod, _from_pod):
            threading.Thread(target=work, args=(stream, theirs), name=f"port forward {wanted}", daemon=True).start()
        return ours

    def api_proxy(self, target: Target, url: str) -> ApiProxy:
        """Return the address, headers and TLS options that ask a URL's path through the API server."""
        access = self._client(target).access
        parts = urlsplit(url)
        port = target.port or parts.port or DEFAULT_PORTS[parts.scheme]
        path = proxy_path(target, parts.scheme, port, parts.path)
        return ApiProxy(
            url=access.host + path + (f"?{parts.query}" if parts.query else ""),
            headers=access.headers(),
            tls=Tls(
                verify=access.verify,
                ca_path=access.ca_file,
                client_cert=access.cert_file,
                client_key=access.key_file,
                server_name=access.server_name,
            ),
        )

    def run(self, target: Target, command: Sequence[str], timeout: float, limit: int) -> tuple[int, bytes]:
        """Run a command in a pod; return its code and what it wrote, both streams together."""
        end = time.monotonic() + timeout
        name, _pod, _service = self.pod(target, timeout)
        query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
        query += [("container", target.container)] if target.container else []
        stream = self._open(target, name, "exec", query, end)
        output, status = bytearray(), b""
        try:
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise CheckError("read_timeout", f"The command still ran after {timeout:g} s.")
                stream.settimeout(left)
                message = _message(stream)
                if message is None:
                    break
                if message[:1] in (bytes([_OUTPUT]), bytes([_ERRORS])):
                    output += message[1:]
                elif message[:1] == bytes([_STATUS]):
                    status += message[1:]
                if len(output) > limit:
                    raise CheckError("body_too_large", f"The limit is {limit} bytes.")
        except TimeoutError:
            raise CheckError("read_timeout", f"The command still ran after {timeout:g} s.") from None
        finally:
            stream.shutdown()
        return _exit_code(status), bytes(output)

    def _open(self, target: Target, pod: str, kind: str, query: Sequence[tuple[str, str]], end: float) -> Any:
        import websocket

        client = self._client(target)
        path = f"/api/v1/namespaces/{quote(target.namespace)}/pods/{quote(pod)}/{kind}?{urlencode(query)}"
        left = max(0.01, end - time.monotonic())
        try:
            return websocket.create_connection(
                f"ws{client.access.host.removeprefix('http')}{path}",
                timeout=left,
                socket=client.connections.open(left),  # its own way would look for proxies only in the environment
                header=[f"{key}: {value}" for key, value in client.access.headers().items()],
                subprotocols=[_PROTOCOL],
                suppress_origin=True,
            )
        except KubernetesError as error:
            raise _check_error(error) from None
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body.decode("utf-8", "replace") if error.resp_body else ""
            code = "pod_not_found" if error.status_code == 404 else "kubernetes_api"
            raise CheckError(code, f"{error.status_code} {_status_message(body)}".strip() + ".") from None
        except (websocket.WebSocketException, http.client.HTTPException, OSError) as error:
            raise CheckError("kubernetes_api", f"{_first_line(error)}.") from None


def _message(stream: Any) -> bytes | None:
    """Return the next message with its channel, None at the end. Raises TimeoutError."""
    import websocket

    try:
        while True:
            kind, data = stream.recv_data(control_frame=False)
            if kind == websocket.ABNF.OPCODE_CLOSE:
                return None
            if data:
                return bytes(data)
    except websocket.WebSocketTimeoutException:
        raise TimeoutError from None
    except (websocket.WebSocketException, OSError):
        return None


def _to_pod(stream: Any, theirs: socket.socket) -> None:
    import websocket

    taken = stream.sock
    with contextlib.suppress(OSError, websocket.WebSocketException):
        while data := theirs.recv(_CHUNK):
            stream.send_binary(b"\0" + data)
    # Wakes the reading thread, which closing would not: there is no half of this protocol that could be closed.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(taken, socket.SHUT_RDWR)


def _from_pod(stream: Any, theirs: socket.socket) -> None:
    greeted: set[int] = set()
    stream.settimeout(None)
    with contextlib.suppress(OSError):
        while message := _message(stream):
            channel = message[0]
            if channel not in greeted:
                greeted.add(channel)  # the first message of each channel repeats the port
            elif channel == 0:
                theirs.sendall(message[1:])
            else:
                break  # the pod refuses the connection, or has closed it
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)
    theirs.close()
    stream.shutdown()


def _exit_code(status: bytes) -> int:
    """Return the exit code that a Status object tells: it lies in the details of a failed command."""
    try:
        found = json.loads(status)
    except ValueError:
        raise CheckError("kubernetes_api", "The connection ended before the command.") from None
    if found.get("status") == "Success":
        return 0
    for cause in rows(found, "details", "causes"):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise CheckError("kubernetes_api", f"{_first_line(found.get('message') or 'The command could not be run')}.")


def _check_error(error: KubernetesError) -> CheckError:
    missing = isinstance(error, ApiError) and error.status == 404
    return CheckError("pod_not_found" if missing else "kubernetes_api", str(error))


def _status_message(body: str) -> str:
    try:
        return _first_line(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return _first_line(body)


def _first_line(text: object) -> str:
    return (str(text).strip().splitlines() or [""])[0][:160].rstrip(".")
