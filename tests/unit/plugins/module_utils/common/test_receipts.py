# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cached thing is there and whole."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import (
    Receipt,
    ReceiptError,
    is_copy,
    is_link_to,
)

ONE = hashlib.sha256(b"one").hexdigest()
INPUTS = {"recipe": 1, "settings": {"ldflags": ["-X a=b"]}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cached file with its receipt."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    receipts.write(path, receipts.of(path, INPUTS, "go1.26.6"))
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Change the receipt of a file by hand."""
    place = receipts.receipt_file(path)
    place.write_text(json.dumps({**json.loads(place.read_text()), **changes}))


def test_receipt_says_what_a_file_is_and_what_it_is_made_of(file: Path) -> None:
    assert receipts.read(file) == Receipt(3, ONE, INPUTS, "go1.26.6")
    assert receipts.fault(file) == receipts.fault(file, INPUTS) == receipts.fault(file, INPUTS, deep=True) == ""


@pytest.mark.parametrize(
    ("content", "fault", "deep"),
    [
        (b"", "it has 0 bytes instead of 3", ""),
        (b"on", "it has 2 bytes instead of 3", ""),
        (b"onee", "it has 4 bytes instead of 3", ""),
        (b"two", "", "its content has changed since it was made"),
        (b"\0\0\0", "", "its content has changed since it was made"),
        (None, receipts.ABSENT, ""),
    ],
)
def test_changed_content_is_a_fault(file: Path, content: bytes | None, fault: str, deep: str) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert receipts.fault(file, INPUTS) == fault
    assert receipts.fault(file, INPUTS, deep=True) == (deep or fault)


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [
        ({"recipe": 2, "settings": INPUTS["settings"]}, "it was made with recipe 1 instead of 2"),
        ({"recipe": 1}, "it was made with settings {'ldflags': ['-X a=b']} instead of none"),
        ({**INPUTS, "sources": "0" * 41}, "it was made with other sources"),
        ({**INPUTS, "sources": "0" * 40}, f"it was made with sources none instead of {'0' * 40}"),
        ({**INPUTS, "compiler": "go1"}, "it was made with compiler none instead of go1"),
    ],
)
def test_other_inputs_are_a_fault(file: Path, inputs: dict[str, Any], fault: str) -> None:
    assert receipts.fault(file, inputs) == fault


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": 1}', b'{"format": 0, "size": 3}', b'{"format": "x"}']
)
def test_damaged_receipt_is_none(file: Path, content: bytes) -> None:
    receipts.receipt_file(file).write_bytes(content)
    assert receipts.read(file) is None
    assert receipts.fault(file, INPUTS) == receipts.UNCONFIRMED


def test_receipt_with_other_types_does_not_pass(file: Path) -> None:
    rewrite(file, size="3")
    assert receipts.fault(file, INPUTS)
    rewrite(file, size=3, inputs=[])
    assert receipts.fault(file) == receipts.UNCONFIRMED


def test_receipt_of_a_newer_version_is_neither_believed_nor_replaced(file: Path) -> None:
    rewrite(file, format=2, inputs="unknown")
    before = receipts.receipt_file(file).read_bytes()
    with pytest.raises(
        ReceiptError, match=r"newer version of Slipway \(format 2; this version reads format 1\)"
    ) as caught:
        receipts.fault(file, INPUTS)
    assert "\n" not in str(caught.value) and receipts.receipt_file(file).read_bytes() == before


def test_directory_counts_with_all_its_files(tmp_path: Path) -> None:
    place = tmp_path / "compiler"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "go").write_text("go")
    (place / "link").symlink_to("bin/go")
    receipts.write(place, receipts.of(place, {}))
    assert receipts.fault(place, {}, deep=True) == ""
    (place / "bin" / "go").write_text("xx")
    assert receipts.fault(place, {}) == "" and receipts.fault(place, {}, deep=True)
    (place / "bin" / "go").write_text("go")
    (place / "bin" / "go").chmod(0o755)
    assert receipts.fault(place, {}, deep=True), "it can be run now"
    (place / "bin" / "go").unlink()
    assert receipts.fault(place, {}) == "it has 0 bytes instead of 2"


@pytest.mark.parametrize("after", range(10))
def test_no_moment_of_a_loss_of_power_leaves_a_receipt_beside_other_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = tmp_path / "cache" / "file"
    path.parent.mkdir()
    path.write_bytes(b"old")
    receipts.write(path, receipts.of(path, {"version": 1}))
    made = tmp_path / "file"
    made.write_bytes(b"new")
    calls = 0

    def dying(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > after:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    for name in ("replace", "unlink", "fsync"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    ended = True
    try:
        receipts.keep(made, path, receipts.of(made, {"version": 2}))
    except KeyboardInterrupt:
        ended = False
    monkeypatch.undo()
    assert ended is (after == 9), "this test must kill it after each step"
    receipt = receipts.read(path)
    content = path.read_bytes()
    assert receipt is None or (receipt.inputs, content) in (({"version": 1}, b"old"), ({"version": 2}, b"new"))
    assert (receipts.fault(path, {"version": 2}, deep=True) == "") is (receipt is not None and content == b"new")


def test_link_leads_to_one_file_only(tmp_path: Path, file: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    other.write_bytes(b"one")
    assert not is_link_to(link, file)
    link.symlink_to(file)
    assert is_link_to(link, file) and not is_link_to(link, other)
    file.unlink()
    assert not is_link_to(link, file)


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
