# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear in one step and are on the disk when they do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import files


def test_text_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deeper" / "note.json"
    for text in ("one\n", "zwei ü\n"):
        files.write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_copy_has_the_mode_that_is_asked_for_and_leaves_a_running_program_alone(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "program"
    source.write_text("new")
    path.write_text("old")
    with path.open() as running:
        files.copy(source, path, 0o755)
        assert running.read() == "old"
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o755


def test_link_is_made_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, path = tmp_path / "source", tmp_path / "deep" / "deeper" / "target.tar.lz4"
    source.write_text("one")
    files.link_or_copy(source, path)
    path.unlink()
    path.with_suffix(".new").write_text("left by one that was killed")
    files.link_or_copy(source, path)
    assert path.samefile(source)

    def refuse(*_arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    os.utime(source, (1000, 1000))
    files.link_or_copy(source, path)
    assert not path.samefile(source) and path.read_text() == "one" and int(path.stat().st_mtime) == 1000
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("write", ["write_text", "copy", "link_or_copy"])
def test_content_is_on_the_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    source, path = tmp_path / "source", tmp_path / "target.txt"
    source.write_text("new")
    path.write_text("old")
    synced: list[tuple[str, str]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), path.read_text()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    arguments = {"write_text": (path, "new"), "copy": (source, path, 0o644), "link_or_copy": (source, path)}
    getattr(files, write)(*arguments[write])
    # The second name of a hard link is what the kernel may show.
    assert [content for _, content in synced] == ["old", "new"]
    assert synced[1][0] == str(tmp_path)


def test_full_disk_is_one_sentence_with_what_to_do() -> None:
    named = OSError(28, "No space left on device", "/cache/file")
    assert files.unwritable(named, "/cache").startswith(
        "/cache/file cannot be used: No space left on device. Free some"
    )
    assert files.unwritable(OSError(28, "No space left on device"), "/cache").startswith("/cache cannot be used:")
