# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content encodings of a body (RFC 9110, 8.4). Private to the collection.

Each decoder takes what has arrived and yields pieces of bounded size, so that a body that unpacks to gigabytes is refused
before it takes memory.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

LIBRARIES = {"br": "brotli", "zstd": "zstandard"}
"""Encodings that Python's own library does not decode, and the library that does."""


def _usable(library: str) -> bool:
    """Tell whether a library is there; brotli bounds what it puts out from version 1.2 on."""
    if importlib.util.find_spec(library) is None:
        return False
    if library != "brotli":
        return True
    from importlib import metadata  # here, because it takes a while and brotli is seldom there

    major, minor = metadata.version("brotli").split(".")[:2]
    return (int(major), int(minor)) >= (1, 2)


ACCEPTED = ", ".join(["gzip", "deflate", *(name for name, library in LIBRARIES.items() if _usable(library))])
"""What a request says that it takes."""
PIECE = 64 * 1024
"""Bytes of a piece, or of compressed data that is decoded at a time where the library bounds no output."""
SLICE = 64
MAX_LAYERS = 5


class _Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode received bytes; raises ValueError for what is not of this encoding."""

    def finished(self) -> bool:
        """Tell whether the stream may end here."""


class _Zlib:
    """gzip, of one or several members, and deflate, with the zlib frame that RFC 9110 (8.4.1.2) asks for or without it."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS if gzip else zlib.MAX_WBITS)
        self._waiting = b""
        self._started = self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._started:
            # The two bytes of a zlib header tell whether there is one.
            data, self._waiting = self._waiting + data, b""
            if len(data) < 2:
                self._waiting = data
                return
            self._started = True
            if not self._gzip and (data[0] & 15 != 8 or int.from_bytes(data[:2], "big") % 31):
                self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            yield from self._pieces(data)
        except zlib.error as error:
            raise ValueError(str(error)) from None

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        full = False
        while (data or full) and not self._ended:
            piece = self._decoder.decompress(data, PIECE)
            # Where a piece is full, more may wait in the decoder than in what is left of the data.
            data, full = self._decoder.unconsumed_tail, len(piece) == PIECE
            if piece:
                yield piece
            if self._decoder.eof:
                data = self._decoder.unused_data
                # A further member (RFC 1952, 2.2) is decoded; anything else behind the end is dropped, because
                # a finished decoder would keep all of it.
                if self._gzip and data[:1] == b"\x1f":
                    self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
                elif data:
                    self._ended = True

    def finished(self) -> bool:
        return not (self._started or self._waiting) or self._decoder.eof


class _Brotli:
    """br, by the library brotli."""

    def __init__(self) -> None:
        import brotli

        self._error = brotli.error
        self._decoder = brotli.Decompressor()
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            yield self._decoder.process(data, output_buffer_limit=PIECE)
            while not self._decoder.can_accept_more_data():
                yield self._decoder.process(b"", output_buffer_limit=PIECE)
        except self._error as error:
            raise ValueError(str(error)) from None

    def finished(self) -> bool:
        return not self._started or bool(self._decoder.is_finished())


class _Zstandard:
    """zstd, by the library zstandard, which bounds no output: slices are so small that what they unpack to is, too."""

    def __init__(self) -> None:
        import zstandard

        self._library = zstandard
        self._decoder: Any = None
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            while data:
                if self._decoder is None or self._decoder.eof:
                    # 8 MiB is the window that RFC 9659 allows.
                    self._decoder = self._library.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
                yield self._decoder.decompress(data[:SLICE])
                data = (self._decoder.unused_data if self._decoder.eof else b"") + data[SLICE:]
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from None

    def finished(self) -> bool:
        return not self._started or bool(self._decoder and self._decoder.eof)


def _decoder(encoding: str) -> _Decoder:
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Zlib(gzip=encoding != "deflate")
    if encoding in ACCEPTED.split(", "):
        return _Brotli() if encoding == "br" else _Zstandard()
    missing = f"; the Python library {LIBRARIES[encoding]} decodes it" if encoding in LIBRARIES else ""
    raise CheckError("encoding_error", f"It is {encoding[:40]!r}{missing}.")


class BodyDecoder:
    """Decodes the content encodings of a body, and stops at the limit (of decoded bytes)."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._size, self._limit = 0, limit
        names = [name.strip() for name in encoding.split(",")]
        names = [name for name in names if name not in ("", "identity")]
        if len(names) > MAX_LAYERS:
            raise CheckError("encoding_error", f"It names {len(names)} encodings.")
        # They were applied in the order in which they are listed.
        self._decoders = [_decoder(name) for name in reversed(names)]

    @property
    def encoded(self) -> bool:
        """Whether the decoded body may have another size than what is received."""
        return bool(self._decoders)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of received bytes; a body that unpacks to more than the limit is body_too_large."""
        if not self._decoders:
            self._count(data)
            yield data
            return
        try:
            for piece in self._decoded(data, 0):
                self._count(piece)
                yield piece
        except ValueError as error:
            raise CheckError("encoding_error", f"{error}.") from None

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise CheckError("body_too_large", f"The limit is {self._limit} bytes.")

    def _decoded(self, data: bytes, layer: int) -> Iterator[bytes]:
        if layer == len(self._decoders):
            yield data
            return
        for piece in self._decoders[layer].feed(data):
            yield from self._decoded(piece, layer + 1)

    def finish(self) -> None:
        """Raise encoding_error for a body that ends within its compressed stream."""
        if not all(decoder.finished() for decoder in self._decoders):
            raise CheckError("encoding_error", "The compressed body ends too early.")
