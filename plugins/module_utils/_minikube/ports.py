# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this machine and of a node: which is free, and whether the API server answers. Private to the collection."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError

API_SERVER_PORT = "8443/tcp"
API_SERVER_PATIENCE = 5.0  # seconds
PORTS_TRIED = 20


def free_port(address: str, first: int) -> int:
    """``first`` if it can be listened on at ``address``, otherwise the next free one. Raises MinikubeError."""
    last = min(first + PORTS_TRIED, 65536) - 1
    for port in range(first, last + 1):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise MinikubeError(
        f"No port from {first} to {last} is free on {address}: set minikube_setup_ingress_first_port to one that is."
    )


def api_server_lives(container: t.Any) -> bool:
    """Whether the API server answers on the port that the node's container publishes for it."""
    published = (container.attrs["NetworkSettings"].get("Ports") or {}).get(API_SERVER_PORT) or []
    if not published:
        return False
    # Anyone may ask /livez, and only whether it answers matters: the certificate is checked by those who send something.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = published[0]["HostIp"], int(published[0]["HostPort"])
    connection = http.client.HTTPSConnection(host, port, timeout=API_SERVER_PATIENCE, context=context)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
