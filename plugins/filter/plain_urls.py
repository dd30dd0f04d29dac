# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that finds the addresses that a plain GET answers well."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plain_urls
short_description: Find the URLs of checks that answer a plain GET with 2xx
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Returns the URLs of the HTTP checks that connect directly, send a GET without extra headers, and expect a status from 200 to
    299.
  - Skips URLs with a placeholder that has no value here.
options:
  _input:
    description: Checks as in M(slipway.kube.health_check).
    type: list
    elements: dict
    required: true
  variables:
    description: Values of the placeholders, by name; null means unknown.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Delete the pods one by one while requests run
  slipway.kube.restart_test:
    releases: "{{ application_plan.releases }}"
    urls: "{{ application_plan.checks | slipway.kube.plain_urls({'application.url': 'http://todo.localhost:8080'}) }}"
"""

RETURN = r"""
_value:
  description: The URLs, in the order of the checks.
  type: list
  elements: str
  sample: ["http://todo.localhost:8080/"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import placeholders, substitute

_NOT_PLAIN = ("method", "type", "via", "headers", "invert")


def plain_urls(checks: Sequence[Mapping[str, Any]], variables: Mapping[str, str | None]) -> list[str]:
    """Return the addresses that a plain GET answers with 2xx."""
    plain = [check for check in checks if not any(key in check for key in _NOT_PLAIN)]
    # A check that demands another status is answered as it should, but not with a success.
    good = [check for check in plain if str(((check.get("expect") or {}).get("status") or ["2xx"])[0]).startswith("2")]
    urls = [str(substitute(check.get("url", ""), variables)) for check in good]
    return [url for url in urls if url and not placeholders(url)]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"plain_urls": plain_urls}
