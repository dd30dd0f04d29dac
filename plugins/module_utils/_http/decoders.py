# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content encodings of a body. Private to the collection."""

from __future__ import annotations

import zlib
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError


class BodyDecoder:
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

    @property
    def encoded(self) -> bool:
        """Whether the decoded body may have another size than what is received."""
        return self._decoder is not None

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
