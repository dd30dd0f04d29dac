# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every file of the checkout."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK_FILES = {"package-lock.json", "go.sum", "go.work.sum"}
LARGEST = 1 << 20  # bytes
# Hosts of package registries. Machines reach them by mirrors, so that no file may say where a package comes from. In two
# pieces, so that this file does not name them either.
REGISTRIES = [
    ("registry", "npmjs.org"),
    ("registry", "yarnpkg.com"),
    ("pypi", "org"),
    ("files.pythonhosted", "org"),
    ("proxy", "golang.org"),
    ("sum", "golang.org"),
    ("deb", "debian.org"),
    ("archive", "ubuntu.com"),
    ("static", "crates.io"),
    ("repo1", "maven.org"),
]
REGISTRY = re.compile("|".join(re.escape(f"{host}.{domain}") for host, domain in REGISTRIES))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git knows, as it is now; symbolic links are not followed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    files = [ROOT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and not file.is_symlink()]


def test_no_file_says_which_registry_packages_come_from(tracked: list[Path]) -> None:
    found = {
        file.relative_to(ROOT).as_posix(): match.group()
        for file in tracked
        if (match := REGISTRY.search(file.read_text(encoding="utf-8", errors="ignore")))
    }
    assert found == {}


def test_lock_files_have_no_addresses_of_packages(tracked: list[Path]) -> None:
    locks = [
        file
        for file in tracked
        if file.name == "package-lock.json" or (file.suffix == ".txt" and "requirements" in file.as_posix())
    ]
    address = re.compile(r'"resolved": "|^--(extra-)?index-url|://[^\s"]*\.(whl|tgz|tar\.gz)', re.MULTILINE)
    assert len(locks) >= 3
    assert [file.name for file in locks if address.search(file.read_text())] == []


def test_no_file_is_large(tracked: list[Path]) -> None:
    assert {
        file.name: file.stat().st_size
        for file in tracked
        if file.name not in LOCK_FILES and file.stat().st_size > LARGEST
    } == {}


def test_the_patterns_find_what_they_are_for() -> None:
    assert REGISTRY.search("https://" + "registry." + "npmjs.org/next/-/next.tgz")
    assert REGISTRY.search("https:/" + "/pypi." + "org/simple")
    assert not REGISTRY.search("https://docs.example.org/pypi.html")


def test_picture_of_the_layers_shows_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [sorted(layer.split(" | ")) for contract in contracts for layer in contract["layers"]]
    shown = re.findall(r'class="name"[^>]*>([^<]*)<', (ROOT / "docs/images/layers.svg").read_text("utf-8"))
    # The packages of module_utils stand for it.
    assert [sorted(name.split(", ")) for name in shown] == [layer for layer in layers if layer != ["module_utils"]]
