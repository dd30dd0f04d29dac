# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running health checks side by side. Private to the collection.

All checks live on one event loop; at most max_parallel of them have a request under way at a moment, and those
that wait for their next attempt or for a dependency hold no place.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.statistics import percentiles
from ansible_collections.slipway.kube.plugins.module_utils._health.asking import ALPN, Asker
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import (
    KEYS,
    WITH_BODY,
    Check,
    Latency,
    Workload,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.diagnose import Diagnosis, diagnose, own
from ansible_collections.slipway.kube.plugins.module_utils._health.evaluate import Verdict, bounded, judge
from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import Assertion, backoff, shorten
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, Side, SpecError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import TIMEOUT_CODES, Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import make_context
from ansible_collections.slipway.kube.plugins.module_utils._kube.streams import PodStreams

MAX_PARALLEL = 512
# A port forward has two threads of its own for as long as it lasts.
MAX_FORWARDS = 16
IDENTITY_PAUSE = 0.05
JUDGING_SECONDS = 1.0
LOOKING_SECONDS = 5.0
"""The most that looking at the workloads behind failed checks may take of the deadline."""
# Faults of the options or of this host that do not heal by waiting.
HOPELESS = frozenset(
    {"library_missing", "kubeconfig_invalid", "placeholder_invalid", "judging_timeout", "internal_error"}
)
# What the workload cannot be the cause of.
UNEXPLAINED = HOPELESS | {"kubernetes_api", "descriptors_exhausted", "unexpectedly_healthy"}
TIMED_OUT = frozenset({*TIMEOUT_CODES.values(), "proxy_failed"})
Ask = Callable[[Check, Timings], Awaitable[Response]]


@dataclass
class Record:
    """What is known about one check so far."""

    check: Check
    state: str = "skipped"
    attempts: int = 0
    streak: int = 0
    asking: bool = False
    started: float | None = None
    elapsed: float = 0.0
    first_ok_at: str | None = None
    error: CheckError | None = None
    suffix: str = ""
    response: Response | None = None
    assertions: list[Assertion] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    totals: list[float] = field(default_factory=list)
    samples: int = 0
    sample_errors: int = 0
    diagnosis: Diagnosis | None = None

    def as_result(self, mask: Callable[[str], str]) -> dict[str, Any]:
        """Return the shape of one entry of the module's checks."""
        error = self.error.as_result() if self.error else None
        if error:
            error["message"] = shorten(error["message"] + self.suffix, 400, mask)
        result: dict[str, Any] = {
            "name": self.check.name,
            "type": self.check.type,
            "via": self.check.via,
            "state": self.state,
            "attempts": self.attempts,
            "first_ok_at": self.first_ok_at,
            "elapsed": round(self.elapsed, 3),
            "last_error": error,
            "timings": self.times,
            "percentiles": percentiles(self.totals),
            "assertions": [item.as_result(mask) for item in self.assertions],
            "diagnosis": self.diagnosis,
        }
        if self.response is not None and self.response.status:
            result["status"] = self.response.status
        if self.response is not None and self.response.certificate_days is not None:
            result["certificate_days_left"] = self.response.certificate_days
        if self.samples:
            result["samples"] = self.samples
            result["error_rate"] = round(self.sample_errors / self.samples, 4)
        return result


class Runner:
    """Runs the checks of one task once."""

    def __init__(
        self,
        checks: Sequence[Check],
        variables: Mapping[str, Any],
        masker: Masker,
        *,
        deadline: float,
        max_parallel: int = 64,
        fail_fast: bool = False,
        cluster: PodStreams | None = None,
        chance: Callable[[], float] = random.random,
        look: Callable[[Workload, float], Diagnosis | None] | None = None,
        ask: Ask | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        """Keep what is given; C(ask) stands in for the network, and the loop's clock measures all waits."""
        self.records = {check.name: Record(check) for check in checks}
        self._variables = dict(variables)
        self._masker = masker
        self._deadline = deadline
        self._parallel = max_parallel
        self._fail_fast = fail_fast
        self._cluster = cluster or PodStreams()
        self._chance = chance
        self._look = look or functools.partial(diagnose, masker=masker)
        self._ask = ask
        self._loop_factory = loop_factory
        self._stop_code = "deadline"

    def prepare(self) -> None:
        """Load the files of the TLS options, so that a wrong path is refused before anything is sent."""
        for record in self.records.values():
            check = record.check
            if "tls" in KEYS[check.type]:
                try:
                    make_context(check.tls, ALPN.get(check.type, "http/1.1"))
                except SpecError as error:
                    raise SpecError(f"check {check.name!r}: {error}") from None

    def run(self) -> list[Record]:
        """Run all checks to their end or to the deadline; return the records in the given order."""
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as loop:
                loop.run(self._run())
        finally:
            self._cluster.close()
        return list(self.records.values())

    async def _run(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + self._deadline
        asker = Asker([record.check for record in self.records.values()], self._variables, self._masker, self._cluster)
        self._asks, self._threads = self._ask or asker.ask, asker.threads
        self._slots = asyncio.Semaphore(self._parallel)
        self._forwards = asyncio.Semaphore(min(self._parallel, MAX_FORWARDS))
        self._broken = asyncio.Event()
        tasks = {name: asyncio.create_task(self._one(record)) for name, record in self.records.items()}
        self._tasks = tasks
        everything = asyncio.ensure_future(asyncio.wait(tasks.values()))
        broken = asyncio.ensure_future(self._broken.wait())
        left = max(0.0, self._end - self._kept() - self._now())
        await asyncio.wait({everything, broken}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if self._broken.is_set():
            self._stop_code = "cancelled"
        for task in tasks.values():
            task.cancel()
        broken.cancel()
        await everything
        for record in self.records.values():
            # A task that was cancelled before its first step has not run its own handler.
            if record.state == "skipped" and record.error is None:
                self._cut(record)
        await self._explain()

    def _kept(self) -> float:
        """Return the seconds of the deadline that are kept for looking at workloads, if any is named."""
        named = any(record.check.workload for record in self.records.values())
        return min(LOOKING_SECONDS, self._deadline / 4) if named else 0.0

    async def _explain(self) -> None:
        """Look at the workload behind each failed check, each workload once, all side by side."""
        failed: dict[Workload, list[Record]] = {}
        for record in self.records.values():
            workload = record.check.workload
            if workload and record.state == "unhealthy" and record.error and record.error.code not in UNEXPLAINED:
                failed.setdefault(workload, []).append(record)

        async def one(workload: Workload) -> None:
            seconds = min(LOOKING_SECONDS, max(0.0, self._end - self._now()))
            try:
                async with asyncio.timeout(seconds):
                    found = await self._threads.run(self._look, workload, seconds)
            except TimeoutError:
                found = own("kubernetes_api", f"It did not say within {seconds:.1f} s what the workload does.")
            except Exception as error:  # the checks' own results must not be lost with a look that fails
                found = own("internal_error", f"{type(error).__name__}: {error}.")
            for record in failed[workload]:
                record.diagnosis = found

        await asyncio.gather(*map(one, failed))

    async def _one(self, record: Record) -> None:
        check = record.check
        try:
            for name in check.depends_on:
                # Unlike awaiting the task itself, this does not cancel it when the waiting check is cancelled.
                await asyncio.wait({self._tasks[name]})
            bad = [name for name in check.depends_on if self.records[name].state != "healthy"]
            if bad and not (check.always and check.needs <= self._variables.keys()):
                record.error = CheckError("dependency_failed", f"It is {bad[0]!r}.")
                return
            await self._until_stable(record)
        except asyncio.CancelledError:
            self._cut(record)
        except Exception as error:  # one broken check must not take the results of the others with it
            record.state, record.error = "unhealthy", CheckError("internal_error", f"{type(error).__name__}: {error}.")
        finally:
            if record.started is not None:
                record.elapsed = self._now() - record.started
            if record.state == "unhealthy" and self._fail_fast:
                self._broken.set()

    def _cut(self, record: Record) -> None:
        """Finish a check that the deadline or fail_fast ended."""
        if self._stop_code == "cancelled" or record.started is None:
            record.state = "skipped"
            record.error = CheckError(
                self._stop_code, "It was not finished." if record.started is not None else "It was not started."
            )
            return
        record.state = "unhealthy"
        clock = f"at the deadline of {self._deadline:g} s."
        under_way = "and the next request was under way " if record.asking else ""
        if record.samples:
            taken = f"{record.samples} of {record.check.latency.samples if record.check.latency else 0} samples"
            record.error, record.suffix = CheckError("deadline", f"{taken} had been taken {clock}"), ""
        elif record.streak:
            # What was seen last is good: the fault of an earlier attempt is history.
            times = "once" if record.streak == 1 else f"{record.streak} times in a row"
            before = f" The last fault was: {record.error.message}" if record.error else ""
            record.error = CheckError("not_stable", f"It had answered well {times} {under_way}{clock}{before}")
            record.suffix = ""
        elif record.error is None:
            record.error = CheckError("deadline", f"The deadline is {self._deadline:g} s.")
        else:
            # The last real fault says more than the clock does.
            record.suffix = f" It was still so {under_way}{clock}"

    @contextlib.asynccontextmanager
    async def _place(self, check: Check) -> AsyncIterator[None]:
        """Wait for a place to ask from; this is not yet a part of the request's time."""
        async with contextlib.AsyncExitStack() as held:
            if check.via == "port_forward" or check.type == "command":
                await held.enter_async_context(self._forwards)
            await held.enter_async_context(self._slots)
            yield

    async def _until_stable(self, record: Record) -> None:
        check = record.check
        failures, good_since = 0, 0.0
        while True:
            async with self._place(check):
                if record.started is None:
                    record.started = self._now()
                fault = await self._attempt(record)
            now = self._now()
            if fault is None:
                failures, record.streak = 0, record.streak + 1
                # Counted from the end of the first good answer: a slow one alone is not stable.
                good_since = now if record.streak == 1 else good_since
                record.first_ok_at = record.first_ok_at or datetime.now(timezone.utc).isoformat(timespec="milliseconds")
                missing = check.stable_for - (now - good_since)
                if record.streak >= check.streak and missing <= 0:
                    break
                pause = check.interval
                if record.streak >= check.consecutive_successes and missing <= 0:
                    pause = min(pause, IDENTITY_PAUSE)
                elif record.streak >= check.streak:
                    pause = min(pause, missing)
            else:
                if record.streak:
                    record.suffix = f" It had answered well {record.streak} times in a row before."
                failures, record.streak = failures + 1, 0
                record.error = fault
                left = check.retry_for - (now - record.started)
                if fault.code in HOPELESS or left <= 0:
                    record.state = "unhealthy"
                    return
                pause = backoff(
                    check.interval, check.backoff, check.max_interval, check.jitter, failures, self._chance()
                )
                # The last attempt is made when the time is over, not before.
                pause = min(pause, left)
            await asyncio.sleep(pause)
        record.suffix = ""
        if check.latency and await self._measure(record, check.latency) is not None:
            record.state = "unhealthy"
            return
        record.state = "healthy"

    async def _measure(self, record: Record, latency: Latency) -> CheckError | None:
        """Take the samples of a latency check and hold them against the ceilings."""
        record.totals = []
        first: CheckError | None = None
        for _turn in range(latency.samples):
            async with self._place(record.check):
                fault = await self._attempt(record)
            record.samples += 1
            if fault is not None:
                record.sample_errors += 1
                first = first or fault
                if fault.code in TIMED_OUT and "total" in record.times:
                    # It would have taken at least as long; left out, the slowest answers would make a server fast.
                    record.totals.append(record.times["total"])
        rate = record.sample_errors / record.samples
        checks = [Assertion("error_rate", "at_most", latency.error_rate, rate, rate <= latency.error_rate)]
        found = percentiles(record.totals)
        for key, ceiling in latency.ceilings.items():
            value = found.get(key)
            checks.append(Assertion(f"{key}_ms", "at_most", ceiling, value, value is not None and value <= ceiling))
        record.assertions = [*record.assertions, *checks]
        failed = [item for item in checks if not item.passed]
        if not failed:
            return None
        if failed[0].subject == "error_rate":
            cause = f" The first said: {first.message}" if first else ""
            text = f"{record.sample_errors} of {record.samples}, allowed is a share of {latency.error_rate:g}.{cause}"
            record.error = CheckError("error_rate_exceeded", text)
        else:
            words = ", ".join(f"{item.subject} is {item.observed}, allowed is {item.expected:g}" for item in failed)
            record.error = CheckError("latency_exceeded", f"Over {record.samples} samples: {words}.")
        return record.error

    async def _attempt(self, record: Record) -> CheckError | None:
        """Ask once; return the fault or None, with invert already applied."""
        check, timings = record.check, Timings(self._now)
        record.attempts += 1
        record.asking = True
        fault: CheckError | None
        verdict = Verdict()
        response: Response | None = None
        try:
            async with asyncio.timeout(check.timeout):
                response = await self._asks(check, timings)
            timings.finish()
        except TimeoutError:
            timings.finish()
            code = timings.timeout_code
            arrived = f", {timings.received} bytes had arrived" if timings.phase == "read" else ""
            fault = CheckError(code, f"The timeout is {check.timeout:g} s{arrived}.")
        except CheckError as error:
            fault = error
        except UnicodeError:
            fault = CheckError("placeholder_invalid", "It holds characters that cannot be sent.")
        else:
            if check.type in WITH_BODY:
                verdict = self._judge(check, response)
            fault = verdict.fault
            if fault is None:
                fault = _certificate_fault(check, response)
        record.asking = False
        record.times = timings.phases
        record.response = response
        record.assertions = verdict.assertions
        if check.invert:
            if fault is None:
                what = f"Status {response.status}." if response and response.status else ""
                return CheckError("unexpectedly_healthy", what)
            return None if fault.side is Side.THERE else fault
        if fault is None:
            record.totals.append(timings.phases["total"])
            self._variables.update(verdict.extracted)
        return fault

    def _judge(self, check: Check, response: Response) -> Verdict:
        """Judge an answer within a moment, because everything else stands still meanwhile."""
        seconds = max(0.05, min(JUDGING_SECONDS, self._end - self._now()))
        try:
            with bounded(seconds):
                return judge(check, response, self._variables, self._masker)
        except CheckError as error:
            return Verdict(fault=error)


def _certificate_fault(check: Check, response: Response) -> CheckError | None:
    least, left = check.tls.min_days_left, response.certificate_days
    if least is None:
        return None
    if left is None:
        return CheckError("tls_failed", "There is no certificate with an expiry date.")
    if left < 0:
        return CheckError("tls_expired", f"It ended {-left:g} days ago.")
    if left < least:
        return CheckError("tls_expires_soon", f"{left:g} days are left, {least} are demanded.")
    return None
