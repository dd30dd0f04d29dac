# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy_lease, helm_history_info and service_address return as modules."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import docker
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import fencing, heartbeat, leases
from ansible_collections.slipway.kube.plugins.module_utils._kube import service_address as addresses
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import KubernetesError
from ansible_collections.slipway.kube.plugins.modules import deploy_lease, helm_history_info, service_address
from fake_kubernetes import FakeKubernetes, nobody, refusal, stand_in

Object = dict[str, Any]
ANN, BOB = "ann@a/1", "bob@b/2"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeKubernetes:
    """A cluster with one namespace."""
    fake = FakeKubernetes("shop")
    fake.add("namespaces", "shop")
    stand_in(fake, monkeypatch)
    return fake


class Runner:
    """Runs a module and returns its result."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, module: ModuleType, check: bool = False, **options: Any) -> Object:
        with (
            patch_module_args({"namespace": "shop", "_ansible_check_mode": check, **options}),
            pytest.raises(SystemExit),
        ):
            module.main()
        found: Object = json.loads(self._capsys.readouterr().out)
        return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capsys)


# -- deploy_lease ------------------------------------------------------------------------------------------------------


def lease(run: Runner, holder: str = ANN, **options: Any) -> Object:
    return run(deploy_lease, **{"holder": holder, "wait": 0, **options})


def test_lease_is_taken_renewed_given_back_and_removed(api: FakeKubernetes, run: Runner) -> None:
    taken = lease(run, note={"shop/web": "3"}, seen="")
    assert taken["changed"] and taken["held"] and taken["fresh"] and taken["taken_over"] == ""
    assert taken["holder"] == taken["lease"]["holder"] == ANN and taken["lease"]["note"] == {"shop/web": 3}
    renewed = lease(run, note={"shop/api": 1}, duration=60)
    assert renewed["held"] and renewed["lease"]["note"] == {"shop/api": 1, "shop/web": 3}
    assert api.get("leases", leases.NAME)["spec"]["leaseDurationSeconds"] == 60
    back = lease(run, state="released", outcome="done")
    assert back == {**back, "changed": True, "held": False, "holder": ANN}
    assert lease(run, state="released")["changed"] is False
    (entry,) = lease(run)["lease"]["log"]
    assert entry["by"] == "ann@a" and entry["before"] == {"shop/api": 1, "shop/web": 3}
    assert lease(run, BOB, state="absent")["changed"] and api.names("leases") == []
    assert lease(run, BOB, state="absent")["changed"] is False


def test_lease_of_another_run_is_refused_unless_that_is_gone(api: FakeKubernetes, run: Runner) -> None:
    first = lease(run)["lease"]
    refused = lease(run, BOB)
    assert refused["failed"] and refused["held"] is False and refused["lease"]["holder"] == ANN
    assert refused["msg"].startswith("Another deploy of namespace shop is under way: ann@a holds its lease since")
    assert lease(run, BOB, state="released")["changed"] is False
    taken = lease(run, BOB, dead=ANN, seen=first["version"])
    assert taken["held"] and taken["taken_over"] == ANN and taken["fresh"] is False


def test_lease_that_changed_since_it_was_seen_is_not_fresh(api: FakeKubernetes, run: Runner) -> None:
    seen = lease(run)["lease"]["version"]
    # Renewals of this run change nothing.
    assert [lease(run, seen=seen)["fresh"] for _ in range(2)] == [True, True]
    lease(run, state="released")
    assert lease(run, BOB, seen=seen)["fresh"] is False
    lease(run, BOB, state="released")
    assert lease(run, BOB, seen=api.get("leases", leases.NAME)["metadata"]["resourceVersion"])["fresh"] is True


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The runs whose writes were to be refused, by each call; an error is raised while there are none."""
    calls: list[list[str]] = []
    monkeypatch.setattr(fencing, "revoke", lambda runs, *_where: calls.append(list(runs)))
    return calls


def test_lease_that_has_expired_is_taken_over(api: FakeKubernetes, run: Runner, revoked: list[list[str]]) -> None:
    seen = lease(run)["lease"]["version"]
    assert lease(run, BOB, expired=f"{seen}0")["failed"]
    taken = lease(run, BOB, expired=seen, seen=seen)
    assert taken["held"] and taken["taken_over"] == ANN and taken["fresh"] is False
    assert revoked == [[ANN]] and taken["lease"]["stale"] == []
    # A run that is known to have ended writes nothing more.
    lease(run, ANN, dead=BOB)
    assert revoked == [[ANN]]


def test_run_that_may_still_write_is_remembered_until_it_is_refused(
    api: FakeKubernetes, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_all: object) -> None:
        raise KubernetesError("The API server does not refuse.")

    monkeypatch.setattr(fencing, "revoke", fail)
    failed = lease(run, BOB, expired=lease(run)["lease"]["version"])
    assert failed["failed"] and failed["msg"] == "The API server does not refuse."
    lease(run, BOB, state="released")
    calls: list[list[str]] = []
    monkeypatch.setattr(fencing, "revoke", lambda runs, *_where: calls.append(list(runs)))
    assert lease(run, "eve@e/3")["held"] and calls == [[ANN]]
    assert lease(run, "eve@e/3")["held"] and calls == [[ANN]]


def test_run_writes_by_a_kubeconfig_of_its_own_where_that_can_be(
    api: FakeKubernetes, run: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(heartbeat, "ensure", lambda *_what: True)
    monkeypatch.setattr(fencing, "kubeconfig_of", lambda *_what: False)
    options = {"heartbeat": True, "kubeconfig": "/given"}
    assert {"kubeconfig": "/given", "fenced": False}.items() <= lease(run, **options).items()

    def write(holder: str, path: Path, given: str, *_rest: object) -> bool:
        assert (holder, given) == (ANN, "/given")
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        return True

    monkeypatch.setattr(fencing, "kubeconfig_of", write)
    own = str(heartbeat.kubeconfig_of(ANN, heartbeat.key_of(api.identity(), "shop", leases.NAME)))
    assert {"kubeconfig": own, "fenced": True}.items() <= lease(run, **options).items()
    monkeypatch.setattr(heartbeat, "ensure", lambda *_what: False)
    assert lease(run, state="renewed", **options)["kubeconfig"] == own
    lease(run, state="released")
    assert not Path(own).exists()


def test_lease_is_renewed_only_by_its_holder(api: FakeKubernetes, run: Runner) -> None:
    lease(run, note={"shop/web": 3})
    renewed = lease(run, state="renewed")
    assert renewed["held"] and renewed["lease"]["note"] == {"shop/web": 3}
    lease(run, state="released")
    lost = lease(run, state="renewed")
    assert lost["failed"] and lost["msg"].startswith("This run has lost the deploy lease of namespace shop")
    assert api.get("leases", leases.NAME)["spec"]["holderIdentity"] == ""


def test_run_that_has_lost_its_lease_does_not_take_it_again(
    api: FakeKubernetes, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "lost", lambda holder: "Bob has it." if holder == ANN else "")
    for state in ("held", "renewed"):
        lost = lease(run, state=state)
        assert lost["failed"] and lost["msg"] == "Bob has it." and lost["lease_lost"] and not lost["held"]
    assert api.writes == [] and lease(run, state="released")["changed"] is False


def test_process_that_renews_is_left_only_where_that_is_asked_for(
    api: FakeKubernetes, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[Any, ...]] = []
    monkeypatch.setattr(heartbeat, "ensure", lambda *what: kept.append(what))
    where = {"kubeconfig": "/kubeconfig", "context": "c"}
    lease(run)
    lease(run, check=True, heartbeat=True)
    assert kept == []
    for state in ("held", "renewed"):
        lease(run, state=state, heartbeat=True, **where)
    key = heartbeat.key_of(api.identity(), "shop", leases.NAME)
    assert kept == [(ANN, key, "shop", leases.NAME, 30, "/kubeconfig", "c")] * 2

    def refuse(*_what: object) -> None:
        raise PermissionError(13, "Permission denied", "/state")

    monkeypatch.setattr(heartbeat, "ensure", refuse)
    failed = lease(run, heartbeat=True)
    assert failed["failed"] and failed["held"] and "/state: Permission denied. Make the directory" in failed["msg"]


def test_lease_that_is_too_short_is_refused(api: FakeKubernetes, run: Runner) -> None:
    failed = lease(run, duration=4)
    assert failed["failed"] and "duration is 4. Set it to at least 5 seconds" in failed["msg"] and api.calls == []


def test_lease_in_check_mode_is_not_written(api: FakeKubernetes, run: Runner) -> None:
    planned = lease(run, check=True, name="other")
    assert planned["changed"] and planned["held"] and api.names("leases") == []
    lease(run, name="other")
    assert api.names("leases") == ["other"]
    for options in ({"state": "released"}, {"state": "absent"}):
        assert lease(run, check=True, name="other", **options)["changed"]
    assert api.get("leases", "other")["spec"]["holderIdentity"] == ANN


def test_lease_that_may_not_be_read_fails_with_the_cause(api: FakeKubernetes, run: Runner) -> None:
    api.go_wrong(refusal(403, "may not get leases"))
    found = lease(run)
    assert found["failed"] and "may not get leases" in found["msg"] and api.names("leases") == []


# -- helm_history_info -------------------------------------------------------------------------------------------------

RELEASES = [{"name": "web", "namespace": "shop"}, {"name": "api", "namespace": "shop"}]
ABSENT = {
    "name": "api",
    "namespace": "shop",
    "action": "install",
    "reason": "it is not installed",
    "status": "absent",
    "pending": False,
    "revision": 0,
    "deployed_revision": 0,
    "previous_revision": 0,
    "images": [],
    "chart": "",
    "app_version": "",
    "updated": "",
    "description": "",
    "history": [],
    "drift": [],
    "application": "",
}


def revision(api: FakeKubernetes, number: int, status: str, name: str = "web") -> None:
    record = {
        "name": name,
        "info": {"status": status, "last_deployed": "2026-01-01T00:00:00Z", "description": "Upgrade complete"},
        "chart": {"metadata": {"name": "component", "version": "1.0.0", "appVersion": "7"}},
        "config": {},
        "manifest": f"image: web:{number}",
    }
    labels = {"name": name, "owner": "helm", "status": status, "version": str(number)}
    data = {"release": releases.encode(record)}
    api.add("secrets", f"sh.helm.release.v1.{name}.v{number}", labels=labels, type=releases.TYPE, data=data)


def history(run: Runner, **options: Any) -> Object:
    options = {"releases": RELEASES, **options}
    with patch_module_args({"_ansible_check_mode": options.pop("check", False), **options}), pytest.raises(SystemExit):
        helm_history_info.main()
    found: Object = json.loads(run._capsys.readouterr().out)
    return found


def test_history_of_releases_and_the_lease(api: FakeKubernetes, run: Runner) -> None:
    for number, status in enumerate(("superseded", "failed", "deployed", "pending-upgrade"), start=1):
        revision(api, number, status)
    revision(api, 9, "deployed", "somebody-else")
    lease(run, note={"shop/web": 3})
    found = history(run, lease_namespace="shop")
    assert found["reachable"] and not found.get("changed") and found["lease"]["note"] == {"shop/web": 3}
    web, absent = found["releases"]
    assert absent == ABSENT
    assert web == {
        "name": "web",
        "namespace": "shop",
        "action": "upgrade",
        "reason": "an interrupted run left it pending-upgrade",
        "status": "pending-upgrade",
        "pending": True,
        "revision": 4,
        "deployed_revision": 3,
        "previous_revision": 1,
        "images": ["web:4"],
        "chart": "component-1.0.0",
        "app_version": "7",
        "updated": "2026-01-01T00:00:00Z",
        "description": "Upgrade complete",
        "history": [
            {"revision": 1, "status": "superseded"},
            {"revision": 2, "status": "failed"},
            {"revision": 3, "status": "deployed"},
            {"revision": 4, "status": "pending-upgrade"},
        ],
        "drift": [],
        "application": "",
    }
    assert len([call for call in api.calls if call.last == "secrets"]) == 1
    assert history(run)["lease"]["holder"] == ""


def test_history_without_a_cluster(monkeypatch: pytest.MonkeyPatch, run: Runner) -> None:
    nobody(monkeypatch, "There is no cluster. Bring it up.")
    found = history(run, check=True, lease_namespace="shop")
    assert found["reachable"] is False and found["releases"][1] == ABSENT and found["lease"]["version"] == ""
    failed = history(run)
    assert failed["failed"] and failed["msg"] == "There is no cluster. Bring it up."


# -- service_address ---------------------------------------------------------------------------------------------------


class Container:
    """A node of the engine: what runs in it works on a list of addresses."""

    attrs = {"NetworkSettings": {"Networks": {"n": {"IPAddress": "192.168.49.2", "IPPrefixLen": 24, "NetworkID": "n"}}}}

    def __init__(self) -> None:
        self.held = ["192.168.49.2"]

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        if "show" in command:
            shown = [{"ifname": "eth0", "addr_info": [{"local": one} for one in self.held]}]
            return 0, json.dumps(shown).encode()
        action, address = command[2], command[3].removesuffix("/32")
        assert command[:2] == ["ip", "address"] and command[4:] == ["dev", "eth0"]
        (self.held.append if action == "add" else self.held.remove)(address)
        return 0, b""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Container:
    """The node, in an engine that is asked at the address of the options."""
    container = Container()

    def engine(base_url: str, timeout: int) -> Any:
        if base_url != "unix:///engine.sock":
            raise docker.errors.DockerException("connection refused")

        def get(name: str) -> Container:
            if name != "slipway":
                raise docker.errors.NotFound("no such container")
            return container

        networks = SimpleNamespace(get=lambda _name: SimpleNamespace(attrs={"Containers": {}}))
        return SimpleNamespace(containers=SimpleNamespace(get=get), networks=networks)

    monkeypatch.setattr(docker, "DockerClient", engine)
    return container


def service(api: FakeKubernetes, kind: str) -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "admin", "port": 9000, "nodePort": 30900}]
    api.add("services", "page", spec={"type": kind, "ports": ports}, status={})


def address(run: Runner, **options: Any) -> Object:
    found = run(service_address, **{"name": "page", "timeout": 0, **options})
    return {key: found[key] for key in ("changed", "url", "address", "port", "msg") if key in found}


def test_address_of_a_node_port(api: FakeKubernetes, run: Runner) -> None:
    service(api, "NodePort")
    api.add("nodes", "n", status={"addresses": [{"type": "InternalIP", "address": "192.168.49.2"}]})
    wanted = {"changed": False, "url": "http://192.168.49.2:30080", "address": "192.168.49.2", "port": 30080}
    assert address(run) == wanted
    assert address(run, port="admin")["port"] == address(run, port="9000")["port"] == 30900
    assert "has no port web" in address(run, port="web")["msg"]


def test_address_that_the_node_takes_for_a_load_balancer(api: FakeKubernetes, run: Runner, node: Container) -> None:
    service(api, "LoadBalancer")
    options = {"node": "slipway", "docker_host": "unix:///engine.sock"}
    planned = address(run, check=True, **options)
    assert planned == {"changed": True, "url": "", "address": "", "port": 80}
    assert node.held == ["192.168.49.2"] and not api.writes
    api.react("PATCH .*/status", lambda call: api.get("services", "page").update(call.body))
    found = address(run, **options)
    assert found == {"changed": True, "url": "http://192.168.49.240", "address": "192.168.49.240", "port": 80}
    assert node.held == ["192.168.49.2", "192.168.49.240"]
    assert address(run, **options) == {**found, "changed": False}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "has had no address for 0 s"),
        ({"name": "other"}, "There is no Service other in namespace shop"),
        ({"node": "gone", "docker_host": "unix:///engine.sock"}, "The engine has no container gone"),
        ({"node": "slipway", "docker_host": "unix:///away.sock"}, "The container engine at unix:///away.sock"),
    ],
)
def test_no_address(
    api: FakeKubernetes,
    run: Runner,
    node: Container,
    options: Object,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service(api, "LoadBalancer")
    monkeypatch.setattr(addresses, "POLL", 0.0)
    assert words in address(run, **options)["msg"]


def test_address_without_a_cluster(monkeypatch: pytest.MonkeyPatch, run: Runner) -> None:
    nobody(monkeypatch, "There is no cluster. Bring it up.")
    assert address(run, check=True) == {"changed": False, "url": "", "address": "", "port": 0}
    assert address(run)["msg"] == "There is no cluster. Bring it up."


@pytest.mark.parametrize(
    ("text", "malformed"), [("garbage", True), ("{", True), ("[]", True), ("contexts: []\n", False), (None, False)]
)
def test_in_check_mode_a_kubeconfig_that_cannot_be_read_is_no_cluster_that_is_still_to_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, malformed: bool
) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    options = {"releases": [], "kubeconfig": str(file), "context": "slipway", "_ansible_check_mode": True}
    with patch_module_args(options), pytest.raises(SystemExit):
        helm_history_info.main()
    result = json.loads(capsys.readouterr().out)
    assert result.get("failed", False) is malformed
    assert "cannot be used" in result["msg"] if malformed else result["reachable"] is False
