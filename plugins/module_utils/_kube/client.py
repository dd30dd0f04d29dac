# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the Kubernetes API, in plain JSON. Private to the collection.

The kubernetes library's loader reads the kubeconfig and logs in; its typed models are not used, because building them costs more
time than the requests themselves.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies

from ansible_collections.slipway.kube.plugins.module_utils._kube import connections, kubeconfig
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    MERGE_PATCH,
    Api,
    ApiError,
    KubeconfigError,
    KubernetesError,
    UnreachableError,
    find,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import meta

try:
    from urllib3 import HTTPHeaderDict
    from urllib3.exceptions import HTTPError, ProtocolError

    kubeconfig.library()  # now, so that what forks of this process import is here already
    HAS_KUBERNETES = True
except ImportError:
    HAS_KUBERNETES = False

__all__ = [
    "MERGE_PATCH",
    "Api",
    "ApiError",
    "KubeconfigError",
    "KubernetesClient",
    "KubernetesError",
    "UnreachableError",
]

# A list of Secrets with Helm's records may be long.
MAX_BODY = 128 << 20
# Of what a pod or a failed request answers, words are looked at.
MAX_WORDS = 64 << 10
# How often a request is sent at most when nobody takes it or its connection breaks.
MOST_TRIES = 3
_PAUSE = 0.2
_SAFE = frozenset({"GET", "HEAD"})


class KubernetesClient:
    """One API server, as a kubeconfig's context names it. May be used by several threads; close it after use."""

    def __init__(
        self,
        kubeconfig_path: str | None,
        context: str | None,
        timeout: float = 10.0,
        login_seconds: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read the kubeconfig and log in. C(timeout) is the seconds that one request may take, with all its repetitions.

        Raises KubeconfigError when the kubeconfig, its context, its files or its login cannot be used.
        """
        self._timeout = timeout
        self._sleep = sleep
        self.access = kubeconfig.Access(kubeconfig_path, context, login_seconds or kubeconfig.LOGIN_SECONDS)
        try:
            self.connections = connections.Connections(self.access, getproxies())
        except (OSError, ValueError) as error:
            self.access.close()
            raise KubeconfigError(
                f"The kubeconfig {kubeconfig_path or 'of this user'} cannot be used with context {context or '(current)'}: "
                f"{_short(error)}. Correct the certificates, keys and proxy that it names."
            ) from None
        self._host = self.access.host

    def __enter__(self) -> KubernetesClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and remove the files that hold keys of the kubeconfig."""
        self.connections.close()
        self.access.close()

    def identity(self) -> str:
        """Return what stands for this cluster, whatever leads to it: the UID of the namespace kube-system.

        Where that may not be read, the address of the API server. Raises KubernetesError.
        """
        try:
            found = find(self, "/api/v1/namespaces/kube-system")
        except ApiError as error:
            if error.status != 403:
                raise
            found = None
        return meta(found or {}, "uid") or self._host

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Send one request; returns the decoded JSON object, or the text when C(raw).

        Raises UnreachableError when there is no whole answer in time, ApiError for every status from 400 on, and KubernetesError
        when something else than a Kubernetes API answers.
        """
        headers = {"Accept": "*/*" if raw else "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        address = path + (f"?{urlencode(query)}" if query else "")
        status, found, text = self._send(method, address, headers, data, timeout or self._timeout)
        if 300 <= status < 400:
            raise self._not_kubernetes(
                method, path, f"with {status}, a redirect to {found.get('Location') or 'nowhere'}"
            )
        if raw:
            return text.decode("utf-8", "replace")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            kind = str(found.get("Content-Type") or "something without a type").partition(";")[0]
            raise self._not_kubernetes(method, path, f"with {kind} instead of a JSON object")
        return answer

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the items of a list call."""
        return list(self.request("GET", path, query).get("items") or [])

    def ask(self, path: str, timeout: float = 3.0) -> tuple[int, str]:
        """Return status and the first words of what a pod or Service answers by way of the API server, whatever the status is.

        Raises UnreachableError when there is no whole answer within C(timeout) seconds.
        """
        end = time.monotonic() + timeout
        try:
            status, _headers, text = self._once("GET", path, {"Accept": "*/*"}, None, end, MAX_WORDS, False)
        except HTTPError as error:
            raise self._unreachable("GET", path, error) from None
        return status, text.decode("utf-8", "replace")

    def _send(
        self, method: str, address: str, headers: dict[str, str], data: bytes | None, seconds: float
    ) -> tuple[int, Any, bytes]:
        """Send a request, again while that is safe and time is left: see C(_again)."""
        end = time.monotonic() + seconds
        path = address.partition("?")[0]
        tries = 0
        while True:
            tries += 1
            try:
                status, found, text = self._once(method, address, headers, data, end, MAX_BODY, True)
            except HTTPError as error:
                pause = _PAUSE * tries * (1 + random.random()) if self._again(method, error, tries) else None
                if pause is None or time.monotonic() + pause >= end:
                    raise self._unreachable(method, path, error) from None
            except connections.TooLargeError as error:
                raise KubernetesError(
                    f"The answer to {method} {path} of the Kubernetes API at {self._host} is longer than {error}. "
                    "Remove what is no longer needed, or request less."
                ) from None
            else:
                if status < 400:
                    return status, found, text
                pause = _retry_after(method, status, found.get("Retry-After"))
                if pause is None or time.monotonic() + pause >= end:
                    raise _api_error(status, text[:MAX_WORDS].decode("utf-8", "replace"), method, path)
            self._sleep(pause)

    @staticmethod
    def _again(method: str, error: Exception, tries: int) -> bool:
        """Tell whether a request may be sent again: one that nobody took, or that only reads and whose connection broke."""
        if tries >= MOST_TRIES:
            return False
        if isinstance(error, connections.NotSentError):
            return error.refused
        return method in _SAFE and isinstance(error, ProtocolError)

    def _once(
        self,
        method: str,
        address: str,
        headers: dict[str, str],
        data: bytes | None,
        end: float,
        limit: int,
        whole: bool,
    ) -> tuple[int, Any, bytes]:
        sent = HTTPHeaderDict({"User-Agent": "slipway", **headers, **self.access.headers()})
        for name, value in self.access.impersonation:
            sent.add(name, value)
        return self.connections.send(method, self._host + address, sent, data, end, limit, whole)

    def _unreachable(self, method: str, path: str, error: Exception) -> UnreachableError:
        unsure = method not in _SAFE and not isinstance(error, connections.NotSentError)
        return UnreachableError(
            f"The Kubernetes API at {self._host} does not answer: {_short(error)}. "
            + (f"Whether {method} {path} was carried out is not known. " if unsure else "")
            + "Start the cluster, or correct the kubeconfig."
        )

    def _not_kubernetes(self, method: str, path: str, what: str) -> KubernetesError:
        proxy = " and the proxy on the way to it (HTTPS_PROXY, NO_PROXY)" if self.connections.proxy else ""
        return KubernetesError(
            f"{self._host} answers {method} {path} {what}, so it is not a Kubernetes API: a login page or a proxy is in front of it. "
            f"Correct the server in the kubeconfig{proxy}."
        )


def _retry_after(method: str, status: int, told: Any) -> float | None:
    """Return after how many seconds a refused request may be sent again, None for never.

    An API server that answers 429 has not carried out the request; one that answers 503 may have.
    """
    if not (status == 429 or (status == 503 and method in _SAFE)):
        return None
    return max(_PAUSE, float(told)) if re.fullmatch("[0-9]+", str(told or "")) else None


def _short(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split()).rstrip(".")[:300]


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
        429: "Run this again later; the API server has too much to do.",
    }.get(status, "Look at the message.")
    return ApiError(status, reason, f"The Kubernetes API refused {method} {path} with {status}: {message}. {remedy}")
