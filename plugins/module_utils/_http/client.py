# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, their redirects, and what came back. Private to the collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import is_sensitive
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    Origin,
    choose_proxy,
    proxy_headers,
    split_host,
    without_query,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.http11 import ResponseReader, encode_request
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls, make_context

REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirected(request: Request, status: int, location: str) -> Request:
    """Return the request that follows a redirect (RFC 9110, 15.4).

    Headers that carry secrets stay behind when the redirect leads to another origin.
    """
    try:
        url = urljoin(request.url, location.strip())
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        valid = valid and parts.username is None and not any(ord(letter) < 33 for letter in url)
    except ValueError:
        valid, url = False, ""
    if not location.strip() or not valid:
        raise CheckError("redirect_invalid", f"Location is {without_query(location)!r}.")
    url = url.partition("#")[0]
    method, body, headers = request.method, request.body, dict(request.headers)
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = {key: value for key, value in headers.items() if key.lower() != "content-type"}
    if Origin.of(url) != Origin.of(request.url):
        headers = {key: value for key, value in headers.items() if not is_sensitive(key) and key.lower() != "host"}
    return Request(method, url, headers, body)


@dataclass(frozen=True)
class Client:
    """Sends requests, each over a connection of its own."""

    connector: Connector
    max_body_bytes: int
    options: ConnectOptions = field(default_factory=ConnectOptions)
    tls: Tls = field(default_factory=Tls)
    follow_redirects: int = 0

    async def send(self, request: Request, timings: Timings) -> Response:
        """Send a request and follow at most so many redirects; the timings are those of the last request."""
        seen = {(request.method, request.url)}
        first = Origin.of(request.url)
        while True:
            response = await self._once(request, timings)
            response.redirects = len(seen) - 1
            targets = response.header("location")
            if not self.follow_redirects or response.status not in REDIRECTS or not targets:
                return response
            if response.redirects == self.follow_redirects:
                text = f"{self.follow_redirects} were followed, the next leads to {without_query(targets[0])}."
                raise CheckError("redirect_limit", text)
            request = redirected(request, response.status, targets[0])
            if (request.method, request.url) in seen:
                raise CheckError("redirect_loop", f"It leads to {without_query(request.url)} again.")
            if (self.options.dial or self.options.unix_socket) and Origin.of(request.url) != first:
                raise CheckError("redirect_invalid", "It leads to another host, which cannot be reached this way.")
            seen.add((request.method, request.url))
            timings.phases.clear()

    async def _once(self, request: Request, timings: Timings) -> Response:
        scheme, host, port = Origin.of(request.url)
        proxy = choose_proxy(self.options, scheme, host, port)
        forward = proxy if scheme == "http" else None
        extra = proxy_headers(forward) if forward else None
        protocol, data = encode_request(request, absolute=bool(forward), extra=extra)
        if forward:
            connection = await self.connector.open_proxy(forward, timings)
        else:
            # The name asked for is the one in the Host header, so that virtual hosts get their own certificate.
            named = next((value for key, value in request.headers.items() if key.lower() == "host"), host)
            context = make_context(self.tls) if scheme == "https" else None
            name = self.tls.server_name or split_host(named)
            connection = await self.connector.open(self.options, host, port, timings, context, name, proxy)
        try:
            await connection.send(data)
            response = await ResponseReader(connection, protocol).read(request.method, self.max_body_bytes)
            response.url = request.url
            response.certificate = connection.certificate
            return response
        finally:
            connection.close()
