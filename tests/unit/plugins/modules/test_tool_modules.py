# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of tools, engine and cluster decide, with the engine and the cluster played by objects."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, downloads
from ansible_collections.slipway.kube.plugins.module_utils._distribution import container_engine as engine_module
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_network import EngineError
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import KeptRevision
from ansible_collections.slipway.kube.plugins.module_utils._minikube import profiles
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from ansible_collections.slipway.kube.plugins.module_utils._minikube.files import owned_profiles, write_owner_note
from ansible_collections.slipway.kube.plugins.modules import (
    artifact_bundle,
    container_engine,
    environment_info,
    minikube_cluster,
    minikube_image,
    release_program,
)
from ansible_collections.slipway.kube.plugins.modules import artifacts as artifacts_module
from distribution_objects import keep
from fake_kubernetes import FakeKubernetes, nobody, stand_in

CHECKOUT = Path(__file__).resolve().parents[4]


class Module:
    """Enough of an AnsibleModule."""

    def __init__(self, check_mode: bool = False, **params: Any) -> None:
        self.params = params
        self.check_mode = check_mode
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


# -- container_engine --------------------------------------------------------------------------------------------------


class Managed:
    """An engine of Slipway's own."""

    directory = Path("/var/lib/slipway")
    address = engine_module.DEFAULT_SOCKET

    def __init__(self, record: dict[str, Any] | None = None, holds: list[str] | None = None) -> None:
        self._record = record or {}
        self._holds = holds or []
        self.calls: list[Any] = []

    def record(self) -> dict[str, Any]:
        return self._record

    def foreign(self) -> list[str]:
        return self._holds

    def install(self, packages: list[str]) -> list[str]:
        self.calls.append(("install", sorted(packages)))
        return sorted(packages)

    def start(self, shim: Path | None) -> None:
        self.calls.append(("start", shim))

    def remove(self) -> list[str]:
        self.calls.append("remove")
        return ["everything"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the machine has: the answers of an engine one after the other, and packages."""

    def make(*answers: bool, packages: tuple[str, ...] = (), address: str = engine_module.DEFAULT_SOCKET) -> None:
        remaining = [{"Version": "20.10"} if answer else None for answer in answers]
        monkeypatch.setattr(engine_module, "ping", lambda asked: remaining.pop(0))
        monkeypatch.setattr(engine_module, "find", lambda: (address, engine_module.ping(address)))
        monkeypatch.setattr(container_engine, "installed_packages", lambda: set(packages))

    return make


def test_engine_that_answers_is_left_alone(machine: Callable[..., None]) -> None:
    machine(True)
    managed = Managed()
    result = container_engine.ensure_started(Module(packages=[], runtime_shim=None), managed)
    assert (result["changed"], result["version"], managed.calls) == (False, "20.10", [])


def test_packages_beside_an_engine_are_installed_without_another_engine(machine: Callable[..., None]) -> None:
    machine(True)
    managed = Managed()
    result = container_engine.ensure_started(Module(packages=["debootstrap"], runtime_shim=None), managed)
    assert (result["changed"], managed.calls) == (True, [("install", ["debootstrap"])])


def test_missing_engine_is_installed_and_started(machine: Callable[..., None]) -> None:
    machine(False, False, True, packages=("iptables",))
    managed = Managed()
    result = container_engine.ensure_started(Module(packages=[], runtime_shim="/cache/shim"), managed)
    assert result == {
        "changed": True,
        "docker_host": engine_module.DEFAULT_SOCKET,
        "version": "20.10",
        "installed": sorted(engine_module.PACKAGES),
    }
    assert managed.calls == [("install", sorted(engine_module.PACKAGES)), ("start", Path("/cache/shim"))]


def test_package_that_starts_its_engine_needs_no_second_start(machine: Callable[..., None]) -> None:
    machine(False, True)
    managed = Managed()
    container_engine.ensure_started(Module(packages=[], runtime_shim=None), managed)
    assert [call[0] for call in managed.calls] == ["install"]


def test_check_mode_says_and_does_nothing(machine: Callable[..., None]) -> None:
    machine(False)
    managed = Managed()
    result = container_engine.ensure_started(Module(check_mode=True, packages=[], runtime_shim=None), managed)
    assert (result["changed"], result["version"], managed.calls) == (True, "", [])


def test_remote_engine_that_is_silent_is_not_replaced_by_a_local_one(machine: Callable[..., None]) -> None:
    machine(False, False, packages=engine_module.PACKAGES, address="tcp://build.example:2376")
    managed = Managed()
    with pytest.raises(EngineError, match="DOCKER_HOST is tcp://build.example:2376.*no engine is reachable there"):
        container_engine.ensure_started(Module(packages=[], runtime_shim=None), managed)
    assert managed.calls == []


@pytest.mark.parametrize(
    ("managed", "check_mode", "changed", "calls"),
    [
        (Managed(), False, False, []),
        (Managed({"packages": []}), False, True, ["remove"]),
        (Managed({"packages": []}), True, True, []),
        (Managed({"packages": []}, ["container mine"]), False, False, []),
    ],
    ids=["not ours", "ours", "ours, check mode", "ours, in use"],
)
def test_only_an_empty_engine_of_our_own_is_removed(
    machine: Callable[..., None], managed: Managed, check_mode: bool, changed: bool, calls: list[str]
) -> None:
    machine(True)
    module = Module(check_mode=check_mode)
    assert container_engine.ensure_absent(module, managed)["changed"] is changed
    assert managed.calls == calls
    assert bool(module.warnings) is bool(managed.foreign())


# -- minikube_cluster --------------------------------------------------------------------------------------------------

RUNNING = profiles.ProfileState("running", "docker", "v1.35.1", "containerd", 2, 6144, 8080, "192.168.49.2")
STOPPED = profiles.ProfileState("stopped", "docker", "v1.35.1", "containerd", 2, 6144, 8080)


class Minikube:
    """A profile whose states are given; starting it takes the next one."""

    def __init__(self, *states: profiles.ProfileState) -> None:
        self._states = list(states)
        self._locked = ""
        self.calls: list[str] = []

    def inspect(self, _profile: str) -> profiles.ProfileState:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    @contextlib.contextmanager
    def lock(self, profile: str) -> Iterator[None]:
        self._locked = profile
        yield
        self._locked = ""

    def refusal(self, profile: str) -> str:
        return f"Slipway did not create {profile}: set minikube_setup_profile."

    def _change(self, what: str, profile: str) -> None:
        assert self._locked == profile, "another run may change it at the same time"
        self.calls.append(what)

    def start(self, wanted: profiles.ProfileSpec, _say: Callable[[str], None]) -> None:
        self._change("start", wanted.profile)

    def stop(self, profile: str) -> None:
        self._change("stop", profile)

    def delete(self, profile: str) -> None:
        self._change("delete", profile)


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the module on a profile."""

    monkeypatch.setattr(engine_module, "ping", lambda _address: {"Version": "20.10.24"})

    def go(minikube: Minikube, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(minikube_cluster.docker, "DockerClient", lambda **_options: None)
        monkeypatch.setattr(profiles, "Minikube", lambda *_arguments: minikube)
        params: dict[str, Any] = {
            "state": "started",
            "profile": "slipway",
            "binary": "/bin/sh",
            "home": "/nowhere",
            "state_dir": "/nowhere",
            "kubeconfig": "/kubeconfig",
            "docker_host": "unix:///nowhere",
            "driver": "docker",
            "kubernetes_version": "v1.35.1",
            "container_runtime": "containerd",
            "cpus": 2,
            "memory": 6144,
            "addons": [],
            "base_image": None,
            "preload": None,
            "ingress_address": "127.0.0.1",
            "ingress_port": 8080,
            "progress_file": None,
        }
        return minikube_cluster.run(Module(check_mode, **{**params, **options}))

    return go


@pytest.mark.parametrize(
    ("states", "wanted", "changed", "calls"),
    [
        ((RUNNING,), "started", False, []),
        ((STOPPED, STOPPED, RUNNING), "started", True, ["start"]),
        (
            (profiles.ProfileState("absent"), profiles.ProfileState("absent"), RUNNING),
            "started",
            True,
            ["start"],
        ),
        (
            (profiles.ProfileState("incomplete"), profiles.ProfileState("incomplete"), RUNNING),
            "started",
            True,
            ["start"],
        ),
        # Another run was quicker.
        ((STOPPED, RUNNING), "started", True, []),
        ((RUNNING,), "stopped", True, ["stop"]),
        ((profiles.ProfileState("unreachable"),), "stopped", True, ["stop"]),
        ((profiles.ProfileState("incomplete"),), "stopped", True, ["stop"]),
        ((RUNNING, STOPPED), "stopped", True, []),
        ((STOPPED,), "stopped", False, []),
        ((profiles.ProfileState("absent"),), "stopped", False, []),
        ((RUNNING,), "absent", True, ["delete"]),
        ((STOPPED,), "absent", True, ["delete"]),
        ((RUNNING, profiles.ProfileState("absent")), "absent", True, []),
        ((profiles.ProfileState("absent"),), "absent", False, []),
    ],
)
def test_cluster_is_brought_to_the_wanted_state(
    act: Callable[..., dict[str, Any]],
    states: tuple[profiles.ProfileState, ...],
    wanted: str,
    changed: bool,
    calls: list[str],
) -> None:
    minikube = Minikube(*states)
    assert act(minikube, state=wanted)["changed"] is changed
    assert minikube.calls == calls


@pytest.mark.parametrize("wanted", ["started", "stopped", "absent"])
def test_check_mode_touches_no_cluster(act: Callable[..., dict[str, Any]], wanted: str) -> None:
    minikube = Minikube(STOPPED if wanted == "started" else RUNNING)
    assert act(minikube, check_mode=True, state=wanted)["changed"] is True
    assert minikube.calls == []


@pytest.mark.parametrize(
    ("wanted", "state", "changed"),
    [("started", "absent", True), ("stopped", "absent", False), ("absent", "unknown", False)],
)
def test_check_mode_needs_no_engine(
    act: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, wanted: str, state: str, changed: bool
) -> None:
    monkeypatch.setattr(engine_module, "ping", lambda _address: None)
    minikube = Minikube(RUNNING)
    result = act(minikube, check_mode=True, state=wanted)
    assert (result["state"], result["changed"]) == (state, changed)
    assert minikube.calls == []


def home_of(place: Path, *owned: str) -> Path:
    """A MINIKUBE_HOME with profiles that Slipway created."""
    for profile in owned:
        for part in ("slipway", "profiles"):
            (place / ".minikube" / part / profile).mkdir(parents=True)
        write_owner_note(place, profile, started=True)
    return place


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("missing", ["engine", "minikube", "nothing"])
def test_files_go_with_the_cluster(
    act: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: str,
    check_mode: bool,
) -> None:
    # Without an owner's note, a half set up machine: nothing can be running.
    home = home_of(tmp_path, *(["slipway"] if missing == "nothing" else []))
    (home / ".minikube").mkdir(exist_ok=True)
    if missing == "engine":
        monkeypatch.setattr(engine_module, "ping", lambda _address: None)
    minikube = Minikube(RUNNING)
    options = {"home": str(home), "state_dir": str(home), "binary": "/missing" if missing == "minikube" else "/bin/sh"}
    result = act(minikube, check_mode, state="absent", **options)
    assert (result["changed"], result["removed"], result["kept"]) == (True, [str(home / ".minikube")], "")
    assert result["state"] == ("running" if missing == "nothing" else "unknown")
    assert (home / ".minikube").exists() is check_mode
    assert minikube.calls == (["delete"] if missing == "nothing" and not check_mode else [])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("missing", "why"),
    [("engine", "the container engine at unix:///nowhere does not answer"), ("minikube", "/missing is missing")],
)
def test_note_of_a_cluster_that_may_still_be_there_stays(
    act: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: str,
    why: str,
    check_mode: bool,
) -> None:
    home = home_of(tmp_path, "slipway")
    if missing == "engine":
        monkeypatch.setattr(engine_module, "ping", lambda _address: None)
    options = {"home": str(home), "state_dir": str(home), "binary": "/missing" if missing == "minikube" else "/bin/sh"}
    with pytest.raises(
        MinikubeError, match=f"slipway cannot be deleted, because {why}. Nothing was changed.*remove {home}"
    ):
        act(Minikube(RUNNING), check_mode, state="absent", **options)
    assert owned_profiles(home) == ["slipway"] and (home / ".minikube/profiles/slipway").exists()


@pytest.mark.parametrize("check_mode", [False, True])
def test_files_of_another_cluster_stay(act: Callable[..., dict[str, Any]], tmp_path: Path, check_mode: bool) -> None:
    home = home_of(tmp_path, "slipway", "second")
    result = act(Minikube(STOPPED), check_mode, state="absent", home=str(home), state_dir=str(home))
    assert "stays, because of the Minikube profile second, which Slipway created too." in result["kept"]
    assert owned_profiles(home) == (["second", "slipway"] if check_mode else ["second"])
    assert (home / ".minikube/profiles/slipway").exists() is check_mode
    assert (home / ".minikube/profiles/second").exists()


def test_files_of_a_foreign_cluster_stay(act: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / ".minikube/profiles/slipway").mkdir(parents=True)
    with pytest.raises(MinikubeError, match="did not create"):
        act(Minikube(profiles.ProfileState("foreign")), state="absent", home=str(tmp_path), state_dir=str(tmp_path))
    assert (tmp_path / ".minikube/profiles/slipway").exists()


@pytest.mark.parametrize("wanted", ["started", "stopped", "absent"])
def test_foreign_cluster_is_refused_whatever_is_wanted(act: Callable[..., dict[str, Any]], wanted: str) -> None:
    minikube = Minikube(profiles.ProfileState("foreign"))
    with pytest.raises(MinikubeError, match="did not create.*minikube_setup_profile"):
        act(minikube, state=wanted)
    assert minikube.calls == []


def test_cluster_of_another_version_is_refused_with_the_difference(act: Callable[..., dict[str, Any]]) -> None:
    minikube = Minikube(RUNNING)
    with pytest.raises(MinikubeError, match="Kubernetes version: is v1.35.1, wanted v1.36.0"):
        act(minikube, kubernetes_version="v1.36.0")
    assert minikube.calls == []


# -- environment_info --------------------------------------------------------------------------------------------------


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """A machine on which nothing has been set up."""
    (tmp_path / "state").mkdir()
    return {
        "cache_dir": str(tmp_path / "cache"),
        "state_dir": str(tmp_path / "state"),
        "distribution": str(CHECKOUT / "distribution"),
        "profile": "mine",
        "releases": {},
        "versions": {},
        "check_sums": False,
    }


def note(params: dict[str, Any], **noted: Any) -> None:
    (Path(params["state_dir"]) / "toolchain.json").write_text(json.dumps(noted))


def test_new_machine_lacks_every_tool(params: dict[str, Any]) -> None:
    found = environment_info.toolchain(params, None)
    assert (found["source"], found["tools"], found["cached"]) == ("", {}, False)
    assert found["missing"] == ["tool kubectl", "tool helm", "tool minikube"]


@pytest.fixture
def released(params: dict[str, Any], tmp_path: Path) -> Path:
    """A machine with the tools of official releases; the directory of their commands."""
    commands, cache = tmp_path / "bin", tmp_path / "cache" / "release"
    commands.mkdir()
    cache.mkdir(parents=True)
    for name in environment_info.TOOLS:
        program = cache / f"{name}-v1"
        program.write_text(name)
        receipts.write(program, receipts.of(program, {"file": program.name}))
        (commands / name).symlink_to(program)
        params["releases"][name] = str(program)
    note(params, source="release", tools={name: str(commands / name) for name in environment_info.TOOLS})
    return commands


def test_released_tools_are_whole(params: dict[str, Any], released: Path) -> None:
    found = environment_info.toolchain(params, None)
    assert found["tools"] == {name: str(released / name) for name in environment_info.TOOLS}
    assert (found["missing"], found["cached"]) == ([], True)


def test_released_tool_that_was_removed_or_damaged_is_lacking(params: dict[str, Any], released: Path) -> None:
    (released / "kubectl").resolve().unlink()
    (released / "helm").resolve().write_text("he")
    found = environment_info.toolchain(params, None)
    assert found["tools"] == {"minikube": str(released / "minikube")}
    assert found["missing"] == ["tool kubectl", "tool helm (it has 2 bytes instead of 4)"]
    assert found["cached"] is False
    (released / "helm").resolve().write_text("meld"[::-1])
    assert "tool helm" not in " ".join(environment_info.toolchain(params, None)["missing"])
    deep = environment_info.toolchain({**params, "check_sums": True}, None)["missing"]
    assert "tool helm (its content has changed since it was made)" in deep


def test_command_of_another_version_than_the_wanted_one_is_lacking(params: dict[str, Any], released: Path) -> None:
    params["releases"]["helm"] = params["releases"]["helm"].replace("-v1", "-v2")
    found = environment_info.toolchain(params, None)
    assert found["missing"] == ["tool helm"] and "helm" not in found["tools"]


def test_released_tools_without_receipts_need_no_probe_of_the_network(params: dict[str, Any], released: Path) -> None:
    for name in environment_info.TOOLS:
        receipts.receipt_file((released / name).resolve()).unlink()
    found = environment_info.toolchain(params, None)
    assert found["missing"] == [f"tool {name} (it has no receipt)" for name in environment_info.TOOLS]
    assert found["cached"] is True


def test_other_versions_than_the_built_ones_are_warned_about(params: dict[str, Any]) -> None:
    note(params, source="packages", inputs={"architecture": "x86_64", "ca_bundle": "aa"})
    built = artifacts.load(CHECKOUT / "distribution", {"architecture": "x86_64", "ca_bundle": "aa"}).versions
    assert environment_info.toolchain({**params, "versions": dict(built)}, None)["warnings"] == []
    (warning,) = environment_info.toolchain({**params, "versions": {**built, "helm": "v9.0.0"}}, None)["warnings"]
    assert f"builds helm {built['helm']}" in warning


def test_cut_note_counts_as_none(params: dict[str, Any]) -> None:
    (Path(params["state_dir"]) / "toolchain.json").write_text("{cut")
    assert environment_info.toolchain(params, None)["source"] == ""


def test_packages_are_lacking_file_by_file_and_name_by_name(params: dict[str, Any], tmp_path: Path) -> None:
    note(params, source="packages", inputs={"architecture": "x86_64", "ca_bundle": "aa"})
    distribution = artifacts.load(CHECKOUT / "distribution", {"architecture": "x86_64", "ca_bundle": "aa"})
    cache = tmp_path / "cache"

    def link(command: str, target: Path) -> None:
        place = Path(params["state_dir"]) / "bin" / command
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    keep(distribution.of("program", "helm"), cache)
    older = cache / "older"
    older.touch()
    link("helm", older)
    found = environment_info.toolchain(params, None)
    assert found["tools"] == {} and "program helm" in found["missing"]

    link("helm", distribution.of("program", "helm").path(cache))
    found = environment_info.toolchain(params, None)
    assert found["tools"] == {"helm": f"{params['state_dir']}/bin/helm"}
    assert {"program kube", "program minikube", "image kicbase", "preload"} <= set(found["missing"])
    assert "program helm" not in found["missing"]

    for artifact in distribution.portable():
        keep(artifact, cache)
    for command, program in distribution.host.items():
        link(command, distribution.of("program", program).path(cache))
    images = [one for one in distribution.artifacts.values() if one.kind == "image" and one.file is not None]
    tags = {
        one.name: [one.image, *(name.removeprefix("docker.io/library/") for name in one.settings.get("names", []))]
        for one in images
    }

    def listed() -> list[dict[str, Any]]:  # an image without a name has none to list
        return [*({"RepoTags": names} for names in tags.values()), {"RepoTags": None}]

    engine = SimpleNamespace(api=SimpleNamespace(images=listed))
    found = environment_info.toolchain(params, engine)
    assert (found["missing"], found["cached"]) == ([], True)
    assert found["preload"] and found["node_image"].startswith("slipway.local/kicbase:")

    # Somebody took a name away from an image, and files are not what they were.
    tags["python"].pop()
    distribution.of("program", "kube").path(cache).write_bytes(b"")
    distribution.of("image", "kicbase").path(cache).write_bytes(b"CONTENT")
    receipts.receipt_file(distribution.of("preload", "preload").path(cache)).unlink()
    found = environment_info.toolchain(params, engine)
    assert found["missing"] == [
        "program kube (it has 0 bytes instead of 7)",
        "image python",
        "preload (it has no receipt)",
    ]
    assert (found["cached"], found["preload"], "kubectl" in found["tools"]) == (False, "", False)
    deep = environment_info.toolchain({**params, "check_sums": True}, engine)
    assert "image kicbase (its content has changed since it was made)" in deep["missing"]


# -- release_program ---------------------------------------------------------------------------------------------------


class Download(downloads.Download):
    """A download that needs no network: it writes what a test says."""

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__("https://user:word@mirror.example/helm.tar.gz", path, "", "sums", "pin", 1)
        self.content = content
        self.fetched = 0

    def fetch(self) -> None:
        self.fetched += 1
        self.path.write_bytes(self.content)
        receipts.write(self.path, receipts.of(self.path, self._inputs))


def packed(path: Path, program: bytes) -> bytes:
    with tarfile.open(path, "w:gz") as opened:
        entry = tarfile.TarInfo("helm")
        entry.size = len(program)
        opened.addfile(entry, io.BytesIO(program))
    content = path.read_bytes()
    path.unlink()
    return content


def test_program_comes_out_of_the_archive_that_is_there(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    download = Download(tmp_path / "helm.tar.gz", packed(tmp_path / "helm.tar.gz", b"helm"))

    def ensure(check_mode: bool = False) -> tuple[bool, bool]:
        return release_program.ensure(download, "helm", program, False, check_mode)

    assert ensure(check_mode=True) == (True, True) and not program.exists()
    assert ensure() == (True, True) and program.read_bytes() == b"helm"
    assert ensure() == (False, False)
    program.write_bytes(b"he")
    assert ensure(check_mode=True) == (False, True) and program.read_bytes() == b"he"
    assert ensure() == (False, True) and program.read_bytes() == b"helm" and download.fetched == 1
    # Neither is what it was, and of the archive only the sum tells.
    program.unlink()
    download.path.write_bytes(download.content[::-1])
    assert ensure() == (True, True) and program.read_bytes() == b"helm" and download.fetched == 2
    # Another version of the archive has another program.
    download.content = packed(tmp_path / "new.tar.gz", b"more")
    download.path.unlink()
    assert ensure() == (True, True) and program.read_bytes() == b"more"


def test_program_of_a_version_without_receipts_is_kept(tmp_path: Path) -> None:
    download = Download(tmp_path / "kubectl-v1", b"")
    download.path.write_bytes(b"kubectl")
    (tmp_path / "kubectl-v1.sha256").write_text(receipts.sha256_of(download.path))
    for _ in range(2):
        assert release_program.ensure(download, None, download.path, False, True) == (False, True), "check mode"
    assert release_program.ensure(download, None, download.path, False, False) == (False, True)
    assert release_program.ensure(download, None, download.path, False, False) == (False, False)
    assert download.fetched == 0


# -- what stands in the way of the cache -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device"),
            "cache cannot be used: No space left on device. Free some space there",
        ),
        (PermissionError(13, "Permission denied", "/cache/lock"), "/cache/lock cannot be used: Permission denied."),
        (receipts.ReceiptError("a newer version"), "a newer version"),
    ],
)
@pytest.mark.parametrize("module", [artifacts_module, artifact_bundle, release_program])
def test_what_stands_in_the_way_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: ModuleType,
    error: Exception,
    message: str,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    options: dict[ModuleType, dict[str, Any]] = {
        artifacts_module: {"distribution": str(CHECKOUT / "distribution")},
        artifact_bundle: {"distribution": str(CHECKOUT / "distribution"), "state": "created", "path": str(tmp_path)},
        release_program: {"url": "https://mirror.example/x", "sum_url": "y", "path": str(tmp_path / "cache" / "x")},
    }
    if module is not release_program:
        options[module]["cache_dir"] = str(tmp_path / "cache")
    monkeypatch.setattr(module, "lock", fail)
    with patch_module_args(options[module]), pytest.raises(SystemExit):
        module.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["failed"] and message in answer["msg"] and "exception" not in answer


def test_profiles_that_need_the_tools_are_those_of_both_directories(params: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = home_of(tmp_path / "elsewhere", "b", "c")
    assert environment_info.served_profiles({**params, "minikube_home": str(elsewhere)}) == ["b", "c"]
    home_of(Path(params["state_dir"]), "a", "b")
    assert environment_info.served_profiles({**params, "minikube_home": str(elsewhere)}) == ["a", "b", "c"]


def test_size_is_told_before_the_cache_exists(params: dict[str, Any]) -> None:
    found = environment_info.machine(params)
    assert found["memory_mb"] > 100
    assert found["disk_free_gb"] >= 0
    assert not Path(params["cache_dir"]).exists()


def test_cluster_without_an_engine_is_unknown(params: dict[str, Any]) -> None:
    found = environment_info.cluster(params, {"minikube": "/minikube"}, "", None)
    assert (found["profile"], found["state"]) == ("mine", "unknown")
    assert environment_info.cluster(params, {}, "", object())["state"] == "unknown"


def test_images_of_a_running_node_are_those_that_the_engine_does_not_contradict(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = {"docker.io/library/same:1": "a", "docker.io/library/other:1": "a", "docker.io/library/only:1": "a"}
    engine = {"docker.io/library/same:1": "a", "docker.io/library/other:1": "b"}
    names = environment_info.node_images
    monkeypatch.setattr(names, "Node", lambda client, name: SimpleNamespace(images=lambda: node))
    monkeypatch.setattr(names, "Engine", lambda client: SimpleNamespace(images=lambda: engine))
    running = profiles.ProfileState("running")
    monkeypatch.setattr(environment_info.profiles.Minikube, "inspect", lambda self, profile: running)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nprintf 5a0e\n")
    kubectl.chmod(0o755)
    place = {"minikube_home": "/home", "kubeconfig": "/kubeconfig", "context": "slipway", "profile": "slipway"}
    given = {**params, **place, "images": ["same:1", "other:1", "only:1", "none:1"]}
    found = environment_info.cluster(given, {"minikube": "/minikube", "kubectl": str(kubectl)}, "", object())
    assert found["images"] == ["same:1", "only:1"] and found["platform"] == "5a0e"


# -- minikube_image ----------------------------------------------------------------------------------------------------


def test_revisions_that_helm_keeps_are_those_of_all_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeKubernetes()
    for namespace, number in (("shop", 1), ("shop", 2), ("mail", 9)):
        labels = {"owner": "helm", "name": "web", "version": str(number), "status": "superseded"}
        data = {
            "release": releases.encode(
                {"manifest": f"image: web:{number}\n", "hooks": [{"manifest": "image: job:1\n"}]}
            )
        }
        api.add("secrets", f"web.v{number}", namespace, labels=labels, type=releases.TYPE, data=data)
    stand_in(api, monkeypatch)
    assert minikube_image.kept_revisions(None, "slipway") == [
        KeptRevision("shop", "web", 1, ("job:1", "web:1")),
        KeptRevision("shop", "web", 2, ("job:1", "web:2")),
        KeptRevision("mail", "web", 9, ("job:1", "web:9")),
    ]


@pytest.mark.parametrize(("state", "fails"), [("present", False), ("restored", True)])
def test_cluster_that_does_not_tell_its_revisions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, fails: bool
) -> None:
    nobody(monkeypatch, "The cluster is gone.")
    monkeypatch.setattr(minikube_image.docker, "DockerClient", lambda **_options: None)
    asked: list[Any] = []

    def run(_params: Any, _engine: Any, _check_mode: bool, ask_kept: Callable[[], Any]) -> dict[str, Any]:
        asked.append(ask_kept())
        return {}

    monkeypatch.setattr(minikube_image.runner, "run", run)
    with patch_module_args({"components": {}, "state": state}), pytest.raises(SystemExit):
        minikube_image.main()
    result = json.loads(capsys.readouterr().out)
    assert result.get("msg") == ("The cluster is gone." if fails else None) and asked == ([] if fails else [None])
