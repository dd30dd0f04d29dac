#!/usr/bin/env python3
"""Write values.schema.json of every chart, and values.yaml of those with common.manifests, from charts/values.schema.yaml.

scripts/chart_values.py            write what is out of date
scripts/chart_values.py --check    only say what is out of date, and fail if anything is
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ROOT / "charts"
SOURCE = CHARTS / "values.schema.yaml"
WIDTH = 130
Schema = dict[str, Any]


class SourceError(Exception):
    """The files cannot be written; the text says what to change in the source."""


class Entry(dict[str, Any]):
    """One key with its value."""


class Dumper(yaml.SafeDumper):
    """YAML as this repository writes it: lists indented, empty texts in double quotes, long texts as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists inside mappings, too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out, even what is the same object."""
        return True


def _text(dumper: Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if not value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _entry(dumper: Dumper, value: Entry) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=False)


Dumper.add_representer(str, _text)
Dumper.add_representer(Entry, _entry)


def merged(base: Any, over: Any) -> Any:
    """Return a value with another one over it, as Helm does: mappings key by key, everything else as a whole."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def defaults(schema: Schema) -> Schema:
    """Return the default values of a mapping that a schema describes; keys without one are left out."""
    found: Schema = {}
    for name, rule in schema["properties"].items():
        if "properties" in rule:
            found[name] = defaults(rule)
        elif "default" in rule:
            found[name] = rule["default"]
    return dict(merged(found, schema.get("default", {})))


def without_defaults(rule: Any) -> Any:
    """Return a rule as a chart's schema holds it: Helm takes defaults from values.yaml."""
    if isinstance(rule, list):
        return [without_defaults(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    return {
        key: {name: without_defaults(each) for name, each in value.items()}
        if key == "properties"
        else without_defaults(value)
        for key, value in rule.items()
        if key != "default"
    }


def references(rule: Any) -> set[str]:
    """Return the names of the definitions that a rule refers to by itself."""
    return set(re.findall(r'"\$ref": "#/definitions/([^"]+)"', json.dumps(rule)))


def schema_of(source: Schema, chart: str) -> str:
    """Return a chart's values.schema.json. Raises SourceError when a rule refers to a definition that is not there."""
    own = source["charts"][chart]
    needed: set[str] = set()
    more = references(own["properties"])
    while more:
        if missing := more - source["definitions"].keys():
            raise SourceError(
                f"{SOURCE.relative_to(ROOT)}: chart {chart} refers to the definition {min(missing)}, which is not there. "
                "Add it below definitions."
            )
        needed |= more
        more = {name for each in needed for name in references(source["definitions"][each])} - needed
    definitions = {name: each for name, each in source["definitions"].items() if name in needed}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": chart,
        "description": own.get("description", f"Values of the chart {chart}."),
        "type": "object",
        "additionalProperties": False,
        **({"required": own["required"]} if "required" in own else {}),
        "properties": own["properties"],
        **({"definitions": definitions} if definitions else {}),
    }
    return json.dumps(without_defaults(schema), indent=2, ensure_ascii=False) + "\n"


def comment(text: str, indent: str) -> list[str]:
    """Return a text as the lines of a comment."""
    lead = f"{indent}# "
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False
    )


def entries(source: Schema, properties: Schema, values: Schema, indent: str = "") -> Iterator[list[str]]:
    """Yield the lines of each value of a mapping: its comment and, as YAML, itself; a key without a value is commented out."""
    for name, rule in properties.items():
        definition = source["definitions"].get(rule.get("$ref", "").rpartition("/")[2], {})
        lines = comment(rule.get("description") or definition.get("description", ""), indent)
        if name not in values:
            lines.append(f"{indent}# {name}:")
        elif "properties" in rule:
            lines.append(f"{indent}{name}:")
            for each in entries(source, rule["properties"], values[name], indent + "  "):
                lines += each
        else:
            entry = Entry({name: values[name]})
            text = yaml.dump(entry, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=WIDTH)
            lines += [f"{indent}{line}".rstrip() for line in text.splitlines()]
        yield lines


def values_of(source: Schema, chart: str) -> str:
    """Return a chart's values.yaml."""
    own = source["charts"][chart]
    values = merged(defaults(own), own.get("defaults", {}))
    # A value of the whole release or of another chart has no default here.
    properties = {name: rule for name, rule in own["properties"].items() if name in values}
    lines = [
        f"# {chart}: {own['title']}",
        "# Generated from charts/values.schema.yaml by scripts/chart_values.py: change it there. values.schema.json checks every value.",
        "# Only image.tag has no default.",
    ]
    before = 0
    for each in entries(source, properties, values):
        # Groups stand apart.
        if max(before, len(each)) > 2 or not before:
            lines.append("")
        lines += each
        before = len(each)
    return "\n".join(lines) + "\n"


def render(source: Schema) -> dict[str, str]:
    """Return what each file has to hold, by its path below charts/."""
    files = {}
    for chart, own in source["charts"].items():
        files[f"{chart}/values.schema.json"] = schema_of(source, chart)
        if "title" in own:
            files[f"{chart}/values.yaml"] = values_of(source, chart)
    return files


def load() -> Schema:
    """Return the source."""
    found: Schema = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when something is out of date")
    check = parser.parse_args().check
    stale = []
    try:
        files = render(load())
    except (SourceError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in files.items():
        file = CHARTS / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                file.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
