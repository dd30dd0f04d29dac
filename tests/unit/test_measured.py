# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures stand in one file: README.md and docs/measurements.md say what tests/bench/results.json gives, and nothing else."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
pages = importlib.import_module("tests.bench.pages")
results = importlib.import_module("tests.bench.results")

WRITTEN = ["README.md", "docs/measurements.md", "docs/images/deploys.svg", "docs/images/health-check.svg"]
FIGURE = re.compile(r"\d[\d.,:]* ?(?:s|ms|min|h|seconds?|minutes?|hours?|[kKMGT]i?B|CPUs?|%)(?![\w-])")


def figures_in_prose(page: str) -> list[str]:
    """Figures with a unit outside of the marked block, of code, and of what a machine must have."""
    text = re.sub(r"<!-- measured: begin -->.*<!-- measured: end -->", "", page, flags=re.DOTALL)
    text = re.sub(r"^## Requirements$.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    return FIGURE.findall(text)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages in a directory of their own."""
    for name in WRITTEN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_pages_are_what_the_results_give() -> None:
    rendered = pages.rendered(results.load(), ROOT)
    assert sorted(file.relative_to(ROOT).as_posix() for file in rendered) == sorted(WRITTEN)
    differ = [file.name for file, text in rendered.items() if file.read_text(encoding="utf-8") != text]
    assert differ == [], "run 'python -m tests.bench.results'"


@pytest.mark.parametrize(
    ("file", "old", "new"), [("README.md", "| 4.2 s |", "| 3.2 s |"), ("docs/measurements.md", "246 MB", "146 MB")]
)
def test_a_figure_changed_by_hand_is_found(copy: Path, file: str, old: str, new: str) -> None:
    (copy / file).write_text((copy / file).read_text().replace(old, new))
    differ = [page.name for page, text in pages.rendered(results.load(), copy).items() if page.read_text() != text]
    assert differ == [Path(file).name]


def test_the_readme_has_no_figure_of_its_own() -> None:
    assert figures_in_prose((ROOT / "README.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text", ["It takes 10 seconds.", "in 4.2 s", "16 min 3 s", "| x | 227 MB |", "a p95 of 8.6 ms", "40%"]
)
def test_a_figure_in_prose_is_found(text: str) -> None:
    assert figures_in_prose(text) != []


@pytest.mark.parametrize(
    "text", ["five deployments, 33 faults", "Python 3.12", "`--timeout=120s`", "```\n(2.1 s)\n```\n"]
)
def test_what_is_no_measured_figure_is_left_alone(text: str) -> None:
    assert figures_in_prose(text) == []


def test_an_entry_replaces_the_one_of_its_section_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.publish("one", {"figure": 1}, file)
    results.publish("two", {"figure": 2}, file)
    assert results.publish("one", {"figure": 3}, file) == file
    assert json.loads(file.read_text()) == {"one": {"figure": 3}, "two": {"figure": 2}}


def test_a_new_figure_reaches_the_readme_the_section_and_the_chart(copy: Path) -> None:
    found: dict[str, Any] = results.load()
    found["deploys"]["scenarios"]["nothing changed"]["Slipway"]["median"] = 3.7
    results.write_pages(found, copy)
    for name in ("README.md", "docs/measurements.md", "docs/images/deploys.svg"):
        assert "3.7 s" in (copy / name).read_text()
        assert (copy / name).read_text() != (ROOT / name).read_text()


def test_every_entry_says_by_what_when_and_where_it_was_measured() -> None:
    entry = results.entry("make measure", "idle", "busy", "", {"figure": 1})
    assert entry["figure"] == 1
    for name, found in {**results.load(), "new": entry}.items():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", found["date"]), name
        assert re.match(r"\d+ CPUs, \d+ GiB, \S+", found["machine"]), name
        assert found["command"].startswith(("make ", "python -m tests.bench.")), name


ABOUT = {
    "command": "bench",
    "date": "Monday",
    "machine": "1 CPU",
    "before": "-",
    "after": "-",
    "notes": ["Two rounds."],
    "note": "",
}


def test_what_budgets_measures_is_what_its_section_reads() -> None:
    budgets = importlib.import_module("tests.bench.budgets")
    measured = budgets.Measurement(
        builds={"backend": budgets.Build(30.0, 0.2, 310_000_000)},
        starts={"backend": [(4.0, 3.0), (6.0, 5.5)]},
        reading=budgets.Answers([0.004, 0.006], ["timed out"]),
        writing=budgets.Answers([0.01, 0.06]),
        usage=[("backend, under load", 0.1, 0.2, 1e8, 2e8), ("the whole cluster, under load", 1.0, 2.0, 1e9, 1.4e9)],
        killed={"todo/backend"},
    )
    text = pages.budgets_section(json.loads(json.dumps(ABOUT | measured.figures())))
    missed = [line.split("|")[1].strip() for line in text.splitlines() if "MISSED" in line]
    assert missed == [
        "image of backend",
        "start of backend, from process begun to ready",
        "API, writing tasks, p95",
        "API, requests that failed",
        "pods killed for lack of memory",
    ]
    assert "| reading tasks | 2 | 1 | 4.0 ms | 6.0 ms | 6.0 ms | 6.0 ms |" in text
    assert "| memory of the whole cluster, largest | 1.40 GB | < 8.00 GB | kept |" in text
    assert "Monday. 1 CPU. Two rounds. Just before" in text


def test_what_delivery_measures_is_what_its_section_reads() -> None:
    delivery = importlib.import_module("tests.bench.delivery")
    ways, times = [delivery.Way("in_node", {}), delivery.Way("load", {})], delivery.Times()
    for seconds in (9.0, 7.0, 8.5):
        times.add(delivery.LINE, ways[0], seconds)
    times.add(delivery.LINE, ways[1], 20.0)
    times.add(delivery.AGAIN, ways[1], 5.0)
    text = pages.delivery_section(json.loads(json.dumps(ABOUT | times.figures(ways))))
    assert "| What | in_node | load |" in text
    assert "| one changed line | 8.5 s (7.0 to 9.0) | 20.0 s |" in text
    assert "| a new cluster, images in the engine | - | 5.0 s |" in text
    assert delivery.COLD not in text


def test_what_the_machine_must_have_is_said_once_and_fits_the_roles() -> None:
    def default(role: str, name: str) -> int:
        specified = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        found: int = specified["argument_specs"]["main"]["options"][name]["default"]
        return found

    node, least = (
        default("minikube_setup", "minikube_setup_memory_mb"),
        default("toolchain", "toolchain_min_memory_mb"),
    )
    # Minikube refuses a node with more memory than the machine has; the system and the builds take the rest.
    wanted = (
        f"- {default('minikube_setup', 'minikube_setup_cpus')} CPUs, {(node + 2048) // 1024} GiB of memory, "
        f"{default('toolchain', 'toolchain_min_disk_gb')} GB of free disk. The cluster's node may use {node // 1024} GiB of the memory. "
        f"Slipway refuses a machine with less than {least // 1024} GiB; with {least // 1024} to {(node + 2048) // 1024} GiB, "
        "make the node smaller (`minikube_setup_memory_mb`)."
    )
    for name in ("README.md", "docs/getting-started.md"):
        page = (ROOT / name).read_text(encoding="utf-8")
        assert wanted in page.replace("\n  ", " "), name
