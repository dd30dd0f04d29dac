# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret values that the controller knows, and what hides them. Private to the collection, and to the controller.

Ansible's main process learns them when a play starts. Its workers are forks of it, so that action plugins know them as well. Values that
only the cluster has are hidden by the modules that read what pods say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.template import Templar
from ansible.utils.display import Display
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker, hard_to_hide, scrub
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean
from ansible_collections.slipway.kube.plugins.plugin_utils import _secret_sources

if TYPE_CHECKING:
    from ansible.playbook.play import Play

_VARIABLES = ("application_secrets", "helm_release_secrets")
KNOWN = Masker()
_learned: set[str] = set()


def learn_from(play: Play) -> None:
    """Learn the values of the Secrets that the hosts of a play declare. What cannot be templated yet is told by the task that needs it."""
    if play._uuid in _learned:  # by the other callback
        return
    _learned.add(play._uuid)
    manager = play.get_variable_manager()
    for name in manager.get_vars(play=play).get("ansible_play_hosts_all", []):
        variables = manager.get_vars(play=play, host=manager._inventory.get_host(name), include_hostvars=False)
        for declared in _VARIABLES:
            if declared in variables:
                _learn(variables[declared], Templar(play.get_loader(), variables))


def _learn(declared: Any, templar: Templar) -> None:
    try:
        found = list(_secret_sources.values(templar.template(declared)))
    except AnsibleError:
        return
    KNOWN.learn(value for _place, value in found)
    for place, value in found:
        reason = hard_to_hide(value)
        if reason:
            Display().warning(f"The value of {place} {reason}. It is not hidden where it is printed.")


def outside(text: str) -> str:
    """Return what a task or somebody else has printed as it may be shown or written: all of it, to be cut afterwards."""
    return KNOWN.outside(text)


def outside_lines(lines: Iterable[str]) -> list[str]:
    """Return lines that belong together as they may be shown; none for none."""
    found = list(lines)
    return KNOWN.lines(found) if found else []


def written(result: Any) -> Any:
    """Return a task's result as it may be written to a report."""
    return scrub(result, KNOWN)


def shown(message: str) -> str:
    """Return a message of Ansible or another plugin without known values and control characters; it keeps its colours."""
    return KNOWN(clean(message, colours=True))
