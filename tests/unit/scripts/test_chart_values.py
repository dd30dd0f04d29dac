# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of the charts and their schemas are what their one source says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

_spec = importlib.util.spec_from_file_location("chart_values", ROOT / "scripts/chart_values.py")
assert _spec and _spec.loader
chart_values = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(chart_values)

SOURCE = chart_values.load()
FILES = chart_values.render(SOURCE)
COMPONENTS = ["backend", "component", "frontend"]


def source(properties: dict[str, Any], **own: Any) -> dict[str, Any]:
    """A source with one chart."""
    return {
        "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"type": "string", "description": "B."}, "c": {}},
        "charts": {"web": {"title": "a page.", "properties": properties, **own}},
    }


@pytest.mark.parametrize("name", FILES)
def test_file_is_generated_from_the_source(name: str) -> None:
    assert (chart_values.CHARTS / name).read_text(encoding="utf-8") == FILES[name], "run scripts/chart_values.py"


def test_every_chart_has_its_schema_from_the_source() -> None:
    assert set(SOURCE["charts"]) == {path.parent.name for path in chart_values.CHARTS.glob("*/Chart.yaml")}
    assert [name for name in FILES if name.endswith("/values.yaml")] == [
        f"{chart}/values.yaml" for chart in ("component", "backend", "frontend")
    ]


@pytest.mark.parametrize("chart", SOURCE["charts"])
def test_values_are_valid(chart: str) -> None:
    """Also those that a chart says differ: a key that no rule knows would be left out of values.yaml in silence."""
    schema = json.loads(FILES[f"{chart}/values.schema.json"])
    jsonschema.Draft7Validator.check_schema(schema)
    own = SOURCE["charts"][chart]
    written = yaml.safe_load((chart_values.CHARTS / chart / "values.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(written, schema, jsonschema.Draft7Validator)
    if "title" in own:
        meant = chart_values.merged(chart_values.defaults(own), own.get("defaults", {}))
        jsonschema.validate(meant, schema, jsonschema.Draft7Validator)
        assert written == meant


@pytest.mark.parametrize("chart", COMPONENTS)
def test_charts_with_the_same_template_take_the_same_values(chart: str) -> None:
    component, own = (json.loads(FILES[f"{name}/values.schema.json"]) for name in ("component", chart))
    more = own["properties"].keys() - component["properties"].keys()
    assert more == ({"backendUrl", "deployedByParent"} if chart == "frontend" else set())
    assert {key: own["properties"][key] for key in component["properties"]} == component["properties"]
    assert own["definitions"] == component["definitions"]


def test_a_schema_holds_rules_and_what_they_refer_to() -> None:
    rules = {"x": {"$ref": "#/definitions/a", "default": 1}, "default": {"type": "integer", "default": 2}}
    schema = json.loads(chart_values.schema_of(source(rules), "web"))
    assert schema["properties"] == {"x": {"$ref": "#/definitions/a"}, "default": {"type": "integer"}}
    assert list(schema["definitions"]) == ["a", "b"]
    assert schema["additionalProperties"] is False
    assert "required" not in schema


def test_a_reference_that_leads_nowhere_is_named() -> None:
    with pytest.raises(chart_values.SourceError, match="chart web refers to the definition d"):
        chart_values.schema_of(source({"x": {"$ref": "#/definitions/d"}}), "web")


def test_values_have_their_description_as_comment() -> None:
    rules = {
        "one": {"type": "string", "description": "First.", "default": ""},
        "two": {"$ref": "#/definitions/b", "default": "text"},
        "group": {
            "description": f"{'a' * 60} {'b' * 60} {'c' * 10}",
            "properties": {
                "count": {"description": "How many.", "default": 1},
                "unset": {"description": "Nothing by default."},
                "pair": {"description": "Of a group.", "default": {"a": ["x"], "b": "1\n2\n"}},
            },
            "default": {"count": 2},
        },
        "global": {"description": "Not this chart's."},
    }
    text = chart_values.values_of(source(rules, defaults={"group": {"pair": {"c": None}}}), "web")
    lines = text.splitlines()
    assert lines[0] == "# web: a page."
    assert lines[3:] == [
        "",
        "# First.",
        'one: ""',
        "# B.",
        "two: text",
        "",
        f"# {'a' * 60} {'b' * 60}",
        f"# {'c' * 10}",
        "group:",
        "  # How many.",
        "  count: 2",
        "  # Nothing by default.",
        "  # unset:",
        "  # Of a group.",
        "  pair:",
        "    a: [x]",
        "    b: |",
        "      1",
        "      2",
        "    c: null",
    ]


def test_a_default_replaces_lists_and_completes_mappings() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": [1], "e": {"f": 1}}
    assert chart_values.merged(base, {"a": {"c": [3]}, "d": [], "e": None, "g": 2}) == {
        "a": {"b": 1, "c": [3]},
        "d": [],
        "e": None,
        "g": 2,
    }
