# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight
type: notification
short_description: Ends a run that could do nothing of what was asked
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Ends a run with a sentence and an exit code before its first task when a source of the inventory does not exist, when the
    inventory has no host for any play of the playbook, when a YAML file of the inventory cannot be parsed, or when a tag of
    C(--tags) or C(--skip-tags) belongs to no task of the playbook.
  - Ansible itself skips such a play, or runs none of its tasks, and ends with code 0. It names no file for a mistake in YAML.
  - Tags are not looked at when several playbooks run together, when a tag is a template, or when a playbook or role that does not
    belong to this collection includes tasks or roles while it runs, because their tags are not known before.
requirements:
  - Enable it with C(callbacks_enabled = slipway.kube.preflight) in the section C([defaults]) of the configuration.
"""

from typing import TYPE_CHECKING, NoReturn

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible_collections.slipway.kube.plugins.plugin_utils import _beginnings
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import Failure, lay_out

if TYPE_CHECKING:
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play

# Ansible's own codes for a general mistake, for one in a file, and for one in the options.
_NO_HOSTS = 1
_NO_FILE = 4
_NO_OPTION = 5
_WIDTH = 120
_LINES = 40


class CallbackModule(CallbackBase):
    """Looks at what a run was started with before its first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "slipway.kube.preflight"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Look for hosts and tags. Ad-hoc commands have neither a playbook's hosts nor tags."""
        if "module_name" in context.CLIARGS:
            return
        plays = playbook.get_plays()
        seen = [play.get_variable_manager().get_vars(play=play) for play in plays]
        sources = [str(source) for variables in seen[:1] for source in variables.get("ansible_inventory_sources") or ()]
        usual, origin = C.config.get_config_value_and_origin("DEFAULT_HOST_LIST")
        # Without any inventory there is still localhost.
        unnamed = usual if origin == "default" else ()
        if failure := _beginnings.no_inventory([source for source in sources if source not in unnamed]):
            self._end("Read the inventory", failure, _NO_HOSTS)
        if plays and not any(variables.get("ansible_play_hosts_all") for variables in seen):
            hosts = [play.hosts if isinstance(play.hosts, (list, tuple)) else [play.hosts] for play in plays]
            patterns = [str(pattern) for several in hosts for pattern in several]
            self._end("Find the hosts", _beginnings.no_hosts(sources, patterns), _NO_HOSTS)
        asked, skipped = (tuple(context.CLIARGS.get(option, ())) for option in ("tags", "skip_tags"))
        if {*asked, *skipped} - set(_beginnings.SPECIAL_TAGS) and len(context.CLIARGS.get("args", ())) == 1:
            blocks = [block for play in plays for block in play.compile()]
            known = _beginnings.tags_of(blocks)
            # A tag to skip that means nothing here skips nothing: programs such as Molecule always name theirs.
            failure = _beginnings.no_tags([*asked, *_beginnings.misspelt(skipped, known)], known)
            if failure and _beginnings.are_tags_known(blocks):
                self._end("Select tasks by tags", failure, _NO_OPTION)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Read the variables of the first host, for which Ansible would name no file."""
        variables = play.get_variable_manager().get_vars(play=play)
        hosts = variables.get("ansible_play_hosts_all")
        if hosts and "hostvars" in variables:
            try:
                variables["hostvars"].get(hosts[0])
            except AnsibleError as error:
                sources = [str(source) for source in variables.get("ansible_inventory_sources") or ()]
                self._end("Read the inventory", _beginnings.no_variables(sources, error.message), _NO_FILE)

    def _end(self, title: str, failure: Failure, code: int) -> NoReturn:
        self._display.display("")
        for line in lay_out(title, failure, [("in service", "as before; nothing was changed")], _WIDTH, _LINES):
            self._display.display(line, color=C.COLOR_ERROR, stderr=True)
        raise SystemExit(code)
