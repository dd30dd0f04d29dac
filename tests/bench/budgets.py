#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a running deployment against its budgets and writes the section Budgets of docs/measurements.md.

    make measure [INVENTORY=inventory/umbrella]
    python -m tests.bench.budgets [--inventory DIRECTORY] [--document FILE] [--note TEXT]

Takes about six minutes. Makes and removes one user, one pod at a time and one image per component; the deployment serves
meanwhile. Exit code 1 when a budget is missed, 69 when something that is needed cannot be had.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.client import HTTPException
from pathlib import Path
from typing import Any

import docker
import docker.errors
import kubernetes

from tests.integration.web import Address

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "measurements.md"
HEAD = """# Measurements

Each section is written by the command that it names, between two marks, and replaced as a whole when the command runs again.
"""

IDLE = 60.0  # seconds
LOAD = 60.0  # seconds, each of reading and writing
RATE = 50  # requests a second
CONNECTIONS = 8
TASKS = 20  # on the list that is read
STARTS = 3  # of each component
SAMPLE = 5.0  # seconds between two looks at the metrics, which are new every 15
PATIENCE = 180.0  # seconds until a pod must be ready

CLUSTER = "the whole cluster"
# By component; one with another name has no budget of its own.
IMAGE_LIMITS = {"backend": 300e6, "frontend": 200e6}  # bytes
POD_LIMITS = {"backend": 30.0, "frontend": 15.0}  # seconds


class MeasureError(Exception):
    """The measurement cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


# -- figures -----------------------------------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least C(share) of all are not above (nearest rank). Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(1, math.ceil(len(values) * share)) - 1]


def minutes(seconds: float) -> str:
    """Seconds as a person writes them: ``4.2 s``, ``3 min 05 s``."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s"


SUFFIXES = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
}


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number of cores or bytes. Raises ValueError for what is none."""
    number = text.rstrip("numkKMGi")
    if text[len(number) :] not in SUFFIXES:
        raise ValueError(f"{text!r} is no quantity")
    return float(number) * SUFFIXES[text[len(number) :]]


@dataclass(frozen=True)
class Budget:
    """One figure against its limit. ``kind`` is how both are written: MB, GB, CPU, s, ms or count."""

    what: str
    measured: float
    limit: float
    kind: str

    @property
    def kept(self) -> bool:
        """Below the limit; a count is kept when it is not above."""
        return self.measured <= self.limit if self.kind == "count" else self.measured < self.limit

    def row(self) -> tuple[str, str, str, str]:
        """What, measured, budget and verdict, as text."""
        write = WRITE[self.kind]
        sign = "" if self.kind == "count" else "< "
        return self.what, write(self.measured), sign + write(self.limit), "kept" if self.kept else "MISSED"


WRITE: Mapping[str, Callable[[float], str]] = {
    "MB": lambda value: f"{value / 1e6:.0f} MB",
    "GB": lambda value: f"{value / 1e9:.2f} GB",
    "CPU": lambda value: f"{value:.2f} CPU",
    "s": minutes,
    "ms": lambda value: f"{value * 1e3:.1f} ms",
    "count": lambda value: f"{value:.0f}",
}


# -- text --------------------------------------------------------------------------------------------------------------


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def with_section(document: str, name: str, body: str) -> str:
    """The document with C(body) between the marks of section C(name), added at the end when it has none.

    Raises ValueError when only one of the two marks is there.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if (begin in document) != (end in document):
        raise ValueError(f"only one of the marks {begin!r} and {end!r} is there: add the other or remove it")
    if begin not in document:
        return f"{document.rstrip()}\n\n{section}\n"
    before, _, rest = document.partition(begin)
    return before + section + rest.partition(end)[2]


# -- load --------------------------------------------------------------------------------------------------------------


# Method, path, body and token: what Address.ask takes first.
Request = tuple[str, str, dict[str, Any] | None, str]


@dataclass
class Answers:
    """Latencies in seconds of the requests that were answered as expected, and what went wrong with the others."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def figures(self) -> list[str]:
        """p50, p95, p99 and the slowest, as text."""
        return [WRITE["ms"](percentile(self.latencies, share)) for share in (0.5, 0.95, 0.99, 1)]


def load(address: Address, request: Request, expected: int, seconds: float) -> Answers:
    """Send C(RATE) requests a second over C(CONNECTIONS) connections that stay open.

    A latency counts from the moment the request was due, so that waiting behind a slow one is not hidden.
    """
    answers, numbers, lock = Answers(), itertools.count(), threading.Lock()
    begin = time.monotonic() + 0.2

    def work() -> None:
        connection = address.connect()
        try:
            while True:
                with lock:
                    due = begin + next(numbers) / RATE
                if due >= begin + seconds:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    status, body = address.ask(*request, connection=connection)
                except (OSError, HTTPException) as error:
                    connection.close()
                    answers.failures.append(str(error) or type(error).__name__)
                    continue
                if status == expected:
                    answers.latencies.append(time.monotonic() - due)
                else:
                    answers.failures.append(f"{status}: {body[:200]}")
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _number in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers


def ask(address: Address, expected: int, *request: Any) -> str:
    """Body of one request outside of the load. Raises MeasureError when the answer is another one."""
    try:
        status, body = address.ask(*request)
    except (OSError, HTTPException) as error:
        raise MeasureError(
            f"{address.url} does not answer ({error}). Look at 'make status', and let nothing be deployed meanwhile."
        ) from error
    if status != expected:
        raise MeasureError(
            f"{' '.join(request[:2])} answered {status} instead of {expected}: {body[:200]}. Look at the backend's log."
        )
    return body


@contextlib.contextmanager
def user(address: Address) -> Iterator[str]:
    """A new user's token; the user and all tasks are removed afterwards."""
    name = uuid.uuid4().hex
    account = {"email": f"{name}@measure.invalid", "password": name}
    token = json.loads(ask(address, 201, "POST", "/api/auth/register", account))["access_token"]
    try:
        yield token
    finally:
        try:
            ask(address, 204, "DELETE", "/api/auth/me", None, token)
        except MeasureError as error:  # what was measured is not lost for it
            say(f"the user {account['email']} stays: {error}")


def measure_api(address: Address) -> tuple[Answers, Answers]:
    """Latencies of reading a list of C(TASKS) tasks, and of adding tasks."""
    with user(address) as token:
        read: Request = ("GET", "/api/tasks", None, token)
        write: Request = ("POST", "/api/tasks", {"title": "Measure the latency"}, token)
        for _task in range(TASKS):
            ask(address, 201, *write)
        load(address, read, 200, 3)  # not counted: connections to the database are opened
        say(f"API: reading for {LOAD:.0f} s, {RATE} requests a second")
        reading = load(address, read, 200, LOAD)
        say(f"API: writing for {LOAD:.0f} s, {RATE} requests a second")
        writing = load(address, write, 201, LOAD)
    for name, answers in (("reading", reading), ("writing", writing)):
        if not answers.latencies:
            raise MeasureError(f"No request for {name} was answered; the first failure: {answers.failures[0]}.")
    return reading, writing


# -- the cluster -------------------------------------------------------------------------------------------------------


class Cluster:
    """The deployment's cluster by its API."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.releases: list[dict[str, Any]] = facts["plan"]["releases"]
        client = kubernetes.config.new_client_from_config(
            str(Path(facts["kubeconfig"]).expanduser()), context=facts["context"]
        )
        self.core: Any = kubernetes.client.CoreV1Api(client)
        self._custom: Any = kubernetes.client.CustomObjectsApi(client)

    def pods(self) -> list[Any]:
        """The releases' pods that run."""
        return [
            pod
            for release in self.releases
            for pod in self.core.list_namespaced_pod(
                release["namespace"], label_selector=f"app.kubernetes.io/instance={release['name']}"
            ).items
            if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None
        ]

    def usage(self) -> tuple[dict[str, tuple[float, float]], tuple[float, float]]:
        """CPU (cores) and memory (bytes) of each component, and of all nodes together. Raises MeasureError."""
        try:
            nodes = self._custom.list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")["items"]
            listed = self._custom.list_cluster_custom_object("metrics.k8s.io", "v1beta1", "pods")["items"]
        except kubernetes.client.ApiException as error:
            raise MeasureError(
                f"The metrics API answers {error.status}. 'kubectl get apiservice v1beta1.metrics.k8s.io' says why; 'make deploy' sets it up."
            ) from error
        names = {
            (pod.metadata.namespace, pod.metadata.name): pod.metadata.labels["app.kubernetes.io/component"]
            for pod in self.pods()
        }
        components: dict[str, tuple[float, float]] = {}
        for item in listed:
            name = names.get((item["metadata"]["namespace"], item["metadata"]["name"]))
            for container in item["containers"] if name else ():
                cpu, memory = components.get(str(name), (0.0, 0.0))
                used = container["usage"]
                components[str(name)] = (cpu + quantity(used["cpu"]), memory + quantity(used["memory"]))
        return components, (
            sum(quantity(node["usage"]["cpu"]) for node in nodes),
            sum(quantity(node["usage"]["memory"]) for node in nodes),
        )

    def killed_for_memory(self) -> set[str]:
        """Pods of the releases with a container whose present or last end was the lack of memory."""
        return {
            f"{pod.metadata.namespace}/{pod.metadata.name}"
            for pod in self.pods()
            for status in pod.status.container_statuses or []
            for state in (status.state, status.last_state)
            if state and state.terminated and state.terminated.reason == "OOMKilled"
        }

    def replace(self, pod: Any) -> tuple[str, float, float]:
        """Delete a pod and wait for its successor: that one's UID, and when it was made and ready, in seconds since the epoch.

        Raises MeasureError when none is ready in time.
        """
        owner = pod.metadata.owner_references[0].uid
        labels = ",".join(
            f"{key}={pod.metadata.labels[key]}" for key in ("app.kubernetes.io/instance", "app.kubernetes.io/component")
        )
        listed = self.core.list_namespaced_pod(pod.metadata.namespace, label_selector=labels)
        known = {item.metadata.uid for item in listed.items}
        self.core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
        made: dict[str, float] = {}
        for event in kubernetes.watch.Watch().stream(
            self.core.list_namespaced_pod,
            pod.metadata.namespace,
            label_selector=labels,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=int(PATIENCE),
        ):
            item, now = event["object"], time.time()
            if item.metadata.uid in known or item.metadata.owner_references[0].uid != owner:
                continue
            made.setdefault(item.metadata.uid, now)
            if any(one.type == "Ready" and one.status == "True" for one in item.status.conditions or []):
                return item.metadata.uid, made[item.metadata.uid], now
        raise MeasureError(f"No pod in place of {pod.metadata.name} was ready within {PATIENCE:.0f} s.")


# Prints /proc/<process>/stat of each process of a pod ($1: its UID), then the node's clock and its seconds since the start.
PROCESSES = r"""
uid=$(echo "$1" | sed 's/-/[-_]/g')
for group in $(grep -l "pod$uid" /proc/[0-9]*/cgroup 2>/dev/null); do cat "${group%cgroup}stat" 2>/dev/null; done
echo "$(date +%s.%N) $(cut -d' ' -f1 /proc/uptime)"
"""


def process_start(listing: str, ticks: int) -> float:
    """When the first process of a pod's containers began, as seconds since the epoch.

    C(listing) is what PROCESSES prints, C(ticks) the clock ticks of a second (proc(5), field starttime of stat). Raises
    MeasureError when there is none.
    """
    *processes, clock = listing.strip().splitlines()
    now, up = map(float, clock.split())
    starts = []
    for line in processes:
        name, _, fields = line.partition(" (")[2].rpartition(") ")
        if name != "pause":  # holds the pod's network and begins before its containers
            starts.append(int(fields.split()[19]))
    if not starts:
        raise MeasureError("No process of the new pod was found in the node.")
    return now - up + min(starts) / ticks


@dataclass
class Sampler:
    """Looks at the metrics until told to stop."""

    cluster: Cluster
    seen: list[tuple[dict[str, tuple[float, float]], tuple[float, float]]] = field(default_factory=list)
    error: MeasureError | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Sample while the block runs. Raises MeasureError when nothing was seen."""
        over = threading.Event()

        def work() -> None:
            # The metrics of what happened before are served for up to 15 seconds.
            over.wait(15)
            while not over.is_set():
                try:
                    self.seen.append(self.cluster.usage())
                except MeasureError as error:  # one look that fails leaves the others
                    self.error = error
                over.wait(SAMPLE)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if not self.seen:
            raise self.error or MeasureError("No metrics were seen.")

    def rows(self, name: str) -> list[tuple[str, float, float, float, float]]:
        """For each component, the application and the cluster: CPU mean and largest, memory mean and largest."""
        series: dict[str, list[tuple[float, float]]] = {}
        for components, nodes in self.seen:
            for component, used in sorted(components.items()):
                series.setdefault(component, []).append(used)
            series.setdefault("the application", []).append(
                (sum(cpu for cpu, _memory in components.values()), sum(memory for _cpu, memory in components.values()))
            )
            series.setdefault(CLUSTER, []).append(nodes)
        order = sorted(series, key=lambda one: (one == CLUSTER, one.startswith("the "), one))
        found = []
        for one in order:
            cpus, memories = [used[0] for used in series[one]], [used[1] for used in series[one]]
            found.append(
                (f"{one}, {name}", sum(cpus) / len(cpus), max(cpus), sum(memories) / len(memories), max(memories))
            )
        return found


def measure_starts(cluster: Cluster, node: Any) -> dict[str, list[tuple[float, float]]]:
    """For each component with a Deployment: seconds from pod made to ready and from process begun to ready, of C(STARTS)."""
    found: dict[str, list[tuple[float, float]]] = {}
    pods = {
        pod.metadata.labels["app.kubernetes.io/component"]: pod
        for pod in cluster.pods()
        if pod.metadata.owner_references[0].kind == "ReplicaSet"
    }
    for component in sorted(pods):
        for number in range(STARTS):
            say(f"start of {component}, {number + 1} of {STARTS}")
            running = [pod for pod in cluster.pods() if pod.metadata.labels["app.kubernetes.io/component"] == component]
            uid, made, ready = cluster.replace(running[0])
            code, output = node.exec_run(["sh", "-c", PROCESSES, "sh", uid])
            if code:
                raise MeasureError(f"The node's processes cannot be listed: {output.decode()}")
            begun = process_start(output.decode(), os.sysconf("SC_CLK_TCK"))
            found.setdefault(component, []).append((ready - made, ready - begun))
    return found


# -- images ------------------------------------------------------------------------------------------------------------


@dataclass
class Build:
    """One image: seconds of the first build and of the next one, and its size in bytes."""

    first: float
    again: float
    size: int


def build(engine: Any, component: Mapping[str, Any], facts: Mapping[str, Any], tag: str, fresh: bool) -> set[str]:
    """Build an image as a deploy does, with nothing from the cache if C(fresh); IDs of the images that came of it.

    Raises MeasureError with the end of the build's output.
    """
    made: set[str] = set()
    told: list[str] = []
    for event in engine.api.build(
        path=component["source"],
        dockerfile=component["dockerfile"],
        buildargs={**facts["build_arguments"], **component["build_args"]},
        network_mode=facts["build_network"],
        tag=tag,
        nocache=fresh,
        rm=True,
        decode=True,
        timeout=1800,
    ):
        text = str(event.get("stream", "")).strip()
        told.append(text or str(event.get("error", "")))
        if text.startswith("---> ") and len(text.split()) == 2:
            made.add(text.split()[1])
        if "error" in event:
            raise MeasureError(f"Building {tag} failed: " + " / ".join(line for line in told[-10:] if line))
    return made


def measure_builds(engine: Any, facts: Mapping[str, Any]) -> dict[str, Build]:
    """Build every component without the cache and then with it, and remove what came of it."""
    found = {}
    for name, component in facts["plan"]["components"].items():
        tag = f"slipway-measure/{name}:{uuid.uuid4().hex[:12]}"
        before = {image.id.removeprefix("sha256:") for image in engine.images.list(all=True)}
        times = []
        made: set[str] = set()
        try:
            for fresh in (True, False):
                say(f"build of {name}, {'nothing cached' if fresh else 'again'}")
                begin = time.monotonic()
                made |= build(engine, component, facts, tag, fresh)
                times.append(time.monotonic() - begin)
            found[name] = Build(times[0], times[1], engine.images.get(tag).attrs["Size"])
        finally:
            # The tag first; of the rest only what was not there before, the youngest first.
            with contextlib.suppress(docker.errors.ImageNotFound):
                engine.images.remove(tag)
            left = [
                image.id
                for image in engine.images.list(all=True)
                if image.id.removeprefix("sha256:") not in before
                and image.id.removeprefix("sha256:")[:12] in {one[:12] for one in made}
            ]
            for image in left:
                # Somebody else's build may have used a layer meanwhile, and removing a child removes its parents.
                with contextlib.suppress(docker.errors.ImageNotFound, docker.errors.APIError):
                    engine.images.remove(image, noprune=False)
    return found


# -- the whole ---------------------------------------------------------------------------------------------------------


def machine_load(seconds: float = 5) -> str:
    """What the machine does besides: the share of its processors that is busy over some seconds, and the load."""

    def look() -> tuple[int, int]:
        fields = [int(one) for one in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # all; idle and waiting for disks

    total, idle = look()
    time.sleep(seconds)
    total, idle = (after - before for after, before in zip(look(), (total, idle), strict=True))
    return f"{100 * (1 - idle / total):.0f}% of the processors' time was in use, load {os.getloadavg()[0]:.1f}"


def machine() -> str:
    """Processors, memory and system in a few words."""
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) * 1024
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{os.cpu_count()} CPUs, {memory / 2**30:.0f} GiB, {system}"


def facts_of(inventory: str) -> dict[str, Any]:
    """Where the deployment of an inventory is. Raises MeasureError when it is not ready."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "facts.json"
        playbook = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory, "tests/bench/budgets.yml"]
        done = subprocess.run([*playbook, "-e", f"budgets_facts={file}"], cwd=ROOT, stdin=subprocess.DEVNULL)
        if done.returncode or not file.exists():
            raise MeasureError("There is no deployment to measure: run 'make deploy' and look at what is said above.")
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return facts


@dataclass
class Measurement:
    """Everything that was measured."""

    builds: dict[str, Build]
    starts: dict[str, list[tuple[float, float]]]
    reading: Answers
    writing: Answers
    usage: list[tuple[str, float, float, float, float]]
    killed: set[str]

    def budgets(self) -> list[Budget]:
        """The figures that have a limit."""
        cluster = [row for row in self.usage if row[0].startswith(CLUSTER)]
        return [
            *[
                Budget(f"image of {name}", one.size, IMAGE_LIMITS[name], "MB")
                for name, one in self.builds.items()
                if name in IMAGE_LIMITS
            ],
            Budget("all images built, nothing cached", sum(one.first for one in self.builds.values()), 300, "s"),
            Budget("all images built again, nothing changed", sum(one.again for one in self.builds.values()), 120, "s"),
            *[
                Budget(f"start of {name}, from pod made to ready", max(made for made, _begun in all_), limit, "s")
                for name, all_ in self.starts.items()
                if (limit := POD_LIMITS.get(name))
            ],
            *[
                Budget(f"start of {name}, from process begun to ready", max(begun for _made, begun in all_), 5, "s")
                for name, all_ in self.starts.items()
            ],
            Budget("API, reading tasks, p95", percentile(self.reading.latencies, 0.95), 0.05, "ms"),
            Budget("API, writing tasks, p95", percentile(self.writing.latencies, 0.95), 0.05, "ms"),
            Budget("API, requests that failed", len(self.reading.failures) + len(self.writing.failures), 0, "count"),
            Budget("memory of the whole cluster, largest", max(row[4] for row in cluster), 8e9, "GB"),
            Budget("CPU of the whole cluster, largest", max(row[2] for row in cluster), 4, "CPU"),
            Budget("pods killed for lack of memory", len(self.killed), 0, "count"),
        ]

    def section(self, conditions: str) -> str:
        """The section in Markdown; C(conditions) says where and when it was measured, and what else went on."""
        parts = [
            "## Budgets",
            conditions,
            markdown(("What", "Measured", "Budget", "Verdict"), (budget.row() for budget in self.budgets())),
            f"API: {RATE} requests a second over {CONNECTIONS} open connections for {LOAD:.0f} s each, from this machine "
            f"through the application's address. Reading is a list of {TASKS} tasks; writing adds one. A latency counts from the moment "
            "the request was due.",
            markdown(
                ("API", "Answered", "Failed", "p50", "p95", "p99", "Slowest"),
                [
                    (name, str(len(one.latencies)), str(len(one.failures)), *one.figures())
                    for name, one in (("reading tasks", self.reading), ("writing tasks", self.writing))
                ],
            ),
            f"CPU and memory: from the metrics API every {SAMPLE:.0f} s, {IDLE:.0f} s without load and {2 * LOAD:.0f} s under the load above. "
            "The whole cluster is its node, the control plane included.",
            markdown(
                ("Used by", "CPU, mean", "CPU, largest", "Memory, mean", "Memory, largest"),
                [
                    (name, f"{cpu:.2f}", f"{most_cpu:.2f}", f"{memory / 1e6:.0f} MB", f"{most / 1e6:.0f} MB")
                    for name, cpu, most_cpu, memory, most in self.usage
                ],
            ),
            f"Starts: one pod at a time is deleted, {STARTS} of each component; the budget is for the slowest. Ready is what the "
            "probes say, so their period counts.",
            markdown(
                ("Start", "Pod made to ready", "Process begun to ready"),
                [
                    (name, *(", ".join(f"{one[part]:.1f}" for one in all_) + " s" for part in (0, 1)))
                    for name, all_ in self.starts.items()
                ],
            ),
            "Builds: by the engine's classic builder, with the base images there; packages come from the network.",
            markdown(
                ("Image", "Nothing cached", "Again", "Size"),
                [
                    (name, minutes(one.first), minutes(one.again), WRITE["MB"](one.size))
                    for name, one in self.builds.items()
                ],
            ),
        ]
        return "\n\n".join(parts)


def measure(facts: Mapping[str, Any]) -> Measurement:
    """Measure everything, the quiet things first. Raises MeasureError."""
    engine = docker.DockerClient(base_url=facts["docker_host"], timeout=60)
    cluster, address = Cluster(facts), Address(facts["url"])
    idle, busy = Sampler(cluster), Sampler(cluster)
    say(f"CPU and memory without load for {IDLE:.0f} s")
    with idle.running():
        time.sleep(IDLE)
    with busy.running():
        reading, writing = measure_api(address)
    killed = cluster.killed_for_memory()
    starts = measure_starts(cluster, engine.containers.get(facts["profile"]))
    killed |= cluster.killed_for_memory()
    builds = measure_builds(engine, facts)
    return Measurement(builds, starts, reading, writing, idle.rows("without load") + busy.rows("under load"), killed)


def conditions(facts: Mapping[str, Any], inventory: str, before: str, after: str, note: str) -> str:
    """Where and when this was measured, and what else went on: one paragraph."""
    planned = {one["image"] for one in facts["plan"]["components"].values() if one.get("deliver", True)}
    running = {container.image for pod in Cluster(facts).pods() for container in pod.spec.containers}
    sentences = [
        f"Written by `make measure INVENTORY={inventory}` on {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC. {machine()}.",
        f"Just before, {before}; just after, {after}.",
        "" if planned <= running else "The deployment ran an earlier version of the sources that were built.",
        note,
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the section and print the budgets; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure a running deployment against its budgets.")
    parser.add_argument("--inventory", default="inventory/umbrella", help="the deployment's inventory")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the file that has the section")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    given = parser.parse_args(arguments)
    begin = time.monotonic()
    say("looking for the deployment")
    facts = facts_of(given.inventory)
    before = machine_load()
    measured = measure(facts)
    budgets = measured.budgets()
    document = given.document.read_text(encoding="utf-8") if given.document.exists() else HEAD
    text = with_section(
        document, "budgets", measured.section(conditions(facts, given.inventory, before, machine_load(), given.note))
    )
    given.document.write_text(text, encoding="utf-8")
    print("\n" + aligned([("", "measured", "budget", "verdict"), *(budget.row() for budget in budgets)]) + "\n")
    for answers in (measured.reading, measured.writing):
        for failure in sorted(set(answers.failures))[:3]:
            print(f"failed: {failure}")
    missed = sum(not budget.kept for budget in budgets)
    verdict = f"{missed} missed" if missed else "all kept"
    print(f"{len(budgets)} budgets, {verdict}, in {minutes(time.monotonic() - begin)}. Written to {given.document}.")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (MeasureError, ValueError, OSError, docker.errors.DockerException) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
