# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callbacks say, and what they keep to themselves. Pure functions. Private to the collection."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import mask_text
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean

FAILURE_LINES = 15

_TRACEBACK = "Traceback (most recent call last)"
# How Ansible chains its own reasons; the last one is the reason.
_CHAIN = re.compile(r"^(?:(?:task|action|module) failed: )+", re.IGNORECASE)
_SUBFILE_PREFIX = re.compile(r"^[\w./-]+ \| (?=\S)")
# Messages that name a symptom of the tool, never the cause.
_EMPTY_MESSAGES = re.compile(
    r"(?i)^(the command exited with a )?non-zero return code\.?$"
    r"|^module result deserialization failed|^module failure|^all items completed$"
)

PHASES = {
    "application": "plan",
    "toolchain": "tools",
    "minikube_setup": "cluster",
    "image_build": "images",
    "helm_release": "release",
    "verify": "verify",
}


def phase_of(role: str | None, play: str) -> str:
    """Name the phase of a task by its role (with or without its collection), or by its play."""
    if not role:
        return play or "tasks"
    short = role.rsplit(".", 1)[-1]
    return PHASES.get(short, short)


def imperative(name: str) -> str:
    """Return a task's name without the file prefix that sub-files give theirs (`load | Copy ...`)."""
    return _SUBFILE_PREFIX.sub("", name.strip())


def clock(seconds: float) -> str:
    """Render seconds as m:ss, or h:mm:ss from an hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def duration(seconds: float) -> str:
    """Render seconds shortly: `0.4 s`, `12 s`, `1:15`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds:.0f} s" if seconds < 59.5 else clock(seconds + 0.5)


def last_lines(text: str, count: int) -> list[str]:
    """Return the last lines that are not empty; of a traceback only what it ends in."""
    if _TRACEBACK in text:
        before, _mark, after = text.rpartition(_TRACEBACK)
        # The frames are indented, the exception that ends them is not.
        ends = [line for line in after.splitlines()[1:] if line.strip() and not line.startswith((" ", "\t"))]
        text = "\n".join([*before.partition(_TRACEBACK)[0].splitlines(), *ends])
    return [line.rstrip() for line in clean(text).splitlines() if line.strip()][-count:]


def as_lines(value: Any) -> list[str]:
    """Render evidence of any shape (text, list, mapping) as lines."""
    if value is None or value == "":
        return []
    if isinstance(value, Mapping):
        if "message" in value:
            head = str(value.get("code") or value.get("reason") or value.get("name") or "")
            return [f"{head}: {value['message']}" if head else str(value["message"])]
        lines = []
        for key, item in value.items():
            inner = as_lines(item)
            lines += [f"{key}: {inner[0]}"] if len(inner) == 1 else [f"{key}:", *(f"  {line}" for line in inner)]
        return lines
    if isinstance(value, (list, tuple)):
        return [line for item in value for line in as_lines(item)]
    return last_lines(str(value), 1000)


@dataclass
class Failure:
    """What is told about one failure: what failed, why, on which evidence, and what to do."""

    what: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remedy: list[str] = field(default_factory=list)
    code: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the shape of the report's `failure`."""
        return {
            "what": "\n".join(self.what),
            "why": "\n".join(self.why),
            "evidence": self.evidence,
            "remedy": "\n".join(self.remedy),
            "code": self.code,
        }

    def brief(self) -> str:
        """Say it in one line of a bearable length."""
        line = (self.why or self.what or ["no message"])[0]
        if not self.why and self.evidence:
            line = f"{line} {self.evidence[-1]}"
        line = " ".join(line.split())
        return line if len(line) <= 160 else line[:157] + "..."


def _diagnosis(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping that holds code, cause, evidence and suggestion: the diagnosis, else the result itself."""
    found = result.get("diagnosis")
    if isinstance(found, (list, tuple)):
        found = next((item for item in found if item), None)
    if isinstance(found, str) and found:
        return {"cause": found, **{key: result.get(key) for key in ("code", "evidence", "suggestion")}}
    if isinstance(found, Mapping) and any(found.get(key) for key in ("cause", "suggestion", "message", "code")):
        return {**{key: result.get(key) for key in ("code", "evidence", "suggestion")}, **found}
    return result


def _command_line(command: Any) -> str:
    line = shlex.join(str(part) for part in command) if isinstance(command, (list, tuple)) else str(command)
    line = " ".join(line.split())
    return line if len(line) <= 100 else line[:97] + "..."


def failure_of(result: Mapping[str, Any]) -> Failure:
    """Extract from a failed result what a person must know. Never a traceback, never a credential."""
    if "censored" in result:
        return Failure(what=["The output is hidden, because the task is marked no_log."])
    told = _diagnosis(result)
    failure = Failure(
        why=as_lines(told.get("cause") or (told.get("message") if told is not result else None)),
        evidence=as_lines(told.get("evidence")),
        remedy=as_lines(told.get("suggestion")),
        code=str(told.get("code") or ""),
    )
    message = _CHAIN.sub("", str(result.get("msg") or result.get("reason") or "").strip())
    output = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    output = output or str(result.get("stdout") or result.get("module_stdout") or "").strip()
    if not message or _EMPTY_MESSAGES.match(message):
        failure.what = _what_ended(result, message)
        failure.evidence = failure.evidence or last_lines(output, 6)
    else:
        failure.what = last_lines(message, 1000)
        if "rc" in result and result["rc"] not in (0, None) and not failure.evidence and output not in message:
            failure.evidence = last_lines(output, 4)
    if failure.what == failure.why:
        failure.what = []
    for name in ("what", "why", "evidence", "remedy"):
        setattr(failure, name, [mask_text(line) for line in getattr(failure, name)])
    return failure


def _what_ended(result: Mapping[str, Any], message: str) -> list[str]:
    """Say what a task without a telling message did, by its command and return code."""
    code = result.get("rc")
    if result.get("cmd"):
        return [f"{_command_line(result['cmd'])} ended with code {code}."]
    if "module_stderr" in result or "module_stdout" in result:
        return [f"The module ended with code {code} instead of a result."]
    return [message or "The task failed without a message."]


def _block(label: str, lines: Sequence[str], width: int, room: int) -> list[str]:
    """Lay lines out beside a label, wrapped to the width and cut to the room."""
    wrapped: list[str] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        wrapped += textwrap.wrap(
            line.strip(),
            max(20, width - 19),
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    if len(wrapped) > room:
        wrapped = [*wrapped[: max(0, room - 1)], f"... ({len(wrapped) - max(0, room - 1)} more lines)"]
    return [f"      {label if not index else '':<12} {line}".rstrip() for index, line in enumerate(wrapped)]


def lay_out(
    failure: Failure, where: Sequence[tuple[str, str]], width: int, limit: int = FAILURE_LINES - 1
) -> list[str]:
    """Lay a failure out in at most so many lines; where holds labelled places that come last."""
    why = list(failure.why)
    if failure.code and why:
        why[-1] = f"{why[-1]} [{failure.code}]"
    ends = [line for label, place in where for line in _block(label, [place], 10_000, 1)]
    # What to do and why matter most, so they are given their room first.
    room = limit - len(ends)
    remedy = _block("what to do", failure.remedy, width, min(3, room))
    room -= len(remedy)
    reason = _block("why", why, width, min(3, room))
    room -= len(reason)
    kept = min(4, len(failure.evidence))
    what = _block("what failed", failure.what, width, room - kept)
    room -= len(what)
    evidence = _block("evidence", failure.evidence, width, room) if room > 0 else []
    return [*what, *reason, *evidence, *remedy, *ends]


def checks_in(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the results of health checks in a task's result: entries of `checks` that have a name and a state."""
    found = result.get("checks")
    if not isinstance(found, (list, tuple)):
        return []
    return [dict(item) for item in found if isinstance(item, Mapping) and item.get("name") and item.get("state")]


def each_result(result: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the result, then those of its loop items."""
    yield result
    items = result.get("results")
    if isinstance(items, (list, tuple)):
        yield from (item for item in items if isinstance(item, Mapping))


def address_in(result: Mapping[str, Any]) -> str | None:
    """Return the address that a result registers under slipway_address, as a result key or a fact."""
    for one in each_result(result):
        for holder in (one, one.get("ansible_facts")):
            if isinstance(holder, Mapping):
                address = holder.get("slipway_address")
                if isinstance(address, str) and address.strip():
                    return mask_text(clean(address.strip()))
    return None


def summary_in(result: Mapping[str, Any]) -> list[str]:
    """Return the lines that a result registers under slipway_summary, as a result key or a fact."""
    lines: list[str] = []
    for one in each_result(result):
        for holder in (one, one.get("ansible_facts")):
            found = holder.get("slipway_summary") if isinstance(holder, Mapping) else None
            if isinstance(found, str):
                found = [found]
            if isinstance(found, (list, tuple)):
                lines += [mask_text(line) for item in found for line in clean(str(item)).splitlines()]
    return lines
