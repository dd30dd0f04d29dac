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
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import fill, fill_tree, fill_url
from ansible_collections.slipway.kube.plugins.module_utils._common.statistics import percentiles
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import SCHEMES, Check, Latency, Workload
from ansible_collections.slipway.kube.plugins.module_utils._health.diagnose import Diagnosis, diagnose, own
from ansible_collections.slipway.kube.plugins.module_utils._health.evaluate import Verdict, bounded, judge
from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import Assertion, backoff, shorten
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    DEFAULT_PORTS,
    ConnectOptions,
    check_url,
    choose_proxy,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.client import Client
from ansible_collections.slipway.kube.plugins.module_utils._http.connection import Connection, Connector
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, SpecError
from ansible_collections.slipway.kube.plugins.module_utils._http.grpc import ask
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import make_context
from ansible_collections.slipway.kube.plugins.module_utils._kube.streams import PodStreams

MAX_PARALLEL = 512
# A bare TLS check does not know which protocol the port speaks, so it offers none.
ALPN = {"http": "http/1.1", "grpc": "h2", "tls": "", "tcp": ""}
MAX_THREADS = 32
# A port forward has two threads of its own for as long as it lasts.
MAX_FORWARDS = 16
IDENTITY_PAUSE = 0.05
JUDGING_SECONDS = 1.0
LOOKING_SECONDS = 5.0
"""The most that looking at the workloads behind failed checks may take of the deadline."""
# Faults of the options or of this host: they do not heal by waiting, and no invert makes them good news.
HOPELESS = frozenset(
    {"library_missing", "kubeconfig_invalid", "placeholder_invalid", "judging_timeout", "internal_error"}
)
UNKNOWABLE = HOPELESS | {"kubernetes_api"}
# What the workload cannot be the cause of.
UNEXPLAINED = UNKNOWABLE | {"unexpectedly_healthy"}


@dataclass
class Record:
    """What is known about one check so far."""

    check: Check
    state: str = "skipped"
    attempts: int = 0
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
    ) -> None:
        self.records = {check.name: Record(check) for check in checks}
        self._variables = dict(variables)
        self._masker = masker
        self._deadline = deadline
        self._parallel = max_parallel
        self._fail_fast = fail_fast
        self._cluster = cluster or PodStreams()
        self._chance = chance
        self._look = look or functools.partial(diagnose, masker=masker)
        self._stop_code = "deadline"

    def prepare(self) -> None:
        """Load the files of the TLS options, so that a wrong path is refused before anything is sent."""
        for record in self.records.values():
            check = record.check
            if check.type in ("http", "tls", "grpc"):
                try:
                    make_context(check.tls, ALPN[check.type])
                except SpecError as error:
                    raise SpecError(f"check {check.name!r}: {error}") from None

    def run(self) -> list[Record]:
        """Run all checks to their end or to the deadline; return the records in the given order."""
        self._end = time.monotonic() + self._deadline
        try:
            asyncio.run(self._run())
        finally:
            self._cluster.close()
        return list(self.records.values())

    async def _run(self) -> None:
        self._threads = ThreadPool(MAX_THREADS)
        self._connector = Connector(self._threads)
        self._slots = asyncio.Semaphore(self._parallel)
        self._forwards = asyncio.Semaphore(min(self._parallel, MAX_FORWARDS))
        self._broken = asyncio.Event()
        tasks = {name: asyncio.create_task(self._one(record)) for name, record in self.records.items()}
        self._tasks = tasks
        everything = asyncio.ensure_future(asyncio.wait(tasks.values()))
        broken = asyncio.ensure_future(self._broken.wait())
        left = max(0.0, self._end - self._kept() - time.monotonic())
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
            seconds = min(LOOKING_SECONDS, max(0.0, self._end - time.monotonic()))
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
            if bad:
                record.error = CheckError("dependency_failed", f"It is {bad[0]!r}.")
                return
            await self._until_stable(record)
        except asyncio.CancelledError:
            self._cut(record)
        except Exception as error:  # one broken check must not take the results of the others with it
            record.state, record.error = "unhealthy", CheckError("internal_error", f"{type(error).__name__}: {error}.")
        finally:
            if record.started is not None:
                record.elapsed = time.monotonic() - record.started
            if record.state == "unhealthy" and self._fail_fast:
                self._broken.set()

    def _cut(self, record: Record) -> None:
        """Finish a check that the deadline or fail_fast ended."""
        if self._stop_code == "cancelled" or record.started is None:
            record.state = "skipped"
            record.error = CheckError(
                self._stop_code, "It was not finished." if record.started else "It was not started."
            )
            return
        record.state = "unhealthy"
        if record.error is None:
            # It has either answered well but not long enough, or not answered at all.
            code = "not_stable" if record.first_ok_at else "deadline"
            record.error = CheckError(code, f"The deadline is {self._deadline:g} s.")
        else:
            # The last real fault says more than the clock does.
            record.suffix = f" It was still so at the deadline of {self._deadline:g} s."

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
        streak, failures = 0, 0
        streak_began = 0.0
        while True:
            async with self._place(check):
                began = time.monotonic()
                if record.started is None:
                    record.started = began
                fault = await self._attempt(record)
            now = time.monotonic()
            if fault is None:
                failures, streak = 0, streak + 1
                streak_began = began if streak == 1 else streak_began
                record.first_ok_at = record.first_ok_at or datetime.now(timezone.utc).isoformat(timespec="milliseconds")
                missing = check.stable_for - (now - streak_began)
                if streak >= check.streak and missing <= 0:
                    break
                pause = check.interval
                if streak >= check.consecutive_successes and missing <= 0:
                    pause = min(pause, IDENTITY_PAUSE)
                elif streak >= check.streak:
                    pause = min(pause, missing)
            else:
                if streak:
                    record.suffix = f" It had answered well {streak} times in a row before."
                failures, streak = failures + 1, 0
                record.error = fault
                pause = backoff(
                    check.interval, check.backoff, check.max_interval, check.jitter, failures, self._chance()
                )
                if fault.code in HOPELESS or now + pause - record.started > check.retry_for:
                    record.state = "unhealthy"
                    return
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
        check, timings = record.check, Timings()
        record.attempts += 1
        fault: CheckError | None
        verdict = Verdict()
        response: Response | None = None
        try:
            async with asyncio.timeout(check.timeout):
                response = await self._ask(check, timings)
        except TimeoutError:
            code = timings.timeout_code
            arrived = f", {timings.received} bytes had arrived" if timings.phase == "read" else ""
            fault = CheckError(code, f"The timeout is {check.timeout:g} s{arrived}.")
        except CheckError as error:
            fault = error
        except UnicodeError:
            fault = CheckError("placeholder_invalid", "It holds characters that cannot be sent.")
        else:
            timings.finish()
            if check.type in ("http", "command"):
                verdict = self._judge(check, response)
            fault = verdict.fault
            if fault is None:
                fault = _certificate_fault(check, response)
        record.times = timings.phases
        record.response = response
        record.assertions = verdict.assertions
        if check.invert:
            if fault is None:
                what = f"Status {response.status}." if response and response.status else ""
                return CheckError("unexpectedly_healthy", what)
            return fault if fault.code in UNKNOWABLE else None
        if fault is None:
            record.totals.append(timings.phases["total"])
            self._variables.update(verdict.extracted)
        return fault

    def _judge(self, check: Check, response: Response) -> Verdict:
        """Judge an answer within a moment, because everything else stands still meanwhile."""
        seconds = max(0.05, min(JUDGING_SECONDS, self._end - time.monotonic()))
        try:
            with bounded(seconds):
                return judge(check, response, self._variables, self._masker)
        except CheckError as error:
            return Verdict(fault=error)

    # ------------------------------------------------------------ asking
    async def _ask(self, check: Check, timings: Timings) -> Response:
        if check.type == "http":
            return await self._http(check, timings)
        if check.type == "command":
            timings.enter("read")
            code, output = await self._threads.run(
                self._cluster.run, check.kubernetes, check.command, check.timeout, check.max_body_bytes
            )
            return Response(rc=code, body=output)
        url = check_url(fill_url(check.url, self._variables), SCHEMES[check.type])
        parts = urlsplit(url)
        host, port = str(parts.hostname), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        secure = check.type == "tls" or parts.scheme == "grpcs"
        context = make_context(check.tls, ALPN[check.type]) if secure else None
        options = self._connect_options(check)
        tunnel = choose_proxy(options, "https", host, port) if check.type == "tls" else None
        connection = await self._connector.open(options, host, port, timings, context, check.tls.server_name, tunnel)
        try:
            response = Response(certificate=connection.certificate)
            if check.type == "grpc":
                await self._grpc(check, connection, f"{host}:{port}", "https" if secure else "http")
            return response
        finally:
            connection.close()

    async def _grpc(self, check: Check, connection: Connection, authority: str, scheme: str) -> None:
        state = await ask(connection, authority, scheme, check.grpc_service)
        if state != "SERVING":
            raise CheckError("grpc_not_serving", f"The state is {state}.")

    def _connect_options(self, check: Check) -> ConnectOptions:
        dial = None
        if check.via == "port_forward":

            def dial(_host: str, port: int) -> Any:
                return self._cluster.forward(check.kubernetes, port, check.timeout)

        return ConnectOptions(
            resolve=check.resolve,
            unix_socket=check.unix_socket if check.via == "unix_socket" else None,
            proxy=check.proxy,
            environment_proxy=check.environment_proxy,
            dial=dial,
        )

    async def _http(self, check: Check, timings: Timings) -> Response:
        url = check_url(fill_url(check.url, self._variables), SCHEMES["http"]).partition("#")[0]
        headers = {name: fill(value, self._variables) for name, value in check.headers.items()}
        body, kind = build_body(check.body, check.body_format, self._variables)
        if kind and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = kind
        tls, asked = check.tls, url
        if check.via == "api_proxy":
            timings.enter("kubernetes")
            proxied = await self._threads.run(functools.partial(self._cluster.api_proxy, check.kubernetes, url))
            for value in proxied.headers.values():
                self._masker.add(value)
            asked, tls, headers = proxied.url, proxied.tls, {**headers, **proxied.headers}
        request = Request(check.method, asked, headers, body)
        client = Client(
            self._connector, check.max_body_bytes, self._connect_options(check), tls, check.follow_redirects
        )
        response = await client.send(request, timings)
        if check.via == "api_proxy":
            response.url = url
        return response


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


def build_body(body: Any, form: str, variables: Mapping[str, Any]) -> tuple[bytes | None, str]:
    """Return a body's bytes with placeholders filled, and its content type."""
    if body is None:
        return None, ""
    if form == "form":
        pairs = fill_tree(body, variables)
        return urlencode(pairs, doseq=True).encode(), "application/x-www-form-urlencoded"
    if form == "raw":
        return fill(str(body), variables).encode(), ""
    if isinstance(body, str):
        # JSON written out by hand: what is put into its strings must not break out of them.
        return fill(body, variables, lambda text: json.dumps(text)[1:-1]).encode(), "application/json"
    return json.dumps(fill_tree(body, variables), ensure_ascii=False).encode(), "application/json"
