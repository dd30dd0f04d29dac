# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a page, decoded as a browser would. Private to the collection.

Source: the WHATWG Encoding and HTML standards, for what is met on the web of today: a byte order mark, the charset of the
Content-Type header, that of a meta element or an XML declaration, then UTF-8, and windows-1252 for what is not UTF-8.
"""

from __future__ import annotations

import codecs
import re

LOOKED_AT = 1024
"""Bytes of a page in which its declaration must stand (HTML, 4.2.5.5)."""

_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]+)", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]+encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Labels that stand for a wider encoding than the one that they name (Encoding, 4.2).
_WIDER = {
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
}


def _encoding(label: str) -> str | None:
    """Return Python's name for a label, None for one that names no encoding of text."""
    try:
        name = codecs.lookup(label.strip()).name
        b"".decode(name)
    except (LookupError, ValueError):
        return None
    return _WIDER.get(name, name)


def _declared(body: bytes, content_type: str) -> str | None:
    found = _PARAMETER.search(content_type)
    if found and (name := _encoding(found.group(1))):
        return name
    start = body[:LOOKED_AT].lstrip()
    inside = _XML.match(start) or (_META.search(start) if start.startswith(b"<") else None)
    name = _encoding(inside.group(1).decode("ascii")) if inside else None
    # Bytes in which an ASCII declaration can be read are not UTF-16.
    return "utf-8" if name and name.startswith("utf-16") else name


def decode(body: bytes, content_type: str = "") -> str:
    """Return the text of a body; bytes that its encoding does not have become U+FFFD."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    declared = _declared(body, content_type)
    try:
        return body.decode(declared or "utf-8")
    except UnicodeError:
        return body.decode(declared or "cp1252", "replace")
