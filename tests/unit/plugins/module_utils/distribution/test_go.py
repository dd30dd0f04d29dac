# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler: which one, and how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import go as toolchain
from distribution_objects import quiet


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
    kept = tmp_path / "cache" / "go" / f"toolchain-{toolchain.GO_PACKAGE.partition('==')[2]}" / "go" / "bin" / "go"
    kept.parent.mkdir(parents=True)
    kept.touch()
    words: list[str] = []
    assert toolchain.find_go(tmp_path / "cache", words.append) == str(kept)
    assert words == []


def test_memory_per_process_is_never_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.os, "sysconf", lambda name: 1)
    assert toolchain.memory_per_process() == 512
