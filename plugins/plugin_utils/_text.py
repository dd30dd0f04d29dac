# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, names and texts as the callbacks show them. Pure functions. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import outside, outside_lines

_TRACEBACK = "Traceback (most recent call last)"
_SUBFILE_PREFIX = re.compile(r"^[\w./-]+ \| (?=\S)")

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


def last_lines(text: str, count: int) -> list[str]:
    """Return the last lines that are not empty, as they may be shown; of a traceback only what it ends in."""
    text = outside(text)
    if _TRACEBACK in text:
        before, _mark, after = text.rpartition(_TRACEBACK)
        # The frames are indented, the exception that ends them is not.
        ends = [line for line in after.splitlines()[1:] if line.strip() and not line.startswith((" ", "\t"))]
        text = "\n".join([*before.partition(_TRACEBACK)[0].splitlines(), *ends])
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


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
        if value and all(isinstance(item, str) for item in value):
            # What is secret may begin in one line and end in another.
            value = outside_lines(value)
        return [line for item in value for line in as_lines(item)]
    return last_lines(str(value), 1000)


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
                    return outside(address.strip())
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
                lines += [line for item in found for line in outside(str(item)).splitlines()]
    return lines
