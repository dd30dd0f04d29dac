#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the ways of images to a node, for results.json and the section Ways to the node of docs/measurements.md.

    python -m tests.bench.delivery --profile PROFILE [--repeat 3] [--cold 2] [--registry ADDRESS] [--results FILE] [--note TEXT]

Needs a running node with BuildKit and the program image-build. Builds the example's backend from copies, by each way in turn, as images of
its own, which are removed at the end. Exit code 69 when something that is needed cannot be had.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
from ansible_collections.slipway.kube.plugins.module_utils._images import node_images, plan, runner

from tests.bench import results
from tests.bench.budgets import machine_load, say
from tests.bench.pages import DELIVERY, delivery_section

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/todo/backend"
REPOSITORY = "slipway-bench"
IMAGE_BUILD = Path.home() / ".local/state/slipway/bin/image-build"
COLD, LINE, AGAIN, NOTHING = (
    "first deploy, nothing cached",
    "one changed line",
    "a new cluster, images in the engine",
    "nothing changed",
)


@dataclass(frozen=True)
class Way:
    """A way to the node: what it is called, and the module's options for it."""

    name: str
    options: dict[str, Any]


@dataclass
class Times:
    """Seconds by scenario and way, in the order of measuring."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, scenario: str, way: Way, seconds: float) -> None:
        self.seconds.setdefault((scenario, way.name), []).append(seconds)

    def figures(self, ways: Sequence[Way]) -> dict[str, Any]:
        """What an entry of results.json has of its own."""
        names = [way.name for way in ways]
        every = {
            scenario: {name: self.seconds[scenario, name] for name in names if (scenario, name) in self.seconds}
            for scenario in (COLD, LINE, AGAIN, NOTHING)
        }
        return {"ways": names, "seconds": {scenario: times for scenario, times in every.items() if times}}


class Bench:
    """A copy of the sources for each way, and one run of the module after another on them."""

    def __init__(self, client: Any, profile: str, place: Path, image_build: str) -> None:
        self._client = client
        self._profile = profile
        self._image_build = image_build
        self._place = place
        self._components: dict[str, dict[str, str]] = {}

    def prepare(self, way: Way) -> None:
        """Give a way a copy of the sources and a repository of its own: none finds, nor prunes, what another one made."""
        slug = way.name.replace(",", "").replace(" ", "-").replace("_", "-").lower()
        source = self._place / slug
        shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns(".*_cache", "__pycache__"))
        prefix = f"{way.options['registry']}/" if way.options.get("registry") else ""
        self._components[way.name] = {"source": str(source), "repository": f"{prefix}{REPOSITORY}-{slug}"}

    def change(self, way: Way, file: str) -> None:
        """Put another line at the begin of a file and give the image another name, as the digest in its tag would be."""
        component = self._components[way.name]
        place = Path(component["source"]) / file
        place.write_text(f"# {uuid.uuid4().hex}\n{place.read_text(encoding='utf-8')}", encoding="utf-8")
        component["image"] = f"{component['repository']}:sha-{uuid.uuid4().hex[:16]}"

    def run(self, way: Way) -> float:
        """Build and deliver; the seconds it took."""
        params = {
            "components": {"backend": self._components[way.name]},
            "state": "present",
            "delivery": "load",
            "registry": "",
            "profile": self._profile,
            "start_wait": 0,
            "builder": self._image_build,
            "network": "host",
            "build_args": {},
            "keep": 2,
            "max_parallel": 4,
            "progress_file": None,
            **way.options,
        }
        begun = time.monotonic()
        runner.run(params, self._client, check_mode=False, ask_kept=lambda: None)
        return time.monotonic() - begun

    def forget_in_node(self, way: Way) -> None:
        """Take the way's image out of the node, as if the cluster were new."""
        node = node_images.Node(self._client, self._profile)
        node.remove([plan.normal_name(self._components[way.name]["image"])])

    def tidy(self) -> None:
        """Remove the images of this measurement from the engine and the node."""
        node = node_images.Node(self._client, self._profile)
        node.remove([name for name in node.images() if f"/{REPOSITORY}-" in name])
        engine = node_images.Engine(self._client)
        engine.remove(name.removeprefix("docker.io/library/") for name in engine.images() if f"/{REPOSITORY}-" in name)


def measure(bench: Bench, ways: Sequence[Way], repeat: int, cold: int) -> Times:
    """Every scenario by every way in turn; each round begins with another way."""
    times = Times()
    for way in ways:
        bench.prepare(way)
    for number in range(max(repeat, cold)):
        order = [*ways[number % len(ways) :], *ways[: number % len(ways)]]
        steps: list[tuple[str, Callable[[Way], None]]] = []
        if number < cold:
            # The first layer but the base depends on this file.
            steps.append((COLD, lambda way: bench.change(way, "requirements.txt")))
        if number < repeat:
            steps.append((LINE, lambda way: bench.change(way, "todo_api/__init__.py")))
            steps.append((NOTHING, lambda _way: None))
            steps.append((AGAIN, bench.forget_in_node))
        for scenario, prepare in steps:
            for way in order:
                # What is built in the node is nowhere else: a new cluster is a first deploy for it.
                if scenario == AGAIN and way.options["delivery"] != "load":
                    continue
                prepare(way)
                seconds = bench.run(way)
                times.add(scenario, way, seconds)
                say(f"round {number + 1}, {scenario}, {way.name}: {seconds:.1f} s")
    return times


def main(arguments: Sequence[str]) -> int:
    """Measure, write the entry and the pages, print the section; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure the ways of images to a node.")
    parser.add_argument("--profile", required=True, help="Minikube profile of a running node")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of everything but first deploys")
    parser.add_argument("--cold", type=int, default=2, help="rounds of first deploys, at least one")
    parser.add_argument(
        "--registry", default="", help="address of a registry that the engine may push to, to measure that way too"
    )
    parser.add_argument("--image-build", default=str(IMAGE_BUILD), help="the program image-build")
    parser.add_argument("--results", type=Path, help="write this file alone, in place of results.json and the pages")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    given = parser.parse_args(arguments)
    if not Path(given.image_build).exists():
        raise RuntimeError(f"there is no {given.image_build}; run 'make deploy' first or name it with --image-build")
    ways = [
        Way("in_node", {"delivery": "in_node"}),
        Way("load, BuildKit", {"delivery": "load"}),
        Way("load, classic builder", {"delivery": "load", "builder": None}),
    ]
    if given.registry:
        ways.append(Way("registry", {"delivery": "registry", "registry": given.registry}))
    client = docker.from_env(timeout=1800)
    before = machine_load()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as place:
        bench = Bench(client, given.profile, Path(place), given.image_build)
        try:
            times = measure(bench, ways, given.repeat, max(1, given.cold))
        finally:
            bench.tidy()
    entry = results.entry(
        "python -m tests.bench.delivery",
        before,
        machine_load(),
        given.note,
        times.figures(ways),
        [f"{given.repeat} rounds, first deploys {max(1, given.cold)}."],
    )
    results.publish(DELIVERY, entry, given.results)
    print(delivery_section(entry))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, ValueError, OSError, plan.ImageError, docker.errors.DockerException) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
