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


# Names and phrases that were given up. Old public names stand in the list of renames and where that list makes them work.
RETIRED = re.compile(
    r"""\b(?:Doings|LeaseKeeper|SecretKeeper|carry_out|reachable_info)\b
    | \bclass\ (?:Behind|Beside|Held|Taking|Wanted)\b
    | \b(?:application_entry|verify_entry|image_build_side_by_side|toolchain_least_\w+|least_age)\b
    | \bAPP_DIGEST\b | \bmigration\.digest\b
    | \b(?:begin|begun|settled?|done|return)\.yml\b | \bway\.svg\b | ^\s*otherwise:
    | [Ee]nds?\ again\ and\ again | ^\#\#\ Rooms$ | [Tt]he\ way\ of\ the\ data | [Ll]et\ others\ deploy""",
    re.VERBOSE | re.MULTILINE,
)
MAY_NAME_THEM = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",  # the glossary
    "changelogs/",
    # What makes old names of the charts work, and its tests.
    "charts/common/templates/",
    "charts/component/tests/",
    "docs/interface.md",
    "meta/runtime.yml",
    "plugins/module_utils/_common/renames.py",
    "tests/unit/test_repository.py",
    # Records of what was measured with an earlier version, and the pages written from them.
    "docs/measurements.md",
    "tests/bench/results.json",
)


def retired(text: str) -> list[str]:
    """Return the retired names in a text, but for those by which an old name still works."""
    if not RETIRED.search(text):  # nearly all files; the aliases take much longer to find
        return []
    aliased = re.sub(
        r"[\w\"{ ]*\|? ?slipway\.kube\.renamed\([^)]*\)(?: if \w+ is defined)?|aliases: \[[^]]*\]", "", text
    )
    return RETIRED.findall(aliased)


def test_no_retired_name_is_left(tracked: list[Path]) -> None:
    names = {file.relative_to(ROOT).as_posix(): file for file in tracked}
    found = {
        name: words
        for name, file in names.items()
        if not name.startswith(MAY_NAME_THEM)
        and (words := retired(file.read_text(encoding="utf-8", errors="ignore").replace(f"{name}:", "")))
    }
    tests_of_old_names = {
        "tests/charts/test_charts.py",
        "tests/charts/test_values.py",
        "tests/unit/plugins/callback/test_progress.py",
        "tests/unit/plugins/filter/test_application_filters.py",
        "tests/unit/plugins/module_utils/common/test_renames.py",
        "tests/unit/plugins/plugin_utils/test_deprecations.py",
        "tests/unit/plugins/plugin_utils/test_role_variables.py",
        "tests/unit/roles/test_roles_alone.py",
    }
    assert {name: words for name, words in found.items() if name not in tests_of_old_names} == {}


def test_retired_names_are_found_and_aliases_are_not() -> None:
    assert retired("x: {{ application_entry }}") == ["application_entry"]
    assert retired("        otherwise:\n          generate: 48") == ["        otherwise:"]
    assert retired("The container ends again and again.") == ["ends again and again"]
    assert retired("{{ verify_entry | slipway.kube.renamed('verify_entry') if verify_entry is defined else 1 }}") == []
    assert retired("'undo.yml' | slipway.kube.renamed('helm_release/done.yml')") == []
    assert retired("aliases: [least_age]") == []
