# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of health checks for people and for files: message, JSON and JUnit. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import shorten
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError

MAX_LINES = 15
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def summarize(checks: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the checks by state."""
    states = [check["state"] for check in checks]
    return {"total": len(states), **{state: states.count(state) for state in ("healthy", "unhealthy", "skipped")}}


def left_out_words(names: Sequence[str]) -> str:
    """Say which checks were not asked because what they use is not known, with a blank before."""
    return f" Skipped, because their expected value is unknown: {shorten(', '.join(names), 200)}." if names else ""


def message(checks: Sequence[Mapping[str, Any]], elapsed: float, left_out: Sequence[str] = ()) -> str:
    """Say in at most MAX_LINES lines what failed, why, on what evidence, and what to do."""
    counts = summarize(checks)
    total = counts["total"]
    if counts["healthy"] == total:
        words = f"All {total} checks are healthy" if total > 1 else "Healthy" if total else "Nothing was asked"
        return f"{words} ({elapsed:.1f} s).{left_out_words(left_out)}"
    failed = [check for check in checks if check["state"] == "unhealthy"]
    skipped = [check for check in checks if check["state"] == "skipped"]
    words = f"{len(failed)} of {total} checks failed"
    if skipped:
        words += f", {len(skipped)} {'was' if len(skipped) == 1 else 'were'} skipped"
    lines = [f"{words} ({elapsed:.1f} s).{left_out_words(left_out)}"]
    told = failed if failed else skipped
    shown: set[str] = set()
    for count, check in enumerate(told):
        block = _block(check, shown)
        # One line each may go to the rest and to the skipped.
        if len(lines) + len(block) > MAX_LINES - 2:
            rest = told[count:]
            lines.append(shorten(f"- and {len(rest)} more: {', '.join(other['name'] for other in rest)}", 200))
            break
        lines += block
    if len(told) == 1:
        evidence = [f"  {kind}: {shorten(line, 200)}" for kind, line in _evidence(told[0].get("diagnosis") or {})]
        lines += evidence[: MAX_LINES - 2 - len(lines)]
    if failed and skipped:
        lines.append(shorten(f"Skipped: {', '.join(check['name'] for check in skipped)}", 200))
    return "\n".join(lines)


def _block(check: Mapping[str, Any], shown: set[str]) -> list[str]:
    """Return the lines of one failed check; what is wrong with a workload is told with its first check only."""
    error = check["last_error"] or {"code": "deadline", "message": "", "suggestion": ""}
    tries = f"{check['attempts']} attempt{'' if check['attempts'] == 1 else 's'} in {check['elapsed']:.1f} s"
    lines = [f"- {shorten(check['name'], 60)}: {shorten(error['message'], 300)} [{error['code']}; {tries}]"]
    diagnosis = check.get("diagnosis")
    if not diagnosis:
        return [*lines, f"  What to do: {error['suggestion']}"]
    why = f"  Workload: {shorten(diagnosis['cause'], 300)} [{diagnosis['code']}]"
    if why in shown:
        return lines
    shown.add(why)
    return [*lines, why, f"  What to do: {diagnosis['suggestion']}"]


def _evidence(diagnosis: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("Event", line) for line in (diagnosis.get("events") or [])[-2:])
    yield from (("Log", line) for line in (diagnosis.get("log") or [])[-6:])


def as_json(result: Mapping[str, Any], _elapsed: float = 0.0) -> str:
    """Render the result as a JSON document."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def as_tap(result: Mapping[str, Any], _elapsed: float = 0.0) -> str:
    """Render the result in the Test Anything Protocol, version 13, a test per check."""
    checks = result["checks"]
    lines = ["TAP version 13", f"1..{len(checks)}"]
    for number, check in enumerate(checks, 1):
        good = check["state"] == "healthy"
        # A number sign would begin a directive.
        name = shorten(check["name"], 200).replace("\\", "\\\\").replace("#", "\\#")
        error = None if good else check["last_error"]
        skipped = f" # SKIP {shorten(error['message'], 200)}" if error and check["state"] == "skipped" else ""
        lines.append(f"{'ok' if good or skipped else 'not ok'} {number} - {name}{skipped}")
        if error and not skipped:
            told = {"code": error["code"], "message": error["message"], "suggestion": error["suggestion"]}
            lines += [
                "  ---",
                *(f"  {key}: {json.dumps(shorten(value, 400), ensure_ascii=False)}" for key, value in told.items()),
                "  ...",
            ]
    return "\n".join(lines) + "\n"


def as_junit(result: Mapping[str, Any], elapsed: float) -> str:
    """Render the result as one JUnit test suite, a case per check."""
    checks = result["checks"]
    counts = summarize(checks)
    suite = ET.Element(
        "testsuite",
        name="health_check",
        tests=str(counts["total"]),
        failures=str(counts["unhealthy"]),
        skipped=str(counts["skipped"]),
        errors="0",
        time=f"{elapsed:.3f}",
    )
    for check in checks:
        case = ET.SubElement(
            suite, "testcase", classname="health_check", name=_xml(check["name"]), time=f"{check['elapsed']:.3f}"
        )
        error = check["last_error"]
        if check["state"] == "healthy" or not error:
            continue
        kind = "failure" if check["state"] == "unhealthy" else "skipped"
        node = ET.SubElement(case, kind, message=_xml(error["message"]))
        if kind == "failure":
            node.set("type", error["code"])
            wrong = [item for item in check["assertions"] if not item["passed"]]
            texts = [f"{i['subject']} {i['predicate']} {i['expected']}: observed {i['observed']}" for i in wrong]
            found = check.get("diagnosis")
            why = [f"{found['code']}: {found['cause']}", found["suggestion"]] if found else []
            more = [f"{kind}: {line}" for kind, line in _evidence(found or {})]
            node.text = _xml("\n".join([*texts, error["suggestion"], *why, *more]))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)


def check_sink(key: str, path: str | None) -> None:
    """Refuse a report path that cannot be written, before anything is asked."""
    if not path:
        return
    directory = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    if not os.path.isdir(directory):
        raise SpecError(f"{key}: the directory {directory} does not exist; make it first.")
    if not os.access(directory, os.W_OK):
        raise SpecError(f"{key}: the directory {directory} cannot be written; choose another one.")


def write(path: str, text: str) -> None:
    """Replace a file in one step, so that nobody reads half a report. Raises OSError."""
    path = os.path.abspath(os.path.expanduser(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".health-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
