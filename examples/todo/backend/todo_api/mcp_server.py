"""The task tools as an MCP server.

Imports the MCP package, which takes longer than the rest of the service together: only
:mod:`todo_api.mcp_endpoint` imports this, when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel

from .tools import Tool, ToolFailed, ToolFunction

_INSTRUCTIONS = "Manage the signed-in person's to-do list. Tasks are addressed by id: list them first to learn the ids."


def _telling(function: ToolFunction) -> ToolFunction:
    """Return ``function`` with its failures in the form whose words the server passes on."""

    @wraps(function)
    async def run(**arguments: Any) -> BaseModel:
        try:
            return await function(**arguments)
        except ToolFailed as error:
            raise ToolError(str(error)) from error

    return run


def make_server(tools: Iterable[Tool], version: str) -> MCPServer[Any]:
    """Return an MCP server with these tools."""
    server: MCPServer[Any] = MCPServer("todo", instructions=_INSTRUCTIONS, version=version)
    for tool in tools:
        hints = ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.read_only,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.idempotent,
        )
        server.add_tool(_telling(tool.function), annotations=hints)
    return server


def make_manager(server: MCPServer[Any]) -> StreamableHTTPSessionManager:
    """Return what answers the server's HTTP requests, without sessions; it must be run before the first."""
    # Host names are not checked against a list: every request needs a bearer token, which a
    # page that rebinds DNS does not have.
    server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return server.session_manager
