# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one image: in the engine by BuildKit or by its classic builder, or in the node. Private to the collection.

BuildKit is asked by the program image-build (distribution/programs/image-build) through a socket of this process, which
is forwarded to the BuildKit of the engine or of the node. Each builder reads the snapshot that the digest is computed over.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import io
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker, Stream
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import secrets_in_address, sensitive_values
from ansible_collections.slipway.kube.plugins.module_utils._images.channels import CHUNK, Channel, forwarded, run_in
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerfiles import line_of_base
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    COMPONENT_LABEL,
    ComponentImage,
    ImageError,
    normal_name,
    with_credentials,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_stream import (
    BuildSource,
    ContextStream,
    source_of,
)

_KEPT_LINES = 15
_STEP_LENGTH = 70
_BUILDKIT_STEP = re.compile(r"#\d+ (\[(?!internal\]).*)")
_CLASSIC_STEP = re.compile(r"Step \d+/\d+ : (.*)")
_NO_BASE = re.compile(r"failed to resolve source metadata for ([^\s:]+(?::\d+/[^\s:]+)?(?::[\w.-]+)?(?:@\w+:\w+)?)")
_CLASSIC_FROM = re.compile(r"Step \d+/\d+ : FROM (?:--\S+ )*(\S+)", re.IGNORECASE)


def masker_of(component: ComponentImage) -> Masker:
    """What hides the build arguments that are secret by their names, and the passwords in those that are addresses."""
    addresses = (secrets_in_address(str(value)) for value in component.arguments.values())
    return Masker(sensitive_values(None, component.arguments).union(*addresses))


class BuildOutput:
    """Reads a builder's output: tells each step once, and keeps the last lines for a failure.

    What a build prints is a stranger's: nothing of it is told before it is without control characters and secrets.
    """

    def __init__(self, component: ComponentImage, step: re.Pattern[str], say: Say) -> None:
        self._component = component
        self._masker = masker_of(component)
        self._stream = Stream(self._masker)
        self._step = step
        self._say = say
        self._told: set[str] = set()
        self.last: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)

    def read(self, text: str) -> None:
        """Take a piece of the builder's output, of any length."""
        self._take(self._stream.feed(text))

    def failure(self, reason: str) -> ImageError:
        """Return why the build failed, with the last lines; nothing follows."""
        self._take(self._stream.end())
        reason, last = self._masker.outside(reason).strip(), "\n".join(self.last)
        reason = f"{self._missing_base(reason)}{reason}"
        return ImageError(f"The image of {self._component.name} could not be built: {reason}\n{last}".rstrip())

    def _missing_base(self, reason: str) -> str:
        """A sentence on the base image that could not be had; empty when the build failed of something else."""
        # The classic builder says of a base image that it is missing in many ways, but right after its step.
        found = _NO_BASE.search(reason) or _CLASSIC_FROM.match(self.last[-1] if self.last else "")
        if not found:
            return ""
        try:
            text = self._component.dockerfile.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        line = line_of_base(text, self._component.arguments, found[1])
        return (
            f"{self._component.dockerfile}{f':{line}' if line else ''} starts from {found[1]}, which is not here and cannot be pulled. Correct "
            "its name, start from an image that is here (docs/restricted-networks.md), or make its registry reachable. "
        )

    def _take(self, lines: t.Iterable[str]) -> None:
        for line in lines:
            if not line.strip():
                continue
            self.last.append(line.rstrip())
            found = self._step.match(line)
            if found and found[1] not in self._told:
                self._told.add(found[1])
                self._say(found[1] if len(found[1]) <= _STEP_LENGTH else f"{found[1][:_STEP_LENGTH]}...")


@contextlib.contextmanager
def recipe(source: BuildSource) -> t.Iterator[pathlib.Path]:
    """The Dockerfile in a directory of its own, beside rules that ignore nothing: the snapshot holds only what is to be seen."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as directory:
        dockerfile = pathlib.Path(directory) / "Dockerfile"
        dockerfile.write_bytes(source.dockerfile.read_bytes())
        # Without it, or with an empty one, BuildKit applies the .dockerignore of the context.
        dockerfile.with_name("Dockerfile.dockerignore").write_text("# nothing\n", encoding="ascii")
        yield dockerfile


class BuildKit:
    """Builds by BuildKit: ``program`` is image-build, ``dial`` connects to the daemon.

    ``output`` gives the exporter and its attributes for a component.
    """

    def __init__(
        self,
        program: str,
        dial: t.Callable[[], Channel],
        output: t.Callable[[ComponentImage], tuple[str, dict[str, str]]],
        host_network: bool,
    ) -> None:
        self._program = program
        self._dial = dial
        self._output = output
        self._host_network = host_network

    def request(
        self, component: ComponentImage, source: BuildSource, dockerfile: pathlib.Path, address: str
    ) -> dict[str, t.Any]:
        """What image-build is told."""
        kind, attributes = self._output(component)
        options = {
            # An image that is here is the one that is meant; no registry is asked for a newer one.
            "image-resolve-mode": "local",
            f"label:{COMPONENT_LABEL}": component.name,
            **{f"build-arg:{name}": value for name, value in component.arguments.items()},
        }
        if self._host_network:
            options["force-network-mode"] = "host"
        return {
            "address": address,
            "context": str(source.root),
            # A file's name need not be UTF-8, as JSON is.
            "entries": [base64.b64encode(os.fsencode(entry.path)).decode() for entry in source.entries],
            "dockerfile": str(dockerfile),
            "options": options,
            "allow": ["network.host"] if self._host_network else [],
            "output": {"type": kind, "attributes": attributes},
        }

    def build(self, component: ComponentImage, say: Say) -> None:
        """Build one image. Raises ImageError."""
        steps = BuildOutput(component, _BUILDKIT_STEP, say)
        with source_of(component) as source, recipe(source) as dockerfile, forwarded(self._dial) as address:
            process = subprocess.Popen(
                [self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            if process.stdin is None or process.stdout is None or process.stderr is None:
                raise AssertionError("all three were asked for")
            try:
                # Read last: it holds no more than the reason, which fits into the pipe.
                process.stdin.write(json.dumps(self.request(component, source, dockerfile, address)).encode())
                process.stdin.close()
                # A carriage return ends no line: what follows could pose as a step of the build.
                for line in io.TextIOWrapper(process.stdout, "utf-8", "replace", newline="\n"):
                    steps.read(line)
                reason = process.stderr.read().decode("utf-8", "replace")
                code = process.wait()
            finally:
                process.kill()
                process.wait()
        if code:
            raise steps.failure(reason)


def engine_output(component: ComponentImage) -> tuple[str, dict[str, str]]:
    """The exporter into the engine's own images."""
    return "moby", {"name": component.image}


def node_output(component: ComponentImage) -> tuple[str, dict[str, str]]:
    """The exporter into the node's containerd.

    Layers stay uncompressed, because nothing is sent anywhere. Those of a base image that lacks in the content store, because
    it came unpacked with the node, are not asked for; unpacking now would ask for them, containerd does it with the first pod.
    """
    return "image", {
        "name": normal_name(component.image),
        "unpack": "false",
        "compression": "uncompressed",
        "unsafe-internal-store-allow-incomplete": "true",
    }


class Classic:
    """Builds by the engine's classic builder, which every engine has."""

    def __init__(self, engine: t.Any, network: str) -> None:
        self._engine = engine
        self._network = network

    def build(self, component: ComponentImage, say: Say) -> None:
        """Build one image. Raises ImageError."""
        with source_of(component) as source:
            self._build(component, source, say)

    def _build(self, component: ComponentImage, source: BuildSource, say: Say) -> None:
        steps = BuildOutput(component, _CLASSIC_STEP, say)
        failure = ""
        stream = ContextStream(source)
        try:
            for message in self._engine.api.build(
                fileobj=stream.file,
                custom_context=True,
                dockerfile=source.name,
                tag=component.image,
                buildargs=dict(component.arguments),
                labels={COMPONENT_LABEL: component.name},
                network_mode=self._network,
                rm=True,
                forcerm=True,
                decode=True,
            ):
                steps.read(message.get("stream", ""))
                failure = message.get("error", failure)
        finally:
            stream.close()
        if failure:
            raise steps.failure(failure)


class InNode:
    """Builds by the node's own buildctl, for a machine without image-build; the context goes there as a stream."""

    def __init__(self, engine: t.Any, container: str) -> None:
        self._engine = engine
        self._container = container

    def command(self, component: ComponentImage, dockerfile: str) -> list[str]:
        """What runs in the node: unpack, build, tidy up. Raises ImageError."""
        open_secrets = with_credentials(component.arguments)
        if open_secrets:
            raise ImageError(
                f"The build argument {open_secrets[0]} of {component.name} holds credentials, and buildctl would show them on a command line: "
                "use image_build_delivery=load, or a mirror without a password."
            )
        kind, attributes = node_output(component)
        build = ["buildctl", "build", "--progress=plain", "--frontend=dockerfile.v0", "--local=context=context"]
        build += ["--local=dockerfile=context", f"--opt=filename={dockerfile}", "--opt=image-resolve-mode=local"]
        build += [f"--opt=label:{COMPONENT_LABEL}={component.name}"]
        build += [f"--opt=build-arg:{name}={value}" for name, value in component.arguments.items()]
        build += ["--output=" + ",".join([f"type={kind}", *(f"{key}={value}" for key, value in attributes.items())])]
        script = (
            "set -eu; place=$(mktemp -d /var/tmp/slipway-XXXXXX); trap 'rm -rf \"$place\"' EXIT; "
            f'mkdir "$place/context"; tar -x -C "$place/context"; cd "$place"; {shlex.join(build)}'
        )
        return ["/bin/sh", "-c", script]

    def build(self, component: ComponentImage, say: Say) -> None:
        """Build one image. Raises ImageError."""
        with source_of(component) as source:
            self._build(component, source, say)

    def _build(self, component: ComponentImage, source: BuildSource, say: Say) -> None:
        steps = BuildOutput(component, _BUILDKIT_STEP, say)
        stream = ContextStream(source)
        try:
            run, channel = run_in(self._engine, self._container, self.command(component, source.name))
            # buildctl's progress is on its standard error.
            for chunk in stream.chunks():
                channel.sendall(chunk)
            channel.shutdown(socket.SHUT_WR)
            while channel.recv(CHUNK):
                pass
            channel.close()
        finally:
            stream.close()
        steps.read(channel.errors.decode(errors="replace"))
        if self._engine.api.exec_inspect(run)["ExitCode"]:
            raise steps.failure("see below")
