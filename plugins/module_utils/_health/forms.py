# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent as a body, and what is taken out of a response for later checks. Private to the collection."""

from __future__ import annotations

import json
import mimetypes
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import as_text, fill, fill_tree
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response

MAX_FILE_BYTES = 64 * 1024 * 1024
"""The largest file that a check uploads; it is read anew for each request."""


# ---------------------------------------------------------------- bodies
@dataclass(frozen=True)
class File:
    """One file of a form: the field's name, the path or the content, the name that is told, and the media type."""

    field: str
    path: str | None
    content: str | None
    filename: str
    content_type: str

    def data(self, variables: Mapping[str, Any]) -> bytes:
        """Return what is sent. Raises OSError."""
        return Path(self.path).read_bytes() if self.path else fill(self.content or "", variables).encode()


def media_type(filename: str) -> str:
    """Guess the media type of a file by its name, as a browser does."""
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def build_body(
    body: Any, form: str, variables: Mapping[str, Any], files: Sequence[File] = ()
) -> tuple[bytes | None, str]:
    """Return a body's bytes with placeholders filled, and its content type."""
    if form == "multipart":
        return _multipart(fill_tree(body or {}, variables), files, variables)
    if body is None:
        return None, ""
    if form == "form":
        pairs = fill_tree(body, variables)
        return urlencode(pairs, doseq=True).encode(), "application/x-www-form-urlencoded"
    if form == "raw":
        return fill(str(body), variables).encode(), ""
    if isinstance(body, str):
        # JSON written out by hand: what is put into its strings must not break out of them.
        return fill(body, variables, lambda text: json.dumps(text)[1:-1]).encode(), "application/json"
    return json.dumps(fill_tree(body, variables), ensure_ascii=False).encode(), "application/json"


def _multipart(fields: Mapping[str, Any], files: Sequence[File], variables: Mapping[str, Any]) -> tuple[bytes, str]:
    """Encode a form as browsers do (RFC 7578; WHATWG HTML, 4.10.21.8)."""
    boundary = f"slipway-{uuid.uuid4().hex}"
    parts = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            parts.append((f'name="{_quoted(str(name))}"', "", as_text(one).encode()))
    for file in files:
        about = f'name="{_quoted(file.field)}"; filename="{_quoted(file.filename)}"'
        parts.append((about, f"Content-Type: {file.content_type}\r\n", file.data(variables)))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\n{kind}\r\n".encode() + data + b"\r\n"
        for about, kind, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


# ---------------------------------------------------------------- values for later checks
@dataclass(frozen=True)
class Extraction:
    """How a value is found: C(kind) and C(text) as they are written, and a function from response and document to it.

    The function returns None for what is not there.
    """

    kind: str
    text: str
    find: Callable[[Response, Any], Any]


def from_header(name: str) -> Extraction:
    """Take the first value of a header."""
    return Extraction("header", name, lambda response, _document: next(iter(response.header(name)), None))


def from_cookie(name: str) -> Extraction:
    """Take the value of a cookie that the response sets."""

    def find(response: Response, _document: Any) -> str | None:
        for line in response.header("set-cookie"):
            key, _sign, value = line.partition(";")[0].partition("=")
            if key.strip() == name:
                return value.strip()
        return None

    return Extraction("cookie", name, find)


def from_regex(pattern: str) -> Extraction:
    """Take the first group of a regular expression in the text, the whole match where it has no group."""
    compiled = re.compile(pattern)

    def find(response: Response, _document: Any) -> str | None:
        found = compiled.search(response.text)
        return found.group(1 if compiled.groups else 0) if found else None

    return Extraction("regex", pattern, find)


class _Inputs(HTMLParser):
    """Finds the value of a form's input, or of a meta element, by its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.value: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self.value is None and tag in ("input", "meta") and given.get("name") == self._name:
            self.value = given.get("value" if tag == "input" else "content")


def from_input(name: str) -> Extraction:
    """Take the value of the input of that name in an HTML page, such as a CSRF token, or the content of such a meta element."""

    def find(response: Response, _document: Any) -> str | None:
        page = _Inputs(name)
        page.feed(response.text)
        return page.value

    return Extraction("input", name, find)
