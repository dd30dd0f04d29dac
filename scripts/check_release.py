#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a tag, galaxy.yml and the changelog tell the same version, before anything is published.

    scripts/check_release.py TAG [--notes FILE]     FILE gets the tag's section of CHANGELOG.md

Exit code 1 with what differs, one line each.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def notes_of(version: str, changelog: str) -> str:
    """The section of a version in CHANGELOG.md, without its heading; empty when there is none."""
    # antsibull-changelog puts an anchor before each heading and escapes the dots of some.
    heading = rf"^## v{re.escape(version)}$".replace(r"\.", r"\\?\.")
    found = re.search(rf"{heading}\n(.*?)(?=^(?:<a id=[^\n]*></a>\n)?## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def mistakes(tag: str, galaxy: dict[str, Any], releases: dict[str, Any], changelog: str) -> list[str]:
    """What keeps C(tag) from being released, with what to do; empty when nothing does."""
    version = str(galaxy["version"])
    if tag != f"v{version}":
        return [f"The tag is {tag}, and galaxy.yml says {version}: raise the version, or make the tag v{version}."]
    found = []
    if version not in releases:
        found.append(f"changelogs/changelog.yaml has no release {version}: run 'antsibull-changelog release'.")
    if not notes_of(version, changelog):
        found.append(f"CHANGELOG.md has no section v{version}: run 'antsibull-changelog generate'.")
    return found


def main(arguments: list[str]) -> int:
    """Check, and write the notes; the process's exit code."""
    parser = argparse.ArgumentParser(description="Check that tag, galaxy.yml and changelog tell the same version.")
    parser.add_argument("tag")
    parser.add_argument("--notes", type=Path, help="the file that gets the tag's section of CHANGELOG.md")
    given = parser.parse_args(arguments)
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    history = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = mistakes(given.tag, galaxy, history["releases"], changelog)
    for mistake in found:
        print(mistake, file=sys.stderr)
    if not found and given.notes:
        given.notes.write_text(notes_of(str(galaxy["version"]), changelog) + "\n", encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
