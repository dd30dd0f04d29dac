# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the artifacts of a distribution: compiles, builds images, assembles the preload. Private to the collection.

Two lanes work side by side: one compiles, one program at a time because the compiler uses every core by itself; the
other builds images, which waits for downloads and disks most of the time. Every result is moved into the cache in one
step and gets a receipt, so an interrupted run leaves nothing half-made behind that a later run would take for whole.
"""

from __future__ import annotations

import pathlib
import subprocess
import threading
import time
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say, StepReporter
from ansible_collections.slipway.kube.plugins.module_utils._common.text import duration
from ansible_collections.slipway.kube.plugins.module_utils._distribution import debian, engine_images, go, preload
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import making
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import run_logged
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import EngineImages

HEARTBEAT = 20.0  # seconds between two words about a step that goes on
VERBS = {"program": "compile", "rootfs": "bootstrap", "image": "build image", "preload": "assemble"}


class Builder:
    """Makes artifacts into ``cache``. ``engine`` is a docker.DockerClient, or None where only programs are wanted."""

    def __init__(
        self, distribution: Distribution, cache: pathlib.Path, say: Say, engine: t.Any, deep: bool = False
    ) -> None:
        self._distribution = distribution
        self._cache = cache
        self._say = say
        self._deep = deep
        self._faults: dict[str, str] = {}
        self.images = EngineImages(distribution, cache, say, engine)
        self._finding_go = threading.Lock()

    def present(self, artifact: Artifact) -> bool:
        """Whether the artifact needs no making: its file is in the cache, or its image in the engine. Raises ReceiptError."""
        if artifact.file is None:
            return artifact.kind == "image" and self.images.is_current(artifact)
        return not self._fault(artifact)

    def _fault(self, artifact: Artifact) -> str:
        # Looked at once: with the lock held nobody else changes it.
        if artifact.key not in self._faults:
            self._faults[artifact.key] = artifact.fault(self._cache, self._deep)
        return self._faults[artifact.key]

    def confirm(self, targets: t.Sequence[str], write: bool) -> list[str]:
        """The keys of files without a receipt that are whole by the sums in themselves; with ``write`` they get one.

        Versions of Slipway that wrote no receipts left such files. A preload is read in a container, so without ``write`` it is not
        looked at. Must be called with the lock held. Raises BuildError, OSError and ReceiptError.
        """
        confirmed: dict[str, receipts.Receipt] = {}
        for artifact in self._distribution.wanted(targets, self.present):
            if artifact.file is None or self._fault(artifact) != receipts.UNCONFIRMED:
                continue
            receipt = self._receipt_of(artifact, confirmed, write)
            if receipt is not None and not artifact.outdated(receipt.compiler):
                confirmed[artifact.key] = receipt
                self._faults[artifact.key] = ""
                if write:
                    receipts.write(artifact.path(self._cache), receipt)
        if confirmed and write:
            self._say(f"confirmed by the sums in them: {', '.join(confirmed)}")
        return list(confirmed)

    def _receipt_of(
        self, artifact: Artifact, confirmed: t.Mapping[str, receipts.Receipt], write: bool
    ) -> receipts.Receipt | None:
        """The receipt that a file without one must have, None when nothing bears it out."""
        path = artifact.path(self._cache)
        if artifact.kind == "program":
            return go.receipt_of(path, artifact.inputs)
        programs = [one for one in self._distribution.closure(artifact) if one.kind == "program"]
        known = [confirmed.get(one.key) or self._receipt_in_cache(one) for one in programs]
        if artifact.compiler and not all(known):
            return None
        compilers = [receipt.compiler for receipt in known if receipt is not None]
        oldest = min(compilers, key=go.version_numbers, default="")
        if artifact.kind == "image":
            whole = engine_images.is_whole(path, artifact.image)
        else:
            whole = artifact.kind == "preload" and write and self._has_whole_preload(artifact)
        return receipts.of(path, artifact.inputs, oldest) if whole else None

    def _receipt_in_cache(self, artifact: Artifact) -> receipts.Receipt | None:
        return None if self._fault(artifact) else receipts.read(artifact.path(self._cache))

    def _has_whole_preload(self, artifact: Artifact) -> bool:
        node = self._distribution.of("image", artifact.settings["node"])
        if self.images.client is None or not self.present(node):
            return False
        return preload.is_whole(self._distribution, self.images, artifact, artifact.path(self._cache))

    def build(self, targets: t.Sequence[str]) -> list[str]:
        """Make what the targets lack and return the keys of what was made. Raises BuildError, OSError and ReceiptError.

        Must be called with the lock held.
        """
        wanted = self._distribution.wanted(targets, self.present)
        if not wanted:
            return []
        for artifact in wanted:
            reason = self._faults.pop(artifact.key, receipts.ABSENT)
            if reason != receipts.ABSENT:
                self._say(f"{artifact.kind} {artifact.name} must be made again: {reason}")
        started = time.monotonic()
        with StepReporter(self._say, HEARTBEAT) as steps:
            self._make_all(wanted, steps, lambda: f"{duration(time.monotonic() - started)} in all")
        self._say(f"made {len(wanted)} artifacts in {duration(time.monotonic() - started)}")
        return [artifact.key for artifact in wanted]

    def _make_all(self, wanted: t.Sequence[Artifact], steps: StepReporter, total: t.Callable[[], str]) -> None:
        made: dict[str, threading.Event] = {artifact.key: threading.Event() for artifact in wanted}
        failures: list[BaseException] = []
        stop = threading.Event()

        def lane(artifacts: list[Artifact]) -> None:
            try:
                while artifacts and not stop.is_set():
                    # Whatever is ready goes first: an image that waits for a program holds up no other.
                    ready = next(
                        (one for one in artifacts if all(made[key].is_set() for key in one.requires if key in made)),
                        None,
                    )
                    if ready is None:
                        stop.wait(0.5)
                        continue
                    artifacts.remove(ready)
                    step = f"{VERBS[ready.kind]} {ready.name}"
                    steps.run(step, self._work(ready), f"{step} ({len(artifacts)} more after it)", total)
                    made[ready.key].set()
            except BaseException as error:  # whatever it is, the other lane must not wait for ever
                failures.append(error)
                stop.set()

        programs = [artifact for artifact in wanted if artifact.kind == "program"]
        others = [artifact for artifact in wanted if artifact.kind != "program"]
        if programs:
            threading.Thread(target=self._fetch, args=(list(programs), stop), daemon=True).start()
        threads = [threading.Thread(target=lane, args=(part,), daemon=True) for part in (programs, others) if part]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        if failures:
            raise failures[0]

    def _work(self, artifact: Artifact) -> t.Callable[[Say], None]:
        make = {"program": self._program, "rootfs": self._rootfs, "image": self._image, "preload": self._preload}
        return lambda _tell: make[artifact.kind](artifact)

    def _result(self, artifact: Artifact) -> t.ContextManager[pathlib.Path]:
        """A path to write the artifact's file to; it is moved into place when the block ends well."""
        return making(self._cache, artifact.path(self._cache), artifact.inputs, artifact.compiler)

    def _log(self, artifact: Artifact) -> pathlib.Path:
        return self._cache / "logs" / f"{artifact.kind}-{artifact.name}.log"

    # -- programs -----------------------------------------------------------------------------------------------------

    def _source(self, artifact: Artifact) -> tuple[pathlib.Path, dict[str, str]]:
        """Directory and environment in which a program is compiled."""
        source = self._distribution.root / "programs" / artifact.name
        environment = go.go_environment(self._cache)
        if not (source / "go.sum").exists():
            # It uses the standard library only: reading the whole workspace's modules would be most of its time.
            environment["GOWORK"] = "off"
        return source, environment

    def _compiler(self) -> str:
        with self._finding_go:
            return go.find_go(self._cache, self._say)

    def _fetch(self, programs: t.Sequence[Artifact], stop: threading.Event) -> None:
        """Bring the modules of the later programs while the first is compiled: the network waits for no processor.

        What cannot be fetched is no failure here: the compiler asks for it again and says what is wrong.
        """
        compiler = self._compiler()
        for artifact in programs[1:]:
            if stop.is_set():
                return
            source, environment = self._source(artifact)
            command = ["nice", compiler, "list", "-deps", artifact.settings.get("package", ".")]
            subprocess.run(
                command, cwd=source, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )

    def _program(self, artifact: Artifact) -> None:
        compiler = self._compiler()
        source, environment = self._source(artifact)
        settings = artifact.settings
        with self._result(artifact) as file:
            command = go.build_command(compiler, settings.get("package", "."), file, settings.get("ldflags", []))
            failed = f"program {artifact.name} could not be built"
            run_logged(command, self._log(artifact), failed, go.PROXY_REMEDY, cwd=source, env=environment)

    # -- what is made of programs -------------------------------------------------------------------------------------

    def _rootfs(self, artifact: Artifact) -> None:
        with self._result(artifact) as file:
            failed = f"rootfs {artifact.name} could not be built"
            debian.make_root(artifact.settings, file, self._log(artifact), failed)

    def _image(self, artifact: Artifact) -> None:
        self.images.build(artifact, self._log(artifact))
        if artifact.file is not None:
            with self._result(artifact) as file:
                self.images.save([artifact.image], file)

    def _preload(self, artifact: Artifact) -> None:
        with self._result(artifact) as file:
            preload.assemble(self._distribution, self.images, artifact, file)
