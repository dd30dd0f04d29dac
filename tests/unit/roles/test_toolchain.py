# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role toolchain, run by Ansible as a person would, against a container engine and a mirror on loopback.

Nothing here needs root, a network or an engine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, bundles
from docker_engine import DockerEngine

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

ROOT = Path(__file__).resolve().parents[3]
MAKER = {"architecture": os.uname().machine, "ca_bundle": "a" * 64}
on_x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the role's programs are for x86_64")

DISTRIBUTION = """
kubernetes_version: v1.35.1
programs: {runtime-shim: {}, kube: {}, helm: {}, minikube: {}}
host: {kubectl: kube, helm: helm, minikube: minikube}
rootfs: {debian: {suite: trixie}}
images:
  kicbase: {parents: {DEBIAN: debian}, programs: [kube], archive: true}
  python: {parents: {DEBIAN: debian}, names: ["docker.io/library/python:3"], archive: true}
preload: {node: kicbase, images: [python], file: preloaded.tar.lz4}
"""


# -- a mirror of the official releases --------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path, list[str], http.server.ThreadingHTTPServer]]:
    """Its address, its directory, what was asked of it, and the server."""
    directory = tmp_path / "mirror"
    programs = {name: f"#!/bin/sh\necho {name}\n".encode() for name in ("kubectl", "helm", "minikube")}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("linux-amd64/helm")
        entry.size = len(programs["helm"])
        archive.addfile(entry, io.BytesIO(programs["helm"]))
    files = {
        "k8s/v1.0.0/bin/linux/amd64/kubectl": (programs["kubectl"], ".sha256", "{sum}"),
        "helm/helm-v1.0.0-linux-amd64.tar.gz": (buffer.getvalue(), ".sha256sum", "{sum}  {name}\n"),
        "minikube/v1.0.0/minikube-linux-amd64": (programs["minikube"], ".sha256", "{sum}\n"),
    }
    for name, (content, suffix, form) in files.items():
        file = directory / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        Path(f"{file}{suffix}").write_text(form.format(sum=hashlib.sha256(content).hexdigest(), name=file.name))
    (directory / "k8s/stable.txt").write_text("v1.0.0")
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, directory=str(directory), **options)

        def log_request(self, *_arguments: object) -> None:
            asked.append(f"{self.command} {self.path}")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", directory, asked, server
    server.shutdown()
    server.server_close()


# -- a machine --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Run:
    """How a run of the role ended."""

    code: int
    out: str

    @property
    def changed(self) -> int:
        found = re.search(r"changed=(\d+)", self.out)
        assert found, self.out
        return int(found[1])

    @property
    def text(self) -> str:
        """What was said, on one line and without the quoting of JSON."""
        return " ".join(self.out.replace("\\n", " ").split())


class Machine:
    """A home directory, and the role run on it."""

    def __init__(self, home: Path, ansible: Ansible, environment: dict[str, str], engine: str) -> None:
        self.home = home
        self._ansible = ansible
        self.cache = home / "cache"
        self.state = home / "state"
        self.environment = {
            **{key: value for key, value in environment.items() if not key.lower().endswith("_proxy")},
            "HOME": str(home),
            "DOCKER_HOST": engine,
            "no_proxy": "127.0.0.1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_PIPELINING": "true",
        }
        home.mkdir(parents=True, exist_ok=True)

    def tasks(
        self,
        tasks: list[dict[str, Any]],
        *options: str,
        before: tuple[str, ...] = (),
        fork_modules: bool = True,
        **variables: Any,
    ) -> Run:
        # Variables of the play, over which a task's own win.
        base = {
            "toolchain_cache_dir": str(self.cache),
            "toolchain_state_dir": str(self.state),
            "toolchain_engine_dir": str(self.home / "engine"),
            "toolchain_min_disk_gb": 0,
            "toolchain_min_memory_mb": 0,
            "toolchain_kubeconfig": str(self.home / "kubeconfig"),
            "minikube_setup_kubeconfig": str(self.home / "kubeconfig"),
            "ansible_python_interpreter": sys.executable,
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": base | variables,
            "tasks": tasks,
        }
        playbook = self.home / "play.json"
        playbook.write_text(json.dumps([play]))
        arguments = [str(playbook), "-i", "localhost,", *options]
        if not before:
            done = self._ansible.playbook(
                *arguments, directory=self.home, environment=self.environment, fork_modules=fork_modules
            )
            return Run(done.code, done.out + done.err)
        run = subprocess.run(
            [*before, sys.executable, "-m", "ansible", "playbook", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        return Run(run.returncode, run.stdout + run.stderr)

    def set_up(self, *options: str, **variables: Any) -> Run:
        """Run the role; C(before) and C(fork_modules) are options of the run, all others variables of the play."""
        task = {"name": "Set up", "ansible.builtin.import_role": {"name": "slipway.kube.toolchain"}, "tags": ["setup"]}
        return self.tasks([task], "--tags", "setup", *options, **variables)

    def noted(self) -> Any:
        return json.loads((self.state / "toolchain.json").read_text())

    def command(self, name: str) -> str:
        return subprocess.run(
            [str(self.state / "bin" / name)], capture_output=True, text=True, check=True
        ).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str], engine: DockerEngine) -> Machine:
    return Machine(tmp_path / "home", ansible, ansible_environment, engine.address)


def releases(url: str) -> dict[str, Any]:
    return {
        "toolchain_kubectl_url": f"{url}/k8s",
        "toolchain_helm_url": f"{url}/helm",
        "toolchain_minikube_url": f"{url}/minikube",
        **{f"toolchain_{tool}_version": "v1.0.0" for tool in ("kubectl", "helm", "minikube")},
        "toolchain_probe_urls": [f"{url}/k8s/stable.txt"],
    }


# -- source release ---------------------------------------------------------------------------------------------------


@on_x86_64
def test_releases_are_taken_once_and_the_mirror_may_be_gone_afterwards(machine: Machine, mirror: Any) -> None:
    url, _directory, asked, server = mirror
    variables = {"toolchain_source": "release", **releases(url)}

    would = machine.set_up("--check", **variables)
    assert would.code == 0, would.out
    assert would.changed > 0
    assert asked == [] and not machine.cache.exists() and not machine.state.exists()

    first = machine.set_up(**variables)
    assert first.code == 0, first.out
    assert {name: machine.command(name) for name in ("kubectl", "helm", "minikube")} == {
        "kubectl": "kubectl",
        "helm": "helm",
        "minikube": "minikube",
    }
    assert machine.noted()["source"] == "release"

    server.shutdown()
    server.server_close()
    asked.clear()
    second = machine.set_up(**variables)
    assert (second.code, second.changed) == (0, 0), second.out
    # The commands lead to the version that is wanted, and to whole files.
    raised = machine.set_up("--check", **{**variables, "toolchain_helm_version": "v1.1.0"})
    assert (raised.code, raised.changed > 0) == (0, True) and "Missing: tool helm." in raised.text, raised.out
    kubectl = machine.cache / "release" / "kubectl-v1.0.0"
    content = kubectl.read_bytes()
    kubectl.write_bytes(content[::-1])
    deep = machine.set_up("--check", toolchain_check_sums=True, **variables)
    assert "Missing: tool kubectl (its content has changed since it was made)." in deep.text, deep.out
    kubectl.write_bytes(content)
    # What an earlier version of Slipway left is taken over.
    receipts.receipt_file(kubectl).unlink()
    kubectl.with_name(kubectl.name + ".sha256").write_text(sha256_of(kubectl))
    taken_over = machine.set_up(**variables)
    assert taken_over.code == 0 and "Missing: tool kubectl (it has no receipt)." in taken_over.text, taken_over.out
    other = machine.set_up(**{**variables, "toolchain_source": "packages"})
    assert (other.code, other.changed) == (0, 0) and "the installed tools came from release" in other.text, other.out
    # Even where the set-up has to begin anew.
    (machine.state / "toolchain.json").unlink()
    third = machine.set_up(**variables)
    assert (third.code, third.changed) == (0, 1), third.out
    assert asked == []


@on_x86_64
def test_auto_takes_releases_where_the_hosts_answer_and_keeps_to_them(
    machine: Machine, mirror: Any, engine: DockerEngine
) -> None:
    url, directory, _asked, _server = mirror
    (directory / "minikube/v1.0.0/minikube-linux-amd64.sha256").write_text("0" * 64)
    wrong = machine.set_up(**releases(url))
    assert wrong.code != 0
    assert "Tools from their official releases" in wrong.text
    assert (
        "minikube-linux-amd64 has the SHA-256" in wrong.text
        and "pin the right checksum in toolchain_minikube_sha256" in wrong.text
    )
    assert not (machine.cache / "release/minikube-v1.0.0").exists() and not (machine.state / "toolchain.json").exists()

    right = hashlib.sha256((directory / "minikube/v1.0.0/minikube-linux-amd64").read_bytes()).hexdigest()
    # Once with modules in a Python of their own, as on a person's machine.
    pinned = machine.set_up(toolchain_minikube_sha256=right, fork_modules=False, **releases(url))
    assert pinned.code == 0, pinned.out
    assert machine.command("minikube") == "minikube"


@on_x86_64
def test_a_version_that_the_mirror_lacks_is_said_with_what_to_do(machine: Machine, mirror: Any) -> None:
    run = machine.set_up(toolchain_source="release", **{**releases(mirror[0]), "toolchain_helm_version": "v9.9.9"})
    assert run.code != 0
    assert "helm-v9.9.9-linux-amd64.tar.gz.sha256sum cannot be downloaded, it answers 404" in run.text
    assert "toolchain_source=packages" in run.text


def test_auto_takes_packages_where_a_host_is_silent(machine: Machine, mirror: Any) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    urls = [f"{mirror[0]}/k8s/stable.txt", f"http://127.0.0.1:{silent.getsockname()[1]}/v2/"]
    # What making from packages would do next must not be done here: there is nothing to make from.
    run = machine.set_up(toolchain_probe_urls=urls, toolchain_probe_timeout=1, toolchain_distribution="/nonexistent")
    silent.close()
    assert run.code != 0
    assert (
        "Tools from package registries" in run.text
        and f"{urls[1]}: it does not answer" in run.text
        and f"{urls[0]}:" not in run.text
    )
    assert "/nonexistent/manifest.yml" in run.text


# -- source bundle ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, Path]:
    """A small distribution directory, and a bundle of it that another machine made."""
    root = tmp_path / "distribution"
    for place in (
        "programs/runtime-shim",
        "programs/kube",
        "programs/helm",
        "programs/minikube",
        "images/kicbase",
        "images/python",
    ):
        (root / place).mkdir(parents=True)
        (root / place / "file").write_text(place)
    (root / "programs/go.work").write_text("go 1.26.4\n")
    (root / "manifest.yml").write_text(DISTRIBUTION)
    distribution = artifacts.load(root, MAKER)
    cache = tmp_path / "maker"
    for artifact in distribution.portable():
        file = artifact.path(cache)
        file.parent.mkdir(parents=True)
        if artifact.kind == "image":
            content = json.dumps([{"RepoTags": [artifact.image]}]).encode()
            with tarfile.open(file, "w") as archive:
                entry = tarfile.TarInfo("manifest.json")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        else:
            file.write_text(f"#!/bin/sh\necho {artifact.name}\n")
        receipts.write(file, receipts.of(file, artifact.inputs))
    path = tmp_path / "bundle.tar"
    bundles.write(path, bundles.describe(distribution, MAKER, cache), cache, lambda _text: None)
    return root, path


@on_x86_64
def test_a_bundle_sets_a_machine_up_and_may_be_gone_afterwards(
    machine: Machine, bundle: tuple[Path, Path], engine: DockerEngine
) -> None:
    root, path = bundle
    variables = {"toolchain_source": "bundle", "toolchain_distribution": str(root)}

    would = machine.set_up("--check", toolchain_bundle=str(path), **variables)
    assert would.code == 0, would.out
    assert would.changed > 0 and not machine.cache.exists() and not machine.state.exists() and not engine.tags

    first = machine.set_up(toolchain_bundle=str(path), **variables)
    assert first.code == 0, first.out
    assert machine.command("kubectl") == "kube" and machine.noted()["inputs"] == MAKER
    assert "python:3" in engine.tags
    second = machine.set_up(toolchain_bundle=str(path), **variables)
    assert (second.code, second.changed) == (0, 0), second.out

    # The engine lost its images and the stick is gone: what was unpacked is enough, also without a word of the source.
    path.unlink()
    engine.tags.clear()
    third = machine.set_up(toolchain_distribution=str(root), toolchain_probe_urls=["http://127.0.0.1:1/"])
    assert third.code == 0, third.out
    assert "the bundle that was unpacked earlier" in third.text and "python:3" in engine.tags

    # That machine can hand it on.
    target = machine.home / "out"
    target.mkdir()
    task = {
        "name": "Write",
        "ansible.builtin.import_role": {"name": "slipway.kube.toolchain", "tasks_from": "bundle_create.yml"},
    }
    written = machine.tasks([task], toolchain_distribution=str(root), toolchain_bundle_dir=str(target))
    assert written.code == 0, written.out
    (file,) = target.iterdir()
    assert file.name == "slipway-bundle-v1.35.1-x86_64.tar" and sha256_of(file) in written.text
    again = machine.tasks([task], toolchain_distribution=str(root), toolchain_bundle_dir=str(target))
    assert (again.code, again.changed) == (0, 0), again.out


@on_x86_64
def test_a_damaged_bundle_leaves_nothing_behind(
    machine: Machine, bundle: tuple[Path, Path], engine: DockerEngine
) -> None:
    root, path = bundle
    data = path.read_bytes()
    path.write_bytes(data.replace(b"echo helm", b"echo HELM"))
    run = machine.set_up(toolchain_source="bundle", toolchain_bundle=str(path), toolchain_distribution=str(root))
    assert run.code != 0
    assert "is not the file that was packed" in run.text and "Copy the bundle again" in run.text
    assert not [file for file in machine.cache.rglob("*") if file.is_file() and file.name != "lock"]
    assert not machine.state.exists() and not engine.tags


# -- bad input, found before anything is changed ----------------------------------------------------------------------


@on_x86_64
def test_what_cannot_work_is_said_before_anything_is_changed(
    machine: Machine, engine: DockerEngine, tmp_path: Path
) -> None:
    taken = [socket.socket() for _ in range(6)]
    # An address that no other run of the tests uses, and the last ports there are: the search must end at the last one.
    address = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    for number, one in enumerate(taken):
        one.bind((address, 65530 + number))
        one.listen()
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "disk": ({"toolchain_min_disk_gb": 9999999}, ["GB are free", "9999999", "toolchain_cache_dir"]),
        "memory": ({"toolchain_min_memory_mb": 9999999999}, ["MiB of memory", "9999999999", "Use a larger machine"]),
        "ports": (
            {"toolchain_ingress_port": 65530, "toolchain_ingress_address": address},
            [f"No port from 65530 to 65535 is free on {address}", "minikube_setup_ingress_first_port"],
        ),
        "unnamed bundle": ({"toolchain_source": "bundle"}, ["toolchain_bundle is empty", "make bundle"]),
        "missing bundle": (
            {"toolchain_source": "bundle", "toolchain_bundle": "/none.tar"},
            ["There is no bundle at /none.tar"],
        ),
        "pin": (
            {"toolchain_source": "release", "toolchain_kubectl_sha256": "abc"},
            ["toolchain_kubectl_sha256 is 'abc'", "64 hex digits"],
        ),
        "source": ({"toolchain_source": "web"}, ["value of toolchain_source must be one of", "web"]),
    }
    said = tmp_path / "said"
    said.mkdir()
    tasks: list[dict[str, Any]] = []
    for name, (variables, _words) in cases.items():
        role = {"ansible.builtin.include_role": {"name": "slipway.kube.toolchain"}, "vars": variables}
        note = {
            "ansible.builtin.copy": {"content": "{{ ansible_failed_result | to_json }}", "dest": f"{said}/{name}.json"}
        }
        tasks.append({"block": [role], "rescue": [note]})
    # With nothing to make from, a case that is not found cannot go on for long.
    run = machine.tasks(tasks, toolchain_distribution="/nonexistent", toolchain_probe_urls=["http://127.0.0.1:1/"])
    for one in taken:
        one.close()
    for name, (_variables, words) in cases.items():
        file = said / f"{name}.json"
        assert file.exists(), f"{name}: the role did not fail\n{run.out}"
        message = json.loads(file.read_text())
        text = json.dumps(message)
        for word in words:
            assert word in text, f"{name}: {message}"
    # The other programs wait for the cache before they are looked for.
    assert not [file for file in machine.cache.rglob("*") if file.is_file() and file.name != "lock"]
    assert not machine.state.exists() and not engine.tags


@on_x86_64
def test_another_architecture_ends_the_run(machine: Machine) -> None:
    if shutil.which("setarch") is None:
        pytest.skip("setarch of util-linux is not here")
    run = machine.set_up(before=("setarch", "i686"))
    assert run.code != 0
    assert "This machine is i686; Slipway's programs and images are built for x86_64" in run.text
    assert not machine.cache.exists() and not machine.state.exists()


@on_x86_64
def test_a_docker_host_that_names_nothing_ends_the_run(machine: Machine, mirror: Any, tmp_path: Path) -> None:
    machine.environment["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    run = machine.set_up(toolchain_source="release", **releases(mirror[0]))
    assert run.code != 0
    assert (
        f"DOCKER_HOST is unix://{tmp_path}/none.sock but no engine is reachable there" in run.text
        and "unset it" in run.text
    )
    assert not machine.cache.exists() and not machine.state.exists()


# Imports as root, which reads every place, and then goes on as a user who may nothing.
POWERLESS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import ansible_collections
ansible_collections.__path__ = [sys.argv[1] + "/ansible_collections", *ansible_collections.__path__]
import docker, docker.transport, requests
from ansible.module_utils import basic
from ansible_collections.slipway.kube.plugins.module_utils._distribution import container_engine as engine_module
from ansible_collections.slipway.kube.plugins.modules import container_engine
engine_module.DEFAULT_SOCKET = "unix:///nonexistent/docker.sock"
arguments = {"packages": ["slipway-no-such-package"], "directory": sys.argv[2], "_ansible_check_mode": sys.argv[3] == "check"}
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
basic._ANSIBLE_PROFILE = "legacy"
os.environ.pop("DOCKER_HOST", None)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
container_engine.main()
"""


@pytest.mark.parametrize("mode", ["check", "run"])
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="another sentence is said where there is no apt-get")
def test_a_user_without_rights_is_told_the_packages_and_the_variable(
    collections_root: Path, tmp_path: Path, mode: str
) -> None:
    command = [sys.executable, "-c", POWERLESS, str(collections_root), str(tmp_path / "engine"), mode]
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert run.returncode != 0
    result = json.loads(run.stdout)
    assert result["failed"]
    assert (
        "apt-get install" in result["msg"]
        and "slipway-no-such-package" in result["msg"]
        and "toolchain_become=true" in result["msg"]
    )
    assert not (tmp_path / "engine").exists()


def test_set_up_without_a_new_python_says_so(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/setup.sh", project / "scripts")
    shutil.copytree(ROOT / "requirements", project / "requirements")
    old = tmp_path / "bin"
    old.mkdir()
    for tool in ("bash", "cat", "sha256sum", "cut", "dirname", "date"):
        found = shutil.which(tool)
        assert found
        (old / tool).symlink_to(found)
    # As 3.11 answers the question whether it is 3.12: with exit code 1.
    (old / "python3").write_text(
        f'#!{old}/bash\ncase $2 in *version_info*) exit 1 ;; *) echo "asked: $*" >&2; exit 70 ;; esac\n'
    )
    (old / "python3").chmod(0o755)
    environment = {"PATH": str(old), "HOME": str(tmp_path)}
    run = subprocess.run(
        [str(old / "bash"), str(project / "scripts/setup.sh")],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 69, run.stderr
    assert (
        "needs Python 3.12 or newer" in run.stderr and "python3-venv" in run.stderr and "SLIPWAY_PYTHON" in run.stderr
    )
    assert not (project / ".venv").exists()


# -- removal ----------------------------------------------------------------------------------------------------------


def removal(profile: str) -> list[dict[str, Any]]:
    """The tasks of a teardown of a profile."""
    variables = {"minikube_setup_profile": profile, "toolchain_profile": profile}
    roles = [{"name": f"slipway.kube.{name}", "tasks_from": "absent.yml"} for name in ("minikube_setup", "toolchain")]
    return [{"ansible.builtin.include_role": role, "vars": variables} for role in roles]


def test_what_profiles_share_goes_with_the_last_one(machine: Machine, engine: DockerEngine) -> None:
    home = machine.state / ".minikube"
    for profile in ("first", "second"):
        for file in (f"profiles/{profile}/config.json", f"slipway/{profile}/slipway-owner.json"):
            (home / file).parent.mkdir(parents=True)
            (home / file).write_text("{}")
    (machine.state / "bin").mkdir()
    for name in ("bin/helm", "toolchain.json", "own"):
        (machine.state / name).write_text("{}")
    laid = sorted(machine.state.rglob("*"))
    variables = {
        "minikube_setup_home": str(machine.state),
        "minikube_setup_binary": str(machine.home / "missing"),
        "minikube_setup_hosts_file": str(machine.home / "hosts"),
        "toolchain_docker_host": machine.environment["DOCKER_HOST"],
    }
    (machine.home / "hosts").touch()

    would = machine.tasks(removal("second"), "--check", **variables)
    assert would.code == 0, would.out
    assert sorted(machine.state.rglob("*")) == laid and engine.prunings == 0
    assert "stays, because of the Minikube profile first" in would.text
    assert "The commands, the engine and the images that were built here stay" in would.text
    assert "because other clusters need them: first." in would.text

    def keep_list(name: str) -> dict[str, Any]:
        argv = ["find", str(machine.state), "-type", "f", "-fprintf", str(machine.home / name), "%P\n"]
        return {"ansible.builtin.command": {"argv": argv}}

    remove_own = {"ansible.builtin.file": {"path": str(machine.state / "own"), "state": "absent"}}
    tasks = [*removal("second"), keep_list("one"), *removal("first"), keep_list("none"), remove_own, *removal("first")]
    run = machine.tasks(tasks, **variables)
    assert run.code == 0, run.out
    assert sorted((machine.home / "one").read_text().splitlines()) == [
        ".minikube/profiles/first/config.json",
        ".minikube/slipway/first/slipway-owner.json",
        ".minikube/slipway/second.lock",  # a run that waits for it must meet those that come after it
        "bin/helm",
        "own",
        "toolchain.json",
    ]
    assert (machine.home / "none").read_text().splitlines() == ["own"]
    assert not machine.state.exists()
    # Two kinds of images, and not for the profile that was not the last.
    assert engine.prunings == 4
