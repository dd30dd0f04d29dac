# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill C(${name}) in texts. Private to the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\$(\$\{|\{([^{}$]*)\})")
# What a plan knows of an application. It is no secret, and what deploys the application says what it stands for.
_APPLICATION = ("application.", "components.")


def of_application(name: str) -> bool:
    """Say whether a name stands for something that a plan knows of its application."""
    return name.startswith(_APPLICATION)


def placeholders(value: Any) -> list[str]:
    """List the names that are used as `${name}` anywhere in a value."""
    if isinstance(value, str):
        return [found.group(2) for found in _PLACEHOLDER.finditer(value) if found.group(2) is not None]
    if isinstance(value, Mapping):
        return [name for item in value.values() for name in placeholders(item)]
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in placeholders(item)]
    return []


def as_text(value: Any) -> str:
    """Render a variable as text: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fill(text: str, variables: Mapping[str, Any], escape: Callable[[str], str] | None = None) -> str:
    """Replace `${name}` in a text; `$${` stands for a literal `${`. The names must be known."""

    def one(found: re.Match[str]) -> str:
        name = found.group(2)
        if name is None:
            return "${"
        value = as_text(variables[name])
        return escape(value) if escape else value

    return _PLACEHOLDER.sub(one, text)


def fill_url(text: str, variables: Mapping[str, Any]) -> str:
    """Replace placeholders in a URL; values are percent-encoded except where they begin the URL."""
    head = _PLACEHOLDER.match(text)
    if head and head.group(2) is not None:
        return as_text(variables[head.group(2)]) + fill_url_tail(text[head.end() :], variables)
    return fill_url_tail(text, variables)


def fill_url_tail(text: str, variables: Mapping[str, Any]) -> str:
    """Replace placeholders with percent-encoded values."""
    return fill(text, variables, lambda value: quote(value, safe="", errors="replace"))


def fill_tree(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace placeholders in all texts of a value; a text that is one placeholder keeps the variable's type."""
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole and whole.group(2) is not None:
            return variables[whole.group(2)]
        return fill(value, variables)
    if isinstance(value, Mapping):
        return {key: fill_tree(item, variables) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill_tree(item, variables) for item in value]
    return value


def substitute(value: Any, variables: Mapping[str, str | None]) -> Any:
    """Replace the known names in all texts of a value by texts as they are; all else, also `$${`, stays as it is written.

    A name that stands for nothing, so None, is not known.
    """
    if isinstance(value, Mapping):
        return {key: substitute(item, variables) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [substitute(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        text = variables.get(found.group(2)) if found.group(2) is not None else None
        return found.group() if text is None else text

    return _PLACEHOLDER.sub(one, value)
