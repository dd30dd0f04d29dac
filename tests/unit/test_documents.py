# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, decisions, findings and workflows of the repository."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
FINDINGS = sorted((ROOT / "findings").glob("*.sh"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    """Every tracked page in Markdown but those that tools write from other sources."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split() if name != "CHANGELOG.md" and (ROOT / name).exists()]


def anchors(page: Path) -> set[str]:
    """The anchors of a page: its own, and those that GitHub makes of headings."""
    text = page.read_text(encoding="utf-8")
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    own = re.findall(r'<a (?:id|name)="([^"]+)"', text)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads} | set(own)


def test_links_inside_of_the_repository_lead_somewhere() -> None:
    broken = []
    for page in documents():
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


@pytest.mark.parametrize("number", range(len(DECISIONS)))
def test_a_decision_has_the_form_and_is_listed(number: int) -> None:
    page = DECISIONS[number]
    text = page.read_text(encoding="utf-8")
    head = re.match(
        r"# (\d+)\. (.+)\n\nDate: \d{4}-\d\d-\d\d\. Status: (accepted|superseded by \[.+\]\(.+\))\.\n", text
    )
    assert head, f"{page.name} does not begin with its number, title, date and status"
    assert int(head[1]) == number + 1 == int(page.name[:4])
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    listed = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"{head[1]}. [{head[2]}](adr/{page.name})\n" in listed


def test_the_decisions_are_there() -> None:
    assert len(DECISIONS) >= 13


@pytest.mark.parametrize("file", FINDINGS, ids=lambda file: file.name)
def test_a_finding_has_the_form(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").split("\n")
    head = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    told = " ".join(line.lstrip("# ") for line in head[1:])
    assert re.match(r"# \S.* \d+\.\d+.*: .+\.$", head[1]), (
        "the first line is the library, its version, and what it does"
    )
    for part in ("Seen with ", "Looked for in ", "For Slipway: ", "Needs ", "Takes ", "Ends with 1 when "):
        assert part in told, f"{part!r} is missing"
    program = "\n".join(lines[len(head) :])
    assert "place=$(mktemp -d)" in program and "trap " in program
    installed = re.findall(r"pip\" install .*", program) + re.findall(r"go get .*", program)
    assert installed and all(re.search(r"==\d|@v\d", line) for line in installed), "packages are pinned"
    assert "slipway" not in program.lower()
    assert os.access(file, os.X_OK)
    assert f"[{file.name}]({file.name})" in (ROOT / "findings" / "README.md").read_text(encoding="utf-8")


def test_findings_are_no_part_of_the_tests_that_others_wait_for() -> None:
    callers = [ROOT / "Makefile", ROOT / "tests/run.sh", ROOT / ".ci/run", *WORKFLOWS]
    assert len(FINDINGS) >= 1
    assert [file.name for file in callers if "findings" in file.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_has_few_rights_and_uses_files_that_are_there(file: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
    runs = " ".join(step.get("run", "") for step in steps)
    for program in re.findall(r"(?<![\w./])((?:scripts|\.ci|tests)/[\w./]+)", runs):
        assert (ROOT / program).exists()
    # What comes from outside is never part of a shell's text, where it could be a command.
    assert "${{" not in runs
    assert all(re.search(r"@(v\d+|[0-9a-f]{40})$", step["uses"]) for step in steps if "uses" in step)


def test_the_workflow_runs_the_entry_of_continuous_integration() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]


def test_what_takes_longer_runs_each_night() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert workflow["on"]["schedule"] and job["strategy"]["matrix"]["target"] == ["test-more", "test-mutants"]
    runner = (ROOT / "tests/run.sh").read_text(encoding="utf-8")
    for words in (
        "SLIPWAY_EXAMPLES=random pytest",
        r"SLIPWAY_KILLS=all (?s:.){,160}scenarios -s transaction -s drift",
        "tests/tools/mutants.py",
    ):
        assert re.search(words, runner), words
