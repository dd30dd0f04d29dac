#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or make the programs that the tests run, and print the path of each, in the order asked for.

    tools.py helm helm-unittest gofmt

Helm is the one that a deploy set up, otherwise it is made as a deploy would make it. The others are for tests only. What
is made lies in the cache under a digest of its sources, so a second call only looks.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

try:
    from ansible_collections.slipway.kube.plugins.module_utils import _artifacts, _build, _paths
except ImportError:
    sys.exit("The collection cannot be imported: run 'make setup', and this with .venv/bin/python.")

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = _paths.cache_dir()
TOOLS = CACHE / "tools"
PACKAGES = {"helm-unittest": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"}


class Console(_build.Progress):
    """Progress on standard error; standard output is for the paths."""

    def __init__(self) -> None:
        super().__init__(pathlib.Path(os.devnull))

    def say(self, text: str) -> None:
        print(f"   {text}", file=sys.stderr, flush=True)


def helm(progress: _build.Progress) -> pathlib.Path:
    """Helm: the deploy's own, or made from its module."""
    noted = _paths.state_dir() / "bin" / "helm"
    if noted.exists():
        return noted
    distribution = _artifacts.load(ROOT / "distribution", _build.machine_inputs())
    artifact = distribution.of("program", distribution.host["helm"])
    if not artifact.path(CACHE).exists():
        with _build.lock(CACHE, progress):
            _build.Builder(distribution, CACHE, progress, None).build([artifact.key])
    return artifact.path(CACHE)


def compiled(name: str, progress: _build.Progress) -> pathlib.Path:
    """A program of tests/tools, compiled if its sources have changed."""
    source = ROOT / "tests" / "tools" / name
    digest = _artifacts.digest_of_tree(source)[: _artifacts.DIGEST_LENGTH]
    file = TOOLS / f"{name}-{os.uname().machine}-{digest}" / name
    if file.exists():
        return file
    with _build.lock(TOOLS, progress):
        if file.exists():  # by the run that this one waited for
            return file
        go = _build.find_go(CACHE, progress)
        progress.say(f"compile {name}, once")
        with tempfile.TemporaryDirectory(dir=TOOLS, prefix=".making-") as scratch:
            made = pathlib.Path(scratch) / name
            # The flags of the programs of a deploy: they share every package that both compile.
            command = [
                go,
                "build",
                "-buildvcs=false",
                "-gcflags=all=-dwarf=false",
                "-ldflags",
                "-s -w",
                "-o",
                str(made),
                PACKAGES[name],
            ]
            run = subprocess.run(
                command,
                cwd=source,
                env=_build.go_environment(CACHE),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if run.returncode:
                raise _build.BuildError(
                    f"{name} could not be compiled. Is a Go module proxy within reach (go env GOPROXY)?\n{run.stdout.strip()[-2000:]}"
                )
            file.parent.mkdir(exist_ok=True)
            made.replace(file)
    return file


def gofmt(progress: _build.Progress) -> pathlib.Path:
    """The formatter that belongs to the compiler."""
    beside = pathlib.Path(_build.find_go(CACHE, progress)).resolve().parent / "gofmt"
    if not beside.exists():
        raise _build.BuildError(
            f"There is no gofmt beside the Go compiler ({beside}): reinstall Go, or remove it from PATH to have it installed here."
        )
    return beside


def main(names: t.Sequence[str]) -> None:
    progress = Console()
    try:
        for name in names:
            if name == "helm":
                print(helm(progress))
            elif name == "gofmt":
                print(gofmt(progress))
            elif name in PACKAGES:
                print(compiled(name, progress))
            else:
                sys.exit(f"There is no tool {name}: ask for helm, gofmt or {', '.join(PACKAGES)}.")
    except (_artifacts.ManifestError, _build.BuildError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
