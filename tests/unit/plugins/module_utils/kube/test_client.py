# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the Kubernetes API against a server on loopback that breaks off, drips, refuses and redirects."""

from __future__ import annotations

import base64
import contextlib
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import connections
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import (
    MERGE_PATCH,
    ApiError,
    KubeconfigError,
    KubernetesClient,
    KubernetesError,
    UnreachableError,
)
from fake_kubernetes import Answer, FakeKubernetes, Served, refusal, serve

SECRETS = "/api/v1/namespaces/todo/secrets"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def fake() -> FakeKubernetes:
    found = FakeKubernetes()
    found.add("namespaces", "todo")
    found.add("secrets", "db", labels={"app": "db"})
    return found


@pytest.fixture
def server(fake: FakeKubernetes) -> Iterator[Served]:
    with serve(fake) as served:
        yield served


class Slept(list[float]):
    """Pauses that take no time."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def client(server: Served, tmp_path: Path, slept: Slept) -> Iterator[KubernetesClient]:
    with KubernetesClient(server.kubeconfig(tmp_path), None, sleep=slept) as found:
        yield found


# ---------------------------------------------------------------- asking
def test_objects_are_plain_dictionaries_over_one_connection(
    client: KubernetesClient, fake: FakeKubernetes, server: Served
) -> None:
    assert [item["metadata"]["name"] for item in client.items(SECRETS, labelSelector="app=db")] == ["db"]
    assert client.items(SECRETS, labelSelector="app!=db") == []
    made = client.request("POST", SECRETS, body={"metadata": {"name": "api"}})
    assert made["metadata"]["namespace"] == "todo"
    patch = {"metadata": {"resourceVersion": "0"}}
    with pytest.raises(ApiError, match="409.*Somebody else changed it") as caught:
        client.request("PATCH", f"{SECRETS}/api", body=patch, content_type=MERGE_PATCH)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert client.request("GET", "/api/v1/namespaces/todo/pods/p/log", raw=True) == "first\nlast"
    assert server.connections == 1 and fake.calls[0].headers["user-agent"] == "slipway"


def test_answer_of_a_pod_is_told_whatever_it_is(client: KubernetesClient, fake: FakeKubernetes) -> None:
    fake.answers = (503, "x" * 300_000)
    status, text = client.ask("/api/v1/namespaces/todo/services/web:80/proxy/")
    assert status == 503 and len(text) == 64 << 10
    # The rest was not read, and the next answer is not taken for it.
    assert client.items(SECRETS)


# ---------------------------------------------------------------- again
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_too_many_requests_are_sent_again_when_the_server_says(
    client: KubernetesClient, fake: FakeKubernetes, slept: Slept, method: str
) -> None:
    fake.go_wrong(refusal(429, Retry_After="2"))
    client.request(method, f"{SECRETS}/db", body={"metadata": {"labels": {"a": "b"}}}, content_type=MERGE_PATCH)
    assert slept == [2.0] and len(fake.calls) == 2


def test_refusals_beyond_the_deadline_or_without_a_time_are_told(
    client: KubernetesClient, fake: FakeKubernetes, slept: Slept
) -> None:
    for headers in ({"Retry_After": "60"}, {}):
        fake.go_wrong(refusal(429, **headers))
        with pytest.raises(ApiError, match="with 429.*Run this again later") as caught:
            client.items(SECRETS)
        assert caught.value.passing
    assert not slept and len(fake.calls) == 2


def test_server_that_is_starting_is_asked_again_but_not_written_to(
    client: KubernetesClient, fake: FakeKubernetes, slept: Slept
) -> None:
    fake.go_wrong(refusal(503, Retry_After="1"))
    assert client.items(SECRETS) and slept == [1.0]
    fake.go_wrong(refusal(503, Retry_After="1"))
    with pytest.raises(ApiError, match="with 503"):
        client.request("DELETE", f"{SECRETS}/db")
    assert len(fake.writes) == 1 and fake.names("secrets") == ["db"]


def test_broken_connection_is_made_anew_for_what_only_reads(
    client: KubernetesClient, fake: FakeKubernetes, server: Served
) -> None:
    client.items(SECRETS)
    fake.go_wrong(Answer(how="break"))
    assert client.items(SECRETS) and server.connections == 2
    fake.go_wrong(Answer(how="break"), times=3)
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        client.items(SECRETS)
    assert len(fake.calls) == 6 and caught.value.passing


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_write_that_may_have_been_carried_out_is_not_sent_again(
    client: KubernetesClient, fake: FakeKubernetes, slept: Slept, method: str
) -> None:
    fake.go_wrong(Answer(how="break"))
    with pytest.raises(UnreachableError, match=f"Whether {method} {SECRETS}/db was carried out is not known"):
        client.request(method, f"{SECRETS}/db", body={"metadata": {"name": "db"}}, content_type=MERGE_PATCH)
    assert len(fake.calls) == 1 and not slept


def test_write_that_nobody_took_is_sent_again(fake: FakeKubernetes, tmp_path: Path) -> None:
    with serve(fake) as server:
        place = server.kubeconfig(tmp_path)
        port = server.server_port
    tried: list[float] = []
    with KubernetesClient(place, None, sleep=tried.append) as client:
        with pytest.raises(UnreachableError, match="does not answer.*refused.*Start the cluster") as caught:
            client.request("POST", SECRETS, body={"metadata": {"name": "api"}})
        assert len(tried) == 2 and "not known" not in str(caught.value)

        # It is carried out by what takes the port between two tries.
        def begin(_seconds: float) -> None:
            stack.enter_context(serve(fake, port=port))

        with contextlib.ExitStack() as stack, KubernetesClient(place, None, sleep=begin) as late:
            late.request("POST", SECRETS, body={"metadata": {"name": "api"}})
        assert fake.names("secrets") == ["db", "api"]


# ---------------------------------------------------------------- bounded
@pytest.mark.parametrize("how", ["drip", "endless"])
def test_answer_that_never_ends_is_given_up(fake: FakeKubernetes, server: Served, tmp_path: Path, how: str) -> None:
    fake.go_wrong(Answer(200, "", how=how), times=None)
    with KubernetesClient(server.kubeconfig(tmp_path), None, timeout=0.3) as client:
        with pytest.raises(UnreachableError, match="not complete in time"):
            client.items(SECRETS)
        with pytest.raises(UnreachableError, match="not complete in time"):
            client.request("GET", "/api/v1/namespaces/todo/pods/p/log", raw=True)
        with pytest.raises(UnreachableError, match="not complete in time"):
            client.ask("/api/v1/namespaces/todo/services/web:80/proxy/", timeout=0.3)


def test_long_page_costs_little_memory(fake: FakeKubernetes, server: Served, tmp_path: Path) -> None:
    fake.go_wrong(Answer(200, b"x" * (200 << 20)), times=None)
    program = """
import resource, sys
from ansible_collections.slipway.kube.plugins.module_utils._kube.client import KubernetesClient, KubernetesError
with KubernetesClient(sys.argv[1], None, timeout=60) as client:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(client.ask("/api/v1/namespaces/todo/services/web:80/proxy/", timeout=60)[1]) == 64 << 10
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
    try:
        client.items("/api/v1/nodes")
    except KubernetesError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program, server.kubeconfig(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    more, told = run.stdout.splitlines()
    assert int(more) < 8
    assert told.startswith("The answer to GET /api/v1/nodes") and "longer than 128 MiB" in told


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, "<html>Log in</html>", {"Content-Type": "text/html; charset=utf-8"}), "with text/html instead"),
        (Answer(302, "", {"Location": "https://login.example.org/"}), "with 302, a redirect to https://login"),
        (Answer(200, "[1]"), "instead of a JSON object"),
    ],
)
def test_something_else_than_an_api_is_named(
    client: KubernetesClient, fake: FakeKubernetes, answer: Answer, words: str
) -> None:
    fake.go_wrong(answer)
    with pytest.raises(KubernetesError, match=f"{words}.*it is not a Kubernetes API.*Correct the server") as caught:
        client.items(SECRETS)
    assert not caught.value.passing and not isinstance(caught.value, UnreachableError)


# ---------------------------------------------------------------- on the way
TOKEN: dict[str, Any] = {"token": "hunter2-token"}


@pytest.mark.parametrize("exception", ["127.0.0.1", "127.0.0.0/8", "*", ""])
def test_token_goes_to_no_proxy_that_must_not_be_used(
    fake: FakeKubernetes, server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    with serve(FakeKubernetes()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exception)
        with KubernetesClient(server.kubeconfig(tmp_path, TOKEN), None) as client:
            assert client.items(SECRETS)
        assert proxy.fake.calls == []
    assert fake.calls[0].headers["authorization"] == "Bearer hunter2-token"


@pytest.mark.parametrize(
    ("host", "no", "expected"),
    [
        ("https://10.1.2.3:6443", "", "http://proxy:3128"),
        ("https://10.1.2.3:6443", "10.1.0.0/16", None),
        ("https://10.1.2.3:6443", "10.2.0.0/16", "http://proxy:3128"),
        ("https://api.example.org", ".example.org", None),
        ("https://api.example.org", "example.org", None),
        ("https://localhost:8443", "", None),
        ("https://[::1]:8443", "", None),
        ("http://10.1.2.3", "", None),
    ],
)
def test_proxy_of_the_environment(host: str, no: str, expected: str | None) -> None:
    access: Any = SimpleNamespace(proxy=None, host=host)
    assert connections.proxy_of(access, {"https": "proxy:3128", "no": no}) == expected


def test_proxy_of_the_kubeconfig_is_used_with_its_login(
    fake: FakeKubernetes, server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    through = {"server": "http://api.invalid:6443", "proxy_url": server.url.replace("//", "//me:a%40b@")}
    with KubernetesClient(server.kubeconfig(tmp_path, **through), None) as client:
        assert client.items(SECRETS)
    assert fake.calls[0].headers["host"] == "api.invalid:6443"
    login = base64.b64encode(b"me:a@b").decode()
    assert fake.calls[0].headers["proxy-authorization"] == f"Basic {login}"
    socks = server.kubeconfig(tmp_path, proxy_url="socks5://127.0.0.1:1")
    with pytest.raises(KubeconfigError, match="a proxy of the kind socks5 is not supported.*Correct"):
        KubernetesClient(socks, None)


def test_certificate_is_that_of_the_name_in_the_kubeconfig(
    fake: FakeKubernetes, tmp_path: Path, authority: Any
) -> None:
    with serve(fake, authority.context("kubernetes.default")) as server:
        known: dict[str, Any] = {"certificate_authority": authority.path}
        with KubernetesClient(
            server.kubeconfig(tmp_path, **known, tls_server_name="kubernetes.default"), None
        ) as client:
            assert client.items(SECRETS)
            # Streams of the same client look at the name, too.
            assert client.connections.context and client.connections.context.check_hostname
            with serve(fake, authority.context("another.name")) as other:
                client.access.host = other.url
                with pytest.raises(OSError, match="certificate is not valid for 'kubernetes.default'"):
                    client.connections.open(5)
        for more in ({}, {"tls_server_name": "another.name"}):
            with (
                KubernetesClient(server.kubeconfig(tmp_path, **known, **more), None) as client,
                pytest.raises(UnreachableError, match="doesn't match|certificate verify failed"),
            ):
                client.items(SECRETS)
        unknown = server.kubeconfig(tmp_path, tls_server_name="kubernetes.default")
        with KubernetesClient(unknown, None) as client, pytest.raises(UnreachableError, match="verify failed"):
            client.items(SECRETS)
        with KubernetesClient(server.kubeconfig(tmp_path, insecure_skip_tls_verify=True), None) as client:
            assert client.items(SECRETS)


def test_keys_of_the_kubeconfig_lie_in_files_only_while_they_are_needed(
    fake: FakeKubernetes, tmp_path: Path, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    context = authority.context("kubernetes.default")
    context.load_verify_locations(authority.path)
    context.verify_mode = 2
    data = [base64.b64encode(Path(path).read_bytes()).decode() for path in (authority.path, *authority.issue("me"))]
    user = {"client-certificate-data": data[1], "client-key-data": data[2]}
    with serve(fake, context) as server:
        place = server.kubeconfig(
            tmp_path, user, certificate_authority_data=data[0], tls_server_name="kubernetes.default"
        )
        for _time in range(2):
            with KubernetesClient(place, None) as client:
                assert client.items(SECRETS)
                assert list((tmp_path / "temporary").rglob("*"))
            assert not list((tmp_path / "temporary").rglob("*"))


# ---------------------------------------------------------------- logging in
def login(place: Path, script: str) -> dict[str, Any]:
    program = place / "login"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "args": ["a b"]}}


CREDENTIAL = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": %s}'


def test_login_program_gives_the_token_and_again_when_it_has_run_out(
    fake: FakeKubernetes, server: Served, tmp_path: Path
) -> None:
    status = '{"token": "\'$1$(cat count)\'", "expirationTimestamp": "2020-01-01T00:00:00Z"}'
    user = login(tmp_path, f"printf x >> {tmp_path}/count; cd {tmp_path}; echo '{CREDENTIAL % status}' | tr -d '\\n'")
    place = server.kubeconfig(tmp_path, user)
    before = Path(place).read_bytes()
    with KubernetesClient(place, None) as client:
        client.items(SECRETS)
        client.items(SECRETS)
    assert [call.headers["authorization"] for call in fake.calls] == ["Bearer a bxx", "Bearer a bxxx"]
    assert Path(place).read_bytes() == before


def test_login_program_that_waits_is_ended_with_what_it_started(server: Served, tmp_path: Path) -> None:
    place = server.kubeconfig(tmp_path, login(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; wait"))
    with pytest.raises(
        KubeconfigError, match=r"login did not end within 0\.3 s\. Log in to the cluster by hand"
    ) as caught:
        KubernetesClient(place, None, login_seconds=0.3)
    assert not caught.value.passing
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no session >&2; exit 1", "gave no credentials: exec: process returned 1. no session. Log in"),
        ("echo hello", "failed to decode process output"),
        (f"echo '{CREDENTIAL % '{}'}'", "missing token"),
    ],
)
def test_login_program_that_fails_is_told(server: Served, tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(KubeconfigError, match=words):
        KubernetesClient(server.kubeconfig(tmp_path, login(tmp_path, script)), None)


def test_what_a_login_program_says_is_told_without_its_secrets(server: Served, tmp_path: Path) -> None:
    user = login(tmp_path, 'echo "client_secret=hunter-two Bearer abcdefghij" >&2; exit 1')
    with pytest.raises(KubeconfigError, match="process returned 1") as caught:
        KubernetesClient(server.kubeconfig(tmp_path, user), None)
    assert "hunter" not in str(caught.value) and "abcdefghij" not in str(caught.value)


def test_what_other_threads_log_is_no_failed_login(server: Served, tmp_path: Path) -> None:
    def log_in(_configuration: Any) -> None:
        words = "Connection pool is full, discarding connection"
        other = threading.Thread(target=logging.getLogger("urllib3.connectionpool").warning, args=(words,))
        other.start()
        other.join()

    with KubernetesClient(server.kubeconfig(tmp_path, TOKEN), None) as client:
        client.access._configuration.refresh_api_key_hook = log_in
        assert client.items(SECRETS)


def test_missing_login_program_is_told(server: Served, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login"}}
    with pytest.raises(KubeconfigError, match="no-such-login: No such file"):
        KubernetesClient(server.kubeconfig(tmp_path, user), None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        ("a: [", "while parsing.*line 1"),
        ("kind: Config", "current-context"),
        ("[]", "not written as a kubeconfig is"),
    ],
)
def test_kubeconfig_that_is_none(tmp_path: Path, content: str | None, words: str) -> None:
    place = tmp_path / "config"
    if content is not None:
        place.write_text(content)
    with pytest.raises(KubeconfigError, match=f"The kubeconfig {place} cannot be used.*{words}"):
        KubernetesClient(str(place), None)


def test_context_and_files_that_are_not_there(server: Served, tmp_path: Path) -> None:
    with pytest.raises(
        KubeconfigError,
        match="with context gone: It has no such context; known are c. Start the cluster, or correct the path",
    ):
        KubernetesClient(server.kubeconfig(tmp_path), "gone")
    broken = server.kubeconfig(
        tmp_path, server="https://127.0.0.1:1", certificate_authority=str(tmp_path / "kubeconfig")
    )
    with pytest.raises(KubeconfigError, match="Correct the certificates"):
        KubernetesClient(broken, None)


def test_kubeconfig_of_the_environment_is_that_of_now(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{server.kubeconfig(tmp_path)}")
    with KubernetesClient(None, None) as client:
        assert client.items(SECRETS)


def test_library_is_imported_in_parts_only_and_stays_whole_for_others() -> None:
    program = """
import sys
from ansible_collections.slipway.kube.plugins.module_utils._kube import client
assert client.HAS_KUBERNETES
assert not [name for name in sys.modules if name.startswith(("kubernetes", "pydantic", "websocket"))]
import kubernetes
assert kubernetes.client.CoreV1Api and kubernetes.config.load_kube_config and kubernetes.stream
"""
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=True)


def test_a_cluster_is_known_by_its_own_namespace_whatever_leads_to_it(
    fake: FakeKubernetes, server: Served, tmp_path: Path
) -> None:
    with KubernetesClient(server.kubeconfig(tmp_path), "c") as cluster:
        assert cluster.identity() == server.url, "it has none"
        fake.add("namespaces", "kube-system")
        assert cluster.identity() == "uid-kube-system"
        fake.react("GET .*/kube-system", lambda _call: refusal(403))
        assert cluster.identity() == server.url
