# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small application of two releases in a namespace of its own, deployed by the playbooks as a person would.

``SLIPWAY_TRANSACTION`` names the file that says where the cluster is; molecule/transaction/verify.yml writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._plan import build_plan

from .load import Load

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "tx-shop"
HOST = "tx-shop.localhost"
SERVER = (Path(__file__).parent / "application" / "server.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Result:
    """A run that has ended."""

    code: int
    output: str
    seconds: float

    @property
    def words(self) -> str:
        """The output in one line, for sentences that were broken over several."""
        return " ".join(self.output.split())


class Run:
    """One ansible-playbook."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self._began = time.monotonic()

    def kill(self, all_of_it: bool) -> None:
        """Kill the run: the process alone, so that what it started goes on, or with all of that."""
        family = [self.process.pid]
        if all_of_it:
            for number in family:  # grows while it is walked
                for place in Path(f"/proc/{number}/task").glob("*/children"):
                    family += [int(child) for child in place.read_text(encoding="ascii").split()]
        for number in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def wait(self) -> Result:
        """Wait for the end."""
        code = self.process.wait(timeout=900)
        return Result(code, self._log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - self._began)


class Shop:
    """The application: its sources, its inventory, and the runs that deploy it."""

    def __init__(self, facts: Object, place: Path) -> None:
        self.facts = facts
        self.place = place
        self.project = place / "project"
        self.reports = place / "reports"
        self.logs: list[Path] = []
        self.canaries = {f"canary-{secrets.token_hex(12)}" for _ in range(2)}
        self._environment_canary, self._value_canary = sorted(self.canaries)
        self.project.mkdir(parents=True)
        shutil.copytree(Path(__file__).parent / "application", self.project / "app")
        for chart in ("common", "component"):
            shutil.copytree(ROOT / "charts" / chart, self.project / "charts" / chart)
        self.version(1)

    # -- what is deployed ----------------------------------------------------------------------------------------------
    def version(self, number: int, delivered: bool = True) -> str:
        """Make this the version of the sources; returns its tag. Without C(delivered), the node does not have its image."""
        (self.project / "app" / "VERSION").write_text(f"{number}\n", encoding="utf-8")
        specification = {
            "name": "shop",
            "components": self._components(),
            "project_dir": str(self.project),
            "distribution": str(ROOT / "distribution"),
        }
        image = build_plan(specification, Path("/")).data["components"]["app"]["image"]
        if delivered:
            self._give_name(image)
        return str(image.rpartition(":")[2])

    def _components(self) -> Object:
        return {"app": {"source": "app", "repository": "tx-app"}}

    def _give_name(self, image: str) -> None:
        node = docker.DockerClient(base_url=self.facts["docker_host"], timeout=30).containers.get(self.facts["profile"])
        listed = node.exec_run(["ctr", "-n", "k8s.io", "images", "ls", "-q"]).output.decode().split()
        base = next((name for name in listed if "/todo-backend:" in name), None)
        assert base, (
            "The node has no image of the example's backend: run 'molecule converge --scenario-name transaction' first."
        )
        code, output = node.exec_run(
            ["ctr", "-n", "k8s.io", "images", "tag", "--force", base, f"docker.io/library/{image}"]
        )
        assert code == 0, output.decode()

    def inventory(self, **settings: Any) -> Path:
        """Write the inventory; C(settings) are variables of it."""
        facts = self.facts
        common = {
            "image": {"pullPolicy": "Never"},
            "replicas": 1,
            "command": ["python", "-c", SERVER],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
            "probes": {
                # A busy machine is no fault of the application.
                "startup": {"path": "/", "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 120},
                "readiness": {"path": "/ready", "periodSeconds": 1, "timeoutSeconds": 10},
                "liveness": {"path": "/", "periodSeconds": 20, "timeoutSeconds": 15, "failureThreshold": 6},
            },
            "terminationGracePeriodSeconds": 15,
        }
        way_in = {"kind": "ingress", "className": "nginx", "hosts": [HOST]}
        broken = settings.get("broken", "")
        check = {
            "retry_for": 12,
            "expect": {
                "identity": {"equals": "${components.app.tag}", "consecutive": 2},
                "json": [{"path": "good", "equals": True}],
            },
        }
        variables: Object = {
            "application_name": "shop",
            "application_namespace": NAMESPACE,
            "application_hosts": [HOST],
            "application_project_dir": str(self.project),
            "application_components": self._components(),
            "application_releases": [
                {
                    "name": "api",
                    "chart": "charts/component",
                    "images": {"app": "image"},
                    "secret_checksums": {"shop-api": "secretChecksum"},
                    "wait": broken == "migration",
                    "values": {
                        **common,
                        "existingSecret": "shop-api",
                        "config": {"NOTE": settings.get("note", "")},
                        "service": {"name": "api", "port": 8080},
                        "ingress": {**way_in, "paths": [{"path": "/api"}]},
                    },
                },
                {
                    "name": "web",
                    "chart": "charts/component",
                    "images": {"app": "image"},
                    "values": {
                        **common,
                        "config": {"BROKEN": broken if broken in ("probe", "verify") else ""},
                        "service": {"name": "web", "port": 8080},
                        "ingress": {**way_in, "paths": [{"path": "/"}]},
                        "migration": {
                            "enabled": broken == "migration",
                            "command": ["python", "-c", "raise SystemExit('column price is missing')"],
                            "backoffLimit": 0,
                        },
                    },
                },
            ],
            "application_secrets": [
                {
                    "name": "shop-api",
                    "keys": {
                        "MADE": {"generate": 32},
                        "FROM_ENVIRONMENT": {"env": "TX_CANARY"},
                        "FROM_VARIABLE": {"value": "{{ tx_canary }}"},
                        "JOINED": {"template": "db://user:{MADE}@host?key={FROM_VARIABLE|url}"},
                    },
                }
            ],
            "application_checks": [
                {"name": "page", "url": f"http://{HOST}/work", **check},
                {"name": "interface", "url": f"http://{HOST}/api/work", **check},
            ],
            "tx_canary": self._value_canary,
            "verify_rollout_quiet_period": 12 if broken == "probe" else 60,
            "verify_rollout_deadline": 120,
            "verify_deadline": 40,
            "minikube_setup_profile": facts["profile"],
            "minikube_setup_context": facts["context"],
            "minikube_setup_kubeconfig": facts["kubeconfig"],
            "minikube_setup_home": facts["home"],
            "toolchain_state_dir": facts["state_dir"],
            **({"helm_release_binary": facts["helm3"]} if facts.get("helm3") else {}),
        }
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        file = self.place / "inventory.yml"
        file.write_text(
            yaml.safe_dump({"clusters": {"hosts": {"localhost": host}, "vars": variables}}, sort_keys=False),
            encoding="utf-8",
        )
        return file

    # -- runs ----------------------------------------------------------------------------------------------------------
    def start(self, *arguments: str, playbook: str = "site.yml", **settings: Any) -> Run:
        """Start a playbook, for site.yml with the tags deploy and verify."""
        tags = ["--tags", "deploy,verify"] if playbook == "site.yml" else []
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / playbook)]
        command += ["-i", str(self.inventory(**settings)), *tags, *arguments]
        log = self.place / f"run-{len(self.logs)}.log"
        self.logs.append(log)
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_LOG_PATH": str(self.place / "ansible.log"),
            "SLIPWAY_REPORT_DIR": str(self.reports),
            "TX_CANARY": self._environment_canary,
            "NO_COLOR": "1",
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "140",
        }
        # The scenario's own runs set these for themselves.
        for name in (
            "ANSIBLE_STDOUT_CALLBACK",
            "ANSIBLE_CALLBACK_RESULT_FORMAT",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS",
            "ANSIBLE_FORCE_COLOR",
        ):
            environment.pop(name, None)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, log)

    def run(self, *arguments: str, playbook: str = "site.yml", **settings: Any) -> Result:
        """Run a playbook to its end."""
        return self.start(*arguments, playbook=playbook, **settings).wait()

    def deploy(self, *arguments: str, **settings: Any) -> Result:
        """Deploy, and fail the test when that fails."""
        result = self.run(*arguments, **settings)
        assert result.code == 0, result.output
        return result

    # -- what there is -------------------------------------------------------------------------------------------------
    def kubectl(self, *arguments: str, namespace: str = NAMESPACE) -> str:
        """Output of kubectl."""
        place = [f"--kubeconfig={self._kubeconfig}", f"--context={self.facts['context']}", f"--namespace={namespace}"]
        return self._output(self.facts["kubectl"], *place, *arguments)

    def helm(self, *arguments: str) -> str:
        """Output of helm."""
        place = [
            f"--kubeconfig={self._kubeconfig}",
            f"--kube-context={self.facts['context']}",
            f"--namespace={NAMESPACE}",
        ]
        return self._output(self.facts.get("helm3") or self.facts["helm"], *place, *arguments)

    @property
    def _kubeconfig(self) -> str:
        return str(Path(self.facts["kubeconfig"]).expanduser())

    def _output(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def revisions(self, release: str) -> dict[int, str]:
        """Number and status of a release's revisions."""
        found = json.loads(self.helm("history", release, "--output=json"))
        return {entry["revision"]: entry["status"] for entry in found}

    def lease(self) -> Object:
        """The lease of the namespace."""
        found: Object = json.loads(self.kubectl("get", "lease", "slipway-deploy", "--output=json"))
        return found

    def load(self, path: str = "/work") -> Load:
        """A load of 50 requests a second on the application."""
        return Load(self.facts["port"], HOST, path)

    def assert_serves(self, tag: str) -> None:
        """Both releases are deployed and answer with this version, and nobody holds the lease."""
        for release in ("api", "web"):
            history = self.revisions(release)
            assert history[max(history)] == "deployed", (release, history)
        for path in ("/work", "/api/work"):
            with self.load(path) as load:
                time.sleep(0.4)
            assert not load.faults and set(load.versions) == {tag}, (path, load.faults[:3], load.versions)
        assert not self.lease()["spec"].get("holderIdentity")


@pytest.fixture(scope="session")
def facts() -> Object:
    """Where the cluster is."""
    file = os.environ.get("SLIPWAY_TRANSACTION", "")
    if not file:
        pytest.fail(
            "SLIPWAY_TRANSACTION is not set: these tests are run by 'molecule test --scenario-name transaction'.",
            pytrace=False,
        )
    found: Object = json.loads(Path(file).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def shop(facts: Object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The application; its first installation is killed half-way and made whole by a plain second run."""
    made = Shop(facts, tmp_path_factory.mktemp("shop"))
    made.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", namespace="default")
    begun = made.start()
    deadline = time.monotonic() + 300
    while "sh.helm.release.v1.api" not in made.kubectl("get", "secrets", "--output=name"):
        assert time.monotonic() < deadline and begun.process.poll() is None, begun.wait().output
        time.sleep(0.1)
    begun.kill(all_of_it=True)
    begun.wait()
    made.deploy()
    yield made
    made.kubectl("delete", "namespace", NAMESPACE, "--wait=false", namespace="default")


@pytest.fixture
def numbers() -> Iterator[int]:
    """Numbers of versions that no other test uses."""
    return iter(range(time.monotonic_ns() % 10**9, 10**12))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    made = getattr(item, "funcargs", {}).get("shop")
    if report.failed and made is not None:
        for title, arguments in (
            ("pods", ("get", "pods", "--output=wide")),
            ("events", ("get", "events", "--sort-by=.lastTimestamp")),
            ("lease", ("get", "lease", "slipway-deploy", "--output=yaml")),
        ):
            try:
                report.sections.append((title, "\n".join(made.kubectl(*arguments).splitlines()[-25:])))
            except AssertionError as error:  # the test's own failure is what must be seen
                report.sections.append((title, str(error)))
        if made.logs:
            report.sections.append(("last run", made.logs[-1].read_text(encoding="utf-8", errors="replace")[-6000:]))
    return report
