#!/usr/bin/env python3
"""Write the README of every role from its meta/argument_specs.yml.

scripts/role_docs.py            write what is out of date
scripts/role_docs.py --check    only say what is out of date, and fail if anything is
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "slipway.kube"
HEAD = "<!-- Generated from meta/argument_specs.yml by scripts/role_docs.py: change it there. -->"
# O(), V(), RV(), C(), E(), M(), P() and so on of Ansible's documentation, one level of parentheses inside.
_MARKUP = re.compile(r"\b([OVRECIBMP]V?)\(((?:[^()]|\([^()]*\))*)\)")


def plain(text: str) -> str:
    """Turn Ansible's semantic markup into Markdown."""

    def replace(found: re.Match[str]) -> str:
        kind, inner = found.groups()
        if kind == "B":
            return f"**{inner}**"
        if kind == "I":
            return f"*{inner}*"
        return f"`{inner.split('#')[0] if kind == 'P' else inner}`"

    return _MARKUP.sub(replace, " ".join(str(text).split()))


def sentences(value: Any) -> list[str]:
    """Return a description, a text or a list of them, as Markdown sentences."""
    return [plain(item) for item in ([value] if isinstance(value, str) else value or [])]


def default_of(option: dict[str, Any]) -> str:
    """Return an option's default as it is written in a table."""
    if option.get("required"):
        return "required"
    if "default" not in option or option["default"] is None:
        return ""
    value = option["default"]
    text = (
        value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10_000).split("\n")[0]
    )
    return f"`{text}`" if text else "`''`"


def table(options: dict[str, Any]) -> list[str]:
    """Return the table of an entry point's variables."""
    lines = ["| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, option in options.items():
        kind = option.get("type", "str")
        if kind == "list" and option.get("elements"):
            kind = f"list of {option['elements']}"
        meaning = " ".join(sentences(option.get("description")))
        if option.get("choices"):
            meaning += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        cells = [f"`{name}`", kind, default_of(option), meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def render(role: Path) -> str:
    """Return the README of a role."""
    specs: dict[str, Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    main = specs["main"]
    lines = [f"# {NAMESPACE}.{role.name}", "", HEAD, "", plain(main["short_description"]) + ".", ""]
    lines += [f"- {sentence}" for sentence in sentences(main.get("description"))]
    lines += ["", "## Use", "", "```yaml", "- hosts: clusters", "  gather_facts: false", "  tasks:"]
    lines += [
        "    - ansible.builtin.import_role:",
        f"        name: {NAMESPACE}.{role.name}",
        "```",
        "",
        "## Variables",
        "",
    ]
    lines += table(main.get("options") or {}) if main.get("options") else ["None."]
    for entry, spec in specs.items():
        if entry == "main":
            continue
        lines += ["", f"## tasks_from: {entry}", "", plain(spec["short_description"]) + ".", ""]
        lines += [f"- {sentence}" for sentence in sentences(spec.get("description"))]
        own = {
            name: option for name, option in (spec.get("options") or {}).items() if name not in main.get("options", {})
        }
        lines += ["", *(table(own) if own else ["It has the same variables."])]
    return "\n".join(lines) + "\n"


def roles() -> list[Path]:
    """Return the directories of all roles that say what their variables are."""
    return sorted(found.parent.parent for found in (ROOT / "roles").glob("*/meta/argument_specs.yml"))


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when something is out of date")
    check = parser.parse_args().check
    stale = []
    for role in roles():
        readme, text = role / "README.md", render(role)
        if not readme.is_file() or readme.read_text() != text:
            stale.append(role.name)
            if not check:
                readme.write_text(text)
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
