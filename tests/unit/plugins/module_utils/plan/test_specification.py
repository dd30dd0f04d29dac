# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specification to plan, and every mistake in one go."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._plan import specification as specification_module
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import (
    SpecificationError,
    ValuesError,
    build_plan,
    set_path,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src/api").mkdir(parents=True)
    (tmp_path / "src/api/Dockerfile").write_text("FROM scratch")
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: app\nversion: 1.2.3\n")
    return tmp_path


def specification(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "todo",
        "hosts": ["todo.localhost"],
        "components": {"api": {"source": "src/api"}},
        "releases": [
            {
                "name": "todo",
                "chart": "chart",
                "values": {"api": {"replicas": 2, "image": {"pullPolicy": "Never"}}},
                "images": {"api": "api.image"},
                "secret_checksums": {"todo-api": "api.secretChecksum"},
            }
        ],
        "secrets": [
            {"name": "todo-db", "keys": {"PASSWORD": {"generate": 32}}},
            {
                "name": "todo-api",
                "keys": {
                    "URL": {"env": "URL", "available": False, "otherwise": {"template": "db://{PASSWORD}@x"}},
                    "KEY": {"env": "KEY", "required": False, "available": False},
                    "OWN": {"value": True},
                },
            },
        ],
        "checks": [
            {"name": "page", "url": "http://${application.host}/", "expect": {"digest": "${components.api.tag}"}}
        ],
        "journey": [{"name": "log in", "url": "http://x/${run_id}"}],
        "given": ["application_name", "application_plan"],
    }
    base.update(changes)
    return base


def problems(project: Path, **changes: Any) -> list[str]:
    with pytest.raises(SpecificationError) as caught:
        build_plan(specification(**changes), project)
    return caught.value.problems


def test_plan(project: Path) -> None:
    given = specification()
    before = copy.deepcopy(given)
    plan = build_plan(given, project).data
    assert given == before
    api = plan["components"]["api"]
    # Letters first: a YAML reader must not take a tag for a number.
    assert api["image"] == f"todo-api:{api['tag']}" and api["tag"] == f"sha-{api['digest'][7:23]}"
    assert api["source"] == str(project / "src/api")
    (release,) = plan["releases"]
    assert release["namespace"] == plan["namespace"] == "todo"
    assert release["values"]["api"]["image"] == {"pullPolicy": "Never", "repository": "todo-api", "tag": api["tag"]}
    assert release["chart"] == str(project / "chart") and release["chart_version"] == "1.2.3"
    assert plan["secrets"] == [
        {"name": "todo-db", "namespace": "todo", "keys": ["PASSWORD"]},
        {"name": "todo-api", "namespace": "todo", "keys": ["KEY", "OWN", "URL"]},
    ]
    assert plan["checks"][0]["url"] == "http://todo.localhost/"
    assert plan["checks"][0]["expect"]["digest"] == api["tag"]
    assert plan["journey"][0]["url"] == "http://x/${run_id}"


def test_smallest_specification(project: Path) -> None:
    plan = build_plan({"name": "x"}, project).data
    assert plan["components"] == {} and plan["releases"] == [] and plan["namespace"] == "x"


def test_all_mistakes_are_reported_at_once(project: Path) -> None:
    found = problems(
        project,
        name="Todo!",
        hosts=["under_score"],
        components={"api": {"source": "nowhere", "sauce": 1}},
        releases=[{"name": "todo", "chart": "nochart"}],
        given=["application_componets"],
    )
    places = [problem.split(":")[0] for problem in found]
    assert places[:4] == [
        "application_componets",
        "application_name",
        "application_hosts[0]",
        "application_components.api.sauce",
    ]
    assert "application_components.api.source" in places and "application_releases[0].chart" in places
    assert "did you mean application_components" in found[0]
    assert all(problem.endswith(".") and ";" in problem for problem in found)


def key(source: Any) -> dict[str, Any]:
    return {"secrets": [{"name": "todo-api", "keys": {"K": source}}]}


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"name": None}, "application_name", "missing"),
        ({"name": 5}, "application_name", "a number"),
        ({"name": "a" * 54}, "application_name", "at most 53"),
        ({"namespace": "-x"}, "application_namespace", "no valid Kubernetes name"),
        ({"project_dir": "missing"}, "application_project_dir", "no directory"),
        ({"hosts": "todo.local"}, "application_hosts", "write a list"),
        ({"hosts": ["a.b", "a.b"]}, "application_hosts[1]", "twice"),
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
        ({"entry": {"kind": "nodeport"}}, "application_entry.kind", "did you mean node_port"),
        ({"entry": {"kind": "ingress", "service": "page"}}, "application_entry.service", "does not go with"),
        ({"entry": {"kind": "node_port"}}, "application_entry.service", "missing"),
        ({"entry": {"kind": "load_balancer", "service": "page", "port": True}}, "application_entry.port", "a boolean"),
        ({"entry": {"knd": "ingress"}}, "application_entry.knd", "did you mean kind"),
        ({"releases": [{"name": "x", "chart": "chart", "wait": "yes"}]}, "application_releases[0].wait", "a text"),
        ({"components": {"api": {"source": "src/api", "repository": "Todo:1"}}}, "repository", "no image repository"),
        ({"components": {"api": {"source": "src/api", "build_args": {"A-B": "1"}}}}, "build_args.A-B", "no name"),
        ({"components": {"api": {"source": "src/api", "build_args": {"A": [1]}}}}, "build_args.A", "a list"),
        ({"releases": {"name": "x"}}, "application_releases", "write a list"),
        ({"releases": ["x"]}, "application_releases[0]", "a text"),
        (
            {"releases": [{"name": "x", "chart": "chart", "valeus": {}}]},  # codespell:ignore valeus
            "application_releases[0].valeus",  # codespell:ignore valeus
            "did you mean values",
        ),
        ({"releases": [{"name": "x", "chart": "chart", "images": {"ap": "a"}}]}, "images.ap", "did you mean api"),
        (
            {"releases": [{"name": "x", "chart": "chart", "migrations": {"api": "a"}}]},
            "migrations.api",
            "names no migrations",
        ),
        ({"components": {"api": {"source": "src/api", "migrations": "sql"}}}, "api.migrations", "no list of paths"),
        (
            {"components": {"api": {"source": "src/api", "migrations": ["sql"]}}},
            "api.migrations",
            "holds nothing there",
        ),
        ({"releases": [{"name": "x", "chart": "chart", "images": {"api": "a..b"}}]}, "images.api", "no path"),
        (
            {"releases": [{"name": "x", "chart": "chart", "values": {"a": 1}, "images": {"api": "a.b"}}]},
            "images.api",
            "no dictionary",
        ),
        ({"releases": [{"name": "x", "chart": "chart"}] * 2}, "application_releases[1]", "twice"),
        (
            {"releases": [{"name": "x", "chart": "chart", "secret_checksums": {"no": "a"}}]},
            "secret_checksums.no",
            "no such secret",
        ),
        ({"secrets": [{"name": "a", "keys": {}}], "releases": []}, "application_secrets[0].keys", "no key"),
        ({"secrets": [{"name": "A_", "keys": {"K": {"generate": 16}}}], "releases": []}, "secrets[0].name", "no valid"),
        (
            {"secrets": [{"name": "a", "keys": {"K": {"generate": 16}}}] * 2, "releases": []},
            "application_secrets[1]",
            "twice",
        ),
        (key({}), "keys.K", "no source is given"),
        (key("text"), "keys.K", "a text"),
        (key({"env": "A", "generate": 16}), "keys.K", "env and generate are given"),
        (key({"generate": 8}), "keys.K.generate", "16 to 1024"),
        (key({"generate": True}), "keys.K.generate", "no length"),
        (key({"generate": 16, "required": True}), "keys.K.required", "unknown"),
        (key({"env": "1A"}), "keys.K.env", "no name"),
        (key({"env": "A", "available": False}), "keys.K", "environment variable A is not set"),
        (key({"env": "A", "required": True, "otherwise": {"generate": 16}}), "keys.K", "both given"),
        (key({"env": "A", "otherwise": {"generate": 1}}), "keys.K.otherwise.generate", "no length"),
        (key({"value": False}), "keys.K.value", "no text"),
        (key({"template": "{NOWHERE}"}), "keys.K.template", "names no declared key"),
        (key({"template": "{K}"}), "keys.K", "circle"),
        ({"checks": [{"name": "a"}, {"name": "a"}]}, "application_checks[1]", "twice"),
        ({"checks": [{"url": "x"}]}, "application_checks[0].name", "missing"),
        (
            {"checks": [{"name": "a", "url": "${components.apy.tag}"}]},
            "application_checks[0].url",
            "did you mean components.api.tag",
        ),
        (
            {"hosts": [], "checks": [{"name": "a", "url": "${application.host}"}]},
            "application_checks[0].url",
            "is empty",
        ),
        ({"journey": "x"}, "application_journey", "write a list"),
    ],
)
def test_mistake_names_place_and_remedy(project: Path, changes: dict[str, Any], place: str, words: str) -> None:
    found = problems(project, **changes)
    assert any(place in problem.split(": ")[0] and words in problem for problem in found), found


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
    before = build_plan(specification(components=components), project).data["components"]
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
    after = build_plan(specification(components=components), project).data["components"]
    assert after["api"]["tag"] != before["api"]["tag"]


def test_digest_of_migrations_is_theirs_alone(project: Path) -> None:
    source = project / "src/api"
    (source / "sql").mkdir()
    (source / "sql/one.sql").write_text("create table a ();")
    changes = {
        "components": {"api": {"source": "src/api", "migrations": ["sql/"]}},
        "releases": [{"name": "x", "chart": "chart", "migrations": {"api": "migration.digest"}}],
    }

    def digest() -> str:
        plan = build_plan(specification(**changes), project).data
        found: str = plan["releases"][0]["values"]["migration"]["digest"]
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
        monkeypatch.setattr(specification_module, "made_here", lambda distribution: recipes)
        return str(build_plan(specification(distribution="/x"), project).data["components"]["api"]["tag"])

    assert tag() == tag(**{"docker.io/library/postgres:17": "b"})
    assert tag() != tag(**{"docker.io/library/python:3.13-slim": "b"})


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        (None, {"kind": "ingress"}),
        ({"kind": "none"}, {"kind": "none"}),
        (
            {"kind": "node_port", "service": "page", "port": 80},
            {"kind": "node_port", "service": "page", "namespace": "todo", "port": "80"},
        ),
    ],
)
def test_entry(project: Path, given: Any, entry: dict[str, str]) -> None:
    assert build_plan(specification(entry=given), project).data["entry"] == entry


def test_address_of_the_running_application_is_left_to_verify(project: Path) -> None:
    checks = [{"name": "page", "url": "${application.url}/"}]
    assert build_plan(specification(checks=checks), project).data["checks"] == checks


def test_circle_over_two_secrets(project: Path) -> None:
    secrets = [
        {"name": "a", "keys": {"X": {"template": "{Y}"}}},
        {"name": "b", "keys": {"Y": {"env": "Y", "otherwise": {"template": "{a/X}"}}}},
    ]
    (found,) = problems(project, secrets=secrets, releases=[])
    assert "a.X -> b.Y -> a.X" in found


def test_environment_is_asked_for_only_when_told(project: Path) -> None:
    """Without C(available) nobody looked, as for a run that deploys nothing."""
    build_plan(specification(releases=[], **key({"env": "A"})), project)


def test_escaped_placeholder_is_left_to_health_check(project: Path) -> None:
    plan = build_plan(specification(checks=[{"name": "a", "url": "$${components.x.tag}"}]), project).data
    assert plan["checks"][0]["url"] == "$${components.x.tag}"


def test_warnings_name_the_component(project: Path) -> None:
    (project / "src/api/.env").write_text("")
    (warning,) = build_plan(specification(), project).warnings
    assert warning.startswith("application_components.api: .env")


def test_set_path() -> None:
    values: dict[str, Any] = {"a": {"b": {"c": 1}}}
    set_path(values, "a.b", {"d": 2})
    set_path(values, "x.y", "z")
    assert values == {"a": {"b": {"c": 1, "d": 2}}, "x": {"y": "z"}}
    with pytest.raises(ValuesError, match=r"a\.b\.c"):
        set_path(values, "a.b.c.d", 1)
