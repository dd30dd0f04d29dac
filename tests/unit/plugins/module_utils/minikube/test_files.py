# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of profiles: which go with one, the lock, the owner's note, the preload, the kubeconfig."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube import files as profile_files
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError

PROFILE = "slipway"


def test_second_run_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with profile_files.locked(tmp_path, PROFILE):
            order.append("second")

    thread = threading.Thread(target=second)
    assert not profile_files.is_locked(tmp_path, PROFILE)
    with profile_files.locked(tmp_path, PROFILE):
        assert profile_files.is_locked(tmp_path, PROFILE) and not profile_files.is_locked(tmp_path, "other")
        thread.start()
        with profile_files.locked(tmp_path, "other"):
            pass  # another profile is another matter
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert profile_files.is_locked(tmp_path, PROFILE) is False


def test_a_lock_whose_file_was_deleted_while_it_was_waited_for_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, deletions = fcntl.flock, [shutil.rmtree]

    def late(file: Any, how: int) -> None:
        if deletions:
            deletions.pop()(tmp_path / ".minikube")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with profile_files.locked(tmp_path, PROFILE):
        assert profile_files.is_locked(tmp_path, PROFILE)


def test_owner_note_tells_whether_a_start_ended_well(tmp_path: Path) -> None:
    assert profile_files.owner_note(tmp_path, PROFILE) == {}
    for started in (False, True):
        profile_files.write_owner_note(tmp_path, PROFILE, started)
        assert profile_files.owner_note(tmp_path, PROFILE) == {"profile": PROFILE, "started": started}
    assert profile_files.owned_profiles(tmp_path) == [PROFILE]
    (tmp_path / ".minikube/slipway" / PROFILE / profile_files.OWNER_FILE).write_text("{cut")
    assert profile_files.owner_note(tmp_path, PROFILE) == {}


def test_home_is_where_minikube_looks(tmp_path: Path) -> None:
    for given in (tmp_path, tmp_path / ".minikube"):
        assert profile_files.minikube_dir(given) == tmp_path / ".minikube"


# -- what goes with a profile ------------------------------------------------------------------------------------------


def lay(home: Path, owned: Sequence[str], foreign: Sequence[str] = ()) -> Path:
    """Lay profiles into a MINIKUBE_HOME and return where their files are."""
    place = home / ".minikube"
    for profile in (*owned, *foreign):
        (place / "profiles" / profile).mkdir(parents=True)
        (place / "machines" / profile).mkdir(parents=True)
    for profile in owned:
        (place / "slipway" / profile).mkdir(parents=True)
        (place / "slipway" / profile / profile_files.OWNER_FILE).write_text("{}")
    return place


def test_everything_goes_with_the_last_profile(tmp_path: Path) -> None:
    place = lay(tmp_path, [PROFILE])
    (place / "slipway" / f"{PROFILE}.lock").touch()
    assert profile_files.files_of(tmp_path, PROFILE, tmp_path) == profile_files.ProfileFiles((place,))


def test_left_over_files_go_too(tmp_path: Path) -> None:
    place = lay(tmp_path, [])
    place.mkdir()
    assert profile_files.files_of(tmp_path, PROFILE, tmp_path / "." / "x" / "..") == profile_files.ProfileFiles(
        (place,)
    )


def test_nothing_goes_from_where_nothing_is(tmp_path: Path) -> None:
    assert profile_files.files_of(tmp_path, PROFILE, None) == profile_files.ProfileFiles()


@pytest.mark.parametrize(
    ("others", "foreign", "own_home", "reason"),
    [
        (["b"], [], True, "because of the Minikube profile b, which Slipway created too."),
        (["b", "a"], ["mine"], False, "because of the Minikube profiles a, b, which Slipway created too."),
        ([], ["mine"], True, "because of the Minikube profile mine, which Slipway did not create."),
        ([], [], False, "because it is not in Slipway's own state directory."),
    ],
)
def test_only_the_profile_goes_from_where_more_is(
    tmp_path: Path, others: Sequence[str], foreign: Sequence[str], own_home: bool, reason: str
) -> None:
    place = lay(tmp_path, [PROFILE, *others], foreign)
    files = profile_files.files_of(tmp_path, PROFILE, tmp_path if own_home else tmp_path / "state")
    assert files.paths == tuple(place / part / PROFILE for part in ("profiles", "machines", "slipway"))
    assert f"{place} stays, {reason}" in files.kept


def test_profile_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    lay(tmp_path, [], [PROFILE])
    files = profile_files.files_of(tmp_path, PROFILE, tmp_path)
    assert files.paths == () and f"profile {PROFILE}, which Slipway did not create" in files.kept


def test_removing_what_has_gone_is_no_error_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "kept")
    profile_files.remove_files([link, tmp_path / "gone"])
    assert not link.is_symlink() and (tmp_path / "kept").exists()


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "root's"))

    monkeypatch.setattr(profile_files.shutil, "rmtree", refuse)
    with pytest.raises(MinikubeError, match="cannot be removed: Permission denied .*root's"):
        profile_files.remove_files([tmp_path])


def test_preload_is_linked_and_not_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target.tar.lz4"
    source.write_text("one")
    profile_files.place_preload(source, target)
    assert target.samefile(source)
    before = target.stat().st_ino
    profile_files.place_preload(source, target)
    assert target.stat().st_ino == before


def test_preload_is_copied_where_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "target.tar.lz4"
    source.write_text("one")
    os.utime(source, (1000, 1000))

    def refuse(*_arguments: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    profile_files.place_preload(source, target)
    assert target.read_text() == "one" and not target.samefile(source)
    # The copy is known as such by size and time, and stays.
    before = target.stat().st_ino
    profile_files.place_preload(source, target)
    assert target.stat().st_ino == before
    # Another preload under the same name takes its place.
    source.write_text("other")
    profile_files.place_preload(source, target)
    assert target.read_text() == "other"


EMPTY_KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\ncurrent-context: ''\n"


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        (EMPTY_KUBECONFIG, False),
        (EMPTY_KUBECONFIG.replace("users: null", "users: [{name: ada, user: {}}]"), True),
        ("just: notes", True),
        ("- a list", True),
        ("{", True),
    ],
)
def test_only_an_empty_kubeconfig_is_removed(tmp_path: Path, content: str, stays: bool) -> None:
    file = tmp_path / "kube" / "config"
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    profile_files.remove_if_empty(file)
    assert file.exists() is stays
    assert file.parent.exists() is stays


def test_full_disk_is_said_when_the_preload_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "preload"
    source.write_bytes(b"content")

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(MinikubeError, match=r"home cannot be used: No space left on device\. Free some space"):
        profile_files.place_preload(source, tmp_path / "home" / "preload")
    assert list((tmp_path / "home").iterdir()) == []
