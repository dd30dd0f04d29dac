# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example's Dockerfiles: every builder takes them, and both sets make the same images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/todo"
DOCKERFILES = sorted([*EXAMPLE.glob("*/Dockerfile"), *EXAMPLE.glob("docker/*.Dockerfile")])


def instructions(file: Path) -> list[str]:
    """A Dockerfile's instructions, continued lines joined and comments left out."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [line for line in joined.splitlines() if line.strip()]


def final_stage(file: Path) -> list[str]:
    found = instructions(file)
    return found[max(index for index, line in enumerate(found) if line.startswith("FROM ")) + 1 :]


def test_there_are_two_sets() -> None:
    assert {str(file.relative_to(EXAMPLE)) for file in DOCKERFILES} == {
        "backend/Dockerfile",
        "frontend/Dockerfile",
        "docker/backend.Dockerfile",
        "docker/frontend.Dockerfile",
        "docker/node-base.Dockerfile",
        "docker/python-base.Dockerfile",
    }


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(EXAMPLE)))
def test_the_classic_builder_takes_it(file: Path) -> None:
    text = "\n".join(instructions(file))
    # What only BuildKit knows; a syntax line would fetch a frontend from a registry besides.
    assert not re.search(r"--mount|<<|^(COPY|ADD) .*--(chmod|link)", text, re.MULTILINE)
    assert not re.search(r"^#\s*(syntax|check)\s*=", file.read_text(), re.MULTILINE)
    # Obeyed by BuildKit and passed over by the classic builder: two builders, two contexts.
    assert not file.with_name(f"{file.name}.dockerignore").exists()


@pytest.mark.parametrize("service", ["backend", "frontend"])
def test_both_sets_end_in_the_same_image(service: str) -> None:
    own, shared = (final_stage(EXAMPLE / place) for place in (f"{service}/Dockerfile", f"docker/{service}.Dockerfile"))
    kept = ("ARG", "COPY", "LABEL", "USER", "EXPOSE", "HEALTHCHECK", "CMD")

    def comparable(stage: list[str]) -> list[str]:
        return [line for line in stage if line.startswith(kept)]

    assert comparable(own) == comparable(shared)
    assert [line for line in own if line.startswith("USER")]


def test_both_backends_run_with_the_same_settings() -> None:
    def settings(*files: str) -> set[str]:
        words = [
            line.removeprefix("ENV ")
            for file in files
            for line in final_stage(EXAMPLE / file)
            if line.startswith("ENV ")
        ]
        return set(" ".join(words).split())

    own = settings("backend/Dockerfile")
    assert own
    assert own <= settings("docker/python-base.Dockerfile", "docker/backend.Dockerfile")


def test_whom_the_backend_runs_as_is_a_number() -> None:
    stage = final_stage(EXAMPLE / "backend/Dockerfile")
    assert [line for line in stage if line.startswith(("ARG", "USER"))] == [
        "ARG APP_UID=10001",
        "ARG APP_GID=${APP_UID}",
        "USER ${APP_UID}:${APP_GID}",
    ]


def test_uv_is_pinned_by_its_sums() -> None:
    text = (EXAMPLE / "docker/backend.Dockerfile").read_text()
    assert re.search(r"uv==\d+\.\d+\.\d+( --hash=sha256:[0-9a-f]{64})+'", text)
    assert text.count("--require-hashes") == 2
