# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS against servers with certificates of every kind."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import tls as own_tls
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError


def test_tls_good(make_server: Any, authority: Any, run: Any) -> None:
    server = make_server(authority.context("todo.local"))
    resolve = {"todo.local": f"127.0.0.1:{server.port}"}
    tls = {"ca_path": authority.path, "min_days_left": 10}
    https, plain = run(
        {"name": "https", "url": "https://todo.local/json", "resolve": resolve, "tls": tls},
        {"name": "tls", "type": "tls", "url": "tls://todo.local", "resolve": resolve, "tls": tls},
    )
    assert https["state"] == plain["state"] == "healthy", (https, plain)
    assert 29 < https["certificate_days_left"] < 31
    assert {"connect", "tls", "first_byte", "total"} <= set(https["timings"])


@pytest.mark.parametrize(
    ("name", "days", "tls", "code"),
    [
        ("other.local", 30, {}, "tls_name_mismatch"),
        ("todo.local", -1, {}, "tls_expired"),
        ("todo.local", 5, {"min_days_left": 14}, "tls_expires_soon"),
        ("todo.local", 0.5, {"min_days_left": 14}, "tls_expires_soon"),
        ("todo.local", -3, {"verify": False, "min_days_left": 1}, "tls_expired"),
        ("todo.local", 30, {"ca_path": None}, "tls_untrusted"),
        ("todo.local", 30, {"min_version": "TLSv1.3"}, "tls_version"),
    ],
)
def test_tls_faults(
    make_server: Any, authority: Any, run: Any, name: str, days: float, tls: dict[str, Any], code: str
) -> None:
    context = authority.context(name, days)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = make_server(context)
    [result] = run(
        {
            "name": "a",
            "url": "https://todo.local/json",
            "resolve": {"todo.local": f"127.0.0.1:{server.port}"},
            "tls": {"ca_path": authority.path, **tls},
        }
    )
    assert result["last_error"]["code"] == code, result


def test_tls_without_verification_and_other_server_name(make_server: Any, authority: Any, run: Any) -> None:
    server = make_server(authority.context("other.local"))
    one, two = run(
        {"name": "off", "url": server.url("/json"), "tls": {"verify": False}},
        {"name": "named", "url": server.url("/json"), "tls": {"ca_path": authority.path, "server_name": "other.local"}},
    )
    assert one["state"] == two["state"] == "healthy", (one, two)


def test_client_certificate(make_server: Any, authority: Any, run: Any) -> None:
    context = authority.context("todo.local")
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    server = make_server(context)
    certificate, key = authority.issue("client")
    tls = {"ca_path": authority.path, "server_name": "todo.local"}
    without, with_one = run(
        {"name": "without", "url": server.url("/json"), "tls": tls},
        {"name": "with", "url": server.url("/json"), "tls": {**tls, "client_cert": certificate, "client_key": key}},
    )
    assert without["last_error"]["code"] == "tls_client_certificate", without
    assert with_one["state"] == "healthy", with_one


def test_tls_to_a_plain_port_and_plain_to_tls(make_server: Any, authority: Any, run: Any, server: Any) -> None:
    secure = make_server(authority.context("todo.local"))
    one, two = run(
        {"name": "tls to plain", "url": server.url("/").replace("http:", "https:"), "timeout": 0.4},
        {"name": "plain to tls", "url": secure.url("/").replace("https:", "http:"), "timeout": 0.4},
    )
    assert one["last_error"]["code"] in ("tls_failed", "tls_timeout")
    assert two["last_error"]["code"] in ("protocol_error", "connection_closed", "connection_reset")


def test_half_open_tls_times_out(run: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1)  # accepted by the kernel, answered by nobody
        [result] = run({"name": "a", "type": "tls", "url": f"tls://127.0.0.1:{sock.getsockname()[1]}", "timeout": 0.3})
    assert result["last_error"]["code"] == "tls_timeout"


def test_wrong_files_are_refused_before_anything_is_sent(run: Any, server: Any, tmp_path: Any) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("none.pem", "bad.pem"):
        with pytest.raises(SpecError, match=r"check 'a': tls.ca_path: .*\.pem cannot be used"):
            run({"name": "a", "url": server.url("/"), "tls": {"ca_path": str(tmp_path / name)}})
    with pytest.raises(SpecError, match="client_cert"):
        run({"name": "a", "url": server.url("/"), "tls": {"client_cert": str(tmp_path / "bad.pem")}})
    assert server.seen == []


def test_the_end_of_a_certificate_is_read(authority: Any) -> None:
    for days in (1, 30000):  # UTCTime, and GeneralizedTime after 2049
        with open(authority.issue("dates", days)[0], encoding="ascii") as stream:
            der = ssl.PEM_cert_to_DER_cert(stream.read())
        left = own_tls.days_left(der)
        assert left is not None and days - 0.1 < left <= days
    with pytest.raises(ValueError):
        own_tls.not_after(b"0\x03abc")
    assert own_tls.days_left(b"junk") is None
    assert own_tls.days_left(None) is None
