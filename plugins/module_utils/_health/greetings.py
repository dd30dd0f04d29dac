# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How servers that do not speak HTTP greet: PostgreSQL and Redis. Private to the collection.

Each asks what a client asks before it logs in, so that no account is needed and nothing is changed.
Sources: PostgreSQL's documentation, "Message Flow" and "Message Formats"; the Redis serialization protocol specification.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

SSL_REQUEST = struct.pack(">II", 8, 80877103)
PROTOCOL = 196608  # 3.0
MAX_MESSAGE = 30_000
STARTING = frozenset({"57P03"})
FULL = frozenset({"53300"})
AUTHENTICATION = {0: "none", 2: "kerberos", 3: "password", 5: "md5", 7: "gss", 9: "sspi", 10: "scram-sha-256"}
MAX_LINE = 1024


async def greet_postgres(
    connection: Connection, user: str, database: str, context: Callable[[], SSLContext] | None
) -> dict[str, Any]:
    """Ask for a session as far as the server's demand to log in; with a context, over TLS.

    As for C(pg_isready), a server that refuses the user is ready; one that is starting or full is not.
    Returns tls, authentication, and the code with which it refused (null without one).
    """
    if context:
        await connection.send(SSL_REQUEST)
        if await connection.exactly(1) != b"S":
            raise CheckError("tls_failed", "The server does not offer TLS.")
        await connection.start_tls(context())
    body = struct.pack(">I", PROTOCOL) + f"user\0{user}\0database\0{database}\0\0".encode()
    await connection.send(struct.pack(">I", len(body) + 4) + body)
    kind, size = struct.unpack(">cI", await connection.exactly(5))
    if kind not in b"RE" or not 8 <= size <= MAX_MESSAGE:
        raise CheckError("greeting_unexpected", "It does not speak PostgreSQL's protocol.")
    message = await connection.exactly(size - 4)
    found: dict[str, Any] = {"tls": context is not None, "authentication": None, "refused": None}
    if kind == b"R":
        number = int.from_bytes(message[:4], "big")
        return {**found, "authentication": AUTHENTICATION.get(number, str(number))}
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in message.split(b"\0") if part}
    code, words = fields.get(b"C", ""), fields.get(b"M", "")
    if code in STARTING | FULL:
        raise CheckError("service_not_ready", f"{words} ({code}).")
    return {**found, "refused": code}


async def greet_redis(connection: Connection) -> dict[str, Any]:
    """Send PING; a server that demands a password first is ready, one that is loading its data is not."""
    await connection.send(b"*1\r\n$4\r\nPING\r\n")
    line = b""
    while not line.endswith(b"\r\n"):
        line += await connection.exactly(1)
        if line[:1] not in b"+-" or len(line) > MAX_LINE:
            raise CheckError("greeting_unexpected", "It does not speak the protocol of Redis.")
    text = line[1:-2].decode("utf-8", "replace")
    word = text.partition(" ")[0]
    if line[:1] == b"+":
        return {"answer": text, "authentication": False}
    if word in ("NOAUTH", "NOPERM"):
        return {"answer": word, "authentication": True}
    raise CheckError("service_not_ready", f"{text[:160]}.")
