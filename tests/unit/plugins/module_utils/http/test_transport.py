# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses, redirects and connections as curl and browsers take them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.threads import ThreadPool
from ansible_collections.slipway.kube.plugins.module_utils._http import connection
from ansible_collections.slipway.kube.plugins.module_utils._http.address import (
    ConnectOptions,
    Origin,
    ascii_host,
    authority_of,
    mapped_address,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.redirects import resolve_location
from ansible_collections.slipway.kube.plugins.module_utils._http.timings import Timings


# ---------------------------------------------------------------- names and addresses
@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com."),
        ("a_b.example", "a_b.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        ("\u65e5\u672c\u3002example", "xn--wgv71a.example"),
        ("::1", "::1"),
        ("fe80::1%25eth0", "fe80::1%eth0"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_a_host_is_known_by_its_ascii_name(host: str, name: str) -> None:
    assert ascii_host(host) == name


@pytest.mark.parametrize(
    "host", ["a..example", ".example", "a" * 64 + ".example", "\u2665.example", "\u00fc" * 64 + ".example"]
)
def test_what_is_no_name(host: str) -> None:
    with pytest.raises(ValueError):
        ascii_host(host)


def test_the_zone_of_an_address_is_not_sent() -> None:
    assert Origin.of("http://[fe80::1%25eth0]:81/a") == ("http", "fe80::1%eth0", 81)
    assert authority_of("fe80::1%eth0", 81) == "[fe80::1]:81"
    assert authority_of("fe80::1%eth0", None) == "[fe80::1]"
    assert authority_of("web.example.", 81) == "web.example.:81"


def test_a_mapped_host_is_found_however_it_is_spelt() -> None:
    resolve = {"Stra\u00dfe.example": "192.0.2.1", "web.example.": "192.0.2.2"}
    assert mapped_address(resolve, "xn--strae-oqa.example") == "192.0.2.1"
    assert mapped_address(resolve, "WEB.example") == "192.0.2.2"
    assert mapped_address(resolve, "other.example") is None


def test_a_final_dot_is_part_of_the_host_header_only(make_server: Any, authority: Any, run: Any) -> None:
    server = make_server(authority.context("todo.local"))
    check = {"name": "a", "url": "https://todo.local./", "tls": {"ca_path": authority.path}}
    [result] = run({**check, "resolve": {"todo.local": f"127.0.0.1:{server.port}"}})
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == "todo.local."


def test_an_address_with_a_zone(make_server: Any, run: Any) -> None:
    try:
        server = make_server(family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    names = [name for _index, name in socket.if_nameindex() if name == "lo"]
    if not names:
        pytest.skip("this host calls its loopback otherwise")
    good, bad = run(
        {"name": "good", "url": server.url("/", "[::1%25lo]")},
        {"name": "bad", "url": server.url("/", "[::1%25none0]"), "invert": True},
    )
    assert good["state"] == "healthy", good
    assert server.seen[0].headers["host"] == f"[::1]:{server.port}"
    assert bad["last_error"]["code"] == "connect_failed" and "'none0'" in bad["last_error"]["message"]


# ---------------------------------------------------------------- redirects
@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "http://a.example/b"),
        ("b", "http://a.example/x/b"),
        ("../b", "http://a.example/b"),
        ("?q=1", "http://a.example/x/y?q=1"),
        ("//b.example/c", "http://b.example/c"),
        ("https://b.example", "https://b.example"),
        ("/b#part", "http://a.example/b"),
        ("/a b?c d", "http://a.example/a%20b?c%20d"),
        ("  /b\t", "http://a.example/b"),
        ("/a\tb", "http://a.example/ab"),
        ("\\b\\c?d\\e", "http://a.example/b/c?d%5Ce"),
        ("/gr\u00fcn".encode().decode("latin-1"), "http://a.example/gr%C3%BCn"),
        ("/?q=gr\u00fcn".encode().decode("latin-1"), "http://a.example/?q=gr%C3%BCn"),
        ("/gr\u00fcn", "http://a.example/gr%FCn"),
        ("/a%20b", "http://a.example/a%20b"),
        ("http://b\u00fccher.example/".encode().decode("latin-1"), "http://b\u00fccher.example/"),
        ("http://b.example:81/'\"<>", "http://b.example:81/'%22%3C%3E"),
        ("http://[::1]:81/b", "http://[::1]:81/b"),
    ],
)
def test_a_location_is_resolved_as_by_a_browser(location: str, url: str) -> None:
    assert resolve_location("http://a.example/x/y?z=1", location) == url


@pytest.mark.parametrize(
    "location", ["", " ", "gopher://a/", "http://u:p@b/", "http://b:0/", "http://a b/", "https:///b", "http://a..b/"]
)
def test_a_location_that_leads_nowhere(location: str) -> None:
    with pytest.raises(CheckError) as fault:
        resolve_location("http://a.example/", location)
    assert fault.value.code == "redirect_invalid"


def test_a_redirect_with_raw_letters_is_followed(server: Any, run: Any, responses: Any) -> None:
    page = responses.answer("302 Found", b"", "Location: /gr\u00fcner Tee?x=\u00e4 b")
    server.routes |= {"/go": page, "/gr%C3%BCner%20Tee": responses.answer(body=b"tea")}
    [result] = run({"name": "a", "url": server.url("/go"), "follow_redirects": 1, "expect": {"body_regex": ["^tea$"]}})
    assert result["state"] == "healthy", result
    assert server.seen[-1].path == "/gr%C3%BCner%20Tee?x=%C3%A4%20b"


# ---------------------------------------------------------------- the conversation
def test_an_answer_may_come_before_the_body_is_sent(run: Any, responses: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        peer, _address = listener.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(responses.answer("413 Content Too Large", b"at most 1 MB"))
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(1 << 20):
                pass

    threading.Thread(target=refuse, daemon=True).start()
    check = {"name": "a", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "method": "POST", "timeout": 10}
    [result] = run(
        {**check, "body": "x" * 5_000_000, "body_format": "raw", "expect": {"status": ["413"], "body_regex": ["1 MB"]}}
    )
    listener.close()
    assert result["state"] == "healthy", result


@pytest.mark.parametrize("polite", [True, False])
@pytest.mark.parametrize("length", ["", "Content-Length: 4\r\n"])
def test_tls_that_is_cut_is_named(authority: Any, run: Any, polite: bool, length: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    context = authority.context("todo.local")

    def serve() -> None:
        peer, _address = listener.accept()
        secure = context.wrap_socket(peer, server_side=True)
        secure.recv(65536)
        secure.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\nhalf".encode())
        if polite:
            with contextlib.suppress(OSError, ssl.SSLError):
                secure.unwrap()
        raw = socket.socket(fileno=secure.detach())
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65536):
            pass
        raw.close()

    threading.Thread(target=serve, daemon=True).start()
    resolve = {"todo.local": f"127.0.0.1:{listener.getsockname()[1]}"}
    check = {
        "name": "a",
        "url": "https://todo.local/",
        "resolve": resolve,
        "tls": {"ca_path": authority.path},
        "timeout": 10,
    }
    [result] = run(check)
    listener.close()
    if polite or length:
        assert result["state"] == "healthy", result
    else:
        assert result["last_error"]["code"] == "connection_closed"
        assert "TLS was cut after 4 bytes" in result["last_error"]["message"]


# ---------------------------------------------------------------- shared resources
def test_names_that_hang_leave_the_others_alone(
    server: Any, run: Any, stuck: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, *_rest: Any, **_options: Any) -> Any:
        if host.startswith("dead"):
            stuck()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    dead = [{"name": f"dead {at}", "url": f"http://dead{at}.example/", "timeout": 60} for at in range(100)]
    alive = {"name": "alive", "url": f"http://alive.example:{server.port}/"}
    results = run(
        *dead,
        alive,
        {"name": "end", "type": "dns", "url": "dns://dead0.example", "timeout": 0.01, "depends_on": ["alive"]},
        deadline=60,
        max_parallel=256,
        fail_fast=True,
    )
    assert results[-2]["state"] == "healthy", results[-2]
    assert results[-1]["last_error"]["code"] == "dns_timeout"


def test_a_name_is_asked_for_once_by_all_who_wait_for_it(
    server: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    gate = threading.Event()

    def look_up(host: str, *_rest: Any, **_options: Any) -> Any:
        asked.append(host)
        if host == "web.example":
            gate.wait(20)
        else:
            gate.set()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    checks = [{"name": str(at), "url": f"http://web.example:{server.port}/"} for at in range(50)]
    results = run(*checks, {"name": "opens the gate", "url": f"http://last.example:{server.port}/"})
    assert {one["state"] for one in results} == {"healthy"}
    assert asked.count("web.example") == 1


def test_a_free_descriptor_is_waited_for(server: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = connection._open, [3]

    async def scarce(family: int, address: Any) -> socket.socket:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await real(family, address)

    monkeypatch.setattr(connection, "_open", scarce)
    monkeypatch.setattr(connection, "DESCRIPTOR_PAUSE", 0)
    [result] = run({"name": "a", "url": server.url("/")})
    assert (result["state"], result["attempts"]) == ("healthy", 1)
    left[0] = 1 << 60
    [result] = run({"name": "a", "url": server.url("/"), "timeout": 0.05, "invert": True})
    assert result["last_error"]["code"] == "descriptors_exhausted"


# ---------------------------------------------------------------- a connection by itself
def test_a_name_without_addresses_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_arguments: Any) -> list[Any]:
        return []

    monkeypatch.setattr(connection.Connector, "_addresses", none)
    [result] = run({"name": "a", "type": "tcp", "url": "tcp://empty.example:1"})
    assert result["last_error"]["code"] == "dns_failed"
    assert "empty.example has no address." in result["last_error"]["message"]


def test_a_greeting_is_no_first_byte_of_a_response_and_closing_is_at_once() -> None:
    async def talk(listener: socket.socket) -> tuple[bytes, dict[str, float], bytes]:
        timings = Timings()
        port = listener.getsockname()[1]
        opened = await connection.Connector(ThreadPool(1)).open(ConnectOptions(), "127.0.0.1", port, timings)
        server, _address = listener.accept()
        with server:
            server.settimeout(5)
            server.sendall(b"hello")
            greeting = await opened.receive()
            opened.close()
            await asyncio.sleep(0)
            return greeting, timings.phases, server.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        greeting, phases, end = asyncio.run(talk(listener))
    assert (greeting, end) == (b"hello", b"") and "connect" in phases and "first_byte" not in phases
