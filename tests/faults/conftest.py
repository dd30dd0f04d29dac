# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster to play the faults on. ``SLIPWAY_FAULTS`` names the file that says where; molecule/faults/verify.yml writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faults import chosen
from play import Answer, Place, Stage

WORKERS = 6


@pytest.fixture(scope="session")
def stage() -> Stage:
    """The cluster."""
    file = os.environ.get("SLIPWAY_FAULTS", "")
    if not file:
        pytest.fail("SLIPWAY_FAULTS is not set: these tests are run by 'molecule verify -s faults'.", pytrace=False)
    return Stage(Place.read(Path(file)))


@pytest.fixture(scope="session")
def answers(stage: Stage) -> dict[str, Answer | Exception]:
    """What Slipway says of every fault, all of them played side by side."""
    stage.clear()
    stage.make_registry()
    return stage.play(stage.slipway, chosen(), WORKERS)
