# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for calls that block and know no deadline. Private to the collection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any


class ThreadPool:
    """Runs blocking calls in at most limit daemon threads, which nobody has to wait for."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Await the result of a blocking call; when cancelled, the thread keeps its slot until it ends."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._slots.release()
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            result, failure = None, None
            try:
                result = function(*arguments)
            except Exception as error:  # handed over to the waiting side, whatever it is
                failure = error
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                return  # the loop has ended, nobody waits any more

        try:
            threading.Thread(target=work, name="slipway-health", daemon=True).start()
        except RuntimeError:
            self._slots.release()  # this machine gives no more threads
            raise
        return await future
