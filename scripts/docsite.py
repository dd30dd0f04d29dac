#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the collection's documentation with antsibull-docs and build its pages.

    scripts/docsite.py [DIRECTORY]     HTML pages go to DIRECTORY; without it, they are built and thrown away

Works offline, on a copy: antsibull-docs wants a directory ansible_collections/slipway/kube, and role options whose default has
the option's type. Slipway's roles take defaults from each other's variables. In the copy such a default is a sentence of the
description.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import checkout
import yaml

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["CHANGELOG.md", "LICENSE", "README.md", "changelogs", "docs/docsite", "galaxy.yml", "meta", "plugins", "roles"]
SPHINX = """\
project = "slipway.kube"
extensions = ["sphinx_antsibull_ext"]
html_theme = "alabaster"
pygments_style = "ansible"
default_role = "any"


def elsewhere(app, env, node, text):
    # Generated pages refer to Ansible's own documentation, which is out of reach offline: such a reference stays a text.
    own = node["reftarget"].startswith("ansible_collections.slipway.kube") or node["refdoc"].startswith("docsite/")
    return None if own else text


def setup(app):
    app.connect("missing-reference", elsewhere)
"""
_TYPES: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "dict": dict,
    "float": (int, float),
    "int": int,
    "list": list,
}


def with_typed_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """The content of an argument_specs.yml as antsibull-docs accepts it.

    A default that is not of its option's type moves to the description. An entry point without a description gets its short one.
    """

    def option(given: dict[str, Any]) -> dict[str, Any]:
        found = dict(given)
        if isinstance(found.get("options"), dict):
            found["options"] = {name: option(one) for name, one in found["options"].items()}
        wanted = _TYPES.get(found.get("type", "str"))
        if wanted and found.get("default") is not None and not isinstance(found["default"], wanted):
            default = found.pop("default")
            found["description"] = [*texts(found.get("description")), f"By default C({default})."]
        return found

    def texts(given: Any) -> list[str]:
        return [given] if isinstance(given, str) else list(given or [])

    return {
        "argument_specs": {
            name: {
                **point,
                "description": texts(point.get("description")) or [f"{point['short_description']}."],
                "options": {key: option(one) for key, one in (point.get("options") or {}).items()},
            }
            for name, point in spec["argument_specs"].items()
        }
    }


def copy(target: Path) -> None:
    """Copy what the pages are made from."""
    checkout.copy(PARTS, target)
    for file in target.glob("roles/*/meta/argument_specs.yml"):
        spec = with_typed_defaults(yaml.safe_load(file.read_text(encoding="utf-8")))
        file.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Check and build; the process's exit code."""
    if len(arguments) > 1 or any(one.startswith("-") for one in arguments):
        print("usage: scripts/docsite.py [DIRECTORY]", file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="slipway-docsite-") as scratch:
        place = Path(scratch)
        collection = place / "ansible_collections" / "slipway" / "kube"
        copy(collection)
        pages, html = place / "rst", place / "html"
        pages.mkdir()
        (pages / "conf.py").write_text(SPHINX, encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(place),
            # Not the one beside this interpreter, which is a link to the checkout.
            "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
            # Beside this interpreter, whether or not its environment is activated.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
        steps = [
            ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "--check-extra-docs-refs"]
            + ["--validate-collection-refs", "self", "."],
            ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
            + ["--dest-dir", str(pages), "slipway.kube"],
            ["sphinx-build", "-q", "-b", "html", "-W", "--keep-going", str(pages), str(html)],
        ]
        for step in steps:
            if code := subprocess.run(step, cwd=collection, env=environment, check=False).returncode:
                print(f"{step[0]} {step[1]} found mistakes: see above.", file=sys.stderr)
                return code
        built = sorted(page.name for page in html.glob("*_module.html"))
        routing = yaml.safe_load((collection / "meta/runtime.yml").read_text(encoding="utf-8"))["plugin_routing"]
        names = {module.stem for module in collection.glob("plugins/modules/*.py")} | routing["modules"].keys()
        wanted = sorted(f"{name}_module.html" for name in names)
        if built != wanted:
            print(f"Pages and modules differ: {sorted(set(built) ^ set(wanted))}.", file=sys.stderr)
            return 1
        if arguments:
            shutil.copytree(html, arguments[0], dirs_exist_ok=True)
        print(f"{len(list(html.glob('*.html')))} pages, of them {len(built)} of modules.")
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
