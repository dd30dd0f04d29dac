# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What results.json gives: the sections of docs/measurements.md, its charts, and the tables of README.md.

Figures are seconds, bytes and CPUs. C(results.py) says what an entry is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.charts import chart
from tests.bench.text import WRITE, markdown, minutes, with_section

Entry = Mapping[str, Any]
Verdict = tuple[str, str, str, bool]  # figure, measured, wanted, kept

BUDGETS, HEALTH, DELIVERY, DEPLOYS, SUITE = (
    "budgets",
    "health checks",
    "ways to the node",
    "deploys",
    "steps of make test",
)
MEASURED = "measured"  # the block of README.md

# -- budgets -----------------------------------------------------------------------------------------------------------

CLUSTER = "the whole cluster"
# By component; one with another name has no budget of its own.
IMAGE_LIMITS = {"backend": 300e6, "frontend": 200e6}  # bytes
POD_LIMITS = {"backend": 30.0, "frontend": 15.0}  # seconds


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


def budgets_of(entry: Entry) -> list[Budget]:
    """The figures that have a limit."""
    images, starts, api = entry["images"], entry["starts"], entry["api"]
    cluster = [row for row in entry["usage"] if row[0].startswith(CLUSTER)]
    return [
        *[
            Budget(f"image of {name}", one["bytes"], IMAGE_LIMITS[name], "MB")
            for name, one in images.items()
            if name in IMAGE_LIMITS
        ],
        Budget("all images built, nothing cached", sum(one["first"] for one in images.values()), 300, "s"),
        Budget("all images built again, nothing changed", sum(one["again"] for one in images.values()), 120, "s"),
        *[
            Budget(f"start of {name}, from pod made to ready", max(made for made, _begun in times), limit, "s")
            for name, times in starts.items()
            if (limit := POD_LIMITS.get(name))
        ],
        *[
            Budget(f"start of {name}, from process begun to ready", max(begun for _made, begun in times), 5, "s")
            for name, times in starts.items()
        ],
        *[Budget(f"API, {name}, p95", one["latencies"][1], 0.05, "ms") for name, one in api.items()],
        Budget("API, requests that failed", sum(one["failed"] for one in api.values()), 0, "count"),
        Budget("memory of the whole cluster, largest", max(row[4] for row in cluster), 8e9, "GB"),
        Budget("CPU of the whole cluster, largest", max(row[2] for row in cluster), 4, "CPU"),
        Budget("pods killed for lack of memory", entry["killed"], 0, "count"),
    ]


def budgets_section(entry: Entry) -> str:
    """The section Budgets."""
    method = entry["method"]
    return "\n\n".join(
        [
            "## Budgets",
            conditions(entry),
            markdown(("What", "Measured", "Budget", "Verdict"), (budget.row() for budget in budgets_of(entry))),
            f"API: {method['rate']} requests a second over {method['connections']} open connections for {method['load']:.0f} s each, "
            f"from this machine through the application's address. Reading is a list of {method['tasks']} tasks; writing adds one. A "
            "latency counts from the moment the request was due.",
            markdown(
                ("API", "Answered", "Failed", "p50", "p95", "p99", "Slowest"),
                [
                    (name, str(one["answered"]), str(one["failed"]), *map(WRITE["ms"], one["latencies"]))
                    for name, one in entry["api"].items()
                ],
            ),
            f"CPU and memory: from the metrics API every {method['sample']:.0f} s, {method['idle']:.0f} s without load and "
            f"{2 * method['load']:.0f} s under the load above. The whole cluster is its node, the control plane included.",
            markdown(
                ("Used by", "CPU, mean", "CPU, largest", "Memory, mean", "Memory, largest"),
                [
                    (name, f"{cpu:.2f}", f"{most_cpu:.2f}", WRITE["MB"](memory), WRITE["MB"](most))
                    for name, cpu, most_cpu, memory, most in entry["usage"]
                ],
            ),
            f"Starts: one pod at a time is deleted, {method['starts']} of each component; the budget is for the slowest. Ready is what "
            "the probes say, so their period counts.",
            markdown(
                ("Start", "Pod made to ready", "Process begun to ready"),
                [
                    (name, *(", ".join(f"{one[part]:.1f}" for one in times) + " s" for part in (0, 1)))
                    for name, times in entry["starts"].items()
                ],
            ),
            "Builds: by the engine's classic builder, with the base images there; packages come from the network.",
            markdown(
                ("Image", "Nothing cached", "Again", "Size"),
                [
                    (name, minutes(one["first"]), minutes(one["again"]), WRITE["MB"](one["bytes"]))
                    for name, one in entry["images"].items()
                ],
            ),
        ]
    )


# -- health checks -----------------------------------------------------------------------------------------------------

MOST_MEMORY, MOST_THREADS = 200e6, 64  # of health_check with many checks


def health_rows(entry: Entry) -> list[tuple[str, ...]]:
    """What, least, median and greatest seconds, median CPU seconds, and the greatest memory."""
    count = entry["endpoints"]
    checked, looped = entry["checked"], entry["looped"]
    table: list[tuple[str, Sequence[float], Entry]] = [
        ("the slowest endpoint, asked by itself", entry["slowest"], {}),
        (f"`health_check`, {count} checks: the checks alone", checked["own"], {}),
        (f"`health_check`, {count} checks: all of `ansible-playbook`", checked["seconds"], checked),
        (f"loop over `ansible.builtin.uri`, {count} items: all of `ansible-playbook`", looped["seconds"], looped),
    ]
    return [
        (
            what,
            *(f"{value:.2f} s" for value in values),
            f"{used['cpu']:.1f} s" if used else "",
            WRITE["MB"](used["memory"]) if used else "",
        )
        for what, values, used in table
    ]


def health_verdicts(entry: Entry) -> list[Verdict]:
    """Figure, measured, wanted, and whether it is kept."""
    worst, ratios, many = entry["worst"], entry["ratios"], entry["many"]
    return [
        (
            "the checks alone, worst run, against 1.2 x the slowest endpoint + 1 s",
            f"{worst['own']:.2f} s",
            f"≤ {worst['allowed']:.2f} s",
            worst["own"] <= worst["allowed"],
        ),
        (
            "times faster than the loop, whole processes: least, median, greatest",
            ", ".join(f"{ratio:.0f}" for ratio in ratios),
            "≥ 20",
            ratios[0] >= 20,
        ),
        (
            f"memory of `ansible-playbook` and the module with {many['checks']} checks",
            WRITE["MB"](many["memory"]),
            f"≤ {WRITE['MB'](MOST_MEMORY)} for the module",
            many["memory"] <= MOST_MEMORY,
        ),
        (
            f"threads with {many['checks']} checks",
            str(many["threads"]),
            f"≤ {MOST_THREADS}",
            many["threads"] <= MOST_THREADS,
        ),
    ]


def health_section(entry: Entry) -> str:
    """The section Health checks."""
    count = entry["endpoints"]
    return "\n\n".join(
        [
            "## Health checks",
            conditions(entry),
            f"{count} endpoints of a local server: {count * 9 // 10} answer after 20 to 200 ms, the others after up to "
            f"{entry['slowest_delay']:g} s, evenly spread; all delays together are {entry['delays']:.1f} s. Runs of each kind: "
            f"{entry['runs']}, one kind after the other. Memory is the most that all processes of a run had at a time, pages that they "
            "share counted once; CPU is that of all of them, which other work on the machine changes less than the seconds.",
            f"![seconds until {count} endpoints are checked](images/health-check.svg)",
            markdown(
                ("Seconds until all have answered", "Least", "Median", "Greatest", "CPU", "Memory"), health_rows(entry)
            ),
            verdict_table(health_verdicts(entry)),
        ]
    )


def health_chart(entry: Entry) -> str:
    """The medians as SVG."""
    return chart(
        [
            ("slowest endpoint by itself", entry["slowest"][1]),
            ("health_check, the checks alone", entry["checked"]["own"][1]),
            ("health_check, all of ansible-playbook", entry["checked"]["seconds"][1]),
            ("loop over uri, all of ansible-playbook", entry["looped"]["seconds"][1]),
        ]
    )


# -- ways to the node --------------------------------------------------------------------------------------------------


def delivery_words(seconds: Sequence[float] | None) -> str:
    """The median, and the least and the most where there is more than one."""
    if not seconds:
        return "-"
    text = f"{statistics.median(seconds):.1f} s"
    return text if len(seconds) == 1 else f"{text} ({min(seconds):.1f} to {max(seconds):.1f})"


def delivery_section(entry: Entry) -> str:
    """The section Ways to the node."""
    ways = entry["ways"]
    rows = [
        (scenario, *(delivery_words(times.get(way)) for way in ways)) for scenario, times in entry["seconds"].items()
    ]
    return "\n\n".join(
        [
            "## Ways to the node",
            conditions(entry),
            "From the sources of the example's backend to an image that the node's containerd has: one call of `minikube_image`, without "
            "Ansible's own start. Medians, least and most in brackets. The ways take turns, each with a copy of the sources of its own; "
            "base images are there before.",
            markdown(("What", *ways), rows),
        ]
    )


# -- deploys -----------------------------------------------------------------------------------------------------------

SHELL, SKAFFOLD, SLIPWAY = "shell", "Skaffold", "Slipway"
TOOLS = (SHELL, SKAFFOLD, SLIPWAY)
FIRST, NOTHING, LINE, BACK = "no cluster", "nothing changed", "one changed line", "rollback"
NO_CLUSTER, UNCHANGED, CHANGED = 0.67, 8.0, 12.0  # share of the shell's time; seconds


def deploy_cells(entry: Entry) -> list[tuple[str, str, Entry]]:
    """Scenario, tool, and what was measured of both, in the order of the table."""
    scenarios = entry["scenarios"]
    return [
        (scenario, tool, scenarios[scenario][tool])
        for scenario in (FIRST, NOTHING, LINE, BACK)
        for tool in TOOLS
        if tool in scenarios.get(scenario, {})
    ]


def misled(cell: Entry) -> str:
    """How often a tool ended as done before the wanted version answered, and how long, or as failed though it did answer."""
    words = []
    if cell["late"]:
        words.append(f"{cell['late']} of {cell['runs']} done too early, up to {minutes(cell['latest'])}")
    if cell["failed"]:
        words.append(f"{cell['failed']} of {cell['runs']} failed, though it answers")
    return "; ".join(words) or "never"


def deploy_rows(entry: Entry) -> list[tuple[str, ...]]:
    """Scenario and tool, runs, least, median, greatest, and how often the exit code misleads."""
    return [
        (
            f"{scenario}: {tool}",
            str(cell["runs"]),
            *(minutes(cell[part]) for part in ("least", "median", "greatest")),
            misled(cell),
        )
        for scenario, tool, cell in deploy_cells(entry)
    ]


def deploy_verdicts(entry: Entry) -> list[Verdict]:
    """Figure, measured, wanted, and whether it is kept; the greatest of all runs decides."""
    found: list[Verdict] = []
    own = {scenario: cell for scenario, tool, cell in deploy_cells(entry) if tool == SLIPWAY}

    def ratio(scenario: str, other: str, most: float, sign: str) -> None:
        if values := entry["ratios"].get(scenario, {}).get(other):
            kept = values[2] <= most if sign == "≤" else values[2] < most
            text = ", ".join(f"{value:.2f}" for value in values)
            found.append((f"{scenario}, by {other}'s time: least, median, greatest", text, f"{sign} {most:g}", kept))

    def slowest(scenario: str, most: float) -> None:
        if scenario in own:
            worst = own[scenario]["greatest"]
            found.append((f"{scenario}, slowest run", minutes(worst), f"≤ {minutes(most)}", worst <= most))

    ratio(FIRST, SHELL, NO_CLUSTER, "≤")
    slowest(NOTHING, UNCHANGED)
    if NOTHING in own:
        said, runs = entry["said_unchanged"], own[NOTHING]["runs"]
        found.append(("nothing changed, runs that say so", f"{said} of {runs}", "all", said == runs))
    slowest(LINE, CHANGED)
    ratio(LINE, SHELL, 1, "<")
    ratio(LINE, SKAFFOLD, 1, "<")
    return found


def deploys_section(entry: Entry) -> str:
    """The section Deploys."""
    verdicts, crashes = deploy_verdicts(entry), entry["crashes"]
    parts = [
        "## Deploys",
        conditions(entry),
        "The example's umbrella deployment, from its sources to the moment when the new version answers all of "
        f"{entry['answers']} requests in a row through the published address; the measurement asks for itself, whatever a tool says of "
        "its success. Whole processes, one tool after the other, each round beginning with another one. Every tool gets a cluster of its "
        "own in each round, and copies of the sources whose images carry a label of their own in every stage, so that nothing built "
        "before is a cache for them.",
        "- *shell*: [baseline.sh](../tests/bench/baseline.sh), with the same node image, preload, Kubernetes version, CPUs, memory, port, "
        "chart and values as Slipway. Where the images of the addons for ingress and metrics cannot be had, it applies what Slipway applies. "
        "Images are built by the engine's classic builder and copied by `minikube image load`, because a node with containerd has no "
        "`docker-env`. Their tag is a time stamp: with `latest` the old pods would stay, but with a time stamp pods are replaced even when "
        "nothing has changed. `kubectl wait` waits for Deployments: one for pods waits for old ones too, and failed here after two minutes.\n"
        "- *Skaffold*: [skaffold.yaml](../tests/bench/skaffold/skaffold.yaml) with [skaffold.sh](../tests/bench/skaffold/skaffold.sh). It "
        "neither makes clusters nor loads images into Minikube's containerd nor rolls back: the script does these steps as the shell does, and "
        "loads only what the node lacks. Its label for each run is a fixed one here, because another one every time would replace all pods. "
        "It needs Helm 3.\n"
        "- *Slipway*: `ansible-playbook playbooks/site.yml`, which ends after its checks and a user's journey, and `playbooks/rollback.yml`.",
        "![median seconds until the new version answers](images/deploys.svg)",
        markdown(("What", "Runs", "Least", "Median", "Greatest", "Exit code misleads"), deploy_rows(entry)),
    ]
    if verdicts:
        parts.append(verdict_table(verdicts))
    if crashes:
        parts += [
            "A version of the backend that cannot start, because it imports a module that is not there: how long until each tool is done with "
            "it, and whether the missing module is named. The version before goes on answering in all cases.",
            markdown(
                ("Tool", "Ended after", "Exit code", "Names the cause"),
                [
                    (one["tool"], minutes(one["ended"]), str(one["code"]), "yes" if one["named"] else "no")
                    for one in crashes
                ],
            ),
            "The last three lines of each that speak of a failure:",
            *[f"{one['tool']}:\n\n```text\n{one['words']}\n```" for one in crashes],
        ]
    return "\n\n".join(parts)


def deploys_bars(entry: Entry) -> tuple[list[tuple[str, float]], set[int]]:
    """The medians for the chart, and which of them are other tools' ones."""
    cells = deploy_cells(entry)
    others = {at for at, (_scenario, tool, _cell) in enumerate(cells) if tool != SLIPWAY}
    return [(f"{scenario}: {tool}", cell["median"]) for scenario, tool, cell in cells], others


# -- README ------------------------------------------------------------------------------------------------------------


def readme_block(results: Mapping[str, Entry]) -> str:
    """The tables of README.md: medians of deploys, and the largest figures of the others."""
    deploys, budgets, health = results[DEPLOYS], results[BUDGETS], results[HEALTH]
    labels = {
        FIRST: "first deploy: tools there, no cluster, no image built before",
        NOTHING: "deploy again, nothing changed",
        LINE: "deploy with one changed line in the backend",
        BACK: "rollback",
    }

    def cell(scenario: str, tool: str) -> str:
        found = deploys["scenarios"].get(scenario, {}).get(tool)
        if not found:
            return "-"
        early = f"; {found['late']} of {found['runs']} done too early" if found["late"] else ""
        return minutes(found["median"]) + early

    crashes = {one["tool"]: one for one in deploys["crashes"]}

    def crash(tool: str) -> str:
        if not (one := crashes.get(tool)):
            return "-"
        return f"{minutes(one['ended'])}; exit code {one['code']}; cause {'named' if one['named'] else 'not named'}"

    order = [SLIPWAY, SHELL, SKAFFOLD]
    rows = [(text, *(cell(scenario, tool) for tool in order)) for scenario, text in labels.items()]
    rows.append(("a version that cannot start, until the tool has ended", *(crash(tool) for tool in order)))
    images = ", ".join(f"{name} {WRITE['MB'](one['bytes'])}" for name, one in budgets["images"].items())
    latencies = ", ".join(f"{name} {WRITE['ms'](one['latencies'][1])}" for name, one in budgets["api"].items())
    memory = max(row[4] for row in budgets["usage"] if row[0].startswith(CLUSTER))
    looped, checked = health["looped"]["seconds"][1], health["checked"]["seconds"][1]
    return "\n\n".join(
        [
            f"Medians of whole deploys of the example, by `{deploys['command']}`. {deploys['machine']}, {deploys['date']}.",
            markdown(("What", "Slipway", "shell script", "Skaffold"), rows),
            f"The example as it runs, by `{budgets['command']}` on {budgets['date']}, and health checks, by "
            f"`{health['command']}` on {health['date']}.",
            markdown(
                ("What", "Figure"),
                [
                    ("size of the images", images),
                    (f"API, {budgets['method']['rate']} requests a second, p95", latencies),
                    ("memory of the whole cluster, largest", WRITE["GB"](memory)),
                    (
                        f"`ansible-playbook` with {health['endpoints']} checks: `health_check`, loop over `ansible.builtin.uri`",
                        f"{minutes(checked)}, {minutes(looped)}",
                    ),
                ],
            ),
        ]
    )


# -- steps of make test -------------------------------------------------------------------------------------------------


def suite_section(entry: Entry) -> str:
    """The section Steps of make test: seconds of each step, a column for each state of the caches."""
    runs = {state: entry["runs"][state] for state in ("cold", "warm") if state in entry["runs"]}
    names = dict.fromkeys(name for run in runs.values() for name in run["steps"])
    rows = [
        (name, *(minutes(run["steps"][name]) if name in run["steps"] else "–" for run in runs.values()))
        for name in names
    ]
    rows.append(("the whole run", *(minutes(run["seconds"]) for run in runs.values())))
    dates = " ".join(
        f"{state}: {run['date']}.{' ' + run['note'] if run['note'] else ''}" for state, run in runs.items()
    )
    return "\n\n".join(
        [
            "## Steps of make test",
            f"Recorded by `python -m tests.bench.suite` from the output of `{entry['command']}`. {entry['machine']}. Cold: neither container "
            "engine nor packages nor caches of Slipway; warm: with the caches of an earlier run. Two lists of steps run beside each other, so "
            f"the whole is less than the sum. {dates}",
            markdown(("Step", *runs), rows),
        ]
    )


# -- all ---------------------------------------------------------------------------------------------------------------

SECTIONS: Mapping[str, Callable[[Entry], str]] = {
    BUDGETS: budgets_section,
    HEALTH: health_section,
    DELIVERY: delivery_section,
    DEPLOYS: deploys_section,
    SUITE: suite_section,
}


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Figures against what is wanted, in Markdown."""
    rows = [(what, found, wanted, "kept" if kept else "MISSED") for what, found, wanted, kept in verdicts]
    return markdown(("Figure", "Measured", "Wanted", "Verdict"), rows)


def conditions(entry: Entry) -> str:
    """Where and when this was measured, and what else went on: one paragraph."""
    return " ".join(
        [
            f"Written by `{entry['command']}` on {entry['date']}. {entry['machine']}.",
            *entry["notes"],
            f"Just before, {entry['before']}; just after, {entry['after']}.",
            *filter(None, [entry["note"]]),
        ]
    )


def rendered(results: Mapping[str, Entry], root: Path) -> dict[Path, str]:
    """Every file below C(root) that is written from the results, with its whole text; what is outside of marks stays."""
    document, readme, images = root / "docs" / "measurements.md", root / "README.md", root / "docs" / "images"
    text = document.read_text(encoding="utf-8")
    for name, section in SECTIONS.items():
        if name in results:
            text = with_section(text, name, section(results[name]))
    files = {document: text}
    if {DEPLOYS, BUDGETS, HEALTH} <= results.keys():
        files[readme] = with_section(readme.read_text(encoding="utf-8"), MEASURED, readme_block(results))
    if DEPLOYS in results:
        files[images / "deploys.svg"] = chart(*deploys_bars(results[DEPLOYS]))
    if HEALTH in results:
        files[images / "health-check.svg"] = health_chart(results[HEALTH])
    return files
