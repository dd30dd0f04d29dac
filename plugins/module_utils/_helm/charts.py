# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts on disk: their digest with all local dependencies, and a complete copy of them. Private to the collection."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import Member, SnapshotError, copy, examine
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

# Helm reads names and contents only: modes do not count.
_FILE, _DIRECTORY = 0o644, 0o755


class ChartError(ValueError):
    """A chart that cannot be used. The text says which and what to do."""


@dataclass(frozen=True)
class Dependency:
    """One dependency of a chart: a directory beside it, or an archive that must lie in charts/ already."""

    name: str
    local: Path | None


@dataclass(frozen=True)
class Chart:
    """A chart directory and what its Chart.yaml says."""

    path: Path
    name: str
    version: str
    dependencies: tuple[Dependency, ...]


def read_chart(path: Path) -> Chart:
    """Read a chart directory's Chart.yaml."""
    file = path / "Chart.yaml"
    try:
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChartError(f"{path} holds no Chart.yaml; name the directory of a chart") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ChartError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict) or not data.get("name") or not data.get("version"):
        raise ChartError(f"{file} must hold a name and a version")
    dependencies = []
    for item in data.get("dependencies") or ():
        if not isinstance(item, dict) or not item.get("name"):
            raise ChartError(f"{file}: every dependency needs a name")
        repository = str(item.get("repository") or "")
        local = None
        if repository.startswith("file://"):
            local = Path(os.path.normpath(path / repository.removeprefix("file://")))
            if not (local / "Chart.yaml").is_file() and str(item["name"]) in _present(path):
                local = None  # a complete chart that lies away from its neighbours
        dependencies.append(Dependency(str(item["name"]), local))
    return Chart(path, str(data["name"]), str(data["version"]), tuple(dependencies))


def _present(path: Path) -> set[str]:
    """Return the names of the charts in a chart's charts/."""
    charts = path / "charts"
    return {name for entry in charts.iterdir() for name in _packaged(entry.name)} if charts.is_dir() else set()


def _rules(path: Path) -> list[str]:
    file = path / ".helmignore"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = (line.strip() for line in text.splitlines())
    # The last rule is Helm's own and always there.
    return [*(line for line in lines if line and not line.startswith("#")), "templates/.?*"]


def _helm_ignores(rules: list[str], relative: str, directory: bool) -> bool:
    """Apply .helmignore: globs without ``**``, on the whole path when they hold a slash, on the name otherwise.

    Unlike Git and Docker, Helm stops at the first rule that applies, and a rule with ``!`` ignores all that it does not
    match.
    """
    name = relative.rsplit("/", 1)[-1]
    for rule in rules:
        text = rule.removeprefix("!")
        negated = text != rule
        if text.endswith("/"):
            if not directory:
                if negated:
                    return True
                continue
            text = text.rstrip("/")
        subject = relative if "/" in text else name
        text = text.removeprefix("/")
        same_depth = "/" not in text or subject.count("/") == text.count("/")
        matched = same_depth and ("/" in text or "/" not in subject) and fnmatch.fnmatchcase(subject, text)
        if matched != negated:
            return True
    return False


def _walk(chart: Chart, rules: list[str], relative: str = "") -> Iterator[tuple[str, Path]]:
    """Yield every file that Helm would load from the chart's own directory, in the order of their paths."""
    replaced = {item.name for item in chart.dependencies if item.local is not None}
    for child in sorted((chart.path / relative).iterdir(), key=lambda found: found.name):
        path = f"{relative}/{child.name}" if relative else child.name
        if _helm_ignores(rules, path, child.is_dir()):
            continue
        if relative == "charts" and _packaged(child.name) & replaced:
            continue  # made from the neighbouring directory, which counts by itself
        if child.is_dir():
            yield from _walk(chart, rules, path)
        elif child.is_file():
            yield path, child


def _packaged(name: str) -> set[str]:
    """Return the chart names that an entry of charts/ can stand for; an archive is called <name>-<version>.tgz."""
    if not name.endswith(".tgz"):
        return {name}
    parts = name.removesuffix(".tgz").split("-")
    return {"-".join(parts[:count]) for count in range(1, len(parts))}


def chart_members(path: Path) -> list[Member]:
    """Return what Helm loads of a chart and, below charts/, of its C(file://) dependencies.

    Raises ChartError for an unreadable chart, a missing dependency or a circle of dependencies, and OSError.
    """
    members: dict[str, Member] = {}
    for relative, file in _loaded(path, ()):
        for above in reversed(PurePosixPath(relative).parents[:-1]):
            members[str(above)] = Member(Entry(str(above), "d", _DIRECTORY), path)
        members[relative] = Member(Entry(relative, "f", _FILE), file, file.stat())
    return list(members.values())


def _loaded(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield each file by its path in the complete chart."""
    chart = _checked(path, above)
    yield from _walk(chart, _rules(path))
    for dependency in chart.dependencies:
        if dependency.local is not None:
            for relative, file in _loaded(dependency.local, (*above, path)):
                yield f"charts/{dependency.name}/{relative}", file


def _checked(path: Path, above: tuple[Path, ...]) -> Chart:
    if path in above:
        raise ChartError(f"{path} depends on itself by {' -> '.join(str(one) for one in (*above, path))}")
    chart = read_chart(path)
    present = _present(path)
    for dependency in chart.dependencies:
        if dependency.local is not None:
            if not (dependency.local / "Chart.yaml").is_file():
                raise ChartError(
                    f"{path / 'Chart.yaml'}: dependency {dependency.name} is not at {dependency.local}; "
                    "correct its repository"
                )
        elif dependency.name not in present:
            raise ChartError(
                f"{path / 'Chart.yaml'}: dependency {dependency.name} is not in {path / 'charts'}; "
                f"run 'helm dependency build {path}' once"
            )
    return chart


def assemble(path: Path, target: Path) -> str:
    """Copy a chart to C(target) with its C(file://) dependencies unpacked in charts/, as Helm loads them; the digest of the copy.

    Nothing is written into the chart's own directory, so that a checkout stays as it is. Raises ChartError and OSError.
    """
    try:
        return copy(chart_members(path), target, {}).digest
    except SnapshotError as error:
        raise ChartError(str(error)) from None


@contextlib.contextmanager
def complete(path: Path, scratch: str, digest: str = "", snapshot: str = "") -> Iterator[Path]:
    """Give Helm a complete copy of a chart, for as long as this is entered.

    That is the plan's C(snapshot), when it is there and has the C(digest), otherwise a copy that is made now in a directory of its own below
    C(scratch). Raises ChartError when the chart cannot be used or copied, and when it is not the one of the digest any more.
    """
    kept = examine(Path(snapshot)) if snapshot else None
    if kept and kept.digest == digest:
        yield Path(snapshot)
        return
    with contextlib.ExitStack() as stack:
        try:
            copied = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch))) / path.name
            found = assemble(path.resolve(), copied)
        except OSError as error:
            raise ChartError(
                f"{path} could not be copied to {scratch}: {error.strerror}; check the permissions and the space there"
            ) from None
        if digest not in ("", found):
            raise ChartError(f"{path} has changed since the plan was made; nothing was changed with it, run this again")
        yield copied
