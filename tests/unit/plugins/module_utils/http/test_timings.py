# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the phases of a request took, and which fault a time-out is."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import timings


def test_phases_are_in_milliseconds_with_three_digits() -> None:
    moments = [100.0, 100.25, 100.2623456, 107.5]
    found = timings.Timings(lambda: moments.pop(0))
    began = found.enter("tls")
    assert (found.started, began, found.phase) == (100.0, 100.25, "tls")
    found.leave("tls", began)
    found.finish()
    assert found.phases == {"tls": 12.346, "total": 7500.0}
    assert moments == []


@pytest.mark.parametrize("phase", timings.TIMEOUT_CODES)
def test_running_out_of_time_is_the_fault_of_the_phase_or_of_the_proxy_before_it(phase: str) -> None:
    assert timings.Timings(phase=phase).timeout_code == timings.TIMEOUT_CODES[phase]
    assert timings.Timings(phase=phase, proxied=True).timeout_code == "proxy_failed"
