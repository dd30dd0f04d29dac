# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import files


def test_file_appears_when_its_block_ends_well(tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "cache"
    path = cache / "program-1" / "program"
    with files.in_one_step(path, cache) as scratch:
        scratch.write_text("one")
        assert not path.parent.exists()
    assert path.read_text() == "one"
    assert [one.name for one in cache.iterdir()] == ["program-1"]
    with files.in_one_step(path, cache) as scratch:
        scratch.write_text("two")
    assert path.read_text() == "two"


def test_directory_appears_in_one_step_too(tmp_path: Path) -> None:
    with files.in_one_step(tmp_path / "schemas") as scratch:
        scratch.mkdir()
        (scratch / "one").touch()
    assert [one.name for one in (tmp_path / "schemas").iterdir()] == ["one"]


def test_nothing_is_left_of_a_block_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(ValueError, match="no"), files.in_one_step(path) as scratch:
        scratch.write_text("half")
        raise ValueError("no")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


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
