# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart test against an API of dictionaries that brings pods back, and a server on loopback."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._rollout import load, restarts
from ansible_collections.slipway.kube.plugins.module_utils._rollout.load import LoadGenerator, LoadOptions
from ansible_collections.slipway.kube.plugins.module_utils._rollout.restarts import (
    Outcome,
    Target,
    fault,
    plan,
    restart,
    suggestion,
)
from ansible_collections.slipway.kube.plugins.modules import restart_test
from fake_kubernetes import Answer, Call, FakeKubernetes, nobody, stand_in

Object = dict[str, Any]
HELM = {"meta.helm.sh/release-name": "todo"}
TODO = [("todo", "todo")]


def workload(name: str, replicas: int = 2, **metadata: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "todo", "uid": f"uid-{name}", "annotations": HELM, **metadata},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": name}]}}},
        "status": {},
    }


def pod(name: str, owner: str, ready: bool = True) -> Object:
    owners = [{"uid": f"set-{owner}", "controller": True}]
    return {
        "metadata": {"name": name, "namespace": "todo", "uid": f"uid-{name}", "ownerReferences": owners},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


class Restarting(FakeKubernetes):
    """A cluster that brings back what is deleted: the old pod goes and the new one is ready after some looks."""

    def __init__(self, *deployments: Object, looks: int = 2, **others: list[Object]) -> None:
        names = [(one["metadata"]["name"], one["spec"]["replicas"]) for one in deployments]
        sets = [
            {"metadata": {"uid": f"set-{name}", "ownerReferences": [{"uid": f"uid-{name}", "controller": True}]}}
            for name, _count in names
        ]
        pods = [pod(f"{name}-{index}", name) for name, count in names for index in range(count)]
        super().__init__(deployments=list(deployments), replicasets=sets, pods=pods, **others)
        self.looks = looks
        self.steps: list[str] = []
        self.now = 0.0
        self.on_delete: list[Any] = []
        self._left: dict[str, int] = {}
        self.react("DELETE .*/pods/", self._go)
        self.react("GET .*/deployments/", self._turn)

    @property
    def pods(self) -> list[Object]:
        """All pods."""
        return self.collections[self.path("pods")]

    def _turn(self, call: Call) -> None:
        """Let the cluster go on by one step: a pod that was deleted goes, then another one becomes ready."""
        for item in list(self.pods):
            name = item["metadata"]["name"]
            if name not in self._left:
                continue
            self._left[name] -= 1
            if self._left[name] > 0:
                continue
            del self._left[name]
            if item["metadata"].get("deletionTimestamp"):
                self.pods.remove(item)
                self.steps.append(f"gone {name}")
            else:
                item["status"]["conditions"][0]["status"] = "True"
                self.steps.append(f"ready {name}")
        # Nothing here is late: what the tests count are the pods themselves.
        found = self.get("deployments", call.last)
        wanted = found["spec"]["replicas"]
        found["status"] = {"replicas": wanted, "updatedReplicas": wanted, "availableReplicas": wanted}

    def _go(self, call: Call) -> Answer | None:
        if call.last not in self.names("pods"):
            return None
        assert not call.query and not call.body, "a deletion must leave the pod its grace period"
        item = self.get("pods", call.last)
        owner = item["metadata"]["ownerReferences"][0]["uid"].removeprefix("set-")
        self.steps.append(f"delete {call.last}")
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._left[call.last] = self.looks
        self.pods.append(pod(f"{call.last}-new", owner, ready=False))
        self._left[f"{call.last}-new"] = self.looks + 1
        for act in self.on_delete:
            act(call.last)
        return Answer(200, item)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "waiting without letting time pass"
        self.now += seconds

    def restart(self, load: Any, deadline: float = 300.0) -> Outcome:
        targets = plan(self, TODO).targets
        return restart(self, targets, load, deadline, clock=lambda: self.now, sleep=self.sleep)


class Quiet:
    """Requests that never fail."""

    pod = ""
    gave_up = False
    dead = False


class Server:
    """A server on loopback that answers with C(status); 0 closes the connection without a word."""

    def __init__(self) -> None:
        self.status = 200
        self.hosts: list[str] = []
        self.paths: list[str] = []
        self.tokens: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hosts.append(self.headers["Host"])
                outer.paths.append(self.path)
                outer.tokens.append(self.headers.get("X-Token", ""))
                if outer.status:
                    self.send_response(outer.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._http.server_port}"
        self.thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


# ---------------------------------------------------------------- what is deleted
def test_pods_go_one_by_one_and_only_when_all_are_back() -> None:
    api = Restarting(workload("api"), workload("page"))
    quiet = Quiet()
    named: list[tuple[str, str]] = []
    api.on_delete.append(lambda name: named.append((name, quiet.pod)))
    outcome = api.restart(quiet)
    expected = [
        step
        for name in ("api-0", "api-1", "page-0", "page-1")
        for step in (f"delete {name}", f"gone {name}", f"ready {name}-new")
    ]
    assert api.steps == expected
    assert [one.pod for one in outcome.deleted] == ["api-0", "api-1", "page-0", "page-1"]
    assert outcome.stuck == ""
    assert all(name == told for name, told in named) and len(named) == 4


def test_workloads_that_cannot_pass_are_left_out_and_named() -> None:
    api = Restarting(
        workload("api"),
        workload("single", 1),
        workload("half", 3),
        workload("foreign", annotations={"meta.helm.sh/release-name": "other"}),
        statefulsets=[workload("db")],
        daemonsets=[workload("agent")],
    )
    for item in api.pods:
        if item["metadata"]["name"] in ("half-0", "half-1"):
            item["status"]["conditions"][0]["status"] = "False"
    found = plan(api, TODO)
    assert [one.pod for one in found.targets] == ["api-0", "api-1"]
    assert {(one["kind"], one["name"]) for one in found.left_out} == {
        ("Deployment", "single"),
        ("Deployment", "half"),
        ("StatefulSet", "db"),
        ("DaemonSet", "agent"),
    }
    reasons = {one["name"]: one["reason"] for one in found.left_out}
    assert reasons["single"].startswith("its replicas are 1")
    assert reasons["half"].startswith("1 of its 3 pods are ready")


def test_pods_of_a_job_with_the_same_labels_stay() -> None:
    api = Restarting(workload("api"))
    api.pods.append(pod("migration-a", "some-job"))
    assert [one.pod for one in plan(api, TODO).targets] == ["api-0", "api-1"]


def test_pod_that_went_by_itself_is_not_counted() -> None:
    api = Restarting(workload("api", 3))
    targets = plan(api, TODO).targets
    api.pods.remove(api.get("pods", "api-1"))
    api.pods.append(pod("api-9", "api"))
    outcome = restart(api, targets, Quiet(), 300.0, clock=lambda: api.now, sleep=api.sleep)
    assert [one.pod for one in outcome.deleted] == ["api-0", "api-2"]


def test_deadline_ends_waiting_for_a_deployment_that_does_not_heal() -> None:
    api = Restarting(workload("api"), looks=10_000)
    outcome = api.restart(Quiet(), deadline=30.0)
    assert [one.pod for one in outcome.deleted] == ["api-0"]
    assert outcome.stuck == "Deployment api is not complete again: pod api-0 is still running"
    assert 30 <= outcome.seconds < 32
    generator = LoadGenerator(LoadOptions(["http://todo.local/"]))
    assert "did not finish within its deadline: Deployment api" in fault(generator, outcome)


def test_deadline_keeps_the_next_pod_from_being_deleted() -> None:
    api = Restarting(workload("api"))
    outcome = api.restart(Quiet(), deadline=0.5)
    assert [one.pod for one in outcome.deleted] == ["api-0"]
    assert outcome.stuck


@pytest.mark.parametrize("state", ["gave_up", "dead"])
def test_nothing_more_is_deleted_when_requests_have_ended(state: str) -> None:
    api = Restarting(workload("api"))
    quiet = Quiet()
    api.on_delete.append(lambda _name: setattr(quiet, state, True))
    outcome = api.restart(quiet)
    assert [one.pod for one in outcome.deleted] == ["api-0"]
    assert outcome.stuck == ""


# ---------------------------------------------------------------- what is asked
def wait_for(condition: Any) -> None:
    """Wait until something holds that another thread brings about."""
    pause = threading.Event()
    for _turn in range(500):
        if condition():
            return
        pause.wait(0.02)
    pytest.fail("it did not happen within 10 s")


def test_requests_go_to_the_resolved_address_at_the_rate(server: Server) -> None:
    options = LoadOptions(
        ["http://Todo.local/page"], {"todo.LOCAL": server.address}, {"X-Token": "hunter2"}, rate=100.0
    )
    with LoadGenerator(options) as generator:
        threading.Event().wait(0.5)
    # The upper bound is the point: a request that is late must not be made up for.
    assert 10 <= generator.requests <= 55
    assert generator.failed == 0 and generator.failures == []
    assert len(server.hosts) == generator.requests + 1, "one before anything is deleted"
    assert set(server.hosts) == {"todo.local"} and set(server.tokens) == {"hunter2"}
    assert list(generator.latency()) == ["p50_ms", "p95_ms", "p99_ms", "max_ms"]
    assert 0 < generator.latency()["p50_ms"] <= generator.latency()["max_ms"] < 5000


def test_addresses_are_asked_in_turn(server: Server) -> None:
    base = f"http://{server.address}"
    with LoadGenerator(LoadOptions([f"{base}/page", f"{base}/api?a=b#c"], rate=200.0)) as generator:
        wait_for(lambda: generator.requests >= 10)
    assert server.paths[:2] == ["/page", "/api?a=b"], "each once before anything is deleted"
    counts = [server.paths.count(path) for path in ("/page", "/api?a=b")]
    assert sum(counts) == generator.requests + 2 and abs(counts[0] - counts[1]) <= 1


def test_failure_names_its_address(server: Server) -> None:
    other = Server()
    with LoadGenerator(
        LoadOptions([f"http://{server.address}/", f"http://{other.address}/a?token=b"], rate=200.0), 3
    ) as generator:
        other.status = 500
        wait_for(lambda: generator.gave_up)
    other.stop()
    assert {one.url for one in generator.failures} == {f"http://{other.address}/a"}


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(503, "status_unexpected", "It is 503."), (0, "connection_closed", "It sent nothing at all.")],
)
def test_failures_are_counted_and_five_are_kept(server: Server, status: int, code: str, words: str) -> None:
    with LoadGenerator(LoadOptions([f"http://{server.address}/"], rate=200.0), give_up_after=12) as generator:
        wait_for(lambda: generator.requests > 3)
        generator.pod = "api-0"
        server.status = status
        wait_for(lambda: generator.gave_up)
    assert generator.failed >= 12 and generator.requests > generator.failed
    assert len(generator.failures) == 5
    assert {one.code for one in generator.failures} == {code}
    assert generator.failures[-1].error.endswith(words) and generator.failures[-1].pod == "api-0"
    assert generator.failures[0].time.endswith("Z")


def test_refused_connections_are_counted() -> None:
    server = Server()
    with LoadGenerator(LoadOptions([f"http://{server.address}/"], rate=200.0), give_up_after=3) as generator:
        server.stop()
        wait_for(lambda: generator.gave_up)
    assert "connect_refused" in {one.code for one in generator.failures}


def test_silence_is_a_timeout(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoadGenerator(
        LoadOptions([f"http://{server.address}/"], rate=20.0, timeout=0.3), give_up_after=1
    ) as generator:
        release = threading.Event()
        monkeypatch.setattr(BaseHTTPRequestHandler, "parse_request", lambda _self: bool(release.wait(5)) and False)
        wait_for(lambda: generator.gave_up)
        release.set()
    assert generator.failures[0].code == "read_timeout"


def test_redirect_is_a_good_answer(server: Server) -> None:
    server.status = 302
    with LoadGenerator(LoadOptions([f"http://{server.address}/"], rate=100.0)) as generator:
        wait_for(lambda: generator.requests > 3)
    assert generator.failed == 0


def test_nothing_begins_when_the_address_fails_before(server: Server) -> None:
    server.status = 500
    with (
        pytest.raises(ValueError, match="failed before any pod was deleted") as caught,
        LoadGenerator(LoadOptions([f"http://{server.address}/?token=hunter2"])),
    ):
        pytest.fail("it began")
    assert "hunter2" not in str(caught.value)


def test_requests_that_end_by_themselves_prove_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ValueError, match="ended too early"),
        LoadGenerator(LoadOptions([f"http://{server.address}/"])) as generator,
    ):
        monkeypatch.setattr(load.Client, "send", None)
        wait_for(lambda: generator.dead)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"urls": []}, "urls: give at least one"),
        ({"urls": ["todo.local"]}, "urls: 'todo.local' cannot be asked"),
        ({"urls": ["http://todo.local:99999/"]}, "urls: "),
        ({"urls": ["http://todo.local/"], "rate": 0.0}, "rate: it must be between 1 and 1000"),
        ({"urls": ["http://todo.local/"], "timeout": 0.0}, "timeout: "),
        (
            {"urls": ["http://todo.local/"], "resolve": {"todo.local": "a b"}},
            "resolve.todo.local: 'a b' is not a valid address",
        ),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        LoadOptions(**options)
    assert str(caught.value).startswith(words)


# ---------------------------------------------------------------- what is said
SLEEP = {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"containers": [{}]}, "preStop sleep of about 5 s"),
        ({"containers": [SLEEP], "terminationGracePeriodSeconds": 5}, "Raise terminationGracePeriodSeconds (5)"),
        ({"containers": [SLEEP]}, "readinessProbe"),
        ({"containers": [{**SLEEP, "readinessProbe": {"httpGet": {}}}, {}]}, "SIGTERM"),
        ({"containers": [{**SLEEP, "readinessProbe": {"httpGet": {}}}]}, "SIGTERM"),
        ({}, "SIGTERM"),
    ],
)
def test_suggestion_names_what_the_pod_lacks(template: Object, words: str) -> None:
    assert words in suggestion(template)


def test_failure_has_cause_evidence_and_one_suggestion(server: Server) -> None:
    template = {"containers": [{}]}
    with LoadGenerator(LoadOptions([f"http://{server.address}/"], rate=200.0), give_up_after=2) as generator:
        generator.pod = "api-0"
        server.status = 502
        wait_for(lambda: generator.gave_up)
    outcome = Outcome((Target("todo", "api", "api-0", "u", template),), "", 3.0)
    lines = fault(generator, outcome).splitlines()
    assert lines[0].startswith(f"{generator.failed} of {generator.requests} requests failed while")
    assert lines[0].endswith("while 1 pod was deleted, and the test was ended early.")
    assert lines[1].startswith(f"The first, to http://{server.address}/, failed at ")
    assert lines[1].endswith("It is 502.")
    assert lines[2] == f"What to do: {suggestion(template)}" and len(lines) == 3


# ---------------------------------------------------------------- the module
@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Restarting:
    """The cluster that the module finds, in which no time passes."""
    api = Restarting(workload("api"), statefulsets=[workload("db")])
    stand_in(api, monkeypatch)
    monkeypatch.setattr(restarts, "SETTLE_SECONDS", 0.0)
    real = restarts.restart

    def quick(*arguments: Any) -> Outcome:
        return real(*arguments, interval=0.05, settle=0.2)

    monkeypatch.setattr(restart_test, "restart", quick)
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, _text: None)
    monkeypatch.setattr(basic, "has_journal", False)
    return api


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, dict[str, Any]]:
    given = {"releases": [{"name": "todo", "namespace": "todo"}], "rate": 100, **options}
    with patch_module_args(given), pytest.raises(SystemExit) as caught:
        restart_test.main()
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def test_module_deletes_all_and_tells(cluster: Restarting, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run(capsys, urls=[f"http://{server.address}/"])
    assert code == 0, result
    assert result["changed"] is False and result["failed_requests"] == 0 and result["failures"] == []
    assert [one["pod"] for one in result["deleted"]] == ["api-0", "api-1"]
    assert [one["name"] for one in result["left_out"]] == ["db"]
    assert result["msg"] == f"2 pods were deleted one by one, and none of {result['requests']} requests failed."
    assert result["requests"] > 5 and result["latency"]["p99_ms"] > 0
    documented = yaml.safe_load(restart_test.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["latency"]["contains"]) == set(result["latency"])
    assert set(documented["deleted"]["contains"]) == set(result["deleted"][0])
    assert set(documented["left_out"]["contains"]) == set(result["left_out"][0])


def test_module_fails_with_the_evidence(
    cluster: Restarting, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.looks = 1000
    cluster.on_delete.append(lambda _name: setattr(server, "status", 503))
    code, result = run(
        capsys, urls=[f"http://{server.address}/"], give_up_after=6, headers={"X-Token": "hunter2-token"}
    )
    assert code == 1 and result["failed_requests"] >= 6 and len(result["failures"]) == 5
    assert result["failures"][0]["pod"] == "api-0"
    assert "pod api-0 was being deleted" in result["msg"] and "preStop" in result["msg"]
    assert [one["pod"] for one in result["deleted"]] == ["api-0"]
    assert "hunter2-token" not in json.dumps(result)
    assert "hunter2-token" in server.tokens
    documented = yaml.safe_load(restart_test.RETURN)
    assert set(documented["failures"]["contains"]) == set(result["failures"][0])


def test_module_deletes_nothing_when_the_address_fails(
    cluster: Restarting, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 503
    code, result = run(capsys, urls=[f"http://{server.address}/"])
    assert code == 1 and "before any pod was deleted" in result["msg"]
    assert cluster.steps == []


def test_check_mode_names_the_pods_and_asks_nothing(
    cluster: Restarting, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = run(capsys, urls=[f"http://{server.address}/"], _ansible_check_mode=True)
    assert code == 0 and result["changed"] is False
    assert [one["pod"] for one in result["deleted"]] == ["api-0", "api-1"]
    assert result["requests"] == 0 and server.hosts == [] and cluster.steps == []
    assert result["msg"] == "2 pods would be deleted one by one."


def test_check_mode_without_a_cluster(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nobody(monkeypatch)
    code, result = run(capsys, urls=["http://todo.local/"], _ansible_check_mode=True)
    assert code == 0 and result["deleted"] == [] and "no cluster yet" in result["msg"]
    code, result = run(capsys, urls=["http://todo.local/"])
    assert code == 1 and result["msg"] == "There is no cluster."


def test_module_says_that_nothing_was_tested(
    cluster: Restarting, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.put("deployments", [])
    code, result = run(capsys, urls=[f"http://{server.address}/"])
    assert code == 0 and result["msg"].startswith("Nothing was tested") and result["requests"] == 0


def test_module_names_a_wrong_option(cluster: Restarting, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run(capsys, urls=["http://todo.local/"], give_up_after=0)
    assert code == 1 and result["msg"] == "give_up_after: it must be at least 1."


def test_module_names_the_library_that_is_missing(
    cluster: Restarting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "h11" else real(name, *rest))
    code, result = run(capsys, urls=["http://todo.local/"])
    assert code == 1 and result["msg"].startswith("Failed to import the required Python library (h11)")
