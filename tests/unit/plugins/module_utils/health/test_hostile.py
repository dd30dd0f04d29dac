# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers, proxies, resolvers and patterns that would keep a check for ever or eat the host's memory."""

from __future__ import annotations

import contextlib
import gzip
import json
import resource
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health import evaluate as judging
from ansible_collections.slipway.kube.plugins.module_utils._health import runner as running
from ansible_collections.slipway.kube.plugins.module_utils._http import address, connection, tls
from ansible_collections.slipway.kube.plugins.module_utils._http.decoders import BodyDecoder
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TIMEOUT = 0.3
Peer = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def listen() -> Iterator[Callable[[Peer], int]]:
    """Start a listener that treats each connection as told, before a byte of it is read; return its port."""
    over = threading.Event()
    sockets: list[socket.socket] = []

    def start(peer: Peer) -> int:
        sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        sockets.append(sock)

        def one(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), contextlib.closing(connection):
                peer(connection, over)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(sock.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return int(sock.getsockname()[1])

    yield start
    over.set()
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def say(*pieces: bytes, every: float = 0.0, again: bool = False) -> Peer:
    """Read the request's beginning, send the pieces, the last one for ever if told so, then stay silent."""

    def peer(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
        while again and not over.wait(every):
            connection.sendall(pieces[-1])
        over.wait(5)

    return peer


def reset(connection: socket.socket, _over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def deaf(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(5)


def seconds(code: str | None) -> float:
    """A timeout that is short where the test waits for it, and long enough for a busy machine elsewhere."""
    return TIMEOUT if code is None or code.endswith("timeout") else 5.0


OK = b"HTTP/1.1 200 OK\r\n"


# ---------------------------------------------------------------- the conversation
@pytest.mark.parametrize(
    ("peer", "code"),
    [
        pytest.param(deaf, "read_timeout", id="accepted and never answered"),
        pytest.param(reset, "connection_reset", id="reset at once"),
        pytest.param(
            say(OK, b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 99, again=True), "headers_too_large", id="headers"
        ),
        pytest.param(say(OK, b"X: " + b"a" * 65536, again=True), "headers_too_large", id="one header without an end"),
        pytest.param(say(OK, b" folded\r\n", again=True), "protocol_error", id="folded before any header"),
        pytest.param(
            say(OK + b"A: b\r\n", b" folded\r\n" * 999, again=True), "headers_too_large", id="one header of many lines"
        ),
        pytest.param(say(b"HTTP/1.1 100 Continue\r\n\r\n", again=True), "protocol_error", id="interim answers"),
        pytest.param(say(b"HTTP/1.1 101 Switching\r\n\r\n"), "protocol_error", id="another protocol"),
        pytest.param(say(b"HTTP/2.0 200 OK\r\n\r\n"), "protocol_error", id="another major version"),
        pytest.param(say(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\n"), "protocol_error", id="HTTP/2 frames"),
        pytest.param(say(b"\x15\x03\x01\x00\x02\x02\x46\n"), "protocol_error", id="a TLS alert"),
        pytest.param(say(b"220 mail ready\r\n"), "protocol_error", id="SMTP"),
        pytest.param(say(b"\0" * 4096, again=True), "headers_too_large", id="noise without lines"),
        pytest.param(say(OK + b"Content-Length: -1\r\n\r\n"), "protocol_error", id="negative length"),
        pytest.param(say(OK + b"Content-Length: 1" + b"0" * 40 + b"\r\n\r\n"), "protocol_error", id="endless length"),
        pytest.param(say(OK + b"Content-Length: 999999999\r\n\r\n"), "body_too_large", id="announced too much"),
        pytest.param(say(OK + b"Transfer-Encoding: gzip\r\n\r\n"), "protocol_error", id="transfer encoding"),
        pytest.param(
            say(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 9000), "headers_too_large", id="extension"
        ),
        pytest.param(
            say(OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", b"x" * 4096, again=True),
            "body_too_large",
            id="one chunk without an end",
        ),
        pytest.param(
            say(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"T: t\r\n" * 999, again=True),
            "headers_too_large",
            id="trailers",
        ),
        pytest.param(
            say(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", every=0.02, again=True),
            "read_timeout",
            id="a chunk now and then",
        ),
    ],
)
def test_every_misbehaviour_ends_in_time_with_its_code(listen: Any, run: Any, peer: Peer, code: str) -> None:
    [result] = run({"name": "a", "url": f"http://127.0.0.1:{listen(peer)}/", "timeout": seconds(code)})
    assert (result["state"], result["last_error"]["code"]) == ("unhealthy", code), result["last_error"]


def test_a_server_that_does_not_read(listen: Any, run: Any) -> None:
    url = f"http://127.0.0.1:{listen(deaf)}/"
    [result] = run(
        {"name": "a", "url": url, "method": "POST", "body": "x" * 12_000_000, "body_format": "raw", "timeout": 1.0}
    )
    assert result["last_error"]["code"] == "write_timeout", result


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_what_follows_a_compressed_body_takes_no_memory(listen: Any, run: Any, encoding: bytes) -> None:
    packed = gzip.compress(b"small") if encoding == b"gzip" else zlib.compress(b"small")
    peer = say(OK + b"Content-Encoding: " + encoding + b"\r\n\r\n" + packed, b"\0" * 65536, again=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    [result] = run({"name": "a", "url": f"http://127.0.0.1:{listen(peer)}/", "timeout": TIMEOUT})
    assert result["last_error"]["code"] == "read_timeout"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB


def test_gzip_of_several_members_is_one_body(server: Any, run: Any, responses: Any) -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    server.routes["/members"] = responses.answer("200 OK", body, "Content-Encoding: gzip")
    server.routes["/tail"] = responses.answer("200 OK", body + b"\0\0\0", "Content-Encoding: gzip")
    server.routes["/broken"] = responses.answer("200 OK", body + b"\x1f\x8bnothing", "Content-Encoding: gzip")
    members, tail, broken = run(
        {"name": "members", "url": server.url("/members"), "expect": {"body_regex": ["^one two$"]}},
        {"name": "tail", "url": server.url("/tail"), "expect": {"body_regex": ["^one two$"]}},
        {"name": "broken", "url": server.url("/broken")},
    )
    assert members["state"] == tail["state"] == "healthy", (members, tail)
    assert broken["last_error"]["code"] == "encoding_error"


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_compressed_bodies_may_be_cut_anywhere(cut: int) -> None:
    data = gzip.compress(b"one ") + gzip.compress(b"two")
    body = BodyDecoder("gzip", 100)
    assert b"".join([*body.feed(data[:cut]), *body.feed(data[cut:])]) == b"one two"
    body.finish()


def test_redirects_that_never_repeat_reach_the_limit(server: Any, run: Any, responses: Any) -> None:
    def onward(seen: Any, connection: socket.socket, _method: str, path: str, *_rest: Any) -> None:
        step = int(path.partition("=")[2] or 0) + 1
        connection.sendall(responses.answer("302 Found", b"", f"Location: /on?step={step}"))

    server.routes["/on"] = onward
    [result] = run({"name": "a", "url": server.url("/on"), "follow_redirects": 20})
    assert result["last_error"]["code"] == "redirect_limit"
    assert len(server.seen) == 21


@pytest.mark.parametrize(
    "location", ["", "https://", "http://u:p@host/", "http://host:0/", "http://[::1/", "http://a b/"]
)
def test_redirects_to_nowhere(server: Any, run: Any, responses: Any, location: str) -> None:
    server.routes["/away"] = responses.answer("302 Found", b"", f"Location: {location}")
    [result] = run({"name": "a", "url": server.url("/away"), "follow_redirects": 2})
    assert result["last_error"]["code"] == "redirect_invalid"


# ---------------------------------------------------------------- finding and reaching the other side
def test_an_address_that_leads_nowhere_does_not_use_up_the_timeout(
    server: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = socket.create_server(("127.0.0.2", 0), backlog=0)
    port = full.getsockname()[1]
    reachable = socket.create_server(("127.0.0.1", port))
    fillers = [socket.socket() for _turn in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.2", port))
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: infos)
    monkeypatch.setattr(connection, "ATTEMPT_DELAY", 0.05)
    [result] = run({"name": "a", "type": "tcp", "url": f"tcp://two.example:{port}", "timeout": 2})
    for sock in (*fillers, full, reachable):
        sock.close()
    assert result["state"] == "healthy", result
    assert result["timings"]["connect"] < 1000 and "dns" in result["timings"]


def test_the_preferred_address_s_fault_is_told(run: Any, refused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, refused_port)) for address in ("127.0.0.3", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: infos)
    [result] = run({"name": "a", "url": f"http://two.example:{refused_port}/"})
    assert result["last_error"]["code"] == "connect_refused"
    assert "127.0.0.3" in result["last_error"]["message"]


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "xn--\u00fc.example"])
def test_names_that_are_none(run: Any, host: str) -> None:
    [result] = run({"name": "a", "url": f"http://{host}/", "timeout": 2})
    assert result["last_error"]["code"] in ("dns_failed", "dns_timeout", "placeholder_invalid")


def test_ipv6_by_resolve(make_server: Any, run: Any) -> None:
    try:
        server = make_server(family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    url, resolve = "http://todo.local/", {"todo.local": f"[::1]:{server.port}"}
    [result] = run({"name": "a", "url": url, "resolve": resolve})
    assert result["state"] == "healthy", result
    assert server.seen[0].headers["host"] == "todo.local"


# ---------------------------------------------------------------- TLS
def own_certificate(directory: Path, name: str) -> tuple[str, str]:
    """Write a certificate that is signed by its own key; return its path and the key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "own.pem", directory / "own.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(paths[0]), str(paths[1])


def test_a_self_signed_certificate(make_server: Any, run: Any, tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, "todo.local")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = make_server(context)
    common = {"url": "https://todo.local/", "resolve": {"todo.local": f"127.0.0.1:{server.port}"}}
    refused, named, unverified = run(
        {"name": "refused", **common},
        {"name": "named", **common, "tls": {"ca_path": certificate}},
        {"name": "unverified", **common, "tls": {"verify": False, "min_days_left": 14}},
    )
    assert refused["last_error"]["code"] == "tls_untrusted"
    assert "self-signed" in refused["last_error"]["message"]
    assert named["state"] == "healthy", named
    assert unverified["last_error"]["code"] == "tls_expires_soon"


def test_a_certificate_for_names_is_none_for_an_address(make_server: Any, authority: Any, run: Any) -> None:
    server = make_server(authority.context("todo.local"))
    [result] = run({"name": "a", "url": server.url("/"), "tls": {"ca_path": authority.path}})
    assert result["last_error"]["code"] == "tls_name_mismatch", result


@pytest.mark.parametrize(
    ("peer", "code"),
    [
        pytest.param(reset, "tls_failed", id="reset"),
        pytest.param(say(b"\x16\x03\x03\x40\x00", b"\x02", every=0.02, again=True), "tls_timeout", id="drip"),
        pytest.param(say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls_failed", id="plain answer"),
        pytest.param(say(b"\x15\x03\x03\x00\x02\x02\x46"), "tls_version", id="alert protocol version"),
        pytest.param(say(b"\x15\x03\x03\x00\x02\x02\x28"), "tls_failed", id="alert handshake failure"),
        pytest.param(say(b"\x00" * 4096, again=True), "tls_failed", id="noise"),
    ],
)
@pytest.mark.parametrize("kind", ["https", "tls", "grpcs"])
def test_handshakes_end_in_time_with_their_code(listen: Any, run: Any, peer: Peer, code: str, kind: str) -> None:
    names = {"https": "http", "tls": "tls", "grpcs": "grpc"}
    check = {"name": "a", "type": names[kind], "url": f"{kind}://127.0.0.1:{listen(peer)}", "timeout": seconds(code)}
    [result] = run(check)
    # A reset may arrive before the handshake begins.
    assert result["last_error"]["code"] in (code, "connection_reset" if peer is reset else code), result["last_error"]


def test_contexts_are_shared_whatever_name_and_days_a_check_asks_for(authority: Any) -> None:
    one = tls.make_context(tls.Tls(ca_path=authority.path, server_name="a", min_days_left=3))
    two = tls.make_context(tls.Tls(ca_path=authority.path, server_name="b"))
    assert one is two
    assert tls.make_context(tls.Tls(ca_path=authority.path, verify=False)) is not one


# ---------------------------------------------------------------- gRPC
@pytest.mark.parametrize(
    ("peer", "code"),
    [
        pytest.param(say(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", again=True, every=0.01), "read_timeout", id="SETTINGS"),
        pytest.param(say(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"p" * 8, again=True), None, id="PING flood"),
        pytest.param(say(b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + b"\x00\xff\xff\xff\xff" + b"d" * 16379, again=True),
                     "protocol_error", id="a message without an end"),
        pytest.param(say(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"), "protocol_error", id="frame too large"),
        pytest.param(say(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\0" * 8), "grpc_failed", id="GOAWAY"),
        pytest.param(reset, "connection_reset", id="reset"),
        pytest.param(deaf, "read_timeout", id="silent"),
    ],
)  # fmt: skip
def test_grpc_servers_that_misbehave(listen: Any, run: Any, peer: Peer, code: str | None) -> None:
    [result] = run({"name": "a", "type": "grpc", "url": f"grpc://127.0.0.1:{listen(peer)}", "timeout": seconds(code)})
    assert result["last_error"]["code"] in ({code} if code else {"read_timeout", "write_timeout"}), result


# ---------------------------------------------------------------- proxies
def tunnel(target: int, seen: list[bytes]) -> Peer:
    """A proxy that opens its tunnel to a port of this host, whatever host it is asked for."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def peer(connection: socket.socket, _over: threading.Event) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        seen.append(head)
        with socket.create_connection(("127.0.0.1", target)) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            threading.Thread(target=pump, args=(far, connection), daemon=True).start()
            pump(connection, far)

    return peer


@pytest.mark.parametrize("kind", ["http", "tls"])
def test_a_tunnel_through_the_environment_s_proxy(
    listen: Any, make_server: Any, authority: Any, run: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    seen: list[bytes] = []
    server = make_server(authority.context("far.example"))
    port = listen(tunnel(server.port, seen))
    monkeypatch.setenv("https_proxy", f"http://user:proxy-password@127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = "https://far.example/json" if kind == "http" else "tls://far.example:443"
    check = {"name": "a", "type": kind, "url": url, "environment_proxy": True, "tls": {"ca_path": authority.path}}
    [result] = run(check)
    assert result["state"] == "healthy", result
    assert seen[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in seen[0]


def test_the_environment_s_proxy_is_used_only_when_asked_for(
    server: Any, run: Any, responses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "direct.example,.inside.example,other.example:8080")
    hosts = ["far.example", "direct.example", "a.inside.example", "other.example", "other.example:8080"]
    for host in hosts:
        server.routes[f"http://{host}/"] = responses.answer()
    checks = [{"name": host, "url": f"http://{host}/", "environment_proxy": True} for host in hosts]
    results = run(*checks, {"name": "not asked for", "url": "http://far.example/"})
    states = {item["name"]: item["state"] for item in results}
    assert [name for name, state in states.items() if state == "healthy"] == ["far.example", "other.example"]
    assert {item["last_error"]["code"] for item in results if item["last_error"]} == {"dns_failed"}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("peer", [deaf, reset, say(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")])
def test_a_proxy_that_fails_is_named_as_such(listen: Any, run: Any, peer: Peer, scheme: str) -> None:
    check = {"name": "a", "url": f"{scheme}://far.example/", "timeout": TIMEOUT}
    [result] = run({**check, "proxy": f"http://127.0.0.1:{listen(peer)}"})
    expected = {"proxy_failed"} if scheme == "https" else {"read_timeout", "connection_reset", "proxy_failed"}
    assert result["last_error"]["code"] in expected, result


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(
    run: Any, refused_port: int, monkeypatch: pytest.MonkeyPatch, stuck: Any, scheme: str
) -> None:
    check = {"name": "a", "url": f"{scheme}://far.example/", "timeout": TIMEOUT}
    [refused] = run({**check, "proxy": f"http://127.0.0.1:{refused_port}"})
    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    [unresolved] = run({**check, "proxy": "http://proxy.example:3128"})
    assert refused["last_error"]["code"] == unresolved["last_error"]["code"] == "proxy_failed"
    assert f"port {refused_port}" in refused["last_error"]["message"]


@pytest.mark.parametrize("value", ["socks5://p:1", "https://p:1", "http://p:99999", "http://:3128", "http://[::1"])
def test_a_proxy_of_the_environment_that_is_none(value: str) -> None:
    asked = address.ConnectOptions(environment_proxy=True)
    with pytest.raises(CheckError, match="environment variable http_proxy") as caught:
        address.choose_proxy(asked, "http", "a.example", 80, {"http": value})
    assert caught.value.code == "proxy_failed"


# ---------------------------------------------------------------- answers that are hard to judge
def test_a_pattern_that_never_ends_is_stopped(
    server: Any, run: Any, responses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "JUDGING_SECONDS", 0.3)
    server.routes["/a"] = responses.answer("200 OK", b'{"a": "' + b"a" * 40 + b'!"}')
    body, value, other = run(
        {"name": "body", "url": server.url("/a"), "expect": {"body_regex": ["(a+)+$"]}, "retry_for": 60},
        {"name": "json", "url": server.url("/a"), "expect": {"json": [{"path": "a", "matches": "^(a|aa)+$"}]}},
        {"name": "other", "url": server.url("/"), "timeout": 15},
        deadline=10,
    )
    assert body["last_error"]["code"] == value["last_error"]["code"] == "judging_timeout"
    assert body["attempts"] == 1
    assert other["state"] == "healthy"


def test_a_stop_that_is_lost_in_a_destructor_comes_again() -> None:
    class Swallows:
        def __del__(self) -> None:
            with contextlib.suppress(CheckError):
                while True:
                    pass

    with pytest.raises(CheckError), judging.bounded(0.01):
        Swallows()
        while True:
            pass
    assert judging.signal.getitimer(judging.signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.parametrize("depth", [150, 5_000, 200_000])
def test_deep_json_is_refused_or_judged(server: Any, run: Any, responses: Any, depth: int) -> None:
    server.routes["/deep"] = responses.answer("200 OK", b"[" * depth + b"]" * depth)
    expect = {"json": [{"path": "@", "equals": [1]}], "body_not_regex": ["z"]}
    [result] = run({"name": "a", "url": server.url("/deep"), "expect": expect, "extract": {"x": "nothing"}})
    assert result["last_error"]["code"] in ("body_not_json", "assertion_failed"), result["last_error"]


@pytest.mark.parametrize(
    "body",
    [
        b'"\\ud800"',
        b"NaN",
        b"1" * 6000,
        b"-Infinity",
        b'{"a": "\\udfff\\u0000"}',
        b'{"__proto__": null, "": {"": []}}',
        b"\xff\xfe\x00\x00",
        '{"a": "\u2028\u202e\x1b[31m"}'.encode(),
    ],
)
def test_strange_values_are_shown_and_can_be_extracted(server: Any, run: Any, responses: Any, body: bytes) -> None:
    server.routes["/a"] = responses.answer("200 OK", body)
    strange, used = run(
        {"name": "a", "url": server.url("/a"), "extract": {"x": "@"}},
        {
            "name": "b",
            "url": server.url("/echo?x=${x}"),
            "method": "POST",
            "headers": {"X-A": "${x}"},
            "body": {"x": "${x}"},
            "depends_on": ["a"],
        },
    )
    json.dumps([strange, used]).encode()
    codes = {(item["last_error"] or {}).get("code") for item in (strange, used)}
    assert "internal_error" not in codes, (strange, used)


# ---------------------------------------------------------------- the deadline of the whole task
def test_the_deadline_holds_against_everything_at_once(
    listen: Any, server: Any, run: Any, responses: Any, monkeypatch: pytest.MonkeyPatch, stuck: Any
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: stuck() if "slow" in str(host) else real(host, *a, **k)
    )
    server.routes["/a"] = responses.answer("200 OK", b"a" * 40 + b"!")
    peers = [deaf, say(OK + b"\r\n", b".", every=0.02, again=True), say(OK + b"\r\n", b"x" * 65536, again=True)]
    urls = [f"http://127.0.0.1:{listen(peer)}/" for peer in peers]
    urls += [f"http://slow{at}.example/" for at in range(40)] + [server.url("/silent"), server.url("/drip-head")]
    hang = [{"name": url, "url": url, "timeout": 60, "retry_for": 60, "max_body_bytes": 1 << 20} for url in urls]
    more = [
        {"name": "pattern", "url": server.url("/a"), "expect": {"body_regex": ["(a+)+$"]}},
        {"name": "https", "url": urls[0].replace("http:", "https:"), "timeout": 60},
        {"name": "grpc", "type": "grpc", "url": urls[0].replace("http:", "grpc:").rstrip("/"), "timeout": 60},
    ]
    results = run(*hang, *more, deadline=1.0)
    assert all(item["state"] != "healthy" and item["last_error"]["code"] for item in results)
