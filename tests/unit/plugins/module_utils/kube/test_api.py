# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a cluster, and which failures pass."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    ApiError,
    KubeconfigError,
    KubernetesError,
    UnreachableError,
    find,
)
from fake_kubernetes import FakeKubernetes, refusal


def test_an_object_is_found_or_there_is_none() -> None:
    cluster = FakeKubernetes("shop")
    made = cluster.add("services", "web")
    path = "/api/v1/namespaces/shop/services"
    assert find(cluster, f"{path}/web") == made
    assert find(cluster, f"{path}/api") is None


@pytest.mark.parametrize("status", [401, 403, 410, 500])
def test_another_refusal_does_not_mean_that_there_is_none(status: int) -> None:
    cluster = FakeKubernetes("shop")
    cluster.go_wrong(refusal(status))
    with pytest.raises(ApiError) as failure:
        find(cluster, "/api/v1/namespaces/shop")
    assert failure.value.status == status


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (KubernetesError("not a Kubernetes API"), False),
        (UnreachableError("nobody answers"), True),
        (KubeconfigError("no such context"), False),
        *((ApiError(status, "", "refused"), False) for status in (400, 401, 403, 404, 409, 410)),
        *((ApiError(status, "", "not now"), True) for status in (429, 500, 502, 503, 504)),
    ],
)
def test_what_may_answer_soon_passes(error: KubernetesError, passing: bool) -> None:
    assert error.passing is passing
