# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of renamed names: what it says, and that plugins and meta/runtime.yml follow it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._common import renames
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import RENAMES, Rename

ROOT = Path(__file__).resolve().parents[5]
RUNTIME = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))


def test_a_message_names_both() -> None:
    assert renames.find("variable", "verify_entry").message == (
        "The variable verify_entry is deprecated and will be removed in version 1.0.0. Use verify_exposure."
    )
    assert renames.find("key", "otherwise").message.startswith("The key otherwise of application_secrets is deprecated")


def test_a_name_that_is_not_old_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="variable verify_exposure"):
        renames.find("variable", "verify_exposure")
    with pytest.raises(KeyError, match="settled"):  # it does not work any more
        renames.find("return value", "settled")


def test_no_name_is_old_and_new() -> None:
    assert {(one.kind, one.owner, one.old) for one in RENAMES}.isdisjoint(
        (one.kind, one.owner, one.new) for one in RENAMES
    )


def test_old_modules_are_redirected() -> None:
    routing = RUNTIME["plugin_routing"]
    old = {one.old: one.new for one in RENAMES if one.kind == "module"}
    assert set(old) == set(routing["modules"]) == set(routing["action"])
    for name, new in old.items():
        module = routing["modules"][name]
        assert module["redirect"] == routing["action"][name]["redirect"] == f"{renames.COLLECTION}.{new}"
        assert module["deprecation"]["removal_version"] == renames.REMOVED_IN
        assert (ROOT / f"plugins/modules/{new}.py").exists() and not (ROOT / f"plugins/modules/{name}.py").exists()


@pytest.mark.parametrize("rename", [one for one in RENAMES if one.kind == "option"], ids=lambda one: one.old)
def test_an_old_option_is_an_alias_that_warns(rename: Rename) -> None:
    alias = renames.deprecated_aliases(rename.owner, rename.new)
    assert alias["aliases"] == [rename.old]
    text = (ROOT / f"plugins/modules/{rename.owner}.py").read_text(encoding="utf-8")
    assert f'deprecated_aliases("{rename.owner}", "{rename.new}")' in text and f"aliases: [{rename.old}]" in text


def test_old_variables_that_still_work_are_found_in_the_order_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    old = [
        Rename("variable", "verify", "verify_a", "verify_b"),
        Rename("variable", "verify", "verify_gone", "verify_c", works=False),
        Rename("option", "application_plan", "entry", "exposure"),
        Rename("variable", "toolchain", "toolchain_a", "toolchain_b"),
        Rename("variable", "toolchain", "toolchain_unused", "toolchain_c"),
    ]
    monkeypatch.setattr(renames, "RENAMES", tuple(old))
    given = ["toolchain_a", "entry", "verify_gone", "verify_b", "verify_a", "own"]
    assert renames.renamed_variables(given) == [old[0], old[3]]
