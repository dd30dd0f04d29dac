# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run writes after it has lost its lease is refused, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, fencing, leases
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, ApiError, KubernetesError
from fake_kubernetes import Answer, Call, FakeKubernetes, Served, refusal, serve

ANN, BOB, EVE = (f"{name}@a/0123456789abcdef-1-1" for name in ("ann", "bob", "eve"))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/todo/leases/slipway-deploy"
CONFIG_MAP: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}


class Cluster:
    """A served cluster in which ann has a lease."""

    def __init__(self, server: Served, place: Path) -> None:
        self.api, self.place = server.fake, place
        self.api.add("namespaces", "todo")
        self.api.add("leases", leases.NAME)
        self.given = server.kubeconfig(place, {"token": "t"})

    def client(self, kubeconfig: str | None = None) -> client.KubernetesClient:
        return client.KubernetesClient(kubeconfig or self.given, "c")

    def kubeconfig_of(self, holder: str) -> str | None:
        path = self.place / f"{holder[:3]}.kubeconfig"
        with self.client() as own:
            done = fencing.kubeconfig_of(holder, path, self.given, "c", own)
        assert path.exists() is done
        return str(path) if done else None

    def revoke(self, *runs: str, seconds: float = 0.0) -> bool:
        waited: list[float] = []
        with self.client() as own:
            return fencing.revoke(
                runs, own, self.given, "c", LEASE, sleep=waited.append, timer=lambda: sum(waited) + seconds
            )

    def writes(self, kubeconfig: str | None) -> None:
        path = "/api/v1/namespaces/todo/configmaps"
        with self.client(kubeconfig) as own:
            own.request("POST", path, body=CONFIG_MAP)
            own.request("PATCH", f"{path}/x", body={"data": {"a": "b"}}, content_type=MERGE_PATCH)
            own.request("DELETE", f"{path}/x")

    @property
    def runs(self) -> list[str]:
        found = self.api.get("validatingadmissionpolicies", fencing.POLICY)
        return list(json.loads(found["metadata"]["annotations"]["slipway.kube/runs"]))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with serve(FakeKubernetes()) as server:
        yield Cluster(server, tmp_path)


def test_requests_of_a_run_carry_its_name_and_are_otherwise_those_of_its_user(cluster: Cluster) -> None:
    path = cluster.kubeconfig_of(ANN)
    assert path and Path(path).stat().st_mode & 0o777 == 0o600
    cluster.writes(path)
    *_before, call = cluster.api.calls
    assert call.headers["impersonate-user"] == "admin" and call.headers["authorization"] == "Bearer t"
    assert call.headers["impersonate-group"] == "system:authenticated, system:masters"
    assert call.headers["impersonate-extra-slipway-run"] == ANN


def test_nothing_is_refused_before_a_lease_was_taken_over(cluster: Cluster) -> None:
    cluster.writes(cluster.kubeconfig_of(ANN))
    assert not cluster.api.names("validatingadmissionpolicies")


def test_run_that_has_lost_its_lease_reads_but_does_not_write(cluster: Cluster) -> None:
    ann, bob = cluster.kubeconfig_of(ANN), cluster.kubeconfig_of(BOB)
    assert cluster.revoke(ANN)
    with pytest.raises(ApiError, match="This run has lost its deploy lease to another run") as caught:
        cluster.writes(ann)
    assert caught.value.status == 403 and cluster.api.names("configmaps") == []
    for other in (bob, None):
        cluster.writes(other)
    with cluster.client(ann) as own:
        assert own.items("/api/v1/namespaces/todo/configmaps") == []
    # The probe has changed nothing.
    assert "resourceVersion" in cluster.api.get("leases", leases.NAME)["metadata"]


def test_who_takes_over_waits_until_the_policy_has_an_effect(cluster: Cluster) -> None:
    looks: list[Call] = []

    def late(call: Call) -> Answer | None:
        looks.append(call)
        return Answer(200, {}) if len(looks) < 4 else None

    cluster.api.react(f"PATCH {LEASE}", late)
    assert cluster.revoke(ANN) and len(looks) == 4
    assert all(
        call.query == {"dryRun": "All"} and call.headers["impersonate-extra-slipway-run"] == ANN for call in looks
    )


def test_policy_without_an_effect_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fencing, "_PATIENCE", 0.5)  # of the fake clock: five looks
    cluster.api.react(f"PATCH {LEASE}", lambda _call: Answer(200, {}))
    with pytest.raises(KubernetesError, match="kubectl get validatingadmissionpolicy slipway-lost-runs"):
        cluster.revoke(ANN)


def test_refusal_of_another_kind_is_not_taken_for_the_policys(cluster: Cluster) -> None:
    cluster.api.go_wrong(refusal(403, "may not patch leases"), f"PATCH {LEASE}")
    with pytest.raises(ApiError, match="may not patch leases"):
        cluster.revoke(ANN)


def test_runs_are_added_to_the_policy_of_all_and_the_oldest_are_forgotten(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.revoke(ANN) and cluster.revoke(BOB, ANN)
    assert cluster.runs == [BOB, ANN]
    monkeypatch.setattr(fencing, "MOST_RUNS", 2)
    assert cluster.revoke(EVE) and cluster.runs == [ANN, EVE]
    assert cluster.api.names("validatingadmissionpolicybindings") == [fencing.POLICY]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_two_that_take_over_at_once_refuse_both(cluster: Cluster, method: str) -> None:
    if method == "PATCH":
        cluster.revoke(EVE)

    def beside(_call: Call) -> None:
        fencing._add([BOB], cluster.api)

    cluster.api.react(f"{method} .*policies", beside, times=1)
    assert cluster.revoke(ANN)
    assert set(cluster.runs) - {EVE} == {ANN, BOB}


# -- where it cannot be done -------------------------------------------------------------------------------------------


def forbids_impersonation(cluster: Cluster) -> None:
    cluster.api.may_impersonate = False


def is_old(cluster: Cluster) -> None:
    cluster.api.react(".*selfsubjectreviews", lambda _call: refusal(404))


def decides_by_more(cluster: Cluster) -> None:
    cluster.api.user = {**cluster.api.user, "extra": {"iam.gke.io/user-assertion": ["x"]}}


def impersonates_already(cluster: Cluster) -> None:
    config = json.loads(Path(cluster.given).read_text())
    config["users"][0]["user"]["as"] = "somebody"
    config["users"][0]["user"]["as-groups"] = ["all"]
    Path(cluster.given).write_text(json.dumps(config))


@pytest.mark.parametrize("how", [forbids_impersonation, is_old, decides_by_more, impersonates_already])
def test_run_whose_requests_cannot_carry_its_name_goes_on_without(cluster: Cluster, how: Any) -> None:
    how(cluster)
    assert cluster.kubeconfig_of(ANN) is None and cluster.revoke(ANN) is False
    assert not cluster.api.names("validatingadmissionpolicies")


@pytest.mark.parametrize("status", [403, 404])
def test_person_who_may_not_write_policies_goes_on_without(cluster: Cluster, status: int) -> None:
    cluster.api.react(".*validatingadmissionpolicies", lambda _call: refusal(status))
    assert cluster.revoke(ANN) is False


def test_number_of_a_credential_is_no_reason_against_it(cluster: Cluster) -> None:
    cluster.api.user = {**cluster.api.user, "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=1"]}}
    assert cluster.kubeconfig_of(ANN)
