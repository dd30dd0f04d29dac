# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Minikube profile: its state out of the engine and its files, starting, deleting."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube import profiles

PROFILE = "slipway"


class Container:
    def __init__(
        self,
        status: str = "running",
        made_by_minikube: bool = True,
        restarts: Iterable[str] = ("0",),
        journal: str = "",
    ) -> None:
        self.status = status
        self.labels = {"created_by.minikube.sigs.k8s.io": "true"} if made_by_minikube else {}
        self.attrs: dict[str, Any] = {
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}]}},
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}]} if status == "running" else {},
                "Networks": {PROFILE: {"IPAddress": "192.168.49.2" if status == "running" else ""}},
            },
        }
        self.removed = False
        self.killed = False
        # One answer a look, the last one again and again.
        self._restarts = list(restarts)
        self._journal = journal

    def kill(self) -> None:
        self.killed = True

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        if command[0] == "journalctl":
            return 0, self._journal.encode()
        assert command == ["sh", "-c", profiles.COUNT_RESTARTS]
        return 0, (self._restarts.pop(0) if len(self._restarts) > 1 else self._restarts[0]).encode()

    def remove(self, force: bool, v: bool) -> None:
        assert force and v
        self.removed = True


class Volume:
    removed = False

    def remove(self) -> None:
        self.removed = True


class Engine:
    """Enough of a docker.DockerClient: one container and its volume, or none."""

    def __init__(self, container: Container | None = None) -> None:
        self.container = container
        self.volume = Volume()
        self.containers = self
        self.volumes = self

    def get(self, name: str) -> Any:
        assert name == PROFILE
        if self.container is None:
            raise docker.errors.NotFound("no such container")
        return self.volume if self.container.removed else self.container


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Say whether the API server answers."""

    def say(answer: bool) -> None:
        monkeypatch.setattr(profiles, "api_server_lives", lambda container: answer)

    say(True)
    return say


@pytest.fixture
def make(tmp_path: Path, lives: Callable[[bool], None]) -> Callable[..., profiles.Minikube]:
    """Make a Minikube with a home of its own; ``binary`` is a shell script."""

    def go(container: Container | None = None, binary: str = "exit 0") -> profiles.Minikube:
        program = tmp_path / "minikube"
        program.write_text(f"#!/bin/sh\n{binary}\n")
        program.chmod(0o755)
        return profiles.Minikube(
            str(program), tmp_path / "home", tmp_path / "kubeconfig", "unix:///var/run/docker.sock", Engine(container)
        )

    return go


def configure(minikube: profiles.Minikube, text: str | None = None) -> None:
    """Write the profile's configuration as Minikube does."""
    place = minikube.home / "profiles" / PROFILE
    place.mkdir(parents=True, exist_ok=True)
    config = {
        "Driver": "docker",
        "CPUs": 2,
        "Memory": 6144,
        "KubernetesConfig": {"KubernetesVersion": "v1.35.1", "ContainerRuntime": "containerd"},
    }
    (place / "config.json").write_text(json.dumps(config) if text is None else text)


def wanted(**changes: Any) -> profiles.Wanted:
    given: dict[str, Any] = {
        "profile": PROFILE,
        "driver": "docker",
        "kubernetes_version": "v1.35.1",
        "container_runtime": "containerd",
        "cpus": 2,
        "memory": 6144,
        "addons": (),
        "base_image": None,
        "preload": None,
        "ingress_address": "127.0.0.1",
        "ingress_port": 8080,
    }
    return profiles.Wanted(**{**given, **changes})


# -- states ------------------------------------------------------------------------------------------------------------


def test_nothing_is_absent(make: Callable[..., profiles.Minikube]) -> None:
    assert make().inspect(PROFILE).state == "absent"


@pytest.mark.parametrize(
    ("container", "configured", "owned", "state"),
    [
        (Container(made_by_minikube=False), False, False, "foreign"),
        (Container(), False, False, "foreign"),
        (Container(), True, False, "foreign"),
        (None, True, False, "foreign"),
        # A container of that name that Minikube did not make is nobody's to remove, whatever the note says.
        (Container(made_by_minikube=False), False, True, "foreign"),
        # Killed before the configuration was written.
        (Container(), False, True, "stopped"),
        (None, True, True, "stopped"),
        (Container("exited"), True, True, "stopped"),
    ],
    ids=[
        "other container",
        "no note",
        "no note, configured",
        "no container, no note",
        "note, other container",
        "killed early",
        "no container",
        "exited",
    ],
)
def test_state_without_a_running_node(
    make: Callable[..., profiles.Minikube], container: Container | None, configured: bool, owned: bool, state: str
) -> None:
    minikube = make(container)
    if configured:
        configure(minikube)
    if owned:
        minikube._write_note(PROFILE, started=True)
    assert minikube.inspect(PROFILE).state == state


@pytest.mark.parametrize(
    ("started", "answers", "state"),
    [(True, True, "running"), (True, False, "unreachable"), (False, True, "incomplete")],
)
def test_state_of_a_running_node(
    make: Callable[..., profiles.Minikube], lives: Callable[[bool], None], started: bool, answers: bool, state: str
) -> None:
    lives(answers)
    minikube = make(Container())
    configure(minikube)
    minikube._write_note(PROFILE, started=started)
    assert minikube.inspect(PROFILE) == profiles.Cluster(
        state, "docker", "v1.35.1", "containerd", 2, 6144, 8081, "192.168.49.2"
    )


def test_stopped_cluster_keeps_its_port(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container("exited"))
    configure(minikube)
    minikube._write_note(PROFILE, started=True)
    found = minikube.inspect(PROFILE)
    assert (found.state, found.ingress_port, found.address) == ("stopped", 8081, "")


def test_cut_configuration_is_a_start_that_was_killed(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container())
    configure(minikube, "{cut")
    minikube._write_note(PROFILE, started=False)
    assert minikube.inspect(PROFILE).state == "stopped"


def test_home_is_where_minikube_looks(tmp_path: Path) -> None:
    for given in (tmp_path, tmp_path / ".minikube"):
        assert profiles.Minikube("", given, tmp_path, "", None).home == tmp_path / ".minikube"


def test_persons_own_minikube_settings_do_not_count(
    make: Callable[..., profiles.Minikube], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIKUBE_DRIVER", "kvm2")
    monkeypatch.setenv("MINIKUBE_PROFILE", "other")
    environment = make()._environment()
    assert {"MINIKUBE_DRIVER", "MINIKUBE_PROFILE"}.isdisjoint(environment)
    assert environment["MINIKUBE_HOME"].endswith("/home/.minikube")


def test_differences_name_both_sides() -> None:
    found = profiles.Cluster("running", "docker", "v1.34.0", "docker")
    assert found.differences(wanted()) == [
        "Kubernetes version: is v1.34.0, wanted v1.35.1",
        "container runtime: is docker, wanted containerd",
    ]
    assert profiles.Cluster("running", "docker", "v1.35.1", "containerd").differences(wanted()) == []
    assert (
        profiles.Cluster("running", "docker", "v1.35.1", "containerd").differences(wanted(kubernetes_version="")) == []
    )


def test_second_run_waits_for_the_first(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make()
    entered = threading.Event()

    def second() -> None:
        with minikube.lock(PROFILE):
            entered.set()

    thread = threading.Thread(target=second)
    assert not profiles.is_locked(minikube.home, PROFILE)
    with minikube.lock(PROFILE):
        assert profiles.is_locked(minikube.home, PROFILE) and not profiles.is_locked(minikube.home, "other")
        thread.start()
        assert not entered.wait(0.2)
        with minikube.lock("other"):
            pass  # another profile is another matter
    assert entered.wait(5)
    thread.join()
    assert not profiles.is_locked(minikube.home, PROFILE)


# -- start and delete --------------------------------------------------------------------------------------------------

STEP = '{"type":"io.k8s.sigs.minikube.step","data":{"name":"Starting Node","message":"Starting it\\n"}}'
ERROR = '{"type":"io.k8s.sigs.minikube.error","data":{"message":"no space","advice":"Free some"}}'


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "WATCH_INTERVAL", 0.02)


@pytest.mark.usefixtures("quickly")
def test_start_says_its_steps_and_is_noted(make: Callable[..., profiles.Minikube], tmp_path: Path) -> None:
    minikube = make(binary=f"printf '%s\\n' \"$@\" >{tmp_path}/arguments\nprintf '%s\\n' '{STEP}'")
    preload = tmp_path / "preload.tar.lz4"
    preload.write_text("preload")
    said: list[str] = []
    port = profiles.free_port("127.0.0.1", 20000)
    minikube.start(wanted(base_image="node:1", preload=preload, addons=("dashboard",), ingress_port=port), said.append)
    assert said == ["Starting Node: Starting it"]
    assert minikube._note(PROFILE) == {"profile": PROFILE, "started": True}
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert {"--profile=slipway", "--memory=6144mb", "--base-image=node:1", "--addons=dashboard"} <= set(arguments)
    assert f"--ports=127.0.0.1:{port}:80" in arguments
    assert (minikube.home / "cache" / "preloaded-tarball" / preload.name).read_text() == "preload"


@pytest.mark.usefixtures("quickly")
def test_another_port_is_said(make: Callable[..., profiles.Minikube]) -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        make().start(wanted(ingress_port=port), said.append)
    assert said[0].startswith(f"port {port} is taken: the cluster answers on ")


@pytest.mark.usefixtures("quickly")
def test_failed_start_is_told_with_its_words_and_stays_ours(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(binary=f"echo '{ERROR}'; echo 'E1121 10:00:00.1 7 start.go:1] driver gone' >&2; exit 80")
    with pytest.raises(profiles.ClusterError) as caught:
        minikube.start(wanted(), lambda text: None)
    assert "no space Free some" in str(caught.value) and "driver gone" in str(caught.value)
    assert minikube._note(PROFILE) == {"profile": PROFILE, "started": False}


@pytest.mark.usefixtures("quickly")
def test_kubelet_that_does_not_stay_up_ends_the_start_at_once(make: Callable[..., profiles.Minikube]) -> None:
    container = Container(
        restarts=["", "30", "42"], journal="E1121 10:00:00.000000 7 run.go:72] failed to run Kubelet: no cgroup"
    )
    minikube = make(container, binary="exec sleep 60")
    with pytest.raises(profiles.ClusterError, match=r"(?s)does not stay up.*failed to run Kubelet: no cgroup"):
        minikube.start(wanted(), lambda text: None)


@pytest.mark.usefixtures("quickly")
def test_restarts_before_the_kubelet_is_configured_are_no_trouble(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container(restarts=["", "30", "41"], journal="no such file or directory"), binary="sleep 0.3")
    minikube.start(wanted(), lambda text: None)


def test_foreign_profile_is_never_deleted(make: Callable[..., profiles.Minikube], tmp_path: Path) -> None:
    minikube = make(Container(), binary=f"touch {tmp_path}/called")
    with pytest.raises(profiles.ClusterError, match="not created by Slipway.*minikube delete -p slipway"):
        minikube.delete(PROFILE)
    assert not (tmp_path / "called").exists()


def test_delete_removes_what_minikube_does_not_know_of(make: Callable[..., profiles.Minikube]) -> None:
    container = Container()
    minikube = make(container)
    minikube._write_note(PROFILE, started=False)
    minikube.delete(PROFILE)
    assert container.killed and container.removed
    assert minikube._engine.volume.removed
    assert not minikube.owned(PROFILE)


def test_failed_delete_keeps_the_note(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container(), binary=f"echo '{ERROR}'; exit 1")
    minikube._write_note(PROFILE, started=True)
    with pytest.raises(profiles.ClusterError, match="'minikube delete' failed: no space"):
        minikube.delete(PROFILE)
    assert minikube.owned(PROFILE)


# -- files -------------------------------------------------------------------------------------------------------------


def lay(home: Path, owned: Sequence[str], foreign: Sequence[str] = ()) -> Path:
    """Lay profiles into a MINIKUBE_HOME and return where their files are."""
    place = home / ".minikube"
    for profile in (*owned, *foreign):
        (place / "profiles" / profile).mkdir(parents=True)
        (place / "machines" / profile).mkdir(parents=True)
    for profile in owned:
        (place / "slipway" / profile).mkdir(parents=True)
        (place / "slipway" / profile / profiles.OWNER_FILE).write_text("{}")
    return place


def test_everything_goes_with_the_last_profile(tmp_path: Path) -> None:
    place = lay(tmp_path, [PROFILE])
    (place / "slipway" / f"{PROFILE}.lock").touch()
    assert profiles.files_of(tmp_path, PROFILE, tmp_path) == profiles.Files((place,))


def test_left_over_files_go_too(tmp_path: Path) -> None:
    place = lay(tmp_path, [])
    place.mkdir()
    assert profiles.files_of(tmp_path, PROFILE, tmp_path / "." / "x" / "..") == profiles.Files((place,))


def test_nothing_goes_from_where_nothing_is(tmp_path: Path) -> None:
    assert profiles.files_of(tmp_path, PROFILE, None) == profiles.Files()


@pytest.mark.parametrize(
    ("others", "foreign", "own_home", "reason"),
    [
        (["b"], [], True, "because of the Minikube profile b, which Slipway created too."),
        (["b", "a"], ["mine"], False, "because of the Minikube profiles a, b, which Slipway created too."),
        ([], ["mine"], True, "because of the Minikube profile mine, which Slipway did not create."),
        ([], [], False, "because it is not in Slipway's own state directory."),
    ],
)
def test_only_the_profile_goes_from_where_more_is(
    tmp_path: Path, others: Sequence[str], foreign: Sequence[str], own_home: bool, reason: str
) -> None:
    place = lay(tmp_path, [PROFILE, *others], foreign)
    files = profiles.files_of(tmp_path, PROFILE, tmp_path if own_home else tmp_path / "state")
    assert files.paths == tuple(place / part / PROFILE for part in ("profiles", "machines", "slipway"))
    assert f"{place} stays, {reason}" in files.kept


def test_profile_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    lay(tmp_path, [], [PROFILE])
    files = profiles.files_of(tmp_path, PROFILE, tmp_path)
    assert files.paths == () and f"profile {PROFILE}, which Slipway did not create" in files.kept


def test_removing_what_has_gone_is_no_error_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "kept")
    profiles.remove_files([link, tmp_path / "gone"])
    assert not link.is_symlink() and (tmp_path / "kept").exists()


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "root's"))

    monkeypatch.setattr(profiles.shutil, "rmtree", refuse)
    with pytest.raises(profiles.ClusterError, match="cannot be removed: Permission denied .*root's"):
        profiles.remove_files([tmp_path])


# -- small things ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (STEP, ("step", "Starting Node: Starting it")),
        (ERROR, ("error", "no space Free some")),
        ('{"type":"io.k8s.sigs.minikube.info","data":{"message":"x"}}', ("", "")),
        ('{"type":"io.k8s.sigs.minikube.step"}', ("step", ": ")),
        ("not JSON", ("", "")),
        ("", ("", "")),
    ],
)
def test_read_event(line: str, event: tuple[str, str]) -> None:
    assert profiles.read_event(line) == event


def test_last_errors_are_the_last_different_ones_without_prefix() -> None:
    journal = "\n".join(
        [
            'E1121 10:00:00.000000     700 run.go:72] "command failed" err="no cgroup"',
            "I1121 10:00:00.000000     700 server.go:1] all is well",
            "kubelet.service: Main process exited",
            "F1121 10:00:01.000000     701 server.go:2] second",
            'E1121 10:00:02.000000     702 run.go:72] "command failed" err="no cgroup"',
            "panic: third",
        ]
    )
    assert profiles.last_errors(journal) == ["second", '"command failed" err="no cgroup"', "panic: third"]
    assert profiles.last_errors(journal, most=1) == ["panic: third"]
    assert profiles.last_errors("") == []


def test_free_port_passes_over_taken_ones() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < profiles.free_port("127.0.0.1", port) < port + profiles.PORTS_TRIED
    assert profiles.free_port("127.0.0.1", port) == port


def test_no_free_port_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "PORTS_TRIED", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            profiles.ClusterError, match=f"No port from {port} to {port} is free.*minikube_setup_ingress_first_port"
        ):
            profiles.free_port("127.0.0.1", port)


def test_address_of_another_machine_has_no_free_port() -> None:
    with pytest.raises(profiles.ClusterError, match=r"is free on 192\.0\.2\.1"):
        profiles.free_port("192.0.2.1", 8080)


def test_preload_is_linked_and_not_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target.tar.lz4"
    source.write_text("one")
    profiles.place_preload(source, target)
    assert target.samefile(source)
    before = target.stat().st_ino
    profiles.place_preload(source, target)
    assert target.stat().st_ino == before


def test_preload_is_copied_where_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "target.tar.lz4"
    source.write_text("one")
    os.utime(source, (1000, 1000))

    def refuse(*_arguments: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(profiles.os, "link", refuse)
    profiles.place_preload(source, target)
    assert target.read_text() == "one" and not target.samefile(source)
    # The copy is known as such by size and time, and stays.
    before = target.stat().st_ino
    profiles.place_preload(source, target)
    assert target.stat().st_ino == before
    # Another preload under the same name takes its place.
    source.write_text("other")
    profiles.place_preload(source, target)
    assert target.read_text() == "other"


def test_api_server_without_a_port_does_not_live() -> None:
    assert profiles.api_server_lives(Container()) is False


def test_api_server_that_nobody_answers_for_does_not_live() -> None:
    container = Container()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    container.attrs["NetworkSettings"]["Ports"]["8443/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    assert profiles.api_server_lives(container) is False


@pytest.mark.parametrize(("status", "lives"), [("200 OK", True), ("500 Internal Server Error", False)])
def test_api_server_with_the_certificate_of_its_own_cluster_lives_when_it_is_well(
    make_server: Callable[..., Any], authority: Any, responses: Any, status: str, lives: bool
) -> None:
    # Of another name, and by an authority that this machine does not know.
    server = make_server(authority.context("minikube"))
    server.routes["/livez"] = responses.answer(status, b"ok")
    container = Container()
    container.attrs["NetworkSettings"]["Ports"]["8443/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
    assert profiles.api_server_lives(container) is lives


EMPTY_KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\ncurrent-context: ''\n"


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        (EMPTY_KUBECONFIG, False),
        (EMPTY_KUBECONFIG.replace("users: null", "users: [{name: ada, user: {}}]"), True),
        ("just: notes", True),
        ("- a list", True),
        ("{", True),
    ],
)
def test_only_an_empty_kubeconfig_is_removed(tmp_path: Path, content: str, stays: bool) -> None:
    file = tmp_path / "kube" / "config"
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    profiles.remove_if_empty(file)
    assert file.exists() is stays
    assert file.parent.exists() is stays
