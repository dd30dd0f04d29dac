# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, watches, stops and deletes a Minikube profile. Private to the collection.

The state of a cluster is read from the engine (one container, labelled by Minikube) and the profile's own
configuration file, which takes milliseconds; ``minikube status`` takes a second and more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._minikube import files
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from ansible_collections.slipway.kube.plugins.module_utils._minikube.ports import api_server_lives, free_port
from ansible_collections.slipway.kube.plugins.module_utils._minikube.starting import StartWatcher, read_event

INGRESS_CONTAINER_PORT = "80/tcp"
_BY_MINIKUBE = "created_by.minikube.sigs.k8s.io"  # a label of its containers and volumes


@dataclasses.dataclass(frozen=True)
class ProfileSpec:
    """What the cluster shall be. Sizes: CPUs, MiB; ``disk`` in MiB is a ceiling that the docker driver does not enforce."""

    profile: str
    driver: str
    kubernetes_version: str
    container_runtime: str
    cpus: int
    memory: int
    addons: tuple[str, ...]
    base_image: str | None
    preload: pathlib.Path | None
    ingress_address: str
    ingress_port: int


@dataclasses.dataclass(frozen=True)
class ProfileState:
    """What the cluster is.

    ``state``: absent; foreign (a profile that Slipway did not create); stopped; unreachable (its API server does not
    answer); incomplete (a start did not end well); running.
    """

    state: str
    driver: str = ""
    kubernetes_version: str = ""
    container_runtime: str = ""
    cpus: int = 0
    memory: int = 0
    ingress_port: int | None = None
    address: str = ""

    @property
    def is_up(self) -> bool:
        """Whether its node runs, whatever works in it."""
        return self.state in ("unreachable", "incomplete", "running")

    def differences(self, wanted: ProfileSpec) -> list[str]:
        """What cannot be changed without making the cluster anew, each as ``what: is X, wanted Y``."""
        pairs = [
            ("driver", self.driver, wanted.driver),
            ("Kubernetes version", self.kubernetes_version, wanted.kubernetes_version),
            ("container runtime", self.container_runtime, wanted.container_runtime),
        ]
        return [f"{what}: is {is_}, wanted {want}" for what, is_, want in pairs if want and is_ != want]


class Minikube:
    """One profile of one MINIKUBE_HOME. ``engine`` is a docker.DockerClient."""

    def __init__(
        self, binary: str, home: pathlib.Path, kubeconfig: pathlib.Path, docker_host: str, engine: t.Any
    ) -> None:
        self._binary = binary
        self.home = files.minikube_dir(home)
        self._kubeconfig = kubeconfig
        self._docker_host = docker_host
        self._engine = engine
        self._inherited: tuple[int, ...] = ()

    def _environment(self) -> dict[str, str]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("MINIKUBE_")},
            "MINIKUBE_HOME": str(self.home),
            "KUBECONFIG": str(self._kubeconfig),
            "MINIKUBE_IN_STYLE": "false",
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
            "MINIKUBE_WANTREPORTERRORPROMPT": "false",
        }
        if self._docker_host != "unix:///var/run/docker.sock":
            environment["DOCKER_HOST"] = self._docker_host
        return environment

    def _profile_dir(self, profile: str) -> pathlib.Path:
        return self.home / "profiles" / profile

    def inspect(self, profile: str) -> ProfileState:
        """The profile's state, without asking the cluster."""
        container = self._container(profile)
        if container is not None and container.labels.get(_BY_MINIKUBE) != "true":
            return ProfileState("foreign")
        try:
            config = json.loads((self._profile_dir(profile) / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            config = None
        if config is None:
            if container is None:
                return ProfileState("absent")
            # A start that was killed early leaves a container or a directory and no configuration.
            return ProfileState("stopped" if self.owned(profile) else "foreign")
        if not self.owned(profile):
            return ProfileState("foreign")
        kubernetes = config.get("KubernetesConfig", {})
        if container is None or container.status != "running":
            state = "stopped"
        elif not files.owner_note(self.home, profile).get("started"):
            state = "incomplete"
        else:
            state = "running" if api_server_lives(container) else "unreachable"
        port, address = _reached_at(container) if container is not None else (None, "")
        return ProfileState(
            state,
            config.get("Driver", ""),
            kubernetes.get("KubernetesVersion", ""),
            kubernetes.get("ContainerRuntime", ""),
            int(config.get("CPUs", 0)),
            int(config.get("Memory", 0)),
            port,
            address,
        )

    def refusal(self, profile: str) -> str:
        """The sentences that say why a foreign profile is not changed, and what to do."""
        note = f"there is no note in {self.home} that Slipway created it"
        others = [
            home for home in files.homes_with_note(profile, self._kubeconfig) if files.minikube_dir(home) != self.home
        ]
        if others:
            return (
                f"A Minikube cluster named {profile} exists, but {note}. That note is in {files.minikube_dir(others[0])}: HOME or "
                f"XDG_STATE_HOME has changed. Run this with -e toolchain_state_dir={others[0]}. Nothing was changed."
            )
        return (
            f"A container or Minikube profile named {profile} exists, but {note}. Nothing was changed. Set minikube_setup_profile to another "
            "name. If Slipway created it under another HOME or XDG_STATE_HOME, run this with the same one."
        )

    def owned(self, profile: str) -> bool:
        """Whether Slipway created the profile; only then it is ever changed or deleted."""
        return bool(files.owner_note(self.home, profile))

    @contextlib.contextmanager
    def lock(self, profile: str) -> t.Iterator[None]:
        """Keep other runs from starting, stopping or deleting the same profile.

        Minikube inherits the lock: one that goes on after its parent was killed must not meet a second one.
        """
        with files.locked(self.home, profile) as descriptor:
            self._inherited = (descriptor,)
            try:
                yield
            finally:
                self._inherited = ()

    def _container(self, profile: str) -> t.Any:
        import docker.errors

        try:
            return self._engine.containers.get(profile)
        except docker.errors.NotFound:
            return None

    # -- start --------------------------------------------------------------------------------------------------------

    def start(self, wanted: ProfileSpec, say: t.Callable[[str], None]) -> None:
        """Create or start the cluster and wait until its node is ready. Raises MinikubeError."""
        self.home.mkdir(parents=True, exist_ok=True)
        # Before anything is made: a start that is killed half-way must be known as ours by the next run.
        files.write_owner_note(self.home, wanted.profile, started=False)
        if wanted.preload is not None:
            files.place_preload(wanted.preload, self.home / "cache" / "preloaded-tarball" / wanted.preload.name)
        before = self.inspect(wanted.profile)
        port = before.ingress_port or free_port(wanted.ingress_address, wanted.ingress_port)
        if port != wanted.ingress_port:
            say(f"port {wanted.ingress_port} is taken: the cluster answers on {port}")
        command = [
            self._binary,
            "start",
            f"--profile={wanted.profile}",
            f"--driver={wanted.driver}",
            f"--kubernetes-version={wanted.kubernetes_version}",
            f"--container-runtime={wanted.container_runtime}",
            f"--cpus={wanted.cpus}",
            f"--memory={wanted.memory}mb",
            "--interactive=false",
            "--delete-on-failure=false",
            "--wait=apiserver,system_pods,node_ready",
            "--output=json",
        ]
        if os.geteuid() == 0:
            command.append("--force")  # the docker driver refuses root without it
        if before.state == "absent" or before.ingress_port is None:
            command.append(f"--ports={wanted.ingress_address}:{port}:80")
        if wanted.base_image:
            # Made here: its own network plugins, and a kubelet that keeps to a container without every capability.
            command += [
                f"--base-image={wanted.base_image}",
                "--cni=bridge",
                "--preload=true",
                "--feature-gates=KubeletInUserNamespace=true",
            ]
        command += [f"--addons={addon}" for addon in wanted.addons]
        watcher = StartWatcher(lambda asked: self._in_node(wanted.profile, asked), say)
        watcher.run(command, self._environment(), self._inherited)
        files.write_owner_note(self.home, wanted.profile, started=True)

    def _in_node(self, profile: str, command: list[str]) -> str:
        """Output of a command in the node; empty when it cannot be run or fails."""
        import docker.errors

        try:
            container = self._container(profile)
            if container is None or container.status != "running":
                return ""
            code, output = container.exec_run(command)
        except docker.errors.DockerException:
            return ""
        return output.decode(errors="replace").strip() if code == 0 else ""

    # -- stop and delete ----------------------------------------------------------------------------------------------

    def stop(self, profile: str) -> None:
        """Stop the cluster and keep its data. Raises MinikubeError."""
        self._run([self._binary, "stop", f"--profile={profile}", "--output=json"], "stop")

    def delete(self, profile: str) -> None:
        """Delete the cluster, its network, volume and kubeconfig entries. Raises MinikubeError."""
        import docker.errors

        if not self.owned(profile):
            raise MinikubeError(
                f"The Minikube profile {profile} was not created by Slipway, so it is not deleted. Delete it with 'minikube delete -p {profile}'."
            )
        container = self._container(profile)
        if container is not None and container.status == "running":
            # Minikube would wait up to 20 s for it to shut down by itself, and nothing of it is kept.
            container.kill()
        self._run([self._binary, "delete", f"--profile={profile}", "--output=json"], "delete")
        # What a start that was killed early left, of which Minikube knows nothing.
        container = self._container(profile)
        if container is not None:
            container.remove(force=True, v=True)
        with contextlib.suppress(docker.errors.NotFound):
            volume = self._engine.volumes.get(profile)
            if (volume.attrs.get("Labels") or {}).get(_BY_MINIKUBE) == "true":
                volume.remove()
        shutil.rmtree(self.home / "slipway" / profile)
        files.remove_if_empty(self._kubeconfig)

    def _run(self, command: list[str], what: str) -> None:
        run = subprocess.run(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            pass_fds=self._inherited,
        )
        if run.returncode:
            errors = [text for kind, text in map(read_event, run.stdout.splitlines()) if kind == "error"]
            raise MinikubeError(
                f"'minikube {what}' failed: "
                + ("\n".join(errors) or run.stderr.strip()[-500:] or f"exit code {run.returncode}")
            )


def _reached_at(container: t.Any) -> tuple[int | None, str]:
    """The port of this machine that the node's ingress has, running or not, and the running node's own address."""
    bindings = container.attrs["HostConfig"].get("PortBindings") or {}
    network = container.attrs["NetworkSettings"]
    ports = network.get("Ports") or {}
    published = ports.get(INGRESS_CONTAINER_PORT) or bindings.get(INGRESS_CONTAINER_PORT) or []
    port = int(published[0]["HostPort"]) if published and published[0].get("HostPort") else None
    addresses = (one.get("IPAddress") for one in (network.get("Networks") or {}).values())
    return port, next((address for address in addresses if address), "")
