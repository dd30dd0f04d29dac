# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cached thing is there and whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import (
    Receipt,
    is_cached,
    is_copy,
    is_link_to,
    read_receipt,
    sha256_of,
    write_receipt,
)

ONE = hashlib.sha256(b"one").hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    return path


@pytest.mark.parametrize(
    ("receipt", "cached"),
    [
        (None, True),
        (Receipt(), True),
        (Receipt(size=3), True),
        (Receipt(size=4), False),
        (Receipt(sha256=ONE), True),
        (Receipt(size=3, sha256=ONE), True),
        (Receipt(size=3, sha256="0" * 64), False),
        (Receipt(size=4, sha256=ONE), False),
    ],
)
def test_file_is_cached_when_it_agrees_with_its_receipt(file: Path, receipt: Receipt | None, cached: bool) -> None:
    assert is_cached(file, receipt) is cached


def test_what_is_not_there_or_cannot_be_read_is_not_cached(tmp_path: Path, file: Path) -> None:
    assert not is_cached(tmp_path / "none") and not is_cached(tmp_path / "none", Receipt(size=0))
    assert not is_cached(file / "below")
    (tmp_path / "link").symlink_to(tmp_path / "none")
    assert not is_cached(tmp_path / "link")
    assert is_cached(tmp_path) and not is_cached(tmp_path, Receipt(sha256=ONE))


def test_link_leads_to_one_file_only(tmp_path: Path, file: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    other.write_bytes(b"one")
    assert not is_link_to(link, file)
    link.symlink_to(file)
    assert is_link_to(link, file) and not is_link_to(link, other)
    file.unlink()
    assert not is_link_to(link, file)


def test_receipt_lies_beside_its_file(file: Path) -> None:
    assert read_receipt(file) is None
    write_receipt(file, sha256_of(file))
    assert read_receipt(file) == Receipt(sha256=ONE)
    (file.parent / "file.sha256").write_bytes(b"\xff")
    assert read_receipt(file) is None


def test_copy_is_known_by_link_or_by_size_and_time(tmp_path: Path, file: Path) -> None:
    copy = tmp_path / "copy"
    assert not is_copy(copy, file)
    copy.hardlink_to(file)
    os.utime(file, (1000, 1000))
    assert is_copy(copy, file)
    copy.unlink()
    copy.write_bytes(b"two")
    assert not is_copy(copy, file)
    os.utime(copy, (1000.5, 1000.5))
    assert is_copy(copy, file)
    copy.write_bytes(b"three")
    os.utime(copy, (1000, 1000))
    assert not is_copy(copy, file)
    with pytest.raises(FileNotFoundError):
        is_copy(copy, tmp_path / "none")
