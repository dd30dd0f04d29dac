# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/bench/deploys.py makes of sources, answers and seconds, without a cluster."""

from __future__ import annotations

import ast
import importlib
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
deploys = importlib.import_module("tests.bench.deploys")
pages = importlib.import_module("tests.bench.pages")
charts = importlib.import_module("tests.bench.charts")


def a_run(tool: str, scenario: str, seconds: float, **more: Any) -> Any:
    return deploys.Run(**{"tool": tool, "scenario": scenario, "round": 1, "seconds": seconds, "ended": seconds, **more})


def figures(*runs: Any) -> dict[str, Any]:
    """What the runs give, as an entry of results.json."""
    found = deploys.Figures(list(runs)).figures()
    return {
        "command": "bench",
        "date": "Monday",
        "machine": "1 CPU",
        "notes": [],
        "note": "",
        "before": "-",
        "after": "-",
    } | found


def verdicts(*runs: Any) -> list[Any]:
    return list(pages.deploy_verdicts(figures(*runs)))


def test_every_stage_is_marked() -> None:
    text = deploys.marked("ARG A=1\nFROM a AS b\nRUN x\nFROM c\n# FROM d\n", "1-ff")
    assert text == "ARG A=1\nFROM a AS b\nLABEL slipway.bench=1-ff\nRUN x\nFROM c\nLABEL slipway.bench=1-ff\n# FROM d\n"


def test_what_has_no_stage_cannot_be_marked() -> None:
    with pytest.raises(ValueError, match="without FROM"):
        deploys.marked("RUN x\n", "1")


def test_a_copy_of_the_example_tells_its_version_and_differs_in_one_line(tmp_path: Path) -> None:
    sources = deploys.Sources(tmp_path / "todo", "1-ff")
    file = tmp_path / "todo/backend/todo_api/routes/health.py"
    first, was = sources.version, file.read_text()
    sources.change()
    changed = [pair for pair in zip(was.split("\n"), file.read_text().split("\n"), strict=True) if pair[0] != pair[1]]
    assert changed == [(f'        "build": "{first}",', f'        "build": "{sources.version}",')]
    assert "LABEL slipway.bench=1-ff\n" in (tmp_path / "todo/frontend/Dockerfile").read_text()
    assert not list(tmp_path.rglob("node_modules"))


def test_a_spoilt_version_is_python_and_imports_what_is_not_there(tmp_path: Path) -> None:
    sources = deploys.Sources(tmp_path / "todo", "1-ff")
    sources.spoil()
    tree = ast.parse((tmp_path / "todo/backend/todo_api/routes/health.py").read_text())
    module = next(node.module for node in reversed(tree.body) if isinstance(node, ast.ImportFrom))
    assert module == "no_such_module"
    assert not (tmp_path / f"todo/backend/todo_api/{module}.py").exists()


def test_a_health_route_without_the_line_is_refused() -> None:
    with pytest.raises(deploys.MeasureError, match="no line"):
        deploys.versioned("nothing", "1")


def test_what_answers_from_the_begin_on_is_not_late() -> None:
    assert deploys.settle("new", lambda: "new") is None


def test_one_old_answer_between_makes_the_row_begin_again() -> None:
    answers: Iterator[str] = iter(["old", "", *["new"] * (deploys.ANSWERS - 1), "old", *["new"] * deploys.ANSWERS])
    assert deploys.settle("new", lambda: next(answers)) is not None
    assert next(answers, None) is None


def test_what_never_answers_is_told() -> None:
    with pytest.raises(deploys.MeasureError, match="answers as old, not as new"):
        deploys.settle("new", lambda: "old", patience=0)


def test_each_round_begins_with_another_tool() -> None:
    assert [[tool.name for tool in deploys.turns(deploys.TOOLS, number)][0] for number in range(4)] == [
        "shell",
        "Skaffold",
        "Slipway",
        "shell",
    ]


def test_figures_that_are_kept() -> None:
    found = verdicts(
        a_run("shell", deploys.FIRST, 100),
        a_run("Slipway", deploys.FIRST, 67),
        a_run("Slipway", deploys.NOTHING, 8, words="Done in 0:07: nothing changed.\nReport: x"),
        a_run("shell", deploys.LINE, 13),
        a_run("Skaffold", deploys.LINE, 12.5),
        a_run("Slipway", deploys.LINE, 12),
    )
    assert [kept for *_words, kept in found] == [True] * 6


def test_figures_that_are_missed() -> None:
    found = verdicts(
        *[a_run("shell", deploys.FIRST, 100)] * 2,
        *[a_run("Slipway", deploys.FIRST, seconds) for seconds in (10, 67.1)],
        *[a_run("Slipway", deploys.NOTHING, 8.1, words="Done in 0:08: 1 changed.")] * 2,
        a_run("shell", deploys.LINE, 12.1),
        a_run("Skaffold", deploys.LINE, 12),
        a_run("Slipway", deploys.LINE, 12.1),
    )
    assert [kept for *_words, kept in found] == [False] * 6
    assert "0.10, 0.39, 0.67" in found[0]


def test_without_the_others_nothing_is_compared() -> None:
    assert verdicts(a_run("Skaffold", deploys.LINE, 1)) == []


def test_the_rows_tell_what_ended_too_early() -> None:
    found = figures(
        a_run("shell", deploys.LINE, 30.0, ended=26.0, late=True),
        a_run("shell", deploys.LINE, 20.0),
        a_run("Slipway", deploys.LINE, 10.0),
    )
    assert pages.deploy_rows(found) == [
        ("one changed line: shell", "2", "20.0 s", "25.0 s", "30.0 s", "1 of 2 done too early, up to 4.0 s"),
        ("one changed line: Slipway", "1", "10.0 s", "10.0 s", "10.0 s", "never"),
    ]


def test_the_section_quotes_failures_and_draws_what_there_is() -> None:
    words = "one\nerror: a\nerror: b\nBuild failed\nso it is\nerror: timed out\nReport: x\n"
    found = figures(
        a_run("shell", deploys.LINE, 30.0),
        a_run("Slipway", deploys.LINE, 10.0),
        a_run("shell", deploys.CRASH, 150.0, code=1, words=words),
        a_run("Slipway", deploys.CRASH, 20.0, code=2, words="Failed: No module named 'todo_api.no_such_module'"),
    )
    text = pages.deploys_section(found)
    assert "| shell | 2 min 30 s | 1 | no |" in text
    assert "| Slipway | 20.0 s | 2 | yes |" in text
    assert "```text\nerror: b\nBuild failed\nerror: timed out\n```" in text
    drawn, others = pages.deploys_bars(found)
    assert drawn == [("one changed line: shell", 30.0), ("one changed line: Slipway", 10.0)]
    colours = [bar.get("fill") for bar in ET.fromstring(charts.chart(drawn, others)).iter() if bar.get("rx")]
    assert len(set(colours)) == 2


def test_a_log_is_read_without_colours(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\x1b[32mDone in 0:07: nothing changed.\x1b[0m\nReport: x\n", encoding="utf-8")
    assert deploys.NO_CHANGES.search(deploys.readable(log))


def test_the_inventory_deploys_the_copies_under_names_of_its_own(tmp_path: Path) -> None:
    inventory = deploys.write_inventory(tmp_path, tmp_path / "todo")
    own = yaml.safe_load((inventory / "host_vars/localhost.yml").read_text())
    backend = own["application_components"]["backend"]
    assert backend["source"] == str(tmp_path / "todo/backend")
    assert backend["repository"] == "slipway-bench-backend"
    assert backend["build_args"] == deploys.components()["backend"]["build_args"]
    assert (inventory / "group_vars/all/application.yml").exists()


def test_skaffold_builds_the_components_under_the_same_names() -> None:
    config = yaml.safe_load((ROOT / "tests/bench/skaffold/skaffold.yaml").read_text())
    built = {one["image"]: one["context"] for one in config["build"]["artifacts"]}
    assert built == {f"{deploys.PROFILE}-{name}": name for name in deploys.components()}


def test_what_a_tool_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    own, other = (
        subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "KUBECONFIG": str(tmp_path / name)})
        for name in ("kubeconfig", "kubeconfig2")
    )
    # A child that nobody waits for stays as a name without an environment.
    deploys.end_processes(tmp_path / "kubeconfig")
    assert own.wait(10) == -signal.SIGTERM
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("script", ["baseline.sh", "skaffold/skaffold.sh"])
def test_a_script_that_is_not_told_what_to_do_says_so(script: str) -> None:
    done = subprocess.run([ROOT / "tests/bench" / script], capture_output=True, text=True)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: ")
