# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two manifests, and that no secret is in it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import manifest

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  template:
    spec:
      containers:
        - name: web
          env:
            - {name: LEVEL, value: info}
            - {name: API_TOKEN, value: %s}
            - {name: SIGNING_SECRET, valueFrom: {secretKeyRef: {name: web, key: KEY}}}
"""
HOOK = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\ndata: {KEPT: aHVudGVy, OTHER: %s}\n"


def test_only_what_differs_is_shown_and_hooks_are_not() -> None:
    before = f"---\n{DEPLOYMENT % (1, 'x')}---\n{SECRET % 'b2xk'}"
    after = f"{HOOK}---\n{DEPLOYMENT % (2, 'x')}---\n{SECRET % 'b2xk'}---\n"
    (found,) = manifest.differences(before, after)
    assert found["after_header"] == "Deployment web"
    lines = set(found["after"].splitlines()) - set(found["before"].splitlines())
    assert lines == {"  replicas: 2"}
    assert manifest.differences(after, after) == []


def test_what_comes_after_an_object_that_stays_is_compared_too() -> None:
    stays = SECRET % "b2xk"
    found = manifest.differences(f"{stays}---\n{DEPLOYMENT % (1, 'x')}", f"{stays}---\n{DEPLOYMENT % (2, 'x')}")
    assert [one["after_header"] for one in found] == ["Deployment web"]


def test_no_secret_value_is_shown_but_whether_it_differs() -> None:
    before = f"{SECRET % 'b2xk'}---\n{DEPLOYMENT % (1, 'hunter2')}"
    after = f"{SECRET % 'bmV3'}---\n{DEPLOYMENT % (1, 'hunter3')}"
    secret, deployment = manifest.differences(before, after)
    shown = json.dumps([secret, deployment])
    assert not [word for word in ("aHVudGVy", "b2xk", "bmV3", "hunter") if word in shown]
    assert "KEPT: (hidden)" in secret["after"] and "OTHER: (hidden, differs)" in secret["after"]
    assert "value: (hidden, differs)" in deployment["after"] and "value: info" in deployment["after"]
    assert "key: KEY" in deployment["after"]


def test_added_and_removed_objects() -> None:
    removed, added = SECRET % "b2xk", DEPLOYMENT % (1, "hunter2")
    first, second = manifest.differences(removed, added)
    assert (first["before_header"], first["before"]) == ("Deployment web (absent)", "")
    assert (second["after_header"], second["after"]) == ("Secret web (removed)", "")
    assert "hunter2" not in first["after"] and "b2xk" not in second["before"]


def test_configuration_key_with_a_secret_name() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {PASSWORD: %s, LEVEL: info}\n"
    (found,) = manifest.differences(text % "hunter2", text % "hunter3")
    assert (
        "hunter" not in json.dumps(found) and "LEVEL: info" in found["after"] and "(hidden, differs)" in found["after"]
    )


def test_a_list_is_shown_object_by_object_and_its_secrets_are_hidden_everywhere() -> None:
    text = """\
kind: List
items:
  - {kind: Secret, metadata: {name: s}, data: {A: aHVudGVyLXR3by10d28=}}
  - {kind: ConfigMap, metadata: {name: c}, data: {file: "login = ada/hunter-two-two"}}
"""
    found = manifest.differences("", text)
    assert [one["after_header"] for one in found] == ["Secret s", "ConfigMap c"]
    assert "aHVudGVy" not in json.dumps(found) and "hunter" not in json.dumps(found)


def test_manifest_that_is_none() -> None:
    with pytest.raises(ValueError, match="no YAML"):
        manifest.objects("a: [")


def test_objects_of_one_name_in_two_namespaces() -> None:
    text = "\n---\n".join(f"kind: Service\nmetadata: {{name: a, namespace: {name}}}" for name in ("one", "two"))
    assert list(manifest.objects(text + "\n---\nkind: Service\nmetadata: {name: a}")) == [
        ("Service", "one", "a"),
        ("Service", "two", "a"),
        ("Service", "", "a"),
    ]
