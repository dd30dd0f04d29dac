# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries: values that go everywhere a secret can go, and must come out nowhere."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._health import module as health_main
from ansible_collections.slipway.kube.plugins.module_utils._health import runner as running
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError
from ansible_collections.slipway.kube.plugins.modules import health_check

TAKEN = 'canary/taken "of" the=answer'
GIVEN = [
    "canary-secret-option",
    "canary-variable-by-name",
    "canary-header-literal",
    "canary-basic-credential",
    "canary-cookie-literal",
    "canary-body-field",
    "canary-body-text",
    "canary-form-field",
    "canary-query-field",
    "canary-proxy-password",
    "canary-json-expected",
    "canary-header-expected",
    "canary-set-cookie",
    "canary-location-code",
    "canary-answer-field",
    TAKEN,
]


def forms(value: str) -> set[str]:
    """A value as it is, inside JSON, percent-encoded and in base64."""
    packed = base64.b64encode(value.encode()).decode().rstrip("=")
    return {value, json.dumps(value)[1:-1], quote(value, safe=""), quote(value), packed}


@pytest.fixture
def everything(server: Any, responses: Any, refused_port: int, tmp_path: Path) -> dict[str, Any]:
    """Options with a canary at each place that takes one, and a server that sends some of its own."""

    def login(_server: Any, connection: socket.socket, *_rest: Any) -> None:
        body = {"token": TAKEN, "nested": [{"plain": TAKEN}], "password_hint": "canary-answer-field"}
        cookie = "Set-Cookie: sid=canary-set-cookie"
        connection.sendall(responses.answer("200 OK", json.dumps(body).encode(), cookie))

    away = responses.answer("302 Found", b"", "Location: /cb?code=canary-location-code")
    server.routes |= {"/login": login, "/away": away, "/fails": server.routes["/echo"]}
    server.routes[f"/{quote(TAKEN, safe='')}"] = responses.answer("500 Oops", TAKEN.encode())
    headers = {
        "Authorization": "Basic canary-basic-credential",
        "X-Api-Key": "canary-header-literal",
        "Cookie": "sid=canary-cookie-literal",
        "X-Given": "${given}",
        "X-Named": "${db_password}",
    }
    use = {"X-Used": "${taken}", "Authorization": "Bearer ${taken}"}
    post = {"method": "POST", "depends_on": ["login"]}
    hidden = {"json": [{"path": "token", "equals": "canary-json-expected"}]}
    cookies = {"headers": [{"name": "Set-Cookie", "equals": "canary-header-expected"}]}
    proxy = f"http://user:canary-proxy-password@127.0.0.1:{refused_port}"
    return {
        "secrets": {"given": "canary-secret-option"},
        "variables": {"db_password": "canary-variable-by-name"},
        "report_json": str(tmp_path / "r.json"),
        "report_junit": str(tmp_path / "r.xml"),
        "checks": [
            {"name": "login", "url": server.url("/login?token=canary-query-field"), "extract": {"taken": "token"}},
            {"name": "seen", "url": server.url("/login"), "expect": hidden, "extract": {"more": "nested"}, "retry_for": 0},
            {"name": "cookie", "url": server.url("/login"), "expect": cookies, "retry_for": 0},
            {"name": "away", "url": server.url("/away"), "expect": {"location": "^x", "status": ["3xx"]}, "retry_for": 0},
            {"name": "body", "url": server.url("/fails"), **post, "headers": headers,
             "body": {"client_secret": "canary-body-field", "deep": {"used": "${taken}"}}, "expect": {"body_regex": ["no"]}},
            {"name": "text", "url": server.url("/fails"), **post, "headers": use,
             "body": '{"password": "canary-body-text", "x": "${taken}"}', "expect": {"json": [{"path": "@", "equals": 1}]}},
            {"name": "form", "url": server.url("/fails?q=${taken}"), **post, "body_format": "raw",
             "body": "password=canary-form-field&x=${taken}", "expect": {"status": ["404"]}},
            {"name": "path", "url": server.url("/${taken}"), "depends_on": ["login"], "retry_for": 0},
            {"name": "identity", "url": server.url("/login"), "depends_on": ["login"], "retry_for": 0,
             "expect": {"identity": {"equals": "${given}", "path": "nested[0].plain"}}},
            {"name": "proxy", "url": "http://far.example/", "proxy": proxy, "retry_for": 0},
        ],
    }  # fmt: skip


def run(params: dict[str, Any], log: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str]:
    """Run the module; return its result, and everything that it wrote anywhere."""
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, text: log.append(str(text)))
    monkeypatch.setattr(basic, "has_journal", False)
    out, errors = io.StringIO(), io.StringIO()
    with (
        patch_module_args(params),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        contextlib.suppress(SystemExit),
    ):
        health_check.main()
    files = [Path(params[key]) for key in ("report_json", "report_junit")]
    written = [file.read_text() for file in files if file.exists()]
    return json.loads(out.getvalue()), "\n".join([out.getvalue(), errors.getvalue(), *log, *written])


@pytest.mark.parametrize("verbosity", [0, 4])
@pytest.mark.parametrize("check_mode", [False, True])
def test_no_canary_comes_out(
    everything: dict[str, Any], server: Any, monkeypatch: pytest.MonkeyPatch, verbosity: int, check_mode: bool
) -> None:
    params = {**everything, "_ansible_verbosity": verbosity, "_ansible_check_mode": check_mode}
    result, shown = run(params, [], monkeypatch)
    if not check_mode:
        states = {item["name"]: item["state"] for item in result["checks"]}
        assert states.pop("login") == "healthy" and set(states.values()) == {"unhealthy"}, result["msg"]
        sent = "\n".join(f"{seen.path} {seen.headers} {seen.body.decode()}" for seen in server.seen)
        for canary in ("canary-secret-option", "canary-variable-by-name", "canary-header-literal", "canary-body-text"):
            assert canary in sent
        assert TAKEN in sent and quote(TAKEN, safe="") in sent
    escaped = json.dumps(shown)  # once more, for what is JSON within JSON
    leaked = {canary for canary in GIVEN for form in forms(canary) if form in shown or form in escaped}
    assert not leaked
    assert "canary/taken" not in shown and "canary-" not in shown


@pytest.mark.parametrize(
    "check",
    [
        {"url": "http://user:canary-url-password@[::1/"},
        {"url": "http://user:canary%2Durl-password@host/"},
        {"url": "http://a/?token=canary-query-field", "method": "GET IT"},
        {"url": "ftp://a/?api_key=canary-query-field"},
        {"url": "http://a/", "proxy": "socks5://user:canary-proxy-password@p:1"},
        {"url": "http://a/", "proxy": "http://user:canary-proxy-password@[::1"},
        {"url": "http://a/", "headers": {"Authorization": "Bearer canary-header\nliteral"}},
        {"url": "http://a/", "headers": {"X-Token": "canary-header-literal"}, "timeout": "soon"},
        {"url": "http://a/", "body": {"password": "canary-body-field"}, "unknown": 1},
        {"url": "http://a/${canary}", "headers": {"Cookie": "canary-cookie-literal"}},
    ],
)
def test_mistakes_show_no_secret_either(check: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sinks = {"report_json": str(tmp_path / "a"), "report_junit": str(tmp_path / "b")}
    result, shown = run({"checks": [{"name": "a", **check}], **sinks}, [], monkeypatch)
    assert result["failed"] and "check 'a'" in result["msg"]
    shown = shown.replace("${canary}", "")
    for canary in ("url-password", "query-field", "proxy-password", "header-literal", "canary-header", "body-field"):
        assert canary not in shown, result["msg"]
    assert "cookie-literal" not in shown


def test_files_of_tls_are_named_and_not_read_out(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("canary-key-file")
    check = health_main.parse_checks(
        [{"name": "a", "url": "https://a/", "tls": {"client_cert": str(tmp_path / "key.pem")}}], [], str
    )
    with pytest.raises(SpecError) as caught:
        running.Runner(check, {}, health_main.Masker(), deadline=1).prepare()
    assert "key.pem" in str(caught.value) and "canary-key-file" not in str(caught.value)
