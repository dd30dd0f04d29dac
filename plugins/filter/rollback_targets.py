# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that chooses the revisions to return to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_targets
short_description: Choose the revisions to roll back to
version_added: 0.2.0
author: Slipway contributors (@slipway)
description:
  - Without a O(revision), the releases that the last deploy changed are rolled back to what was in service before it, according
    to the log in the lease of M(slipway.kube.deploy_lease).
  - Without a log, for example if other tools deployed the application, uses each release's own history.
  - Refuses a revision that Helm does not keep, or that needs an image that is lost, and releases of another application.
positional: revision, missing, application
options:
  _input:
    description: The result of M(slipway.kube.helm_history_info), with the lease.
    type: dict
    required: true
  revision:
    description: A number for all releases, or a dictionary of numbers by the releases' names. If empty, what was in service
      before.
    type: raw
    default: ""
  missing:
    description: The images that are lost, as RV(slipway.kube.minikube_image#module:missing).
    type: list
    elements: dict
    default: []
  application:
    description: Name of the application. Releases whose values name another one are refused.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Choose the revisions
  ansible.builtin.set_fact:
    targets: "{{ history | slipway.kube.rollback_targets }}"
"""

RETURN = r"""
_value:
  description:
    - C(releases) to roll back, in reverse order, each with C(name), C(namespace) and C(revision).
    - C(in_service) is the current revision of each release by C(namespace/release), 0 if it has none.
    - C(problem) says why there is nothing to roll back to, and what to do. Otherwise it is empty.
  type: dict
  sample:
    releases: [{name: todo, namespace: todo, revision: 3}]
    in_service: {todo/todo: 4}
    problem: ""
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _number(given: Any) -> int:
    """Return a revision's number, 0 for what is none."""
    text = str(given).strip()
    return int(text) if text.isdecimal() else 0


def _chosen(release: Mapping[str, Any], last: Mapping[str, Any], revision: Any) -> int:
    if isinstance(revision, Mapping):
        return _number(revision.get(release["name"]))
    if revision:
        return _number(revision)
    if last:
        return int(last.get(f"{release['namespace']}/{release['name']}", 0))
    return int(release["previous_revision"])


def rollback_targets(
    history: Mapping[str, Any], revision: Any = "", missing: Sequence[Mapping[str, Any]] = (), application: str = ""
) -> dict[str, Any]:
    """Return what to take back to which revision."""
    known = history["releases"]
    log = history["lease"].get("log") or [{}]
    last = log[0].get("before") or {}
    targets = [{**release, "revision": _chosen(release, last, revision)} for release in known]
    releases = [
        {key: target[key] for key in ("name", "namespace", "revision")}
        for target in reversed(targets)
        if target["revision"] > 0
    ]
    return {
        "releases": releases,
        "in_service": {f"{one['namespace']}/{one['name']}": one["deployed_revision"] for one in known},
        "problem": _foreign(known, application)
        or (_unknown(targets) or _lost(releases, missing) if releases else _problem(known)),
    }


def _foreign(known: Sequence[Mapping[str, Any]], application: str) -> str:
    """Say which release is another application's; empty if none is."""
    for one in known:
        other = one.get("application")
        if application and other and other != application:
            return (
                f"Release {one['namespace']}/{one['name']} belongs to the application {other}, not to {application}. Nothing was changed. "
                f"Roll back with the inventory of {other}, or correct application_name or the names of the releases."
            )
    return ""


def _unknown(targets: Sequence[Mapping[str, Any]]) -> str:
    """Say which target Helm does not keep; empty if it keeps all."""
    for target in targets:
        kept = [each["revision"] for each in target["history"]]
        if target["revision"] > 0 and target["revision"] not in kept:
            return (
                f"Release {target['namespace']}/{target['name']} has no revision {target['revision']}; Helm keeps "
                f"{', '.join(map(str, kept)) or 'none'}. Nothing was changed. Name one by -e rollback_revision=, or deploy the version that "
                "you want."
            )
    return ""


def _lost(targets: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, Any]]) -> str:
    """Say which image of the targets is lost; empty if none is."""
    key = ("namespace", "name", "revision")
    wanted = {tuple(target[one] for one in key) for target in targets}
    for one in missing:
        if tuple(one[part] for part in key) in wanted:
            return (
                f"Revision {one['revision']} of release {one['namespace']}/{one['name']} needs image {one['image']}, which neither the node "
                "nor the container engine has any more. Nothing was changed. Deploy the version that you want from its sources, or name "
                "another revision by -e rollback_revision=."
            )
    return ""


def _problem(known: list[Mapping[str, Any]]) -> str:
    names = ", ".join(f"{one['namespace']}/{one['name']}" for one in known)
    revisions = "; ".join(" ".join(str(each["revision"]) for each in one["history"]) or "none" for one in known)
    return (
        f"There is no earlier version of {names} to return to: what is deployed is the first that was in service. Helm's history has "
        f"the revisions {revisions}. Name one by -e rollback_revision=, or deploy another version."
    )


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"rollback_targets": rollback_targets}
