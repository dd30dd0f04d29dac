# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the charts share: the charts and values files there are, rendering, and questions about objects."""

from __future__ import annotations

import copy
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]

CHARTS = Path(__file__).resolve().parents[2] / "charts"
APPLICATIONS = ["backend", "component", "frontend", "postgresql", "todo-app"]
RELEASE = "shop"
NAMESPACE = "market"
# The oldest Kubernetes the charts are for. Said to Helm, which otherwise assumes what its own build was for.
KUBERNETES = ["--kube-version", "1.30.0"]
TAGS = {"todo-app": ["--set", "backend.image.tag=0.0.0-ci", "--set", "frontend.image.tag=0.0.0-ci"]}
WORKLOADS = {"Deployment", "StatefulSet"}


@dataclass(frozen=True)
class Case:
    """One chart with one values file."""

    chart: str
    values: Path

    @property
    def name(self) -> str:
        return f"{self.chart}-{self.values.stem}"


def cases() -> list[Case]:
    """Return every chart with each of its ci/*-values.yaml and values-<place>.yaml."""
    return [
        Case(chart, values)
        for chart in APPLICATIONS
        for values in sorted([*(CHARTS / chart).glob("ci/*-values.yaml"), *(CHARTS / chart).glob("values-*.yaml")])
    ]


CASES = cases()


def binary(variable: str, tool: str) -> str:
    """Return the program that an environment variable names, or fail and say how to come by it."""
    path = setting(variable, tool)
    if shutil.which(path) is None:
        pytest.fail(
            f"{variable} is {path}, which is not an executable. Use what tests/tools/tools.py {tool} prints.",
            pytrace=False,
        )
    return path


def directory(variable: str, tool: str) -> str:
    """Return the directory that an environment variable names, or fail and say how to come by it."""
    path = setting(variable, tool)
    if not Path(path).is_dir():
        pytest.fail(
            f"{variable} is {path}, which is no directory. Use what tests/tools/tools.py {tool} prints.", pytrace=False
        )
    return path


def setting(variable: str, tool: str) -> str:
    """Return an environment variable that the tests need, or fail."""
    path = os.environ.get(variable, "")
    if not path:
        pytest.fail(
            f"{variable} is not set. Run tests/run.sh charts, or set it to what tests/tools/tools.py {tool} prints.",
            pytrace=False,
        )
    return path


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program without the caller's Helm settings; on failure show what it said rather than a traceback."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
    result = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if check and result.returncode:
        pytest.fail(f"{' '.join(argv)}\nexit {result.returncode}\n{result.stdout}{result.stderr}", pytrace=False)
    return result


def dependencies(chart: str) -> list[Object]:
    """Return the dependencies that a chart declares."""
    found: list[Object] = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text()).get("dependencies", [])
    return found


@functools.cache
def _rendered(helm: str, charts: Path, release: str, chart: str, *arguments: str) -> tuple[Object, ...]:
    output = run(
        helm, "template", release, str(charts / chart), "--namespace", NAMESPACE, *KUBERNETES, *arguments
    ).stdout
    return tuple(document for document in yaml.safe_load_all(output) if document)


def render(helm: str, charts: Path, chart: str, *arguments: str, release: str = RELEASE) -> list[Object]:
    """Return the objects of a release, hooks and tests included."""
    return copy.deepcopy(list(_rendered(helm, charts, release, chart, *arguments)))


def by_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Return the objects of these kinds."""
    return [item for item in objects if item["kind"] in kinds]


def title(item: Object) -> str:
    """Name an object as kubectl does."""
    return f"{item['kind']}/{item['metadata']['name']}"


def pods(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    """Yield owner, metadata and spec of every pod that the objects bring about."""
    for item in by_kind(objects, "Deployment", "StatefulSet", "Job"):
        yield title(item), item["spec"]["template"]["metadata"], item["spec"]["template"]["spec"]
    for item in by_kind(objects, "Pod"):
        yield title(item), item["metadata"], item["spec"]


def containers(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield owner and spec of every container."""
    for owner, _metadata, spec in pods(objects):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield owner, container


def backend_urls(objects: list[Object]) -> tuple[set[str], set[str]]:
    """Return what the containers are told as BACKEND_URL, and the addresses of the backends' Services."""
    told = {
        entry["value"]
        for _owner, each in containers(objects)
        for entry in each["env"]
        if entry["name"] == "BACKEND_URL"
    }
    services = {
        f"http://{item['metadata']['name']}:{item['spec']['ports'][0]['port']}"
        for item in by_kind(objects, "Service")
        if item["metadata"]["labels"]["app.kubernetes.io/name"] == "backend"
    }
    return told, services


def hook(item: Object) -> set[str]:
    """Return the events an object is a hook for; none for an object of the release."""
    value = item["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return set(filter(None, value.split(",")))


def weight(item: Object) -> int:
    """Return a hook's weight."""
    return int(item["metadata"].get("annotations", {}).get("helm.sh/hook-weight", 0))


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Tell whether labels satisfy a selector."""
    return selector.items() <= labels.items()
