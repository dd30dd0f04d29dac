# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile wants of its context and does not get, what its user cannot read, and contexts that are large."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import Member
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry
from ansible_collections.slipway.kube.plugins.module_utils._images import context_findings
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerfiles import read_stages
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import Context, read_context

ROOT = Path(__file__).resolve().parents[5]


def context_of(place: Path, ignored: str | None, *files: str) -> Context:
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text("x")
    if ignored is not None:
        (place / ".dockerignore").write_text(ignored)
    return read_context(place)


def mistakes(place: Path, dockerfile: str, ignored: str | None = None, files: tuple[str, ...] = ()) -> list[str]:
    found = context_findings.find_mistakes(read_stages(dockerfile, {}), context_of(place, ignored, *files))
    return [f"{one.line}: {one.what}; {one.remedy}" for one in found]


@pytest.mark.parametrize(
    ("dockerfile", "ignored", "files", "words"),
    [
        ("FROM a\n\nCOPY app.py /", None, (), "3: COPY app.py: there is no such file or directory in "),
        ("FROM a\nCOPY app.py /", "*", ("app.py",), "2: COPY app.py: .dockerignore leaves it out; add '!app.py' to"),
        ("FROM a\nCOPY . /app", "*", ("app.py",), "2: COPY . copies nothing: .dockerignore leaves out everything; add"),
        ("FROM a\nADD ./ /app", None, (), "2: ADD ./ copies nothing: the build context is empty; add"),
        ('FROM a\nCOPY ["a b", "/"]', None, ("a",), "2: COPY a b: there is no such file"),
        ("FROM a\nCOPY --chown=1:1 \\\n # why\n  src \\\n  /app", None, (), "2: COPY src: there is no such file"),
        ("FROM a AS b\nCOPY x /\nFROM c\nCOPY --from=b /x /", None, (), "2: COPY x: there is no such file"),
        ("FROM a AS b\nCOPY x /\nFROM c\nRUN --mount=type=bind,from=b,target=/b make", None, (), "2: COPY x: there is"),
        ("# escape=`\nFROM a\nCOPY x `\n  /", None, (), "3: COPY x: there is no such file"),
        (
            "FROM a\nCOPY . .\nRUN npm ci",
            None,
            ("package.json",),
            "3: 'npm ci' needs a lock file, and there is no pack",
        ),
        (
            "FROM a\nCOPY package.json .\nRUN cd /app && \\\n  npm clean-install",
            "*lock.json",
            ("package.json", "package-lock.json"),
            "3: 'npm ci' needs package-lock.json, which .dockerignore leaves out; add '!package-lock.json' to",
        ),
    ],
)
def test_what_a_build_would_fail_of(
    tmp_path: Path, dockerfile: str, ignored: str | None, files: tuple[str, ...], words: str
) -> None:
    (found,) = mistakes(tmp_path, dockerfile, ignored, files)
    assert found.startswith(words)


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM a\nCOPY . .",
        "FROM a\nCOPY /src ../src/app.py src/ /",
        "FROM a\nCOPY lock*.json $NAME ${NAME}/x [a]b /",  # wildcards may match nothing; variables are not known
        "FROM a\nADD https://example.com/x git@example.com:x.git#main /",
        "FROM a\nCOPY <<EOF /x\nCOPY missing /\nEOF\nCOPY src /",
        "FROM a\nRUN <<-'EOF' sh\n\tCOPY missing /\n\tEOF\nCOPY src /",
        "FROM a\nCOPY --from=other/image missing /",
        "FROM a AS unused\nCOPY missing /\nFROM b\nCOPY src /",
        "FROM a\nCOPY link/deep /",  # where a link leads is the builder's matter
        "FROM a\nRUN npm install --package-lock-only && npm ci",
        "FROM a\nCOPY --from=deps /package-lock.json .\nRUN npm ci",
        "FROM a\n# COPY missing /\nLABEL x=COPY",
    ],
)
def test_what_is_no_mistake(tmp_path: Path, dockerfile: str) -> None:
    (tmp_path / "link").symlink_to("src")
    assert mistakes(tmp_path, dockerfile, None, ("src/app.py", "package.json")) == []


def test_without_sources_of_node_nothing_is_said_of_a_lock_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "FROM a\nRUN npm ci", None, ("a",)) == []


def test_the_example_has_nothing_to_be_told() -> None:
    for component in ("backend", "frontend"):
        source = ROOT / "examples/todo" / component
        context, stages = read_context(source), read_stages((source / "Dockerfile").read_text(), {})
        assert context_findings.find_mistakes(stages, context) == []
        _user, shut = context_findings.unreadable(stages, context.entries, {})
        assert shut == []


def unreadable(dockerfile: str, *entries: Entry, arguments: Mapping[str, str] | None = None) -> tuple[str, list[str]]:
    arguments = arguments or {}
    return context_findings.unreadable(read_stages(dockerfile, arguments), entries, arguments)


SECRET = Entry("app/secret.py", "f", 0o600)
OPEN = Entry("app/main.py", "f", 0o644)


@pytest.mark.parametrize(
    ("dockerfile", "paths"),
    [
        ("FROM a\nCOPY . /app\nUSER app", ["app/secret.py"]),
        ("FROM a\nUSER 1000:1000\nCOPY app/*.py /app/", ["app/secret.py"]),
        ("FROM a\nARG ID=7\nCOPY app /app\nUSER ${ID}", ["app/secret.py"]),
        ("FROM a AS base\nWORKDIR /srv\nCOPY app ./\nFROM base\nUSER app", ["app/secret.py"]),
        (
            "FROM a AS b\nWORKDIR /srv\nCOPY app/secret.py x\nFROM c\nCOPY --from=b /srv /srv\nUSER app",
            ["app/secret.py"],
        ),
        ("FROM a AS b\nCOPY . /srv\nFROM c\nCOPY --from=b /srv/dist /srv\nUSER app", []),
        ("FROM a\nCOPY app/main.py /app/\nUSER app", []),
        ("FROM a\nCOPY --chown=app . /app\nUSER app", []),
        ("FROM a\nCOPY --chmod=755 . /app\nUSER app", []),
        ("FROM a\nCOPY . /app\nRUN chmod -R a+rX /app\nUSER app", []),
        ("FROM a\nUSER app\nCOPY . /app\nUSER 0:0", []),
        ("FROM a\nCOPY . /app", []),
        ("FROM a\nARG ID\nCOPY . /app\nUSER $ID", []),
    ],
)
def test_files_that_the_user_of_the_image_cannot_read(dockerfile: str, paths: list[str]) -> None:
    assert unreadable(dockerfile, OPEN, SECRET)[1] == paths


def test_permissions_count_by_the_user_and_the_kind() -> None:
    group, folder = Entry("g", "f", 0o640), Entry("d", "d", 0o700)
    copied = "FROM a\nCOPY . /app\nUSER "
    assert unreadable(copied + "1000", group, folder, Entry("e", "d", 0o755)) == ("1000", ["d"])
    assert unreadable(copied + "1000:0", group) == ("1000:0", [])
    assert unreadable(copied + "1000:1000", group) == ("1000:1000", ["g"])
    assert unreadable(copied + "app", group) == ("app", ["g"])
    assert unreadable(copied + "app", Entry("run", "f", 0o711)) == ("app", ["run"])
    assert unreadable("FROM a\nARG ID\nCOPY . /app\nUSER $ID", group, arguments={"ID": "app"}) == ("app", ["g"])
    assert unreadable("", group) == ("", [])


def sized(tmp_path: Path, sizes: Mapping[str, int]) -> Context:
    """A context with files of these sizes in megabytes, which take no room on the disk."""
    for name, size in sizes.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size * 10**6)
    return read_context(tmp_path)


def test_a_large_context_is_told_with_what_is_large_in_it(tmp_path: Path) -> None:
    sizes = {"data/raw/a": 700, "data/raw/b": 600, "data/note": 1, "video.mp4": 500, "src/web/app": 80, "src/b": 70}
    context = sized(tmp_path, sizes)
    told = context_findings.size_warning(context, 200)
    assert (
        "has 1,951 MB in 6 files, which every build reads; the largest are data/raw/ (1,300 MB), video.mp4 (500 MB), "
        in told
    )
    assert "src/ (150 MB). Name in .dockerignore" in told
    assert context_findings.size_warning(context, 1951) == "" == context_findings.size_warning(context, 0)


def test_what_lies_beside_each_other_under_alike_names_is_told_apart(tmp_path: Path) -> None:
    told = context_findings.size_warning(sized(tmp_path, {"ab/x": 10, "ab/y": 10, "a": 15}), 1)
    assert "the largest are ab/ (20 MB), a (15 MB). " in told


def test_members_without_a_status_count_nothing() -> None:
    context = Context(Path("/"), (Member(Entry("a", "f"), Path("/a")),))
    assert context_findings.size_warning(context, 1) == ""


def test_arguments_that_stay_in_the_history_of_the_image() -> None:
    dockerfile = "ARG TOP\nFROM a AS base\nARG OF_BASE=1 B\nFROM c AS packages\nARG PIP_INDEX_URL\nFROM base\nCOPY --from=packages / /\nARG OWN\n"
    assert context_findings.kept_arguments(read_stages(dockerfile, {})) == {"OF_BASE": 3, "B": 3, "OWN": 8}
    assert context_findings.kept_arguments([]) == {}
