# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets, TLS and HTTP/1.1 for health checks, every wait bounded. Private to the collection.

One event loop serves all checks: an abandoned request is cancelled at its next wait, however slowly the other
side drips, which threads that sit in recv() cannot do. Only calls that know no deadline (name resolution, the
kubernetes library) get a thread, and that thread is left behind when its time is over.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import functools
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import is_sensitive
from ansible_collections.slipway.kube.plugins.module_utils._http.address import DEFAULT_PORTS, split_address
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, SpecError
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls

MAX_HEADER_BYTES = 64 * 1024
READ_BYTES = 16 * 1024
MAX_INTERIM = 10
ATTEMPT_DELAY = 0.25
"""Seconds after which the next address of a name is tried beside one that has not answered (RFC 8305, 5)."""
DEFAULT_PROXY_PORT = 3128
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TIMEOUT_CODES = {
    "dns": "dns_timeout",
    "connect": "connect_timeout",
    "tls": "tls_timeout",
    "write": "write_timeout",
    "read": "read_timeout",
    "kubernetes": "kubernetes_api",
}
# An HTTP/2 server that is asked in HTTP/1.1 must not claim another major version (RFC 9112, 2.3).
_STATUS_LINE = re.compile(rb"^HTTP/(1\.\d) ([1-9]\d\d)(?: ([^\r\n]*))?$")
_HEADER_NAME = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_SECOND = 1000.0


@dataclass
class Trace:
    """What one request is doing and how long its phases took, in milliseconds."""

    started: float = field(default_factory=time.monotonic)
    phase: str = "connect"
    proxied: bool = False
    received: int = 0
    times: dict[str, float] = field(default_factory=dict)

    def enter(self, phase: str) -> float:
        """Begin a phase; return the moment."""
        self.phase = phase
        return time.monotonic()

    def leave(self, phase: str, since: float) -> None:
        """Note how long a phase took."""
        self.times[phase] = round((time.monotonic() - since) * _SECOND, 3)

    @property
    def timeout_code(self) -> str:
        """The fault that running out of time now is."""
        return "proxy_failed" if self.proxied else TIMEOUT_CODES[self.phase]

    def finish(self) -> None:
        """Note the time of the whole request."""
        self.times["total"] = round((time.monotonic() - self.started) * _SECOND, 3)


@dataclass
class Answer:
    """What came back: for HTTP all fields, for other types those that apply."""

    status: int = 0
    http_version: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    url: str = ""
    redirects: int = 0
    certificate_days: float | None = None
    times: dict[str, float] = field(default_factory=dict)
    rc: int | None = None

    def header(self, name: str) -> list[str]:
        """Return all values of a header, compared without case."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]


@dataclass(frozen=True)
class Request:
    """One HTTP request with all placeholders filled."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Threads:
    """Runs blocking calls in at most limit daemon threads, which nobody has to wait for."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Await the result of a blocking call; when cancelled, the thread keeps its slot until it ends."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._slots.release()
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            result, failure = None, None
            try:
                result = function(*arguments)
            except Exception as error:  # handed over to the waiting side, whatever it is
                failure = error
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                return  # the loop has ended, nobody waits any more

        try:
            threading.Thread(target=work, name="slipway-health", daemon=True).start()
        except RuntimeError:
            self._slots.release()  # this machine gives no more threads
            raise
        return await future


# ---------------------------------------------------------------- TLS
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE")
_VERSION_REASONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")


def make_context(tls: Tls, alpn: str = "http/1.1") -> ssl.SSLContext:
    """Return the TLS context of a check, shared by all checks that differ in name or demanded days only.

    Raises SpecError with the key of the option whose file cannot be used.
    """
    return _context(replace(tls, server_name=None, min_days_left=None), alpn)


@functools.lru_cache(maxsize=64)
def _context(tls: Tls, alpn: str) -> ssl.SSLContext:
    # Each holds all authorities of the system, which takes memory and time.
    key = "tls.ca_path"
    try:
        directory = bool(tls.ca_path) and os.path.isdir(str(tls.ca_path))
        context = ssl.create_default_context(
            cafile=None if directory else tls.ca_path, capath=tls.ca_path if directory else None
        )
        # Python 3.13 began to demand extensions that home-made authorities often lack; other clients do not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.minimum_version = _VERSIONS[tls.min_version]
        if alpn:
            context.set_alpn_protocols([alpn])
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert:
            key = "tls.client_cert"
            # An empty password makes an encrypted key an error; without it OpenSSL would ask on the terminal.
            context.load_cert_chain(tls.client_cert, tls.client_key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        path = tls.client_cert if key == "tls.client_cert" else tls.ca_path
        raise SpecError(f"{key}: {path} cannot be used: {reason}.") from None
    return context


def tls_error(error: ssl.SSLError, name: str) -> CheckError:
    """Give an error of the ssl module its code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"{name}: {error.verify_message.rstrip('.')}."
        codes = {10: "tls_expired", 9: "tls_not_yet_valid", 62: "tls_name_mismatch", 64: "tls_name_mismatch"}
        return CheckError(codes.get(error.verify_code, "tls_untrusted"), detail)
    reason = (error.reason or "").upper()
    detail = f"{name}: {(error.reason or str(error)).lower().replace('_', ' ')}."
    if any(word in reason for word in _VERSION_REASONS):
        return CheckError("tls_version", detail)
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return CheckError("tls_client_certificate", detail)
    return CheckError("tls_failed", detail)


def _der(data: bytes, offset: int) -> tuple[int, int, int]:
    """Read one DER header at an offset; return tag, start and end of the content (X.690, 8.1)."""
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    return tag, start, start + length


def not_after(certificate: bytes) -> datetime:
    """Return the end of validity of a DER certificate (RFC 5280, 4.1).

    The ssl module decodes a certificate only when it was verified, so this reads the one field itself.
    Raises ValueError when the bytes are no certificate.
    """
    try:
        _tag, offset, _end = _der(certificate, 0)  # Certificate
        _tag, offset, _end = _der(certificate, offset)  # tbsCertificate
        fields: list[tuple[int, int, int]] = []
        while len(fields) < 6:
            found = _der(certificate, offset)
            fields.append(found)
            offset = found[2]
        # version [0] is optional; then serial, signature, issuer, validity
        validity = fields[4] if fields[0][0] == 0xA0 else fields[3]
        _tag, _start, end = _der(certificate, validity[1])
        tag, start, end = _der(certificate, end)
        text = certificate[start:end].decode("ascii")
        if tag == 0x17:  # UTCTime: two digits of the year, 50 to 99 mean 19xx
            text = ("19" if int(text[:2]) >= 50 else "20") + text
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def days_left(certificate: bytes | None) -> float | None:
    """Return the days until a certificate ends, negative when it has; None without a readable one."""
    if not certificate:
        return None
    try:
        return round((not_after(certificate) - datetime.now(timezone.utc)).total_seconds() / 86400, 2)
    except ValueError:
        return None


# ---------------------------------------------------------------- connections
@dataclass(frozen=True)
class Route:
    """How to reach a host: by name, by a given address, a proxy, a Unix socket or an own dialler."""

    resolve: Mapping[str, str] = field(default_factory=dict)
    unix_socket: str | None = None
    proxy: str | None = None
    environment_proxy: bool = False
    dial: Callable[[str, int], Any] | None = None


class Connection:
    """A stream to the other side with a byte count and its first byte's moment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trace: Trace) -> None:
        self._reader, self._writer, self._trace = reader, writer, trace
        self._buffer = bytearray()
        self._sent = trace.started
        self.name = ""

    @property
    def certificate(self) -> bytes | None:
        """The other side's certificate in DER, when TLS is spoken."""
        tls = self._writer.get_extra_info("ssl_object")
        found: bytes | None = tls.getpeercert(binary_form=True) if tls else None
        return found

    async def send(self, data: bytes) -> None:
        """Send everything; the first byte's time counts from the end of this."""
        self._trace.enter("write")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._broken(error) from None
        self._sent = self._trace.enter("read")

    async def more(self) -> bool:
        """Read what comes next into the buffer; False at the end of the stream."""
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise self._broken(error) from None
        if data and "first_byte" not in self._trace.times and self._trace.phase == "read":
            self._trace.leave("first_byte", self._sent)
        self._trace.received += len(data)
        self._buffer += data
        return bool(data)

    def take(self, count: int | None = None) -> bytes:
        """Take at most so many bytes out of the buffer."""
        data = bytes(self._buffer[:count])
        del self._buffer[: len(data)]
        return data

    async def exactly(self, count: int) -> bytes:
        """Return exactly so many bytes, or raise connection_closed."""
        while len(self._buffer) < count:
            if not await self.more():
                raise CheckError("connection_closed", f"{self._trace.received} bytes had arrived.")
        return self.take(count)

    async def some(self, most: int) -> bytes:
        """Return one to so many bytes, empty at the end of the stream."""
        if not self._buffer and not await self.more():
            return b""
        return self.take(most)

    async def line(self, budget: int) -> bytes:
        """Return one line without its end; more than the budget is headers_too_large."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= budget:
            if not await self.more():
                if self._trace.received == 0:
                    raise CheckError("connection_closed", "It sent nothing at all.")
                if not _may_be_http(bytes(self._buffer)):
                    raise CheckError("protocol_error", f"It begins with {bytes(self._buffer[:40])!r}.")
                raise CheckError("connection_closed", f"{self._trace.received} bytes had arrived.")
        if end < 0 or end > budget:
            raise CheckError("headers_too_large")
        return self.take(end + 1)[:-1].removesuffix(b"\r")

    def close(self) -> None:
        """Close at once; a polite TLS farewell could take as long as the other side likes."""
        self._writer.transport.abort()

    def _broken(self, error: OSError) -> CheckError:
        if isinstance(error, ssl.SSLError):
            return tls_error(error, self.name)
        if isinstance(error, ConnectionError):
            # In TLS 1.3 a server judges the client's certificate only after the client's handshake is done.
            hint = " It may demand a client certificate." if self.certificate and not self._trace.received else ""
            return CheckError("connection_reset", f"{self._trace.received} bytes had arrived.{hint}")
        return CheckError("connection_closed", f"{error.strerror or error}.")


def _may_be_http(data: bytes) -> bool:
    return data[:5] == b"HTTP/"[: len(data)]


def is_local(host: str) -> bool:
    """Say whether a host is loopback by its name or address; names below .localhost are (RFC 6761, 6.3)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Wire:
    """Opens connections. One instance serves all checks of a run."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    async def open(
        self,
        route: Route,
        host: str,
        port: int,
        trace: Trace,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        tunnel: str | None = None,
    ) -> Connection:
        """Connect, through a proxy's tunnel if one is named, and speak TLS if there is a context."""
        if route.dial:
            sock = await self._dial(route.dial, host, port, trace)
        elif route.unix_socket:
            sock = await self._unix(route.unix_socket, trace)
        else:
            address, mapped = (
                split_address(route.resolve.get(host.lower(), host)) if host.lower() in route.resolve else (host, None)
            )
            target = mapped or port
            if tunnel:
                sock = await self._tunnel(tunnel, address, target, trace)
            else:
                sock = await self._tcp(address, target, trace)
        name = server_name or host
        connection: Connection | None = None
        try:
            since = trace.enter("tls") if context else trace.enter("write")
            if context:
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname=name, limit=READ_BYTES, ssl_handshake_timeout=86400
                )
                trace.leave("tls", since)
            else:
                reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
            connection = Connection(reader, writer, trace)
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

    async def open_proxy(self, proxy: str, trace: Trace) -> Connection:
        """Connect to a proxy that is to be asked for whole addresses."""
        sock = await self._to_proxy(proxy, trace)
        trace.proxied = False
        trace.enter("write")
        reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
        return Connection(reader, writer, trace)

    async def _dial(self, dial: Callable[[str, int], Any], host: str, port: int, trace: Trace) -> socket.socket:
        since = trace.enter("kubernetes")
        sock: socket.socket = await self.threads.run(dial, host, port)
        trace.leave("connect", since)
        sock.setblocking(False)
        return sock

    async def _unix(self, path: str, trace: Trace) -> socket.socket:
        since = trace.enter("connect")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            await _connect(sock, path, path)
        except BaseException:
            sock.close()
            raise
        trace.leave("connect", since)
        return sock

    async def _to_proxy(self, proxy: str, trace: Trace) -> socket.socket:
        """Connect to a proxy; whatever goes wrong is the proxy's fault and not the host's."""
        parts = urlsplit(proxy)
        host, port = str(parts.hostname), parts.port or DEFAULT_PROXY_PORT
        trace.proxied = True
        try:
            return await self._tcp(host, port, trace)
        except CheckError as error:
            raise CheckError("proxy_failed", f"{host} port {port}: {error.message}") from None

    async def _tcp(self, host: str, port: int, trace: Trace) -> socket.socket:
        found = await self._addresses(host, port, trace)
        if not found:
            raise CheckError("dns_failed", f"{host} has no address.")
        since = trace.enter("connect")
        sock = await (_open(*found[0]) if len(found) == 1 else _race(found))
        trace.leave("connect", since)
        return sock

    async def _addresses(self, host: str, port: int, trace: Trace) -> list[tuple[int, Any]]:
        since = trace.enter("dns")
        try:
            version = ipaddress.ip_address(host.split("%")[0]).version
            if "%" not in host:
                return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (host, port))]
        except ValueError:
            pass
        if is_local(host):
            return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
        try:
            infos = await self.threads.run(functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
        except (socket.gaierror, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "the name is not valid"
            raise CheckError("dns_failed", f"{host}: {reason}.") from None
        trace.leave("dns", since)
        return list(dict.fromkeys((info[0], info[4]) for info in infos))

    async def _tunnel(self, proxy: str, host: str, port: int, trace: Trace) -> socket.socket:
        sock = await self._to_proxy(proxy, trace)
        try:
            loop = asyncio.get_running_loop()
            authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
            lines += [f"{name}: {value}" for name, value in proxy_headers(proxy).items()]
            await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                # Byte by byte: what follows the proxy's answer belongs to the TLS handshake.
                data = await loop.sock_recv(sock, 1)
                if not data or len(head) > READ_BYTES:
                    raise CheckError("proxy_failed", "It closed the connection.")
                head += data
            found = _STATUS_LINE.match(head.split(b"\r\n", 1)[0])
            if not found or not found.group(2).startswith(b"2"):
                raise CheckError("proxy_failed", f"It answered {head.splitlines()[0][:80].decode('latin-1')!r}.")
        except OSError as error:
            sock.close()
            raise CheckError("proxy_failed", f"{error.strerror or error}.") from None
        except BaseException:
            sock.close()
            raise
        trace.proxied = False
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


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return the header that a proxy's address with user and password demands."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def choose_proxy(
    route: Route, scheme: str, host: str, port: int, environment: Mapping[str, str] | None = None
) -> str | None:
    """Decide which proxy to use: the given one, or the environment's if allowed.

    The environment's is never used for loopback or for a host whose address is given: those mean "go there".
    """
    if route.dial or route.unix_socket:
        return None
    if route.proxy:
        return route.proxy
    if not route.environment_proxy or host.lower() in route.resolve or is_local(host):
        return None
    proxies = dict(environment) if environment is not None else urllib.request.getproxies_environment()
    found = proxies.get(scheme)
    bypass: Any = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    # Entries of no_proxy may name a port.
    if not found or bypass(host, proxies) or bypass(f"{host}:{port}", proxies):
        return None
    found = found if "://" in found else f"http://{found}"
    try:
        parts = urlsplit(found)
        valid = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        # Its text is not shown, because it may hold a password.
        raise CheckError(
            "proxy_failed", f"The environment variable {scheme}_proxy is not of the form http://host:port."
        )
    return found


# ---------------------------------------------------------------- HTTP
def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or ""), parts.port or DEFAULT_PORTS[parts.scheme]


def check_url(url: str, schemes: Sequence[str]) -> str:
    """Return a filled URL with unsafe letters percent-encoded, or raise placeholder_invalid."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and parts.username is None
        (parts.hostname or "").encode("idna")
    except ValueError:
        valid = False
    if not valid or any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise CheckError("placeholder_invalid", "The address is not valid once its placeholders are filled.")
    return url


def encode_request(request: Request, absolute: bool, extra: Mapping[str, str]) -> bytes:
    """Return the bytes of a request; absolute form is what a plain proxy wants."""
    scheme, host, port = origin(request.url)
    parts = urlsplit(request.url)
    name = host.encode("idna").decode("ascii") if not host.isascii() else host
    authority = f"[{name}]" if ":" in name else name
    if port != DEFAULT_PORTS[scheme]:
        authority += f":{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    target = f"{scheme}://{authority}{path}" if absolute else path
    headers = {"Host": authority, "User-Agent": "slipway-health-check", "Accept": "*/*"}
    headers |= {"Accept-Encoding": "gzip, deflate", **extra}
    for key, value in request.headers.items():
        for default in [known for known in headers if known.lower() == key.lower()]:
            del headers[default]
        headers[key] = value
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(request.body or b""))
    headers["Connection"] = "close"
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise CheckError("placeholder_invalid", "A header holds a line break.")
    try:
        head = "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        raise CheckError("placeholder_invalid", "A header holds letters outside Latin-1.") from None
    return head + b"\r\n\r\n" + (request.body or b"")


class Body:
    """Collects a body, decodes its content encoding, and stops at the limit (of decoded bytes)."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._data = bytearray()
        self._limit = limit
        self._encoding = encoding
        self._first = True
        self._ended = False
        self._decoder: Any = None
        if encoding in ("gzip", "x-gzip"):
            self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif encoding == "deflate":
            self._decoder = zlib.decompressobj()
        elif encoding not in ("", "identity"):
            raise CheckError("encoding_error", f"It is {encoding[:40]!r}.")

    def feed(self, data: bytes) -> None:
        """Add received bytes; a body that unpacks to more than the limit is body_too_large."""
        self._add(data) if self._decoder is None else self._decode(data)

    def _add(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._limit:
            raise CheckError("body_too_large", f"The limit is {self._limit} bytes.")

    def _decode(self, data: bytes) -> None:
        try:
            while data and not self._ended:
                try:
                    self._add(self._decoder.decompress(data, self._limit - len(self._data) + 1))
                except zlib.error:
                    if self._encoding != "deflate" or not self._first:
                        raise
                    # Some servers send deflate without the zlib frame that RFC 9110 (8.4.1.2) asks for.
                    self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
                    self._add(self._decoder.decompress(data, self._limit - len(self._data) + 1))
                self._first = False
                data = b""
                if self._decoder.eof:
                    data = self._decoder.unused_data
                    # A further member (RFC 1952, 2.2) is decoded; anything else behind the end is dropped, because
                    # a finished decoder would keep all of it.
                    if self._encoding != "deflate" and data[:1] == b"\x1f":
                        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
                    elif data:
                        self._ended = True
        except zlib.error as error:
            raise CheckError("encoding_error", f"{error}.") from None

    def finish(self) -> bytes:
        """Return the whole body; one that ends within its compressed stream is encoding_error."""
        if self._decoder is not None and not self._first and not self._decoder.eof:
            raise CheckError("encoding_error", "The compressed body ends too early.")
        return bytes(self._data)


async def read_answer(connection: Connection, method: str, limit: int) -> Answer:
    """Read one HTTP/1.x answer (RFC 9112), interim answers skipped."""
    for _turn in range(MAX_INTERIM):
        answer = await _read_head(connection)
        if answer.status == 101:
            raise CheckError("protocol_error", "It switches to another protocol (101).")
        if answer.status >= 200:
            break
    else:
        raise CheckError("protocol_error", f"It sent {MAX_INTERIM} interim answers.")
    if method == "HEAD" or answer.status in (204, 304):
        return answer
    body = Body(", ".join(answer.header("content-encoding")).strip().lower(), limit)
    coding = ", ".join(answer.header("transfer-encoding")).strip().lower()
    if coding:
        if coding != "chunked":
            raise CheckError("protocol_error", f"Its transfer encoding is {coding[:40]!r}.")
        await _read_chunks(connection, body)
    elif lengths := {item.strip() for value in answer.header("content-length") for item in value.split(",")}:
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise CheckError("protocol_error", "Its Content-Length is not one number.")
        await _read_length(connection, body, int(length), limit)
    else:
        while data := await connection.some(READ_BYTES):
            body.feed(data)
    answer.body = body.finish()
    return answer


async def _read_head(connection: Connection) -> Answer:
    budget = MAX_HEADER_BYTES
    line = await connection.line(budget)
    found = _STATUS_LINE.match(line)
    if not found:
        raise CheckError("protocol_error", f"It begins with {line[:40]!r}.")
    answer = Answer(status=int(found.group(2)), http_version=found.group(1).decode("ascii"))
    while True:
        budget -= len(line) + 2
        if budget <= 0:
            raise CheckError("headers_too_large")
        line = await connection.line(budget)
        if not line:
            return answer
        if line[:1] in b" \t" and answer.headers:
            name, value = answer.headers[-1]
            answer.headers[-1] = (name, f"{value} {line.strip().decode('latin-1')}")
            continue
        raw, colon, rest = line.partition(b":")
        if not colon or not _HEADER_NAME.match(raw) or b"\0" in rest:
            raise CheckError("protocol_error", f"A header line is {line[:40]!r}.")
        answer.headers.append((raw.decode("ascii"), rest.strip().decode("latin-1")))


async def _read_length(connection: Connection, body: Body, length: int, limit: int) -> None:
    if length > limit and body._decoder is None:
        raise CheckError("body_too_large", f"It announces {length} bytes, the limit is {limit} bytes.")
    left = length
    while left:
        data = await connection.some(min(left, READ_BYTES))
        if not data:
            raise CheckError("connection_closed", f"{length - left} of {length} bytes of the body had arrived.")
        body.feed(data)
        left -= len(data)


async def _read_chunks(connection: Connection, body: Body) -> None:
    while True:
        text = (await connection.line(4096)).split(b";", 1)[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", text):
            raise CheckError("protocol_error", f"A chunk's size is {text[:40]!r}.")
        left = int(text, 16)
        if left == 0:
            budget = MAX_HEADER_BYTES
            while line := await connection.line(budget):
                budget = max(0, budget - len(line))
            return
        while left:
            data = await connection.some(min(left, READ_BYTES))
            if not data:
                raise CheckError("connection_closed", "A chunk of the body is incomplete.")
            body.feed(data)
            left -= len(data)
        if await connection.line(2):
            raise CheckError("protocol_error", "A chunk is longer than its size says.")


def without_query(url: str) -> str:
    """Return the part of an address that may be shown: queries often carry codes and tokens."""
    return url.partition("?")[0][:120]


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
    if origin(url) != origin(request.url):
        headers = {key: value for key, value in headers.items() if not is_sensitive(key) and key.lower() != "host"}
    return Request(method, url, headers, body)


async def fetch(wire: Wire, route: Route, request: Request, tls: Tls, limit: int, follow: int, trace: Trace) -> Answer:
    """Ask over HTTP and follow at most so many redirects; the times are those of the last request."""
    seen = {(request.method, request.url)}
    redirects = 0
    first = origin(request.url)
    while True:
        answer = await _ask(wire, route, request, tls, limit, trace)
        answer.redirects = redirects
        targets = answer.header("location")
        if follow == 0 or answer.status not in REDIRECTS or not targets:
            return answer
        if redirects == follow:
            raise CheckError(
                "redirect_limit", f"{follow} were followed, the next leads to {without_query(targets[0])}."
            )
        request = redirected(request, answer.status, targets[0])
        if (request.method, request.url) in seen:
            raise CheckError("redirect_loop", f"It leads to {without_query(request.url)} again.")
        if (route.dial or route.unix_socket) and origin(request.url) != first:
            raise CheckError("redirect_invalid", "It leads to another host, which cannot be reached this way.")
        seen.add((request.method, request.url))
        redirects += 1
        trace.times.clear()


async def _ask(wire: Wire, route: Route, request: Request, tls: Tls, limit: int, trace: Trace) -> Answer:
    scheme, host, port = origin(request.url)
    proxy = choose_proxy(route, scheme, host, port)
    context = make_context(tls) if scheme == "https" else None
    if proxy and scheme == "http":
        data = encode_request(request, True, proxy_headers(proxy))
        connection = await wire.open_proxy(proxy, trace)
    else:
        data = encode_request(request, False, {})
        # The name asked for is the one in the Host header, so that virtual hosts get their own certificate.
        named = next((value for key, value in request.headers.items() if key.lower() == "host"), host)
        name = tls.server_name or split_host(named)
        connection = await wire.open(route, host, port, trace, context, name, proxy)
    try:
        answer = await exchange(connection, data, request.method, limit)
        answer.url = request.url
        answer.certificate_days = days_left(connection.certificate)
        return answer
    finally:
        connection.close()


def split_host(authority: str) -> str:
    """Return the host of host:port, brackets of an IPv6 address removed."""
    try:
        return urlsplit(f"//{authority}").hostname or authority
    except ValueError:
        return authority


async def exchange(connection: Connection, data: bytes, method: str, limit: int) -> Answer:
    """Send a request and read its answer."""
    await connection.send(data)
    return await read_answer(connection, method, limit)
