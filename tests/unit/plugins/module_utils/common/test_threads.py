# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocking calls in threads: results, errors, the limit, and calls that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool

PATIENCE = 5.0  # seconds; only a call that is lost takes so long


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), PATIENCE))


class Blocked:
    """A call that tells when it has started, and ends when it may."""

    def __init__(self) -> None:
        self.started, self.may_end = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> str:
        self.thread = threading.current_thread()
        self.started.set()
        assert self.may_end.wait(PATIENCE)
        return "done"

    async def has_started(self) -> None:
        while not self.started.is_set():
            await asyncio.sleep(0)


def test_results_and_errors_come_back() -> None:
    async def work() -> None:
        pool = ThreadPool(1)
        assert await pool.run(pow, 2, 5) == 32
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0)
        assert await pool.run(lambda: None) is None

    run(work)


def test_no_more_calls_run_at_once_than_are_allowed() -> None:
    async def work() -> None:
        pool, calls = ThreadPool(2), [Blocked() for _ in range(3)]
        waiting = [asyncio.ensure_future(pool.run(call)) for call in calls]
        for call in calls[:2]:
            await call.has_started()
        assert not calls[2].started.is_set()
        calls[0].may_end.set()
        await calls[2].has_started()
        for call in calls:
            call.may_end.set()
        assert await asyncio.gather(*waiting) == ["done"] * 3

    run(work)


def test_a_call_that_nobody_waits_for_keeps_its_place_until_it_ends() -> None:
    async def work() -> None:
        trouble: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: trouble.append(context))
        pool, left, next_one = ThreadPool(1), Blocked(), Blocked()
        waiting = asyncio.ensure_future(pool.run(left))
        await left.has_started()
        waiting.cancel()
        following = asyncio.ensure_future(pool.run(next_one))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not next_one.started.is_set()
        left.may_end.set()
        next_one.may_end.set()
        assert await following == "done" and trouble == []

    run(work)


def test_a_thread_that_cannot_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> None:
        pool = ThreadPool(1)
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="can't start new thread"):
            patch.setattr(threading.Thread, "start", refuse)
            await pool.run(pow, 2, 5)
        assert await pool.run(pow, 2, 5) == 32

    run(work)


def test_a_call_that_ends_after_everything_else_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", trouble.append)
    left = Blocked()

    async def work() -> None:
        waiting = asyncio.ensure_future(ThreadPool(1).run(left))
        await left.has_started()
        waiting.cancel()

    run(work)
    left.may_end.set()
    assert left.thread
    left.thread.join(PATIENCE)
    assert not left.thread.is_alive() and trouble == []
