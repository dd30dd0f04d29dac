# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that completes the values of releases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_values
short_description: Complete the values of releases
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Adds the chart's digest as C(global.slipway.chartDigest), so that an edited template counts as a change even if the chart's
    version is the same.
  - Adds the checksums of Secrets at the paths in C(secret_checksums) of each release, so that pods restart when a Secret
    changes.
  - Adds the name of the application as C(global.slipway.application), by which a deploy knows the releases of other applications.
options:
  _input:
    description: Releases with C(values), and optionally C(chart_digest) and C(secret_checksums).
    type: list
    elements: dict
    required: true
  checksums:
    description: Checksums by the names of the Secrets, as returned by M(slipway.kube.application_secret).
    type: dict
    default: {}
  application:
    description: Name of the application that the releases belong to; if empty, it is not added.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the values that Helm will be given
  ansible.builtin.debug:
    msg: "{{ application_plan.releases | slipway.kube.release_values({'todo-backend': '0123456789abcdef'}) }}"
"""

RETURN = r"""
_value:
  description: The releases with complete values.
  type: list
  elements: dict
  sample:
    - name: todo
      chart: charts/todo-app
      values: {backend: {secretChecksum: 0123456789abcdef}}
      secret_checksums: {todo-backend: backend.secretChecksum}
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.slipway.kube.plugins.module_utils._plan.releases import ValuesError, set_path


def _copied(value: Any) -> Any:
    # Ansible's containers carry its templating engine, which copy.deepcopy would copy as well.
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def release_values(
    releases: list[Mapping[str, Any]], checksums: Mapping[str, str] | None = None, application: str = ""
) -> list[dict[str, Any]]:
    """Return copies of the releases with complete values."""
    completed = []
    for release in releases:
        values: dict[str, Any] = _copied(release.get("values") or {})
        additions = {
            path: (checksums or {}).get(name) for name, path in (release.get("secret_checksums") or {}).items()
        }
        additions["global.slipway.chartDigest"] = release.get("chart_digest")
        additions["global.slipway.application"] = application
        for path, value in additions.items():
            if value:
                try:
                    set_path(values, path, value)
                except ValuesError as error:
                    raise AnsibleFilterError(f"Release {release.get('name')}: {error}. Correct its values.") from None
        completed.append({**release, "values": values})
    return completed


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"release_values": release_values}
