# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks for status and rollback, and what undoes a first installation, run by Ansible against a cluster on loopback.

A stand-in for Helm changes the releases of that cluster.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._helm import releases
from ansible_collections.slipway.kube.plugins.module_utils._kube import leases
from ansible_collections.slipway.kube.plugins.module_utils._kube.secrets import SecretManager, read_wanted
from fake_kubernetes import Answer, Call, FakeKubernetes, Served, serve

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible, Run

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
# Rolls back and uninstalls as Helm does, and writes down what it was told. Refuses to roll back what a file names.
HELM = """#!{python}
import base64, gzip, json, pathlib, sys, urllib.request
place = pathlib.Path(__file__).parent
def ask(method, path, body=None):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("{url}" + path, data, {{"Content-Type": kind}}, method=method)
    return json.load(urllib.request.urlopen(request, timeout=30))
words = [word for word in sys.argv[1:] if not word.startswith("-")]
secrets = "/api/v1/namespaces/shop/secrets"
def revisions(name):
    found = [item for item in ask("GET", secrets)["items"] if item["metadata"].get("labels", {{}}).get("name") == name]
    return {{int(item["metadata"]["labels"]["version"]): item for item in found}}
if words[0] == "version":
    print('version.BuildInfo{{Version:"v4.1.4", GitCommit:"x"}}')
elif words[0] in ("list", "ls"):
    names = {{item["metadata"]["labels"]["name"] for item in ask("GET", secrets)["items"] if "labels" in item["metadata"]}}
    print(json.dumps([dict(name=name, namespace="shop", status="deployed", chart="component-1.0.0", revision="1",
                           updated="x", app_version="1") for name in sorted(names)]))
elif words[0] in ("rollback", "uninstall"):
    with open(place / "helm.log", "a") as log:
        print(*words[:3] if words[0] == "rollback" else words[:2], file=log)
    found = revisions(words[1])
    if words[0] == "uninstall":
        for item in found.values():
            ask("DELETE", secrets + "/" + item["metadata"]["name"])
        sys.exit()
    refused = place / "refused"
    if refused.exists() and refused.read_text() == " ".join(words[1:3]):
        sys.exit("Error: the object has been refused")
    old, number = found[int(words[2])], max(found) + 1
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(old["data"]["release"]))))
    record["info"]["description"] = "Rollback to " + words[2]
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    labels = dict(old["metadata"]["labels"], version=str(number), status="deployed")
    for item in found.values():
        if item["metadata"]["labels"]["status"] == "deployed":
            ask("PATCH", secrets + "/" + item["metadata"]["name"], {{"metadata": {{"labels": {{"status": "superseded"}}}}}})
    name = "sh.helm.release.v1." + words[1] + ".v" + str(number)
    ask("POST", secrets, {{"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
                           "metadata": {{"name": name, "labels": labels}}, "data": {{"release": packed}}}})
"""


class Shop:
    """Two releases in a cluster, and the playbooks that are run for them."""

    def __init__(self, place: Path, server: Served, ansible: Ansible, environment: dict[str, str]) -> None:
        self.place, self.cluster, self.host = place, server.fake, "localhost"
        self._ansible, self._environment = ansible, environment
        self.cluster.add("namespaces", "shop", labels={"app.kubernetes.io/managed-by": "slipway"})
        helm = place / "helm"
        helm.write_text(HELM.format(python=sys.executable, url=server.url), encoding="utf-8")
        helm.chmod(0o755)
        release = {"chart": str(ROOT / "charts/component"), "values": {"image": {"tag": "b"}}}
        where = {"kubeconfig": server.kubeconfig(place), "context": "c"}
        self.variables: Object = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "application_name": "shop",
            "application_project_dir": str(place),
            "application_components": {},
            "application_releases": [{"name": "api", **release}, {"name": "web", **release}],
            "application_exposure": {"kind": "none"},
            "application_checks": [
                {
                    "name": "page",
                    "url": "http://web/",
                    "via": "api_proxy",
                    "kubernetes": {"namespace": "shop", "service": "web"},
                    "retry_for": 0,
                }
            ],
            "minikube_setup_profile": "slipway-playbooks",
            "helm_release_binary": str(helm),
            **{
                f"{role}_{key}": value
                for role in ("minikube_setup", "helm_release", "verify")
                for key, value in where.items()
            },
        }

    def has(self, name: str, *statuses: str, ready: int = 1, sums: Sequence[str] = ()) -> None:
        """Let a release have revisions with these statuses, and a Deployment. C(sums) are a Secret's checksums in their values."""
        for number, status in enumerate(statuses, start=1):
            record = {
                "name": name,
                "info": {"status": status, "last_deployed": "2026-01-01T00:00:00Z", "description": "Upgrade complete"},
                "chart": {"metadata": {"name": "component", "version": "1.0.0"}},
                "config": {"secretChecksum": sums[number - 1]} if sums else {},
                "manifest": "",
            }
            labels = {"name": name, "owner": "helm", "status": status, "version": str(number)}
            data = {"release": releases.encode(record)}
            self.cluster.add(
                "secrets", f"sh.helm.release.v1.{name}.v{number}", labels=labels, type=releases.TYPE, data=data
            )
        labels = {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm"}
        status = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": ready, "readyReplicas": ready}
        self.cluster.add(
            "deployments",
            name,
            labels=labels,
            spec={"replicas": 1, "selector": {"matchLabels": labels}},
            status={**status, "observedGeneration": 1},
        )

    def statuses(self, name: str) -> list[str]:
        """The statuses of a release's revisions, oldest first."""
        found = releases.group(self.cluster.collections[self.cluster.path("secrets")]).get(name, [])
        return [releases.status_of(one) for one in found]

    @property
    def helm(self) -> list[str]:
        """What Helm was told."""
        log = self.place / "helm.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def run(self, playbook: str, *arguments: str, code: int = 0) -> Run:
        """Run a playbook: of the collection, or a file."""
        inventory = {"clusters": {"hosts": {self.host: None}, "vars": self.variables}}
        (self.place / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
        path = ROOT / "playbooks" / playbook
        run = self._ansible.playbook(
            *("-i", "hosts.yml", str(path if path.exists() else self.place / playbook), *arguments),
            directory=self.place,
            environment={
                # Its own home has all that the directories of the tests are for.
                **{name: value for name, value in self._environment.items() if not name.startswith("XDG_")},
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                # No engine: what is asked is the cluster of the kubeconfig.
                "DOCKER_HOST": f"unix://{self.place}/nobody.sock",
                "HOME": str(self.place),
            },
        )
        assert run.code == code, run.out + run.err
        return run


@pytest.fixture
def shop(tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]) -> Iterator[Shop]:
    with serve(FakeKubernetes("shop")) as server:
        yield Shop(tmp_path, server, ansible, ansible_environment)


# -- status ------------------------------------------------------------------------------------------------------------


def test_status_tells_what_runs_and_changes_nothing(shop: Shop) -> None:
    shop.has("api", "superseded", "deployed")
    said = shop.run("status.yml", code=2).out
    assert "Release api in shop: deployed, revision 2 of 2026-01-01T00:00:00, component-1.0.0" in said
    assert "Release web in shop: absent" in said
    assert "Deployment api: 1 of 1 ready" in said and "changed=0" in said
    assert "Not healthy. workloads_missing: There is no workload in shop/web." in said
    assert shop.cluster.writes == [] and shop.helm == []


def test_status_fails_when_the_application_is_not_healthy(shop: Shop) -> None:
    for name in ("api", "web"):
        shop.has(name, "deployed")
    assert "page" not in shop.run("status.yml").out.partition("Show")[0]
    shop.cluster.answers = (503, "the schema is missing")
    said = shop.run("status.yml", code=2).out
    assert "status_unexpected" in said and "the schema is missing" in said
    assert shop.cluster.writes == []


# Takes the place of ssh: runs the command, its last word, as another machine does, with an environment and a home of its own.
SSH = """#!/bin/sh
for command; do host=$before before=$command; done
echo "$host" >>{place}/ssh.log
cd {place}/remote
exec env -i HOME={place}/remote PATH=/usr/bin:/bin LANG=C.UTF-8 DOCKER_HOST=unix://{place}/remote.sock sh -c "$command"
"""


def test_status_of_a_host_that_is_reached_over_ssh(shop: Shop) -> None:
    for home, profile in (("", "here"), ("remote", "there")):
        note = shop.place / home / f".local/state/slipway/.minikube/slipway/{profile}/slipway-owner.json"
        note.parent.mkdir(parents=True)
        note.write_text("{}")
    (shop.place / "ssh").write_text(SSH.format(place=shop.place))
    (shop.place / "ssh").chmod(0o755)
    shop.host = "node"
    shop.variables |= {
        "ansible_connection": "ssh",
        "ansible_host": "192.0.2.10",
        "ansible_ssh_executable": str(shop.place / "ssh"),
        "ansible_ssh_transfer_method": "piped",
        "ansible_pipelining": True,
    }
    look = {"ansible.builtin.debug": {"msg": "{{ toolchain_docker_host }} {{ toolchain_environment.profiles }}"}}
    plays = [
        {"ansible.builtin.import_playbook": str(ROOT / "playbooks/status.yml")},
        {"hosts": "clusters", "gather_facts": False, "tasks": [look]},
    ]
    (shop.place / "over_ssh.yml").write_text(json.dumps(plays))
    shop.has("api", "superseded", "deployed")
    shop.has("web", "deployed")
    said = shop.run("over_ssh.yml").out
    assert "Release api in shop: deployed, revision 2" in said and "Deployment api: 1 of 1 ready" in said
    assert f"unix://{shop.place}/remote.sock ['there']" in said, "its own engine and home count, not the controller's"
    assert set((shop.place / "ssh.log").read_text().split()) == {"192.0.2.10"}
    assert shop.cluster.writes == []


# -- teardown ----------------------------------------------------------------------------------------------------------


def test_teardown_without_a_running_cluster_says_that_all_stays(shop: Shop) -> None:
    shop.has("web", "deployed")
    said = shop.run("teardown.yml").out
    assert "keeps everything, because the state of cluster slipway-playbooks is unknown" in said
    assert shop.cluster.writes == [] and shop.helm == []


# -- rollback ----------------------------------------------------------------------------------------------------------


def deployed_three_times(shop: Shop) -> None:
    shop.has("api", "superseded", "superseded", "deployed")
    shop.has("web", "superseded", "superseded", "superseded", "deployed")


def test_rollback_in_check_mode_changes_nothing(shop: Shop) -> None:
    deployed_three_times(shop)
    said = shop.run("rollback.yml", "--check").out
    assert "changed: [localhost] => (item=web)" in said and "changed: [localhost] => (item=api)" in said
    assert shop.helm == [] and shop.cluster.writes == []


def test_rollback_needs_no_value_of_a_secret(shop: Shop) -> None:
    shop.has("api", "superseded", "deployed")
    shop.has("web", "superseded", "deployed")
    shop.variables["application_secrets"] = [{"name": "keys", "keys": {"TOKEN": {"env": "SLIPWAY_NOT_SET"}}}]
    assert "SLIPWAY_NOT_SET" not in shop.run("rollback.yml", "--check").out


def test_rollback_to_a_number(shop: Shop) -> None:
    deployed_three_times(shop)
    shop.run("rollback.yml", "-e", "rollback_revision=1")
    assert shop.helm == ["rollback web 1", "rollback api 1"]
    assert shop.statuses("web")[-2:] == ["superseded", "deployed"] and len(shop.statuses("web")) == 5
    lease = leases.parse(shop.cluster.get("leases", leases.NAME))
    assert lease.holder == "" and lease.note == {}
    # A way back to a number is a deploy of its own: what was in service before it is kept for the next way back.
    assert [entry["before"] for entry in lease.log] == [{"shop/api": 3, "shop/web": 4}]


def test_rollback_to_a_number_that_is_not_there(shop: Shop) -> None:
    deployed_three_times(shop)
    said = shop.run("rollback.yml", "-e", "rollback_revision=9", code=2).out
    assert "Release shop/api has no revision 9; Helm keeps 1, 2, 3. Nothing was changed." in said
    assert shop.helm == [] and shop.statuses("api") == ["superseded", "superseded", "deployed"]
    assert leases.parse(shop.cluster.get("leases", leases.NAME)).holder == ""


def test_rollback_that_fails_is_undone(shop: Shop) -> None:
    deployed_three_times(shop)
    (shop.place / "refused").write_text("api 2", encoding="utf-8")
    said = shop.run("rollback.yml", code=2).out
    assert shop.helm == ["rollback web 3", "rollback api 2", "rollback web 4"]
    assert "the object has been refused" in said
    assert "Returned to the earlier version of web (revision 5 has failed, revision 4 is back as revision 6)" in said
    assert shop.statuses("web")[3:] == ["superseded", "failed", "deployed"]
    assert shop.statuses("api") == ["superseded", "superseded", "deployed"]
    lease = leases.parse(shop.cluster.get("leases", leases.NAME))
    assert lease.holder == "" and lease.note == {} and list(lease.log) == []


def logged(shop: Shop, *before: Object) -> None:
    """Let the lease say what was in service before the last deploys, the newest first."""
    log = [{"at": "2026-01-01T10:00:00.000000Z", "by": "ann@a", "before": one} for one in before]
    shop.cluster.add(
        "leases", leases.NAME, annotations={"slipway.kube/log": json.dumps(log)}, spec={"leaseDurationSeconds": 1}
    )


def log_of(shop: Shop) -> list[Object]:
    return [entry["before"] for entry in leases.parse(shop.cluster.get("leases", leases.NAME)).log]


def test_three_rollbacks_in_a_row_leave_the_log_of_another_application(shop: Shop) -> None:
    deployed_three_times(shop)
    mail = {"shop/mail": 8}
    logged(
        shop,
        mail,
        {"shop/web": 3},
        {"shop/web": 2, "shop/api": 2},
        mail,
        {"shop/web": 1, "shop/api": 1},
        {"shop/web": 0},
    )
    for left in (5, 4, 3):
        shop.run("rollback.yml")
        assert len(log_of(shop)) == left
    assert shop.helm == ["rollback web 3", *("rollback web 2", "rollback api 2"), *("rollback web 1", "rollback api 1")]
    # What was installed for the first time has nothing to return to: nothing changes, nor does the log.
    said = shop.run("rollback.yml", code=2).out
    assert "There is no earlier version of shop/api, shop/web to return to" in said
    assert len(shop.helm) == 5 and log_of(shop) == [mail, mail, {"shop/web": 0}]


def test_refused_rollback_leaves_what_an_interrupted_run_has_noted(shop: Shop) -> None:
    deployed_three_times(shop)
    logged(shop, {"shop/web": 9})
    shop.cluster.get("leases", leases.NAME)["metadata"]["annotations"]["slipway.kube/before"] = '{"shop/web": 3}'
    said = shop.run("rollback.yml", code=2).out
    assert "Release shop/web has no revision 9; Helm keeps 1, 2, 3, 4. Nothing was changed." in said
    lease = leases.parse(shop.cluster.get("leases", leases.NAME))
    assert lease.holder == "" and lease.note == {"shop/web": 3} and log_of(shop) == [{"shop/web": 9}]
    assert shop.helm == []


# -- Secrets -----------------------------------------------------------------------------------------------------------


def secret_of_two_revisions(shop: Shop) -> list[Object]:
    """Let the two revisions of api have different contents of the Secret keys; return these as the API has them."""
    contents, sums = [], []
    for value in ("first value", "second value"):
        keys = [{"name": "MADE", "generate": 32}, {"name": "KEY", "value": value}]
        wanted = read_wanted([{"name": "keys", "namespace": "shop", "keys": keys}])
        sums.append(SecretManager(shop.cluster, application="shop").ensure(wanted)["checksums"]["keys"])
        contents.append(shop.cluster.get("secrets", "keys")["data"])
    shop.has("api", "superseded", "deployed", sums=sums)
    shop.has("web", "superseded", "deployed")
    shop.variables["application_secrets"] = [
        {"name": "keys", "keys": {"MADE": {"generate": 32}, "KEY": {"value": "first value"}}}
    ]
    shop.variables["application_releases"][0] = {
        **shop.variables["application_releases"][0],
        "secret_checksums": {"keys": "secretChecksum"},
    }
    shop.cluster.calls.clear()
    return contents


def test_rollback_takes_the_secret_back_before_the_release(shop: Shop) -> None:
    first, second = secret_of_two_revisions(shop)
    announced = shop.run("rollback.yml", "--check").out
    assert "Secret keys would be as in revision 1 of release api again." in announced
    assert shop.cluster.get("secrets", "keys")["data"] == second
    said = shop.run("rollback.yml", "-e", "rollback_revision=1").out
    assert "Secret keys is as in revision 1 of release api again." in said
    assert shop.cluster.get("secrets", "keys")["data"] == first
    written = [call.last for call in shop.cluster.writes if "/secrets" in call.path]
    assert written[0] == "keys" and shop.helm == ["rollback web 1", "rollback api 1"]
    assert not any(value in announced + said for value in ("first value", "second value", *first.values()))


def test_rollback_that_fails_gives_the_secret_back(shop: Shop) -> None:
    _first, second = secret_of_two_revisions(shop)
    (shop.place / "refused").write_text("api 1", encoding="utf-8")
    said = shop.run("rollback.yml", "-e", "rollback_revision=1", code=2).out
    assert "Secret keys is as in revision 2 of release api again." in said
    assert shop.cluster.get("secrets", "keys")["data"] == second and shop.helm[-1] == "rollback web 2"


def test_rollback_without_a_copy_says_that_the_secret_stays(shop: Shop) -> None:
    _first, second = secret_of_two_revisions(shop)
    secrets = shop.cluster.path("secrets")
    shop.cluster.collections[secrets] = [
        item for item in shop.cluster.collections[secrets] if item["type"] != "slipway.kube/secret-copy"
    ]
    said = shop.run("rollback.yml", "-e", "rollback_revision=1").out
    assert "Secret keys stays as it is, because no copy of what it held in revision 1 of release api is left." in said
    assert shop.cluster.get("secrets", "keys")["data"] == second and shop.helm == ["rollback web 1", "rollback api 1"]


# -- the lease ---------------------------------------------------------------------------------------------------------


def test_run_that_loses_its_lease_stops_what_it_started_and_takes_nothing_back(shop: Shop) -> None:
    deployed_three_times(shop)
    shop.variables["helm_release_lease_duration"] = 5
    # Helm rolls web back, and hangs at api; meanwhile somebody takes the lease over.
    helm = shop.place / "helm"
    hangs = 'if words[:2] == ["rollback", "api"]:\n    ask("POST", "/hangs")\n'
    helm.write_text(helm.read_text().replace("secrets = ", f"{hangs}secrets = ", 1))

    def hang(_call: Call) -> Answer:
        lease = shop.cluster.get("leases", leases.NAME)
        assert "@" in lease["spec"]["holderIdentity"]
        lease["spec"]["holderIdentity"] = "bob@elsewhere.invalid/0123456789abcdef-1-1"
        lease["metadata"]["resourceVersion"] += "0"
        return Answer(200, {}, how="drip")

    shop.cluster.react("POST /hangs", hang)
    said = " ".join(shop.run("rollback.yml", code=2).out.split())
    assert shop.helm == ["rollback web 3"]
    assert "This run has lost the deploy lease of namespace shop: bob@elsewhere.invalid took it over at" in said
    assert "Nothing was taken back: what is in service is up to the run that holds the lease now" in said
    assert "Roll back the upgraded releases" not in said
    lease = leases.parse(shop.cluster.get("leases", leases.NAME))
    assert lease.holder.startswith("bob@") and lease.note == {"shop/api": 3, "shop/web": 4}


# -- a first installation that fails -----------------------------------------------------------------------------------


@pytest.mark.parametrize("remove", [True, False])
def test_what_was_installed_for_the_first_time_is_removed_when_that_is_asked_for(shop: Shop, remove: bool) -> None:
    shop.has("api", "superseded", "deployed")
    shop.has("web", "failed")
    shop.variables["helm_release_remove_failed_install"] = remove
    shop.variables["helm_release_transaction"] = {"shop/api": 1, "shop/web": 0}
    role = {"name": "slipway.kube.helm_release", "tasks_from": "undo.yml"}
    plan = {"name": "slipway.kube.application"}
    tasks = [{"ansible.builtin.import_role": plan}, {"ansible.builtin.import_role": role}]
    play = [{"hosts": "clusters", "gather_facts": False, "tasks": tasks}]
    (shop.place / "undo.yml").write_text(json.dumps(play), encoding="utf-8")
    shop.run("undo.yml")
    assert shop.helm == ["rollback api 1", *["uninstall web"] * remove]
    assert shop.statuses("web") == ([] if remove else ["failed"])
    assert shop.statuses("api") == ["superseded", "failed", "deployed"]


# -- check mode without a cluster --------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_is_announced_without_a_cluster(
    tmp_path: Path, ansible: Ansible, ansible_environment: dict[str, str]
) -> None:
    page = (ROOT / "docs/own-application.md").read_text(encoding="utf-8")
    files = re.findall(r"^`((?:api|deploy)/[\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _text in files] == [
        "api/server.py",
        "api/Dockerfile",
        "deploy/hosts.yml",
        "deploy/group_vars/all.yml",
    ]
    for name, text in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    run = ansible.playbook(
        *("-i", str(tmp_path / "deploy"), str(ROOT / "playbooks/site.yml"), "--check", "--tags", "deploy,verify"),
        *("-e", json.dumps({"toolchain_state_dir": str(home / "state"), "minikube_setup_profile": "slipway-example"})),
        directory=tmp_path,
        environment={
            **ansible_environment,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock",
            "KUBECONFIG": str(home / "none"),
            "HOME": str(home),
        },
    )
    assert run.code == 0, run.out + run.err
    assert "would install release shop in namespace shop, because it is not installed" in run.out
    assert "would run 3 checks, 0 workloads at http://shop.localhost:8080/" in run.out
    # The snapshot of the sources, which the plan takes in each run, is in the tests' own cache.
    assert [file for file in home.rglob("*") if file.is_file()] == []
