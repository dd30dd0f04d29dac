# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What .dockerignore keeps out: the engine's own answer, file by file, against what the digest covers."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotStore
from ansible_collections.slipway.kube.plugins.module_utils._images import builders
from ansible_collections.slipway.kube.plugins.module_utils._images.channels import engine_buildkit
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ComponentImage
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    build_digest,
    members_of,
    read_context,
)

FILES = (
    "Dockerfile README.md docs/README.md docs/deep/README.md src/app.py src/app.pyc src/secret/key src/__pycache__/app.pyc "
    "node_modules/a/b.js lib/node_modules/c.js .env .git/config a.txt b.txt ab.txt dir/keep/one dir/keep/two dir/other foo/bar xfoo "
    "x/afoo temp1 dir/temp2 dir/sub/temp3 spaced\\ name [odd]"
)
RULES = {
    "none": "",
    "names": "node_modules\n.git\n/a.txt\n./b.txt\n",
    "any depth": "**/node_modules\n**/*.pyc\n",
    "one level": "*/temp*\n*.md\n",
    "two levels": "*/*/temp*\n",
    "exception": "*.md\n!README.md\n",
    "exception that is taken back": "!README.md\n*.md\n",
    "all but": "*\n!src\n",
    "all but one inside": "*\n!src\nsrc/secret\n",
    "deep exception": "dir\n!dir/keep\n",
    "deep exception of a file": "dir\n!dir/keep/one\n",
    "exception with a wildcard": "*\n!**/*.py\n",
    "exception of what is not there": "dir\n!dir/missing\n",
    "exception below another": "dir\n!dir/keep\ndir/keep/two\n",
    "exception before and after": "!dir/keep\ndir\n!dir/keep/one\n",
    "class": "[a-b].txt\n",
    "negated class": "[^a].txt\n",
    "question mark": "temp?\n?.txt\n",
    "two stars at the end": "dir/**\n",
    "two stars alone": "**\n!src/app.py\n",
    "two stars before a name": "**foo\n",
    "two stars after a name": "foo**\n",
    "two stars between": "dir/**/temp3\nsrc/**/key\n",
    "escaped": "\\[odd\\]\nspaced\\ name\n",
    "untidy": "# comment\n\n  a.txt  \nsrc//secret/../__pycache__/\n ! src/app.py\n",
    "Windows": "a.txt\r\nb.txt\r\n",
    "byte order mark": "\ufeffa.txt\n",
    "the Dockerfile itself": "Dockerfile\n.dockerignore\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A context with something for every rule."""
    root = tmp_path / "context"
    for name in FILES.replace("\\ ", "\0").split():
        file = root / name.replace("\0", " ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (root / "empty").mkdir()
    (root / "link").symlink_to("a.txt")
    (root / "Dockerfile").write_text('FROM scratch\nCOPY . /\nCMD ["/none"]\n')
    return root


@pytest.fixture
def contents(engine: Any) -> Iterator[Callable[[str], set[str]]]:
    """The paths in an image, which is removed afterwards."""
    made: list[str] = []

    def paths(image: str) -> set[str]:
        made.append(image)
        container = engine.api.create_container(image)
        try:
            content = io.BytesIO(b"".join(engine.api.export(container["Id"])))
        finally:
            engine.api.remove_container(container["Id"])
        with tarfile.open(fileobj=content) as archive:
            found = {member.name.rstrip("/") for member in archive}
        # What the engine itself puts into every container.
        own = {
            "dev",
            "dev/console",
            "dev/pts",
            "dev/shm",
            "etc",
            "etc/hostname",
            "etc/hosts",
            "etc/mtab",
            "etc/resolv.conf",
        }
        return found - own - {"proc", "sys", ".dockerenv"}

    yield paths
    for image in made:
        engine.api.remove_image(image)


def component(source: Path, dockerfile: Path, image: str) -> ComponentImage:
    return ComponentImage("context", image, source, dockerfile, {}, (), True)


def planned(one: ComponentImage, store: Path) -> ComponentImage:
    """A component as the plan returns it."""
    context = read_context(one.source, os.path.relpath(one.dockerfile, one.source))
    snapshot = SnapshotStore(store).take(str(one.source), members_of(context, one.dockerfile))
    return replace(one, build_digest=build_digest(snapshot, one.arguments), snapshot=snapshot.path)


def a_builder(engine: Any, request: pytest.FixtureRequest, with_buildkit: bool) -> builders.BuildKit | builders.Classic:
    if not with_buildkit:
        return builders.Classic(engine, "default")
    return builders.BuildKit(
        request.getfixturevalue("image_build"),
        lambda: engine_buildkit(engine),
        builders.engine_output,
        host_network=False,
    )


def text_of(engine: Any, image: str, path: str) -> bytes:
    """What a file in an image holds."""
    container = engine.api.create_container(image)
    try:
        stream, _status = engine.api.get_archive(container["Id"], path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            file = archive.extractfile(archive.next())
            assert file
            return file.read()
    finally:
        engine.api.remove_container(container["Id"])


def expected(source: Path, dockerfile: Path) -> set[str]:
    return {entry.path for entry in read_context(source, os.path.relpath(dockerfile, source)).entries}


def built_by_docker(source: Path, dockerfile: Path, image: str) -> None:
    """Build as a person would, with the classic builder of the engine's own client."""
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "--file", str(dockerfile), str(source)],
        check=True,
        capture_output=True,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )


def name() -> str:
    return f"slipway-test-context:{uuid.uuid4().hex}"


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_buildkit_copies_what_the_digest_covers(
    engine: Any, image_build: str, source: Path, contents: Callable[[str], set[str]], rules: str
) -> None:
    (source / ".dockerignore").write_text(rules, encoding="utf-8", newline="")
    image = name()
    builder = builders.BuildKit(
        image_build, lambda: engine_buildkit(engine), builders.engine_output, host_network=False
    )
    builder.build(component(source, source / "Dockerfile", image), lambda _step: None)
    assert contents(image) == expected(source, source / "Dockerfile")


def test_buildkit_sees_nothing_that_the_digest_does_not_cover(
    engine: Any,
    image_build: str,
    source: Path,
    contents: Callable[[str], set[str]],
    tmp_path: Path,
) -> None:
    (source / ".dockerignore").write_text("a.txt\n")
    # The first name of two for one file is not sent, so the second must not refer to it.
    (source / "b.txt").unlink()
    (source / "b.txt").hardlink_to(source / "a.txt")
    covered = expected(source, source / "Dockerfile")
    image = name()
    one = planned(component(source, source / "Dockerfile", image), tmp_path / "store")
    (source / "later").mkdir()
    (source / "later/file").touch()
    (source / "src/later.py").touch()
    builder = builders.BuildKit(
        image_build, lambda: engine_buildkit(engine), builders.engine_output, host_network=False
    )
    builder.build(one, lambda _step: None)
    assert contents(image) == covered and "b.txt" in covered


@pytest.fixture
def members(engine: Any) -> Iterator[Callable[[str], dict[str, tarfile.TarInfo]]]:
    """Mode, owner and size of what is in an image, which is removed afterwards."""
    made: list[str] = []

    def read(image: str) -> dict[str, tarfile.TarInfo]:
        made.append(image)
        container = engine.api.create_container(image)
        try:
            content = io.BytesIO(b"".join(engine.api.export(container["Id"])))
        finally:
            engine.api.remove_container(container["Id"])
        with tarfile.open(fileobj=content) as archive:
            return {member.name.rstrip("/"): member for member in archive}

    yield read
    for image in made:
        engine.api.remove_image(image)


@pytest.mark.parametrize("with_buildkit", [False, True])
def test_image_has_the_modes_of_the_tag_and_no_owners(
    engine: Any,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    members: Callable[[str], dict[str, tarfile.TarInfo]],
    with_buildkit: bool,
) -> None:
    source = tmp_path / "context"
    (source / "shared").mkdir(parents=True)
    (source / "Dockerfile").write_text('FROM scratch\nCOPY . /\nCMD ["/none"]\n')
    modes = {"secret": 0o600, "program": 0o4755, "shared/open": 0o666, "shared/group": 0o660}
    for path, mode in modes.items():
        (source / path).write_text(path)
        os.chown(source / path, 1234, 1234)
        (source / path).chmod(mode)
    (source / "shared").chmod(0o2777)
    os.mknod(source / "socket", stat.S_IFSOCK | 0o600)
    builder = a_builder(engine, request, with_buildkit)
    image = name()
    builder.build(planned(component(source, source / "Dockerfile", image), tmp_path / "store"), lambda _step: None)
    found = members(image)
    assert {path: stat.S_IMODE(found[path].mode) for path in (*modes, "shared")} == {
        "secret": 0o600,
        # The classic builder sets the owner last, which takes this bit away.
        "program": 0o4755 if with_buildkit else 0o755,
        "shared/open": 0o644,
        "shared/group": 0o640,
        "shared": 0o2755,
    }
    assert {(found[path].uid, found[path].gid) for path in modes} == {(0, 0)} and "socket" not in found


@pytest.mark.parametrize("with_buildkit", [False, True])
def test_file_of_the_same_path_size_and_time_is_not_taken_for_another(
    engine: Any,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    members: Callable[[str], dict[str, tarfile.TarInfo]],
    with_buildkit: bool,
) -> None:
    """As two components that were unpacked from one archive have it: BuildKit keeps the context of the one for the other."""
    images = []
    for content in ("first", "other"):
        source = tmp_path / content
        source.mkdir()
        (source / "Dockerfile").write_text('FROM scratch\nCOPY name /\nCMD ["/none"]\n')
        (source / "name").write_text(content)
        os.utime(source / "name", (1000000000, 1000000000))
        image = name()
        one = planned(component(source, source / "Dockerfile", image), tmp_path / "store")
        a_builder(engine, request, with_buildkit).build(one, lambda _step: None)
        members(image)
        images.append(image)
    content_of = {image: text_of(engine, image, "/name") for image in images}
    assert list(content_of.values()) == [b"first", b"other"]


# Docker's classic client does not look into an ignored directory for what such an exception brings back. BuildKit does.
LAZY = ("exception with a wildcard",)


@pytest.mark.parametrize(
    "rules",
    [rules for name, rules in RULES.items() if name not in LAZY],
    ids=[name for name in RULES if name not in LAZY],
)
def test_docker_itself_copies_what_the_digest_covers(
    source: Path, contents: Callable[[str], set[str]], rules: str
) -> None:
    (source / ".dockerignore").write_text(rules, encoding="utf-8", newline="")
    image = name()
    built_by_docker(source, source / "Dockerfile", image)
    assert contents(image) == expected(source, source / "Dockerfile")


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_classic_builder_is_sent_what_the_digest_covers(
    engine: Any, source: Path, contents: Callable[[str], set[str]], rules: str
) -> None:
    (source / ".dockerignore").write_text(rules, encoding="utf-8", newline="")
    image = name()
    builders.Classic(engine, "default").build(component(source, source / "Dockerfile", image), lambda _step: None)
    assert contents(image) == expected(source, source / "Dockerfile")


@pytest.mark.parametrize("own_rules", [False, True])
@pytest.mark.parametrize("with_buildkit", [False, True])
def test_dockerfile_outside_of_its_context(
    engine: Any,
    request: pytest.FixtureRequest,
    source: Path,
    contents: Callable[[str], set[str]],
    own_rules: bool,
    with_buildkit: bool,
) -> None:
    dockerfile = source.parent / "recipes/web.Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text('FROM scratch\nCOPY . /\nCMD ["/none"]\n')
    (source / ".dockerignore").write_text("*.txt\n")
    if own_rules:
        (dockerfile.parent / "web.Dockerfile.dockerignore").write_text("src\n")
    image = name()
    builder = a_builder(engine, request, with_buildkit)
    builder.build(component(source, dockerfile, image), lambda _step: None)
    found = contents(image)
    assert found == expected(source, dockerfile)
    assert ("a.txt" in found, "src/app.py" in found) == ((True, False) if own_rules else (False, True))
