# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task of a role that talks to the cluster talks to the one that the role's own variables name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
GROUP = "group/slipway.kube.kube"
INCLUDES = ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks")
MODULES = {
    name if "." in name else f"slipway.kube.{name}"
    for name in yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["kube"]
}
# Entry points: those that are documented, and the files that only other entry points include are read from there.
ENTRIES = [
    (file.parts[-3], entry)
    for file in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
    for entry in yaml.safe_load(file.read_text())["argument_specs"]
]
Options = Mapping[str, Any]


def calls(role: str, file: str, defaults: Options) -> Iterator[tuple[str, str, Options]]:
    """Yield place, module and the options that name a cluster of each task in a file and in those that it includes."""
    tasks = yaml.safe_load((ROOT / "roles" / role / "tasks" / f"{file}.yml").read_text())
    yield from in_tasks(role, file, tasks, defaults)


def in_tasks(role: str, file: str, tasks: list[Options], defaults: Options) -> Iterator[tuple[str, str, Options]]:
    for task in tasks:
        own = {**defaults, **task.get("module_defaults", {}).get(GROUP, {})}
        for section in ("block", "rescue", "always"):
            yield from in_tasks(role, file, task.get(section, []), own)
        for module in MODULES & task.keys():
            given = {**own, **task[module]}
            yield f"{file}.yml: {task['name']}", module, {key: given.get(key) for key in ("kubeconfig", "context")}
        for include in task.keys() & set(INCLUDES):
            target = task[include]["file"] if isinstance(task[include], Mapping) else task[include]
            if "{{" not in target:
                yield from calls(role, target.removesuffix(".yml"), own)


@pytest.mark.parametrize(("role", "entry"), ENTRIES, ids=["-".join(entry) for entry in ENTRIES])
def test_a_task_names_the_cluster_of_its_role(role: str, entry: str) -> None:
    for place, _module, given in calls(role, entry, {}):
        for key, value in given.items():
            assert f"{role}_{key}" in str(value), f"roles/{role}/tasks/{place}: {key}"


def test_all_tasks_of_roles_are_reached() -> None:
    found = {(role, place) for role, entry in ENTRIES for place, _module, _given in calls(role, entry, {})}
    for file in ROOT.glob("roles/*/tasks/*.yml"):
        role, name = file.parts[-3], file.stem
        for place, module, _given in in_tasks(role, name, yaml.safe_load(file.read_text()), {}):
            assert (role, place) in found, f"{role}: {place} ({module})"
