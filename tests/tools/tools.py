#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or make the programs that the tests run, and print the path of each, in the order asked for.

    tools.py helm helm-unittest kubeconform schemas gofmt

Helm is the one that a deploy set up, otherwise it is made as a deploy would make it. The others are for tests only; schemas is
the directory that kubeconform judges by. What is made lies in the cache under a digest of its sources, so a second call only
looks.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

import schemas

try:
    from ansible_collections.slipway.kube.plugins.module_utils._common import paths
    from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, build
except ImportError:
    sys.exit("The collection cannot be imported: run 'make setup', and this with .venv/bin/python.")

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = paths.cache_dir()
TOOLS = CACHE / "tools"
PACKAGES = {
    "helm-unittest": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "helm3": "helm.sh/helm/v3/cmd/helm",
}
# Where the schemas come from: the Go module that pins the other one, and the file in that.
OPENAPI = ("kube", "k8s.io/kubernetes", "api/openapi-spec/swagger.json")
CRD = ("traefik", "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")


class Console(build.Progress):
    """Progress on standard error; standard output is for the paths."""

    def __init__(self) -> None:
        super().__init__(pathlib.Path(os.devnull))

    def say(self, text: str) -> None:
        print(f"   {text}", file=sys.stderr, flush=True)


def helm(progress: build.Progress) -> pathlib.Path:
    """Helm: the deploy's own, or made from its module."""
    noted = paths.state_dir() / "bin" / "helm"
    if noted.exists():
        return noted
    distribution = artifacts.load(ROOT / "distribution", build.machine_inputs())
    artifact = distribution.of("program", distribution.host["helm"])
    if not artifact.path(CACHE).exists():
        with build.lock(CACHE, progress):
            build.Builder(distribution, CACHE, progress, None).build([artifact.key])
    return artifact.path(CACHE)


def compiled(name: str, progress: build.Progress) -> pathlib.Path:
    """A program of tests/tools, compiled if its sources have changed."""
    source = ROOT / "tests" / "tools" / name
    digest = artifacts.digest_of_tree(source)[: artifacts.DIGEST_LENGTH]
    file = TOOLS / f"{name}-{os.uname().machine}-{digest}" / name
    if file.exists():
        return file
    with build.lock(TOOLS, progress):
        if file.exists():  # by the run that this one waited for
            return file
        go = build.find_go(CACHE, progress)
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
                env=build.go_environment(CACHE),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if run.returncode:
                raise build.BuildError(
                    f"{name} could not be compiled. Is a Go module proxy within reach (go env GOPROXY)?\n{run.stdout.strip()[-2000:]}"
                )
            file.parent.mkdir(exist_ok=True)
            made.replace(file)
    return file


def module_file(program: str, module: str, path: str, progress: build.Progress) -> pathlib.Path:
    """A file of a Go module in the version that a program of the distribution pins; the module's checksum is compared."""
    run = subprocess.run(
        [build.find_go(CACHE, progress), "mod", "download", "-json", module],
        cwd=ROOT / "distribution" / "programs" / program,
        env=build.go_environment(CACHE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise build.BuildError(
            f"The Go module {module} could not be fetched. Is a Go module proxy within reach (go env GOPROXY)?\n"
            f"{(run.stdout + run.stderr).strip()[-2000:]}"
        )
    return pathlib.Path(json.loads(run.stdout)["Dir"], path)


def kinds(progress: build.Progress) -> pathlib.Path:
    """A directory with the JSON schema of every kind of Kubernetes and of HTTPRoute."""
    pins = [
        schemas.pin(ROOT / "distribution" / "programs" / program, module) for program, module, _path in (OPENAPI, CRD)
    ]
    recipe = pathlib.Path(schemas.__file__).read_bytes() + repr(pins).encode()
    place = TOOLS / f"schemas-{hashlib.sha256(recipe).hexdigest()[: artifacts.DIGEST_LENGTH]}"
    if place.exists():
        return place
    with build.lock(TOOLS, progress):
        if place.exists():  # by the run that this one waited for
            return place
        progress.say("make the schemas of Kubernetes' kinds, once")
        openapi = json.loads(module_file(*OPENAPI, progress).read_text())
        made = schemas.kinds(openapi) | schemas.custom(schemas.read_crd(module_file(*CRD, progress)), openapi)
        with tempfile.TemporaryDirectory(dir=TOOLS, prefix=".making-") as scratch:
            whole = pathlib.Path(scratch) / "schemas"
            whole.mkdir()
            for name, schema in made.items():
                (whole / name).write_text(json.dumps(schema))
            whole.replace(place)
    return place


def gofmt(progress: build.Progress) -> pathlib.Path:
    """The formatter that belongs to the compiler."""
    beside = pathlib.Path(build.find_go(CACHE, progress)).resolve().parent / "gofmt"
    if not beside.exists():
        raise build.BuildError(
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
            elif name == "schemas":
                print(kinds(progress))
            elif name in PACKAGES:
                print(compiled(name, progress))
            else:
                sys.exit(f"There is no tool {name}: ask for helm, gofmt, schemas, {', '.join(PACKAGES)}.")
    except (artifacts.ManifestError, build.BuildError, schemas.SchemaError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
