# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the report of a run as one page that needs nothing but itself. Private to the collection.

The page is the template C(_report.html.j2) beside this file, in which Jinja2 escapes all text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.text import clock, duration
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = Path(__file__).with_name("_report.html.j2")
_WORDS = {"rescued": "failed, rescued", "ignored": "failed, ignored"}
# Of the drawing of the phases, in its own units: the room for names, the length of the run, the distance and height of bars.
_LEFT, _WIDE, _ROW, _BAR = 150, 720, 30, 16
_NARROWEST = 3.0  # less could not be seen


def render(report: Mapping[str, Any]) -> str:
    """Render a report (its shape is documented in the report callback) as an HTML page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        cut=lambda text, longest: text if len(text) <= longest else text[: longest - 1] + "\u2026",
        duration=duration,
        error=_error,
        json=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        milliseconds=_milliseconds,
        word=_word,
    )
    tasks = report["tasks"]
    return environment.get_template(TEMPLATE.name).render(
        report=report,
        title=_title(report),
        bad=report["result"] != "ok",
        when=datetime.fromisoformat(report["started"]).astimezone().strftime("%d %B %Y, %H:%M:%S %Z"),
        facts=_facts(report),
        many=len(report["hosts"]) > 1,
        failures=[task for task in tasks if task.get("failure")],
        drawing=_drawing(report["phases"], report["duration_s"]),
        telling=[task for task in tasks if task["status"] not in ("ok", "skipped") or task["duration_s"] > 2],
    )


def _title(report: Mapping[str, Any]) -> str:
    changed = report["counts"].get("changed", 0)
    if report["result"] != "ok":
        return "The run failed"
    if not report["check_mode"]:
        return "Done" if changed else "Done, nothing had to change"
    return (
        f"{changed} {'task' if changed == 1 else 'tasks'} would change something" if changed else "Nothing would change"
    )


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values that stand in large letters at the top."""
    counts, checks = report["counts"], report["checks"]
    facts = [("took", clock(report["duration_s"])), ("changed", str(counts.get("changed", 0)))]
    facts += [(key, str(counts[key])) for key in ("failed", "unreachable", "rescued", "ignored") if counts.get(key)]
    if checks:
        healthy = sum(1 for check in checks if check["state"] == "healthy")
        facts.append(("healthy checks", f"{healthy} of {len(checks)}"))
    return [*facts, ("tasks", str(len(report["tasks"])))]


def _drawing(phases: Sequence[Mapping[str, Any]], total: float) -> dict[str, Any]:
    """Place the phases as horizontal bars on the run's own time line: where each ran, and how long."""
    scale = _WIDE / max(total, 0.001)
    drawn = []
    for index, phase in enumerate(phases):
        widths = [max(_NARROWEST, (end - begin) * scale) for begin, end in phase["spans"]]
        starts = [begin * scale for begin, _end in phase["spans"]]
        drawn.append(
            {
                "name": phase["name"],
                "took": duration(phase["duration_s"]),
                "bad": any(phase["counts"].get(key) for key in ("failed", "unreachable", "rescued")),
                "top": index * _ROW + 6,
                "baseline": index * _ROW + 19,
                "bars": [
                    (min(_LEFT + start, _LEFT + _WIDE - width), width)
                    for start, width in zip(starts, widths, strict=True)
                ],
            }
        )
    return {
        "phases": drawn,
        "words": "; ".join(f"{phase['name']} {phase['took']}" for phase in drawn),
        "left": _LEFT,
        "wide": _WIDE,
        "bar": _BAR,
        "width": _LEFT + _WIDE + 80,
        "height": len(phases) * _ROW + 4,
    }


def _word(task: Mapping[str, Any]) -> str:
    """Return what a task has come to."""
    if task["status"] == "changed" and task["check_mode"]:
        return "would change"
    return _WORDS.get(task["status"], str(task["status"]))


def _error(check: Mapping[str, Any]) -> str:
    """Say why a check is not healthy. An error that a later attempt overcame is history, not news."""
    error = check.get("last_error")
    if not isinstance(error, Mapping) or check["state"] == "healthy":
        return ""
    code = f" [{error['code']}]" if error.get("code") else ""
    return f"{error.get('message', '')}{code} {error.get('suggestion', '')}".strip()


def _milliseconds(check: Mapping[str, Any]) -> str:
    """Render a check's times: percentiles when it has samples, else the phases of its last request."""
    for key in ("percentiles", "timings"):
        found = check.get(key)
        if isinstance(found, Mapping):
            parts = [f"{name} {_number(value)}" for name, value in found.items() if isinstance(value, (int, float))]
            if parts:
                return ", ".join(parts)
    return ""


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
