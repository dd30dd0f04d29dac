#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or make the programs that the tests run, and print the path of each, in the order asked for.

    tools.py helm image-build helm-unittest kubeconform schemas gofmt

Helm is the one that a deploy set up, otherwise it is made as a deploy would make it; image-build is always the one of these sources. The
others are for tests only; schemas is
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
import typing as t

import schemas

try:
    from ansible_collections.slipway.kube.plugins.module_utils._common import files, paths, receipts
    from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, go
    from ansible_collections.slipway.kube.plugins.module_utils._distribution.builder import Builder
    from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock, making
    from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
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


def say(text: str) -> None:
    """Progress on standard error; standard output is for the paths."""
    print(f"   {text}", file=sys.stderr, flush=True)


def made(
    path: pathlib.Path,
    inputs: t.Mapping[str, t.Any],
    make: t.Callable[[pathlib.Path], None],
    confirm: t.Callable[[pathlib.Path, t.Mapping[str, t.Any]], receipts.Receipt | None] = lambda _path, _inputs: None,
) -> pathlib.Path:
    """A file or directory below TOOLS that is named by what it is made of, made where to ``make`` is told if it is not there.

    ``confirm`` gives the receipt of one that has none, if its content bears that out.
    """
    if receipts.fault(path, inputs):
        with lock(TOOLS, say):
            fault = receipts.fault(path, inputs)  # the run that this one waited for may have made it
            receipt = confirm(path, inputs) if fault == receipts.UNCONFIRMED else None
            if receipt is not None and receipt.compiler == inputs.get("compiler"):
                receipts.write(path, receipt)
            elif fault:
                with making(TOOLS, path, inputs) as scratch:
                    make(scratch)
    return path


def helm() -> pathlib.Path:
    """Helm: the deploy's own, or made from its module."""
    noted = paths.state_dir() / "bin" / "helm"
    if not receipts.fault(noted.resolve()):
        return noted
    return distributed("helm")


def distributed(command: str) -> pathlib.Path:
    """A command of the distribution, made from its module as a deploy makes it."""
    distribution = artifacts.load_for(ROOT / "distribution", None)
    artifact = distribution.of("program", distribution.host[command])
    if artifact.fault(CACHE):
        with lock(CACHE, say):
            builder = Builder(distribution, CACHE, say, None)
            builder.confirm([artifact.key], write=True)
            builder.build([artifact.key])
    return artifact.path(CACHE)


def compiled(name: str) -> pathlib.Path:
    """A program of tests/tools, compiled if its sources have changed."""
    source = ROOT / "tests" / "tools" / name
    digest = artifacts.digest_of_tree(source)[: artifacts.DIGEST_LENGTH]

    def compile_program(program: pathlib.Path) -> None:
        compiler = go.find_go(CACHE, say)
        say(f"compile {name}, once")
        run = subprocess.run(
            go.build_command(compiler, PACKAGES[name], program),
            cwd=source,
            env=go.go_environment(CACHE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if run.returncode:
            raise BuildError(f"{name} could not be compiled. {go.PROXY_REMEDY}\n{run.stdout.strip()[-2000:]}")

    inputs = {"sources": digest, "package": PACKAGES[name], "flags": go.FLAGS, "compiler": go.compiler_at_hand()}
    return made(TOOLS / f"{name}-{os.uname().machine}-{digest}" / name, inputs, compile_program, go.receipt_of)


def module_file(program: str, module: str, path: str) -> pathlib.Path:
    """A file of a Go module in the version that a program of the distribution pins; the module's checksum is compared."""
    run = subprocess.run(
        [go.find_go(CACHE, say), "mod", "download", "-json", module],
        cwd=ROOT / "distribution" / "programs" / program,
        env=go.go_environment(CACHE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise BuildError(
            f"The Go module {module} could not be fetched. {go.PROXY_REMEDY}\n{(run.stdout + run.stderr).strip()[-2000:]}"
        )
    return pathlib.Path(json.loads(run.stdout)["Dir"], path)


def kinds() -> pathlib.Path:
    """A directory with the JSON schema of every kind of Kubernetes and of HTTPRoute."""
    pins = [
        schemas.pin(ROOT / "distribution" / "programs" / program, module) for program, module, _path in (OPENAPI, CRD)
    ]
    recipe = pathlib.Path(schemas.__file__).read_bytes() + repr(pins).encode()

    def write(directory: pathlib.Path) -> None:
        say("make the schemas of Kubernetes' kinds, once")
        openapi = json.loads(module_file(*OPENAPI).read_text())
        found = schemas.kinds(openapi) | schemas.custom(schemas.read_crd(module_file(*CRD)), openapi)
        directory.mkdir()
        for name, schema in found.items():
            (directory / name).write_text(json.dumps(schema))

    digest = hashlib.sha256(recipe).hexdigest()
    return made(TOOLS / f"schemas-{digest[: artifacts.DIGEST_LENGTH]}", {"recipe": digest}, write)


def gofmt() -> pathlib.Path:
    """The formatter that belongs to the compiler."""
    beside = pathlib.Path(go.find_go(CACHE, say)).resolve().parent / "gofmt"
    if not beside.exists():
        raise BuildError(
            f"There is no gofmt beside the Go compiler ({beside}): reinstall Go, or remove it from PATH to have it installed here."
        )
    return beside


def main(names: t.Sequence[str]) -> None:
    try:
        for name in names:
            if name == "helm":
                print(helm())
            elif name == "image-build":
                print(distributed(name))
            elif name == "gofmt":
                print(gofmt())
            elif name == "schemas":
                print(kinds())
            elif name in PACKAGES:
                print(compiled(name))
            else:
                sys.exit(f"There is no tool {name}: ask for helm, image-build, gofmt, schemas, {', '.join(PACKAGES)}.")
    except (artifacts.ManifestError, BuildError, receipts.ReceiptError, schemas.SchemaError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(files.unwritable(error, CACHE))


if __name__ == "__main__":
    main(sys.argv[1:])
