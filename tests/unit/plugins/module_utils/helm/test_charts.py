# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts on disk: their digest and their complete copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotStore, read
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import (
    ChartError,
    assemble,
    chart_members,
    complete,
)


def chart(root: Path, name: str, dependencies: str = "") -> Path:
    path = root / name
    (path / "templates").mkdir(parents=True)
    (path / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n{dependencies}")
    (path / "templates/x.yaml").write_text("a: b")
    return path


def digest_chart(path: Path) -> str:
    return read(chart_members(path)).digest


def needs(*names: str) -> str:
    items = "".join(f"  - {{name: {name}, version: 0.1.0, repository: 'file://../{name}'}}\n" for name in names)
    return f"dependencies:\n{items}"


@pytest.fixture
def umbrella(tmp_path: Path) -> Path:
    chart(tmp_path, "common")
    chart(tmp_path, "backend", needs("common"))
    return chart(tmp_path, "app", needs("backend", "common"))


def test_digest_covers_dependencies_of_dependencies(umbrella: Path) -> None:
    before = digest_chart(umbrella)
    template = umbrella.parent / "common/templates/x.yaml"
    os.utime(template, (1, 1))
    assert digest_chart(umbrella) == before
    template.write_text("a: c")
    assert digest_chart(umbrella) != before


@pytest.mark.parametrize("dependency", ["common", "{version: 0.1.0}", "{name: '', version: 0.1.0}"])
def test_a_dependency_without_a_name_is_a_mistake(tmp_path: Path, dependency: str) -> None:
    path = chart(tmp_path, "app", f"dependencies: [{dependency}]\n")
    with pytest.raises(ChartError, match=r"Chart\.yaml: every dependency needs a name"):
        digest_chart(path)


def test_packaged_copy_of_a_local_dependency_does_not_count(umbrella: Path) -> None:
    before = digest_chart(umbrella)
    (umbrella / "charts").mkdir()
    (umbrella / "charts/backend-0.1.0.tgz").write_bytes(b"old")
    (umbrella / "charts/common").mkdir()
    (umbrella / "charts/common/Chart.yaml").write_text("old")
    assert digest_chart(umbrella) == before
    (umbrella / "charts/other-1.0.0.tgz").write_bytes(b"remote")
    assert digest_chart(umbrella) != before


@pytest.mark.parametrize(
    ("rules", "path", "counts"),
    [
        ("*.md", "notes.md", False),
        ("*.md", "files/notes.md", False),
        ("/tests/", "tests/a.yaml", False),
        ("/tests/", "templates/tests/a.yaml", True),
        ("files/*", "files/a", False),
        ("files/*", "files/deep/a", False),
        (".*", ".helmignore2", False),
        ("", "templates/.hidden", False),
        ("# *.md", "notes.md", True),
    ],
)
def test_helmignore(umbrella: Path, rules: str, path: str, counts: bool) -> None:
    (umbrella / ".helmignore").write_text(rules)
    before = digest_chart(umbrella)
    (umbrella / path).parent.mkdir(parents=True, exist_ok=True)
    (umbrella / path).write_text("x")
    assert (digest_chart(umbrella) != before) is counts


def test_copy_holds_unpacked_dependencies_and_leaves_the_chart_alone(umbrella: Path, tmp_path: Path) -> None:
    before = sorted(str(path) for path in umbrella.parent.rglob("*"))
    target = tmp_path.parent / f"{tmp_path.name}-target"
    assemble(umbrella, target)
    assert (target / "charts/backend/charts/common/templates/x.yaml").is_file()
    assert (target / "charts/common/Chart.yaml").is_file()
    assert sorted(str(path) for path in umbrella.parent.rglob("*")) == before


def test_copy_that_cannot_be_made_is_told_with_its_place(umbrella: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with (
        pytest.raises(ChartError, match=f"could not be copied to {nowhere}: .*; check the permissions"),
        complete(umbrella, nowhere),
    ):
        pass


def test_complete_chart_needs_no_neighbours(umbrella: Path, tmp_path: Path) -> None:
    away = tmp_path.parent / f"{tmp_path.name}-away"
    (away / "once").mkdir(parents=True)
    (away / "twice").mkdir()
    assemble(umbrella, away / "once" / "app")
    assemble(away / "once" / "app", away / "twice" / "app")
    once, twice = (
        {path.relative_to(away / name): path.read_text() for path in (away / name).rglob("*") if path.is_file()}
        for name in ("once", "twice")
    )
    assert once == twice and any("common" in str(path) for path in once)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: x", "must hold a name and a version"),
        ("[", "cannot be read"),
        (f"name: x\nversion: 1\n{needs('missing')}", "dependency missing is not at"),
        (
            "name: x\nversion: 1\ndependencies: [{name: far, repository: 'https://example.org'}]",
            "helm dependency build",
        ),
        (f"name: x\nversion: 1\n{needs('x')}", "depends on itself"),
    ],
)
def test_unusable_chart_is_explained(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/Chart.yaml").write_text(content)
    with pytest.raises(ChartError, match=words):
        digest_chart(tmp_path / "x")


def test_no_chart(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"holds no Chart\.yaml"):
        digest_chart(tmp_path)


def test_rule_for_directories_does_not_end_the_rules(umbrella: Path) -> None:
    (umbrella / ".helmignore").write_text("drafts/\n*.bak\n", encoding="utf-8")
    before = digest_chart(umbrella)
    (umbrella / "old.bak").write_text("old")
    (umbrella / "drafts").mkdir()
    (umbrella / "drafts/x.yaml").write_text("draft")
    assert digest_chart(umbrella) == before
    (umbrella / "old.txt").write_text("old")
    assert digest_chart(umbrella) != before


def test_helm_is_given_the_chart_of_the_plan(umbrella: Path, tmp_path: Path) -> None:
    taken = SnapshotStore(tmp_path / "store").take("app", chart_members(umbrella))
    template = umbrella.parent / "common/templates/x.yaml"
    template.write_text("a: later")
    with complete(umbrella, str(tmp_path), taken.digest, str(taken.path)) as found:
        assert found == taken.path and (found / "charts/common/templates/x.yaml").read_text() == "a: b"
    assert taken.path
    (taken.path / "Chart.yaml").write_text("")  # not all of it reached the disk
    with (
        pytest.raises(
            ChartError, match="has changed since the plan was made; nothing was changed with it, run this again"
        ),
        complete(umbrella, str(tmp_path), taken.digest, str(taken.path)),
    ):
        pass
    template.write_text("a: b")
    with complete(umbrella, str(tmp_path), taken.digest, str(taken.path)) as found:
        assert (found / "Chart.yaml").read_text() == (umbrella / "Chart.yaml").read_text()


def test_modes_of_a_chart_do_not_count(umbrella: Path) -> None:
    """Helm does not read them."""
    before = digest_chart(umbrella)
    (umbrella / "templates/x.yaml").chmod(0o600)
    assert digest_chart(umbrella) == before
