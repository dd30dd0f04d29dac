# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a person wrote a value. Private to the collection.

Since 2.19 ansible-core keeps the file and line of what it reads as a tag of the value, but offers no public way to read it. Other
versions tell no place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:
    Origin = None

Position = tuple[str, int, int]
"""File, line and column, the last two from 1 on."""
_ROOT = Path(__file__).resolve().parents[2]
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_WHOLE = re.compile(r"^\{\{-?\s*(\w+)\s*-?\}\}$")


def named(value: Any) -> str | None:
    """Return the name of the variable that a template consists of; None when it is more than that, or no template."""
    found = _WHOLE.match(value.strip()) if isinstance(value, str) else None
    return found[1] if found else None


def origin_of(value: Any) -> str:
    """Return C(file:line) of a value as Ansible read it, the file relative to the working directory if below; empty when unknown."""
    tag = Origin.get_tag(value) if Origin else None
    if tag is None:
        return ""
    if not tag.path:
        return str(tag.description or "")
    path = shortened(tag.path)
    return f"{path}:{tag.line_num}" if tag.line_num else path


def position_of(value: Any) -> Position | None:
    """Return file, line and column at which a value begins, as Ansible read it; None when unknown."""
    tag = Origin.get_tag(value) if Origin else None
    return (tag.path, tag.line_num, tag.col_num or 1) if tag and tag.path and tag.line_num else None


def shortened(path: str) -> str:
    """Return a path relative to the working directory if it is below."""
    return path.removeprefix(os.getcwd().rstrip("/") + "/")


def is_a_persons(value: Any) -> bool:
    """Say whether a person wrote the value of a variable, not the collection's own roles and playbooks nor a task's result.

    Booleans and nothing carry no tag, and may be anybody's.
    """
    tag = Origin.get_tag(value) if Origin else None
    return not _within(tag.path) if tag and tag.path else bool(tag) or value is None or isinstance(value, bool)


@cache
def _within(path: str) -> bool:
    real = Path(path).resolve()
    return any(real.is_relative_to(_ROOT / folder) for folder in ("roles", "playbooks"))


def place_of(place: str, variables: Mapping[str, Any]) -> str:
    """Return where what a place such as C(application_releases[0].chart) names was written, or the nearest thing around it."""
    name = re.match(r"\w+", place)
    if not name or name[0] not in variables:
        return ""
    value = variables[name[0]]
    found = origin_of(value)
    rest = place[name.end() :]
    while rest:
        followed = 0
        while (other := named(value)) and other in variables and followed < len(variables):
            value, followed = variables[other], followed + 1
            found = origin_of(value) or found
        if isinstance(value, Mapping):
            # A key may have dots in it, so the longest that is there counts.
            keys = [key for key in value if re.match(rf"\.{re.escape(str(key))}(?![\w-])", rest)]
            if not keys:
                break
            key = max(keys, key=lambda one: len(str(one)))
            found = origin_of(key) or found
            value, rest = value[key], rest[len(str(key)) + 1 :]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            step = _STEP.match(rest)
            if not step or not step[2] or int(step[2]) >= len(value):
                break
            value, rest = value[int(step[2])], rest[step.end() :]
        else:
            break
        found = origin_of(value) or found
    return found
