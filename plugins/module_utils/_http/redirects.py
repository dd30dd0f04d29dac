# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a redirect leads, and what is sent there. Private to the collection.

Sources: RFC 9110, 15.4; the WHATWG URL standard for what browsers make of a Location that is no valid URI.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import is_sensitive
from ansible_collections.slipway.kube.plugins.module_utils._http.address import Origin, without_query
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_SAFE = "/%:@!$&'()*+,;=~-._[]|"
_REMOVED = re.compile(r"[\t\r\n]")
_HIGH = re.compile(r"[\x80-\xff]")


def resolve_location(base: str, location: str) -> str:
    """Return the absolute URL that a Location means, without its fragment; raises CheckError redirect_invalid.

    A browser reads its bytes as UTF-8, takes a backslash for a slash, and encodes blanks and letters.
    """
    text = _REMOVED.sub("", location.strip(" \t\r\n\f"))
    try:
        text = text.encode("latin-1").decode()  # headers are decoded as Latin-1
    except UnicodeError:
        text = _HIGH.sub(lambda letter: f"%{ord(letter.group()):02X}", text)
    path_end = min((at for mark in "?#" if (at := text.find(mark)) >= 0), default=len(text))
    text = text[:path_end].replace("\\", "/") + text[path_end:]
    try:
        url = urljoin(base, text).partition("#")[0]
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        valid = valid and parts.username is None and not any(ord(letter) < 33 for letter in parts.netloc)
        Origin.of(url)
    except ValueError:
        valid = False
    if not text or not valid:
        raise CheckError("redirect_invalid", f"Location is {without_query(location)!r}.")
    return urlunsplit((parts.scheme, parts.netloc, quote(parts.path, _SAFE), quote(parts.query, f"{_SAFE}?"), ""))


def redirected(request: Request, status: int, location: str) -> Request:
    """Return the request that follows a redirect.

    Headers that carry secrets stay behind when the redirect leads to another origin.
    """
    url = resolve_location(request.url, location)
    method, body, headers = request.method, request.body, dict(request.headers)
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = {key: value for key, value in headers.items() if key.lower() != "content-type"}
    if Origin.of(url) != Origin.of(request.url):
        headers = {key: value for key, value in headers.items() if not is_sensitive(key) and key.lower() != "host"}
    return Request(method, url, headers, body)
