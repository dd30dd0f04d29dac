# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of: names that come from digests, and plain values for Ansible."""

from __future__ import annotations

import json

from ansible_collections.slipway.kube.plugins.module_utils._plan.models import (
    Check,
    Component,
    Release,
    Secret,
    SecretSource,
)

DIGEST = f"sha256:{'1e0' * 22}"[:71]


def component() -> Component:
    return Component(
        name="api",
        source="/srv/api",
        dockerfile="Dockerfile",
        build_args={"A": "b"},
        repository="todo-api",
        needs=("base",),
        migrations="",
        source_digest=DIGEST,
    )


def test_names_of_an_image_come_from_the_digest_of_its_sources() -> None:
    api = component()
    # Letters first: a YAML reader takes 1e01 for a number.
    assert api.tag == "sha-1e01e01e01e01e01" and api.image == "todo-api:sha-1e01e01e01e01e01"
    assert api.release_value("images") == {"repository": "todo-api", "tag": api.tag}
    assert api.release_value("migrations") == ""
    assert api.variables == {
        "components.api.tag": api.tag,
        "components.api.image": api.image,
        "components.api.repository": "todo-api",
        "components.api.source_digest": DIGEST,
    }


def test_models_are_plain_values_to_ansible() -> None:
    release = Release("todo", "shop", "/srv/chart", "app", "1.2.3", "abc", {"a": 1}, {"todo-api": "api.sum"}, True)
    secret = Secret("todo-api", "shop", {"B": SecretSource("value"), "A": None})
    check = Check("page", {"name": "page", "url": "${application.url}"})
    for model in (component(), release, secret, check):
        assert json.loads(json.dumps(model.as_dict())) == model.as_dict()
    assert component().as_dict()["needs"] == ["base"] and component().as_dict()["deliver"] is True
    assert release.as_dict()["values"] == {"a": 1} and release.as_dict()["wait"] is True
    assert secret.as_dict() == {"name": "todo-api", "namespace": "shop", "keys": ["A", "B"]}
    assert check.as_dict() == {"name": "page", "url": "${application.url}"}


def test_alternatives_come_in_the_order_in_which_they_are_tried() -> None:
    last = SecretSource("generate", 32)
    second = SecretSource("env", "B", False, last)
    first = SecretSource("env", "A", False, second)
    assert list(first.alternatives()) == [first, second, last]
