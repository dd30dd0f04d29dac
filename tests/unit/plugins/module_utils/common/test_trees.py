# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source trees as they are read, and as they enter a tar file."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import trees
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/deep/one").write_text("one")
    (tmp_path / "a.txt").write_text("two")
    (tmp_path / "a").chmod(0o777)
    (tmp_path / "a/deep").chmod(0o755)
    (tmp_path / "a/deep/one").chmod(0o660)
    (tmp_path / "a.txt").chmod(0o4744)
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_directory_comes_before_what_is_in_it_and_links_are_not_followed(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(root):
        listener.bind("socket")
    assert list(trees.walk(root)) == [
        Entry("a", "d", 0o755),
        Entry("a/deep", "d", 0o755),
        Entry("a/deep/one", "f", 0o640),
        Entry("a.txt", "f", 0o4744),
        Entry("link", "l", target="a"),
    ]


def test_tree_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(trees.walk(tmp_path / "none"))


def test_members_of_a_tar_file_belong_to_nobody(root: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in trees.walk(root):
            trees.add(archive, root / entry.path, entry.path)
        trees.add(archive, root / "a.txt", "program", mode=0o755)
        trees.add_bytes(archive, "made", b"three")
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        members = {member.name: member for member in archive}
        files = {name: found.read() for name in ("a.txt", "made") if (found := archive.extractfile(name))}
    assert set(members) == {"a", "a/deep", "a/deep/one", "a.txt", "link", "program", "made"}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}
    assert (members["a.txt"].mode, members["program"].mode, members["link"].linkname) == (0o4744, 0o755, "a")
    assert files == {"a.txt": b"two", "made": b"three"}
