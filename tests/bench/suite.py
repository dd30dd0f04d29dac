#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what `make test` printed about its steps, for results.json and the section Steps of make test of docs/measurements.md.

    make test 2>&1 | tee test.log
    python -m tests.bench.suite --cache cold|warm [--note TEXT] [--results FILE] test.log

Cold is a machine without container engine and packages of Slipway's and with empty caches; warm is one where `make test` has run before.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import results
from tests.bench.pages import SUITE, suite_section

STEP = re.compile(r"^== (?P<name>.+): (?P<outcome>passed|FAILED) \((?P<seconds>\d+)s\)$", re.MULTILINE)
TOTAL = re.compile(r"^== all steps \((?P<seconds>\d+)s\)$", re.MULTILINE)


class LogError(ValueError):
    """The log is not one of a `make test` that passed; the text says why."""


def steps_of(log: str) -> dict[str, Any]:
    """Seconds of each step, and of the whole run, from the output of `make test`. Raises LogError."""
    steps = {found["name"]: int(found["seconds"]) for found in STEP.finditer(log)}
    failed = [found["name"] for found in STEP.finditer(log) if found["outcome"] != "passed"]
    total = TOTAL.search(log)
    if failed:
        raise LogError(f"These steps failed: {', '.join(failed)}. Record a run that passed.")
    if not steps or not total:
        raise LogError(
            "The log has no steps, or no time of all steps at its end. Give the whole output of 'make test'."
        )
    return {"steps": steps, "seconds": int(total["seconds"])}


def main(arguments: Sequence[str] | None = None) -> int:
    """Record one run; the process's exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("log", type=Path, help="the whole output of 'make test'")
    parser.add_argument("--cache", choices=["cold", "warm"], required=True, help="what was there before the run")
    parser.add_argument("--note", default="", help="a sentence for the section")
    parser.add_argument("--results", type=Path, help="write this file alone, in place of results.json and the pages")
    given = parser.parse_args(arguments)
    try:
        figures = steps_of(given.log.read_text(encoding="utf-8", errors="replace"))
    except (OSError, LogError) as error:
        print(error, file=sys.stderr)
        return 1
    runs = dict(results.load(given.results or results.RESULTS).get(SUITE, {}).get("runs", {}))
    moment = results.entry("make test", "", "", given.note, {})
    runs[given.cache] = {**figures, "date": moment["date"], "note": given.note}
    entry = {"command": "make test", "date": moment["date"], "machine": moment["machine"], "runs": runs}
    results.publish(SUITE, entry, given.results)
    print(suite_section(entry))
    return 0


if __name__ == "__main__":
    sys.exit(main())
