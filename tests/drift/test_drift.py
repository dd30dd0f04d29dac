# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people change by hand between two deploys is named, and the next deploy makes it as declared, or says why it cannot."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.transaction.conftest import EACH_NIGHT, Object, Shop

LEFT_OUT = re.compile(r"^(\s+)(creationTimestamp|resourceVersion|uid|managedFields):.*\n(?:\1[ -].*\n)*", re.MULTILINE)


def get(shop: Shop, kind: str, name: str) -> Object:
    found: Object = json.loads(shop.kubectl("get", kind, name, "--output=json"))
    return found


def container(shop: Shop, release: str) -> Object:
    found: Object = get(shop, "deployment", f"{release}-component")["spec"]["template"]["spec"]["containers"][0]
    return found


def edit_by_hand(shop: Shop) -> None:
    """Change what people change: nothing of it keeps the application from serving."""
    web, api = "deployment/web-component", "deployment/api-component"
    shop.kubectl("delete", "ingress", "api-component")
    shop.kubectl(
        "patch", "configmap", "api-component-config", "--type=merge", "--patch", '{"data": {"NOTE": "by hand"}}'
    )
    shop.kubectl("scale", web, "--replicas=2")
    shop.kubectl("set", "env", api, "FOO=bar")
    shop.kubectl("set", "resources", api, "--requests=cpu=20m")
    shop.kubectl("annotate", "service", "web", "note=by-hand")
    shop.kubectl("label", "service", "api", "app.kubernetes.io/component=else", "--overwrite")
    # As with a manifest that somebody has got and changed: a client-side apply.
    service = yaml.safe_load(LEFT_OUT.sub("", shop.kubectl("get", "service", "web", "--output=yaml")))
    service["spec"]["ports"][0]["name"] = "by-hand"
    manifest = shop.place / "service.yaml"
    manifest.write_text(yaml.safe_dump(service), encoding="utf-8")
    shop.kubectl("apply", "--filename", str(manifest))


# A part of the sentence about each.
NAMED = (
    "Ingress/api-component is missing",
    'data.NOTE is "by hand"',
    "spec.replicas is 2 instead of 1",
    "env[FOO] was added",
    'resources.requests.cpu is "20m" instead of "50m"',
    'annotations.note was added: "by-hand"',
    '"else" instead of',
    "ports[8080/TCP].name",
)


def assert_as_declared(shop: Shop, note: str = "") -> None:
    assert get(shop, "ingress", "api-component")
    assert get(shop, "configmap", "api-component-config")["data"]["NOTE"] == note
    assert get(shop, "deployment", "web-component")["spec"]["replicas"] == 1
    assert "FOO" not in [one["name"] for one in container(shop, "api").get("env", [])]
    assert container(shop, "api")["resources"]["requests"]["cpu"] == "50m"
    web, api = get(shop, "service", "web"), get(shop, "service", "api")
    assert "note" not in web["metadata"].get("annotations", {}) and web["spec"]["ports"][0]["name"] == "http"
    assert api["metadata"]["labels"]["app.kubernetes.io/component"] != "else"


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_deploy_without_changes_repairs_what_people_have_changed(shop: Shop, good: str) -> None:
    before = {release: max(shop.revisions(release)) for release in ("api", "web")}
    edit_by_hand(shop)
    status = shop.run(playbook="status.yml")
    announced = shop.run("--check", "--diff")
    repaired = shop.deploy()
    for result in (status, announced, repaired):
        assert [one for one in NAMED if one not in result.words] == [], result.output
    assert_as_declared(shop)
    assert before == {release: max(shop.revisions(release)) for release in ("api", "web")}
    shop.assert_serves(good)
    again = shop.deploy()
    assert "nothing changed" in again.words.lower(), again.output
    # And Helm finds nothing in its way.
    shop.version()
    shop.deploy(note="after a repair")


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_upgrade_and_rollback_take_back_what_people_have_changed(shop: Shop, good: str) -> None:
    edit_by_hand(shop)
    changed = shop.deploy(note="one line")
    assert "data.NOTE is" in changed.words and "env[FOO] was added" in changed.words, changed.output
    assert_as_declared(shop, "one line")
    edit_by_hand(shop)
    back = shop.run(playbook="rollback.yml")
    assert back.code == 0, back.output
    # Only one release was changed by the deploy, and so goes back.
    assert get(shop, "configmap", "api-component-config")["data"]["NOTE"] == ""
    shop.deploy()
    assert_as_declared(shop)
    shop.assert_serves(good)


def test_failed_upgrade_goes_back_in_spite_of_what_people_changed_meanwhile(shop: Shop, good: str) -> None:
    shop.kubectl("scale", "deployment/web-component", "--replicas=2")
    bad = shop.run(broken="verify")
    assert bad.code == 2 and "good equals" in bad.words, bad.output
    shop.assert_serves(good)
    assert get(shop, "deployment", "web-component")["spec"]["replicas"] == 1


@pytest.mark.night
@pytest.mark.parametrize("setting", ["report", "ignore"])
def test_drift_is_only_reported_or_ignored(shop: Shop, good: str, setting: str) -> None:
    shop.kubectl("scale", "deployment/web-component", "--replicas=2")
    result = shop.deploy("-e", f"helm_release_drift={setting}")
    assert ("spec.replicas is 2 instead of 1" in result.words) is (setting == "report"), result.output
    assert get(shop, "deployment", "web-component")["spec"]["replicas"] == 2
    shop.deploy()


@pytest.mark.parametrize("note", [pytest.param("", marks=pytest.mark.night), "one line"])
def test_conflict_is_refused_before_anything_changes(shop: Shop, good: str, note: str) -> None:
    shop.kubectl("scale", "deployment/api-component", "--replicas=2")
    before = {release: shop.revisions(release) for release in ("api", "web")}
    result = shop.run("-e", "helm_release_conflicts=fail", note=note)
    assert result.code == 2 and "field_conflict" in result.words, result.output
    assert "spec.replicas is 2 instead of 1" in result.words and "helm_release_conflicts" in result.words
    assert before == {release: shop.revisions(release) for release in ("api", "web")}
    assert get(shop, "deployment", "api-component")["spec"]["replicas"] == 2
    shop.deploy()
    shop.served = shop._tags[good]


def test_autoscaler_is_switched_on_and_off_again(shop: Shop, good: str) -> None:
    scaled = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}
    shop.deploy(web=scaled)
    deadline = time.monotonic() + 90
    while get(shop, "deployment", "web-component")["spec"]["replicas"] != 2:
        assert time.monotonic() < deadline, "the autoscaler did nothing"
        time.sleep(1)
    unchanged = shop.deploy(web=scaled)
    assert "nothing changed" in unchanged.words.lower(), unchanged.output
    shop.deploy(web=scaled, note="an upgrade")
    assert get(shop, "deployment", "web-component")["spec"]["replicas"] == 2
    shop.deploy()
    assert get(shop, "deployment", "web-component")["spec"]["replicas"] == 1
    shop.assert_serves(good)


@contextlib.contextmanager
def more_in_the_chart(shop: Shop, *items: Object) -> Iterator[Path]:
    """Objects that the charts of both releases have besides, while this lasts."""
    template = shop.project / "charts" / "component" / "templates" / "more.yaml"
    text = yaml.safe_dump_all(items, explicit_start=True)
    template.write_text(f'{{{{- if eq .Release.Name "web" }}}}\n{text}{{{{- end }}}}\n', encoding="utf-8")
    try:
        yield template
    finally:
        template.unlink()
        shop.deploy()


def config(**more: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-hand"}, "data": {"A": "b"}, **more}


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_object_that_exists_is_refused_unless_it_is_adopted(shop: Shop, good: str) -> None:
    before = {release: shop.revisions(release) for release in ("api", "web")}
    shop.kubectl("create", "configmap", "by-hand", "--from-literal=A=mine", "--from-literal=B=added")
    with more_in_the_chart(shop, config()):
        refused = shop.run()
        assert refused.code == 2 and "foreign_object" in refused.words, refused.output
        assert "helm_release_adopt: [ConfigMap/by-hand]" in refused.words
        assert before == {release: shop.revisions(release) for release in ("api", "web")}
        adopted = shop.deploy("-e", '{"helm_release_adopt": ["ConfigMap/by-hand"]}')
        assert "Adopts ConfigMap/by-hand" in adopted.words, adopted.output
        assert get(shop, "configmap", "by-hand")["data"] == {"A": "b"}
    assert "by-hand" not in shop.kubectl("get", "configmaps", "--output=name")
    shop.assert_serves(good)


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_field_that_never_changes_is_refused_unless_its_object_may_be_recreated(shop: Shop, good: str) -> None:
    recreate = ("-e", '{"helm_release_recreate": ["ConfigMap/by-hand"]}')
    with more_in_the_chart(shop, config(immutable=True)) as template:
        shop.deploy()
        before = {release: shop.revisions(release) for release in ("api", "web")}
        template.write_text(template.read_text(encoding="utf-8").replace("A: b", "A: c"), encoding="utf-8")
        refused = shop.run()
        assert refused.code == 2 and "immutable_field" in refused.words, refused.output
        assert re.search(r'data\.A of ConfigMap/by-hand .* cannot change from "b" to "c"', refused.words)
        assert "helm_release_recreate: [ConfigMap/by-hand]" in refused.words
        assert before == {release: shop.revisions(release) for release in ("api", "web")}
        shop.deploy(*recreate)
        assert get(shop, "configmap", "by-hand")["data"] == {"A": "c"}
        back = shop.run(*recreate, playbook="rollback.yml")
        assert back.code == 0, back.output
        assert get(shop, "configmap", "by-hand")["data"] == {"A": "b"}
    shop.assert_serves(good)


CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "tx-drift-grows"},
    "provisioner": "k8s.io/minikube-hostpath",
    "allowVolumeExpansion": True,
}


def store(shop: Shop, size: str, storage_class: str) -> Object:
    """A StatefulSet with a volume, which keeps what was written first."""
    labels = {"app": "store"}
    image = container(shop, "web")["image"]
    command = ["sh", "-c", "test -e /data/first || hostname > /data/first; sleep infinity & wait"]
    volume = {"name": "data", "mountPath": "/data"}
    security = {"runAsUser": 0}
    pod = {"name": "store", "image": image, "command": command, "volumeMounts": [volume], "securityContext": security}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "store"},
        "spec": {
            "serviceName": "store",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [pod]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


@pytest.mark.parametrize("shop", EACH_NIGHT, indirect=True)
def test_volume_grows_where_its_class_allows_it(shop: Shop, good: str) -> None:
    file = shop.place / "class.yaml"
    file.write_text(yaml.safe_dump(CLASS), encoding="utf-8")
    shop.kubectl("apply", "--filename", str(file))
    with more_in_the_chart(shop, store(shop, "1Gi", "tx-drift-grows")) as template:
        shop.deploy()
        pod = get(shop, "pod", "store-0")["metadata"]["uid"]
        text = template.read_text(encoding="utf-8")
        template.write_text(text.replace("1Gi", "2Gi"), encoding="utf-8")
        grown = shop.deploy()
        assert "The volume data-store-0 in namespace" in grown.words, grown.output
        claim = get(shop, "persistentvolumeclaim", "data-store-0")
        assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
        found = get(shop, "statefulset", "store")
        assert found["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"
        assert get(shop, "pod", "store-0")["metadata"]["uid"] == pod, "the pod went on"
        template.write_text(text.replace("1Gi", "512Mi"), encoding="utf-8")
        refused = shop.run()
        assert refused.code == 2 and "A volume cannot shrink" in refused.words, refused.output
        back = shop.run(playbook="rollback.yml")
        assert back.code == 0, back.output
        assert get(shop, "persistentvolumeclaim", "data-store-0")["spec"] == claim["spec"], "a claim stays as large"
    shop.kubectl("delete", "persistentvolumeclaim", "data-store-0")
    shop.assert_serves(good)


@pytest.mark.night
def test_volume_of_a_class_that_does_not_let_it_grow_is_refused(shop: Shop, good: str) -> None:
    with more_in_the_chart(shop, store(shop, "1Gi", "standard")) as template:
        shop.deploy()
        before = {release: shop.revisions(release) for release in ("api", "web")}
        text = template.read_text(encoding="utf-8")
        template.write_text(text.replace("1Gi", "2Gi"), encoding="utf-8")
        refused = shop.run()
        assert refused.code == 2 and "immutable_field" in refused.words, refused.output
        assert "The storage class standard does not allow volumes to grow" in refused.words
        assert before == {release: shop.revisions(release) for release in ("api", "web")}
    shop.kubectl("delete", "persistentvolumeclaim", "data-store-0")
    shop.assert_serves(good)


def fleeting(shop: Shop) -> Object:
    """A Deployment whose container ends some seconds after its start: what looks healthy at first."""
    labels = {"app.kubernetes.io/name": "fleeting", "app.kubernetes.io/instance": "web"}
    command = ["python", "-c", "import time; time.sleep(8); raise SystemExit(3)"]
    containers = [{"name": "fleeting", "image": container(shop, "web")["image"], "command": command}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fleeting", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


@pytest.mark.night
def test_container_that_ends_later_is_told_and_taken_back_when_it_is_waited_for(shop: Shop, good: str) -> None:
    with more_in_the_chart(shop, fleeting(shop)):
        baked = shop.run("-e", "verify_bake=20")
        assert baked.code == 2 and "Container fleeting" in baked.words, baked.output
        assert "fleeting" not in shop.kubectl("get", "deployments", "--output=name")
        shop.run()
        deadline = time.monotonic() + 120
        while restarts_of(shop, "fleeting") < 2:
            assert time.monotonic() < deadline
            time.sleep(1)
        status = shop.run(playbook="status.yml")
        assert status.code == 2 and "Container fleeting" in status.words, status.output
    healthy = shop.run(playbook="status.yml")
    assert healthy.code == 0, healthy.output
    shop.assert_serves(good)


def restarts_of(shop: Shop, name: str) -> int:
    path = "{.items[*].status.containerStatuses[*].restartCount}"
    selector = f"--selector=app.kubernetes.io/name={name}"
    return max(map(int, shop.kubectl("get", "pods", selector, f"--output=jsonpath={path}").split()), default=0)


def test_namespace_that_is_being_deleted_is_waited_for(shop: Shop, good: str) -> None:
    shop.kubectl("delete", "namespace", shop.namespace, "--wait=false")
    shop.deploy()
    shop.assert_serves(good)
