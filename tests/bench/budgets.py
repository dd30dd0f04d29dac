#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a running deployment against its budgets, for results.json and the section Budgets of docs/measurements.md.

    make measure [INVENTORY=inventory/umbrella]
    python -m tests.bench.budgets [--inventory DIRECTORY] [--results FILE] [--note TEXT]

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
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import docker
import docker.errors
import kubernetes

from tests.bench import results
from tests.bench.pages import BUDGETS, CLUSTER, budgets_of
from tests.bench.text import aligned, minutes
from tests.integration.web import Address

ROOT = Path(__file__).resolve().parents[2]
IDLE = 60.0  # seconds
LOAD = 60.0  # seconds, each of reading and writing
RATE = 50  # requests a second
CONNECTIONS = 8
TASKS = 20  # on the list that is read
STARTS = 3  # of each component
SAMPLE = 5.0  # seconds between two looks at the metrics, which are new every 15
PATIENCE = 180.0  # seconds until a pod must be ready


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


# -- load --------------------------------------------------------------------------------------------------------------


# Method, path, body and token: what Address.ask takes first.
Request = tuple[str, str, dict[str, Any] | None, str]


@dataclass
class Answers:
    """Latencies in seconds of the requests that were answered as expected, and what went wrong with the others."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """How many, and p50, p95, p99 and the slowest."""
        return {
            "answered": len(self.latencies),
            "failed": len(self.failures),
            "latencies": [percentile(self.latencies, share) for share in (0.5, 0.95, 0.99, 1)],
        }


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
    """For each component with a Deployment: seconds from pod made to ready and from process started_at to ready, of C(STARTS)."""
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
            started_at = process_start(output.decode(), os.sysconf("SC_CLK_TCK"))
            found.setdefault(component, []).append((ready - made, ready - started_at))
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

    def figures(self) -> dict[str, Any]:
        """What an entry of results.json has of its own."""
        return {
            "method": {
                "rate": RATE,
                "connections": CONNECTIONS,
                "load": LOAD,
                "tasks": TASKS,
                "sample": SAMPLE,
                "idle": IDLE,
                "starts": STARTS,
            },
            "images": {
                name: {"first": one.first, "again": one.again, "bytes": one.size} for name, one in self.builds.items()
            },
            "starts": {name: [list(one) for one in times] for name, times in self.starts.items()},
            "api": {"reading tasks": self.reading.summary(), "writing tasks": self.writing.summary()},
            "usage": [list(row) for row in self.usage],
            "killed": len(self.killed),
        }


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


def outdated(facts: Mapping[str, Any]) -> list[str]:
    """A sentence when the deployment does not run what was built."""
    planned = {one["image"] for one in facts["plan"]["components"].values() if one.get("deliver", True)}
    running = {container.image for pod in Cluster(facts).pods() for container in pod.spec.containers}
    return [] if planned <= running else ["The deployment ran an earlier version of the sources that were built."]


def main(arguments: Sequence[str]) -> int:
    """Measure, write the section and print the budgets; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure a running deployment against its budgets.")
    parser.add_argument("--inventory", default="inventory/umbrella", help="the deployment's inventory")
    parser.add_argument("--results", type=Path, help="write this file alone, in place of results.json and the pages")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    given = parser.parse_args(arguments)
    begin = time.monotonic()
    say("looking for the deployment")
    facts = facts_of(given.inventory)
    before = machine_load()
    measured = measure(facts)
    entry = results.entry(
        f"make measure INVENTORY={given.inventory}",
        before,
        machine_load(),
        given.note,
        measured.figures(),
        outdated(facts),
    )
    written = results.publish(BUDGETS, entry, given.results)
    budgets = budgets_of(entry)
    print("\n" + aligned([("", "measured", "budget", "verdict"), *(budget.row() for budget in budgets)]) + "\n")
    for answers in (measured.reading, measured.writing):
        for failure in sorted(set(answers.failures))[:3]:
            print(f"failed: {failure}")
    missed = sum(not budget.kept for budget in budgets)
    verdict = f"{missed} missed" if missed else "all kept"
    print(f"{len(budgets)} budgets, {verdict}, in {minutes(time.monotonic() - begin)}. Written to {written}.")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (MeasureError, ValueError, OSError, docker.errors.DockerException) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
