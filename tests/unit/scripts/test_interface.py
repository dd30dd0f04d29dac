# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the public interface lists every role, variable, module and option, and what was renamed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import RENAMES

ROOT = Path(__file__).resolve().parents[3]

_spec = importlib.util.spec_from_file_location("interface", ROOT / "scripts/interface.py")
assert _spec and _spec.loader
interface = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(interface)


def test_page_is_generated_from_the_code() -> None:
    assert interface.PAGE.read_text(encoding="utf-8") == interface.render(), "run scripts/interface.py"


def test_every_default_of_a_role_is_listed() -> None:
    page = interface.PAGE.read_text(encoding="utf-8")
    files = sorted(ROOT.glob("roles/*/defaults/main.yml"))
    assert len(files) >= 6
    names = [name for file in files for name in yaml.safe_load(file.read_text(encoding="utf-8"))]
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_every_plugin_is_listed() -> None:
    page = interface.PAGE.read_text(encoding="utf-8")
    files = [file for kind in ("modules", "filter", "callback") for file in (ROOT / "plugins" / kind).glob("[!_]*.py")]
    assert [file.stem for file in files if f"### {file.stem}\n" not in page] == []


def test_every_rename_is_listed() -> None:
    page = interface.PAGE.read_text(encoding="utf-8")
    assert [one.old for one in RENAMES if f"| `{one.old}` | `{one.new}` |" not in page] == []


def test_parts_have_dotted_names_and_fragments_add_theirs() -> None:
    values = {"a": {"type": "list", "elements": "dict", "suboptions": {"b": {"type": "int"}}}}
    assert [(name, interface.kind_of(value)) for name, value in interface.flat(values, "suboptions")] == [
        ("a", "list of dict"),
        ("a[].b", "int"),
    ]
    document = {
        "extends_documentation_fragment": ["slipway.kube.kubernetes"],
        "options": {"context": {"default": "x"}, "more": {}},
    }
    options = interface.options_of(document)
    assert list(options) == ["kubeconfig", "context", "more"]
    assert options["context"]["type"] == "str" and interface.default_of(options["context"]) == "`x`"
