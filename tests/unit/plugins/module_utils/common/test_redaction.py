# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values are hidden by value, by name, by their field in an object, and by how a text looks."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import redaction
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import mask_text, scrub
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(min_size=4, alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: text.strip() == text))
def test_a_secret_is_masked_in_every_encoding(secret: str) -> None:
    masker = redaction.Masker([secret])
    for form in (secret, json.dumps(secret), quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
        shown = masker(f"before {form} after")
        assert redaction.MASK in shown
        assert secret not in shown.replace(redaction.MASK, "").replace("before", "").replace(
            "after", ""
        ) or not secret.strip("* ")


def test_short_secrets_are_masked_where_they_stand_alone() -> None:
    masker = redaction.Masker([7])
    assert masker("id 7, 17 and 70") == f"id {redaction.MASK}, 17 and 70"


def test_each_line_of_a_secret_is_masked() -> None:
    masker = redaction.Masker(["first line of it\nsecond line of it\nshort"])
    assert masker("second line of it, short") == f"{redaction.MASK}, short"
    assert redaction.Masker(["first line\nsecond line"])("second line") == redaction.MASK


def test_masked_tree_keeps_closed_words() -> None:
    masker = redaction.Masker(["healthy", "body"])
    tree = {"state": "healthy", "message": "it is healthy", "list": ["body"], "n": 1}
    assert masker.tree(tree) == {
        "state": "healthy",
        "message": f"it is {redaction.MASK}",
        "list": [redaction.MASK],
        "n": 1,
    }


def test_sensitive_values_are_found_by_name() -> None:
    body = {"email": "a@b.c", "password": "hunter22", "deep": [{"api_key": "key-key"}], "token": "${token}"}
    headers = {"Authorization": "Bearer abc.def", "Accept": "text/html"}
    assert redaction.sensitive_values(headers, body) == {"Bearer abc.def", "abc.def", "hunter22", "key-key"}
    assert redaction.redact(body)["deep"] == [{"api_key": redaction.MASK}]
    assert redaction.redact({"email": "a@b.c"}) == {"email": "a@b.c"}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://todo:hunter22@db/todo", "hunter22"),
        ("Authorization: Bearer eyJhbGciOi.x.y", "eyJhbGciOi"),
        ("--set secrets.JWT_SECRET=abc123", "abc123"),
        ('{"api_key": "abc 123"}', "abc 123"),
        ("OPENAI_API_KEY=sk-1 next", "sk-1"),
        ("set key=password=abc123", "abc123"),
        ("session: 'x' signature = 'abc 123'", "abc 123"),
        ("postgresql://todo:hunt@er22@db/todo", "er22"),
        ("postgresql://todo:hunter22@db/todo", "todo:"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_mask_text_hides_credentials(text: str, hidden: str) -> None:
    assert hidden not in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Secret: todo-backend lacks the key JWT_SECRET.",
        "http://todo.localhost:8080/a@b",
        "token expired",
        "replicas=2, author=me",
    ],
)
def test_mask_text_leaves_plain_words(text: str) -> None:
    assert mask_text(text) == text


def test_scrub_drops_arguments_and_masks_sensitive_values() -> None:
    found = scrub(
        {
            "invocation": {"module_args": {"a": 1}},
            "_ansible_no_log": False,
            "deep": [{"Auth_Token": "x", "passwd": ["y", {"z": "w"}], "token_given": True, "n": float("nan")}],
            "long": "a" * 20 + "end",
        },
        longest=10,
    )
    assert found == {
        "deep": [{"Auth_Token": "********", "passwd": ["********", {"z": "********"}], "token_given": True, "n": None}],
        "long": "... " + "a" * 7 + "end",
    }


def test_secrets_in_an_address() -> None:
    address = "http://ada:w%2Ford@host/path?api_key=key-key&page=long-enough#token=fragment"
    assert redaction.secrets_in_address(address) == {"w%2Ford", "w/ord", "key-key"}


def test_an_object_keeps_what_is_no_secret() -> None:
    before = {
        "kind": "ConfigMap",
        "data": {"LEVEL": "info", "PASSWORD": "one"},
        "env": [{"name": "TOKEN", "value": "t"}],
    }
    after = {
        "kind": "ConfigMap",
        "data": {"LEVEL": "info", "PASSWORD": "two"},
        "env": [{"name": "TOKEN", "value": "t"}],
    }
    assert redaction.redact_objects(before, after, "ConfigMap") == (
        {
            "kind": "ConfigMap",
            "data": {"LEVEL": "info", "PASSWORD": "(hidden)"},
            "env": [{"name": "TOKEN", "value": "(hidden)"}],
        },
        {
            "kind": "ConfigMap",
            "data": {"LEVEL": "info", "PASSWORD": "(hidden, differs)"},
            "env": [{"name": "TOKEN", "value": "(hidden)"}],
        },
    )
    assert before["data"] == {"LEVEL": "info", "PASSWORD": "one"}
