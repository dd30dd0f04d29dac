#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures whole deploys by Slipway, by shell and by Skaffold, for results.json and docs/measurements.md.

    python -m tests.bench.deploys [--repeat 3] [--again 2] [--skaffold PROGRAM] [--skaffold-helm PROGRAM] [--tool NAME ...]
                                  [--results FILE] [--note TEXT]

Needs a machine on which 'make deploy' has been run: the engine and the tools are used, its cluster is not. Takes about a quarter
of an hour for each round. Every tool gets a cluster of its own, one at a time, which is deleted again with all that was built.
Exit code 1 when a figure is missed, 69 when something that is needed cannot be had or a tool fails.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import docker
import docker.errors
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._helm import charts
from ansible_collections.slipway.kube.plugins.module_utils._minikube import files

from tests.bench import results
from tests.bench.budgets import MeasureError, machine_load, say
from tests.bench.pages import (
    BACK,
    DEPLOYS,
    FIRST,
    LINE,
    NOTHING,
    SHELL,
    SKAFFOLD,
    SLIPWAY,
    deploy_rows,
    deploy_verdicts,
)
from tests.bench.text import aligned, minutes, three
from tests.integration.web import Address

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
INVENTORY = ROOT / "inventory" / "umbrella"
PROFILE = "slipway-bench"
LABEL = "slipway.bench"
PORT = 8280
ADDRESS = Address(f"http://todo.localhost:{PORT}")

CRASH = "version that crashes"

PATIENCE = 900.0  # seconds for one run of a tool
SETTLING = 180.0  # seconds after a run until the wanted version must answer
ANSWERS = 10  # in a row, each by a connection of its own: two pods take turns
MISSING = "no_such_module"
TROUBLE = re.compile(r"error|fail|timed out|crash", re.IGNORECASE)
NO_CHANGES = re.compile(r"^Done in \S+.*: nothing changed\.$", re.MULTILINE)


# -- the sources -------------------------------------------------------------------------------------------------------


def marked(dockerfile: str, label: str) -> str:
    """A Dockerfile with a label of its own in every stage: nothing built before is a cache for it, and it can be found again."""
    text, stages = re.subn(r"^(FROM .*)$", rf"\1\nLABEL {LABEL}={label}", dockerfile, flags=re.MULTILINE)
    if not stages:
        raise ValueError("a Dockerfile without FROM")
    return text


def versioned(source: str, version: str) -> str:
    """The backend's health route, telling C(version) in one line of its own. Raises MeasureError when the line has no place."""
    anchor = '        "version": settings.app_version,\n'
    if source.count(anchor) != 1:
        raise MeasureError(f"The health route of the example has no line {anchor.strip()!r} to put another one after.")
    return source.replace(anchor, f'{anchor}        "build": "{version}",\n')


class Sources:
    """A copy of the example's sources whose backend tells its version."""

    def __init__(self, place: Path, label: str) -> None:
        self.place = place
        self.version = ""
        shutil.copytree(
            ROOT / "examples" / "todo",
            place,
            ignore=shutil.ignore_patterns(".*_cache", "__pycache__", "node_modules", ".next", ".env", "*.tsbuildinfo"),
        )
        for file in (place / "backend" / "Dockerfile", place / "frontend" / "Dockerfile"):
            file.write_text(marked(file.read_text(encoding="utf-8"), label), encoding="utf-8")
        self._file = place / "backend" / "todo_api" / "routes" / "health.py"
        self._pristine = self._file.read_text(encoding="utf-8")
        self.change()

    def change(self) -> None:
        """Make another version: one line of the backend differs."""
        self.version = secrets.token_hex(4)
        self._file.write_text(versioned(self._pristine, self.version), encoding="utf-8")

    def spoil(self) -> None:
        """Make a version that cannot start."""
        self.change()
        text = self._file.read_text(encoding="utf-8")
        self._file.write_text(f"{text}\nfrom ..{MISSING} import nothing  # noqa: E402, F401\n", encoding="utf-8")


# -- the tools ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """What the machine has (see deploys.yml), the programs for Skaffold, and the directory with the manifests."""

    facts: Mapping[str, Any]
    directory: Path
    skaffold: str = ""
    skaffold_helm: str = ""

    def start_options(self) -> list[str]:
        """The options of ``minikube start`` that make the cluster the one that Slipway makes."""
        facts = self.facts
        options = [
            f"--driver={facts['driver']}",
            f"--kubernetes-version={facts['kubernetes_version']}",
            f"--container-runtime={facts['container_runtime']}",
            f"--cpus={facts['cpus']}",
            f"--memory={facts['memory']}mb",
            f"--ports=127.0.0.1:{PORT}:80",
            "--interactive=false",
            "--wait=apiserver,system_pods,node_ready",
        ]
        if os.geteuid() == 0:
            options.append("--force")
        if facts["node_image"]:
            options += [
                f"--base-image={facts['node_image']}",
                "--cni=bridge",
                "--preload=true",
                "--feature-gates=KubeletInUserNamespace=true",
            ]
        return options

    def values(self) -> dict[str, Any]:
        """The inventory's values, with Secrets that the chart makes: the others have nobody who would make them."""
        values: dict[str, Any] = json.loads(json.dumps(self.facts["values"]))
        for name in ("backend", "postgresql"):
            values[name]["existingSecret"] = ""
        return values


class Tool:
    """One way to deploy, with a directory of its own: sources, Minikube's files, kubeconfig, logs."""

    name = ""

    def __init__(self, given: Given, place: Path, label: str) -> None:
        self.given = given
        self.place = place
        place.mkdir(parents=True)
        self.sources = Sources(place / "todo", label)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("MINIKUBE_", "SLIPWAY_"))},
            # The person's own database and language model are no business of a measurement.
            **dict.fromkeys(("DATABASE_URL", "JWT_SECRET", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"), ""),
            "KUBECONFIG": str(place / "kubeconfig"),
            "DOCKER_HOST": given.facts["docker_host"],
        }

    def command(self, action: str) -> list[str]:
        """The command for C(deploy) or C(rollback)."""
        raise NotImplementedError


class Shell(Tool):
    """tests/bench/baseline.sh"""

    name = SHELL
    script = HERE / "baseline.sh"

    def __init__(self, given: Given, place: Path, label: str) -> None:
        super().__init__(given, place, label)
        facts = given.facts
        programs = place / "bin"
        programs.mkdir()
        for program in ("minikube", "kubectl", "helm"):
            (programs / program).symlink_to(facts["tools"][program])
        (place / "values.yml").write_text(yaml.safe_dump(given.values()), encoding="utf-8")
        charts.assemble(ROOT / "charts" / "todo-app", place / "chart")
        if facts["preload"]:
            preload = Path(facts["preload"])
            files.place_preload(preload, place / ".minikube" / "cache" / "preloaded-tarball" / preload.name)
        password = secrets.token_hex(16)
        arguments = [f"--build-arg={name}={value}" for name, value in facts["build_arguments"].items()]
        self.environment |= {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "MINIKUBE_HOME": str(place),
            "MINIKUBE_IN_STYLE": "false",
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
            "DOCKER_BUILDKIT": "0",
            "PROFILE": PROFILE,
            "ADDRESS": ADDRESS.url,
            "START_OPTIONS": " ".join(given.start_options()),
            "MANIFESTS": str(given.directory) if facts["node_image"] else "",
            "SOURCE": str(self.sources.place),
            "BACKEND": f"{PROFILE}-backend",
            "FRONTEND": f"{PROFILE}-frontend",
            "BUILD_OPTIONS": " ".join([f"--network={facts['build_network']}", *arguments]),
            "PYTHON_VERSION": components()["backend"]["build_args"]["PYTHON_VERSION"],
            "CHART": str(place / "chart"),
            "VALUES": str(place / "values.yml"),
            "POSTGRES_PASSWORD": password,
            "DATABASE_URL": f"postgresql://todo:{password}@todo-postgresql:5432/todo",
            "JWT_SECRET": secrets.token_hex(24),
        }

    def command(self, action: str) -> list[str]:
        return [str(self.script), action]


class Skaffold(Shell):
    """tests/bench/skaffold/skaffold.sh"""

    name = SKAFFOLD
    script = HERE / "skaffold" / "skaffold.sh"

    def __init__(self, given: Given, place: Path, label: str) -> None:
        super().__init__(given, place, label)
        shutil.copy(HERE / "skaffold" / "skaffold.yaml", self.sources.place)
        programs = place / "bin"
        (programs / "skaffold").symlink_to(Path(given.skaffold).resolve())
        if given.skaffold_helm:
            (programs / "helm").unlink()
            (programs / "helm").symlink_to(Path(given.skaffold_helm).resolve())
        (place / "skaffold.config").write_text("global:\n  collect-metrics: false\n", encoding="utf-8")
        self.environment |= {
            "SKAFFOLD_CONFIG": str(place / "skaffold.config"),
            "SKAFFOLD_CACHE_FILE": str(place / "skaffold.cache"),
            "SKAFFOLD_UPDATE_CHECK": "false",
            "SKAFFOLD_INTERACTIVE": "false",
            # Named in skaffold.yaml, so they must be there.
            **{
                name: self.given.facts["build_arguments"].get(name, "")
                for name in ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")
            },
        }


class Slipway(Tool):
    """playbooks/site.yml and rollback.yml with an inventory of the measurement's own"""

    name = SLIPWAY

    def __init__(self, given: Given, place: Path, label: str) -> None:
        super().__init__(given, place, label)
        self._inventory = write_inventory(place, self.sources.place)
        self.environment["SLIPWAY_REPORT_DIR"] = str(place / "reports")

    def command(self, action: str) -> list[str]:
        playbook = {"deploy": "site.yml", "rollback": "rollback.yml"}[action]
        return [ansible_playbook(), "-i", str(self._inventory), str(ROOT / "playbooks" / playbook)]


TOOLS: Sequence[type[Tool]] = (Shell, Skaffold, Slipway)


def ansible_playbook() -> str:
    """The program of this environment."""
    return str(Path(sys.executable).parent / "ansible-playbook")


def components() -> dict[str, Any]:
    """The components of the deployment that is measured."""
    application = (INVENTORY / "group_vars" / "all" / "application.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(application)["application_components"]
    return found


def write_inventory(place: Path, sources: Path) -> Path:
    """An inventory like the example's, with a cluster and images of its own, that deploys the sources in C(sources)."""
    inventory = place / "inventory"
    (inventory / "host_vars").mkdir(parents=True)
    for name in ("hosts.yml", "group_vars"):
        (inventory / name).symlink_to(INVENTORY / name)
    own = {
        "minikube_setup_profile": PROFILE,
        "minikube_setup_context": PROFILE,
        "minikube_setup_home": str(place),
        "minikube_setup_kubeconfig": str(place / "kubeconfig"),
        "minikube_setup_ingress_first_port": PORT,
        "application_components": {
            name: {**one, "source": str(sources / Path(one["source"]).name), "repository": f"{PROFILE}-{name}"}
            for name, one in components().items()
        },
    }
    (inventory / "host_vars" / "localhost.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return inventory


# -- one run -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One scenario of one tool.

    C(seconds) until the wanted version answers every time; C(ended) until the process was over; C(late): another version, or
    none, answered after that; C(words): what the tool said.
    """

    tool: str
    scenario: str
    round: int
    seconds: float
    ended: float
    late: bool = False
    words: str = ""
    code: int = 0


def answering() -> str:
    """The version that answers through the published address, empty when none does."""
    try:
        status, body = ADDRESS.ask("GET", "/api/health", connection=(connection := ADDRESS.connect(5)))
        connection.close()
        return str(json.loads(body).get("build", "")) if status == 200 else ""
    except (OSError, HTTPException, ValueError, AttributeError):
        return ""


def settle(version: str, look: Callable[[], str] = answering, patience: float = SETTLING) -> float | None:
    """Wait until C(version) has answered C(ANSWERS) times in a row.

    None when it did from the begin on, otherwise the time (of the monotonic clock) of the first answer of that row. Raises
    MeasureError when it never does.
    """
    deadline = time.monotonic() + patience
    since: float | None = None
    row, others, last = 0, False, ""
    while row < ANSWERS:
        if (last := look()) == version:
            since = time.monotonic() if row == 0 else since
            row += 1
            continue
        others, row = True, 0
        if time.monotonic() > deadline:
            raise MeasureError(
                f"{minutes(patience)} after the end of the run {ADDRESS.url} answers as {last or 'nobody'}, not as {version}."
            )
        time.sleep(0.1)
    return since if others else None


def run_process(tool: Tool, action: str, log: Path) -> tuple[float, int]:
    """Run a tool's command; the time at which it ended (of the monotonic clock) and its exit code."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            tool.command(action),
            cwd=ROOT,
            env=tool.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(PATIENCE)
            return time.monotonic(), code
        except subprocess.TimeoutExpired:
            raise MeasureError(
                f"{tool.name} was not done with {action} after {minutes(PATIENCE)}: {tail(log)}"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def readable(log: Path) -> str:
    """The text of a log, without colours and the like."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", log.read_text(encoding="utf-8", errors="replace"))
    return text.replace("\r", "\n").strip()


def tail(log: Path, lines: int = 40) -> str:
    """The end of a log, each line shortened."""
    return "\n" + "\n".join(line[:300] for line in readable(log).split("\n")[-lines:])


class Bench:
    """One tool with a cluster of its own, from nothing to nothing."""

    def __init__(self, tool: Tool, number: int) -> None:
        self._tool = tool
        self._number = number
        self._logs = 0
        self._before = ""

    def scenarios(self, again: int, crash: bool) -> Iterator[Run]:
        """Everything that is measured, in the order that the cluster's life asks for."""
        yield self._deploy(FIRST)
        for _time in range(again):
            yield self._deploy(NOTHING)
            self._before = self._tool.sources.version
            self._tool.sources.change()
            yield self._deploy(LINE)
        yield self._run(BACK, "rollback", self._before)
        if crash:
            self._tool.sources.spoil()
            yield self._run(CRASH, "deploy", self._before)

    def _deploy(self, scenario: str) -> Run:
        return self._run(scenario, "deploy", self._tool.sources.version)

    def _run(self, scenario: str, action: str, version: str) -> Run:
        tool = self._tool
        self._logs += 1
        log = tool.place / f"{self._logs}.log"
        began = time.monotonic()
        ended, code = run_process(tool, action, log)
        if code and scenario != CRASH:
            raise MeasureError(f"{tool.name}, {scenario}: exit code {code}.{tail(log)}")
        try:
            settled_at = settle(version)
        except MeasureError as error:
            raise MeasureError(f"{tool.name}, {scenario}: exit code {code}. {error}{tail(log)}") from error
        run = Run(
            tool.name,
            scenario,
            self._number,
            (settled_at or ended) - began,
            ended - began,
            settled_at is not None,
            readable(log),
            code,
        )
        words = f", exit code {code} after {minutes(run.ended)}" if run.late or code else ""
        say(f"round {self._number}, {tool.name}, {scenario}: {minutes(run.seconds)}{words}")
        return run


# -- nothing is left ---------------------------------------------------------------------------------------------------


def end_processes(kubeconfig: Path) -> None:
    """End what a tool started and left behind: a Minikube that goes on would make the cluster anew while it is removed."""
    mark = b"KUBECONFIG=" + os.fsencode(kubeconfig)

    def left() -> list[int]:
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in file.read_bytes().split(b"\0"):
                    found.append(int(file.parent.name))
        return found

    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 10
        while left() and time.monotonic() < deadline:
            time.sleep(0.1)


def remove_cluster(client: Any, tool: Tool | None, given: Given) -> None:
    """Remove the measurement's cluster and images, by Minikube where it knows the cluster, then what the engine still has."""
    if tool is not None:
        end_processes(tool.place / "kubeconfig")
        if (tool.place / ".minikube" / "profiles" / PROFILE).exists():
            environment = {
                **tool.environment,
                "MINIKUBE_HOME": str(tool.place),
                "MINIKUBE_WANTUPDATENOTIFICATION": "false",
            }
            # What it cannot delete goes by the engine below.
            subprocess.run(
                [given.facts["tools"]["minikube"], "delete", f"--profile={PROFILE}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
    with contextlib.suppress(docker.errors.NotFound):
        client.containers.get(PROFILE).remove(force=True, v=True)
    with contextlib.suppress(docker.errors.NotFound):
        client.volumes.get(PROFILE).remove()
    for network in client.networks.list(names=[PROFILE]):
        if network.name == PROFILE:
            network.remove()
    remove_images(client)


def remove_images(client: Any) -> None:
    """Remove the images with the measurement's label, the stages of their builds included. Raises MeasureError if some stay."""
    # Skaffold leaves the containers of a build's steps behind, which have the label of their image.
    for container in client.containers.list(all=True, filters={"label": LABEL, "status": ["created", "exited"]}):
        container.remove(v=True)

    def left() -> dict[str, dict[str, Any]]:
        return {one["Id"]: one for one in client.api.images(all=True, filters={"label": LABEL})}

    before: dict[str, dict[str, Any]] = {}
    while (images := left()) and images.keys() != before.keys():
        before = images
        # An image that others are made of goes with the last of them.
        for identity in images.keys() - {one["ParentId"] for one in images.values()}:
            tags = [tag for tag in images[identity].get("RepoTags") or [] if tag != "<none>:<none>"]
            for name in tags or [identity]:
                with contextlib.suppress(docker.errors.APIError):
                    client.api.remove_image(name)
    if images:
        raise MeasureError(
            f"{len(images)} images with the label {LABEL} cannot be removed: 'docker images --all --filter label={LABEL}'."
        )


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one measurement at a time: there is one profile and one port. Raises MeasureError."""
    with (Path(tempfile.gettempdir()) / f"{PROFILE}-{os.getuid()}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasureError("Another measurement of deploys is under way: wait for its end.") from None
        yield


# -- all runs ----------------------------------------------------------------------------------------------------------


def turns(tools: Sequence[type[Tool]], number: int) -> list[type[Tool]]:
    """The tools in the order of a round, counted from 0: each round begins with another one."""
    first = number % len(tools)
    return [*tools[first:], *tools[:first]]


def look_around(place: Path, options: argparse.Namespace) -> Given:
    """What the machine has. Raises MeasureError when that is not enough."""
    (place / "todo").mkdir()
    inventory = write_inventory(place, place / "todo")
    command = [ansible_playbook(), "-i", str(inventory), str(HERE / "deploys.yml"), "-e", f"deploys_directory={place}"]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "DATABASE_URL": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise MeasureError(f"This machine cannot be looked at: {done.stdout[-2000:]}{done.stderr[-500:]}")
    facts = json.loads((place / "facts.json").read_text(encoding="utf-8"))
    if facts["missing"]:
        raise MeasureError(f"There is no {facts['missing'][0]} yet: run 'make deploy' first.")
    return Given(facts, place, options.skaffold, options.skaffold_helm)


def check_port() -> None:
    """Raises MeasureError when somebody else answers where the clusters shall."""
    try:
        with contextlib.closing(ADDRESS.connect(2)) as connection:
            connection.connect()
    except OSError:
        return
    raise MeasureError(f"Port {PORT} is taken: end what listens there.")


def measure_round(
    client: Any, given: Given, place: Path, tools: Sequence[type[Tool]], number: int, again: int, crash: bool
) -> Iterator[Run]:
    """All runs of a round, counted from 0: a cluster for each tool, one at a time."""
    for kind in turns(tools, number):
        directory = place / f"{number + 1}-{kind.name.lower()}"
        tool: Tool | None = None
        try:
            tool = kind(given, directory, f"{number + 1}-{secrets.token_hex(4)}")
            yield from Bench(tool, number + 1).scenarios(again, crash)
        finally:
            remove_cluster(client, tool, given)
            shutil.rmtree(directory, ignore_errors=True)


# -- the figures -------------------------------------------------------------------------------------------------------


@dataclass
class Figures:
    """All runs, in the order in which they were made."""

    runs: list[Run] = field(default_factory=list)

    def of(self, tool: str, scenario: str) -> list[Run]:
        """The runs of one tool and scenario."""
        return [run for run in self.runs if (run.tool, run.scenario) == (tool, scenario)]

    def seconds(self, tool: str, scenario: str) -> list[float]:
        """Their seconds."""
        return [run.seconds for run in self.of(tool, scenario)]

    def tools(self) -> list[str]:
        """The tools that were run, in the order of the table."""
        return [tool.name for tool in TOOLS if any(run.tool == tool.name for run in self.runs)]

    def ratios(self, scenario: str, other: str) -> list[float]:
        """Slipway's seconds by another tool's, of the runs at the same place in the same round."""
        pairs = zip(self.seconds(SLIPWAY, scenario), self.seconds(other, scenario), strict=False)
        return [own / theirs for own, theirs in pairs]

    def figures(self) -> dict[str, Any]:
        """What an entry of results.json has of its own."""
        measured = {
            scenario: {tool: summary(found) for tool in self.tools() if (found := self.of(tool, scenario))}
            for scenario in (FIRST, NOTHING, LINE, BACK)
        }
        ratios = {
            scenario: {other: three(values) for other in (SHELL, SKAFFOLD) if (values := self.ratios(scenario, other))}
            for scenario in measured
        }
        return {
            "answers": ANSWERS,
            "scenarios": measured,
            "ratios": ratios,
            "said_unchanged": sum(bool(NO_CHANGES.search(run.words)) for run in self.of(SLIPWAY, NOTHING)),
            "crashes": [
                {
                    "tool": run.tool,
                    "ended": run.ended,
                    "code": run.code,
                    "named": MISSING in run.words,
                    "words": last_words(run),
                }
                for run in self.runs
                if run.scenario == CRASH
            ],
        }


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Seconds of some runs, how many ended as done before the wanted version answered, and how many as failed though it did."""
    least, median, greatest = three([run.seconds for run in runs])
    late = [run.seconds - run.ended for run in runs if run.late and not run.code]
    return {
        "runs": len(runs),
        "least": least,
        "median": median,
        "greatest": greatest,
        "late": len(late),
        "latest": max(late, default=0.0),
        "failed": sum(bool(run.code) for run in runs),
    }


def last_words(run: Run, lines: int = 3, width: int = 160) -> str:
    """The last lines of a tool that speak of a failure, shortened."""
    found = [line.strip() for line in run.words.split("\n") if TROUBLE.search(line)]
    return "\n".join(line if len(line) <= width else f"{line[:width]}…" for line in dict.fromkeys(found[-lines:]))


def programs(given: Given) -> str:
    """The versions of what was compared."""

    def version(*command: str) -> str:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout.strip().split("\n")[0]

    words = [f"Minikube {version(given.facts['tools']['minikube'], 'version', '--short')}"]
    words.append(f"Helm {version(given.facts['tools']['helm'], 'version', '--short')}")
    if given.skaffold:
        helm = version(given.skaffold_helm, "version", "--short") if given.skaffold_helm else "the same"
        words.append(f"Skaffold {version(given.skaffold, 'version')} with Helm {helm}")
    words.append(f"engine {given.facts['engine_version']}")
    return f"{', '.join(words)}."


def publish(figures: Figures, given: Given, options: argparse.Namespace, before: str) -> tuple[dict[str, Any], Path]:
    """Write the entry and the pages; the entry and its file."""
    notes = [programs(given)]
    if SKAFFOLD not in figures.tools():
        notes.append("Skaffold was not there.")
    entry = results.entry(
        "python -m tests.bench.deploys", before, machine_load(), options.note, figures.figures(), notes
    )
    return entry, results.publish(DEPLOYS, entry, options.results)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the entry and the pages, print the figures; the process's exit code."""
    parser = argparse.ArgumentParser(description="Measure whole deploys by Slipway, by shell and by Skaffold.")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, each with a new cluster for each tool")
    parser.add_argument(
        "--again", type=int, default=2, help="deploys with nothing, and with one line, changed, per cluster"
    )
    parser.add_argument(
        "--tool",
        action="append",
        choices=[tool.name.lower() for tool in TOOLS],
        help="only this one (can be repeated)",
    )
    parser.add_argument(
        "--skaffold", default=shutil.which("skaffold") or "", help="the program; left out when there is none"
    )
    parser.add_argument("--skaffold-helm", default="", help="a Helm 3 for it, which does not work with Helm 4")
    parser.add_argument(
        "--no-crash", dest="crash", action="store_false", help="leave out the version that cannot start"
    )
    parser.add_argument("--results", type=Path, help="write this file alone, in place of results.json and the pages")
    parser.add_argument("--note", default="", help="a sentence for the section, such as what else ran meanwhile")
    options = parser.parse_args(arguments)
    if options.repeat < 1 or options.again < 1:
        parser.error("--repeat and --again: at least one is needed")
    for program in filter(None, (options.skaffold, options.skaffold_helm)):
        if not Path(program).exists():
            parser.error(f"there is no {program}")
    names = options.tool or [tool.name.lower() for tool in TOOLS]
    tools = [tool for tool in TOOLS if tool.name.lower() in names and (tool is not Skaffold or options.skaffold)]
    if not tools:
        parser.error("--skaffold: say where it is")
    # As Ctrl-C: the clusters are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    figures = Figures()
    with alone(), tempfile.TemporaryDirectory(prefix="slipway-bench-deploys-") as place:
        directory = Path(place) / "given"
        directory.mkdir()
        say("looking at the machine")
        given = look_around(directory, options)
        client = docker.DockerClient(base_url=given.facts["docker_host"], timeout=300)
        remove_cluster(client, None, given)  # what a killed measurement left
        check_port()
        before = machine_load()
        for number in range(options.repeat):
            # The crash takes minutes, so once is enough.
            crash = options.crash and number == 0
            figures.runs += measure_round(client, given, Path(place), tools, number, options.again, crash)
            entry, written = publish(figures, given, options, before)
    print(
        "\n" + aligned([("", "runs", "least", "median", "greatest", "exit code misleads"), *deploy_rows(entry)]) + "\n"
    )
    limits = deploy_verdicts(entry)
    for what, found, wanted, kept in limits:
        print(f"{what}: {found}, wanted {wanted}: {'kept' if kept else 'MISSED'}")
    print(f"In {minutes(time.monotonic() - begin)}. Written to {written}.")
    return 0 if all(kept for *_words, kept in limits) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (MeasureError, ValueError, OSError, charts.ChartError, docker.errors.DockerException) as problem:
        print(f"Not measured: {problem}", file=sys.stderr)
        sys.exit(69)
    except KeyboardInterrupt:
        sys.exit(130)
