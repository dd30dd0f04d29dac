# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need a container engine and no cluster."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
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
    """The program image-build: where SLIPWAY_IMAGE_BUILD says, otherwise made from its sources, once."""
    if place := os.environ.get("SLIPWAY_IMAGE_BUILD"):
        return place
    tools = Path(__file__).resolve().parents[1] / "tools/tools.py"
    run = subprocess.run([sys.executable, tools, "image-build"], capture_output=True, text=True)
    if run.returncode:
        pytest.fail(f"There is no image-build: {run.stderr}", False)
    return run.stdout.strip()
