# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks from a file, without a playbook: what C(scripts/health) runs. Private to the collection."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import LONGEST, Check, in_order, parse_checks
from ansible_collections.slipway.kube.plugins.module_utils._health.mistakes import find_mistakes
from ansible_collections.slipway.kube.plugins.module_utils._health.module import secrets_in
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._health.report import (
    as_json,
    as_junit,
    as_tap,
    check_sink,
    message,
    summarize,
    write,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.runner import MAX_PARALLEL, Runner
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError

with contextlib.suppress(ImportError):  # scripts/health runs in an environment that has it
    import yaml

KEYS = ("checks", "journey", "variables", "secrets", "deadline", "max_parallel", "fail_fast")
FORMATS: Mapping[str, Callable[[Mapping[str, Any], float], str]] = {"json": as_json, "junit": as_junit, "tap": as_tap}
HEALTHY, UNHEALTHY, MISTAKEN = 0, 1, 2

_STEP = re.compile(r"\[(\d+)\]|([^.\[]+)")


class FileError(Exception):
    """Mistakes in the file of checks: one sentence each, with file and line where there is one."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        super().__init__("\n".join(sentences))


@dataclass(frozen=True)
class Plan:
    """The checks of a file, ready to run."""

    checks: Sequence[Check]
    known: Mapping[str, Any]
    masker: Masker
    deadline: float
    max_parallel: int
    fail_fast: bool


class Source:
    """The text of a file of checks, which knows on which line something stands."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        try:
            self._root = yaml.compose(text, yaml.SafeLoader)
            self.document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise FileError(
                f"{path}{line}: it is not valid YAML: {getattr(error, 'problem', None) or error}."
            ) from None

    def sentence(self, key: str, reason: str) -> str:
        """Say a mistake with the line of the key, or of what holds it where the key is missing."""
        node, line = self._root, 0
        for index, name in _STEP.findall(key):
            child = _child(node, index, name)
            if child is None:
                break
            line, node = child
        return f"{self._path}:{line + 1}: {key}: {reason}"


def _child(node: Any, index: str, name: str) -> tuple[int, Any] | None:
    if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        child = node.value[int(index)]
        return child.start_mark.line, child
    if name and isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == name:
                return key.start_mark.line, child
    return None


def read_plan(path: str, environment: Mapping[str, str]) -> Plan:
    """Read a file of checks and validate all of it. Raises FileError with every mistake."""
    try:
        source = Source(path, Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise FileError(f"{path}: it cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    document = source.document
    if not isinstance(document, Mapping):
        raise FileError(source.sentence("", "write a dictionary with the key checks.").replace(": :", ":"))
    wrong = [
        source.sentence(str(key), f"this key is unknown; {nearest(str(key), KEYS)}.")
        for key in document
        if key not in KEYS
    ]
    variables, hidden = document.get("variables") or {}, document.get("secrets") or {}
    wrong += [
        source.sentence(key, "write a dictionary.")
        for key, one in (("variables", variables), ("secrets", hidden))
        if not isinstance(one, Mapping)
    ]
    lists = {key: document.get(key) or [] for key in ("checks", "journey")}
    for key, items in lists.items():
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            wrong.append(source.sentence(key, "write a list of checks."))
    if wrong:
        raise FileError(*wrong)
    values = dict(_secret_values(source, hidden, environment, wrong))
    checks = in_order(lists["checks"], lists["journey"])
    places = [f"{key}[{index}]" for key, items in lists.items() for index in range(len(items))]
    names = [str(check.get("name", "")).strip() for check in checks]
    wrong += [
        source.sentence(place, "give each check a name of its own.")
        for place, name in zip(places, names, strict=True)
        if not name or names.count(name) > 1
    ]
    wrong += [
        source.sentence(f"{places[index]}.{key}", reason)
        for index, key, reason in find_mistakes(checks, [*variables, *values])
    ]
    limits = {"deadline": (0.001, LONGEST), "max_parallel": (1, MAX_PARALLEL)}
    for key, (least, most) in limits.items():
        value = document.get(key, least)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            wrong.append(source.sentence(key, f"write a number from {least:g} to {most:g}."))
    if wrong:
        raise FileError(*wrong)
    masker = Masker([*values.values(), *secrets_in({"checks": checks, "variables": variables})])
    known = {**variables, **values}
    try:
        parsed = parse_checks([_with_types(check) for check in checks], list(known), compile_path)
    except SpecError as error:
        raise FileError(masker(f"{path}: {error}")) from None
    return Plan(
        parsed, known, masker, float(document.get("deadline", 120)), int(document.get("max_parallel", 256)),
        bool(document.get("fail_fast", False)),
    )  # fmt: skip


def _with_types(check: Mapping[str, Any]) -> dict[str, Any]:
    """Return a check with its values converted as Ansible converts them; C(find_mistakes) has found all that cannot be."""
    from ansible_collections.slipway.kube.plugins.module_utils._common.options import read_options
    from ansible_collections.slipway.kube.plugins.module_utils._health.options import argument_spec

    return read_options(check, argument_spec()["checks"]["options"])[0]


def _secret_values(
    source: Source, hidden: Mapping[str, Any], environment: Mapping[str, str], wrong: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the secrets, whose values are those of environment variables, because files are committed."""
    for name, where in hidden.items():
        key = f"secrets.{name}"
        if not isinstance(where, Mapping) or list(where) != ["env"]:
            wrong.append(source.sentence(key, "write {env: NAME}, the environment variable that holds the value."))
        elif str(where["env"]) not in environment:
            wrong.append(source.sentence(key, f"the environment variable {where['env']} is not set."))
        else:
            yield str(name), environment[str(where["env"])]


def run(plan: Plan) -> tuple[dict[str, Any], float]:
    """Run the checks; return the result as the module returns it, and the seconds."""
    runner = Runner(
        plan.checks, {**plan.known, "run_id": secrets.token_hex(4)}, plan.masker,
        deadline=plan.deadline, max_parallel=plan.max_parallel, fail_fast=plan.fail_fast,
    )  # fmt: skip
    runner.prepare()
    began = time.monotonic()
    records = runner.run()
    elapsed = time.monotonic() - began
    results = plan.masker.tree([record.as_result(plan.masker) for record in records])
    return {
        "healthy": all(item["state"] == "healthy" for item in results),
        "checks": results,
        "summary": summarize(results),
        "failed_checks": [item["name"] for item in results if item["state"] == "unhealthy"],
        "elapsed": round(elapsed, 3),
        "msg": message(results, elapsed),
    }, elapsed


def main(arguments: Sequence[str]) -> int:
    """Run the checks of a file; return the exit code: 0 healthy, 1 unhealthy, 2 a mistake in the file or the arguments."""
    parser = argparse.ArgumentParser(
        prog="health", description="Run the health checks of a file and wait until all are healthy.",
        epilog="Exit codes: 0 all healthy, 1 not all healthy, 2 a mistake in the file or the arguments.",
    )  # fmt: skip
    parser.add_argument("file", help="YAML file with checks, and optionally journey, variables, secrets, deadline")
    for name in FORMATS:
        parser.add_argument(
            f"--{name}", metavar="FILE", help=f"write the result as {name.upper()} to this file; - means the output"
        )
    parser.add_argument("--plan", action="store_true", help="only validate the file and list what would be asked")
    given = parser.parse_args(arguments)
    sinks = {name: path for name in FORMATS if (path := getattr(given, name))}
    try:
        for name, path in sinks.items():
            check_sink(f"--{name}", None if path == "-" else path)
        plan = read_plan(given.file, os.environ)
        if given.plan:
            print("\n".join(f"{check.name}: {plan.masker(check.summary())}" for check in plan.checks))
            return HEALTHY
        result, elapsed = run(plan)
    except (FileError, SpecError) as error:
        print(error, file=sys.stderr)
        return MISTAKEN
    for name, path in sinks.items():
        text = FORMATS[name](result, elapsed)
        if path == "-":
            print(text, end="")
        else:
            write(path, text)
    if "-" not in sinks.values():
        print(result["msg"])
    return HEALTHY if result["healthy"] else UNHEALTHY
