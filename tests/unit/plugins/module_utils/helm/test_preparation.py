# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at and done before Helm writes, and how a release is repaired, with an API server that keeps managers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._helm import live
from ansible_collections.slipway.kube.plugins.module_utils._helm.preparation import Permissions, Preparer, RefusedError
from fake_kubernetes import Answer, FakeKubernetes, refusal
from field_managers import GONE, created, edited

Object = dict[str, Any]
REPLICAS = ("f:spec", "f:replicas")
LEVEL = ("f:data", "f:LEVEL")


def config(level: str = "info") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"LEVEL": level}}


def service() -> Object:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}


def deployment(replicas: int | None = 1) -> Object:
    spec: Object = {"selector": {"matchLabels": {"app": "web"}}}
    spec |= {} if replicas is None else {"replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def autoscaler() -> Object:
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": target,
    }


def manifest(*items: Object) -> str:
    return yaml.safe_dump_all(items)


PLURALS = {
    "ConfigMap": "configmaps",
    "Service": "services",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "StatefulSet": "statefulsets",
}


def cluster(*items: Object) -> FakeKubernetes:
    """A cluster to which Helm has applied these objects."""
    api = FakeKubernetes("shop")
    for item in items:
        put(api, created(live.as_helm_writes(item, "web", "shop")))
    return api


def put(api: FakeKubernetes, item: Object) -> None:
    item["metadata"].setdefault("uid", "uid-1")
    item["metadata"]["resourceVersion"] = "1"
    place = api.collections.setdefault(api.path(PLURALS[item["kind"]]), [])
    place[:] = [one for one in place if one["metadata"]["name"] != item["metadata"]["name"]] + [item]


def change(
    api: FakeKubernetes, item: Object, path: tuple[str, ...], value: Any, manager: str = "kubectl-patch", **more: Any
) -> None:
    put(api, edited(api.get(PLURALS[item["kind"]], item["metadata"]["name"]), path, value, manager, **more))


def found(api: FakeKubernetes, *items: Object) -> list[str]:
    pairs = live.look(api, manifest(*items), "web", "shop")
    return [
        f"{differs.kind}/{differs.name}{' missing' if differs.missing else ''}"
        for _pair, differs in live.drifts(api, pairs)
    ]


def repair(api: FakeKubernetes, *items: Object) -> None:
    for pair, _differs in live.drifts(api, live.look(api, manifest(*items), "web", "shop")):
        live.repair(api, pair)


def prepare(
    api: FakeKubernetes, before: str, after: str, by_server: bool = True, back: bool = False, **allowed: Any
) -> list[str]:
    preparer = Preparer(api, "web", "shop", Permissions(**allowed), by_server, sleep=lambda _seconds: None)
    preparation = preparer.find_out(before, after, back)
    assert not api.writes
    preparer.apply(preparation)
    return preparation.notes()


def managers(api: FakeKubernetes, item: Object) -> set[str]:
    stored = api.get(PLURALS[item["kind"]], item["metadata"]["name"])
    return {entry["manager"] for entry in stored["metadata"]["managedFields"]}


# ---------------------------------------------------------------- repairing
def test_what_is_as_declared_costs_a_request_for_each_kind_and_no_write() -> None:
    api = cluster(config(), service(), deployment())
    assert found(api, config(), service(), deployment()) == [] and len(api.calls) == 3 and not api.writes


def test_missing_and_changed_objects_are_repaired() -> None:
    items = [config(), service(), deployment()]
    api = cluster(*items)
    change(api, items[0], LEVEL, "error")
    change(api, items[0], ("f:data", "f:MORE"), "x", "kubectl-edit")
    change(api, items[2], REPLICAS, 4, "kubectl", subresource="scale")
    api.collections[api.path("services")] = []
    assert found(api, *items) == ["ConfigMap/web", "Service/web missing", "Deployment/web"] or set(
        found(api, *items)
    ) == {
        "ConfigMap/web",
        "Service/web missing",
        "Deployment/web",
    }
    assert not api.writes
    repair(api, *items)
    assert found(api, *items) == []
    assert api.get("configmaps", "web")["data"] == {"LEVEL": "info"}
    assert api.get("deployments", "web")["spec"]["replicas"] == 1
    assert api.get("services", "web")["metadata"]["annotations"]["meta.helm.sh/release-name"] == "web"
    assert managers(api, items[0]) == managers(api, items[2]) == {"helm"}


def test_a_look_in_between_is_repeated() -> None:
    api = cluster(config())
    change(api, config(), LEVEL, "error")
    api.go_wrong(refusal(409, "modified"), "PATCH .*configmaps/web")
    repair(api, config())
    assert api.get("configmaps", "web")["data"] == {"LEVEL": "info"}


def test_another_form_of_the_same_is_no_drift() -> None:
    api = cluster(config())
    stored = api.get("configmaps", "web")
    stored["data"]["LEVEL"] = "INFO"  # a webhook writes so, whatever it is given
    api.react("PATCH .*dryRun|PATCH .*configmaps/web", lambda _call: Answer(200, copy.deepcopy(stored)), 1)
    assert found(api, config()) == []


def test_what_cannot_be_repaired_is_told_with_a_command() -> None:
    api = cluster(service())
    change(api, service(), ("f:spec", "f:type"), "NodePort")
    api.go_wrong(refusal(422, "spec.clusterIPs[0]: may not change once set", "Invalid"), "PATCH .*services/web", 2)
    with pytest.raises(Exception, match="refused|may not change"):
        repair(api, service())


def test_objects_that_may_not_be_read_are_left_out() -> None:
    api = cluster(config(), service())
    api.go_wrong(refusal(403), "GET .*configmaps")
    assert found(api, config(), service()) == []


# ---------------------------------------------------------------- conflicts
@pytest.mark.parametrize("by_server", [True, False])
def test_fields_are_taken_back_from_people_and_told(by_server: bool) -> None:
    api = cluster(config())
    change(api, config(), LEVEL, "error")
    change(api, config(), ("f:data", "f:MORE"), "x")
    (note,) = prepare(api, manifest(config()), manifest(config("debug")), by_server)
    assert 'data.LEVEL is "error" instead of "debug" (by kubectl-patch' in note and "data.MORE was added" in note
    assert managers(api, config()) == {"helm"}
    # Helm 4 sets and removes them; for Helm 3, which leaves alone what it has not written, the deployed revision is restored.
    data = {"LEVEL": "error", "MORE": "x"} if by_server else {"LEVEL": "info"}
    assert api.get("configmaps", "web")["data"] == data
    assert {call.query.get("force") for call in api.writes} == ({None} if by_server else {None, "true"})


def test_what_people_have_added_stays_where_drift_is_only_reported() -> None:
    api = cluster(config())
    change(api, config(), LEVEL, "error")
    change(api, config(), ("f:data", "f:MORE"), "x")
    (note,) = prepare(api, manifest(config()), manifest(config("debug")), added=False)
    assert "LEVEL" in note and "MORE" not in note and managers(api, config()) == {"helm", "kubectl-patch"}


def test_conflicts_may_fail_before_anything_is_changed() -> None:
    api = cluster(config())
    change(api, config(), LEVEL, "error")
    with pytest.raises(RefusedError, match="field_conflict: ConfigMap/web: data.LEVEL is") as refused:
        prepare(api, manifest(config()), manifest(config()), conflicts="fail")
    assert refused.value.result["diagnosis"]["object"] == "ConfigMap/web" and not api.writes


def test_what_a_controller_sets_is_never_taken() -> None:
    api = cluster(config())
    change(api, config(), LEVEL, "error", "cert-operator")
    with pytest.raises(RefusedError, match="data.LEVEL of ConfigMap/web is set by cert-operator"):
        prepare(api, manifest(config()), manifest(config("debug")))
    # Helm 3 writes without asking.
    assert prepare(api, manifest(config()), manifest(config("debug")), by_server=False) == [] and not api.writes


def test_replicas_go_back_to_the_release_with_its_autoscaler() -> None:
    api = cluster(deployment(None), autoscaler())
    change(api, deployment(), REPLICAS, 3, "kube-controller-manager", subresource="scale")
    before = manifest(deployment(None), autoscaler())
    assert prepare(api, before, before) == [] and not api.writes
    prepare(api, before, manifest(deployment(1)))
    assert managers(api, deployment()) == {"helm"}


def test_replicas_that_another_autoscaler_sets_are_its_own() -> None:
    api = cluster(deployment(1), autoscaler())
    change(api, deployment(), REPLICAS, 3, "kube-controller-manager", subresource="scale")
    with pytest.raises(RefusedError, match="spec.replicas of Deployment/web is set by kube-controller-manager"):
        prepare(api, manifest(deployment(1)), manifest(deployment(2)))


# ---------------------------------------------------------------- adopting
def test_objects_of_nobody_are_adopted_one_by_one() -> None:
    api = FakeKubernetes("shop")
    put(api, created({**config("error"), "data": {"LEVEL": "error", "OLD": "x"}}, "kubectl-create", "Update"))
    with pytest.raises(
        RefusedError, match="ConfigMap/web in namespace shop exists already and belongs to no release"
    ) as refused:
        prepare(api, "", manifest(config()))
    assert "helm_release_adopt: [ConfigMap/web]" in str(refused.value)
    assert prepare(api, "", manifest(config()), adopt=["ConfigMap/web"]) == [
        "Adopts ConfigMap/web, which belonged to no release."
    ]
    stored = api.get("configmaps", "web")
    assert (
        stored["data"] == {"LEVEL": "info"} and stored["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    )


def test_objects_of_another_release_are_not_adopted() -> None:
    api = FakeKubernetes("shop")
    put(api, created(live.as_helm_writes(config(), "blog", "shop")))
    with pytest.raises(RefusedError, match="belongs to the release shop/blog"):
        prepare(api, "", manifest(config()), adopt=["ConfigMap/web"])
    assert not api.writes


# ---------------------------------------------------------------- what cannot change
def stateful_set(size: str) -> Object:
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {"replicas": 1, "volumeClaimTemplates": [template]},
    }


def with_volume(size: str, grows: bool) -> FakeKubernetes:
    api = cluster(stateful_set(size))
    spec = {"storageClassName": "standard", "resources": {"requests": {"storage": size}}}
    api.add("persistentvolumeclaims", "data-db-0", spec=spec)
    api.add("storageclasses", "standard", allowVolumeExpansion=grows)
    return api


def test_a_volume_grows_and_its_stateful_set_is_replaced_without_its_pods() -> None:
    api = with_volume("1Gi", grows=True)
    (note,) = prepare(api, manifest(stateful_set("1Gi")), manifest(stateful_set("2Gi")))
    assert "data-db-0 in namespace shop grows from 1Gi to 2Gi" in note
    assert api.get("persistentvolumeclaims", "data-db-0")["spec"]["resources"]["requests"]["storage"] == "2Gi"
    (deleted,) = [call for call in api.writes if call.method == "DELETE"]
    assert (
        deleted.last == "db"
        and deleted.body["propagationPolicy"] == "Orphan"
        and deleted.body["preconditions"] == {"uid": "uid-1"}
    )


def test_a_volume_that_cannot_grow_is_refused_before_anything_is_changed() -> None:
    api = with_volume("1Gi", grows=False)
    with pytest.raises(RefusedError, match="immutable_field: The size of the volume data of StatefulSet/db") as refused:
        prepare(api, manifest(stateful_set("1Gi")), manifest(stateful_set("2Gi")))
    assert "The storage class standard does not allow volumes to grow" in str(refused.value) and not api.writes


def test_a_rollback_keeps_the_larger_volume() -> None:
    api = with_volume("2Gi", grows=False)
    assert prepare(api, manifest(stateful_set("2Gi")), manifest(stateful_set("1Gi")), back=True) == []
    assert [call.method for call in api.writes] == ["DELETE"]
    assert api.get("persistentvolumeclaims", "data-db-0")["spec"]["resources"]["requests"]["storage"] == "2Gi"


def test_what_may_be_recreated_is_deleted_and_nothing_else() -> None:
    other = deployment()
    other["spec"]["selector"]["matchLabels"]["app"] = "other"
    api = cluster(deployment())
    api.go_wrong(refusal(422, "spec.selector: field is immutable", "Invalid"), "PATCH .*deployments/web")
    with pytest.raises(RefusedError, match="spec.selector.matchLabels.app of Deployment/web"):
        prepare(api, manifest(deployment()), manifest(other))
    notes = prepare(api, manifest(deployment()), manifest(other), recreate=["Deployment/web"])
    assert notes == ["Deletes Deployment/web and creates it again."] and api.names("deployments") == []


def test_an_object_that_does_not_go_is_told() -> None:
    other = deployment()
    other["spec"]["selector"]["matchLabels"]["app"] = "other"
    api = cluster(deployment())
    api.react("DELETE .*", lambda call: Answer(200, {}))
    with pytest.raises(Exception, match="Deployment/web is still there 60 s after it was deleted"):
        prepare(api, manifest(deployment()), manifest(other), recreate=["Deployment/web"])


def test_a_field_that_was_removed_is_in_nobodys_way() -> None:
    api = cluster(config())
    change(api, config(), LEVEL, GONE)
    assert prepare(api, manifest(config()), manifest(config())) == [] and not api.writes


def test_port_of_the_nodes_that_another_application_has_is_refused() -> None:
    wanted = service()
    wanted["spec"]["ports"][0]["nodePort"] = 30080
    other = {"metadata": {"name": "front", "namespace": "blog"}, "spec": {"ports": [{"port": 80, "nodePort": 30080}]}}
    api = cluster(service())
    own = api.get("services", "web")
    own["spec"]["ports"][0]["nodePort"] = 30080
    api.collections["/api/v1/services"] = [{**own, "metadata": {**own["metadata"], "namespace": "shop"}}]
    prepare(api, manifest(service()), manifest(wanted))
    api.collections["/api/v1/services"].append(other)
    with pytest.raises(
        RefusedError, match="node_port_taken: Port 30080 .* Service/web names, belongs to .* blog/front"
    ):
        prepare(api, manifest(service()), manifest(wanted))
    prepare(api, manifest(service()), manifest(service()))
    api.go_wrong(refusal(403, "no", "Forbidden"), "GET /api/v1/services")
    prepare(api, manifest(service()), manifest(wanted))
