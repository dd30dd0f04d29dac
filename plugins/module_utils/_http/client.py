# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, their redirects, and what came back. Private to the collection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    Origin,
    ascii_host,
    choose_proxy,
    proxy_headers,
    split_host,
    without_query,
    without_zone,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection, Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.cookies import CookieStore
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.http11 import ResponseReader, encode_request
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.module_utils._http.redirects import REDIRECTS, redirected
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls, make_context

AT_ONCE = 32 * 1024
"""Bytes that the operating system takes without anybody reading them: of a larger request the answer may come before its end."""


@dataclass(frozen=True)
class Client:
    """Sends requests, each over a connection of its own."""

    connector: Connector
    max_body_bytes: int
    options: ConnectOptions = field(default_factory=ConnectOptions)
    tls: Tls = field(default_factory=Tls)
    follow_redirects: int = 0
    cookies: CookieStore | None = None
    learn: Callable[[list[str]], None] | None = None
    """Is told the values of all cookies, so that they are not shown."""

    async def send(self, request: Request, timings: Timings) -> Response:
        """Send a request and follow at most so many redirects; the timings are those of the last request."""
        seen = {(request.method, request.url)}
        first = Origin.of(request.url)
        while True:
            response = await self._once(self._with_cookies(request), timings)
            self._keep_cookies(request.url, response)
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

    def _with_cookies(self, request: Request) -> Request:
        """Return the request with the cookies for its URL, unless it brings its own."""
        value = self.cookies.header(request.url) if self.cookies else None
        if value is None or any(name.lower() == "cookie" for name in request.headers):
            return request
        return replace(request, headers={**request.headers, "Cookie": value})

    def _keep_cookies(self, url: str, response: Response) -> None:
        headers = response.header("set-cookie") if self.cookies is not None else []
        if self.cookies is not None and headers:
            values = self.cookies.keep(url, headers)
            if self.learn:
                self.learn(values)

    async def _once(self, request: Request, timings: Timings) -> Response:
        connection, reader, data = await self._open(request, timings)
        try:
            if len(data) <= AT_ONCE:
                await connection.send(data)
                response = await reader.read(request.method, self.max_body_bytes)
            else:
                async with _sending(connection, data):
                    response = await reader.read(request.method, self.max_body_bytes)
            response.url = request.url
            response.certificate = connection.certificate
            return response
        finally:
            connection.close()

    @contextlib.asynccontextmanager
    async def stream(self, request: Request, timings: Timings) -> AsyncIterator[tuple[Response, AsyncIterator[bytes]]]:
        """Send a request; yields the head of its answer, and its body in decoded pieces as they arrive. No redirect is followed."""
        connection, reader, data = await self._open(self._with_cookies(request), timings)
        try:
            async with _sending(connection, data):
                response = await reader.head()
                response.url = request.url
                response.certificate = connection.certificate
                self._keep_cookies(request.url, response)
                yield response, reader.pieces(response, request.method, self.max_body_bytes)
        finally:
            connection.close()

    async def _open(self, request: Request, timings: Timings) -> tuple[Connection, ResponseReader, bytes]:
        """Return a connection of the request's own, what its answer is read from, and the bytes to send."""
        connection, forward = await self.connect(request.url, timings, request.headers)
        try:
            extra = proxy_headers(forward) if forward else None
            protocol, data = encode_request(request, absolute=bool(forward), extra=extra)
        except BaseException:
            connection.close()
            raise
        return connection, ResponseReader(connection, protocol), data

    async def connect(self, url: str, timings: Timings, headers: Mapping[str, str]) -> tuple[Connection, str | None]:
        """Connect to the host of a URL; return the connection, and the proxy at its other end that wants whole addresses."""
        scheme, host, port = Origin.of(url)
        secure = scheme in ("https", "wss")
        proxy = choose_proxy(self.options, "https" if secure else "http", host, port)
        if proxy and not secure and scheme == "http":
            return await self.connector.open_proxy(proxy, timings), proxy
        # The name asked for is the one in the Host header, so that virtual hosts get their own certificate.
        named = next((value for key, value in headers.items() if key.lower() == "host"), host)
        context = make_context(self.tls) if secure else None
        name = self.tls.server_name or without_zone(ascii_host(split_host(named))).rstrip(".")
        return await self.connector.open(self.options, host, port, timings, context, name, proxy), None


@contextlib.asynccontextmanager
async def _sending(connection: Connection, data: bytes) -> AsyncIterator[None]:
    """Send a request while its answer is awaited: a server may refuse it before it has read all (RFC 9110, 10.1.1)."""
    sending = asyncio.create_task(connection.send(data))
    try:
        yield
    finally:
        sending.cancel()
        with contextlib.suppress(CheckError, asyncio.CancelledError):
            await sending
