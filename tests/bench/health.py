#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures health_check against a loop over ansible.builtin.uri and writes the section Health checks of docs/measurements.md.

    python -m tests.bench.health [--repeat 3] [--document FILE] [--picture FILE] [--note TEXT]

Takes about ten minutes and needs neither a cluster nor a network: the endpoints are a local server that answers after
stated delays. Exit code 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.bench.budgets import DOCUMENT, HEAD, machine, machine_load, markdown, say, with_section
from tests.bench.charts import chart

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "health-check.svg"
ENDPOINTS = 200
QUICK, SLOWEST = 0.2, 2.0  # seconds
MANY = 1000  # checks of the measurement of memory and threads
MOST_MEMORY, MOST_THREADS = 200e6, 64


def delays(count: int = ENDPOINTS) -> list[float]:
    """The seconds after which each endpoint answers: nine tenths of them 20 to 200 ms, the rest 0.2 to 2 s, evenly spread."""
    quick = count * 9 // 10
    first = [0.02 + (QUICK - 0.02) * at / (quick - 1) for at in range(quick)]
    slow = count - quick
    return first + [QUICK + (SLOWEST - QUICK) * (at + 1) / slow for at in range(slow)]


# -- the endpoints -----------------------------------------------------------------------------------------------------


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(int(head.split(b" ", 2)[1].rpartition(b"/")[2]) / 1000)
        writer.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"status": "ok"}'
        )
        await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def endpoints() -> Iterator[int]:
    """A server in a process of its own; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.health", "--serve"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


# -- what processes take -----------------------------------------------------------------------------------------------


class Usage:
    """The greatest memory of a process and all below it (shared pages counted once), and the most threads of one of them."""

    def __init__(self, pid: int) -> None:
        self.memory, self.threads = 0, 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watching."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            memory = 0
            for pid in self._tree():
                with contextlib.suppress(OSError):
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    memory += sum(int(size) for size in re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)) * 1024
                    threads = re.search(r"^Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
                    self.threads = max(self.threads, int(threads.group(1)) if threads else 0)
            self.memory = max(self.memory, memory)

    def _tree(self) -> list[int]:
        found, rest = [], [self._pid]
        while rest:
            pid = rest.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    rest += [int(child) for child in (task / "children").read_text().split()]
        return found


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook: seconds of the whole process and of the checks alone, CPU seconds, bytes, threads."""

    seconds: float
    own: float
    cpu: float
    memory: float
    threads: int


def playbook(task: dict[str, Any], directory: Path) -> Run:
    """Run a playbook of one task on this machine. Raises RuntimeError with what Ansible says when it fails."""
    file, report = directory / "playbook.json", directory / "report.json"
    report.unlink(missing_ok=True)
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    file.write_text(json.dumps([play]), encoding="utf-8")
    program = Path(sys.executable).parent / "ansible-playbook"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
    }
    (directory / "ansible.cfg").touch()  # none but this one
    began = time.monotonic()
    arguments = [str(program), "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(file)]
    with open(directory / "output", "w+", encoding="utf-8") as output:
        process = subprocess.Popen(arguments, cwd=directory, env=environment, stdout=output, stderr=output)
        usage = Usage(process.pid)
        _pid, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        code = process.returncode = os.waitstatus_to_exitcode(status)
        usage.stop()
        if code:
            output.seek(0)
            raise RuntimeError(f"ansible-playbook ended with {code}: {output.read()[-2000:]}")
    own = json.loads(report.read_text())["elapsed"] if report.exists() else seconds
    return Run(seconds, own, used.ru_utime + used.ru_stime, usage.memory, usage.threads)


# -- what is compared --------------------------------------------------------------------------------------------------


def urls(port: int, count: int = ENDPOINTS) -> list[str]:
    """The address of each endpoint."""
    return [f"http://127.0.0.1:{port}/{at}/{round(delay * 1000)}" for at, delay in enumerate(delays(count))]


def by_health_check(port: int, directory: Path, count: int = ENDPOINTS) -> Run:
    """One task with all checks."""
    checks = [{"name": url, "url": url, "expect": {"status": ["200"]}} for url in urls(port, count)]
    options = {"checks": checks, "report_json": str(directory / "report.json")}
    return playbook({"name": "Ask", "slipway.kube.health_check": options}, directory)


def by_loop(port: int, directory: Path) -> Run:
    """One task that loops over ansible.builtin.uri."""
    task = {"name": "Ask", "ansible.builtin.uri": {"url": "{{ item }}", "status_code": 200}, "loop": urls(port)}
    return playbook(task, directory)


def by_itself(port: int) -> float:
    """The seconds of one request to the slowest endpoint, without Ansible."""
    began = time.monotonic()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(urls(port)[-1], timeout=60) as answer:
        answer.read()
    return time.monotonic() - began


@dataclass(frozen=True)
class Figures:
    """All runs of the comparison in the order in which they were made, and one run with many checks."""

    slowest: list[float]
    checked: list[Run]
    looped: list[Run]
    many: Run

    def rows(self) -> list[tuple[str, ...]]:
        """What, least, median and greatest seconds, median CPU seconds, and the greatest memory."""
        table: list[tuple[str, list[float], list[Run]]] = [
            ("the slowest endpoint, asked by itself", self.slowest, []),
            (f"`health_check`, {ENDPOINTS} checks: the checks alone", [run.own for run in self.checked], []),
            (
                f"`health_check`, {ENDPOINTS} checks: all of `ansible-playbook`",
                [run.seconds for run in self.checked],
                self.checked,
            ),
            (
                f"loop over `ansible.builtin.uri`, {ENDPOINTS} items: all of `ansible-playbook`",
                [run.seconds for run in self.looped],
                self.looped,
            ),
        ]
        return [
            (
                what,
                f"{min(values):.2f} s",
                f"{statistics.median(values):.2f} s",
                f"{max(values):.2f} s",
                f"{statistics.median(run.cpu for run in runs):.1f} s" if runs else "",
                f"{max(run.memory for run in runs) / 1e6:.0f} MB" if runs else "",
            )
            for what, values, runs in table
        ]

    def limits(self) -> list[tuple[str, str, str, bool]]:
        """Figure, measured, wanted, and whether it is kept; ratios are those of runs made one after the other."""
        over = [run.own - (1.2 * alone + 1) for run, alone in zip(self.checked, self.slowest, strict=True)]
        worst = max(range(len(over)), key=over.__getitem__)
        ratios = [loop.seconds / run.seconds for loop, run in zip(self.looped, self.checked, strict=True)]
        allowed = 1.2 * self.slowest[worst] + 1
        return [
            (
                "the checks alone, worst run, against 1.2 x the slowest endpoint + 1 s",
                f"{self.checked[worst].own:.2f} s",
                f"≤ {allowed:.2f} s",
                over[worst] <= 0,
            ),
            (
                "times faster than the loop, whole processes: least, median, greatest",
                ", ".join(f"{ratio:.0f}" for ratio in (min(ratios), statistics.median(ratios), max(ratios))),
                "≥ 20",
                min(ratios) >= 20,
            ),
            (
                f"memory of `ansible-playbook` and the module with {MANY} checks",
                f"{self.many.memory / 1e6:.0f} MB",
                f"≤ {MOST_MEMORY / 1e6:.0f} MB for the module",
                self.many.memory <= MOST_MEMORY,
            ),
            (
                f"threads with {MANY} checks",
                str(self.many.threads),
                f"≤ {MOST_THREADS}",
                self.many.threads <= MOST_THREADS,
            ),
        ]


def measure(repeat: int) -> Iterator[Figures]:
    """Make all runs: each kind after the other, and that as often as told, so that all meet the same machine.

    Yields what there is after each turn.
    """
    slowest: list[float] = []
    checked: list[Run] = []
    looped: list[Run] = []
    with endpoints() as port, tempfile.TemporaryDirectory(prefix="slipway-bench-") as place:
        directory = Path(place)
        by_health_check(port, directory, 1)  # the first run of Ansible also fills caches
        many = by_health_check(port, directory, MANY)
        say(f"{MANY} checks: {many.own:.2f} s, {many.memory / 1e6:.0f} MB, {many.threads} threads")
        for turn in range(repeat):
            slowest.append(by_itself(port))
            checked.append(by_health_check(port, directory))
            say(f"{turn + 1}: health_check {checked[-1].own:.2f} s, with Ansible {checked[-1].seconds:.2f} s")
            looped.append(by_loop(port, directory))
            say(f"{turn + 1}: loop over uri {looped[-1].seconds:.1f} s")
            yield Figures(slowest, checked, looped, many)


def section(figures: Figures, picture: str, conditions: str) -> str:
    """The section in Markdown."""
    every = delays()
    verdicts = [(what, found, wanted, "kept" if kept else "MISSED") for what, found, wanted, kept in figures.limits()]
    return "\n\n".join(
        [
            "## Health checks",
            conditions,
            f"{ENDPOINTS} endpoints of a local server: {ENDPOINTS * 9 // 10} answer after 20 to 200 ms, the others after up to "
            f"{SLOWEST:g} s, evenly spread; all delays together are {sum(every):.1f} s. Runs of each kind: "
            f"{len(figures.checked)}, one kind after the other. Memory is the most that all processes of a run had at a time, pages that they share counted once; "
            "CPU is that of all of them, which other work on the machine changes less than the seconds.",
            f"![seconds until {ENDPOINTS} endpoints are checked]({picture})",
            markdown(
                ("Seconds until all have answered", "Least", "Median", "Greatest", "CPU", "Memory"), figures.rows()
            ),
            markdown(("Figure", "Measured", "Wanted", "Verdict"), verdicts),
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, write section and picture, print the figures; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure health_check against a loop over ansible.builtin.uri.")
    parser.add_argument("--repeat", type=int, default=3, help="how often each kind is run")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the file that has the section")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the file for the bar chart")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.repeat < 1:
        parser.error("--repeat: at least one run of each kind is needed")
    if given.serve:
        asyncio.run(_serve())
        return 0
    before = machine_load()
    for figures in measure(given.repeat):
        write(figures, given, before)
    for row in [*figures.rows(), *((*row[:3], "kept" if row[3] else "MISSED") for row in figures.limits())]:
        print("  ".join(row))
    return 0 if all(kept for *_words, kept in figures.limits()) else 1


def write(figures: Figures, given: argparse.Namespace, before: str) -> None:
    """Write section and picture."""
    words = [
        f"Written by `python -m tests.bench.health` on {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC. {machine()}.",
        f"Just before, {before}; just after, {machine_load()}.",
        given.note,
    ]
    middle: Callable[[list[float]], float] = statistics.median
    bars = [
        ("slowest endpoint by itself", middle(figures.slowest)),
        ("health_check, the checks alone", middle([run.own for run in figures.checked])),
        ("health_check, all of ansible-playbook", middle([run.seconds for run in figures.checked])),
        ("loop over uri, all of ansible-playbook", middle([run.seconds for run in figures.looped])),
    ]
    given.picture.write_text(chart(bars), encoding="utf-8")
    document = given.document.read_text(encoding="utf-8") if given.document.exists() else HEAD
    shown = os.path.relpath(given.picture, given.document.parent)
    text = with_section(document, "health checks", section(figures, shown, " ".join(filter(None, words))))
    given.document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, ValueError, OSError) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
