# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution directory: one version is written in many places, and all of them say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = ROOT / "distribution"
MANIFEST: dict[str, Any] = yaml.safe_load((DISTRIBUTION / "manifest.yml").read_text())
KUBERNETES: str = MANIFEST["kubernetes_version"]
STAGING = KUBERNETES.replace("v1.", "v0.", 1)
MAJOR, MINOR, _PATCH = KUBERNETES.removeprefix("v").split(".")


def required(program: str, module: str) -> str:
    """Version of a module that a program's go.mod requires, at first hand or not."""
    text = (DISTRIBUTION / "programs" / program / "go.mod").read_text()
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    assert found, f"{program} does not require {module}"
    return found[1]


def flags(program: str) -> dict[str, str]:
    """The linker's variables of a program, by their last part."""
    return dict(
        flag.removeprefix("-X ").rpartition("/")[2].split("=", 1) for flag in MANIFEST["programs"][program]["ldflags"]
    )


def defaults(role: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    return content


def tag(image: str, name: str) -> str:
    (found,) = [
        full.rpartition(":")[2] for full in MANIFEST["images"][image]["names"] if full.rpartition(":")[0].endswith(name)
    ]
    return found


def test_kubernetes_is_the_same_version_everywhere() -> None:
    assert required("kube", "k8s.io/kubernetes") == KUBERNETES
    assert flags("kube") == {
        "version.gitVersion": KUBERNETES,
        "version.gitMajor": MAJOR,
        "version.gitMinor": MINOR,
        "version.gitTreeState": "clean",
    }
    assert flags("crictl") == {"main.version": KUBERNETES}
    assert MANIFEST["images"]["kicbase"]["arguments"]["KUBERNETES_VERSION"] == KUBERNETES
    assert {tag("kube", f"kube-{part}") for part in ("apiserver", "controller-manager", "scheduler", "proxy")} == {
        KUBERNETES
    }
    assert f"-{KUBERNETES}-containerd-overlay2-amd64" in MANIFEST["preload"]["file"]
    assert defaults("toolchain")["toolchain_kubectl_version"] == KUBERNETES
    assert defaults("minikube_setup")["minikube_setup_kubernetes_version"] == KUBERNETES


def test_every_staging_module_is_replaced_by_the_version_of_kubernetes() -> None:
    text = (DISTRIBUTION / "programs/kube/go.mod").read_text()
    replaced = dict(re.findall(r"^\s*(k8s\.io/\S+) => k8s\.io/\S+ (v\S+)$", text, re.MULTILINE))
    assert len(replaced) > 25
    assert set(replaced.values()) == {STAGING}


def test_the_other_programs_are_what_their_names_say() -> None:
    assert tag("etcd", "etcd").rpartition("-")[0] == required("etcd", "go.etcd.io/etcd/server/v3").removeprefix("v")
    assert tag("coredns", "coredns") == required("coredns", "github.com/coredns/coredns")
    assert tag("kube", "metrics-server") == required("kube", "sigs.k8s.io/metrics-server")
    assert (
        tag("traefik", "traefik")
        == required("traefik", "github.com/traefik/traefik/v3")
        == f"v{flags('traefik')['version.Version']}"
    )
    assert (
        flags("helm")["version.version"]
        == required("helm", "helm.sh/helm/v4")
        == defaults("toolchain")["toolchain_helm_version"]
    )
    assert (
        flags("minikube")["version.version"]
        == required("minikube", "k8s.io/minikube")
        == defaults("toolchain")["toolchain_minikube_version"]
    )
    assert (
        flags("buildkit")["version.Version"]
        == required("buildkit", "github.com/moby/buildkit")
        == required("image-build", "github.com/moby/buildkit")
    )
    assert required("storage-provisioner", "k8s.io/minikube") == required("minikube", "k8s.io/minikube")
    assert tag("storage-provisioner", "storage-provisioner") == flags("minikube")["version.storageProvisionerVersion"]


def test_bases_of_the_examples_images_keep_their_layers() -> None:
    assert (
        {"python", "python-bookworm", "node"} == set(MANIFEST["preload"]["bases"]) <= set(MANIFEST["preload"]["images"])
    )


def test_the_roles_name_images_that_the_preload_has() -> None:
    names = {name for image in MANIFEST["preload"]["images"] for name in MANIFEST["images"][image]["names"]}
    settings = defaults("minikube_setup")
    assert {settings["minikube_setup_ingress_image"], settings["minikube_setup_metrics_image"]} <= names


@pytest.mark.parametrize(
    ("image", "name", "suite"),
    [
        ("python", "docker.io/library/python:3.13-slim", "trixie"),
        ("python-bookworm", "docker.io/library/python:3.11-slim", "bookworm"),
        ("postgres", "docker.io/library/postgres:17", "trixie"),
    ],
)
def test_base_images_come_from_the_debian_that_has_their_version(image: str, name: str, suite: str) -> None:
    settings = MANIFEST["images"][image]
    assert settings["names"] == [name]
    assert MANIFEST["rootfs"][settings["parents"]["DEBIAN"]]["suite"] == suite


def test_the_engine_and_the_node_get_every_base_image_of_the_example() -> None:
    wanted = {
        "docker.io/library/python:3.11-slim",
        "docker.io/library/python:3.13-slim",
        "docker.io/library/node:20-alpine",
        "docker.io/library/postgres:17",
    }
    for kept in (
        {name for name, settings in MANIFEST["images"].items() if settings.get("archive")},
        set(MANIFEST["preload"]["images"]),
    ):
        assert wanted <= {full for name in kept for full in MANIFEST["images"][name].get("names", [])}


def test_every_image_has_a_directory_and_every_directory_an_image() -> None:
    used = {settings.get("directory", name) for name, settings in MANIFEST["images"].items()}
    assert used == {path.parent.name for path in (DISTRIBUTION / "images").glob("*/Dockerfile")}


@pytest.mark.parametrize("program", MANIFEST["programs"])
def test_every_program_is_in_the_workspace_and_in_the_readme(program: str) -> None:
    assert f"./{program}\n" in (DISTRIBUTION / "programs/go.work").read_text()
    assert f"`programs/{program}/`" in (DISTRIBUTION / "README.md").read_text()


def test_the_manifest_is_a_whole_graph() -> None:
    distribution = artifacts.load(DISTRIBUTION, {"architecture": "x86_64", "ca_bundle": ""})
    assert {artifact.name for artifact in distribution.artifacts.values() if artifact.kind == "program"} == set(
        MANIFEST["programs"]
    )
    needed = distribution.wanted(
        ["preload:preload", *(f"program:{name}" for name in MANIFEST["host"].values())], lambda _artifact: False
    )
    # Nothing is compiled or built that no set-up uses.
    assert {artifact.key for artifact in needed} == set(distribution.artifacts)


def test_a_changed_file_changes_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(DISTRIBUTION, tmp_path / "d")
    machine = {"architecture": "x86_64", "ca_bundle": ""}
    before = artifacts.load(DISTRIBUTION, machine).artifacts
    (tmp_path / "d/images/python/Dockerfile").write_text("FROM scratch\n")
    after = artifacts.load(tmp_path / "d", machine).artifacts
    assert {key for key in before if before[key].digest != after[key].digest} == {
        "image:python",
        "image:python-bookworm",
        "image:node",
        "preload:preload",
    }


def test_programs_of_the_machine_have_the_versions_of_the_roles_variables() -> None:
    assert {name: defaults("toolchain")[f"toolchain_{name}_version"] for name in MANIFEST["versions"]} == MANIFEST[
        "versions"
    ]
    assert MANIFEST["versions"] == {
        "kubectl": KUBERNETES,
        "helm": flags("helm")["version.version"],
        "minikube": flags("minikube")["version.version"],
    }
