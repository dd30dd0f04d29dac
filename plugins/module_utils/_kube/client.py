# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a Kubernetes API in plain JSON. Private to the collection.

The kubernetes library reads the kubeconfig and knows every way of logging in; its typed models are not used, because
building them costs more time than the requests themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

try:
    import urllib3
    import yaml
    from kubernetes import config as kubernetes_config
    from kubernetes.client import Configuration

    HAS_KUBERNETES = True
except ImportError:
    HAS_KUBERNETES = False

MERGE_PATCH = "application/merge-patch+json"


class ClusterError(Exception):
    """The cluster cannot be used: a sentence of cause and one of what to do."""


class UnreachableError(ClusterError):
    """There is no cluster to talk to: no kubeconfig, no such context, or nobody answers."""


class ApiError(ClusterError):
    """The API answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class Cluster:
    """One connection to the API server that a kubeconfig's context names."""

    def __init__(self, kubeconfig: str | None, context: str | None, timeout: float = 10.0) -> None:
        """Read the kubeconfig. Raises UnreachableError when it or the context is not there."""
        configuration = Configuration()
        path = str(Path(kubeconfig).expanduser()) if kubeconfig else None
        try:
            load: Callable[..., None] = kubernetes_config.load_kube_config
            load(config_file=path, context=context, client_configuration=configuration)
        except (
            kubernetes_config.ConfigException,
            yaml.YAMLError,
            OSError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise UnreachableError(
                f"The kubeconfig {path or 'of this user'} cannot be used with context {context or '(current)'}: "
                f"{' '.join(str(error).split()).rstrip('.')}. Bring the cluster up, or correct the path and the context."
            ) from None
        self._host = str(configuration.host).rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "slipway"}
        token = configuration.get_api_key_with_prefix("authorization") or configuration.get_api_key_with_prefix(
            "BearerToken"
        )
        if token:
            self._headers["Authorization"] = token
        options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
            "retries": False,
            "cert_reqs": "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE",
            "ca_certs": configuration.ssl_ca_cert,
            "cert_file": configuration.cert_file,
            "key_file": configuration.key_file,
        }
        proxy = getattr(configuration, "proxy", None)
        self._pool: Any = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
    ) -> Any:
        """Send one request; returns the decoded JSON, or the text when C(raw).

        Raises UnreachableError when nobody answers and ApiError for every status from 400 on.
        """
        headers = dict(self._headers)
        if raw:
            headers["Accept"] = "*/*"
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        address = path + (f"?{urlencode(query)}" if query else "")
        status, text = self._send(method, address, headers=headers, body=data)
        if status >= 400:
            raise _api_error(status, text, method, path)
        return text if raw else json.loads(text)

    def ask(self, path: str, timeout: float = 3.0) -> tuple[int, str]:
        """Return status and body of a request that the API server hands on to a pod, whatever the status is.

        Raises UnreachableError when there is no answer within C(timeout) seconds.
        """
        return self._send("GET", path, headers={**self._headers, "Accept": "*/*"}, timeout=timeout)

    def _send(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        try:
            answer = self._pool.request(method, self._host + path, **options)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"The Kubernetes API at {self._host} does not answer: {_short(error)}. "
                "Bring the cluster up, or correct the kubeconfig."
            ) from None
        return int(answer.status), answer.data.decode("utf-8", "replace")

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the items of a list call."""
        found = self.request("GET", path, query).get("items") or []
        return list(found)


def _short(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split())[:300]


def _api_error(status: int, text: str, method: str, path: str) -> ApiError:
    reason, message = "", text[:300]
    try:
        data = json.loads(text)
        reason, message = str(data.get("reason") or ""), str(data.get("message") or message)
    except (ValueError, AttributeError):
        pass
    remedy = {
        401: "Log in to the cluster again; the credentials of the kubeconfig are not accepted.",
        403: "Ask for the right to do this, or use another user of the kubeconfig.",
        404: "Check the namespace and the name.",
        409: "Somebody else changed it at the same time; run this again.",
    }.get(status, "Look at the message.")
    return ApiError(status, reason, f"The Kubernetes API refused {method} {path} with {status}: {message}. {remedy}")
