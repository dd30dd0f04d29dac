# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot change is found beforehand, with the ways out, and a volume grows only where its class allows it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import immutable
from ansible_collections.slipway.kube.plugins.module_utils._helm.immutable import Fixed, Growth

Object = dict[str, Any]


def stateful_set(size: str = "1Gi", image: str = "postgres:17", mode: str = "ReadWriteOnce") -> Object:
    template = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": size}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {
            "replicas": 1,
            "serviceName": "db",
            "template": {"spec": {"containers": [{"name": "db", "image": image}]}},
            "volumeClaimTemplates": [template],
        },
    }


def claim(size: str = "1Gi", storage_class: str = "standard") -> Object:
    return {
        "metadata": {"name": "data-db-0", "namespace": "shop"},
        "spec": {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}},
    }


def storage_class(name: str = "standard", grows: bool = False) -> Object:
    return {"metadata": {"name": name}, "allowVolumeExpansion": grows}


def of(kind: str, **content: Any) -> Object:
    return {"kind": kind, "metadata": {"name": "web", "namespace": "shop"}, **content}


@pytest.mark.parametrize(
    ("live", "declared", "field", "old", "new"),
    [
        (
            of("Deployment", spec={"selector": {"matchLabels": {"app": "a"}}}),
            of("Deployment", spec={"selector": {"matchLabels": {"app": "b"}}}),
            "spec.selector.matchLabels.app",
            '"a"',
            '"b"',
        ),
        (
            of("Job", spec={"template": {"spec": {"containers": [{"name": "x", "image": "a:1"}]}}}),
            of("Job", spec={"template": {"spec": {"containers": [{"name": "x", "image": "a:2"}]}}}),
            "spec.template.spec.containers[x].image",
            '"a:1"',
            '"a:2"',
        ),
        (
            of("Service", spec={"clusterIP": "10.0.0.1"}),
            of("Service", spec={"clusterIP": "None"}),
            "spec.clusterIP",
            '"10.0.0.1"',
            '"None"',
        ),
        (of("ConfigMap", immutable=True, data={"A": "1"}), of("ConfigMap", data={"A": "2"}), "data.A", '"1"', '"2"'),
        (
            of("Secret", immutable=True, data={"A": "MQ=="}),
            of("Secret", data={"A": "Mg=="}),
            "data.A",
            "(hidden)",
            "(hidden)",
        ),
        (
            of("PersistentVolumeClaim", spec={"storageClassName": "slow"}),
            of("PersistentVolumeClaim", spec={"storageClassName": "fast"}),
            "spec.storageClassName",
            '"slow"',
            '"fast"',
        ),
        (stateful_set(), stateful_set(mode="ReadWriteMany"), "spec.volumeClaimTemplates", None, None),
    ],
)
def test_a_field_that_cannot_change_is_named_with_both_values(
    live: Object, declared: Object, field: str, old: str | None, new: str | None
) -> None:
    (found,) = immutable.refusals(declared, live, [])
    name = live["metadata"]["name"]
    assert (found.object, found.field, found.code) == (f"{live['kind']}/{name}", field, "immutable_field")
    assert old is None or (found.old, found.new) == (old, new)
    kind = live["kind"]
    if kind == "PersistentVolumeClaim":
        assert "another name" in found.ways and list(immutable.refusals(declared, live, [f"{kind}/{name}"]))
    else:
        assert f"helm_release_recreate: [{kind}/{name}]" in found.ways
        assert list(immutable.refusals(declared, live, [f"{kind}/{name}"])) == []
        assert immutable.is_recreated(declared, live, [f"{kind}/{name}"])


@pytest.mark.parametrize(
    ("live", "declared"),
    [
        (of("ConfigMap", data={"A": "1"}), of("ConfigMap", data={"A": "2"})),
        (of("Service", spec={"clusterIP": "10.0.0.1"}), of("Service", spec={"ports": [{"port": 80}]})),
        (of("Deployment", spec={"replicas": 1}), of("Deployment", spec={"replicas": 2})),
        (stateful_set(), stateful_set(image="postgres:17.1")),
        (stateful_set("1Gi"), stateful_set("1024Mi")),
    ],
)
def test_what_may_change_is_not_refused(live: Object, declared: Object) -> None:
    assert list(immutable.refusals(declared, live, [], [claim()], [storage_class()])) == []
    assert not immutable.is_recreated(declared, live, [f"{live['kind']}/{live['metadata']['name']}"])


def test_a_volume_grows_where_its_class_allows_it() -> None:
    live, declared = stateful_set("1Gi"), stateful_set("2Gi")
    (grown,) = immutable.growth(declared, live, [claim()], [storage_class(grows=True)])
    assert grown == Growth("db", "shop", ("data-db-0",), "1Gi", "2Gi")
    assert "grows from 1Gi to 2Gi. The data stays, and the pods keep running" in grown.text()
    assert list(immutable.refusals(declared, live, [], [claim()], [storage_class(grows=True)])) == []
    # Other claims are none of its business.
    other = copy.deepcopy(claim(storage_class="other"))
    other["metadata"]["name"] = "data-other-0"
    (again,) = immutable.growth(declared, live, [claim(), other], [storage_class(grows=True)])
    assert again == grown


@pytest.mark.parametrize(
    ("live", "wanted", "present", "grows", "words"),
    [
        ("1Gi", "2Gi", "1Gi", False, "The storage class standard does not allow volumes to grow"),
        ("2Gi", "1Gi", "2Gi", True, "A volume cannot shrink"),
        # The claim is larger than its template says.
        ("1Gi", "2Gi", "3Gi", True, "A volume cannot shrink"),
    ],
)
def test_a_volume_that_cannot_have_its_size_is_refused(
    live: str, wanted: str, present: str, grows: bool, words: str
) -> None:
    found = list(
        immutable.refusals(stateful_set(wanted), stateful_set(live), [], [claim(present)], [storage_class(grows=grows)])
    )
    (one,) = [one for one in found if isinstance(one, Fixed)]
    assert (one.object, one.old, one.new) == ("StatefulSet/db", live, wanted) and words in one.ways
    assert "data-db-0" in one.ways


def test_another_major_version_of_postgresql_is_refused_while_there_is_a_volume() -> None:
    live, declared = stateful_set(image="postgres:17"), stateful_set(image="registry.example/library/postgres:18.1")
    (found,) = immutable.refusals(declared, live, [], [claim()])
    assert (found.code, found.old, found.new) == ("database_version", "17", "18")
    assert "cannot read the files that PostgreSQL 17 has left" in found.ways and "make restore FROM=" in found.ways
    assert list(immutable.refusals(declared, live, [], [])) == []
    assert list(immutable.refusals(stateful_set(image="mysql:9"), stateful_set(image="mysql:8"), [], [claim()])) == []
