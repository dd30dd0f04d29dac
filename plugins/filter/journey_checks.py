# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that joins checks and a journey."""

from __future__ import annotations

DOCUMENTATION = r"""
name: journey_checks
short_description: Join checks and the steps of a user's journey
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Returns the checks followed by the steps. By default, each step depends on the previous one, and the first step on all
    checks.
  - Checks of type C(http), C(tls) and C(tcp) that go directly to a host of O(resolve) use the address given there.
options:
  _input:
    description: Checks as in M(slipway.kube.health_check).
    type: list
    elements: dict
    required: true
  journey:
    description: The steps, in their order.
    type: list
    elements: dict
    default: []
  resolve:
    description: Hosts and the addresses for their requests, as V(address:port).
    type: dict
    default: {}
  variables:
    description: Values of the placeholders in the URLs, by name, to find their hosts. The checks keep their placeholders.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Ask an application behind an Ingress
  slipway.kube.health_check:
    checks: "{{ checks | slipway.kube.journey_checks(journey, resolve={'todo.local': '127.0.0.1:8080'}) }}"
"""

RETURN = r"""
_value:
  description: All checks.
  type: list
  elements: dict
  sample:
    - {name: page, url: "http://todo.local/", resolve: {todo.local: "127.0.0.1:8080"}}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import substitute
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import in_order


def _resolved(
    check: Mapping[str, Any], resolve: Mapping[str, str], variables: Mapping[str, str | None]
) -> dict[str, Any]:
    if check.get("via", "direct") != "direct" or "resolve" in check or check.get("type", "http") == "command":
        return dict(check)
    host = urlsplit(str(substitute(check.get("url", ""), variables))).hostname or ""
    return {**check, "resolve": {host: resolve[host]}} if host in resolve else dict(check)


def journey_checks(
    checks: Sequence[Mapping[str, Any]],
    journey: Sequence[Mapping[str, Any]] = (),
    resolve: Mapping[str, str] | None = None,
    variables: Mapping[str, str | None] | None = None,
) -> list[dict[str, Any]]:
    """Return checks and steps as one list."""
    return [_resolved(check, resolve or {}, variables or {}) for check in in_order(checks, journey)]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"journey_checks": journey_checks}
