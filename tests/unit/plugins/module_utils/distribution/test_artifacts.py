# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph of artifacts: digests, order, what is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import (
    Artifact,
    Distribution,
    ManifestError,
    digest_of_tree,
    load,
)

MACHINE = {"architecture": "x86_64", "ca_bundle": "aa"}
CHECKOUT = Path(__file__).resolve().parents[5]
MANIFEST: dict[str, Any] = {
    "kubernetes_version": "v1.2.3",
    "programs": {"runtime-shim": {}, "kube": {"ldflags": ["-X a=b"]}, "helm": {}},
    "host": {"helm": "helm", "kubectl": "kube"},
    "rootfs": {"debian": {"suite": "trixie"}},
    "images": {
        "node": {"parents": {"DEBIAN": "debian"}, "programs": ["kube"], "archive": True},
        "app": {"parents": {"BASE": "node"}, "names": ["docker.io/library/app:1"]},
    },
    "preload": {"node": "node", "images": ["app"], "file": "preload.tar.lz4"},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small distribution directory."""
    for program in MANIFEST["programs"]:
        place = tmp_path / "programs" / program
        place.mkdir(parents=True)
        (place / "main.go").write_text("package main\n")
        (place / "go.mod").write_text(f"module {program}\n")
    (tmp_path / "programs" / "go.work").write_text("go 1.26.0\n")
    for image in MANIFEST["images"]:
        (tmp_path / "images" / image).mkdir(parents=True)
        (tmp_path / "images" / image / "Dockerfile").write_text("FROM scratch\n")
    write(tmp_path, MANIFEST)
    return tmp_path


def write(root: Path, manifest: dict[str, Any]) -> None:
    (root / "manifest.yml").write_text(yaml.safe_dump(manifest, sort_keys=False))


def digests(root: Path, machine: dict[str, str] | None = None) -> dict[str, str]:
    return {key: artifact.digest for key, artifact in load(root, machine or MACHINE).artifacts.items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before if before[key] != after[key]}


def test_digest_of_a_tree_sees_content_names_and_executable_bits(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    file = tree / "below" / "file"
    file.write_text("one")
    file.chmod(0o644)
    seen = [digest_of_tree(tree)]

    file.write_text("two")
    seen.append(digest_of_tree(tree))
    file.chmod(0o755)
    seen.append(digest_of_tree(tree))
    file.rename(tree / "file")
    seen.append(digest_of_tree(tree))
    assert len(set(seen)) == len(seen)


def test_digest_of_a_tree_ignores_times_group_bits_and_where_it_lies(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("one")
    os.utime(tmp_path / "b" / "file", (1, 1))
    (tmp_path / "b" / "file").chmod(0o600)
    assert digest_of_tree(tmp_path / "a") == digest_of_tree(tmp_path / "b")


def test_names_cannot_run_into_contents(tmp_path: Path) -> None:
    for name, files in (("a", {"ab": "c"}), ("b", {"a": "bc"})):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    assert digest_of_tree(tmp_path / "a") != digest_of_tree(tmp_path / "b")


def test_artifacts_follow_what_they_require(root: Path) -> None:
    keys = list(load(root, MACHINE).artifacts)
    assert (
        keys.index("program:kube") < keys.index("image:node") < keys.index("image:app") < keys.index("preload:preload")
    )


def test_names_and_places(root: Path) -> None:
    distribution = load(root, MACHINE)
    node = distribution.of("image", "node")
    assert node.image == f"slipway.local/node:{node.digest}"
    assert node.path(Path("/cache")) == Path(f"/cache/artifacts/image-node-{node.digest}/image.tar")
    assert len(node.digest) == 16
    assert distribution.kubernetes_version == "v1.2.3"
    with pytest.raises(ManifestError, match="image:app has no file"):
        distribution.of("image", "app").path(Path("/cache"))
    with pytest.raises(ManifestError, match="no program named 'absent'"):
        distribution.of("program", "absent")


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (lambda root: (root / "programs/helm/main.go").write_text("package other\n"), {"program:helm"}),
        (
            lambda root: (root / "programs/kube/main.go").write_text("package other\n"),
            {"program:kube", "image:node", "image:app", "preload:preload"},
        ),
        (lambda root: (root / "images/app/Dockerfile").write_text("FROM other\n"), {"image:app", "preload:preload"}),
        # One workspace chooses the versions for all of them.
        (
            lambda root: (root / "programs/helm/go.mod").write_text("module helm // other\n"),
            {"program:runtime-shim", "program:kube", "program:helm", "image:node", "image:app", "preload:preload"},
        ),
    ],
    ids=["program", "program in an image", "last image", "pins of a module"],
)
def test_a_change_touches_what_depends_on_it_and_nothing_else(
    root: Path, change: Callable[[Path], Any], touched: set[str]
) -> None:
    before = digests(root)
    change(root)
    assert changed(before, digests(root)) == touched


def test_machine_is_an_input_of_what_it_goes_into(root: Path) -> None:
    before = digests(root)
    after = digests(root, {**MACHINE, "ca_bundle": "bb"})
    # Programs are compiled without the CA bundle.
    assert changed(before, after) == {"rootfs:debian", "image:node", "image:app", "preload:preload"}
    assert "program:kube" in changed(before, digests(root, {**MACHINE, "architecture": "aarch64"}))


def test_settings_in_the_manifest_are_an_input(root: Path) -> None:
    before = digests(root)
    write(root, {**MANIFEST, "programs": {**MANIFEST["programs"], "kube": {"ldflags": ["-X a=c"]}}})
    assert "program:kube" in changed(before, digests(root))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host": {"kubectl": "absent"}}, "host command kubectl is the program absent"),
        ({"preload": {"node": "absent", "images": [], "file": "x"}}, "preload preload requires image:absent"),
        ({"images": {**MANIFEST["images"], "node": {"parents": {"DEBIAN": "absent"}}}}, "named 'absent'"),
        ({"images": {**MANIFEST["images"], "node": {"programs": ["absent"]}}}, "image node requires program:absent"),
    ],
)
def test_manifest_that_contradicts_itself_is_refused(root: Path, change: dict[str, Any], message: str) -> None:
    write(root, {**MANIFEST, **change})
    with pytest.raises(ManifestError, match=message):
        load(root, MACHINE)


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.yml"):
        load(tmp_path, MACHINE)


def wanted(distribution: Distribution, targets: list[str], present: set[str]) -> list[str]:
    def has(artifact: Artifact) -> bool:
        return artifact.key in present

    return [artifact.key for artifact in distribution.wanted(targets, has)]


def test_wanted_is_what_is_missing_in_order(root: Path) -> None:
    distribution = load(root, MACHINE)
    everything = ["program:kube", "rootfs:debian", "image:node", "image:app", "preload:preload"]
    assert wanted(distribution, ["preload:preload"], set()) == everything
    assert wanted(distribution, ["program:helm", "program:helm"], set()) == ["program:helm"]


def test_what_only_a_present_artifact_required_is_not_made(root: Path) -> None:
    distribution = load(root, MACHINE)
    assert wanted(distribution, ["preload:preload"], {"preload:preload"}) == []
    # The app's image is to be made on the node's, which is here: nobody needs the compiler for that.
    assert wanted(distribution, ["preload:preload"], {"image:node"}) == ["image:app", "preload:preload"]


def test_targets_name_artifacts(root: Path) -> None:
    distribution = load(root, MACHINE)
    assert distribution.keys_of("programs") == ["program:helm", "program:kube"]
    assert distribution.keys_of("images") == ["image:node"]


def test_own_distribution_is_whole() -> None:
    distribution = load(CHECKOUT / "distribution", MACHINE)
    assert {"kubectl", "helm", "minikube"} <= set(distribution.host)
    assert distribution.of("preload", "preload").settings["file"].count(distribution.kubernetes_version) == 1
