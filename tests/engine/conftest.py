# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need a container engine and no cluster."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

# The collection is made importable as for the unit tests.
_place = Path(__file__).resolve().parents[1] / "unit/conftest.py"
_spec = importlib.util.spec_from_file_location("unit_conftest", _place)
assert _spec and _spec.loader
_spec.loader.exec_module(importlib.util.module_from_spec(_spec))


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """The engine's client."""
    try:
        client = docker.from_env(timeout=120)
    except docker.errors.DockerException as error:
        pytest.fail(
            f"No container engine answers: {error}\nWhat to do: run 'tests/run.sh app engine', which brings one.", False
        )
    yield client
    client.close()


@pytest.fixture(scope="session")
def image_build() -> str:
    """The program image-build: where SLIPWAY_IMAGE_BUILD says, or where a set-up put it."""
    place = os.environ.get("SLIPWAY_IMAGE_BUILD") or str(Path.home() / ".local/state/slipway/bin/image-build")
    if not Path(place).exists():
        pytest.fail(
            f"There is no {place}.\nWhat to do: set the tools up first (playbooks/site.yml --tags setup).", False
        )
    return place
