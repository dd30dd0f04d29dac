# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What prepares an image: the container that knows the machine's mirrors, and what is committed of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import preparation
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.debian import DebianMirror
from distribution_objects import artifact

PYTHON = artifact("image", "python", "rootfs:debian")


class Containers:
    """An engine's containers: notes what is asked of it, in its order."""

    def __init__(self, code: int = 0, left: bool = False) -> None:
        self.containers = self.images = self
        self.code = code
        self.left = left
        self.done: list[str] = []
        self.options: dict[str, Any] = {}
        self.filters: dict[str, str] = {}

    def list(self, all: bool, filters: dict[str, str]) -> list[Containers]:
        assert all, "one that was never started, too"
        self.filters = filters
        return [self] if self.left else []

    def create(self, image: str, command: list[str], **options: Any) -> Containers:
        self.done.append(f"create {image}")
        self.options = {"command": command, **options}
        return self

    def start(self) -> None:
        self.done.append("start")

    def logs(self, stream: bool, follow: bool) -> list[bytes]:
        assert stream and follow
        return [b"E: Unable to locate", b" package python3\n"]

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.code}

    def commit(self, repository: str, tag: str, changes: list[str]) -> None:
        self.done.append(f"commit {repository}:{tag} {changes}")

    def remove(self, reference: str = "", force: bool = False, v: bool = False) -> None:
        assert reference or (force and v)
        self.done.append(f"remove {reference}".strip())


def test_container_is_committed_and_only_its_image_stays_while_it_is_needed(tmp_path: Path) -> None:
    engine = Containers(left=True)
    place = tmp_path / "cache/.making/one"
    with preparation.prepared(engine, PYTHON, "debian:1", place, tmp_path / "logs/python.log") as reference:
        engine.done.append("build")
    assert reference == "slipway.local/python-prepared:digest-python"
    assert engine.done == [
        "remove",
        "create debian:1",
        "start",
        "commit slipway.local/python-prepared:digest-python ['CMD [\"bash\"]']",
        "remove",
        "build",
        "remove slipway.local/python-prepared:digest-python",
    ]
    assert re.fullmatch(engine.filters["name"], f"/{engine.options['name']}"), "what a killed run left"
    assert (tmp_path / "logs/python.log").read_bytes() == b"E: Unable to locate package python3\n"


def test_what_a_commit_keeps_of_a_container_names_no_mirror(tmp_path: Path) -> None:
    engine = Containers()
    with preparation.prepared(engine, PYTHON, "debian:1", tmp_path / "one", tmp_path / "python.log"):
        (mount,) = engine.options.pop("mounts")
    assert (mount["Target"], mount["Source"], mount["ReadOnly"]) == ("/mnt", str(tmp_path / "one"), True)
    assert set(engine.options) == {"command", "name", "network_mode", "use_config_proxy"}, "no environment, no label"
    assert engine.options["use_config_proxy"] is False


def test_failed_script_is_told_with_its_last_words_and_nothing_is_kept(tmp_path: Path) -> None:
    engine = Containers(code=100)
    with (
        pytest.raises(BuildError, match=r"(?s)image python .*exit code 100.*Unable to locate package.*python\.log"),
        preparation.prepared(engine, PYTHON, "debian:1", tmp_path / "one", tmp_path / "python.log"),
    ):
        pytest.fail("nothing was prepared")
    assert engine.done == ["create debian:1", "start", "remove"]


def test_script_finds_the_mirrors_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = DebianMirror("https://mirror.example/debian", "", "ada", "pass-word")
    monkeypatch.setattr(preparation.DebianMirror, "of_this_machine", lambda: mirror)
    monkeypatch.setattr(preparation, "mirror_variables", lambda: {"PIP_INDEX_URL": "https://it's.example/simple"})
    (tmp_path / "image").mkdir()
    (tmp_path / "image/prepare").write_text("#!/bin/sh\n")
    place = tmp_path / "place"
    place.mkdir()
    preparation.lay_out(place, tmp_path / "image", "bookworm")
    files = {file.name for file in place.iterdir()}
    assert files == {"apt.conf", "auth.conf", "environment", "image", "sources.list"}
    assert (place / "image/prepare").read_text() == "#!/bin/sh\n"
    assert (place / "sources.list").read_text() == "deb https://mirror.example/debian bookworm main\n"
    script = f'. {place}/environment; printf \'%s\\n\' "$APT_CONFIG" "$PIP_INDEX_URL"'
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "/mnt/apt.conf\nhttps://it's.example/simple\n"
