# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the report of a run as one page that needs nothing but itself. Private to the collection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._text import clock, duration

_STYLE = """
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #647084; --rule: #e1e5ec;
  --ok: #2f855a; --changed: #b7791f; --bad: #c53030; --bar: #3b6fd4; --track: #eef1f6; --code: #f1f3f7 }
@media (prefers-color-scheme: dark) {
  :root { --bg: #12161d; --card: #1a202a; --ink: #e6eaf1; --soft: #94a0b4; --rule: #2b3442; --ok: #5fcf93;
    --changed: #e6b455; --bad: #ff8080; --bar: #6f9df5; --track: #232b38; --code: #222a36 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px }
h2 { font-size: 17px; margin: 0 0 14px }
.sub { color: var(--soft); margin: 0 }
a { color: var(--bar) }
section, header { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 22px
  24px; margin-bottom: 18px }
header { border-left: 6px solid var(--ok) }
header.bad { border-left-color: var(--bad) }
.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 18px 0 0 }
.facts div { min-width: 74px }
.facts dt { color: var(--soft); font-size: 12.5px }
.facts dd { margin: 0; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums }
.open { display: inline-block; margin-top: 16px; padding: 8px 16px; border-radius: 8px; background: var(--bar);
  color: var(--card); text-decoration: none; font-weight: 600; overflow-wrap: anywhere }
.bad .open { background: none; color: var(--bar); padding-left: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 12.5px; padding: 0 12px 6px 0;
  white-space: nowrap }
td { border-top: 1px solid var(--rule); padding: 7px 12px 7px 0; vertical-align: top; overflow-wrap: anywhere }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.mark { white-space: nowrap; font-weight: 600 }
.ok, .healthy { color: var(--ok) }
.changed { color: var(--changed) }
.failed, .unreachable, .unhealthy, .rescued { color: var(--bad) }
.skipped, .ignored, .soft { color: var(--soft) }
.failure { border-top: 1px solid var(--rule); padding-top: 14px; margin-top: 14px }
.failure:first-of-type { border: 0; padding: 0; margin: 0 }
.failure h3 { font-size: 15.5px; margin: 0 0 8px }
dl.why { display: grid; grid-template-columns: 110px 1fr; gap: 4px 12px; margin: 0 }
dl.why dt { color: var(--soft) }
dl.why dd { margin: 0; min-width: 0; overflow-wrap: anywhere; white-space: pre-wrap }
pre { background: var(--code); border-radius: 8px; padding: 10px 12px; margin: 2px 0; overflow-x: auto; font:
  13px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
details { margin-top: 10px }
summary { cursor: pointer; color: var(--soft) }
svg { display: block; width: 100%; height: auto }
svg text { fill: var(--ink); font: 14px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
svg .t { fill: var(--soft); font-variant-numeric: tabular-nums }
svg .track { fill: var(--track) }
svg .bar { fill: var(--bar) }
svg .bar.bad { fill: var(--bad) }
footer { color: var(--soft); font-size: 13px; text-align: center }
@media (max-width: 600px) {
  dl.why { grid-template-columns: 1fr }
}
"""

_WORDS = {"rescued": "failed, rescued", "ignored": "failed, ignored"}


def _cell(text: Any, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(str(text))}</td>' if kind else f"<td>{escape(str(text))}</td>"


def _table(heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    head = "".join(f'<th class="{kind}">{escape(name)}</th>' for name, kind in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def phases_svg(phases: Sequence[Mapping[str, Any]], total: float) -> str:
    """Draw the phases as horizontal bars on the run's own time line: where each ran, and how long."""
    left, wide, row, high = 150, 720, 30, 16
    total = max(total, 0.001)
    parts = []
    for index, phase in enumerate(phases):
        top = index * row + 6
        bad = any(phase["counts"].get(key) for key in ("failed", "unreachable", "rescued"))
        name = phase["name"] if len(phase["name"]) <= 19 else phase["name"][:18] + "\u2026"
        parts.append(f'<text x="0" y="{top + 13}">{escape(name)}</text>')
        parts.append(f'<rect class="track" x="{left}" y="{top}" width="{wide}" height="{high}" rx="4"/>')
        for begin, end in phase["spans"]:
            # A bar of less than three pixels could not be seen.
            width = max(3.0, (end - begin) / total * wide)
            start = min(left + begin / total * wide, left + wide - width)
            tip = f"{phase['name']}: {duration(phase['duration_s'])}"
            place = f'x="{start:.1f}" y="{top}" width="{width:.1f}" height="{high}" rx="3"'
            kind = "bar bad" if bad else "bar"
            parts.append(f'<rect class="{kind}" {place}><title>{escape(tip)}</title></rect>')
        parts.append(f'<text class="t" x="{left + wide + 12}" y="{top + 13}">{duration(phase["duration_s"])}</text>')
    words = "; ".join(f"{phase['name']} {duration(phase['duration_s'])}" for phase in phases)
    size = f"0 0 {left + wide + 80} {len(phases) * row + 4}"
    return (
        f'<svg viewBox="{size}" role="img" aria-label="Durations of the phases: {escape(words)}">{"".join(parts)}</svg>'
    )


def _failure(task: Mapping[str, Any]) -> str:
    failure = task["failure"]
    rows = [("What failed", escape(failure["what"])), ("Why", escape(failure["why"]))]
    if failure["code"]:
        rows.append(("Code", f"<code>{escape(failure['code'])}</code>"))
    if failure["evidence"]:
        rows.append(("Evidence", f"<pre>{escape(chr(10).join(failure['evidence']))}</pre>"))
    rows += [("What to do", escape(failure["remedy"])), ("Where", escape(task["path"]))]
    body = "".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in rows if text)
    word = {"rescued": " (rescued)", "ignored": " (ignored)", "unreachable": " (unreachable)"}.get(task["status"], "")
    full = ""
    if task.get("result"):
        text = json.dumps(task["result"], indent=2, ensure_ascii=False)
        full = f"<details><summary>The whole result</summary><pre>{escape(text)}</pre></details>"
    title = f"{task['name']}{word}"
    return (
        f'<div class="failure"><h3 class="{task["status"]}">{escape(title)}</h3><dl class="why">{body}</dl>{full}</div>'
    )


def _milliseconds(check: Mapping[str, Any]) -> str:
    """Render a check's times: percentiles when it has samples, else the phases of its last request."""
    for key in ("percentiles", "timings"):
        found = check.get(key)
        if isinstance(found, Mapping) and found:
            parts = [f"{name} {_number(value)}" for name, value in found.items() if isinstance(value, (int, float))]
            if parts:
                return ", ".join(parts)
    return ""


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _check_row(check: Mapping[str, Any]) -> str:
    error = check.get("last_error")
    said = ""
    if isinstance(error, Mapping):
        code = f" [{error['code']}]" if error.get("code") else ""
        said = f"{error.get('message', '')}{code} {error.get('suggestion', '')}".strip()
    elapsed = check.get("elapsed")
    took = duration(elapsed) if isinstance(elapsed, (int, float)) else ""
    # An error that a later attempt overcame is history, not news.
    said = said if check["state"] != "healthy" else ""
    name = f"{escape(str(check['name']))}{f'<br><span class=soft>{escape(said)}</span>' if said else ''}"
    state = escape(str(check["state"]))
    cells = [
        f"<td>{name}</td>",
        _cell(state, f"mark {state}"),
        _cell(check.get("attempts", ""), "n"),
        _cell(took, "n"),
        _cell(_milliseconds(check), "soft"),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _task_row(task: Mapping[str, Any], many: bool) -> str:
    word = _WORDS.get(task["status"], task["status"])
    if task["status"] == "changed" and task["check_mode"]:
        word = "would change"
    cells = [
        _cell(task["phase"], "soft"),
        _cell(task["host"], "soft") if many else "",
        _cell(task["name"]),
        _cell(word, f"mark {task['status']}"),
        _cell(duration(task["duration_s"]), "n"),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def render(report: Mapping[str, Any]) -> str:
    """Render a report (its shape is documented in the report callback) as an HTML page."""
    counts = report["counts"]
    bad = report["result"] != "ok"
    many = len(report["hosts"]) > 1
    changed = counts.get("changed", 0)
    if bad:
        title = "The run failed"
    elif report["check_mode"]:
        title = (
            f"{changed} {'task' if changed == 1 else 'tasks'} would change something"
            if changed
            else "Nothing would change"
        )
    else:
        title = "Done" if changed else "Done, nothing had to change"
    when = datetime.fromisoformat(report["started"]).astimezone().strftime("%d %B %Y, %H:%M:%S %Z")
    facts = [("took", clock(report["duration_s"])), ("changed", changed)]
    facts += [(key, counts[key]) for key in ("failed", "unreachable", "rescued", "ignored") if counts.get(key)]
    if report["checks"]:
        healthy = sum(1 for check in report["checks"] if check["state"] == "healthy")
        facts.append(("healthy checks", f"{healthy} of {len(report['checks'])}"))
    facts.append(("tasks", len(report["tasks"])))
    page = [
        f'<header class="{"bad" if bad else "good"}"><h1>{escape(title)}</h1>',
        f'<p class="sub">{escape(report["playbook"])} on {escape(", ".join(report["hosts"]))}, {escape(when)}',
        f"{', check mode' if report['check_mode'] else ''}</p><dl class=facts>",
        "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts),
        "</dl>",
    ]
    for host, address in report["addresses"].items():
        owner = f"{host}: " if len(report["addresses"]) > 1 else ""
        # Anything but a web address is shown, never made a link.
        link = f' href="{escape(address)}"' if address.startswith(("http://", "https://")) else ""
        page.append(f"<a class=open{link}>{escape(owner)}{'' if bad else 'Open '}{escape(address)}</a> ")
    page.append("</header>")
    failures = [task for task in report["tasks"] if task.get("failure")]
    if failures:
        page.append(f"<section><h2>What went wrong</h2>{''.join(_failure(task) for task in failures)}</section>")
    if report["phases"]:
        page.append(f"<section><h2>Phases</h2>{phases_svg(report['phases'], report['duration_s'])}</section>")
    if report["summary"]:
        lines = "".join(f"<tr>{_cell(item['phase'], 'soft')}{_cell(item['line'])}</tr>" for item in report["summary"])
        page.append(
            f'<section><h2>In short</h2><div class="scroll"><table><tbody>{lines}</tbody></table></div></section>'
        )
    if report["checks"]:
        heads = [("check", ""), ("state", ""), ("attempts", "n"), ("took", "n"), ("times in ms", "")]
        page.append(
            f"<section><h2>Health checks</h2>{_table(heads, [_check_row(one) for one in report['checks']])}</section>"
        )
    heads = [("phase", ""), *([("host", "")] if many else []), ("task", ""), ("result", ""), ("took", "n")]
    telling = [one for one in report["tasks"] if one["status"] not in ("ok", "skipped") or one["duration_s"] > 2]
    quiet = len(report["tasks"]) - len(telling)
    page.append("<section><h2>Tasks</h2>")
    if telling:
        page.append(_table(heads, [_task_row(one, many) for one in telling]))
    if quiet:
        everything = _table(heads, [_task_row(one, many) for one in report["tasks"]])
        words = f"All {len(report['tasks'])} tasks, with those that changed nothing"
        page.append(f"<details><summary>{words}</summary>{everything}</details>")
    page.append("</section><footer>Written by Slipway. The same facts are in the JSON file beside this page.</footer>")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        # The page loads nothing; say so, in case a message smuggles markup in.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}: {escape(report['playbook'])}</title><style>{_STYLE}</style>"
    )
    body = f"<main>{''.join(page)}</main>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
