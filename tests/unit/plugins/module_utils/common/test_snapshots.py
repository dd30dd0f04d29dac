# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of sources: they are what was there, and what has not changed is neither read nor copied again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import snapshots
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import (
    Member,
    Snapshot,
    SnapshotError,
    SnapshotStore,
    examine,
    read,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import walk


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "deep").mkdir(parents=True)
    (root / "deep/one").write_text("one")
    (root / "two").write_text("two")
    (root / "two").chmod(0o666)
    (root / "link").symlink_to("deep/one")
    return root


def members(root: Path) -> list[Member]:
    return [Member(entry, root / entry.path, (root / entry.path).lstat()) for entry in walk(root)]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files have been left alone for long enough."""
    real = time.time_ns
    monkeypatch.setattr(snapshots.time, "time_ns", lambda: real() + 10 * snapshots._UNSETTLED)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were copied."""
    names: list[str] = []
    real = snapshots._copy_file
    monkeypatch.setattr(
        snapshots, "_copy_file", lambda member, target: (names.append(member.entry.path), real(member, target))[1]
    )
    return names


def path_of(snapshot: Snapshot) -> Path:
    assert snapshot.path is not None
    return snapshot.path


def test_snapshot_lies_under_its_digest_and_is_what_was_there(source: Path, store: SnapshotStore) -> None:
    taken = store.take("source", members(source))
    path = path_of(taken)
    assert path.name == taken.digest == read(members(source)).digest
    found = examine(path)
    assert found and found.digest == taken.digest and not found.differences(taken)
    assert (path / "deep/one").read_text() == "one" and (path / "link").readlink() == Path("deep/one")
    assert path.stat().st_mode & 0o077 == 0 and (path / "two").stat().st_mode & 0o777 == 0o644


def test_change_of_the_source_does_not_reach_the_snapshot(source: Path, store: SnapshotStore) -> None:
    taken = store.take("source", members(source))
    with (source / "deep/one").open("r+") as file:
        file.write("ONE")
    (source / "two").chmod(0o600)
    found = examine(path_of(taken))
    assert found and found.digest == taken.digest
    later = store.take("source", members(source))
    assert later.differences(taken) == ["deep/one", "two"]
    assert (path_of(later) / "deep/one").read_text() == "ONE" and (path_of(taken) / "deep/one").read_text() == "one"


@pytest.mark.usefixtures("settled")
def test_unchanged_source_is_not_read_again(source: Path, store: SnapshotStore, copied: list[str]) -> None:
    first = store.take("source", members(source))
    assert sorted(copied) == ["deep/one", "two"]
    copied.clear()
    second = store.take("source", members(source))
    assert copied == [] and second.path == first.path and second.digest == first.digest


@pytest.mark.usefixtures("settled")
def test_one_change_copies_one_file(source: Path, store: SnapshotStore, copied: list[str]) -> None:
    first = path_of(store.take("source", members(source)))
    copied.clear()
    (source / "two").write_text("changed")
    second = path_of(store.take("source", members(source)))
    assert copied == ["two"]
    assert (first / "deep/one").samefile(second / "deep/one") and (first / "two").read_text() == "two"


def test_file_that_has_just_changed_is_read_again(source: Path, store: SnapshotStore, copied: list[str]) -> None:
    """It may change once more under the same time stamp."""
    store.take("source", members(source))
    copied.clear()
    store.take("source", members(source))
    assert sorted(copied) == ["deep/one", "two"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"digest": 1, "files": 2}', "\xff"])
def test_damaged_memory_is_no_memory(source: Path, store: SnapshotStore, tmp_path: Path, content: str) -> None:
    digest = store.take("source", members(source)).digest
    (memory,) = (tmp_path / "store").glob("*/seen.json")
    memory.write_text(content, encoding="latin-1")
    assert store.take("source", members(source)).digest == digest


@pytest.mark.usefixtures("settled")
def test_snapshot_that_is_gone_is_made_again(source: Path, store: SnapshotStore) -> None:
    path = path_of(store.take("source", members(source)))
    snapshots.discard(path)
    assert not path.exists()
    assert path_of(store.take("source", members(source))) == path and (path / "two").is_file()


def test_contents_of_one_size_differ_in_their_time(source: Path, store: SnapshotStore) -> None:
    """BuildKit compares no contents."""

    def told(content: str) -> int:
        (source / "two").write_text(content)
        os.utime(source / "two", (1000000000, 1000000000))
        return (path_of(store.take("source", members(source))) / "two").stat().st_mtime_ns

    first, second = told("aaa"), told("bbb")
    assert first != second and first // 10**9 == second // 10**9 == 1000000000


def age(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_superseded_snapshots_go_when_no_run_can_need_them(source: Path, store: SnapshotStore) -> None:
    def change(text: str) -> Path:
        (source / "two").write_text(text)
        return path_of(store.take("source", members(source)))

    (source / "deep").chmod(0o555)
    old, recent = change("1"), change("2")
    (old.parent / ".making-killed").mkdir()
    for path in (old, old.parent / ".making-killed"):
        age(path, snapshots.SUPERSEDED + 60)
    now = change("3")
    assert sorted(path.name for path in now.parent.iterdir()) == sorted([recent.name, now.name, "seen.json"])


def test_snapshots_of_a_source_that_nobody_plans_any_more_go(source: Path, store: SnapshotStore) -> None:
    abandoned = path_of(store.take("another", members(source))).parent
    kept = path_of(store.take("third", members(source))).parent
    age(abandoned, snapshots.ABANDONED + 60)
    store.take("source", members(source))
    assert not abandoned.exists() and kept.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), r"two vanished while it was read; run this again"),
        (lambda path: (path.unlink(), os.mkfifo(path)), r"two is not a file any more; run this again"),
        (lambda path: (path.unlink(), path.symlink_to(path)), r"two cannot be read \(.*\); correct its permissions"),
    ],
)
def test_file_that_goes_meanwhile_is_told(
    source: Path, store: SnapshotStore, change: Callable[[Path], object], words: str
) -> None:
    found = members(source)
    change(source / "two")
    for take in (lambda: store.take("source", found), lambda: read(found)):
        with pytest.raises(SnapshotError, match=words):
            take()


def test_store_that_cannot_be_written_to_is_told(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = r"no snapshot can be written to .*file.*; check the permissions and the space"
    with pytest.raises(SnapshotError, match=words):
        SnapshotStore(tmp_path / "file/store").take("source", members(source))


def test_without_a_store_nothing_is_copied(source: Path) -> None:
    taken = SnapshotStore(None).take("source", members(source))
    assert taken.path is None and taken.digest == read(members(source)).digest


def test_tree_that_is_not_there_is_no_snapshot(tmp_path: Path) -> None:
    assert examine(tmp_path / "none") is None
