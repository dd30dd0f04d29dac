# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: hosts and ports, origins, and the proxy that leads to them. Private to the collection."""

from __future__ import annotations

import base64
import ipaddress
import re
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "grpc": 80,
    "grpcs": 443,
    "tls": 443,
    "ws": 80,
    "wss": 443,
    "postgres": 5432,
    "redis": 6379,
    "rediss": 6379,
}
DEFAULT_PROXY_PORT = 3128


class Origin(NamedTuple):
    """Scheme, host and port of a URL (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of a valid URL, its host in ASCII and its default port filled in (0 where there is none)."""
        parts = urlsplit(url)
        return cls(parts.scheme, ascii_host(parts.hostname or ""), parts.port or DEFAULT_PORTS.get(parts.scheme, 0))


@dataclass(frozen=True)
class ConnectOptions:
    """How to reach a host: by name, by a given address, a proxy, a Unix socket or an own dialler."""

    resolve: Mapping[str, str] = field(default_factory=dict)
    unix_socket: str | None = None
    proxy: str | None = None
    environment_proxy: bool = False
    dial: Callable[[str, int], Any] | None = None


def split_address(text: str) -> tuple[str, int | None]:
    """Split address, address:port, [v6]:port or a bare v6 address; ValueError for anything else."""
    found = re.match(r"^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]\s/]+))(?::(\d{1,5}))?$", text.strip())
    if found:
        port = int(found.group(3)) if found.group(3) else None
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"{text!r} has no valid port")
        return found.group(1) or found.group(2), port
    if text.count(":") > 1 and re.match(r"^[0-9A-Fa-f:.%\w]+$", text.strip()):
        return text.strip(), None
    raise ValueError(f"{text!r} is not a valid address: write 192.0.2.1, 192.0.2.1:8080 or [2001:db8::1]:8080")


def split_host(authority: str) -> str:
    """Return the host of host:port, brackets of an IPv6 address removed."""
    try:
        return urlsplit(f"//{authority}").hostname or authority
    except ValueError:
        return authority


def ascii_host(host: str) -> str:
    """Return a host as DNS and TLS know it: names by IDNA 2008, mapped as browsers do; ValueError for one that is none.

    The zone of an IPv6 address stands behind %25 in a URL (RFC 6874) and behind % everywhere else.
    """
    if ":" in host:
        return host.replace("%25", "%", 1)
    if host.isascii():
        if host and not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise ValueError(f"{host!r} is no host name")
        return host
    try:
        import idna  # here, because few names need it
    except ImportError:
        raise ValueError("a name with letters outside ASCII needs the Python library idna") from None
    name: str = idna.encode(host, uts46=True).decode("ascii")
    return name


def without_zone(host: str) -> str:
    """Return a host as the other side knows it: the zone of an address means something on this machine only."""
    return host.partition("%")[0] if ":" in host else host


def authority_of(host: str, port: int | None) -> str:
    """Return host:port as headers have it, an IPv6 address in brackets and without its zone; no port for None."""
    name = f"[{without_zone(host)}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def mapped_address(resolve: Mapping[str, str], host: str) -> str | None:
    """Return the address that is given for a host, compared without case, final dot and spelling of its letters."""
    if not resolve:
        return None
    wanted = _comparable(host)
    return next((address for name, address in resolve.items() if _comparable(name) == wanted), None)


def _comparable(host: str) -> str:
    try:
        return ascii_host(host.lower()).rstrip(".")
    except ValueError:
        return host.lower()


def is_local(host: str) -> bool:
    """Say whether a host is loopback by its name or address; names below .localhost are (RFC 6761, 6.3)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_url(url: str, schemes: Sequence[str]) -> str:
    """Return a filled URL with unsafe letters percent-encoded, or raise placeholder_invalid."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and parts.username is None
        ascii_host(parts.hostname or "")
    except ValueError:
        valid = False
    if not valid or any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise CheckError("placeholder_invalid", "The address is not valid once its placeholders are filled.")
    return url


def without_query(url: str) -> str:
    """Return the part of an address that may be shown: queries often carry codes and tokens."""
    return url.partition("?")[0][:120]


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return the header that a proxy's address with user and password demands."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def choose_proxy(
    options: ConnectOptions, scheme: str, host: str, port: int, environment: Mapping[str, str] | None = None
) -> str | None:
    """Decide which proxy to use: the given one, or the environment's if allowed.

    The environment's is never used for loopback or for a host whose address is given: those mean "go there".
    """
    if options.dial or options.unix_socket:
        return None
    if options.proxy:
        return options.proxy
    if not options.environment_proxy or mapped_address(options.resolve, host) or is_local(host):
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
