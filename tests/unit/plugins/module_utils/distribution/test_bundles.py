# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts, bundle_manifest, bundles
from ansible_collections.slipway.kube.plugins.module_utils._distribution.bundle_manifest import BundleError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import machine_inputs
from distribution_objects import keep, quiet

MAKER = {"architecture": "x86_64", "ca_bundle": "a" * 64}

MANIFEST = """
kubernetes_version: v1.35.1
programs: {runtime-shim: {}, kube: {}, helm: {}, coredns: {}}
host: {kubectl: kube, helm: helm}
rootfs: {debian: {suite: trixie}}
images:
  kicbase: {parents: {DEBIAN: debian}, programs: [kube], archive: true}
  coredns: {programs: [coredns], names: ["registry.example/coredns:v1"]}
  python: {parents: {DEBIAN: debian}, names: ["docker.io/library/python:3"], archive: true}
preload: {node: kicbase, images: [coredns, python], file: preloaded.tar.lz4}
"""


@dataclasses.dataclass
class Site:
    """A machine that made everything, and the bundle that it wrote."""

    root: Path
    cache: Path
    distribution: artifacts.Distribution
    path: Path
    bundle: bundle_manifest.Bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small distribution directory."""
    directory = tmp_path / "distribution"
    for place in (
        "programs/runtime-shim",
        "programs/kube",
        "programs/helm",
        "programs/coredns",
        "images/kicbase",
        "images/coredns",
        "images/python",
    ):
        (directory / place).mkdir(parents=True)
        (directory / place / "file").write_text(place)
    (directory / "programs/go.work").write_text("go 1.26.4\n")
    (directory / "manifest.yml").write_text(MANIFEST)
    return directory


def fill(distribution: artifacts.Distribution, cache: Path) -> None:
    for number, artifact in enumerate(distribution.portable()):
        keep(artifact, cache, f"{artifact.key}\n".encode() * (number * 200 + 1))


@pytest.fixture
def site(root: Path, tmp_path: Path) -> Site:
    distribution = artifacts.load(root, MAKER, "go1.26.6")
    cache = tmp_path / "maker"
    fill(distribution, cache)
    bundle = bundles.describe(distribution, MAKER, cache)
    path = tmp_path / "bundle.tar"
    bundles.write(path, bundle, cache, quiet)
    return Site(root, cache, distribution, path, bundle)


def unpack(path: Path, root: Path, cache: Path, architecture: str = "x86_64") -> list[str]:
    bundle = bundles.read(path)
    distribution = bundle_manifest.distribution_of(bundle, root, architecture, path)
    wanted = bundle_manifest.missing(distribution, bundle, cache)
    if wanted:
        cache.mkdir(parents=True, exist_ok=True)
        bundles.unpack(path, distribution, bundle, wanted, cache, quiet)
    return [member.key for member in wanted]


def visible(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def rewrite(path: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]) -> None:
    """Write the archive anew, each member replaced by what ``change`` makes of it."""
    members = []
    with tarfile.open(path) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            members.extend(change(entry, content.read()))
    with tarfile.open(path, "w:") as archive:
        for entry, data in members:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def change_manifest(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    def edit(entry: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if entry.name == bundle_manifest.MANIFEST:
            content = json.loads(data)
            change(content)
            data = json.dumps(content).encode()
        return [(entry, data)]

    rewrite(path, edit)


# -- what a bundle holds ----------------------------------------------------------------------------------------------


def test_holds_what_a_machine_without_a_compiler_needs_and_no_more(site: Site) -> None:
    keys = [member.key for member in site.bundle.members]
    assert keys == [
        "program:runtime-shim",
        "program:kube",
        "program:helm",
        "image:kicbase",
        "image:python",
        "preload:preload",
    ]


def test_begins_with_the_manifest_that_names_sizes_sums_and_digests(site: Site) -> None:
    with tarfile.open(site.path) as archive:
        names = archive.getnames()
        first = archive.extractfile(names[0])
        assert first is not None
        content = json.load(first)
    assert names == ["manifest.json", *(member.name for member in site.bundle.members)]
    assert (
        content["kubernetes_version"] == "v1.35.1"
        and content["architecture"] == "x86_64"
        and content["inputs"] == MAKER
    )
    kube = next(entry for entry in content["files"] if entry["key"] == "program:kube")
    file = site.distribution.of("program", "kube").path(site.cache)
    assert kube["size"] == file.stat().st_size
    assert kube["sha256"] == sha256_of(file)
    assert kube["digest"] == site.distribution.of("program", "kube").digest


def test_equal_contents_give_equal_files_with_the_sum_that_was_said(site: Site, tmp_path: Path) -> None:
    said = bundles.write(tmp_path / "again.tar", site.bundle, site.cache, quiet)
    assert (tmp_path / "again.tar").read_bytes() == site.path.read_bytes()
    assert said == sha256_of(site.path)


def test_is_not_written_while_the_cache_lacks_something(site: Site) -> None:
    site.distribution.of("image", "python").path(site.cache).unlink()
    with pytest.raises(BundleError, match="lacks image:python.*make bundle"):
        bundles.describe(site.distribution, MAKER, site.cache)


def test_a_file_that_changes_while_it_is_packed_leaves_no_bundle(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "new" / "bundle.tar"
    file = site.distribution.of("program", "kube").path(site.cache)
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(BundleError, match="has changed since it was made: .*kube.*toolchain_check_sums=true"):
        bundles.write(target, site.bundle, site.cache, quiet)
    assert list(target.parent.iterdir()) == []


# -- unpacking --------------------------------------------------------------------------------------------------------


def test_another_machine_gets_every_file_under_the_makers_digests(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "taker"
    assert unpack(site.path, site.root, cache) == [member.key for member in site.bundle.members]
    for member in site.bundle.members:
        assert (cache / member.name).read_bytes() == (site.cache / member.name).read_bytes()
    assert artifacts.load(site.root, MAKER).faults(cache) == {}
    # The taker's own certificates give other digests, which is why those of the bundle are noted.
    assert artifacts.load(site.root, {**MAKER, "ca_bundle": "b" * 64}).faults(cache)


def test_another_machine_gets_the_makers_receipts(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "taker"
    unpack(site.path, site.root, cache)
    for artifact in site.distribution.portable():
        path = artifact.path(cache)
        assert receipts.read(path) == receipts.of(path, artifact.inputs, artifact.compiler)
    assert site.distribution.of("program", "kube").compiler == site.distribution.of("preload", "preload").compiler
    assert site.distribution.of("image", "python").compiler == "", "there is no program in it"


def test_a_file_that_the_receipts_sum_does_not_bear_out_is_unpacked_again(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "taker"
    unpack(site.path, site.root, cache)
    kube = site.distribution.of("program", "kube").path(cache)
    kube.write_bytes(kube.read_bytes()[::-1])
    assert unpack(site.path, site.root, cache) == [], "its size is right"
    bundle = bundles.read(site.path)
    distribution = artifacts.load(site.root, MAKER)
    assert [member.key for member in bundle_manifest.missing(distribution, bundle, cache, deep=True)] == [
        "program:kube"
    ]
    # A receipt of other content than the bundle's.
    receipts.write(kube, receipts.of(kube, distribution.of("program", "kube").inputs))
    assert unpack(site.path, site.root, cache) == ["program:kube"]


@pytest.mark.parametrize("field", ["name", "key"])
def test_two_members_of_one_name_are_refused(site: Site, field: str) -> None:
    def double(content: dict[str, object]) -> None:
        entries = content["files"]
        assert isinstance(entries, list)
        entries[1][field] = entries[0][field]

    change_manifest(site.path, double)
    with pytest.raises(BundleError, match=f"names '{getattr(site.bundle.members[0], field)}' twice: it was modified"):
        bundles.read(site.path)


def test_programs_can_be_run_and_nothing_else(site: Site, tmp_path: Path) -> None:
    unpack(site.path, site.root, tmp_path / "taker")
    modes = {member.key: (tmp_path / "taker" / member.name).stat().st_mode & 0o777 for member in site.bundle.members}
    assert modes["program:kube"] == 0o755 and modes["image:kicbase"] == 0o644


def test_a_second_time_nothing_is_read_but_the_manifest(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack(site.path, site.root, tmp_path / "taker")
    monkeypatch.setattr(bundles, "_contents", lambda *_: pytest.fail("the contents were read"))
    assert unpack(site.path, site.root, tmp_path / "taker") == []


def test_only_what_is_missing_is_written(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "taker"
    unpack(site.path, site.root, cache)
    kube = cache / next(member.name for member in site.bundle.members if member.key == "program:kube")
    kube.write_bytes(b"half")
    assert unpack(site.path, site.root, cache) == ["program:kube"]
    assert kube.read_bytes() == (site.cache / kube.relative_to(cache)).read_bytes()


def test_a_changed_byte_is_found_and_nothing_becomes_visible(site: Site, tmp_path: Path) -> None:
    data = bytearray(site.path.read_bytes())
    last = data.rindex(b"preload:preload")
    data[last] ^= 1
    site.path.write_bytes(data)
    with pytest.raises(
        BundleError,
        match=r"preloaded\.tar\.lz4 in the bundle .* is not the file that was packed.*SHA-256.*nothing from it was used",
    ):
        unpack(site.path, site.root, tmp_path / "taker")
    assert visible(tmp_path / "taker") == []


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.2])
def test_a_cut_off_bundle_is_named_before_it_is_read(site: Site, tmp_path: Path, kept: float) -> None:
    whole = site.bundle.least_size()
    site.path.write_bytes(site.path.read_bytes()[: int(whole * kept)])
    with pytest.raises(BundleError, match="truncated"):
        unpack(site.path, site.root, tmp_path / "taker")
    assert visible(tmp_path / "taker") == []


@pytest.mark.parametrize("content", [b"", b"\0" * 20480, b"no tar file at all" * 100])
def test_what_is_no_bundle_is_refused_with_a_sentence(tmp_path: Path, root: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(BundleError, match=r"x\.tar"):
        unpack(tmp_path / "x.tar", root, tmp_path / "taker")


def test_a_missing_bundle_is_said_with_the_variable_to_set(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at .*toolchain_bundle"):
        bundles.read(tmp_path / "none.tar")


def test_a_tar_file_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w:") as archive:
        archive.addfile(tarfile.TarInfo("hello"), io.BytesIO())
    with pytest.raises(BundleError, match="not a bundle"):
        bundles.read(tmp_path / "x.tar")


def test_a_bundle_for_another_architecture_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is for x86_64 and this machine is aarch64"):
        unpack(site.path, site.root, tmp_path / "taker", "aarch64")


def test_a_bundle_of_another_version_names_every_difference(site: Site, tmp_path: Path) -> None:
    old = site.distribution.of("program", "helm").digest
    (site.root / "programs/helm/file").write_text("another version")
    new = artifacts.load(site.root, MAKER).of("program", "helm").digest
    with pytest.raises(BundleError) as caught:
        unpack(site.path, site.root, tmp_path / "taker")
    assert f"program:helm (in the bundle {old}, here {new})" in str(caught.value)
    assert "create a new one" in str(caught.value)
    assert "program:kube" not in str(caught.value)
    assert visible(tmp_path / "taker") == []


@pytest.mark.parametrize("name", ["../../outside", "/outside", "artifacts/../../../outside"])
def test_no_file_is_written_outside_of_the_cache(site: Site, tmp_path: Path, name: str) -> None:
    old = site.bundle.members[1].name

    def rename(content: dict[str, object]) -> None:
        entries = content["files"]
        assert isinstance(entries, list)
        entries[1]["name"] = name

    change_manifest(site.path, rename)
    rewrite(site.path, lambda entry, data: [(entry.replace(name=name) if entry.name == old else entry, data)])
    with pytest.raises(BundleError, match="outside of its own directory"):
        unpack(site.path, site.root, tmp_path / "deep" / "taker")
    assert not list(tmp_path.rglob("outside"))


def test_a_link_in_place_of_a_file_is_refused(site: Site, tmp_path: Path) -> None:
    second = site.bundle.members[1]

    def link(entry: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if entry.name != second.name:
            return [(entry, data)]
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        return [(entry, b"")]

    change_manifest(site.path, lambda content: content)
    rewrite(site.path, link)
    # Long enough to pass for whole.
    site.path.write_bytes(site.path.read_bytes() + b"\0" * 20480)
    with pytest.raises(BundleError, match="lists the file"):
        unpack(site.path, site.root, tmp_path / "taker")
    assert visible(tmp_path / "taker") == []


def test_a_file_that_the_manifest_does_not_name_is_refused(site: Site, tmp_path: Path) -> None:
    last = site.bundle.members[-1].name
    rewrite(
        site.path,
        lambda entry, data: [(entry, data), (tarfile.TarInfo("more"), b"x")] if entry.name == last else [(entry, data)],
    )
    with pytest.raises(BundleError, match="'more', which its manifest.json does not name"):
        unpack(site.path, site.root, tmp_path / "taker")
    assert visible(tmp_path / "taker") == []


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("inputs"),
        lambda content: content["files"][0].update(size="12"),
        lambda content: content["files"][0].update(size=-1),
        lambda content: content["files"][0].update(sha256="0"),
        lambda content: content.update(files=[1]),
        lambda content: content.update(format=99),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(site: Site, change: Callable[[dict[str, object]], object]) -> None:
    change_manifest(site.path, change)
    with pytest.raises(BundleError, match=r"bundle\.tar"):
        bundles.read(site.path)


def test_a_full_disk_is_said_before_anything_is_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1})
    monkeypatch.setattr(bundles.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(BundleError, match="free some space, or set toolchain_cache_dir"):
        unpack(site.path, site.root, tmp_path / "taker")
    assert visible(tmp_path / "taker") == []


def test_every_digest_follows_from_what_a_bundle_notes() -> None:
    assert set(machine_inputs()) == set(bundle_manifest.INPUTS)
