# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cookies of a journey, each sent only where RFC 6265 lets it. Private to the collection.

The rules are those of http.cookiejar; this hands it what it looks at.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence
from email.message import Message
from http.cookiejar import CookieJar
from urllib.parse import urlsplit
from urllib.request import Request as UrllibRequest


class _Answer:
    """What http.cookiejar looks at of a response."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        """Return the headers."""
        return self._headers


class CookieStore:
    """The cookies that servers have set so far."""

    def __init__(self, others: Iterable[CookieStore] = ()) -> None:
        self._jar = CookieJar()
        for other in others:
            for cookie in other._jar:
                self._jar.set_cookie(copy.copy(cookie))

    def __bool__(self) -> bool:
        """Tell whether there is any cookie."""
        return len(self._jar) > 0

    def header(self, url: str) -> str | None:
        """Return the value of the header Cookie for a URL, None without a cookie for it."""
        if not self:
            return None
        request = UrllibRequest(url)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def keep(self, url: str, headers: Sequence[str]) -> list[str]:
        """Keep what the headers Set-Cookie of a response from a URL set; return the values of all cookies that are known now."""
        message, host = Message(), urlsplit(url).hostname or ""
        # A domain that is the host itself is none (RFC 6265, 5.3), also where the host has one label only.
        own = re.compile(rf";\s*domain\s*=\s*\.?{re.escape(host)}\s*(?=;|$)", re.IGNORECASE)
        for value in headers:
            message["Set-Cookie"] = own.sub("", value)
        self._jar.extract_cookies(_Answer(message), UrllibRequest(url))  # type: ignore[arg-type]  # all that it looks at
        return [cookie.value for cookie in self._jar if cookie.value]
