#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play every fault twice, with Slipway and with Helm and kubectl wait, and write docs/diagnosis.md with its picture.

tests/faults/diagnosis.py measure FILE   play them on the cluster that FILE names (see conftest.py), write measured.json
tests/faults/diagnosis.py                write page and picture from measured.json
tests/faults/diagnosis.py --check        only say whether they are out of date, and fail if so
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MEASURED = Path(__file__).with_name("measured.json")
PAGE = ROOT / "docs/diagnosis.md"
PICTURE = ROOT / "docs/images/diagnosis.svg"
WAYS = ("slipway", "wait")
LAST_LINES = 5


def measure(file: Path, workers: int, note: str) -> dict[str, Any]:
    """Play the faults in both ways. Raises RuntimeError when one of them could not be played."""
    from faults import FAULTS
    from play import Place, Stage

    stage = Stage(Place.read(file))
    found: dict[str, Any] = {}
    try:
        for way, play in zip(WAYS, (stage.slipway, stage.baseline), strict=True):
            stage.clear()
            stage.make_registry()
            # Waiting costs no processor, so many waits run at once; Slipway's answers come a few at a time.
            count = workers if way == "slipway" else 4 * workers
            for name, answer in stage.play(play, FAULTS, count).items():
                if isinstance(answer, Exception):
                    raise RuntimeError(f"{name} could not be played by {way}: {answer}")
                entry = found.setdefault(name, {"title": answer.fault.title, "code": answer.fault.code})
                entry[way] = {"seconds": round(answer.seconds, 1), "lines": answer.lines}
                if answer.visible:
                    entry[way]["after_visible_seconds"] = round(answer.waited, 1)
                if way == "slipway":
                    entry["said"] = answer.diagnosis.get("code", "")
    finally:
        stage.clear()
    return {"date": datetime.now(timezone.utc).strftime("%Y-%m-%d"), "note": note, "faults": found}


def picture(measured: dict[str, Any]) -> str:
    """Return the bars of seconds to an answer, Slipway's above that of the wait."""
    rows = list(measured["faults"].values())
    longest = max(row[way]["seconds"] for row in rows for way in WAYS)
    left, width, step, top = 330, 560, 30, 56
    height = top + step * len(rows) + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" font-family="sans-serif" font-size="13">',
        "<title>Seconds from the first command to a result, by fault</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="16" fill="#1f2933">Seconds from the first command to a result</text>',
        '<rect x="16" y="34" width="12" height="12" fill="#1a7f64"/><text x="34" y="45" fill="#1f2933">Slipway</text>',
        '<rect x="104" y="34" width="12" height="12" fill="#c2410c"/>'
        '<text x="122" y="45" fill="#1f2933">helm upgrade --install, then kubectl wait --timeout=120s</text>',
    ]
    grid = 60 if longest > 120 else 30
    for second in range(0, int(longest) + grid, grid):
        x = left + width * second / longest
        if x > left + width + 40:
            break
        lines.append(f'<path d="M{x:.1f} {top}V{height - 34}" stroke="#d5dae1"/>')
        lines.append(f'<text x="{x:.1f}" y="{height - 18}" text-anchor="middle" fill="#52606d">{second} s</text>')
    for number, row in enumerate(rows):
        y = top + step * number
        lines.append(
            f'<text x="{left - 8}" y="{y + 18}" text-anchor="end" fill="#1f2933">{escape(row["title"])}</text>'
        )
        for offset, way, colour in ((3, "slipway", "#1a7f64"), (14, "wait", "#c2410c")):
            seconds = row[way]["seconds"]
            lines.append(
                f'<rect x="{left}" y="{y + offset}" width="{max(1.0, width * seconds / longest):.1f}" height="10" fill="{colour}"/>'
            )
            lines.append(
                f'<text x="{left + width * seconds / longest + 5:.1f}" y="{y + offset + 9}" font-size="10" fill="#52606d">{seconds:g}</text>'
            )
    return "\n".join([*lines, "</svg>"]) + "\n"


def page(measured: dict[str, Any]) -> str:
    """Return the page: what both say of each fault."""
    rows = measured["faults"]
    silent = [name for name, row in rows.items() if _content(row["wait"])]
    right = sum(row["said"] == row["code"] for row in rows.values())
    seconds = {way: sorted(row[way]["seconds"] for row in rows.values()) for way in WAYS}
    middle = {way: values[len(values) // 2] for way, values in seconds.items()}
    lines = [
        "# Diagnosis of failed deploys",
        "",
        "<!-- Written by tests/faults/diagnosis.py from tests/faults/measured.json. Do not edit. -->",
        "",
        f"{len(rows)} faults, each deployed twice on one Minikube node on {measured['date']}: with Slipway, and with a script that runs",
        "`helm upgrade --install` and `kubectl wait --for=condition=Available --timeout=120s`. Times run from the first command to",
        f"the result. Slipway diagnosed {right} of {len(rows)} faults with the right code, half of them within {middle['slipway']:g} s. Half of the script's",
        f"results came within {middle['wait']:g} s; it did not notice {len(silent)} faults.",
        "",
        f"Slipway watches a state that can recover on its own, such as an unschedulable pod, for 10 seconds before it reports it. {measured.get('note', '')}".strip(),
        "[troubleshooting.md](troubleshooting.md#rollout) explains every code.",
        "",
        "![Bar chart: seconds to a result, by fault](images/diagnosis.svg)",
        "",
        "| Fault | Slipway | Code | Helm and `kubectl wait` | Their last line |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        said = "nothing wrong" if _content(row["wait"]) else _short(row["wait"]["lines"])
        code = f"[`{row['said']}`](troubleshooting.md#{row['said']})" if row["said"] else "none"
        lines.append(
            f"| [{row['title']}](#{name}) | {row['slipway']['seconds']:g} s | {code} | {row['wait']['seconds']:g} s | {said} |"
        )
    for name, row in rows.items():
        lines += ["", f"## {name}", "", f"Fault: {row['title']}. Slipway, after {row['slipway']['seconds']:g} s:", ""]
        lines += [
            "```text",
            *row["slipway"]["lines"],
            "```",
            "",
            f"Helm and `kubectl wait`, after {row['wait']['seconds']:g} s:",
            "",
        ]
        lines += ["```text", *row["wait"]["lines"][-LAST_LINES:], "```"]
    return "\n".join(lines) + "\n"


def _content(answer: dict[str, Any]) -> bool:
    """Tell whether the wait ended as if all were well."""
    return bool(answer["lines"]) and all(line.endswith("condition met") for line in answer["lines"])


def _short(lines: list[str]) -> str:
    text = " ".join(lines[-1].split()) if lines else "(nothing)"
    text = text if len(text) <= 90 else text[:89] + "…"
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when page or picture is out of date")
    parser.add_argument("--workers", type=int, default=5, help="how many faults Slipway gets at a time")
    parser.add_argument("--note", default="", help="a sentence about the machine, for the page")
    parser.add_argument("action", nargs="?", choices=["measure"])
    parser.add_argument("file", nargs="?", type=Path, help="where the cluster is")
    given = parser.parse_args()
    if given.action:
        if given.file is None:
            parser.error("measure needs the file that says where the cluster is")
        measured = measure(given.file, given.workers, given.note)
        MEASURED.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    code = 0
    for file, text in ((PAGE, page(measured)), (PICTURE, picture(measured))):
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        print(f"{'out of date' if given.check else 'written'}: {file.relative_to(ROOT)}")
        if given.check:
            code = 1
        else:
            file.write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
