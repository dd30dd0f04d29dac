# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public names that changed. Private to the collection.

This is the only list: roles, modules and the specification warn by it, docs/interface.md shows it, and a test compares
meta/runtime.yml with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

REMOVED_IN = "1.0.0"
COLLECTION = "slipway.kube"


@dataclass(frozen=True)
class Rename:
    """A public name that changed.

    C(kind) is one of C(chart value), C(environment variable), C(variable), C(key) (of the specification), C(placeholder), C(module),
    C(option), C(return value) and C(entry point). C(owner) is the role or module to which the name belongs, or the variable that has
    the key. C(works) is whether the old name still works, C(warns) whether it then warns: an environment variable of the application
    cannot.
    """

    kind: str
    owner: str
    old: str
    new: str
    works: bool = True
    warns: bool = True

    @property
    def message(self) -> str:
        """The warning, in two sentences."""
        where = f" of {self.owner}" if self.kind in ("key", "option", "entry point") else ""
        return f"The {self.kind} {self.old}{where} is deprecated and will be removed in version {REMOVED_IN}. Use {self.new}."


RENAMES: tuple[Rename, ...] = (
    Rename("variable", "application", "application_entry", "application_exposure"),
    Rename("variable", "image_build", "image_build_side_by_side", "image_build_max_parallel"),
    Rename("variable", "toolchain", "toolchain_least_disk_gb", "toolchain_min_disk_gb"),
    Rename("variable", "toolchain", "toolchain_least_memory_mb", "toolchain_min_memory_mb"),
    Rename("variable", "verify", "verify_entry", "verify_exposure"),
    Rename("key", "application_secrets", "otherwise", "fallback"),
    Rename("placeholder", "application_checks", "components.NAME.digest", "components.NAME.source_digest"),
    Rename("chart value", "component", "migration.digest", "migration.sourceDigest"),
    Rename("environment variable", "component", "APP_DIGEST", "APP_IMAGE_TAG", warns=False),
    Rename("entry point", "helm_release", "done.yml", "release_lease.yml"),
    Rename("entry point", "helm_release", "return.yml", "roll_back.yml"),
    Rename("entry point", "helm_release", "rollback.yml", "undo.yml"),
    Rename("entry point", "image_build", "begin.yml", "start.yml"),
    Rename("entry point", "minikube_setup", "settle.yml", "wait.yml"),
    Rename("module", "", "reachable_info", "url_probe_info"),
    Rename("option", "application_plan", "entry", "exposure"),
    Rename("option", "helm_rollback", "least_age", "min_age"),
    Rename("option", "minikube_image", "side_by_side", "max_parallel"),
    Rename("return value", "application_plan", "plan.entry", "plan.exposure", works=False),
    Rename("return value", "environment_info", "lacking", "missing", works=False),
    Rename("return value", "environment_info", "settled", "cached", works=False),
)


def find(kind: str, old: str, owner: str = "") -> Rename:
    """Return what became of an old name that still works. Raises KeyError when there is none."""
    for rename in RENAMES:
        if rename.works and (rename.kind, rename.old) == (kind, old) and (not owner or rename.owner == owner):
            return rename
    raise KeyError(f"{kind} {old}")


def renamed_variables(names: Iterable[str]) -> list[Rename]:
    """Return the renames of those of the given variables that have an old name, in the order of RENAMES."""
    given = set(names)
    return [rename for rename in RENAMES if rename.kind == "variable" and rename.works and rename.old in given]


def deprecated_aliases(module: str, option: str) -> dict[str, object]:
    """Return the part of an argument specification by which the old names of an option work and warn."""
    old = [one.old for one in RENAMES if (one.kind, one.owner, one.new) == ("option", module, option)]
    aliases = [{"name": name, "version": REMOVED_IN, "collection_name": COLLECTION} for name in old]
    return {"aliases": old, "deprecated_aliases": aliases}
