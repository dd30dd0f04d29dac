# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of health checks, every wait bounded. Private to the collection.

One event loop serves all checks: an abandoned request is cancelled at its next wait, however slowly the other
side drips, which threads that sit in recv() cannot do. Only calls that know no deadline (name resolution, the
kubernetes library) get a thread, and that thread is left behind when its time is over.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    DEFAULT_PROXY_PORT,
    ConnectOptions,
    is_local,
    mapped_address,
    proxy_headers,
    split_address,
    without_zone,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, Side
from ansible_collections.slipway.kube.plugins.module_utils._http.http11 import open_tunnel
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import tls_error

READ_BYTES = 16 * 1024
MAX_LOOKUPS = 512
"""Names that may be asked for at a time: one for each request that may be under way."""
DESCRIPTOR_PAUSE = 0.05
ATTEMPT_DELAY = 0.25
"""Seconds after which the next address of a name is tried beside one that has not answered (RFC 8305, 5)."""


class Connection:
    """A stream to the other side with a byte count and its first byte's moment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timings: Timings) -> None:
        self._reader, self._writer, self._timings = reader, writer, timings
        self._buffer = bytearray()
        self._sent = timings.started
        self.name = ""

    @property
    def certificate(self) -> bytes | None:
        """The other side's certificate in DER, when TLS is spoken."""
        tls = self._writer.get_extra_info("ssl_object")
        found: bytes | None = tls.getpeercert(binary_form=True) if tls else None
        return found

    @property
    def cut(self) -> bool:
        """Whether TLS has ended without saying so (RFC 8446, 6.1), so that what arrived may not be all."""
        tls = self._writer.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            return bool(tls.read(1))
        except ssl.SSLWantReadError:
            return True  # it would wait for more
        except (ssl.SSLError, ValueError):
            return False

    @property
    def received(self) -> int:
        """How many bytes have arrived."""
        return self._timings.received

    async def send(self, data: bytes) -> None:
        """Send everything; the first byte's time counts from the end of this."""
        self._timings.enter("write")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._broken(error) from None
        self._sent = self._timings.enter("read")

    async def receive(self) -> bytes:
        """Return what comes next, empty at the end of the stream."""
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise self._broken(error) from None
        if data and "first_byte" not in self._timings.phases and self._timings.phase == "read":
            self._timings.leave("first_byte", self._sent)
        self._timings.received += len(data)
        return data

    async def exactly(self, count: int) -> bytes:
        """Return exactly so many bytes, or raise connection_closed."""
        while len(self._buffer) < count:
            data = await self.receive()
            if not data:
                raise CheckError("connection_closed", f"{self.received} bytes had arrived.")
            self._buffer += data
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def put_back(self, data: bytes) -> None:
        """Give back bytes that were received but belong to what comes next; C(exactly) returns them first."""
        self._buffer[:0] = data

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, as a protocol does that asks for it first."""
        since = self._timings.enter("tls")
        try:
            await self._writer.start_tls(context, server_hostname=self.name, ssl_handshake_timeout=86400)
        except ssl.SSLError as error:
            raise tls_error(error, self.name) from None
        except (OSError, ValueError) as error:
            raise CheckError("tls_failed", f"{self.name}: {error}.") from None
        self._timings.leave("tls", since)

    def close(self) -> None:
        """Close at once; a polite TLS farewell could take as long as the other side likes."""
        self._writer.transport.abort()

    def _broken(self, error: OSError) -> CheckError:
        if isinstance(error, ssl.SSLError):
            return tls_error(error, self.name)
        if isinstance(error, ConnectionError):
            # In TLS 1.3 a server judges the client's certificate only after the client's handshake is done.
            hint = " It may demand a client certificate." if self.certificate and not self.received else ""
            return CheckError("connection_reset", f"{self.received} bytes had arrived.{hint}")
        return CheckError("connection_closed", f"{error.strerror or error}.")


class Connector:
    """Opens connections. One instance serves all checks of a run."""

    def __init__(self, threads: ThreadPool) -> None:
        self.threads = threads
        # Their own, so that names that nobody answers for leave the places of all other calls alone.
        self._name_threads = ThreadPool(MAX_LOOKUPS)
        self._lookups: dict[str, asyncio.Future[Any]] = {}

    async def open(
        self,
        options: ConnectOptions,
        host: str,
        port: int,
        timings: Timings,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        tunnel: str | None = None,
    ) -> Connection:
        """Connect, through a proxy's tunnel if one is named, and speak TLS if there is a context."""
        if options.dial:
            sock = await self._dial(options.dial, host, port, timings)
        elif options.unix_socket:
            sock = await self._unix(options.unix_socket, timings)
        else:
            given = mapped_address(options.resolve, host)
            address, mapped = split_address(given) if given else (host, None)
            target = mapped or port
            if tunnel:
                sock = await self._tunnel(tunnel, address, target, timings)
            else:
                sock = await self._tcp(address, target, timings)
        # The name in a certificate has neither a zone nor a final dot.
        name = server_name or without_zone(host).rstrip(".")
        connection: Connection | None = None
        try:
            since = timings.enter("tls") if context else timings.enter("write")
            if context:
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname=name, limit=READ_BYTES, ssl_handshake_timeout=86400
                )
                timings.leave("tls", since)
            else:
                reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
            connection = Connection(reader, writer, timings)
            connection.name = name
            return connection
        except ssl.SSLError as error:
            raise tls_error(error, name) from None
        except ConnectionError:
            raise CheckError("tls_failed", f"{name}: the connection was closed during the handshake.") from None
        except ValueError as error:
            raise CheckError("tls_failed", f"{name}: {error}.") from None
        finally:
            if connection is None:
                sock.close()

    async def open_proxy(self, proxy: str, timings: Timings) -> Connection:
        """Connect to a proxy that is to be asked for whole addresses."""
        sock = await self._to_proxy(proxy, timings)
        timings.proxied = False
        timings.enter("write")
        reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
        return Connection(reader, writer, timings)

    async def _dial(self, dial: Callable[[str, int], Any], host: str, port: int, timings: Timings) -> socket.socket:
        since = timings.enter("kubernetes")
        sock: socket.socket = await self.threads.run(dial, host, port)
        timings.leave("connect", since)
        return sock

    async def _unix(self, path: str, timings: Timings) -> socket.socket:
        since = timings.enter("connect")
        sock = await _when_free(functools.partial(_open_unix, path), timings)
        timings.leave("connect", since)
        return sock

    async def _to_proxy(self, proxy: str, timings: Timings) -> socket.socket:
        """Connect to a proxy; whatever goes wrong is the proxy's fault and not the host's."""
        parts = urlsplit(proxy)
        host, port = str(parts.hostname), parts.port or DEFAULT_PROXY_PORT
        timings.proxied = True
        try:
            return await self._tcp(host, port, timings)
        except CheckError as error:
            raise CheckError("proxy_failed", f"{host} port {port}: {error.message}") from None

    async def _tcp(self, host: str, port: int, timings: Timings) -> socket.socket:
        found = await self._addresses(host, port, timings)
        if not found:
            raise CheckError("dns_failed", f"{host} has no address.")
        since = timings.enter("connect")
        open_one = functools.partial(_open, *found[0]) if len(found) == 1 else functools.partial(_race, found)
        sock = await _when_free(open_one, timings)
        timings.leave("connect", since)
        return sock

    async def _addresses(self, host: str, port: int, timings: Timings) -> list[tuple[int, Any]]:
        since = timings.enter("dns")
        if (literal := _literal(host, port)) is not None:
            return [literal]
        if is_local(host):
            return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
        try:
            infos = await self._look_up(host)
        except (socket.gaierror, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "the name is not valid"
            raise CheckError("dns_failed", f"{host}: {reason}.") from None
        timings.leave("dns", since)
        return list(dict.fromkeys((info[0], (info[4][0], port, *info[4][2:])) for info in infos))

    async def addresses(self, host: str, timings: Timings) -> list[str]:
        """Return the addresses of a host as this machine resolves it; raises CheckError."""
        found = await self._addresses(host, 0, timings)
        if not found:
            raise CheckError("dns_failed", f"{host} has no address.")
        return [str(address[0]) for _family, address in found]

    async def _look_up(self, host: str) -> Any:
        """Ask for a name; who asks for one that is being asked for waits for the same answer."""
        lookup = self._lookups.get(host)
        if lookup is None:
            call = functools.partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
            lookup = asyncio.ensure_future(self._name_threads.run(call))
            self._lookups[host] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(host, done))
        return await asyncio.shield(lookup)

    def _looked_up(self, host: str, lookup: asyncio.Future[Any]) -> None:
        # Answers are not kept: the next attempt sees what has changed.
        del self._lookups[host]
        if not lookup.cancelled():
            lookup.exception()  # everybody may have left

    async def _tunnel(self, proxy: str, host: str, port: int, timings: Timings) -> socket.socket:
        sock = await self._to_proxy(proxy, timings)
        try:
            await open_tunnel(sock, host, port, proxy_headers(proxy))
        except OSError as error:
            sock.close()
            raise CheckError("proxy_failed", f"{error.strerror or error}.") from None
        except BaseException:
            sock.close()
            raise
        timings.proxied = False
        return sock


def _literal(host: str, port: int) -> tuple[int, Any] | None:
    """Return the family and the address of a host that is an IP address, with its zone; None for a name."""
    address, _percent, zone = host.partition("%")
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, (address, port)
    if not zone:
        return socket.AF_INET6, (address, port)
    try:
        return socket.AF_INET6, (address, port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone))
    except OSError:
        raise CheckError("connect_failed", f"This machine has no network interface {zone!r}.", Side.HERE) from None


async def _when_free(open_one: Callable[[], Awaitable[socket.socket]], timings: Timings) -> socket.socket:
    """Open a socket; where this machine has no free descriptor, wait until another request has ended."""
    while True:
        try:
            return await open_one()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        timings.enter("descriptor")
        await asyncio.sleep(DESCRIPTOR_PAUSE)


async def _open_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await _connect(sock, path, path)
    except BaseException:
        sock.close()
        raise
    return sock


async def _open(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _connect(sock, address, f"{address[0]} port {address[1]}")
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: Sequence[tuple[int, Any]]) -> socket.socket:
    """Connect to the first of several addresses that accepts, each tried a moment after the one before (RFC 8305).

    An address that leads nowhere, most often the IPv6 one, must not use up the whole timeout.
    """
    winner: socket.socket | None = None
    tasks: list[asyncio.Task[socket.socket]] = []
    pending: set[asyncio.Task[socket.socket]] = set()
    try:
        while pending or len(tasks) < len(addresses):
            if len(tasks) < len(addresses):
                tasks.append(asyncio.create_task(_open(*addresses[len(tasks)])))
                pending.add(tasks[-1])
            wait = ATTEMPT_DELAY if len(tasks) < len(addresses) else None
            _done, pending = await asyncio.wait(pending, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and task.exception() is None:
                    winner = task.result()
                    return winner
        # The first address is the preferred one, so its fault is the one to tell.
        return tasks[0].result()
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
            elif task.exception() is None and task.result() is not winner:
                task.result().close()


async def _connect(sock: socket.socket, address: Any, label: str) -> None:
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except ConnectionRefusedError:
        raise CheckError("connect_refused", f"{label}.") from None
    except ConnectionResetError:
        # It was accepted, and reset before the loop looked.
        raise CheckError("connection_reset", f"{label}.") from None
    except OSError as error:
        code = "connect_timeout" if error.errno == errno.ETIMEDOUT else "connect_failed"
        # The loop's own text names the address once more and not the reason.
        raise CheckError(code, f"{label}: {os.strerror(error.errno) if error.errno else error}.") from None
