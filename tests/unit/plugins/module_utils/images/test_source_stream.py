# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contexts as streams: what is in them, and what is said when one cannot be read."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images.builders import context_of
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ComponentImage, ImageError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_stream import (
    ContextStream,
    dockerfile_name,
)
from image_objects import component, lay_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_source(tmp_path / "source")


def stream(one: ComponentImage) -> tuple[str, dict[str, tarfile.TarInfo], dict[str, bytes]]:
    """The Dockerfile's name in a component's stream, the stream's members, and what the files among them hold."""
    context = context_of(one)
    name = dockerfile_name(context, one.dockerfile)
    reading = ContextStream(context, one.dockerfile, name)
    data = io.BytesIO(b"".join(reading.chunks()))
    reading.close()
    with tarfile.open(fileobj=data) as archive:
        members = {member.name: member for member in archive}
        files = {name: file.read() for name, member in members.items() if (file := archive.extractfile(member))}
    return name, members, files


def test_stream_holds_the_context_and_nobody_owns_it(source: Path) -> None:
    name, members, files = stream(component(source))
    assert name == "Dockerfile"
    assert set(members) == {"Dockerfile", "link", "src", "src/app.py", "src/run"}
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert members["src/run"].mode & stat.S_IXUSR
    assert members["link"].linkname == "src/app.py"
    assert files["src/app.py"] == b"print()"


@pytest.mark.parametrize("rules", ["Dockerfile\n", "Dockerfile\n.dockerignore\n"])
def test_ignored_dockerfile_comes_under_a_name_that_copy_does_not_see(source: Path, rules: str) -> None:
    (source / ".dockerignore").write_text(rules)
    name, members, files = stream(component(source))
    assert name.startswith(".dockerfile.") and "Dockerfile" not in members
    lines = files[".dockerignore"].decode().split()
    assert name in lines
    assert (".dockerignore" in lines) is (".dockerignore" in rules)


def test_dockerfile_outside_of_the_context(source: Path) -> None:
    (source.parent / "web.Dockerfile").write_text("FROM other")
    name, _members, files = stream(component(source, "../web.Dockerfile"))
    assert files[name] == b"FROM other"


def test_file_that_vanishes_is_told(source: Path) -> None:
    one = component(source)
    context = context_of(one)
    (source / "src/app.py").unlink()
    reading = ContextStream(context, one.dockerfile, "Dockerfile")
    assert b"".join(reading.chunks())
    with pytest.raises(ImageError, match=r"app\.py vanished"):
        reading.close()
