# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Minikube profile: its state out of the engine and its files, starting, deleting."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube import files, profiles, starting
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from ansible_collections.slipway.kube.plugins.module_utils._minikube.files import (
    lock_file,
    owner_note,
    write_owner_note,
)
from ansible_collections.slipway.kube.plugins.module_utils._minikube.ports import free_port
from minikube_objects import ERROR, PROFILE, STEP, Container, Engine, Volume


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Say whether the API server answers."""

    def say(answer: bool) -> None:
        monkeypatch.setattr(profiles, "api_server_lives", lambda container: answer)

    say(True)
    return say


@pytest.fixture
def make(
    tmp_path: Path, lives: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., profiles.Minikube]:
    """Make a Minikube with a home of its own; ``binary`` is a shell script."""
    # Nor does a cluster of the developer have a part in this.
    person = tmp_path / "person"
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.setattr(files.pwd, "getpwuid", lambda _user: SimpleNamespace(pw_dir=str(person)))

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


def wanted(**changes: Any) -> profiles.ProfileSpec:
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
    return profiles.ProfileSpec(**{**given, **changes})


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
        (Container(made_by_minikube=False), True, True, "foreign"),
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
        "note and configuration, other container",
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
        write_owner_note(minikube.home, PROFILE, started=True)
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
    write_owner_note(minikube.home, PROFILE, started=started)
    assert minikube.inspect(PROFILE) == profiles.ProfileState(
        state, "docker", "v1.35.1", "containerd", 2, 6144, 8081, "192.168.49.2"
    )


def test_a_running_node_has_the_port_that_the_engine_has_given_it(make: Callable[..., profiles.Minikube]) -> None:
    container = Container()
    container.attrs["HostConfig"]["PortBindings"]["80/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": ""}]
    minikube = make(container)
    configure(minikube)
    write_owner_note(minikube.home, PROFILE, started=True)
    assert minikube.inspect(PROFILE).ingress_port == 8081


def test_stopped_cluster_keeps_its_port(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container("exited"))
    configure(minikube)
    write_owner_note(minikube.home, PROFILE, started=True)
    found = minikube.inspect(PROFILE)
    assert (found.state, found.ingress_port, found.address) == ("stopped", 8081, "")


def test_cut_configuration_is_a_start_that_was_killed(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container())
    configure(minikube, "{cut")
    write_owner_note(minikube.home, PROFILE, started=False)
    assert minikube.inspect(PROFILE).state == "stopped"


def test_persons_own_minikube_settings_do_not_count(
    make: Callable[..., profiles.Minikube], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIKUBE_DRIVER", "kvm2")
    monkeypatch.setenv("MINIKUBE_PROFILE", "other")
    environment = make()._environment()
    assert {"MINIKUBE_DRIVER", "MINIKUBE_PROFILE"}.isdisjoint(environment)
    assert environment["MINIKUBE_HOME"].endswith("/home/.minikube")


def test_differences_name_both_sides() -> None:
    found = profiles.ProfileState("running", "docker", "v1.34.0", "docker")
    assert found.differences(wanted()) == [
        "Kubernetes version: is v1.34.0, wanted v1.35.1",
        "container runtime: is docker, wanted containerd",
    ]
    assert profiles.ProfileState("running", "docker", "v1.35.1", "containerd").differences(wanted()) == []
    assert (
        profiles.ProfileState("running", "docker", "v1.35.1", "containerd").differences(wanted(kubernetes_version=""))
        == []
    )


# -- start and delete --------------------------------------------------------------------------------------------------


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "WATCH_INTERVAL", 0.02)


@pytest.mark.usefixtures("quickly")
def test_start_says_its_steps_and_is_noted(make: Callable[..., profiles.Minikube], tmp_path: Path) -> None:
    minikube = make(binary=f"printf '%s\\n' \"$@\" >{tmp_path}/arguments\nprintf '%s\\n' '{STEP}'")
    preload = tmp_path / "preload.tar.lz4"
    preload.write_text("preload")
    said: list[str] = []
    port = free_port("127.0.0.1", 20000)
    minikube.start(wanted(base_image="node:1", preload=preload, addons=("dashboard",), ingress_port=port), said.append)
    assert said == ["Starting Node: Starting it"]
    assert owner_note(minikube.home, PROFILE) == {"profile": PROFILE, "started": True}
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert {"--profile=slipway", "--memory=6144mb", "--base-image=node:1", "--addons=dashboard"} <= set(arguments)
    assert f"--ports=127.0.0.1:{port}:80" in arguments
    assert (minikube.home / "cache" / "preloaded-tarball" / preload.name).read_text() == "preload"


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "change",
    [
        lambda minikube: minikube.start(wanted(), lambda text: None),
        lambda minikube: minikube.stop(PROFILE),
        lambda minikube: minikube.delete(PROFILE),
    ],
    ids=["start", "stop", "delete"],
)
def test_minikube_inherits_the_lock(
    make: Callable[..., profiles.Minikube], tmp_path: Path, change: Callable[[profiles.Minikube], None]
) -> None:
    minikube = make(Container("exited"), binary=f"readlink /proc/$$/fd/* >{tmp_path}/open; exit 0")
    write_owner_note(minikube.home, PROFILE, started=True)
    with minikube.lock(PROFILE):
        change(minikube)
    assert str(lock_file(minikube.home, PROFILE)) in (tmp_path / "open").read_text().splitlines()


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
    with pytest.raises(MinikubeError) as caught:
        minikube.start(wanted(), lambda text: None)
    assert "no space Free some" in str(caught.value) and "driver gone" in str(caught.value)
    assert owner_note(minikube.home, PROFILE) == {"profile": PROFILE, "started": False}


def test_foreign_profile_is_never_deleted(make: Callable[..., profiles.Minikube], tmp_path: Path) -> None:
    minikube = make(Container(), binary=f"touch {tmp_path}/called")
    with pytest.raises(MinikubeError, match="not created by Slipway.*minikube delete -p slipway"):
        minikube.delete(PROFILE)
    assert not (tmp_path / "called").exists()


def test_delete_removes_what_minikube_does_not_know_of(make: Callable[..., profiles.Minikube]) -> None:
    container = Container()
    minikube = make(container)
    write_owner_note(minikube.home, PROFILE, started=False)
    minikube.delete(PROFILE)
    assert container.killed and container.removed
    assert minikube._engine.volume.removed
    assert not minikube.owned(PROFILE)


@pytest.mark.parametrize("state", ["unreachable", "incomplete", "running"])
def test_a_cluster_whose_node_runs_is_up(state: str) -> None:
    assert profiles.ProfileState(state).is_up
    assert not any(profiles.ProfileState(other).is_up for other in ("absent", "foreign", "stopped"))


def test_stop_keeps_the_note_and_the_container(make: Callable[..., profiles.Minikube], tmp_path: Path) -> None:
    container = Container()
    minikube = make(container, binary=f"printf '%s\\n' \"$@\" >{tmp_path}/arguments")
    write_owner_note(minikube.home, PROFILE, started=True)
    minikube.stop(PROFILE)
    assert (tmp_path / "arguments").read_text().splitlines() == ["stop", f"--profile={PROFILE}", "--output=json"]
    assert not container.killed and not container.removed and minikube.owned(PROFILE)


def test_volume_of_somebody_else_stays(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container())
    minikube._engine.volume = Volume(made_by_minikube=False)
    write_owner_note(minikube.home, PROFILE, started=True)
    minikube.delete(PROFILE)
    assert not minikube._engine.volume.removed


@pytest.mark.parametrize("what", ["stop", "delete"])
def test_minikube_that_stops_or_deletes_inherits_the_lock(
    make: Callable[..., profiles.Minikube], tmp_path: Path, what: str
) -> None:
    minikube = make(binary=f"readlink /proc/$$/fd/* >{tmp_path}/open; exit 0")
    write_owner_note(minikube.home, PROFILE, started=True)
    with minikube.lock(PROFILE):
        getattr(minikube, what)(PROFILE)
    assert str(lock_file(minikube.home, PROFILE)) in (tmp_path / "open").read_text().splitlines()


@pytest.mark.parametrize("found_by", ["XDG_STATE_HOME", "kubeconfig"])
def test_foreign_profile_of_another_home_names_that_home(
    make: Callable[..., profiles.Minikube], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    minikube, other = make(Container()), tmp_path / "state" / "slipway"
    if found_by == "XDG_STATE_HOME":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    else:
        certificate = {"certificate-authority": str(other / ".minikube" / "ca.crt")}
        clusters = [{"name": "other", "cluster": {}}, {"name": PROFILE, "cluster": certificate}]
        (tmp_path / "kubeconfig").write_text(json.dumps({"clusters": clusters}))
    assert "Set minikube_setup_profile to another name." in minikube.refusal(PROFILE)
    write_owner_note(other, PROFILE, started=True)
    assert f"That note is in {other}/.minikube: HOME or XDG_STATE_HOME has changed." in minikube.refusal(PROFILE)
    assert f"-e toolchain_state_dir={other}. Nothing was changed." in minikube.refusal(PROFILE)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"clusters": null}', '{"clusters": [{"name": "slipway"}]}'])
def test_foreign_profile_of_nobody_known_is_refused(
    make: Callable[..., profiles.Minikube], tmp_path: Path, content: str
) -> None:
    (tmp_path / "kubeconfig").write_text(content)
    refusal = make(Container()).refusal(PROFILE)
    assert f"there is no note in {tmp_path}/home/.minikube that Slipway created it. Nothing was changed." in refusal
    assert "Set minikube_setup_profile to another name." in refusal


def test_failed_delete_keeps_the_note(make: Callable[..., profiles.Minikube]) -> None:
    minikube = make(Container(), binary=f"echo '{ERROR}'; exit 1")
    write_owner_note(minikube.home, PROFILE, started=True)
    with pytest.raises(MinikubeError, match="'minikube delete' failed: no space"):
        minikube.delete(PROFILE)
    assert minikube.owned(PROFILE)
