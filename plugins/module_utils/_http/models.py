# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request and what came back. Private to the collection."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.slipway.kube.plugins.module_utils._http.charsets import decode
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import days_left


@dataclass(frozen=True)
class Request:
    """One HTTP request with all placeholders filled."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass
class Response:
    """What came back: for HTTP all fields, for other types those that apply."""

    status: int = 0
    http_version: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    url: str = ""
    redirects: int = 0
    certificate: bytes | None = None
    rc: int | None = None

    @functools.cached_property
    def certificate_days(self) -> float | None:
        """The days until the certificate that the other side showed ends, negative when it has."""
        return days_left(self.certificate)

    @functools.cached_property
    def text(self) -> str:
        """The body as a browser reads it."""
        return decode(self.body, ", ".join(self.header("content-type")))

    def header(self, name: str) -> list[str]:
        """Return all values of a header, compared without case."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]
