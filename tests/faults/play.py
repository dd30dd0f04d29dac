# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys faults and records what Slipway says of them, and what the baseline of Helm and kubectl says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import faults
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import assemble
from faults import RELEASE, Fault, Object

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 120.0
MODULES = "ansible_collections.slipway.kube.plugins.modules"
# Answers 404 for every image but one, which it gives to nobody: what a registry says of the two mistakes.
STUB = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Registry(BaseHTTPRequestHandler):
    def do_GET(self):
        private = self.path.startswith("/v2/private/")
        code = "UNAUTHORIZED" if private else "MANIFEST_UNKNOWN"
        body = ('{{"errors": [{{"code": "%s", "message": "no"}}]}}' % code).encode()
        self.send_response(200 if self.path in ("/v2", "/v2/") else 401 if private else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
ThreadingHTTPServer(("127.0.0.1", {faults.REGISTRY_PORT}), Registry).serve_forever()
"""


@dataclass(frozen=True)
class Place:
    """The cluster, and the backend's image that its node has."""

    kubectl: str
    helm: str
    kubeconfig: str
    context: str
    repository: str
    tag: str

    @classmethod
    def read(cls, file: Path) -> Place:
        """Read the file that molecule/faults/verify.yml writes."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


@dataclass
class Answer:
    """What was said of a fault: C(seconds) from the first command to the answer, times as of the clock."""

    fault: Fault
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    diagnosis: Object = field(default_factory=dict)
    visible: float | None = None
    # How long the answer took from when the fault was visible and asked for.
    waited: float = 0.0
    evidence: str = ""


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> Object:
    """Values with changes, key by key, as Helm merges them."""
    result = dict(values)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both and value else value
    return result


class Stage:
    """Plays faults on one cluster."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._scratch = tempfile.TemporaryDirectory(prefix="slipway-faults-")
        self._helm = threading.Semaphore(3)  # more at once only wait for a processor

    def kubectl(self, *arguments: str, namespace: str = "", given: Any = None, check: bool = True) -> str:
        """Output of kubectl. Raises RuntimeError with what it said when it fails and C(check)."""
        command = [self.place.kubectl, f"--kubeconfig={self.place.kubeconfig}", f"--context={self.place.context}"]
        command += [f"--namespace={namespace}"] if namespace else []
        text = json.dumps(given) if given is not None else None
        done = subprocess.run([*command, *arguments], input=text, capture_output=True, text=True)
        if done.returncode and check:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def objects(self, namespace: str, *kinds: str) -> list[Object]:
        """Objects of a namespace."""
        found: list[Object] = json.loads(
            self.kubectl("get", ",".join(kinds), "--output=json", namespace=namespace) or '{"items": []}'
        )["items"]
        return found

    def module(self, name: str, /, **options: Any) -> Object:
        """Result of a module of the collection, run as a process of its own."""
        options |= {"kubeconfig": self.place.kubeconfig, "context": self.place.context}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"ANSIBLE_MODULE_ARGS": options}, file)
            file.flush()
            command = [sys.executable, "-m", f"{MODULES}.{name}", file.name]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        try:
            result: Object = json.loads(done.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise RuntimeError(f"{name} ended without a result: {done.stdout}{done.stderr}") from None
        return result

    def chart(self) -> str:
        """Directory of the complete chart."""
        place = Path(self._scratch.name) / "component"
        if not place.exists():
            assemble(ROOT / "charts/component", place)
        return str(place)

    def make_registry(self) -> None:
        """Start the stub of a registry on the node's localhost and wait until it answers."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "registry", "namespace": "faults-registry"},
            "spec": {
                "hostNetwork": True,
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "registry",
                        "image": f"{self.place.repository}:{self.place.tag}",
                        "command": ["python", "-c", STUB],
                        "readinessProbe": {
                            "httpGet": {"host": "127.0.0.1", "path": "/v2/", "port": faults.REGISTRY_PORT},
                            "periodSeconds": 1,
                        },
                    }
                ],
            },
        }
        self.namespace("faults-registry", {})
        self.kubectl("apply", "--filename=-", given=pod)
        self.kubectl("wait", "--for=condition=Ready", "pod/registry", "--timeout=60s", namespace="faults-registry")

    def namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a namespace and wait for its service account, without which a plain pod is refused."""
        made = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"faults": "true", **labels}},
        }
        self.kubectl("apply", "--filename=-", given=made)
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s", namespace=name)

    def clear(self) -> None:
        """Remove everything that faults have left."""
        self.kubectl("delete", "namespace", "--selector=faults=true", "--ignore-not-found", "--timeout=300s")
        self.kubectl("delete", "ingressclass", "faults-unserved", "--ignore-not-found")

    def _prepare(self, fault: Fault, namespace: str) -> Object:
        self.namespace(namespace, fault.namespace_labels)
        if fault.before:
            self.kubectl("apply", "--filename=-", namespace=namespace, given=_list(fault.before))
        base = faults.base(self.place.repository, self.place.tag)
        return merged(base, json.loads(json.dumps(fault.values).replace(fault.namespace, namespace)))

    def _beside(self, fault: Fault, namespace: str) -> None:
        if fault.beside:
            image = f"{self.place.repository}:{self.place.tag}"
            objects = json.loads(json.dumps(_list(fault.beside)).replace('"IMAGE"', json.dumps(image)))
            self.kubectl("apply", "--filename=-", namespace=namespace, given=objects)

    def slipway(self, fault: Fault, chart: str) -> Answer:
        """Deploy a fault with Slipway's modules and return their answer."""
        answer, namespace = Answer(fault), fault.namespace
        values = self._prepare(fault, namespace)
        hooked = bool(values["migration"]["enabled"])
        wanted = {"releases": [{"name": RELEASE, "namespace": namespace}]}
        began = time.monotonic()
        options = {"name": RELEASE, "namespace": namespace, "chart": chart, "values": values}
        options |= {"binary_path": self.place.helm}
        if hooked:  # the wait for a hook is what is looked at
            result = self.module("helm_upgrade", **options)
        else:
            with self._helm:
                result = self.module("helm_upgrade", **options)
        if not result.get("failed"):
            self._beside(fault, namespace)
            result = self.module("rollout_status", **wanted, deadline=DEADLINE, **fault.options)
        answer.seconds, ended = time.monotonic() - began, time.time()
        answer.diagnosis = dict(result.get("diagnosis") or {})
        answer.lines = str(result.get("msg") or "ready").splitlines()
        answer.visible = self.visible_at(fault)
        # By the module's own clock, which begins with its first look: how fast a process starts is not its matter.
        watched = float(result.get("seconds") or 0.0)
        answer.waited = min(watched, ended - answer.visible) if answer.visible else watched
        if answer.diagnosis.get("code", "") == fault.code:
            self._remove(namespace)
        else:  # left for looking at
            answer.evidence = self.evidence(namespace)
        return answer

    def baseline(self, fault: Fault, chart: str) -> Answer:
        """Deploy a fault as a script does, with Helm and kubectl wait, and return what they said."""
        namespace = f"{fault.namespace}-wait"
        values = self._prepare(fault, namespace)
        answer, began = Answer(fault), time.monotonic()
        command = [self.place.helm, "upgrade", "--install", RELEASE, chart, "--namespace", namespace, "--values", "-"]
        command += ["--kubeconfig", self.place.kubeconfig, "--kube-context", self.place.context]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True)
        said = done.stderr
        if done.returncode == 0:
            self._beside(fault, namespace)
            said = self.kubectl(
                "wait",
                "--for=condition=Available",
                "deployment",
                "--all",
                "--timeout=120s",
                namespace=namespace,
                check=False,
            )
        answer.seconds = time.monotonic() - began
        answer.lines = [line for line in said.splitlines() if line.strip() and "level=" not in line]
        self._remove(namespace)
        return answer

    def _remove(self, namespace: str) -> None:
        """Begin to remove a namespace: what fails again and again takes processor time from the faults after it."""
        self.kubectl("delete", "namespace", namespace, "--wait=false")

    def visible_at(self, fault: Fault) -> float | None:
        """Return when Kubernetes showed the fault first, None when it did not.

        C(event:) and an expression for reason and message; C(ended): a container of the pod ended; C(second end): a
        second one did; C(available): the workloads were ready, from when on the routes count.
        """
        namespace, kind = fault.namespace, fault.visible
        times: list[float] = []
        if kind.startswith("event:"):
            for event in self.objects(namespace, "events"):
                if re.match(kind.removeprefix("event:"), f"{event.get('reason')} {event.get('message')}"):
                    times.append(_time(event.get("firstTimestamp") or event.get("eventTime")))
        elif kind in ("ended", "second end"):
            for pod in self.objects(namespace, "pods"):
                for status in pod["status"].get("containerStatuses", []):
                    for state in (status.get("state", {}), status.get("lastState", {})):
                        if "terminated" in state:
                            times.append(_time(state["terminated"]["finishedAt"]))
        else:
            for item in self.objects(namespace, "deployments"):
                for told in item["status"].get("conditions", []):
                    if told["type"] == "Available" and told["status"] == "True":
                        times.append(_time(told["lastTransitionTime"]))
        times.sort()
        if kind in ("second end", "available"):  # the last of those that count
            return times[-1] if times else None
        return times[0] if times else None

    def evidence(self, namespace: str) -> str:
        """Return pods, events and logs of a namespace, as a person would look at first."""
        parts = [
            self.kubectl("get", "pods,jobs,services,ingresses", "--output=wide", namespace=namespace, check=False),
            "\n".join(
                self.kubectl(
                    "get", "events", "--sort-by=.lastTimestamp", namespace=namespace, check=False
                ).splitlines()[-15:]
            ),
        ]
        for pod in self.objects(namespace, "pods"):
            name = pod["metadata"]["name"]
            parts.append(self.kubectl("logs", name, "--all-containers", "--tail=10", namespace=namespace, check=False))
        return "\n".join(parts)

    def play(
        self, way: Callable[[Fault, str], Answer], chosen: Sequence[Fault], workers: int
    ) -> dict[str, Answer | Exception]:
        """Play faults side by side; what could not be played has the error in its place."""
        chart = self.chart()

        def one(fault: Fault) -> Answer | Exception:
            try:
                return way(fault, chart)
            except Exception as error:  # one fault that cannot be played leaves the others' answers
                return error

        with ThreadPoolExecutor(workers) as pool:
            return dict(zip([fault.name for fault in chosen], pool.map(one, chosen), strict=True))


def _list(objects: Iterable[Object]) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def _time(text: Any) -> float:
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in str(text) else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.strptime(str(text), form).replace(tzinfo=timezone.utc).timestamp()
