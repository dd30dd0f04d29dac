# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the API server refuse what a run writes after it has lost its lease. Private to the collection.

A process that was paused does not know that its lease was taken over, and writes as soon as it goes on. So each request of a run carries
the run's name, as an extra field of the user who makes it: the user impersonates himself, which changes nothing but that field. Who takes
a lease over adds the run that lost it to a ValidatingAdmissionPolicy, waits until the API server refuses a write of that run, and only
then begins to write. A run without such a takeover needs no policy, and nobody else's requests are looked at.

Impersonation needs the right to impersonate oneself, and the policy the right to write policies: an administrator has both. For others,
C(kubeconfig_of) and C(revoke) say that it cannot be done.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube import client, kubeconfig
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    MERGE_PATCH,
    Api,
    ApiError,
    KubernetesError,
    find,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import MANAGED_BY, MANAGER

EXTRA = "slipway-run"
POLICY = "slipway-lost-runs"
MOST_RUNS = 100  # in the policy
_RUNS = "slipway.kube/runs"
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_POLICIES = f"{_ADMISSION}/validatingadmissionpolicies"
_BINDINGS = f"{_ADMISSION}/validatingadmissionpolicybindings"
_REFUSAL = "This run has lost its deploy lease"
# An API server puts a policy into effect within about a second. Where there are several, one has been asked.
_SETTLE = 2.0
_PATIENCE = 30.0
# Of this field nothing depends. Others may be what a cloud's authorizer decides by, and would be lost.
_HARMLESS = frozenset({"authentication.kubernetes.io/credential-id"})

Object = dict[str, Any]


def kubeconfig_of(holder: str, path: Path, given: str | None, context: str | None, api: Api) -> bool:
    """Write a kubeconfig whose requests carry the name of a run; returns whether that could be done.

    It holds what C(given) holds of the context, and so may hold keys: only this user may read it. Raises OSError.
    """
    user = _user(api)
    content = kubeconfig.impersonating(given, context, {**user, "extra": {EXTRA: [holder]}}) if user else None
    if not content:
        return False
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
    if _is_carried(path, context, holder, user):
        return True
    path.unlink(missing_ok=True)
    return False


def _user(api: Api) -> Object:
    """Return name and groups of who makes the requests, empty where nothing tells or more than these counts."""
    try:
        user = _review(api)
    except ApiError:
        return {}  # before Kubernetes 1.28
    if not user.get("username") or set(user.get("extra") or {}) - _HARMLESS - {EXTRA}:
        return {}
    return {"username": user["username"], "groups": sorted(user.get("groups") or [])}


def _review(api: Api) -> Object:
    """Return who the API server takes the requests to be of. Raises ApiError where it does not tell."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return dict(fields(api.request("POST", _REVIEWS, body=review), "status", "userInfo"))


def _is_carried(path: Path, context: str | None, holder: str, user: Object) -> bool:
    try:
        with client.KubernetesClient(str(path), context) as api:
            seen = _review(api)
    except ApiError:
        return False  # this user may not impersonate
    same = seen.get("username") == user["username"] and sorted(seen.get("groups") or []) == user["groups"]
    return bool(same and dig(seen, "extra", EXTRA) == [holder])


def policy(runs: Sequence[str]) -> Object:
    """Return the policy that refuses what these runs write."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {
            "name": POLICY,
            "labels": {MANAGED_BY: MANAGER},
            "annotations": {_RUNS: json.dumps(list(runs))},
        },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
            },
            "matchConditions": [
                {
                    "name": "carries-a-run",
                    "expression": f"has(request.userInfo.extra) && '{EXTRA}' in request.userInfo.extra",
                }
            ],
            "validations": [
                {
                    # A text of JSON is one of CEL as well.
                    "expression": f"!(request.userInfo.extra['{EXTRA}'][0] in {json.dumps(list(runs))})",
                    "message": f"{_REFUSAL} to another run. Run it again.",
                    "reason": "Forbidden",
                }
            ],
        },
    }


def binding() -> Object:
    """Return what puts the policy into effect, in all namespaces: a release may have objects in any, or in none."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY, "labels": {MANAGED_BY: MANAGER}},
        "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    }


def revoke(
    runs: Sequence[str],
    api: Api,
    given: str | None,
    context: str | None,
    probe: str,
    sleep: Callable[[float], None] = time.sleep,
    timer: Callable[[], float] = time.monotonic,
) -> bool:
    """See that no write of these runs is carried out any more; returns whether that could be done.

    C(probe) is the path of an object that may be patched without a change. Raises KubernetesError when the policy is there but has
    no effect, and OSError.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-fence-") as directory:
        path = Path(directory) / "kubeconfig"
        if not kubeconfig_of(runs[-1], path, given, context, api):
            return False
        try:
            _add(runs, api)
        except ApiError as error:
            if error.status in (403, 404):  # no right to write policies, or Kubernetes before 1.30
                return False
            raise
        end = timer() + _PATIENCE
        with client.KubernetesClient(str(path), context) as stale:
            while not _is_refused(stale, probe):
                if timer() >= end:
                    raise KubernetesError(
                        f"The API server does not refuse what the run that has lost the lease writes, though the policy {POLICY} says so. "
                        f"Look at it with 'kubectl get validatingadmissionpolicy {POLICY} --output yaml', and run this again."
                    )
                sleep(0.1)
    sleep(_SETTLE)
    return True


def _add(runs: Sequence[str], api: Api) -> None:
    while True:
        found = find(api, f"{_POLICIES}/{POLICY}")
        try:
            known = json.loads(str(dig(found, "metadata", "annotations", _RUNS) or "[]"))
            wanted = policy([*(run for run in known if run not in runs), *runs][-MOST_RUNS:])
            if found is None:
                api.request("POST", _POLICIES, body=wanted)
            else:
                wanted["metadata"]["resourceVersion"] = dig(found, "metadata", "resourceVersion")
                api.request("PATCH", f"{_POLICIES}/{POLICY}", body=wanted, content_type=MERGE_PATCH)
            break
        except ApiError as error:
            if error.status != 409:  # somebody else has taken a lease over at the same time
                raise
    if find(api, f"{_BINDINGS}/{POLICY}") is None:
        try:
            api.request("POST", _BINDINGS, body=binding())
        except ApiError as error:
            if error.status != 409:
                raise


def _is_refused(stale: Api, probe: str) -> bool:
    try:
        stale.request("PATCH", probe, {"dryRun": "All"}, body={}, content_type=MERGE_PATCH)
    except ApiError as error:
        if _REFUSAL in str(error):
            return True
        raise
    return False
