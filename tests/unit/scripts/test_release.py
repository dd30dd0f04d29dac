# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked before a release, and what the published collection leaves out."""

from __future__ import annotations

import fnmatch
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
release = importlib.import_module("check_release")

CHANGELOG = """# Release Notes

<a id="v0-10-0"></a>
## v0\\.10\\.0

Newer\\.

<a id="v0-1-0"></a>
## v0\\.1\\.0

<a id="release-summary"></a>
### Release Summary

First\\.
"""


@pytest.mark.parametrize(
    ("tag", "releases", "changelog", "said"),
    [
        ("v0.1.1", {"0.1.0": {}}, CHANGELOG, ["The tag is v0.1.1, and galaxy.yml says 0.1.0"]),
        ("0.1.0", {"0.1.0": {}}, CHANGELOG, ["make the tag v0.1.0"]),
        ("v0.1.0", {}, CHANGELOG, ["no release 0.1.0"]),
        ("v0.1.0", {"0.1.0": {}}, "# Release Notes\n", ["no section v0.1.0"]),
        ("v0.1.0", {}, "", ["no release 0.1.0", "no section v0.1.0"]),
        ("v0.1.0", {"0.1.0": {}}, CHANGELOG, []),
    ],
)
def test_what_keeps_a_release_back(tag: str, releases: dict[str, object], changelog: str, said: list[str]) -> None:
    found = release.mistakes(tag, {"version": "0.1.0"}, releases, changelog)
    assert len(found) == len(said)
    assert all(words in mistake for words, mistake in zip(said, found, strict=True))


def test_the_notes_are_those_of_one_version() -> None:
    assert release.notes_of("0.10.0", CHANGELOG) == "Newer\\."
    notes = release.notes_of("0.1.0", CHANGELOG)
    assert notes.endswith("First\\.")
    assert "Newer" not in notes


def test_the_version_of_this_checkout_could_be_released(tmp_path: Path) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert release.main([f"v{version}", "--notes", str(tmp_path / "notes.md")]) == 0
    assert "### Release Summary" in (tmp_path / "notes.md").read_text()


def test_a_wrong_tag_ends_with_one_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["v99.0.0", "--notes", str(tmp_path / "notes.md")]) == 1
    assert "v99.0.0" in capsys.readouterr().err
    assert not (tmp_path / "notes.md").exists()


def test_the_published_collection_has_nothing_that_git_ignores_and_nothing_for_contributors_only() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    # As ansible-galaxy does: a pattern fits a name in any directory, or a path from the top.
    made = [
        line.strip("/")
        for line in (ROOT / ".gitignore").read_text().splitlines()
        if line and line != "*.pyc"  # ansible-galaxy leaves these out by itself
    ]
    own = [".ci", ".editorconfig", ".github", ".pre-commit-config.yaml", "findings", "renovate.json"]
    assert [name for name in [*made, *own] if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)] == []
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for part in ("plugins", "roles", "playbooks", "charts", "distribution", "docs", "meta", "changelogs"):
        assert not any(fnmatch.fnmatch(part, pattern) for pattern in ignored)
        assert any(name.startswith(f"{part}/") for name in listed)
