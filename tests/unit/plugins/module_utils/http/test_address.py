# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy leads to an address, and what it is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._http import address
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError


@pytest.mark.parametrize("url", ["http:///x", "http://a:0/", "ftp://a/", "http://u@a/", "http://a/ b", "http://a/\x7f"])
def test_filled_address_that_is_not_valid_is_refused(url: str) -> None:
    assert address.check_url("http://a:1/x", ["http"]) == "http://a:1/x"
    with pytest.raises(CheckError, match="not valid once its placeholders are filled"):
        address.check_url(url, ["http"])


def test_origin_has_the_port_of_its_scheme_or_none() -> None:
    assert address.Origin.of("https://A.example/x") == ("https", "a.example", 443)
    assert address.Origin.of("tcp://a.example") == ("tcp", "a.example", 0)


def test_addresses_are_given_for_hosts_that_are_no_names_too() -> None:
    resolve = {"A..b": "192.0.2.1"}
    assert address.mapped_address(resolve, "a..B") == "192.0.2.1"
    assert address.mapped_address(resolve, "c..d") is None


def test_proxy_choice() -> None:
    environment = {"http": "http://proxy:3128", "no": "skip.example"}
    asked = address.ConnectOptions(environment_proxy=True, resolve={"given.example": "192.0.2.1"})
    assert address.choose_proxy(address.ConnectOptions(), "http", "a.example", 80, environment) is None
    assert address.choose_proxy(asked, "http", "a.example", 80, environment) == "http://proxy:3128"
    for host in ("skip.example", "given.example", "localhost", "x.localhost", "127.0.0.1", "::1"):
        assert address.choose_proxy(asked, "http", host, 80, environment) is None
    assert (
        address.choose_proxy(address.ConnectOptions(proxy="http://p:1"), "https", "localhost", 443, {}) == "http://p:1"
    )


def test_plain_proxy_gets_the_absolute_form(server: Any, run: Any, responses: Any) -> None:
    server.routes["http://far.example/x"] = responses.answer("200 OK", b"via proxy")
    proxy = f"http://user:pass%20word@127.0.0.1:{server.port}"
    [result] = run({"name": "a", "url": "http://far.example/x", "proxy": proxy, "expect": {"body_regex": ["via"]}})
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="


def test_tunnel_refused(server: Any, run: Any, responses: Any) -> None:
    server.routes["far.example:443"] = responses.answer("403 Forbidden")
    [result] = run({"name": "a", "url": "https://far.example/", "proxy": f"http://127.0.0.1:{server.port}"})
    assert result["last_error"]["code"] == "proxy_failed"
    assert "403" in result["last_error"]["message"]
