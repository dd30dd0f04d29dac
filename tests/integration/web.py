# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a page, asked as a browser would ask it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Address:
    """Where an application is: ``http://name[:port]``, with or without a slash at the end."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"{self.url!r} is no address such as http://todo.localhost:8080")
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def host(self) -> str:
        """Name (or address) and port as the header Host has them."""
        return urlsplit(self.url).netloc

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where to connect to. Browsers take names below localhost for this machine; the resolver may not."""
        parts = urlsplit(self.url)
        name = parts.hostname or ""
        return "127.0.0.1" if name.endswith(".localhost") else name, parts.port or 80

    def connect(self, timeout: float = 10) -> http.client.HTTPConnection:
        """A connection, opened with the first request; ``timeout`` in seconds."""
        return http.client.HTTPConnection(*self.endpoint, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        token: str = "",
        host: str = "",
        connection: http.client.HTTPConnection | None = None,
    ) -> tuple[int, str]:
        """Status and body of one request, by a connection of its own unless one is given. Raises OSError or HTTPException."""
        headers = {"Host": host or self.host, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        used = connection or self.connect()
        try:
            used.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = used.getresponse()
            return response.status, response.read().decode()
        finally:
            if connection is None:
                used.close()
