# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies with a content encoding: whole, in pieces, too long, cut, and with something behind them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import decoders
from ansible_collections.slipway.kube.plugins.module_utils._http.decoders import BodyDecoder
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError

TEXT = b"".join(b"line %d of the page\n" % number for number in range(50))


def raw_deflate(data: bytes) -> bytes:
    """Without the frame of zlib, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
}


def decoded(encoding: str, data: bytes, limit: int = 1 << 16, step: int = 1 << 16) -> bytes:
    decoder = BodyDecoder(encoding, limit)
    pieces = [piece for start in range(0, len(data), step) for piece in decoder.feed(data[start : start + step])]
    decoder.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1 << 16, 7, 1])
@pytest.mark.parametrize("kind", ENCODINGS)
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(kind: str, step: int) -> None:
    encoding, pack = ENCODINGS[kind]
    assert decoded(encoding, pack(TEXT), len(TEXT), step) == TEXT
    with pytest.raises(CheckError) as fault:
        decoded(encoding, pack(TEXT), len(TEXT) - 1, step)
    assert fault.value.code == "body_too_large"


@pytest.mark.parametrize(
    "kind", [kind for kind, (encoding, _pack) in ENCODINGS.items() if encoding not in ("", "identity")]
)
def test_a_body_that_is_cut_is_no_body(kind: str) -> None:
    encoding, pack = ENCODINGS[kind]
    with pytest.raises(CheckError) as fault:
        decoded(encoding, pack(TEXT)[:-4])
    assert fault.value.code == "encoding_error"
    assert decoded(encoding, b"") == b""


@pytest.mark.parametrize(("encoding", "data"), [("gzip", zlib.compress(TEXT)), ("gzip", TEXT), ("compress", b"")])
def test_another_encoding_than_is_announced_is_a_fault(encoding: str, data: bytes) -> None:
    with pytest.raises(CheckError) as fault:
        decoded(encoding, data)
    assert fault.value.code == "encoding_error"


def test_further_members_of_gzip_are_decoded_and_all_else_behind_the_end_is_dropped() -> None:
    packed = gzip.compress(TEXT)
    assert decoded("gzip", packed * 3) == TEXT * 3
    assert decoded("gzip", packed + b"padding" + packed) == TEXT
    assert decoded("deflate", zlib.compress(TEXT) + packed) == TEXT


def test_only_what_is_compressed_may_have_another_size() -> None:
    assert {kind: BodyDecoder(encoding, 9).encoded for kind, (encoding, _pack) in ENCODINGS.items()} == {
        kind: kind not in ("none", "identity") for kind in ENCODINGS
    }


def test_encodings_are_undone_in_reverse_order() -> None:
    assert decoded("deflate, gzip", gzip.compress(zlib.compress(TEXT)), step=5) == TEXT
    assert decoded("identity, x-gzip", gzip.compress(TEXT)) == TEXT
    with pytest.raises(CheckError) as fault:
        BodyDecoder(", ".join(["gzip"] * 6), 9)
    assert fault.value.code == "encoding_error"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_what_unpacks_to_far_more_comes_in_bounded_pieces(pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    decoder = BodyDecoder(encoding, 1 << 30)
    sizes = [len(piece) for piece in decoder.feed(pack(bytes(3_000_000)))]
    decoder.finish()
    assert sum(sizes) == 3_000_000 and max(sizes) <= decoders.PIECE


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "ACCEPTED", "gzip, deflate")
    for encoding, library in decoders.LIBRARIES.items():
        with pytest.raises(CheckError, match=f"the Python library {library} decodes it"):
            BodyDecoder(encoding, 9)


@pytest.mark.parametrize("step", [1 << 16, 7])
@pytest.mark.parametrize("encoding", decoders.LIBRARIES)
def test_encodings_of_other_libraries(encoding: str, step: int) -> None:
    library = pytest.importorskip(decoders.LIBRARIES[encoding])
    if encoding not in decoders.ACCEPTED.split(", "):
        pytest.skip("this version cannot be bounded")
    data = library.compress(TEXT)
    assert decoded(encoding, data, step=step) == TEXT
    with pytest.raises(CheckError) as fault:
        decoded(encoding, library.compress(bytes(1_000_000)), step=step)
    assert fault.value.code == "body_too_large"
    with pytest.raises(CheckError) as fault:
        decoded(encoding, data[:-4])
    assert fault.value.code == "encoding_error"
