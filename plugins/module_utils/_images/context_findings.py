# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile wants of its build context and does not get, and what a person should know of a context. Private to the collection.

A builder tells the first of these late and without the file and line, and the others not at all.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerfiles import (
    Instruction,
    Stage,
    index_of,
    replaced,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import Context

_NAMED = 3  # folders or files that a warning names
_WORTH_NAMING = 0.05  # of the whole
_MOST_OF_IT = 0.9  # of a folder's size: then the folder below says more
_LOCKED_INSTALL = re.compile(r"\bnpm\s+(?:ci|clean-install)\b")
_LOCK_FILES = ("package-lock.json", "npm-shrinkwrap.json")
_MOUNTED_FROM = re.compile(r"(?:^|,)from=([^,]+)")
_CHANGES_MODES = re.compile(r"\bch(?:mod|own)\b")


@dataclass(frozen=True)
class Mistake:
    """What makes a build fail: the line of the Dockerfile, what is wrong there, and what to do."""

    line: int
    what: str
    remedy: str


def find_mistakes(stages: Sequence[Stage], context: Context) -> list[Mistake]:
    """The mistakes in the stages that the image is made of."""
    needed = [stages[index] for index in _needed(stages)]
    paths = {entry.path for entry in context.entries}
    links = {entry.path for entry in context.entries if entry.kind == "l"}
    found = [
        mistake
        for stage in needed
        for one in stage.instructions
        for source in _sources(one)
        if (mistake := _missing(one, source, context, paths, links))
    ]
    return sorted([*found, *_without_lock_file(needed, context, paths)], key=lambda one: one.line)


def _needed(stages: Sequence[Stage]) -> list[int]:
    """Which stages the last one is made of. BuildKit builds no other."""
    found: set[int] = set()
    waiting = [len(stages) - 1] if stages else []
    while waiting:
        index = waiting.pop()
        if index in found:
            continue
        found.add(index)
        references = [stages[index].base]
        for one in stages[index].instructions:
            references += [one.flag("from") or ""]
            references += [name for flag in one.flags if flag.startswith("--mount=") for name in _mounted(flag)]
        others = [index_of(stages[:index], reference) for reference in references]
        waiting += [other for other in others if other is not None]
    return sorted(found)


def _mounted(flag: str) -> list[str]:
    return _MOUNTED_FROM.findall(flag.partition("=")[2])


def _sources(one: Instruction) -> list[str]:
    """What an instruction copies out of the context, as far as it can be told without building.

    A wildcard may match nothing, and variables, here-documents and addresses are no paths.
    """
    if one.name not in ("COPY", "ADD") or one.flag("from") is not None:
        return []
    return [word for word in one.words[:-1] if not re.search(r"[$*?\[\\]|<<|://|^git@", word)]


def _missing(one: Instruction, source: str, context: Context, paths: set[str], links: set[str]) -> Mistake | None:
    path = posixpath.normpath(f"/{source}").lstrip("/")
    rules = context.rules.name if context.rules else ".dockerignore"
    if not path:
        if paths - {".dockerignore"}:
            return None
        what = f"{rules} leaves out everything" if context.rules else "the build context is empty"
        return Mistake(
            one.line, f"{one.name} {source} copies nothing: {what}", f"add what the image needs to {rules} with '!'"
        )
    parts = path.split("/")
    if path in paths or any("/".join(parts[:count]) in links for count in range(1, len(parts))):
        return None
    if context.rules and os.path.lexists(context.root / path):
        return Mistake(one.line, f"{one.name} {source}: {rules} leaves it out", f"add '!{path}' to {rules}")
    return Mistake(
        one.line,
        f"{one.name} {source}: there is no such file or directory in {context.root}",
        "correct the path; it starts from the source",
    )


def _without_lock_file(stages: Sequence[Stage], context: Context, paths: set[str]) -> Iterator[Mistake]:
    """Yield the first C(npm ci) if what it needs is nowhere."""
    names = {posixpath.basename(path) for path in paths}
    if names.intersection(_LOCK_FILES) or "package.json" not in names:
        return
    runs = [one for stage in stages for one in stage.instructions if one.name in ("RUN", "COPY", "ADD")]
    # It may be made in the image, or come from another one.
    if any(word in one.rest for one in runs for word in ("package-lock", "shrinkwrap")):
        return
    first = next((one for one in runs if one.name == "RUN" and _LOCKED_INSTALL.search(one.rest)), None)
    if first is None:
        return
    here = next((name for name in _LOCK_FILES if (context.root / name).exists()), None)
    if here and context.rules:
        yield Mistake(
            first.line,
            f"'npm ci' needs {here}, which {context.rules.name} leaves out",
            f"add '!{here}' to {context.rules.name}",
        )
    else:
        yield Mistake(
            first.line,
            f"'npm ci' needs a lock file, and there is no {' or '.join(_LOCK_FILES)}",
            "run 'npm install' once and keep package-lock.json with the sources",
        )


def kept_arguments(stages: Sequence[Stage]) -> dict[str, int]:
    """The build arguments that stay in the history of the image, with the lines that declare them.

    These are those of the last stage and of the stages that it starts from: what a stage copies from another has no history.
    """
    found: dict[str, int] = {}
    index = len(stages) - 1 if stages else None
    while index is not None:
        for one in stages[index].instructions:
            if one.name == "ARG":
                found.update({word.partition("=")[0]: one.line for word in one.words})
        index = index_of(stages[:index], stages[index].base)
    return found


def unreadable(
    stages: Sequence[Stage], entries: Iterable[Entry], arguments: Mapping[str, str]
) -> tuple[str, list[str]]:
    """The user that the image runs as, and the paths of the context that are in the image and that it cannot read.

    The user is empty when it is root or not known. What C(--chown) or C(--chmod) names, or a RUN with one of these commands may have
    changed, counts as readable.
    """
    user = _user(stages, arguments)
    if not user:
        return "", []
    shut = {f"/{entry.path}": entry for entry in entries if _is_shut(entry, user)}
    if not shut:
        return user, []
    return user, sorted({entry.path for entry in _landed(stages, len(stages) - 1, shut).values()})


def _user(stages: Sequence[Stage], arguments: Mapping[str, str]) -> str:
    """The user of the last stage; empty for root and for one that only the base image or a builder knows."""
    index = len(stages) - 1 if stages else None
    while index is not None:
        known: dict[str, str] = {}
        user = None
        for one in stages[index].instructions:
            if one.name in ("ARG", "ENV"):
                for word in one.words:
                    name, _, default = word.partition("=")
                    given = arguments.get(name) if one.name == "ARG" else None
                    known[name] = replaced(default.strip("\"'"), known) if given is None else given
            elif one.name == "USER":
                user = replaced(one.rest, known)
        if user is not None:
            return "" if user.partition(":")[0] in ("", "0", "root") else user
        index = index_of(stages[:index], stages[index].base)
    return ""


def _is_shut(entry: Entry, user: str) -> bool:
    """Whether a user who is not root cannot read a file, or look into a directory, that belongs to root."""
    name, _, group = user.partition(":")
    # A number that stands in no list of users has the group of root.
    in_group_of_root = group in ("0", "root") or (not group and name.isdigit())
    wanted = 0o044 if in_group_of_root else 0o004
    if entry.kind == "d":
        wanted >>= 2
    return entry.kind in "fd" and not entry.mode & wanted


def _landed(stages: Sequence[Stage], index: int, given: Mapping[str, Entry]) -> dict[str, Entry]:
    """Where members of the context are in a stage's file system, by absolute path, as far as they keep their modes.

    C(given) are the members by their paths in the context, with a slash before them.
    """
    stage = stages[index]
    base = index_of(stages[:index], stage.base)
    found = _landed(stages, base, given) if base is not None else {}
    directory = "/"
    for one in stage.instructions:
        if one.name == "WORKDIR":
            directory = posixpath.join(directory, one.rest)
        elif one.name == "RUN" and _CHANGES_MODES.search(one.rest):
            found = {}
        elif one.name in ("COPY", "ADD") and one.flag("chown") is None and one.flag("chmod") is None:
            origin = one.flag("from")
            other = index_of(stages[:index], origin) if origin else None
            if origin and other is None:
                continue
            found.update(_copied(one.words, directory, given if other is None else _landed(stages, other, given)))
    return found


def _copied(words: Sequence[str], directory: str, there: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Yield where a COPY with these words puts what is there, which it names by absolute path."""
    if len(words) < 2:
        return
    target = posixpath.join(directory, words[-1])
    into = target.endswith("/") or len(words) > 2
    for source in words[:-1]:
        pattern = (
            re.escape(posixpath.normpath(f"/{source.lstrip('/')}").rstrip("/"))
            .replace(r"\*", "[^/]*")
            .replace(r"\?", "[^/]")
        )
        for path, entry in there.items():
            found = re.match(rf"{pattern}(?=/|$)", path)
            if not found:
                continue
            below = path[found.end() :]
            if below:
                yield posixpath.normpath(target + below), entry
            elif entry.kind == "f":
                yield posixpath.normpath(posixpath.join(target, posixpath.basename(path)) if into else target), entry


def size_warning(context: Context, most_mb: float) -> str:
    """What to tell of a context of more than C(most_mb) megabytes; empty for a smaller one, and if C(most_mb) is 0."""
    files = {one.entry.path: one.status.st_size for one in context.members if one.status and one.entry.kind == "f"}
    total = sum(files.values())
    if not most_mb or total <= most_mb * 10**6:
        return ""
    named = ", ".join(f"{path} ({_megabytes(size)})" for path, size in _largest(files))
    return (
        f"the build context {context.root} has {_megabytes(total)} in {len(files)} files, which every build reads; the largest are {named}. "
        "Name in .dockerignore what the image does not need, or raise application_context_warning_mb"
    )


def _megabytes(size: int) -> str:
    return f"{size / 10**6:,.0f} MB"


def _largest(files: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest folders, with a slash at the end, and files: no two of them within each other."""
    sizes: dict[str, int] = dict(files)
    for path, size in files.items():
        for end in (index for index, letter in enumerate(path) if letter == "/"):
            folder = path[: end + 1]
            sizes[folder] = sizes.get(folder, 0) + size
    # A folder with all its content in one place says less than that place.
    vague = {
        path[: path.rstrip("/").rfind("/") + 1]
        for path, size in sizes.items()
        if size >= _MOST_OF_IT * sizes.get(path[: path.rstrip("/").rfind("/") + 1], size)
    }
    chosen: list[tuple[str, int]] = []
    for path, size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        if size < _WORTH_NAMING * sum(files.values()):
            break
        if path not in vague and not any(_within(path, one) or _within(one, path) for one, _size in chosen):
            chosen.append((path, size))
    return chosen[:_NAMED]


def _within(path: str, folder: str) -> bool:
    return folder.endswith("/") and path.startswith(folder)
