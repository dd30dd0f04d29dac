# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking once, by the type of a check. Private to the collection."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import fill, fill_tree, fill_url
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import SCHEMES, Check
from ansible_collections.slipway.kube.plugins.module_utils._health.forms import build_body
from ansible_collections.slipway.kube.plugins.module_utils._health.greetings import greet_postgres, greet_redis
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    Origin,
    check_url,
    choose_proxy,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.client import Client
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection, Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.cookies import CookieStore
from ansible_collections.slipway.kube.plugins.module_utils._http.events import Event, EventReader
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.mcp import ServerSentEvents, StreamableHttp, converse
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import make_context
from ansible_collections.slipway.kube.plugins.module_utils._http.websocket import WebSocket, open_websocket
from ansible_collections.slipway.kube.plugins.module_utils._kube.streams import PodStreams

# A bare TLS check does not know which protocol the port speaks, so it offers none.
ALPN = {"grpc": "h2", "tls": "", "postgres": "", "redis": ""}
SECURE = frozenset({"tls", "grpcs", "rediss"})
MAX_THREADS = 32


class Asker:
    """Asks what the checks of one run say. The variables and the cookies of the run are filled in."""

    def __init__(
        self, checks: Iterable[Check], variables: Mapping[str, Any], masker: Masker, cluster: PodStreams
    ) -> None:
        self.threads = ThreadPool(MAX_THREADS)
        self._connector = Connector(self.threads)
        self._variables, self._masker, self._cluster = variables, masker, cluster
        self._cookies: dict[str, CookieStore] = {}
        # Whose cookies nobody sends on need not be kept.
        self._awaited = {name for check in checks for name in check.depends_on}
        self._by_type: dict[str, Callable[[Check, Timings], Any]] = {
            "http": self._http,
            "graphql": self._graphql,
            "sse": self._events,
            "websocket": self._websocket,
            "mcp": self._mcp,
            "command": self._command,
            "dns": self._dns,
        }

    async def ask(self, check: Check, timings: Timings) -> Response:
        """Ask once; raises CheckError with the fault of this attempt, and never later than the caller cancels it."""
        response: Response = await self._by_type.get(check.type, self._connected)(check, timings)
        return response

    # ------------------------------------------------------------ what is filled in
    def _url(self, check: Check) -> str:
        return check_url(fill_url(check.url, self._variables), SCHEMES[check.type]).partition("#")[0]

    def _headers(self, check: Check) -> dict[str, str]:
        return {name: fill(value, self._variables) for name, value in check.headers.items()}

    def _filled(self, check: Check) -> dict[str, Any]:
        filled: dict[str, Any] = fill_tree(check.detail, self._variables)
        return filled

    def _connect_options(self, check: Check) -> ConnectOptions:
        dial = None
        if check.via == "port_forward":

            def dial(_host: str, port: int) -> Any:
                return self._cluster.forward(check.kubernetes, port, check.timeout)

        return ConnectOptions(
            resolve=check.resolve,
            unix_socket=check.unix_socket if check.via == "unix_socket" else None,
            proxy=check.proxy,
            environment_proxy=check.environment_proxy,
            dial=dial,
        )

    def _client(self, check: Check, **options: Any) -> Client:
        cookies = self._cookie_store(check)
        return Client(
            self._connector,
            check.max_body_bytes,
            self._connect_options(check),
            options.get("tls", check.tls),
            check.follow_redirects,
            cookies,
            self._masker.learn,
        )

    def _cookie_store(self, check: Check) -> CookieStore | None:
        """Return the cookies of the checks that this one depends on, to which its own are added; None where none can matter."""
        before = [self._cookies[name] for name in check.depends_on if name in self._cookies]
        if not check.cookies or check.via == "api_proxy":
            return None
        if not before and not check.follow_redirects and check.name not in self._awaited:
            return None
        store = CookieStore(before)
        self._cookies[check.name] = store
        return store

    # ------------------------------------------------------------ HTTP and what goes over it
    async def _http(self, check: Check, timings: Timings) -> Response:
        url, headers = self._url(check), self._headers(check)
        body, kind = build_body(check.body, check.body_format, self._variables, check.files)
        if kind and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = kind
        return await self._requested(check, Request(check.method, url, headers, body), timings)

    async def _requested(self, check: Check, request: Request, timings: Timings) -> Response:
        url, tls = request.url, check.tls
        if check.via == "api_proxy":
            timings.enter("kubernetes")
            proxied = await self.threads.run(functools.partial(self._cluster.api_proxy, check.kubernetes, url))
            for value in proxied.headers.values():
                self._masker.add(value)
            headers = {**request.headers, **proxied.headers}
            request, tls = Request(request.method, proxied.url, headers, request.body), proxied.tls
        response = await self._client(check, tls=tls).send(request, timings)
        if check.via == "api_proxy":
            response.url = url
        return response

    async def _graphql(self, check: Check, timings: Timings) -> Response:
        detail = self._filled(check)
        body = {"query": detail["query"], "variables": detail.get("variables") or {}}
        if detail.get("operation"):
            body["operationName"] = detail["operation"]
        accept = "application/graphql-response+json, application/json;q=0.9"
        headers = {"Content-Type": "application/json", "Accept": accept, **self._headers(check)}
        return await self._requested(
            check, Request("POST", self._url(check), headers, json.dumps(body).encode()), timings
        )

    async def _events(self, check: Check, timings: Timings) -> Response:
        detail = self._filled(check)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache", **self._headers(check)}
        async with self._client(check).stream(Request("GET", self._url(check), headers), timings) as (response, pieces):
            if response.status != 200:
                raise CheckError("status_unexpected", f"It answered {response.status}.")
            kind = "".join(response.header("content-type")).partition(";")[0].strip().lower()
            if kind != "text/event-stream":
                raise CheckError("event_missing", f"Its answer is {kind or 'of no type'}, not text/event-stream.")
            found = await _collect(pieces, detail)
        response.body = json.dumps({"events": found}).encode()
        return response

    async def _mcp(self, check: Check, timings: Timings) -> Response:
        detail = self._filled(check)
        transport = ServerSentEvents if detail.get("transport") == "sse" else StreamableHttp
        url = self._url(check)
        async with transport(self._client(check), url, self._headers(check), timings) as opened:
            found = await converse(opened, detail.get("tool"), detail.get("arguments") or {})
            return Response(url=url, body=found.as_body(), certificate=opened.certificate)

    async def _websocket(self, check: Check, timings: Timings) -> Response:
        detail, url, client = self._filled(check), self._url(check), self._client(check)
        headers = self._headers(check)
        if client.cookies and (value := client.cookies.header(url.replace("ws", "http", 1))):
            headers = {"Cookie": value, **headers}
        connection, _forward = await client.connect(url, timings, headers)
        try:
            opened, response = await open_websocket(
                connection, url, headers, detail.get("subprotocols") or (), check.max_body_bytes
            )
            messages = await _exchange(opened, detail)
        finally:
            connection.close()
        response.status = 0
        response.body = json.dumps({"subprotocol": opened.subprotocol, "messages": messages}).encode()
        return response

    # ------------------------------------------------------------ everything else
    async def _command(self, check: Check, timings: Timings) -> Response:
        timings.enter("read")
        code, output = await self.threads.run(
            self._cluster.run, check.kubernetes, check.command, check.timeout, check.max_body_bytes
        )
        return Response(rc=code, body=output)

    async def _dns(self, check: Check, timings: Timings) -> Response:
        host = Origin.of(self._url(check)).host
        addresses = await self._connector.addresses(host, timings)
        return Response(url=check.url, body=json.dumps({"addresses": addresses}).encode())

    async def _connected(self, check: Check, timings: Timings) -> Response:
        url = check_url(fill_url(check.url, self._variables), SCHEMES[check.type])
        scheme, host, port = Origin.of(url)
        context = make_context(check.tls, ALPN[check.type]) if scheme in SECURE else None
        options = self._connect_options(check)
        tunnel = choose_proxy(options, "https", host, port) if check.type == "tls" else None
        connection = await self._connector.open(options, host, port, timings, context, check.tls.server_name, tunnel)
        try:
            response = Response(url=url)
            if check.type == "grpc":
                await self._grpc(check, connection, host, port, "https" if context else "http")
            elif check.type in ("postgres", "redis"):
                response.body = json.dumps(await self._greeting(check, connection)).encode()
            response.certificate = connection.certificate
            return response
        finally:
            connection.close()

    async def _greeting(self, check: Check, connection: Connection) -> dict[str, Any]:
        if check.type == "redis":
            return await greet_redis(connection)
        detail = self._filled(check)
        context = functools.partial(make_context, check.tls, "") if detail.get("encrypted") else None
        user = str(detail.get("user") or "slipway")
        return await greet_postgres(connection, user, str(detail.get("database") or user), context)

    async def _grpc(self, check: Check, connection: Connection, host: str, port: int, scheme: str) -> None:
        # Here, because its tables for header compression take memory that other checks do not need.
        from ansible_collections.slipway.kube.plugins.module_utils._http.grpc import ask as ask_grpc

        state = await ask_grpc(connection, host, port, scheme, check.grpc_service)
        if state != "SERVING":
            raise CheckError("grpc_not_serving", f"The state is {state}.")


def _readable(text: str) -> Any:
    """Return an object or a list that is written as JSON, so that paths lead into it, and any other text as it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, (dict, list)) else text


async def _collect(pieces: AsyncIterator[bytes], detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of the wanted name, as many as are wanted; raises event_missing for those that do not come in time."""
    name, count = detail.get("event"), detail.get("count") or 1
    found: list[Event] = []
    reader = EventReader()
    words = f"event {name!r}" if name else "event"
    try:
        async with asyncio.timeout(detail.get("within")):
            while len(found) < count:
                async with asyncio.timeout(detail.get("silence")):
                    piece = await anext(pieces, None)
                if piece is None:
                    raise CheckError("event_missing", f"The stream ended after {len(found)} of {count} {words}s.")
                found += [event for event in reader.feed(piece) if name in (None, event.name)]
    except TimeoutError:
        limits = [f"{key} is {detail[key]:g} s" for key in ("within", "silence") if detail.get(key)]
        raise CheckError(
            "event_missing", f"{len(found)} of {count} {words}s had arrived; {', '.join(limits)}."
        ) from None
    return [{"event": event.name, "data": _readable(event.data), "id": event.id} for event in found[:count]]


async def _exchange(opened: WebSocket, detail: Mapping[str, Any]) -> list[Any]:
    """Send and receive what is wanted; return the messages that came. Raises websocket_failed."""
    send, code = detail.get("send"), detail.get("close_code")
    if send is not None:
        await opened.send(send if isinstance(send, str) else json.dumps(send, ensure_ascii=False))
    wanted = detail.get("receive")
    wanted = (0 if send is None or code is not None else 1) if wanted is None else wanted
    messages: list[Any] = []
    while len(messages) < wanted or code is not None:
        message = await opened.receive()
        if isinstance(message, int):
            if message != code or len(messages) < wanted:
                text = f"It closed with {message} after {len(messages)} of {wanted} messages"
                raise CheckError("websocket_failed", f"{text}{f', expected is {code}' if code is not None else ''}.")
            return messages
        messages.append(_readable(message) if isinstance(message, str) else f"{len(message)} bytes")
    await opened.close()
    return messages
