# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small application of two releases in a namespace of its own, deployed by the playbooks as a person would.

Each file of tests has its own, so that they can run side by side. A test leaves a version in service, and the next one begins
with that: its fixture C(good) deploys only where there is none.

``SLIPWAY_TRANSACTION`` names the file that says where the cluster is; molecule/transaction/verify.yml writes it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import docker
import pytest
import yaml
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan

from .load import Load

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
APPLICATION = Path(__file__).parent / "application"
# The one that all tests use, and the one that some use as well: SLIPWAY_HELM=3 or 4 chooses one for all.
HELMS = [f"helm{number}" for number in os.environ.get("SLIPWAY_HELM", "") or "43"]
# By default a sample: what is marked with night is left to make test-more, which sets SLIPWAY_KILLS=all.
EACH_NIGHT = [HELMS[0], *(pytest.param(helm, marks=pytest.mark.night) for helm in HELMS[1:])]


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
        self.log = log
        self._began = time.monotonic()

    def send(self, number: signal.Signals, all_of_it: bool = True) -> None:
        """Send a signal: to the run's process alone, so that what it started goes on, or to all of that too."""
        family = [self.process.pid]
        if all_of_it:
            for process in family:  # grows while it is walked
                for place in Path(f"/proc/{process}/task").glob("*/children"):
                    with contextlib.suppress(OSError):  # it has ended
                        family += [int(child) for child in place.read_text(encoding="ascii").split()]
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self, all_of_it: bool = True) -> None:
        """Kill the run, and see it end."""
        self.send(signal.SIGKILL, all_of_it)
        self.process.wait(timeout=10)

    def wait(self) -> Result:
        """Wait for the end."""
        code = self.process.wait(timeout=900)
        return Result(code, self.log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - self._began)


class Watch:
    """What happens in the cluster from now on, a line for each change of an object."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._output = self._process.stdout

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def wait(self, pattern: str, run: Run, seconds: float = 300) -> None:
        """Wait until all that has been seen matches; fails the test when the run ends before."""
        seen, deadline = "", time.monotonic() + seconds
        while True:
            over = run.process.poll() is not None or time.monotonic() > deadline
            seen += (self._output.read() or b"").decode()
            if re.search(pattern, seen, re.MULTILINE):
                return
            if over:
                run.kill()
                pytest.fail(f"{pattern} never happened, only this:\n{seen}\n{run.wait().output}", pytrace=False)
            time.sleep(0.01)


class Shop:
    """The application: its sources, its inventory, and the runs that deploy it with one of the two Helms."""

    def __init__(self, facts: Object, place: Path, topic: str, helm: str) -> None:
        self.facts = facts
        self.place = place
        self.namespace = f"tx-{topic}-{helm}"
        self.host = f"{self.namespace}.localhost"
        self.program = facts[helm]
        # The number of the version that is in service, none when nobody knows.
        self.served: int | None = None
        self._mark = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._tags: dict[str, int] = {}
        self.project = place / "project"
        self.reports = place / "reports"
        self.logs: list[Path] = []
        self.canaries = {f"canary-{secrets.token_hex(12)}" for _ in range(2)}
        self._environment_canary, self._value_canary = sorted(self.canaries)
        self.project.mkdir(parents=True)
        shutil.copytree(APPLICATION, self.project / "app")
        for chart in ("common", "component"):
            shutil.copytree(ROOT / "charts" / chart, self.project / "charts" / chart)

    # -- what is deployed ----------------------------------------------------------------------------------------------
    def version(self, number: int | None = None, delivered: bool = True) -> str:
        """Make this, or one that never was, the version of the sources; returns its tag.

        Without C(delivered), the node does not have its image.
        """
        number = number or next(self._numbers)
        (self.project / "app" / "VERSION").write_text(f"{self._mark} {number}\n", encoding="utf-8")
        image = self._image(self.project, "app")
        if delivered:
            self._give_name(image)
        tag = image.rpartition(":")[2]
        self._tags[tag] = number
        return tag

    def change_charts(self, text: str) -> None:
        """Change the charts, which changes nothing of what they render."""
        for chart in (self.project / "charts").iterdir():
            (chart / "templates" / "_changed.tpl").write_text(f"{{{{/* {text} */}}}}\n", encoding="utf-8")

    def _image(self, project: Path, source: str) -> str:
        specification = {
            "name": "shop",
            "components": {"app": {**self._components()["app"], "source": source}},
            "project_dir": str(project),
            "distribution": str(ROOT / "distribution"),
        }
        return str(build_plan(specification, Path("/")).components["app"].image)

    def _components(self) -> Object:
        return {"app": {"source": "app", "repository": "tx-app"}}

    def _give_name(self, image: str) -> None:
        node = docker.DockerClient(base_url=self.facts["docker_host"], timeout=30).containers.get(self.facts["profile"])
        first, second = (
            f"docker.io/library/{name}" for name in (self._image(ROOT, str(APPLICATION.relative_to(ROOT))), image)
        )
        code, output = node.exec_run(["ctr", "-n", "k8s.io", "images", "tag", "--force", first, second])
        assert code == 0, (
            f"{output.decode()}The node lacks {first}: run 'molecule converge --scenario-name transaction' first."
        )

    def inventory(self, **settings: Any) -> Path:
        """Write the inventory; C(settings) are variables of it."""
        facts = self.facts
        common = {
            "image": {"pullPolicy": "Never"},
            "replicas": 1,
            # No limit that would slow a start down.
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "2", "memory": "64Mi"}},
            "probes": {
                # A busy machine is no fault of the application.
                "startup": {"path": "/", "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 120},
                "readiness": {"path": "/ready", "periodSeconds": 1, "timeoutSeconds": 10},
                "liveness": {"path": "/", "periodSeconds": 20, "timeoutSeconds": 15, "failureThreshold": 6},
            },
            "terminationGracePeriodSeconds": 15,
        }
        way_in = {"kind": "ingress", "className": "nginx", "hosts": [self.host]}
        broken, migrations = settings.get("broken", ""), settings.get("migrations", "")
        check = {
            # What is broken on purpose stays broken.
            "retry_for": 5 if broken == "verify" else 12,
            "expect": {
                "identity": {"equals": "${components.app.tag}", "consecutive": 2},
                "json": [{"path": "good", "equals": True}],
            },
        }
        variables: Object = {
            "application_name": "shop",
            "application_namespace": self.namespace,
            "application_hosts": [self.host],
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
                        **settings.get("web", {}),
                        "config": {"BROKEN": broken if broken in ("probe", "verify") else ""},
                        "service": {"name": "web", "port": 8080},
                        "ingress": {**way_in, "paths": [{"path": "/"}]},
                        "migration": {
                            "enabled": broken == "migration" or bool(migrations),
                            "command": [
                                "python",
                                "-c",
                                "raise SystemExit('column price is missing')" if broken else "",
                            ],
                            "sourceDigest": migrations,
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
                        **({"TURN": {"value": settings["turn"]}} if "turn" in settings else {}),
                        "FROM_VARIABLE": {"value": "{{ tx_canary }}"},
                        "JOINED": {"template": "db://user:{MADE}@host?key={FROM_VARIABLE|url}"},
                    },
                }
            ],
            "application_checks": [
                {"name": "page", "url": f"http://{self.host}/work", **check},
                {"name": "interface", "url": f"http://{self.host}/api/work", **check},
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
            "minikube_setup_ingress_first_port": facts["port"],
            "helm_release_binary": self.program,
        }
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        file = self.place / "inventory.yml"
        file.write_text(
            yaml.safe_dump({"clusters": {"hosts": {"localhost": host}, "vars": variables}}, sort_keys=False),
            encoding="utf-8",
        )
        return file

    # -- runs ----------------------------------------------------------------------------------------------------------
    def start(
        self,
        *arguments: str,
        playbook: str = "site.yml",
        whole: bool = False,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Run:
        """Start a playbook, site.yml with the tags deploy and verify unless the C(whole) of it is wanted."""
        self.served = None
        tags = ["--tags", "deploy,verify"] if playbook == "site.yml" and not whole else []
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / playbook)]
        command += ["-i", str(self.inventory(**settings)), *tags, *arguments]
        log = self.place / f"run-{len(self.logs)}.log"
        self.logs.append(log)
        variables = {
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
            variables.pop(name, None)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=variables | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, log)

    def run(self, *arguments: str, **options: Any) -> Result:
        """Run a playbook to its end; the options are those of start()."""
        return self.start(*arguments, **options).wait()

    def deploy(self, *arguments: str, **settings: Any) -> Result:
        """Deploy, and fail the test when that fails."""
        result = self.run(*arguments, **settings)
        assert result.code == 0, result.output
        return result

    # -- what there is -------------------------------------------------------------------------------------------------
    def kubectl(self, *arguments: str) -> str:
        """Output of kubectl."""
        return self._output(*self._kubectl, *arguments)

    def follow(self, run: Run) -> Watch:
        """Watch what a run says, from its beginning."""
        return Watch(["tail", "--lines=+1", "--follow", "--sleep-interval=0.05", str(run.log)])

    def watch(self, kind: str, line: str, *arguments: str) -> Watch:
        """Watch objects of a kind, each change of one as a line; C(line) is a template of JSONPath."""
        template = f'--output=jsonpath={line}{{"\\n"}}'
        return Watch([*self._kubectl, "get", kind, "--watch-only", template, *arguments])

    def helm(self, *arguments: str) -> str:
        """Output of helm."""
        place = [
            f"--kubeconfig={self._kubeconfig}",
            f"--kube-context={self.facts['context']}",
            f"--namespace={self.namespace}",
        ]
        return self._output(self.program, *place, *arguments)

    @property
    def _kubectl(self) -> list[str]:
        place = [f"--kubeconfig={self._kubeconfig}", f"--context={self.facts['context']}"]
        return [self.facts["kubectl"], *place, f"--namespace={self.namespace}"]

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
        return Load(self.facts["port"], self.host, path)

    def assert_serves(self, tag: str) -> None:
        """Both releases are deployed and answer with this version, and nobody holds the lease."""
        for release in ("api", "web"):
            history = self.revisions(release)
            assert history[max(history)] == "deployed", (release, history)
        with self.load("/work") as page, self.load("/api/work") as interface:
            time.sleep(0.4)
        for load in (page, interface):
            assert not load.faults and set(load.versions) == {tag}, (load.faults[:3], load.versions)
        assert not self.lease()["spec"].get("holderIdentity")
        self.served = self._tags[tag]


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


@pytest.fixture(scope="module")
def shops(
    request: pytest.FixtureRequest, facts: Object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Shop]]:
    """The applications of a file of tests, one for each Helm that is asked for."""
    made: dict[str, Shop] = {}
    topic = request.module.__name__.rpartition("test_")[2]

    def shop(helm: str) -> Shop:
        return made.get(helm) or made.setdefault(helm, Shop(facts, tmp_path_factory.mktemp(helm), topic, helm))

    yield shop
    for one in made.values():
        one.kubectl("delete", "namespace", one.namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture
def shop(request: pytest.FixtureRequest, shops: Callable[[str], Shop]) -> Shop:
    """The application, deployed with Helm 4 unless the test or SLIPWAY_HELM says otherwise."""
    return shops(getattr(request, "param", HELMS[0]))


@pytest.fixture
def good(shop: Shop) -> str:
    """The tag of the version that is in service when the test begins."""
    tag = shop.version(shop.served)
    if shop.served is None:
        shop.deploy()
        shop.assert_serves(tag)
    return tag


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only runs at night."""
    if os.environ.get("SLIPWAY_KILLS") != "all":
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("night")])
        items[:] = [item for item in items if not item.get_closest_marker("night")]


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
