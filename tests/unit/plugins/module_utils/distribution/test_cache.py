# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's lock, what is made under it, and what killed runs left."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock, making
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from distribution_objects import quiet


def test_second_run_waits_and_says_for_whom(tmp_path: Path) -> None:
    words: list[str] = []
    waits, entered = threading.Event(), threading.Event()

    def say(text: str) -> None:
        words.append(text)
        waits.set()

    def second() -> None:
        with lock(tmp_path, say):
            entered.set()

    with lock(tmp_path, quiet):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10) and not entered.is_set()
    assert entered.wait(10)
    thread.join()
    assert words == [f"waiting for another run (process {os.getpid()}) that fills the cache"]


def test_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock(tmp_path, quiet):
        raise RuntimeError
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_file_system_without_locks_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(BuildError, match=r"cannot be locked \(No locks available\).*toolchain_cache_dir") as caught,
        lock(tmp_path, quiet),
    ):
        pytest.fail("it was entered")
    assert "\n" not in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_is_made_appears_whole_and_with_a_receipt(tmp_path: Path) -> None:
    path = tmp_path / "artifacts" / "program-1" / "program"
    for content in ("one", "three"):
        with lock(tmp_path, quiet), making(tmp_path, path, {"recipe": 1}, "go1.26.6") as scratch:
            scratch.write_text(content)
        assert path.read_text() == content
        assert receipts.read(path) == receipts.of(path, {"recipe": 1}, "go1.26.6")
        assert list((tmp_path / ".making").iterdir()) == []


def test_directory_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with lock(tmp_path, quiet), making(tmp_path, tmp_path / "schemas", {"name": name}) as scratch:
            scratch.mkdir()
            (scratch / name).touch()
        assert [path.name for path in (tmp_path / "schemas").iterdir()] == [name]
        assert not receipts.fault(tmp_path / "schemas", {"name": name}, deep=True)


def test_nothing_changes_when_making_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with lock(tmp_path, quiet), making(tmp_path, path, {}) as scratch:
        scratch.write_text("before")
    with pytest.raises(ValueError, match="no"), lock(tmp_path, quiet), making(tmp_path, path, {}) as scratch:
        scratch.write_text("half")
        raise ValueError("no")
    assert path.read_text() == "before" and not receipts.fault(path, {}, deep=True)
    assert list((tmp_path / ".making").iterdir()) == []


KILLED = """
import os, pathlib, sys
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock, making
cache = pathlib.Path(sys.argv[1])
with lock(cache, print), making(cache, cache / "artifacts" / "program" / "file", {}) as scratch:
    scratch.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    old = [tmp_path / ".making-old", tmp_path / "artifacts/.making-old", tmp_path / "artifacts/.unpacking-old"]
    for directory in old:  # as earlier versions left them
        directory.mkdir(parents=True)
        (directory / "gigabytes").touch()
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)]).returncode == -signal.SIGKILL
    left = list((tmp_path / ".making").iterdir())
    assert len(left) == 1 and (left[0] / "file").read_text() == "half", "each removes what the one before left"
    words: list[str] = []
    with lock(tmp_path, words.append):
        assert not (tmp_path / "artifacts" / "program").exists()
        assert not any(directory.exists() for directory in (*left, *old))
    assert words == [f"removed what 1 interrupted steps of earlier runs had left in {tmp_path}"]
    with lock(tmp_path, words.append):
        assert len(words) == 1
