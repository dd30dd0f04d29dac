# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds, installs, starts and removes a container engine. Private to the collection.

An engine that answers is used as it is. Otherwise Debian's packages are installed, and where systemd is not the init
system the daemon is started by hand with directories of its own, so that removing it touches nothing else.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import files
from ansible_collections.slipway.kube.plugins.module_utils._distribution.debian import installed_packages
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_network import (
    EngineError,
    network_settings,
    restore_network,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import CAP_SYS_RESOURCE, has_capability

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
PACKAGES = ("docker.io", "iptables", "ca-certificates")
START_LIMIT = 60.0  # seconds until a started daemon must answer


def ping(address: str, timeout: int = 3) -> dict[str, t.Any] | None:
    """Version information of the engine at ``address`` (``unix://`` or ``tcp://``), None when none answers."""
    import docker
    import docker.errors
    import requests

    try:
        client = docker.DockerClient(base_url=address, timeout=timeout)
        try:
            return client.version()
        finally:
            client.close()
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return None


def find(environ: t.Mapping[str, str] = os.environ) -> tuple[str, dict[str, t.Any] | None]:
    """The engine's address, and its version information when it answers: ``DOCKER_HOST``, else the usual socket."""
    address = environ.get("DOCKER_HOST") or DEFAULT_SOCKET
    return address, ping(address)


def refuse_silent(address: str) -> None:
    """Raise EngineError where installing an engine would not make the one at ``address`` answer."""
    if address != DEFAULT_SOCKET:
        raise EngineError(
            f"DOCKER_HOST is {address} but no engine is reachable there: start it, correct DOCKER_HOST, or unset it to use this machine's own."
        )
    socket = DEFAULT_SOCKET.removeprefix("unix://")
    if os.path.exists(socket) and not os.access(socket, os.R_OK | os.W_OK):
        raise EngineError(
            f"There is a container engine at {socket} but this user has no access to it: add the user to the group docker "
            "('usermod --append --groups docker NAME' as root), log in again, and run this again."
        )


def refuse_unprivileged_start() -> None:
    """Raise EngineError for a user who may not start a daemon that is installed."""
    if os.geteuid() != 0:
        raise EngineError(
            "The container engine is installed but not running, and only root may start it: start it, or run with -e toolchain_become=true as a "
            "user who may use sudo."
        )


def refuse_powerless(missing: t.Sequence[str]) -> None:
    """Raise EngineError where this user or this system cannot install the Debian packages that are missing."""
    if missing and shutil.which("apt-get") is None:
        raise EngineError(
            "No container engine is running, and this is not Debian or a derivative: install Docker 24 or newer and start it."
        )
    if missing and os.geteuid() != 0:
        raise EngineError(
            f"The packages {' '.join(missing)} are missing, and this user may not install them. Install them "
            f"(apt-get install {' '.join(missing)}), or run with -e toolchain_become=true as a user who may use sudo."
        )


class ManagedEngine:
    """The engine that Slipway installs and starts itself; ``directory`` holds all that it is."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self._record = directory / "engine.json"
        self._pidfile = directory / "dockerd.pid"
        self._log = directory / "dockerd.log"
        self._shim = directory / "runtime-shim"

    def record(self) -> dict[str, t.Any]:
        """What was installed and how it is run; empty when this engine is not Slipway's."""
        try:
            return t.cast("dict[str, t.Any]", json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    @property
    def address(self) -> str:
        """Where it answers: as it was told when it was started, otherwise at the usual socket."""
        words = self.record().get("command", ())
        return next((word.removeprefix("--host=") for word in words if word.startswith("--host=")), DEFAULT_SOCKET)

    def _write(self, record: t.Mapping[str, t.Any]) -> None:
        files.write_text(self._record, json.dumps(record, indent=2, sort_keys=True) + "\n")

    def install(self, packages: t.Sequence[str]) -> list[str]:
        """Install those of ``packages`` that are missing and remember every package that this added.

        Raises EngineError.
        """
        before = installed_packages()
        missing = [name for name in packages if name not in before]
        if not missing:
            return []
        refuse_powerless(missing)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-q"],
            [
                "apt-get",
                "install",
                "-q",
                "-y",
                "--no-install-recommends",
                "-o",
                "Acquire::Retries=5",
                "-o",
                "DPkg::Lock::Timeout=120",
                *missing,
            ],
        ):
            run = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if run.returncode:
                last = (run.stderr.strip() or run.stdout.strip())[-600:]
                raise EngineError(
                    f"'{' '.join(command[:2])}' failed: {last}\nIs the Debian mirror of /etc/apt within reach?"
                )
        added = sorted(installed_packages() - before)
        record = self.record()
        record["packages"] = sorted({*record.get("packages", []), *added})
        self._write(record)
        return added

    def start(self, shim: pathlib.Path | None) -> None:
        """Start the daemon and wait until it answers; ``shim`` is the runtime in front of runc. Raises EngineError."""
        if has_systemd():
            run = subprocess.run(
                ["systemctl", "enable", "--now", "docker"], capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
            if run.returncode:
                raise EngineError(f"systemd did not start Docker: {run.stderr.strip()}\nSee 'journalctl -u docker'.")
            self._write({**self.record(), "systemd": True})
            self._await(None)
            return
        daemon = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if daemon is None:
            raise EngineError("The package docker.io is installed and brought no dockerd; reinstall it.")
        refuse_unprivileged_start()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._forget_dead_pid()
        command = [
            daemon,
            f"--host={DEFAULT_SOCKET}",
            f"--data-root={self.directory / 'docker'}",
            f"--exec-root={self.directory / 'run'}",
            f"--pidfile={self._pidfile}",
            "--log-level=warn",
        ]
        if not has_capability(CAP_SYS_RESOURCE):
            if shim is None:
                raise EngineError("This machine lacks CAP_SYS_RESOURCE and no runtime shim was given.")
            # A copy: the cache may be emptied under a running engine.
            files.copy(shim, self._shim, 0o755)
            command += [f"--add-runtime=slipway={self._shim}", "--default-runtime=slipway"]
        record = self.record()
        # The first start's view is the machine's own; later ones see what the engine made of it.
        record.setdefault("network", network_settings())
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        self._write({**record, "systemd": False, "command": command})
        self._await(process)

    def _forget_dead_pid(self) -> None:
        pid = self._pid()
        if pid is None:
            # A file that names a dead process, or another program that got its number, keeps the daemon from starting.
            self._pidfile.unlink(missing_ok=True)

    def _pid(self) -> int | None:
        try:
            pid = int(self._pidfile.read_text(encoding="ascii"))
            name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None
        return pid if name == "dockerd" else None

    def _await(self, process: subprocess.Popen[bytes] | None) -> None:
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if ping(DEFAULT_SOCKET) is not None:
                return
            if process is not None and process.poll() is not None:
                break
            time.sleep(0.3)
        try:
            last = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:])
        except OSError:
            last = "see 'journalctl -u docker'"
        raise EngineError(f"The container engine does not answer at {DEFAULT_SOCKET}:\n{last}")

    def foreign(self) -> list[str]:
        """Containers and volumes in this engine, which it keeps from being removed."""
        import docker

        client = docker.DockerClient(base_url=self.address, timeout=30)
        try:
            containers = [f"container {c.name}" for c in client.containers.list(all=True, ignore_removed=True)]
            volumes = [f"volume {v.name}" for v in client.volumes.list()]
            return containers + volumes
        finally:
            client.close()

    def remove(self) -> list[str]:
        """Stop the daemon, remove its directory and every package that install added; returns what was removed."""
        record = self.record()
        removed = []
        pid = self._pid()
        if record.get("systemd"):
            subprocess.run(
                ["systemctl", "disable", "--now", "docker.socket", "docker"],
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
        elif pid is not None:
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 30
            while self._pid() is not None:
                if time.monotonic() > end:
                    raise EngineError(f"The engine (process {pid}) does not stop; see {self._log}.")
                time.sleep(0.2)
            removed.append("the engine's process")
        if "network" in record:
            restore_network(record["network"])
            removed.append("its bridge and packet filter rules")
        packages = [name for name in record.get("packages", []) if name in installed_packages()]
        if packages:
            run = subprocess.run(
                ["apt-get", "purge", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", *packages],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            if run.returncode:
                raise EngineError(f"apt-get purge failed: {run.stderr.strip()[-600:]}")
            removed.append(f"{len(packages)} packages")
        if self.directory.exists():
            _unmount_below(self.directory)
            shutil.rmtree(self.directory)
            removed.append(str(self.directory))
        return removed


def _unmount_below(directory: pathlib.Path) -> None:
    """Unmount what a stopped daemon left mounted, innermost first, so that removing files cannot reach beyond."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if point.startswith(f"{directory}/"):
            subprocess.run(["umount", point], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def has_systemd() -> bool:
    """Whether systemd is this machine's init system (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")
