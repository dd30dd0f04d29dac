# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contexts as streams: what is in them, and what is said when one cannot be read."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotStore, examine, read
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ComponentImage, ImageError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_stream import (
    ContextStream,
    changed_since,
    source_of,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    build_digest,
    members_of,
    read_context,
)
from hypothesis import given
from hypothesis import strategies as st
from image_objects import component, lay_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_source(tmp_path / "source")


def stream(one: ComponentImage) -> tuple[str, dict[str, tarfile.TarInfo], dict[str, bytes]]:
    """The Dockerfile's name in a component's stream, the stream's members, and what the files among them hold."""
    with source_of(one) as source:
        reading = ContextStream(source)
        data = io.BytesIO(b"".join(reading.chunks()))
        reading.close()
    with tarfile.open(fileobj=data) as archive:
        members = {member.name: member for member in archive}
        files = {name: file.read() for name, member in members.items() if (file := archive.extractfile(member))}
    return source.name, members, files


def test_stream_holds_the_context_and_nobody_owns_it(source: Path) -> None:
    name, members, files = stream(component(source))
    assert name == "Dockerfile"
    assert set(members) == {"Dockerfile", "link", "src", "src/app.py", "src/run"}
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert members["src/run"].mode & stat.S_IXUSR
    assert members["link"].linkname == "src/app.py"
    assert files["src/app.py"] == b"print()"


@pytest.mark.parametrize("rules", ["Dockerfile\n", "Dockerfile\n.dockerignore\n"])
def test_ignored_dockerfile_comes_under_a_name_that_copy_does_not_see(source: Path, rules: str) -> None:
    (source / ".dockerignore").write_text(rules)
    name, members, files = stream(component(source))
    assert name.startswith(".dockerfile.") and "Dockerfile" not in members
    lines = files[".dockerignore"].decode().split()
    assert name in lines
    assert (".dockerignore" in lines) is (".dockerignore" in rules)


def test_dockerfile_outside_of_the_context(source: Path) -> None:
    (source.parent / "web.Dockerfile").write_text("FROM other")
    name, _members, files = stream(component(source, "../web.Dockerfile"))
    assert files[name] == b"FROM other"


def test_file_that_vanishes_is_told(source: Path) -> None:
    with source_of(component(source)) as building:
        (building.root / "src/app.py").unlink()
        reading = ContextStream(building)
        assert b"".join(reading.chunks())
    with pytest.raises(ImageError, match=r"app\.py vanished"):
        reading.close()


def planned(one: ComponentImage, store: Path) -> ComponentImage:
    """A component as the plan returns it."""
    dockerfile = os.path.relpath(one.dockerfile, one.source)
    members = members_of(read_context(one.source, dockerfile), one.dockerfile)
    snapshot = SnapshotStore(store).take(one.name, members)
    return replace(one, build_digest=build_digest(snapshot, one.arguments), snapshot=snapshot.path)


def test_context_that_cannot_be_read_is_told(source: Path) -> None:
    (source / ".dockerignore").write_text("[a\n")
    with (
        pytest.raises(ImageError, match="The build context of todo cannot be read: .*line 1"),
        source_of(component(source)),
    ):
        pass


def test_change_after_the_plan_is_not_built_and_is_told(source: Path, tmp_path: Path) -> None:
    one = planned(component(source), tmp_path / "store")
    assert changed_since(one) == ""
    (source / "src/app.py").write_text("later")
    (source / "Dockerfile").write_text("FROM later")
    (source / "new").touch()
    _name, members, files = stream(one)
    assert files["src/app.py"] == b"print()" and files["Dockerfile"] == b"FROM scratch" and "new" not in members
    assert changed_since(one) == (
        "todo: Dockerfile, new, src/app.py changed after the plan was made. "
        "The image holds the sources as they were then; the change belongs to the next run."
    )


def test_more_than_five_changed_files_are_counted(source: Path, tmp_path: Path) -> None:
    one = planned(component(source), tmp_path / "store")
    for number in range(7):
        (source / f"a{number}").touch()
    assert "a0, a1, a2, a3, a4 and 2 more changed" in changed_since(one)


def test_sources_that_are_gone_have_changed(source: Path, tmp_path: Path) -> None:
    one = planned(component(source), tmp_path / "store")
    shutil.rmtree(source)
    assert changed_since(one).startswith("todo: its sources have changed since the plan was made")
    assert stream(one)[2]["src/app.py"] == b"print()"


def test_damaged_snapshot_is_not_built_and_goes(source: Path, tmp_path: Path) -> None:
    one = planned(component(source), tmp_path / "store")
    assert one.snapshot
    (one.snapshot / "context/src/app.py").write_text("")
    assert stream(one)[2]["src/app.py"] == b"print()"
    assert not one.snapshot.exists()


@pytest.mark.parametrize("lost", [False, True])
def test_without_the_snapshot_only_the_same_sources_are_built(source: Path, tmp_path: Path, lost: bool) -> None:
    one = planned(component(source), tmp_path / "store")
    shutil.rmtree(tmp_path / "store")
    one = one if lost else replace(one, snapshot=None)
    assert stream(one)[2]["src/app.py"] == b"print()"
    (source / "src/app.py").chmod(0o600)
    with pytest.raises(
        ImageError, match="have changed since the plan was made. Nothing was built from them; run this again"
    ):
        stream(one)


def test_other_build_arguments_than_those_of_the_tag_are_refused(source: Path, tmp_path: Path) -> None:
    one = planned(component(source, A="1", PIP_INDEX_URL="https://one"), tmp_path / "store")
    assert stream(replace(one, arguments={"A": "1", "PIP_INDEX_URL": "https://two"}))
    with pytest.raises(ImageError, match="The sources or the build arguments of todo"):
        stream(replace(one, arguments={"A": "2"}))


def test_tag_that_says_nothing_of_the_sources_is_built_from_what_is_there(source: Path) -> None:
    (source / "src/app.py").write_text("now")
    assert stream(component(source))[2]["src/app.py"] == b"now"


NAMES = st.sampled_from(["a", "b", "dir", "dir/a", "dir/b", "dir/deep", "dir/deep/c", "Dockerfile"])
# Its owner can read and enter all of it, so that the test needs no rights.
MODES = st.integers(0, 0o7777).map(lambda mode: mode | 0o700)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["file", "directory", "link", "socket", "pipe", "gone"]), NAMES, MODES), max_size=12
)


def change(root: Path, kind: str, name: str, mode: int) -> None:
    """Put something of a kind under a name, or take away what is there."""
    path = root / name
    if not path.parent.is_dir() or path.parent.is_symlink():
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "file" or name == "Dockerfile":
        path.write_text(f"FROM scratch\n# {mode % 8}\n")
        path.chmod(mode)
    elif kind == "directory":
        path.mkdir()
        path.chmod(mode)
    elif kind == "link":
        path.symlink_to("a" if mode % 2 else "nowhere")
    elif kind in ("socket", "pipe"):
        os.mknod(path, 0o600 | (stat.S_IFSOCK if kind == "socket" else stat.S_IFIFO))


def unpacked(one: ComponentImage, root: Path) -> ComponentImage:
    """A component whose source is what a builder was sent."""
    with source_of(one) as building:
        reading = ContextStream(building)
        with tarfile.open(fileobj=io.BytesIO(b"".join(reading.chunks()))) as archive:
            archive.extractall(root, filter="fully_trusted")
        reading.close()
    return component(root)


@given(CHANGES, CHANGES, st.sampled_from(["kept", "lost", "cut"]))
def test_what_is_built_has_the_digest_that_its_tag_says(
    before: list[tuple[str, str, int]], between: list[tuple[str, str, int]], snapshot: str
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "source"
        root.mkdir()
        (root / "Dockerfile").write_text("FROM scratch")
        for one in before:
            change(root, *one)
        tagged = planned(component(root), Path(scratch) / "store")
        assert tagged.snapshot
        for one in between:
            change(root, *one)
        if snapshot == "lost":
            shutil.rmtree(tagged.snapshot)
        elif snapshot == "cut":
            (tagged.snapshot / "Dockerfile").write_text("")
        with contextlib.suppress(ImageError):
            sent = unpacked(tagged, Path(scratch) / "sent")
            built = read(members_of(read_context(sent.source), sent.dockerfile))
            assert build_digest(built, {}) == tagged.build_digest
        # Whatever was remembered of the first plan, the next one covers what is there now.
        again = planned(component(root), Path(scratch) / "store")
        now = read(members_of(read_context(root), root / "Dockerfile"))
        assert again.build_digest == build_digest(now, {})
        assert again.snapshot and (found := examine(again.snapshot)) and found.digest == now.digest
        unpacked(again, Path(scratch) / "again")
