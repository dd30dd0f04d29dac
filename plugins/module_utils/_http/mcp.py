# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Model Context Protocol over HTTP, as far as a health check speaks it. Private to the collection.

A check is a client that initializes, lists the tools, calls one if told so, and ends. Both transports of the protocol are known:
streamable HTTP, and the older one with server-sent events. Sources: the protocol's specification of 2025-06-18 (lifecycle, transports,
tools) and of 2024-11-05 (HTTP with SSE).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urljoin

from ansible_collections.slipway.kube.plugins.module_utils._http.address import Origin
from ansible_collections.slipway.kube.plugins.module_utils._http.client import Client
from ansible_collections.slipway.kube.plugins.module_utils._http.events import EventReader
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings

VERSION = "2025-06-18"
MAX_PAGES = 20
"""Pages of tools that are asked for."""


class _Transport(Protocol):
    async def call(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Send a message; return the answer to it, None for a notification."""


@dataclass
class Found:
    """What a server says of itself."""

    server: Mapping[str, Any]
    protocol: str
    tools: list[str]
    result: Any = None

    def as_body(self) -> bytes:
        """Return it as the JSON that expectations look into."""
        found = {"server": self.server, "protocol": self.protocol, "tools": self.tools, "result": self.result}
        return json.dumps(found).encode()


@dataclass
class _Session:
    """The conversation, whatever carries it."""

    transport: _Transport
    _number: int = 0

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        self._number += 1
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        answer = await self.transport.call(message) or {}
        error = answer.get("error")
        if isinstance(error, Mapping):
            raise CheckError("mcp_failed", f"{method}: {str(error.get('message', error))[:160]}.")
        result = answer.get("result")
        if not isinstance(result, Mapping):
            raise CheckError("mcp_failed", f"{method}: the answer has no result.")
        return result

    async def tell(self, method: str) -> None:
        await self.transport.call({"jsonrpc": "2.0", "method": method})

    async def tools(self) -> list[str]:
        names: list[str] = []
        params: dict[str, Any] = {}
        for _page in range(MAX_PAGES):
            result = await self.ask("tools/list", params)
            listed = result.get("tools")
            if not isinstance(listed, list):
                raise CheckError("mcp_failed", "tools/list: the answer lists no tools.")
            names += [str(tool.get("name")) for tool in listed if isinstance(tool, Mapping)]
            if not result.get("nextCursor"):
                return names
            params = {"cursor": result["nextCursor"]}
        raise CheckError("mcp_failed", f"tools/list: there are more than {MAX_PAGES} pages.")


async def converse(transport: _Transport, tool: str | None, arguments: Mapping[str, Any]) -> Found:
    """Initialize, list the tools, and call one if it is named; raises CheckError."""
    session = _Session(transport)
    client = {"name": "slipway-health-check", "version": "1"}
    welcome = await session.ask("initialize", {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client})
    protocol = str(welcome.get("protocolVersion", ""))
    if isinstance(transport, StreamableHttp):
        transport.protocol = protocol
    await session.tell("notifications/initialized")
    offers = welcome.get("capabilities")
    tools = await session.tools() if isinstance(offers, Mapping) and "tools" in offers else []
    server = welcome.get("serverInfo")
    found = Found(server if isinstance(server, Mapping) else {}, protocol, tools)
    if tool is None:
        return found
    if tool not in tools:
        raise CheckError("mcp_failed", f"There is no tool {tool!r}; it lists {', '.join(tools)[:120] or 'none'}.")
    found.result = await session.ask("tools/call", {"name": tool, "arguments": arguments})
    if found.result.get("isError"):
        raise CheckError("mcp_failed", f"Tool {tool} says: {_words(found.result)}.")
    return found


def _words(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    texts = (
        [str(item.get("text", "")) for item in content if isinstance(item, Mapping)]
        if isinstance(content, list)
        else []
    )
    return " ".join(texts)[:160] or "an error"


def _refused(response: Response, body: bytes = b"") -> CheckError:
    said = body.decode("utf-8", "replace")[:120].strip()
    if response.status == 421:
        return CheckError("mcp_host_refused", f"It answered 421{f': {said}' if said else ''}.")
    return CheckError("mcp_failed", f"It answered {response.status}{f': {said}' if said else ''}.")


def _message(text: str | bytes, number: Any) -> Mapping[str, Any] | None:
    """Return the answer to a request among what a server sends; None for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise CheckError("mcp_failed", "It sent a message that is not JSON.") from None
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, Mapping) and one.get("id") == number and "method" not in one:
            return one
    return None


@dataclass
class StreamableHttp:
    """Each message is a POST; its answer is JSON or a stream of events. Use as a context, which ends the session."""

    client: Client
    url: str
    headers: Mapping[str, str]
    timings: Timings
    protocol: str = ""
    certificate: bytes | None = None
    _session: str = ""

    def _all_headers(self) -> dict[str, str]:
        own = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        own |= {"Mcp-Session-Id": self._session} if self._session else {}
        return {**own, **({"MCP-Protocol-Version": self.protocol} if self.protocol else {}), **self.headers}

    async def call(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Send a message; return the answer to it, None for a notification."""
        request = Request("POST", self.url, self._all_headers(), json.dumps(message).encode())
        async with self.client.stream(request, self.timings) as (response, pieces):
            self.certificate = response.certificate
            self._session = "".join(response.header("mcp-session-id")[:1]) or self._session
            if not 200 <= response.status < 300:
                raise _refused(response, b"".join([piece async for piece in pieces]))
            if "id" not in message:
                return None
            kind = "".join(response.header("content-type")).partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                return await self._streamed(pieces, message["id"])
            if kind != "application/json":
                raise CheckError("mcp_failed", f"Its answer is {kind or 'of no type'}, not JSON.")
            return _message(b"".join([piece async for piece in pieces]), message["id"])

    async def _streamed(self, pieces: AsyncIterator[bytes], number: Any) -> Mapping[str, Any] | None:
        events = EventReader()
        async for piece in pieces:
            for event in events.feed(piece):
                if event.data and (answer := _message(event.data, number)):
                    return answer
        return None

    async def __aenter__(self) -> StreamableHttp:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End the session, so that checks leave none behind; a server need not allow it."""
        if self._session:
            with contextlib.suppress(CheckError):
                await self.client.send(Request("DELETE", self.url, self._all_headers()), self.timings)


@dataclass
class ServerSentEvents:
    """Answers come over one stream of events, whose first event names the URL for messages. Use as a context."""

    client: Client
    url: str
    headers: Mapping[str, str]
    timings: Timings
    certificate: bytes | None = None
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _events: AsyncIterator[tuple[str, str]] | None = None
    _endpoint: str = ""

    async def __aenter__(self) -> ServerSentEvents:
        request = Request("GET", self.url, {"Accept": "text/event-stream", **self.headers})
        response, pieces = await self._stack.enter_async_context(self.client.stream(request, self.timings))
        self.certificate = response.certificate
        try:
            if response.status != 200:
                raise _refused(response, b"".join([piece async for piece in pieces]))
            self._events = self._read(pieces)
            name, data = await anext(self._events, ("", ""))
            if name != "endpoint":
                raise CheckError("mcp_failed", "Its stream does not begin with the event endpoint.")
            self._endpoint = urljoin(self.url, data)
            if Origin.of(self._endpoint) != Origin.of(self.url):
                raise CheckError("mcp_failed", "The event endpoint names another host.")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def _read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, str]]:
        events = EventReader()
        async for piece in pieces:
            for event in events.feed(piece):
                yield event.name, event.data

    async def call(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Send a message; return the answer to it, None for a notification."""
        headers = {"Content-Type": "application/json", **self.headers}
        response = await self.client.send(
            Request("POST", self._endpoint, headers, json.dumps(message).encode()), self.timings
        )
        if not 200 <= response.status < 300:
            raise _refused(response, response.body)
        if "id" not in message or self._events is None:
            return None
        async for name, data in self._events:
            if name == "message" and (answer := _message(data, message["id"])):
                return answer
        raise CheckError("mcp_failed", "Its stream of events ended without an answer.")
