# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests at a steady rate while something else is done to the servers. Private to the collection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import TracebackType
from urllib.parse import urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.statistics import percentiles
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    split_address,
    without_query,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.client import Client
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings

MAX_RATE = 1000.0
MAX_IN_FLIGHT = 256
MAX_BODY_BYTES = 64 * 1024 * 1024
NAME_THREADS = 4
KEPT_FAILURES = 5


@dataclass(frozen=True)
class LoadOptions:
    """What is asked in turn, how often in a second altogether, and how many seconds one request may take."""

    urls: Sequence[str]
    resolve: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: float = 50.0
    timeout: float = 5.0

    def __post_init__(self) -> None:
        """Raise ValueError, a sentence, for what cannot be asked."""
        if not self.urls:
            raise ValueError("urls: give at least one address to ask.")
        for url in self.urls:
            if not _is_http(url):
                raise ValueError(f"urls: {without_query(url)!r} cannot be asked. Write it as http://host:port/path.")
        if not 1 <= self.rate <= MAX_RATE:
            raise ValueError(f"rate: it must be between 1 and {MAX_RATE:.0f} requests a second, not {self.rate:g}.")
        if self.timeout <= 0:
            raise ValueError("timeout: it must be more than 0 seconds.")
        for host, address in self.resolve.items():
            try:
                split_address(address)
            except ValueError as error:
                raise ValueError(f"resolve.{host}: {error}.") from None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and not any(ord(letter) < 33 for letter in url)


@dataclass(frozen=True)
class FailedRequest:
    """One request that failed: when it was sent, to where, why, and which pod was being deleted (empty for none)."""

    time: str
    url: str
    code: str
    error: str
    pod: str

    def as_result(self) -> dict[str, str]:
        """Return the shape of a result."""
        return {"time": self.time, "url": self.url, "code": self.code, "error": self.error, "pod": self.pod}


class LoadGenerator:
    """Asks at a steady rate, each request over a connection of its own, from one thread beside the caller's.

    A context: entering asks each address once and raises ValueError when one fails, leaving waits for what is under way.
    The counts are written by its thread alone; C(pod) is set by the caller to name what is being deleted.
    """

    def __init__(self, options: LoadOptions, give_up_after: int = 20) -> None:
        self.pod = ""
        self.requests = 0
        self.failed = 0
        self.failures: list[FailedRequest] = []
        self._options = options
        self._give_up_after = give_up_after
        self._connect_options = ConnectOptions(
            resolve={host.lower(): address for host, address in options.resolve.items()}
        )
        self._requests = [Request("GET", url.partition("#")[0], dict(options.headers)) for url in options.urls]
        self._times: list[float] = []
        self._ended = threading.Event()
        self._crash: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="slipway-restart-test", daemon=True)

    @property
    def gave_up(self) -> bool:
        """Whether so many requests have failed that more would prove nothing."""
        return self.failed >= self._give_up_after

    @property
    def dead(self) -> bool:
        """Whether asking has ended before its time."""
        return self._crash is not None

    def latency(self) -> dict[str, float]:
        """Return p50_ms, p95_ms, p99_ms and max_ms of the requests that did not fail, empty without any."""
        found = percentiles(self._times)
        return {f"{name}_ms": found[name] for name in ("p50", "p95", "p99", "max") if name in found}

    def __enter__(self) -> LoadGenerator:
        """LoadOptions each address once, then begin."""
        for request in self._requests:
            try:
                asyncio.run(self._once(self._client(), request))
            except CheckError as error:
                raise ValueError(
                    f"{without_query(request.url)} failed before any pod was deleted: {error.message} "
                    f"{error.fault.suggestion}"
                ) from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End; raises ValueError when asking ended by itself, because its counts then prove nothing."""
        self._ended.set()
        self._thread.join()
        if self._crash and kind is None:
            cause = f"{type(self._crash).__name__}: {self._crash}"
            raise ValueError(f"The requests ended too early ({cause}). Report this with the task's options.")

    def _client(self) -> Client:
        return Client(Connector(ThreadPool(NAME_THREADS)), MAX_BODY_BYTES, self._connect_options)

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # handed over to the thread that waits
            self._crash = error

    async def _run(self) -> None:
        client, loop = self._client(), asyncio.get_running_loop()
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        due = loop.time()
        async with asyncio.TaskGroup() as running:
            while not self._ended.is_set() and not self.gave_up:
                await slots.acquire()
                running.create_task(self._one(client)).add_done_callback(lambda _task: slots.release())
                # A moment without time for this process must not become a burst of requests.
                due = max(due + 1 / self._options.rate, loop.time())
                await asyncio.sleep(due - loop.time())

    async def _one(self, client: Client) -> None:
        pod, sent = self.pod, datetime.now(timezone.utc)
        request = self._requests[self.requests % len(self._requests)]
        since = time.monotonic()
        self.requests += 1
        try:
            await self._once(client, request)
        except CheckError as error:
            self.failed += 1
            if len(self.failures) < KEPT_FAILURES:
                when = sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                # A request that was under way when the first pod went may have failed for it.
                self.failures.append(
                    FailedRequest(when, without_query(request.url), error.code, error.message, pod or self.pod)
                )
        else:
            self._times.append((time.monotonic() - since) * 1000)

    async def _once(self, client: Client, request: Request) -> None:
        """Send one request; raises CheckError unless it is answered in time with 2xx or 3xx."""
        timings = Timings()
        try:
            async with asyncio.timeout(self._options.timeout):
                response = await client.send(request, timings)
        except TimeoutError:
            raise CheckError(timings.timeout_code, f"The timeout is {self._options.timeout:g} s.") from None
        if not 200 <= response.status < 400:
            raise CheckError("status_unexpected", f"It is {response.status}.")
