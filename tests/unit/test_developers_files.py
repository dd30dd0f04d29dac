# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the developer's own deploys have is out of the tests' reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import paths
from developers_files import PLACES


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_written_there(place: str) -> None:
    file = Path(place) / "unit-test"
    for write in (file.touch, file.mkdir, lambda: file.write_text("x"), file.unlink, lambda: file.rename("/tmp/x")):
        with pytest.raises(PermissionError, match="developer's own"):
            write()


def test_cache_and_state_are_the_tests_own() -> None:
    assert not any(f"{found}/".startswith(PLACES) for found in (paths.cache_dir(), paths.state_dir()))
