# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values are hidden by the name they go by, and by how a text looks."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import redaction
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import (
    MASK,
    PrivateKeys,
    is_sensitive,
    mask_text,
)


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
        ("postgresql://todo:hun/ter@22@db/todo", "22@db"),
        ("postgresql://todo:hun/ter22@db/todo?sslmode=require", "ter22"),
        ("redis://:hunter22@cache:6379/0", "hunter22"),
        ("cannot connect to postgresql://todo:hunter…", "hunter"),
        ("https://ghp_0123456789abcdef@git.example/x.git", "ghp_"),
        ('{"settings": "{\\"api_key\\": \\"abc 123\\"}"}', "abc 123"),
        ('{"password": "abc\\"def", "x": 1}', "def"),
        ('{"password": "abcdef', "abcdef"),
        ('{"tokens": ["abcdef", "ghijkl"], "x": 1}', "ghijkl"),
        ("run --api-token abcdef --quiet", "abcdef"),
        ("curl -u ada:hunter22 http://a/", "hunter22"),
        ("< Set-Cookie: sid=abcdef; Path=/", "abcdef"),
        ("X-Api-Key: abc def", "def"),
        ("db:\n  db_pwd: hunter22\n", "hunter22"),
        ("+  JWT_SECRET: hunter22\n", "hunter22"),
        ("SIGNING_KEY='abc 123' mail_pass=abc123", "abc"),
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
        "http://todo.localhost:8080/users/@me",
        "ssh://git@git.example/x.git",
        "Password: expired",
        "token=null password='' secret=true",
        "max_tokens=200 secretName=todo-backend sessionAffinity=None token_type=bearer",
        "Use basic authentication.",
        "PWD=/app key=todo pass=12 fail=0",
        "JWT_SECRET: (hidden)",
        "expected -----BEGIN PRIVATE KEY----- in the file",
    ],
)
def test_mask_text_leaves_plain_words(text: str) -> None:
    assert mask_text(text) == text.replace("-----BEGIN PRIVATE KEY-----", MASK)


@pytest.mark.parametrize(
    "name",
    [
        "cookies",
        "set_cookie",
        "Set-Cookie",
        "pwd",
        "db_pwd",
        "apiKey",
        "x-api-key",
        "PGPASS",
        "userPwd",
        "signing_key",
        "auth",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        "PWD",
        "OLDPWD",
        "key",
        "author",
        "existingSecret",
        "existingSecretPasswordKey",
        "imagePullSecrets",
        "secretChecksum",
        "secretName",
        "secretKeyRef",
        "tokenUrl",
        "prompt_tokens",
        "pass",
        "tokenizer",
    ],
)
def test_names_that_are_not(name: str) -> None:
    assert not is_sensitive(name)


KEY = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "Proc-Type: 4,ENCRYPTED",
    "",
    *(letter * 64 for letter in "ABCD"),
    "EEEE==",
    "-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("before", ["", "2026-11-30T09:00:00Z "])
@pytest.mark.parametrize(("first", "last"), [(0, 9), (0, 6), (4, 9), (0, 8)])
def test_a_private_key_is_hidden_wherever_a_text_is_cut(before: str, first: int, last: int) -> None:
    lines = ["starting", *KEY[first:last], "Listening on port 8000"]
    text = "\n".join(f"{before}{line}" for line in lines)
    shown = mask_text(text)
    assert not [letter for letter in "ABCDE" if letter * 4 in shown]
    assert f"{before}starting" in shown and "Listening on port 8000" in shown


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_private_key_is_hidden_in_pieces_of_lines(size: int) -> None:
    keys = PrivateKeys()
    lines = ["starting", *KEY, "Listening on port 8000"]
    pieces = ["\n".join(lines[index : index + size]) for index in range(0, len(lines), size)]
    shown = "\n".join(mask_text(piece, keys) for piece in pieces)
    assert not [letter for letter in "ABCDE" if letter * 4 in shown]
    assert shown.startswith("starting\n") and shown.endswith("\nListening on port 8000")


def test_secrets_in_an_address() -> None:
    address = "http://ada:w%2Ford@host/path?api_key=key-key&page=long-enough#token=fragment"
    assert redaction.secrets_in_address(address) == {"w%2Ford", "w/ord", "key-key"}
