# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady load on an address: so many requests a second, whether the earlier ones have been answered or not."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Answer:
    """One request: seconds since the load began, what came of it (empty when it was good), and the version that answered."""

    at: float
    fault: str
    image_tag: str


class Load:
    """Sends requests for as long as it is entered. A slow answer of a busy machine is none that has failed."""

    def __init__(self, port: int, host: str, path: str, rate: float = 50.0, timeout: float = 30.0) -> None:
        self._port, self._host, self._path = port, host, path
        self._rate, self._timeout = rate, timeout
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=64)
        self._ticker = threading.Thread(target=self._run, daemon=True)
        self._began = time.monotonic()
        self.answers: list[Answer] = []

    def __enter__(self) -> Load:
        self._began = time.monotonic()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticker.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        sent = 0
        while not self._stop.is_set():
            self._pool.submit(self._ask)
            sent += 1
            # Measured from the beginning, so that a late tick does not lower the rate.
            self._stop.wait(max(0.0, self._began + sent / self._rate - time.monotonic()))

    def _ask(self) -> None:
        at = time.monotonic() - self._began
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        image_tag = ""
        try:
            connection.request("GET", self._path, headers={"Host": self._host, "Connection": "close"})
            response = connection.getresponse()
            body = response.read()
            fault = "" if response.status == 200 else f"status {response.status}"
            image_tag = str(json.loads(body).get("image_tag", "")) if not fault else ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            fault = f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        self.answers.append(Answer(at, fault, image_tag))

    @property
    def faults(self) -> list[str]:
        """What went wrong, with the second in which it did."""
        return [f"{answer.at:.2f} s: {answer.fault}" for answer in self.answers if answer.fault]

    @property
    def versions(self) -> Counter[str]:
        """How many answers came of each version."""
        return Counter(answer.image_tag for answer in self.answers if not answer.fault)

    @property
    def rate(self) -> float:
        """Requests a second that were really sent."""
        longest = max((answer.at for answer in self.answers), default=0.0)
        return len(self.answers) / longest if longest else 0.0
