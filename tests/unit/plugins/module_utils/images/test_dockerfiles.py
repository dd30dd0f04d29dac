# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that a Dockerfile starts from, and what the distribution says of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import dockerfiles

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("dockerfile", "arguments", "images"),
    [
        ("FROM python:3.13-slim", {}, ["python:3.13-slim"]),
        ("ARG V=3.13\nFROM python:${V}-slim", {}, ["python:3.13-slim"]),
        ("ARG V=3.13\nFROM python:$V", {"V": "3.11"}, ["python:3.11"]),
        ("ARG V\nFROM python:${V:-3}", {}, ["python:3"]),
        ("ARG S=x\nFROM python:3${S:+-slim}", {}, ["python:3-slim"]),
        ("ARG A=3\nARG B=${A}.13\nFROM python:$B", {}, ["python:3.13"]),
        ('ARG V="3.13"\nFROM python:$V', {}, ["python:3.13"]),
        (
            "FROM a AS build\nFROM b\nCOPY --from=build /x /x\nCOPY --from=0 /x /x\nCOPY --from=c:1 /x /x",
            {},
            ["a", "b", "c:1"],
        ),
        ("FROM a AS base\nFROM base AS test\nFROM Base", {}, ["a"]),
        ("from --platform=linux/amd64 a as b\nFROM scratch", {}, ["a"]),
        ("FROM \\\n  a:1", {}, ["a:1"]),
        ("FROM a\nFROM a", {}, ["a"]),
        # An ARG of a stage is none of the next FROM's.
        ("ARG V=1\nFROM a:$V\nARG V=2\nFROM b:$V", {}, ["a:1", "b:1"]),
        ("# FROM a\nRUN echo FROM b", {}, []),
    ],
)
def test_base_images(dockerfile: str, arguments: dict[str, str], images: list[str]) -> None:
    assert dockerfiles.base_images(dockerfile, arguments) == [dockerfiles.normal_name(image) for image in images]


def test_the_example_starts_from_images_that_the_distribution_makes() -> None:
    made = dockerfiles.made_here(ROOT / "distribution")
    for component in ("backend", "frontend"):
        found = dockerfiles.base_images((ROOT / "examples/todo" / component / "Dockerfile").read_text(), {})
        assert found and set(found) <= set(made)


def test_a_changed_recipe_is_another_digest(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "distribution", tmp_path / "distribution")
    before = dockerfiles.made_here(tmp_path / "distribution")
    (tmp_path / "distribution/images/python/Dockerfile").write_text("FROM scratch\n")
    after = dockerfiles.made_here(tmp_path / "distribution")
    changed = {name for name in before if before[name] != after[name]}
    assert "docker.io/library/python:3.13-slim" in changed
    assert "docker.io/library/postgres:17" not in changed


def test_the_line_of_a_base_image() -> None:
    dockerfile = "ARG V=1\n# FROM b\nFROM a:$V AS x\nCOPY --from=c \\\n  /a /\nFROM \\\n  b\n"
    found = [
        dockerfiles.line_of_base(dockerfile, {"V": "2"}, name) for name in ("docker.io/library/a:2", "b", "c", "d")
    ]
    assert found == [3, 6, 4, None]
