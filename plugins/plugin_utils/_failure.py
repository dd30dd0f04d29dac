# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a failure is put together from a task's result, and laid out. Pure functions. Private to the collection."""

from __future__ import annotations

import errno
import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import outside
from ansible_collections.slipway.kube.plugins.plugin_utils._text import as_lines, last_lines

FAILURE_LINES = 15
_ENDLESS = 10_000

# How Ansible chains its own reasons; the last one is the reason.
_CHAIN = re.compile(r"^(?:(?:task|action|module) failed: )+", re.IGNORECASE)
# Messages that name a symptom of the tool, never the cause.
_EMPTY_MESSAGES = re.compile(
    r"(?i)^(the command exited with a )?non-zero return code\.?$"
    r"|^module result deserialization failed|^module failure|^all items completed$"
)
# How modules introduce what a diagnosis says in fields of its own.
_LABEL = re.compile(r"^(?:what to do|where|event|log|cause): ", re.IGNORECASE)
_KEYS = ("code", "evidence", "suggestion", "in_service")
# Errors of the machine that Python and its programs name by number and words, wherever they meet them.
_SYSTEM = re.compile(r"\[Errno (?P<number>\d+)\] (?P<words>[^:\n]+)(?:: '(?P<path>[^'\n]+)')?")
_MACHINE = {
    errno.ENOSPC: "Free some space on the disk that holds {path}, and run this again.",
    errno.EDQUOT: "Delete some of your files on the disk that holds {path}, or ask for a larger quota, and run this again.",
    errno.EROFS: "Make the file system that holds {path} writable, and run this again.",
}
# A shorter text, such as a name, may stand in a message without repeating anything.
_REPEATED = 12


@dataclass
class Failure:
    """What is told about one failure: lines about what failed, why, the evidence, what to do, and what is in service now.

    C(whole) says that nothing of it is left out for want of room: a list of a person's mistakes.
    """

    what: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remedy: list[str] = field(default_factory=list)
    in_service: list[str] = field(default_factory=list)
    code: str = ""
    whole: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the shape of the report's C(failure)."""
        return {
            "what": "\n".join(self.what),
            "why": "\n".join(self.why),
            "evidence": self.evidence,
            "remedy": "\n".join(self.remedy),
            "in_service": "\n".join(self.in_service),
            "code": self.code,
        }

    def brief(self) -> str:
        """Say it in one line of a bearable length."""
        line = (self.why or self.what or ["no message"])[0]
        if not self.why and self.evidence:
            line = f"{line} {self.evidence[-1]}"
        return _cut(" ".join(line.split()), 160)

    def without(self, told: Failure) -> list[str]:
        """Return the lines of what and why that another failure does not tell."""
        return _new([*self.what, *self.why], told.code, [*told.what, *told.why, *told.evidence, *told.remedy])


def failure_of(result: Mapping[str, Any]) -> Failure:
    """Extract from a failed result what a person must know. Never a traceback, never a credential."""
    if "censored" in result:
        return Failure(what=["The output is hidden, because the task is marked no_log."])
    told = _diagnosis(result)
    failure = Failure(
        why=as_lines(told.get("cause") or (told.get("message") if told is not result else None)),
        evidence=as_lines(told.get("evidence")) or _observed(told),
        remedy=as_lines(told.get("suggestion")),
        in_service=as_lines(told.get("in_service")),
        code=str(told.get("code") or ""),
        whole=bool(result.get("problems")),
    )
    message = _CHAIN.sub("", str(result.get("msg") or result.get("reason") or "").strip())
    output = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    output = output or str(result.get("stdout") or result.get("module_stdout") or "").strip()
    if not message or _EMPTY_MESSAGES.match(message):
        if not failure.why:
            failure.what = _what_ended(result, message)
        failure.evidence = failure.evidence or last_lines(output, 6)
    else:
        failure.what = last_lines(message, 1000)
        if "rc" in result and result["rc"] not in (0, None) and not failure.evidence and output not in message:
            failure.evidence = last_lines(output, 4)
    system = _SYSTEM.search(message)
    if system and not failure.remedy and int(system["number"]) in _MACHINE:
        place = system["path"] or "the temporary and the home directory"
        failure.what = last_lines(_SYSTEM.sub(lambda found: f"{found['words']}: {place}", message), 1000)
        failure.remedy = [_MACHINE[int(system["number"])].format(path=place)]
    if failure.why:
        known = [*failure.why, *failure.evidence, *failure.remedy, *failure.in_service]
        failure.what = _new(failure.what, failure.code, known)
    for name in ("what", "why", "evidence", "remedy", "in_service"):
        setattr(failure, name, [outside(line) for line in getattr(failure, name)])
    return failure


def _diagnosis(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping that holds code, cause, evidence and suggestion: the failure that a run ends with, the diagnosis, or the result."""
    found = result.get("slipway_failure") or result.get("diagnosis")
    if isinstance(found, (list, tuple)):
        found = next((item for item in found if item), None)
    beside = {key: result.get(key) for key in _KEYS}
    if isinstance(found, str) and found:
        return {"cause": found, **beside}
    if isinstance(found, Mapping) and any(found.get(key) for key in ("cause", "suggestion", "message", "code")):
        return {**beside, **found}
    return result


def _observed(told: Mapping[str, Any]) -> list[str]:
    """Render what a diagnosis of a workload holds instead of evidence: the object, its events, its log."""
    lines = []
    if isinstance(told.get("object"), str) and told["object"]:
        place = f" in namespace {told['namespace']}" if told.get("namespace") else ""
        lines.append(f"{told['object']}{place}")
    for key, label, count in (("events", "Event", 2), ("log", "Log", 4)):
        found = told.get(key)
        if isinstance(found, (list, tuple)):
            lines += [f"{label}: {line}" for line in as_lines(found)[-count:]]
    return lines


def _new(lines: Sequence[str], code: str, known: Sequence[str]) -> list[str]:
    """Return what is left of lines when all that is known has been taken out."""
    told = {_LABEL.sub("", text).rstrip(".") for text in known}
    found = []
    for line in lines:
        rest = _LABEL.sub("", line.removeprefix(f"{code}: ") if code else line)
        for text in told:
            if len(text) >= _REPEATED or text == rest.rstrip("."):
                rest = rest.replace(text, "")
        if rest == _LABEL.sub("", line):
            found.append(line)
        elif rest.strip(" .:;,"):
            # What stood between it and the rest was punctuation of the whole.
            found.append(rest.strip(" :;,").removeprefix(".").strip())
    return found


def _what_ended(result: Mapping[str, Any], message: str) -> list[str]:
    """Say what a task without a telling message did, by its command and return code."""
    code = result.get("rc")
    if result.get("cmd"):
        return [f"{_command_line(result['cmd'])} ended with code {code}."]
    if "module_stderr" in result or "module_stdout" in result:
        return [f"The module ended with code {code} instead of a result."]
    return [message or "The task failed without a message."]


def _command_line(command: Any) -> str:
    line = shlex.join(str(part) for part in command) if isinstance(command, (list, tuple)) else str(command)
    return _cut(" ".join(outside(line).split()), 100)


def lay_out(
    title: str, failure: Failure, ends: Sequence[tuple[str, str]], width: int, limit: int = FAILURE_LINES
) -> list[str]:
    """Lay a failure out in at most so many lines, unless it is to be told whole: what failed, why, the evidence, what to do, what is in service, and the ends.

    The ends are labels with a place each, which are never wrapped, so that a terminal can open them.
    """
    what, why = ([title, *failure.what], list(failure.why)) if failure.why else ([title], list(failure.what))
    if failure.code and why:
        why[0] = f"{why[0]} [{failure.code}]"
    last = [line for label, place in ends for line in _block(label, [place], _ENDLESS, 1)]
    # What to do, what is in service and why matter most, so they are given their room first.
    room = (_ENDLESS if failure.whole else limit) - len(last)
    remedy = _block("what to do", failure.remedy, width, 3)
    service = _block("in service", failure.in_service, width, 2)
    head = _block("what failed", what, width, 3)
    room -= len(remedy) + len(service) + len(head)
    reason = _block("why", why, width, max(1, room - min(4, len(failure.evidence))))
    room -= len(reason)
    evidence = _block("evidence", failure.evidence, width, room, from_end=True) if room > 0 else []
    return [*head, *reason, *evidence, *remedy, *service, *last]


def _block(label: str, lines: Sequence[str], width: int, room: int, from_end: bool = False) -> list[str]:
    """Lay lines out beside a label: wrapped where there is room, else cut to a line each, and only so many of them.

    Those are the first, or the first one and the last.
    """
    wide = max(20, width - 15)
    shown: list[str] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        shown += textwrap.wrap(
            line.strip(),
            wide,
            initial_indent=indent,
            subsequent_indent=f"{indent}  " if line.lstrip().startswith("- ") else indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    if len(shown) > room and len(lines) > 1:
        shown = [_cut(line, wide) for line in lines]
    if len(shown) > room:
        # Of evidence the last lines tell most: there a log ends.
        first = min(1 if from_end else room - 1, room - 1)
        last = max(0, room - 1 - first)
        left_out = f"... ({len(shown) - first - last} more lines)"
        shown = [*shown[:first], left_out, *(shown[-last:] if last else [])]
    return [f"  {label if not index else '':<12} {line}".rstrip() for index, line in enumerate(shown)]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."
