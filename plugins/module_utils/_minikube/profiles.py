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
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import typing as t

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

INGRESS_CONTAINER_PORT = "80/tcp"
API_SERVER_PORT = "8443/tcp"
API_SERVER_PATIENCE = 5.0  # seconds
OWNER_FILE = "slipway-owner.json"
WATCH_INTERVAL = 2.0  # seconds
# Until kubeadm has written the kubelet's configuration, it fails and is restarted, the longer the slower the machine is. As many
# restarts after that are a crash loop.
KUBELET_RESTARTS = 12
COUNT_RESTARTS = "test ! -e /var/lib/kubelet/config.yaml || systemctl show kubelet --property=NRestarts --value"
PORTS_TRIED = 20


class ClusterError(Exception):
    """The cluster cannot be had as asked for; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Wanted:
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
class Cluster:
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

    def differences(self, wanted: Wanted) -> list[str]:
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
        self.home = minikube_dir(home)
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

    def inspect(self, profile: str) -> Cluster:
        """The profile's state, without asking the cluster."""
        container = self._container(profile)
        try:
            config = json.loads((self._profile_dir(profile) / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            config = None
        if config is None:
            # A start that was killed early leaves a container or a directory and no configuration.
            left_over = container is not None and container.labels.get("created_by.minikube.sigs.k8s.io") == "true"
            return Cluster(
                "stopped" if left_over and self.owned(profile) else "foreign" if container is not None else "absent"
            )
        if not self.owned(profile):
            return Cluster("foreign")
        kubernetes = config.get("KubernetesConfig", {})
        if container is None or container.status != "running":
            state = "stopped"
        elif not self._note(profile).get("started"):
            state = "incomplete"
        else:
            state = "running" if api_server_lives(container) else "unreachable"
        port = None
        address = ""
        if container is not None:
            bindings = container.attrs["HostConfig"].get("PortBindings") or {}
            published = (
                (container.attrs["NetworkSettings"].get("Ports") or {}).get(INGRESS_CONTAINER_PORT)
                or bindings.get(INGRESS_CONTAINER_PORT)
                or []
            )
            port = int(published[0]["HostPort"]) if published and published[0].get("HostPort") else None
            networks = container.attrs["NetworkSettings"].get("Networks") or {}
            address = next((network["IPAddress"] for network in networks.values() if network.get("IPAddress")), "")
        return Cluster(
            state,
            config.get("Driver", ""),
            kubernetes.get("KubernetesVersion", ""),
            kubernetes.get("ContainerRuntime", ""),
            int(config.get("CPUs", 0)),
            int(config.get("Memory", 0)),
            port,
            address,
        )

    def owned(self, profile: str) -> bool:
        """Whether Slipway created the profile; only then it is ever changed or deleted."""
        return bool(self._note(profile))

    def _note_file(self, profile: str) -> pathlib.Path:
        # Outside of the profile's directory: Minikube lists every directory there as a profile.
        return self.home / "slipway" / profile / OWNER_FILE

    def _note(self, profile: str) -> dict[str, t.Any]:
        try:
            return t.cast("dict[str, t.Any]", json.loads(self._note_file(profile).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _write_note(self, profile: str, started: bool) -> None:
        file = self._note_file(profile)
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps({"profile": profile, "started": started}) + "\n", encoding="utf-8")
        scratch.replace(file)

    @contextlib.contextmanager
    def lock(self, profile: str) -> t.Iterator[None]:
        """Keep other runs from starting or deleting the same profile.

        The lock dies with its process and with the Minikube that it started: one that goes on after its parent was
        killed must not meet a second one.
        """
        place = lock_file(self.home, profile)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._inherited = (file.fileno(),)
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

    def start(self, wanted: Wanted, say: t.Callable[[str], None]) -> None:
        """Create or start the cluster and wait until its node is ready. Raises ClusterError."""
        self.home.mkdir(parents=True, exist_ok=True)
        # Before anything is made: a start that is killed half-way must be known as ours by the next run.
        self._write_note(wanted.profile, started=False)
        if wanted.preload is not None:
            place_preload(wanted.preload, self.home / "cache" / "preloaded-tarball" / wanted.preload.name)
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
        self._watch_start(command, wanted.profile, say)
        self._write_note(wanted.profile, started=True)

    def _watch_start(self, command: list[str], profile: str, say: t.Callable[[str], None]) -> None:
        process = subprocess.Popen(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=self._inherited,
        )
        errors: list[str] = []

        def read_steps() -> None:
            for line in process.stdout or ():
                kind, text = read_event(line)
                if kind == "error":
                    errors.append(text)
                elif text:
                    say(text)

        def read_rest() -> None:
            for line in process.stderr or ():
                # klog's lines: E is an error of Minikube itself.
                if line.startswith("E") and "]" in line:
                    errors.append(line.partition("] ")[2].strip())

        readers = [threading.Thread(target=target, daemon=True) for target in (read_steps, read_rest)]
        for reader in readers:
            reader.start()
        cause = None
        restarts: list[int] = []
        while process.poll() is None and cause is None:
            time.sleep(WATCH_INTERVAL)
            cause = self._kubelet_trouble(profile, restarts)
        if cause is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for reader in readers:
            reader.join(5)
        if cause is not None:
            raise ClusterError(f"The node's kubelet does not stay up. Its own words:\n{cause}")
        if process.returncode:
            trouble = self._kubelet_words(profile)
            what = "\n".join(dict.fromkeys(errors[-6:])) or f"exit code {process.returncode}"
            raise ClusterError(
                f"Minikube did not start the cluster: {what}"
                + (f"\nThe kubelet's last errors:\n{trouble}" if trouble else "")
            )

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

    def _kubelet_trouble(self, profile: str, seen: list[int]) -> str | None:
        """The kubelet's last words when systemd had to restart it over and over, otherwise None.

        C(seen) keeps the counts of restarts of this start from one look to the next.
        """
        shown = self._in_node(profile, ["sh", "-c", COUNT_RESTARTS])
        if shown.isdigit():
            seen.append(int(shown))
        if not seen or seen[-1] - seen[0] < KUBELET_RESTARTS:
            return None
        return self._kubelet_words(profile) or "(its journal is empty)"

    def _kubelet_words(self, profile: str) -> str:
        journal = self._in_node(profile, ["journalctl", "--unit=kubelet", "--no-pager", "--output=cat", "--lines=200"])
        return "\n".join(last_errors(journal))

    # -- stop and delete ----------------------------------------------------------------------------------------------

    def stop(self, profile: str) -> None:
        """Stop the cluster and keep its data. Raises ClusterError."""
        self._run([self._binary, "stop", f"--profile={profile}", "--output=json"], "stop")

    def delete(self, profile: str) -> None:
        """Delete the cluster, its network, volume and kubeconfig entries. Raises ClusterError."""
        import docker.errors

        if not self.owned(profile):
            raise ClusterError(
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
            self._engine.volumes.get(profile).remove()
        shutil.rmtree(self.home / "slipway" / profile)
        remove_if_empty(self._kubeconfig)

    def _run(self, command: list[str], what: str) -> None:
        run = subprocess.run(command, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if run.returncode:
            errors = [text for kind, text in map(read_event, run.stdout.splitlines()) if kind == "error"]
            raise ClusterError(
                f"'minikube {what}' failed: "
                + ("\n".join(errors) or run.stderr.strip()[-500:] or f"exit code {run.returncode}")
            )


def minikube_dir(home: pathlib.Path) -> pathlib.Path:
    """Where Minikube keeps its files: it appends .minikube to MINIKUBE_HOME unless it is named so already."""
    return home if home.name == ".minikube" else home / ".minikube"


def lock_file(home: pathlib.Path, profile: str) -> pathlib.Path:
    """The file that is locked for as long as somebody starts or deletes the profile."""
    return minikube_dir(home) / "slipway" / f"{profile}.lock"


def is_locked(home: pathlib.Path, profile: str) -> bool:
    """Whether somebody starts or deletes the profile."""
    try:
        with lock_file(home, profile).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def owned_profiles(home: pathlib.Path) -> list[str]:
    """The profiles of a MINIKUBE_HOME that Slipway created."""
    return sorted(note.parent.name for note in minikube_dir(home).glob(f"slipway/*/{OWNER_FILE}"))


@dataclasses.dataclass(frozen=True)
class Files:
    """What goes from a MINIKUBE_HOME with a profile: ``paths``; ``kept`` is a sentence that says what stays and why, or empty."""

    paths: tuple[pathlib.Path, ...] = ()
    kept: str = ""


def files_of(home: pathlib.Path, profile: str, state_dir: pathlib.Path | None) -> Files:
    """What goes with the profile: all of ``.minikube`` in Slipway's ``state_dir`` with the last one, otherwise the profile's own files."""
    place = minikube_dir(home)
    if not place.exists():
        return Files()
    owned = owned_profiles(home)
    others = [name for name in owned if name != profile]
    foreign = sorted(one.name for one in place.glob("profiles/*") if one.is_dir() and one.name not in owned)
    if others:
        reason = f"of {_profiles(others)}, which Slipway created too"
    elif foreign:
        reason = f"of {_profiles(foreign)}, which Slipway did not create"
    elif state_dir is None or home.resolve() != state_dir.resolve():
        reason = "it is not in Slipway's own state directory"
    else:
        return Files((place,))
    # Not the lock file: a run that waits for it must meet those that come after it.
    own = (place / "profiles" / profile, place / "machines" / profile, place / "slipway" / profile)
    paths = tuple(path for path in own if path.exists()) if profile in owned else ()
    return Files(paths, f"{place} stays, because {reason}. Only what belongs to profile {profile} is removed from it.")


def _profiles(names: t.Sequence[str]) -> str:
    return f"the Minikube profile{'s' if len(names) > 1 else ''} {', '.join(names)}"


def remove_files(paths: t.Iterable[pathlib.Path]) -> None:
    """Remove files and directories; one that has gone already is no error. Raises ClusterError."""
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ClusterError(
                f"{path} cannot be removed: {error.strerror} ({error.filename}). Remove it yourself, with the rights that it needs."
            ) from None


def remove_if_empty(kubeconfig: pathlib.Path) -> None:
    """Remove a kubeconfig that names no cluster, context or user any more: the skeleton that Minikube leaves behind."""
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return
    if (
        isinstance(content, dict)
        and content.get("kind") == "Config"
        and not any(content.get(key) for key in ("clusters", "contexts", "users"))
    ):
        kubeconfig.unlink()
        with contextlib.suppress(OSError):
            kubeconfig.parent.rmdir()


def api_server_lives(container: t.Any) -> bool:
    """Whether the API server answers on the port that the node's container publishes for it."""
    published = (container.attrs["NetworkSettings"].get("Ports") or {}).get(API_SERVER_PORT) or []
    if not published:
        return False
    # Anyone may ask /livez, and only whether it answers matters: the certificate is checked by those who send something.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        published[0]["HostIp"], int(published[0]["HostPort"]), timeout=API_SERVER_PATIENCE, context=context
    )
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def read_event(line: str) -> tuple[str, str]:
    """Kind (step, error or empty) and text of one line of ``minikube --output=json``, a CloudEvent."""
    try:
        event = json.loads(line)
    except ValueError:
        return "", ""
    data = event.get("data") or {}
    kind = str(event.get("type", "")).rpartition(".")[2]
    if kind == "error":
        advice = data.get("advice", "")
        return "error", f"{data.get('message', '').strip()} {advice}".strip()
    if kind == "step":
        return "step", f"{data.get('name', '')}: {data.get('message', '').strip()}"
    return "", ""


def last_errors(journal: str, most: int = 6) -> list[str]:
    """The last different error lines of a kubelet's journal, without klog's prefix."""
    lines: dict[str, None] = {}
    for line in journal.splitlines():
        match = re.match(r"[EF]\d{4} [\d:.]+\s+\d+ (?P<text>.*)", line)
        text = (
            match["text"]
            if match
            else line
            if re.search(r"\b(error|failed|fatal|panic)\b", line, re.IGNORECASE)
            else ""
        )
        if text:
            text = re.sub(r"^\S+\.go:\d+\] ", "", text)
            lines.pop(text, None)
            lines[text] = None
    return list(lines)[-most:]


def free_port(address: str, first: int) -> int:
    """``first`` if it can be listened on at ``address``, otherwise the next free one. Raises ClusterError."""
    last = min(first + PORTS_TRIED, 65536) - 1
    for port in range(first, last + 1):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise ClusterError(
        f"No port from {first} to {last} is free on {address}: set minikube_setup_ingress_first_port to one that is."
    )


def place_preload(source: pathlib.Path, target: pathlib.Path) -> None:
    """Put the preload where Minikube looks for it: a link where that can be, otherwise a copy."""
    if target.exists() and (target.samefile(source) or _same(source, target)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    try:
        os.link(source, scratch)
    except OSError:
        shutil.copy2(source, scratch)
    scratch.replace(target)


def _same(source: pathlib.Path, target: pathlib.Path) -> bool:
    """Same size and time: copies keep both."""
    a, b = source.stat(), target.stat()
    return (a.st_size, int(a.st_mtime)) == (b.st_size, int(b.st_mtime))
