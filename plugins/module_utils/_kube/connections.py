# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pooled connections to one server whose every request ends at its deadline. Private to the collection.

A time-out of urllib3 holds for each read, so a server that sends a byte now and then would never meet it: a timer closes the
connection instead.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._kube.kubeconfig import Access

try:
    import urllib3
    from requests.utils import should_bypass_proxies
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
except ImportError:  # the modules say so, by module_base
    HTTPConnection = HTTPSConnection = HTTPConnectionPool = HTTPSConnectionPool = object  # type: ignore[assignment,misc]
    HTTPError = Exception  # type: ignore[assignment,misc]

CONNECT_SECONDS = 5.0
_CHUNK = 65536


class TooLargeError(Exception):
    """A body is longer than what may be read of it."""


class NotSentError(HTTPError):
    """Nobody took the request, so it was not carried out. C(refused) says that the server's port was closed."""

    def __init__(self, message: str, refused: bool) -> None:
        self.refused = refused
        super().__init__(message)


class LateError(HTTPError):
    """The deadline passed before the answer was complete."""


def _cut(taken: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not through TLS, whose state belongs to the thread that reads.
        socket.socket.shutdown(taken, socket.SHUT_RDWR)


class _Bounded:
    """Part of a connection that is closed when its answer is not complete in time; C(timeout) is what is left then."""

    timeout: Any
    sock: Any

    def getresponse(self) -> Any:
        timer = threading.Timer(max(0.0, self.timeout), _cut, [self.sock])
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()  # type: ignore[misc]
        except BaseException:
            timer.cancel()
            raise
        answer.timer = timer
        return answer


class _Plain(_Bounded, HTTPConnection):
    pass


class _Secure(_Bounded, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def proxy_of(access: Access, environment: dict[str, str]) -> str | None:
    """Return the proxy on the way to the API server: the kubeconfig's, otherwise the environment's unless it excepts the server.

    As kubectl does, which asks a server on loopback through no proxy of the environment. C(environment) is that of
    urllib.request.getproxies.
    """
    if access.proxy:
        return access.proxy
    parts = urlsplit(access.host)
    found = environment.get(parts.scheme) or environment.get("all")
    if not found or _is_loopback(parts.hostname or "") or should_bypass_proxies(access.host, environment.get("no")):
        return None
    return found if "://" in found else f"http://{found}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(access: Access) -> ssl.SSLContext:
    """Return the context of TLS that a kubeconfig asks for. Raises OSError when one of its files cannot be used."""
    context = ssl.create_default_context(cafile=access.ca_file)
    # Python 3.13 asks for more than kubectl does, and than certificates of many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = access.verify
    context.verify_mode = ssl.CERT_REQUIRED if access.verify else ssl.CERT_NONE
    if access.cert_file:
        context.load_cert_chain(access.cert_file, access.key_file)
    return context


class Connections:
    """Connections to the API server that an access names. Raises OSError for what TLS cannot use, ValueError for a proxy."""

    def __init__(self, access: Access, environment: dict[str, str]) -> None:
        self._access = access
        self.context = tls_context(access) if access.host.startswith("https://") else None
        self.proxy = proxy_of(access, environment)
        options: dict[str, Any] = {"retries": False, "maxsize": 4}
        if self.context:
            options["ssl_context"] = self.context
            if access.server_name:
                # Not assert_hostname: for that urllib3 turns off the check of the shared context, which streams rely on.
                options["server_hostname"] = access.server_name
            if not access.verify:
                options |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
        self._pool: Any = _manager(self.proxy, options)
        self._pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, end: float, limit: int, whole: bool
    ) -> tuple[int, Any, bytes]:
        """Send one request, once; return status, headers and body.

        C(end) is the monotonic time by which the answer must be complete, C(limit) the most bytes of its body: of a longer one
        only those are returned, or TooLargeError is raised when the C(whole) is wanted. Raises urllib3's errors.
        """
        left = end - time.monotonic()
        if left <= 0:
            raise LateError("no time is left")
        wait = urllib3.Timeout(total=left, connect=min(CONNECT_SECONDS, left), read=left)
        answer = None
        try:
            answer = self._pool.request(
                method, url, headers=headers, body=body, timeout=wait, preload_content=False, redirect=False
            )
            found = self._read(answer, limit, whole)
        except HTTPError as error:
            if isinstance(error, NewConnectionError | ConnectTimeoutError):
                cause = getattr(error, "__cause__", None) or error.__context__
                raise NotSentError(str(cause or error), isinstance(cause, ConnectionRefusedError)) from None
            if time.monotonic() >= end or isinstance(error, urllib3.exceptions.TimeoutError):
                raise LateError("the answer was not complete in time") from None
            raise
        finally:
            if answer is not None:
                answer.timer.cancel()
        if time.monotonic() >= end:
            raise LateError("the answer was not complete in time")
        return int(answer.status), answer.headers, found

    @staticmethod
    def _read(answer: Any, limit: int, whole: bool) -> bytes:
        found = bytearray()
        for part in answer.stream(_CHUNK):
            found += part
            if len(found) > limit:
                answer.close()  # the rest is not wanted, so the connection cannot be used again
                if whole:
                    raise TooLargeError(f"{limit >> 20} MiB")
                return bytes(found[:limit])
        answer.release_conn()
        return bytes(found)

    def open(self, seconds: float) -> socket.socket:
        """Return a connection of its own to the API server, for a stream. Raises OSError and HTTPException."""
        server = urlsplit(self._access.host)
        port = server.port or (443 if self.context else 80)
        way = urlsplit(self.proxy or self._access.host)
        # The tunnel through a proxy is that of http.client, TLS with the server comes after it.
        kind = http.client.HTTPSConnection if self.proxy and way.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(way.hostname), way.port or (80 if self.proxy else port), timeout=seconds)
        if self.proxy:
            connection.set_tunnel(str(server.hostname), port, _login(self.proxy))
        connection.connect()
        found: socket.socket = connection.sock
        if self.context:
            found = self.context.wrap_socket(found, server_hostname=self._access.server_name or server.hostname)
        return found

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()


def _manager(proxy: str | None, options: dict[str, Any]) -> Any:
    if not proxy:
        return urllib3.PoolManager(**options)
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"a proxy of the kind {scheme} is not supported, only http and https")
    return urllib3.ProxyManager(proxy, proxy_headers=_login(proxy), **options)


def _login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    return dict(urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"))
