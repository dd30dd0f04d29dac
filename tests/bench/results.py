#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file of measured figures, and the pages that are written from it.

    python -m tests.bench.results     write docs/measurements.md, its charts and README.md from results.json

Every measuring program puts its entry into results.json. An entry has C(command), C(date), C(machine), C(before) and C(after) (what else
the machine did), C(notes) and C(note) (sentences), and figures of its own in seconds, bytes and CPUs, which C(pages.py) reads.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.bench.pages import rendered

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results.json"


def load(file: Path = RESULTS) -> dict[str, Any]:
    """All entries by section; none when the file is not there."""
    if not file.exists():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def machine() -> str:
    """Processors, memory and system in a few words."""
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) * 1024
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{os.cpu_count()} CPUs, {memory / 2**30:.0f} GiB, {system}"


def entry(
    command: str, before: str, after: str, note: str, figures: Mapping[str, Any], notes: list[str] | None = None
) -> dict[str, Any]:
    """An entry of this moment and machine."""
    return {
        "command": command,
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "notes": notes or [],
        "before": before,
        "after": after,
        "note": note,
        **figures,
    }


def publish(section: str, measured: Mapping[str, Any], file: Path | None = None) -> Path:
    """Put an entry into the results and write the pages; into another C(file) alone, if one is given. Returns the file."""
    target = file or RESULTS
    results = {**load(target), section: measured}
    text = json.dumps(results, indent=2, ensure_ascii=False)
    target.write_text(f"{text}\n", encoding="utf-8")
    if file is None:
        write_pages(results)
    return target


def write_pages(results: Mapping[str, Any], root: Path = ROOT) -> None:
    """Write every page that the results give."""
    for file, text in rendered(results, root).items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(load())
