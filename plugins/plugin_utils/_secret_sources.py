# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that reads C(application_secrets) with their values. Private to the collection, and to the controller.

A source of a key is a dictionary with one of C(value), C(generate), C(template) and C(env); the last may have C(required) and
C(fallback), another source, whose old name is C(otherwise). Filters call this while a task's options are templated, so that
nothing but an outline, or the options of a task with C(no_log), ever holds the result.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.utils.display import Display
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import find

SHOWN = ("env", "generate", "template", "required")


class SourceError(Exception):
    """A source gives no value; the text says which and what to do, and holds no value."""


def outlined(secrets: Any, environment: bool) -> Any:
    """Return C(application_secrets) without a value.

    In place of a value is true where it is a text or a number, or else what is wrong with it. With ``environment``, says of each variable
    under ``available`` whether it is set, and under ``flaw`` what is wrong with it. Mistakes keep their kind and their keys, by which the
    plan refuses them, but nothing of what they hold: it may have been meant as a value.
    """
    if not isinstance(secrets, list):
        return _emptied(secrets)
    return [_secret(secret, environment) if isinstance(secret, Mapping) else _emptied(secret) for secret in secrets]


def _secret(secret: Mapping[str, Any], environment: bool) -> dict[str, Any]:
    shown = {str(key): item if key in ("name", "namespace") else _emptied(item) for key, item in secret.items()}
    if isinstance(secret.get("keys"), Mapping):
        shown["keys"] = {key: _source(source, environment) for key, source in secret["keys"].items()}
    return shown


def _source(source: Any, environment: bool) -> Any:
    if not isinstance(source, Mapping):
        return _emptied(source)
    result: dict[str, Any] = {}
    for key, item in _current(source).items():
        if key == "value":
            is_one = isinstance(item, (str, int, float)) and not isinstance(item, bool)
            result[key] = is_one and (flaw(str(item)) or True)
        elif key == "fallback":
            result[key] = _source(item, environment)
        else:
            result[str(key)] = item if key in SHOWN else _emptied(item)
    if environment and isinstance(source.get("env"), str):
        value = os.environ.get(source["env"], "")
        result["available"] = bool(value)
        if value and (wrong := flaw(value)):
            result["flaw"] = wrong
    return result


def flaw(value: str) -> str:
    """Say what is wrong with a value that nobody means to have, in words that hold nothing of it; empty when nothing is."""
    if not value.strip():
        return "it is empty" if not value else "it is nothing but blanks"
    # A text of several lines, such as a key, ends with one.
    if value.endswith("\n") and len(value.splitlines()) == 1:
        return "it ends with a newline"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it is not text in UTF-8"
    return ""


def _current(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a source with the key of today in place of the old one, and warn; with both, leave it to the plan to refuse."""
    rename = find("key", "otherwise")
    if rename.old not in source or rename.new in source:
        return source
    Display().warning(rename.message)
    return {rename.new if key == rename.old else key: item for key, item in source.items()}


def _emptied(value: Any) -> Any:
    """Return nothing of the same kind."""
    if isinstance(value, (str, Mapping)):
        return {} if isinstance(value, Mapping) else ""
    if isinstance(value, (bool, int, float)):
        return False if isinstance(value, bool) else 0
    return None if value is None else []


def resolve(source: Any, place: str) -> dict[str, Any]:
    """Return the options of M(slipway.kube.application_secret) for a key. Raises SourceError.

    A key whose variable may be unset is then left as it is in the cluster: somebody else may have set it.
    """
    if not isinstance(source, Mapping):
        raise SourceError(f"{place}: say where the value comes from, such as {{env: NAME}} or {{generate: 32}}.")
    source = _current(source)
    if "value" in source:
        return _data(str(source["value"]), place)
    for key in ("generate", "template"):
        if key in source:
            return {key: source[key]}
    name = str(source.get("env", ""))
    # One that is empty counts as not set.
    value = os.environ.get(name)
    if value:
        return _data(value, f"{place}: the environment variable {name}")
    if "fallback" in source:
        return resolve(source["fallback"], f"{place}.fallback")
    if source.get("required", True):
        raise SourceError(
            f"{place}: the environment variable {name} is not set. Set it, or add 'required: false' or a fallback."
        )
    return {"keep": True}


def values(secrets: Any) -> Iterator[tuple[str, str]]:
    """Yield the values that are written in C(application_secrets) or that the environment holds, of all alternatives.

    Each comes after the words that name its key.
    """
    for secret in secrets if isinstance(secrets, list) else ():
        keys = secret.get("keys") if isinstance(secret, Mapping) else None
        for key, source in keys.items() if isinstance(keys, Mapping) else ():
            yield from ((f"key {key} of Secret {secret.get('name')}", value) for value in _of_source(source) if value)


def _of_source(source: Any) -> Iterator[str]:
    if not isinstance(source, Mapping):
        return
    if isinstance(source.get("value"), (str, int, float)):
        yield str(source["value"])
    yield os.environ.get(str(source.get("env")), "")
    for rename in (source.get("fallback"), source.get("otherwise")):
        yield from _of_source(rename)


def _data(value: str, place: str) -> dict[str, Any]:
    if wrong := flaw(value):
        raise SourceError(f"{place}: {wrong}. Correct it.")
    return {"data": base64.b64encode(value.encode()).decode()}
