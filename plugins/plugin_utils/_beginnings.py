# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the inventory and the tags that a run was started with. Private to the collection."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as C
from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import Failure

# What Ansible itself gives a meaning: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_tags.html
SPECIAL_TAGS = ("all", "always", "never", "tagged", "untagged")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ROOT = Path(__file__).resolve().parents[2]
_INCLUDES = frozenset({*C._ACTION_INCLUDE_TASKS, *C._ACTION_INCLUDE_ROLE})
_OTHERS = ("files", "templates")  # folders for what is no inventory, as in ansible.cfg
_USE = "Name an inventory with INVENTORY=PATH for make, or -i PATH for ansible-playbook"


def no_inventory(sources: Sequence[str]) -> Failure | None:
    """Say which sources of the inventory do not exist; None when all do. Lists of hosts have a comma."""
    lost = [source for source in sources if "," not in source and not os.path.exists(source)]
    if not lost:
        return None
    why = [f"{source} does not exist; a file or folder with an inventory was expected." for source in lost]
    return Failure(why=why, remedy=[f"{_USE}{_known(lost[0])}."])


def no_hosts(sources: Sequence[str], patterns: Sequence[str]) -> Failure:
    """Say why an inventory has no host for any play of a playbook."""
    wanted = " or ".join(dict.fromkeys(patterns))
    why = list(unreadable(sources)) or [f"No host of {', '.join(sources) or 'the inventory'} matches {wanted}."]
    example = f"{patterns[0]}: {{hosts: {{localhost: {{ansible_connection: local}}}}}}"
    remedy = f"{_USE} that is read without an error and has a host in the group {wanted}, such as: {example}"
    return Failure(why=why, remedy=[remedy])


def no_variables(sources: Sequence[str], said: str) -> Failure:
    """Say why the variables of an inventory cannot be read, each file with its line; said is what Ansible found first."""
    return Failure(
        why=list(unreadable(sources)) or [said], remedy=["Correct the file at that line. YAML is indented with blanks."]
    )


def no_tags(asked: Iterable[str], known: Iterable[str]) -> Failure | None:
    """Say which tags no task of a playbook has; None when all are there."""
    names = sorted(set(known) - set(SPECIAL_TAGS))
    unknown = [tag for tag in asked if tag not in names and tag not in SPECIAL_TAGS]
    if not unknown:
        return None
    why = [f"No task of this playbook has the tag {tag}." for tag in unknown]
    remedies = [nearest(tag, names) if names else "leave the tags out: this playbook has none" for tag in unknown]
    ends = {True: "?", False: "."}
    said = [f"{text[0].upper()}{text[1:]}{ends[text.startswith('did')]}" for text in dict.fromkeys(remedies)]
    return Failure(why=why, remedy=said)


def misspelt(tags: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the tags that are none of the known ones but close to one of them."""
    names = list(known)
    return [tag for tag in tags if tag not in names and difflib.get_close_matches(tag, names, n=1)]


def tags_of(blocks: Iterable[Any]) -> set[str]:
    """Return the tags of all tasks in blocks, also in those within."""
    found: set[str] = set()
    for task in blocks:
        found.update(task.tags)
        for part in ("block", "rescue", "always"):
            found |= tags_of(getattr(task, part, None) or ())
    return found


def are_tags_known(blocks: Iterable[Any]) -> bool:
    """Say whether the tags of all tasks are known before a run: none is a template, and nothing of others is included later.

    Of the collection's own includes, the tags within are those around them.
    """
    for task in blocks:
        if any("{{" in str(tag) for tag in task.tags):
            return False
        if getattr(task, "action", None) in _INCLUDES and not _is_own(task.get_path().rpartition(":")[0]):
            return False
        if not all(are_tags_known(getattr(task, part, None) or ()) for part in ("block", "rescue", "always")):
            return False
    return True


def _is_own(path: str) -> bool:
    return any(Path(path).resolve().is_relative_to(_ROOT / folder) for folder in ("roles", "playbooks"))


def unreadable(sources: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each YAML file of an inventory that cannot be parsed, with file, line and column."""
    for path in dict.fromkeys(path for source in sources for path in _files(Path(source))):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield f"{path}: it cannot be read: {error}."
            continue
        try:
            yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
            lines = text.splitlines()
            tab = mark and mark.line < len(lines) and "\t" in lines[mark.line]
            yield f"{place}: {'a tab is no indentation in YAML' if tab else _sentence(error)}."
        except yaml.YAMLError as error:
            yield f"{path}: {error}."


def _sentence(error: yaml.MarkedYAMLError) -> str:
    since = f" (from line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
    return f"{error.problem}{f', {error.context}' if error.context else ''}{since}"


def _files(source: Path) -> Iterator[Path]:
    """The YAML files that Ansible reads for a source: itself or those in it, and the variables beside it."""
    folder = source if source.is_dir() else source.parent
    inside = [source] if source.is_file() else folder.glob("*") if source.is_dir() else ()
    variables = (path for name in ("group_vars", "host_vars") for path in (folder / name).rglob("*"))
    for path in (*sorted(inside), *sorted(variables)):
        if path.suffix in (".yml", ".yaml") and path.is_file() and not set(path.parent.parts[-1:]) & set(_OTHERS):
            yield path


def _known(lost: str) -> str:
    """Name the inventories beside one that does not exist."""
    folder = Path(lost).parent
    names = sorted(path.parent.name for path in folder.glob("*/hosts.y*ml")) if folder.is_dir() else []
    return f"; in {folder} there are {', '.join(names)}" if names else ""
