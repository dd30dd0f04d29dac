# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's lock."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock
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
