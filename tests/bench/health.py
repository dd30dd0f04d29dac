#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures health_check against a loop over ansible.builtin.uri for results.json and docs/measurements.md.

    python -m tests.bench.health [--repeat 3] [--results FILE] [--note TEXT]

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import results
from tests.bench.budgets import machine_load, say
from tests.bench.pages import HEALTH, health_rows, health_verdicts
from tests.bench.text import three

ROOT = Path(__file__).resolve().parents[2]
ENDPOINTS = 200
QUICK, SLOWEST = 0.2, 2.0  # seconds
MANY = 1000  # checks of the measurement of memory and threads


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

    def figures(self) -> dict[str, Any]:
        """What an entry of results.json has of its own; ratios are those of runs made one after the other."""
        allowed = [1.2 * alone + 1 for alone in self.slowest]
        worst = max(range(len(allowed)), key=lambda at: self.checked[at].own - allowed[at])
        ratios = [loop.seconds / run.seconds for loop, run in zip(self.looped, self.checked, strict=True)]
        return {
            "endpoints": ENDPOINTS,
            "delays": sum(delays()),
            "slowest_delay": SLOWEST,
            "runs": len(self.checked),
            "slowest": three(self.slowest),
            "checked": {"own": three([run.own for run in self.checked]), **used(self.checked)},
            "looped": used(self.looped),
            "worst": {"own": self.checked[worst].own, "allowed": allowed[worst]},
            "ratios": three(ratios),
            "many": {"checks": MANY, "memory": self.many.memory, "threads": self.many.threads},
        }


def used(runs: Sequence[Run]) -> dict[str, Any]:
    """Least, median and greatest seconds, median CPU seconds, and the greatest memory."""
    return {
        "seconds": three([run.seconds for run in runs]),
        "cpu": statistics.median(run.cpu for run in runs),
        "memory": max(run.memory for run in runs),
    }


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


def main(arguments: Sequence[str]) -> int:
    """Measure, write the entry and the pages, print the figures; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure health_check against a loop over ansible.builtin.uri.")
    parser.add_argument("--repeat", type=int, default=3, help="how often each kind is run")
    parser.add_argument("--results", type=Path, help="write this file alone, in place of results.json and the pages")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.repeat < 1:
        parser.error("--repeat: at least one run of each kind is needed")
    if given.serve:
        asyncio.run(_serve())
        return 0
    before = machine_load()
    entry: dict[str, Any] = {}
    for figures in measure(given.repeat):
        entry = results.entry("python -m tests.bench.health", before, machine_load(), given.note, figures.figures())
        results.publish(HEALTH, entry, given.results)
    verdicts = health_verdicts(entry)
    for row in [*health_rows(entry), *((*row[:3], "kept" if row[3] else "MISSED") for row in verdicts)]:
        print("  ".join(row))
    return 0 if all(kept for *_words, kept in verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, ValueError, OSError) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
