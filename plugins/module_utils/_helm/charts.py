# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts on disk: their digest with all local dependencies, and a complete copy of them. Private to the collection."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

_RECIPE = b"slipway chart 1\n"


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


def digest_chart(path: Path, _above: tuple[Path, ...] = ()) -> str:
    """Return the sha256 (hex) over a chart's files and, recursively, those of its ``file://`` dependencies.

    Raises ChartError for an unreadable chart, a missing dependency or a circle of dependencies.
    """
    chart = _checked(path, _above)
    digest = hashlib.sha256(_RECIPE)
    for relative, file in _walk(chart, _rules(path)):
        content = hashlib.sha256(file.read_bytes()).digest()
        digest.update(b"f\0" + os.fsencode(relative) + b"\0" + content)
    for dependency in chart.dependencies:
        if dependency.local is not None:
            digest.update(f"d\0{dependency.name}\0{digest_chart(dependency.local, (*_above, path))}".encode())
    return digest.hexdigest()


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


def assemble(path: Path, target: Path) -> None:
    """Copy a chart to C(target) with its ``file://`` dependencies unpacked in charts/, as Helm loads them.

    Nothing is written into the chart's own directory, so that a checkout stays as it is.
    """
    chart = _checked(path, ())
    for relative, file in _walk(chart, _rules(path)):
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    for dependency in chart.dependencies:
        if dependency.local is not None:
            assemble(dependency.local, target / "charts" / dependency.name)


@contextlib.contextmanager
def complete(path: Path, scratch: str) -> Iterator[Path]:
    """Give Helm a complete copy of a chart, in a directory of its own below C(scratch), for as long as this is entered.

    Raises ChartError when the chart cannot be used or copied.
    """
    with contextlib.ExitStack() as stack:
        try:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch))) / path.name
            assemble(path.resolve(), copy)
        except OSError as error:
            raise ChartError(
                f"{path} could not be copied to {scratch}: {error.strerror}; check the permissions and the space there"
            ) from None
        yield copy
