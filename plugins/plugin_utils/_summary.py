# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sum of a run in a few words. Pure functions. Private to the collection."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from ansible_collections.slipway.kube.plugins.module_utils._common.text import clock, duration
from ansible_collections.slipway.kube.plugins.plugin_utils._record import PhaseRecord

# Ansible's names of its counts, and what a person calls them.
_WORDS = (("failures", "failed"), ("unreachable", "unreachable"), ("rescued", "rescued"), ("ignored", "ignored"))


def is_bad(counts: Mapping[str, int]) -> bool:
    """Say whether a run with these counts of Ansible has failed."""
    return bool(counts["failures"] or counts["unreachable"])


def headline(counts: Mapping[str, int], check_mode: bool, elapsed: float) -> str:
    """Return the sum of a run by Ansible's counts; elapsed is in seconds."""
    changed = counts["changed"]
    words = [f"{changed} would change" if check_mode else f"{changed} changed"] if changed else []
    words += [f"{counts[key]} {word}" for key, word in _WORDS if counts[key]]
    head = "Failed after" if is_bad(counts) else "Done in"
    nothing = "nothing would change" if check_mode else "nothing changed"
    return f"{head} {clock(elapsed)}: {', '.join(words) or nothing}."


def phase_times(phases: Sequence[PhaseRecord], width: int) -> list[str]:
    """Return the times of the phases as lines of at most so many characters."""
    # A name stays with its time.
    times = [f"{phase.name} {duration(phase.duration)}".replace(" ", "\0") for phase in phases]
    lines = textwrap.wrap("   ".join(times), width - 2, break_long_words=False, break_on_hyphens=False)
    return [f"  {line}".replace("\0", " ") for line in lines]
