# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components: in which order they are built, what their digests cover, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan import components as components_module
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import SpecificationError, build_plan
from specifications import assert_mistake, problems, specification


def test_base_image_is_built_first_and_is_part_of_the_digest(project: Path) -> None:
    (project / "docker").mkdir()
    (project / "docker/api.Dockerfile").write_text("ARG BASE\nFROM ${BASE}")
    components = {
        "api": {
            "source": "src/api",
            "dockerfile": "../../docker/api.Dockerfile",
            "build_args": {"BASE": "${components.base.image}"},
        },
        "base": {"source": "docker", "dockerfile": "base.Dockerfile"},
        "spare": {"source": "docker", "dockerfile": "base.Dockerfile"},
    }
    (project / "docker/base.Dockerfile").write_text("FROM scratch")
    before = build_plan(specification(components=components), project).as_dict()["components"]
    assert list(before).index("base") < list(before).index("api")
    assert before["api"]["build_args"] == {"BASE": before["base"]["image"]}
    assert before["api"]["needs"] == ["base"]
    # What nobody names is delivered: only the plan's reader knows what it is for.
    assert {name: component["deliver"] for name, component in before.items()} == {
        "base": False,
        "api": True,
        "spare": True,
    }
    (project / "docker/base.Dockerfile").write_text("FROM scratch\nLABEL a=b")
    after = build_plan(specification(components=components), project).as_dict()["components"]
    assert after["api"]["tag"] != before["api"]["tag"]


def test_old_name_of_the_source_digest_works_in_build_arguments(project: Path) -> None:
    components = {
        "api": {"source": "src/api", "build_args": {"BASE": "${components.base.digest}"}},
        "base": {"source": "src/api"},
    }
    plan = build_plan(specification(components=components), project)
    assert plan.components["api"].build_args == {"BASE": plan.components["base"].source_digest}
    assert plan.components["base"].source_digest.startswith("sha256:")
    (warning,) = plan.warnings
    assert warning.startswith("application_components.api.build_args.BASE: ${components.base.digest} is deprecated")


def test_other_placeholders_of_build_arguments_are_the_builds_own(project: Path) -> None:
    arguments = {"A": "${HOME} $${components.api.tag}"}
    components = {"api": {"source": "src/api", "build_args": arguments}}
    assert build_plan(specification(components=components), project).components["api"].build_args == arguments


def test_digest_of_migrations_is_theirs_alone(project: Path) -> None:
    source = project / "src/api"
    (source / "sql").mkdir()
    (source / "sql/one.sql").write_text("create table a ();")
    changes = {
        "components": {"api": {"source": "src/api", "migrations": ["sql/"]}},
        "releases": [{"name": "x", "chart": "chart", "migrations": {"api": "migration.sourceDigest"}}],
    }

    def digest() -> str:
        plan = build_plan(specification(**changes), project).as_dict()
        found: str = plan["releases"][0]["values"]["migration"]["sourceDigest"]
        assert found == plan["components"]["api"]["migrations"]
        return found

    before = digest()
    assert before.startswith("sha256:")
    (source / "app.py").write_text("print()")
    assert digest() == before
    (source / "sql/two.sql").write_text("create table b ();")
    assert digest() != before


def test_recipe_of_a_base_image_is_part_of_the_digest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "src/api/Dockerfile").write_text("FROM python:3.13-slim")

    def tag(**known: str) -> str:
        recipes = {"docker.io/library/python:3.13-slim": "a", "docker.io/library/postgres:17": "a", **known}
        monkeypatch.setattr(components_module, "made_here", lambda distribution: recipes)
        return str(build_plan(specification(distribution="/x"), project).as_dict()["components"]["api"]["tag"])

    assert tag() == tag(**{"docker.io/library/postgres:17": "b"})
    assert tag() != tag(**{"docker.io/library/python:3.13-slim": "b"})


def test_arguments_of_every_build_are_part_of_the_digest(project: Path) -> None:
    def tag(arguments: Any, **own: str) -> str:
        components = {"api": {"source": "src/api", "build_args": own}}
        plan = build_plan(specification(components=components, build_args=arguments), project).as_dict()
        assert plan["components"]["api"]["build_args"] == own
        return str(plan["components"]["api"]["tag"])

    assert tag({}) != tag({"COLOUR": "red"}) != tag({"COLOUR": "blue"})
    # As "-e" gives it.
    assert tag('{"COLOUR": "red"}') == tag("COLOUR=red") == tag({"COLOUR": "red"})
    # The component's own wins, and where packages come from does not count.
    assert tag({"COLOUR": "red"}, COLOUR="blue") == tag({"PIP_INDEX_URL": "https://mirror"}, COLOUR="blue")


def test_base_image_that_an_argument_of_every_build_names_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src/api/Dockerfile").write_text("ARG BASE\nFROM ${BASE}")

    def tag(recipe: str) -> str:
        monkeypatch.setattr(components_module, "made_here", lambda distribution: {"docker.io/library/a:1": recipe})
        plan = build_plan(specification(build_args={"BASE": "a:1"}, distribution="/x"), project)
        return plan.components["api"].tag

    assert tag("one") != tag("two")


def test_plan_keeps_what_is_built_and_released(project: Path, tmp_path: Path) -> None:
    changes = {"releases": [{"name": "x", "chart": "chart"}], "snapshots": str(tmp_path / "store")}
    plan = build_plan(specification(**changes), project).as_dict()
    component, release = plan["components"]["api"], plan["releases"][0]
    assert (Path(component["snapshot"]) / "context/Dockerfile").is_file()
    assert Path(release["chart_snapshot"]).name == release["chart_digest"]
    assert (Path(release["chart_snapshot"]) / "Chart.yaml").is_file()
    without = build_plan(specification(releases=changes["releases"]), project).as_dict()
    assert (without["components"]["api"]["tag"], without["releases"][0]["chart_digest"]) == (
        component["tag"],
        release["chart_digest"],
    )
    assert without["components"]["api"]["snapshot"] == without["releases"][0]["chart_snapshot"] == ""


def test_warnings_name_the_component(project: Path) -> None:
    (project / "src/api/.env").write_text("")
    (warning,) = build_plan(specification(), project).warnings
    assert warning.startswith("application_components.api: .env")


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"components": []}, "application_components", "a list"),
        ({"components": {"api": "src"}}, "application_components.api", "a text"),
        ({"components": {"api": {}}}, "application_components.api.source", "missing"),
        ({"components": {"api": {"source": "src"}}}, "application_components.api.dockerfile", "no file"),
        (
            {"components": {"api": {"source": "src/api", "dockerfile": "../../docker/no"}}},
            "application_components.api.dockerfile",
            "no file",
        ),
        (
            {"components": {"api": {"source": "src/api", "build_args": {"BASE": "${components.base.image}"}}}},
            "application_components.api.build_args",
            "no component base",
        ),
        (
            {"components": {"api": {"source": "src/api", "build_args": {"BASE": "${components.api.image}"}}}},
            "application_components",
            "built from each other: api -> api",
        ),
        (
            {
                "components": {
                    "api": {
                        "source": "src/api",
                        "build_args": {"BASE": "${components.base.nam}"},  # codespell:ignore nam
                    },
                    "base": {"source": "src/api"},
                }
            },
            "application_components.api.build_args.BASE",
            "did you mean components.base.tag",
        ),
        (
            {"components": {"api": {"source": "src/api", "repository": "Todo:1"}}},
            "repository",
            "not a valid image repository",
        ),
        (
            {"components": {"api": {"source": "src/api", "build_args": {"A-B": "1"}}}},
            "build_args.A-B",
            "not a valid name",
        ),
        ({"components": {"api": {"source": "src/api", "build_args": {"A": [1]}}}}, "build_args.A", "a list"),
        ({"build_args": {"A": [1]}}, "image_build_arguments.A", "a list"),
        ({"build_args": "red"}, "image_build_arguments", "a text"),
        ({"components": {"api": {"source": "src/api", "migrations": "sql"}}}, "api.migrations", "not a list of paths"),
        (
            {"components": {"api": {"source": "src/api", "migrations": ["sql"]}}},
            "api.migrations",
            "has no such file",
        ),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    assert_mistake(project, changes, place, words)


def test_repository_that_is_none_is_told_once(project: Path) -> None:
    found = problems(project, components={"api": {"source": "src/api", "repository": ""}}, checks=[])
    assert [problem for problem in found if "repository" in problem] == found and len(found) == 1


@pytest.mark.parametrize(
    ("text", "words"), [("[", "is no YAML"), ("a list", "is no dictionary"), (None, "No such file")]
)
def test_distribution_that_cannot_be_read_is_told(project: Path, text: str | None, words: str) -> None:
    if text is not None:
        (project / "manifest.yml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecificationError) as caught:
        build_plan({**specification(), "distribution": str(project)}, project)
    (found,) = [problem for problem in caught.value.problems if problem.startswith("distribution: ")]
    assert words in found


def test_what_a_build_would_fail_of_is_a_mistake_with_the_line_of_the_dockerfile(project: Path) -> None:
    file = project / "src/api/Dockerfile"
    file.write_text("FROM scratch\nCOPY missing.py /\n")
    assert problems(project, components={"api": {"source": "src/api"}}) == [
        f"application_components.api.dockerfile: {file}:2: COPY missing.py: there is no such file or directory in {file.parent}; "
        "correct the path; it starts from the source."
    ]


def test_what_a_person_should_know_of_a_context_is_a_warning(project: Path) -> None:
    source = project / "src/api"
    (source / "Dockerfile").write_text("FROM scratch\nCOPY . /app\nUSER 1000:1000\n")
    (source / "key.py").write_text("x")
    (source / "key.py").chmod(0o600)
    with (source / "data.bin").open("wb") as data:
        data.truncate(3 * 10**6)
    shut, large = sorted(
        build_plan(specification(components={"api": {"source": "src/api"}}, context_warning_mb=2), project).warnings
    )
    assert shut.startswith(
        "application_components.api: key.py will be in the image with permissions by which its user 1000:1000"
    )
    assert " has 3 MB in " in large and "data.bin (3 MB)" in large


def test_mirrors_and_passwords_that_would_stay_in_an_image(project: Path) -> None:
    file = project / "src/api/Dockerfile"
    file.write_text("FROM scratch\nARG PIP_INDEX_URL\nARG BASE\n")
    arguments = {"PIP_INDEX_URL": "https://mirror.example/simple", "BASE": "1"}
    (warning,) = build_plan(specification(build_args=arguments), project).warnings
    assert warning.startswith(
        f"application_components.api: {file}:2: the value of PIP_INDEX_URL stays in the history of the image; "
    )
    assert "mirror.example" not in warning
    (problem,) = problems(project, build_args={"PIP_INDEX_URL": "https://me:word@mirror.example/simple"})
    assert (
        f"{file}:2: the password in the build argument PIP_INDEX_URL would stay" in problem and "word@" not in problem
    )
    file.write_text("FROM scratch AS packages\nARG PIP_INDEX_URL\nFROM scratch\nCOPY --from=packages / /\n")
    assert build_plan(specification(build_args=arguments), project).warnings == ()
