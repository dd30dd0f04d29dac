# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts, rendered: every chart with every values file, checked for what must hold of all of them.

What a single switch does is tested next to the chart, in ``charts/<chart>/tests/*_test.yaml``, which ``test_suites`` runs. Here
are the promises that no combination of values may break: the restricted Pod Security Standard, references that lead somewhere,
hooks that need nothing the release makes only later.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rendering import (
    APPLICATIONS,
    CASES,
    CHARTS,
    KUBERNETES,
    NAMESPACE,
    RELEASE,
    TAGS,
    WORKLOADS,
    Case,
    Object,
    backend_urls,
    binary,
    by_kind,
    containers,
    dependencies,
    hook,
    matches,
    pods,
    render,
    run,
    title,
    weight,
)

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


# --- every chart, every values file ---------------------------------------------------------------------------------------------


@every_case
def test_lint(helm: str, charts: Path, case: Case) -> None:
    """Lint has nothing to warn of."""
    run(helm, "lint", "--strict", str(charts / case.chart), "-f", str(case.values), *TAGS.get(case.chart, []))


@every_case
def test_pods_are_restricted(objects: list[Object]) -> None:
    """Every pod, of hooks and tests too, is what the restricted Pod Security Standard asks for."""
    assert list(pods(objects))
    for owner, _metadata, spec in pods(objects):
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True, owner
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        assert min(context["runAsUser"], context["runAsGroup"], context["fsGroup"]) > 0, owner
        assert spec["automountServiceAccountToken"] is False, owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), owner
        allowed = {
            "emptyDir",
            "configMap",
            "secret",
            "persistentVolumeClaim",
            "projected",
            "downwardAPI",
            "csi",
            "ephemeral",
        }
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= allowed, (owner, volume)
    for owner, container in containers(objects):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, owner
        assert context["privileged"] is False, owner
        assert context["readOnlyRootFilesystem"] is True, owner
        assert context["runAsNonRoot"] is True, owner
        assert context["capabilities"] == {"drop": ["ALL"]}, owner
        assert not any("hostPort" in port for port in container.get("ports", [])), owner


@every_case
def test_containers_are_bounded(objects: list[Object]) -> None:
    """Every container says what it needs and how much memory it may take; what it writes is bounded as well."""
    for owner, container in containers(objects):
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, owner
        assert "memory" in container["resources"]["limits"], owner
    for owner, _metadata, spec in pods(objects):
        mounted = {mount["mountPath"] for container in spec["containers"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounted, owner
        for volume in spec["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], (owner, volume)


@every_case
def test_images_are_fixed(objects: list[Object]) -> None:
    """Every image names one build."""
    for owner, container in containers(objects):
        name, _, tag = container["image"].rpartition(":")
        assert name, owner
        assert tag not in {"", "latest"}, owner
        assert "/" not in tag, owner


@every_case
def test_services_are_probed(objects: list[Object]) -> None:
    """Every long-running container has three probes, and over HTTP they do not all ask the same question."""
    for item in by_kind(objects, *WORKLOADS):
        for container in item["spec"]["template"]["spec"]["containers"]:
            probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
            asked = [json.dumps({key: probe.get(key) for key in ("httpGet", "tcpSocket")}) for probe in probes]
            assert "exec" in probes[0] or len(set(asked)) > 1, title(item)


@every_case
def test_labels(objects: list[Object]) -> None:
    """Objects and pods carry the recommended labels, valid ones, and selectors only use those that never change."""
    wanted = {
        f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "version", "managed-by", "part-of")
    }
    valid = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
    for name, labels in [
        *((title(item), item["metadata"]["labels"]) for item in objects),
        *((owner, metadata["labels"]) for owner, metadata, _spec in pods(objects)),
    ]:
        assert wanted <= labels.keys(), name
        assert all(isinstance(value, str) and valid.match(value) for value in labels.values()), (name, labels)
    for item in by_kind(objects, *WORKLOADS):
        selector = item["spec"]["selector"]["matchLabels"]
        assert selector.keys() == {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}, title(item)
        assert matches(selector, item["spec"]["template"]["metadata"]["labels"]), title(item)


@every_case
def test_names_are_unique_and_in_the_namespace(objects: list[Object]) -> None:
    """No two objects are the same one, all are in the release's namespace, and their names are valid."""
    names = [title(item) for item in objects]
    assert len(names) == len(set(names)), names
    for item in objects:
        assert item["metadata"]["namespace"] == NAMESPACE, title(item)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", item["metadata"]["name"]), title(item)


@every_case
def test_services_select_one_workload(objects: list[Object]) -> None:
    """A Service or a budget selects the pods of exactly one workload, never those of a migration or a test."""
    selectors = [
        *((title(item), item["spec"]["selector"]) for item in by_kind(objects, "Service")),
        *((title(item), item["spec"]["selector"]["matchLabels"]) for item in by_kind(objects, "PodDisruptionBudget")),
    ]
    assert selectors
    for name, selector in selectors:
        owners = [owner for owner, metadata, _spec in pods(objects) if matches(selector, metadata["labels"])]
        assert len(owners) == 1, (name, owners)
        assert owners[0].split("/")[0] in WORKLOADS, (name, owners)


@every_case
def test_ports_lead_somewhere(objects: list[Object]) -> None:
    """Services name ports that their pods have; what comes in from outside is led to ports that Services have."""
    for service in by_kind(objects, "Service"):
        for item in by_kind(objects, *WORKLOADS):
            if matches(service["spec"]["selector"], item["spec"]["template"]["metadata"]["labels"]):
                ports = {
                    port["name"] for each in item["spec"]["template"]["spec"]["containers"] for port in each["ports"]
                }
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, title(service)
    known = {
        (item["metadata"]["name"], port["port"])
        for item in by_kind(objects, "Service")
        for port in item["spec"]["ports"]
    }
    for ingress in by_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert (backend["name"], backend["port"]["number"]) in known, (title(ingress), backend)
    for route in by_kind(objects, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert (backend["name"], backend["port"]) in known, (title(route), backend)


@pytest.mark.parametrize("case", [case for case in CASES if case.chart == "todo-app"], ids=lambda case: case.name)
def test_frontend_asks_the_backend(objects: list[Object]) -> None:
    """In the umbrella the frontend's BACKEND_URL is the backend's Service."""
    urls, services = backend_urls(objects)
    assert urls == services
    assert len(urls) == 1


@every_case
def test_environments_are_unambiguous(objects: list[Object]) -> None:
    """No variable is set twice, which server-side apply refuses; everything is told its port and its identity."""
    for owner, container in containers(objects):
        names = [entry["name"] for entry in container["env"]]
        assert len(names) == len(set(names)), (owner, names)
        if container["name"] != "postgresql":
            tag = container["image"].rpartition(":")[2]
            for name in ("APP_IMAGE_TAG", "APP_DIGEST"):  # the second is the former name
                assert {"name": name, "value": tag} in container["env"], owner


@every_case
def test_scaling(objects: list[Object]) -> None:
    """What an autoscaler scales has no replicas of its own; what has more than one pod has a budget; rollouts take none away."""
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"] for item in by_kind(objects, "HorizontalPodAutoscaler")
    }
    budgets = {item["metadata"]["name"] for item in by_kind(objects, "PodDisruptionBudget")}
    for item in by_kind(objects, "Deployment"):
        name, spec = item["metadata"]["name"], item["spec"]
        assert ("replicas" in spec) != (name in scaled), name
        least = scaled[name]["minReplicas"] if name in scaled else spec["replicas"]
        assert (name in budgets) == (least > 1), name
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}, name
        assert spec["template"]["spec"]["topologySpreadConstraints"], name
        pause = (
            spec["template"]["spec"]["containers"][0]
            .get("lifecycle", {})
            .get("preStop", {})
            .get("sleep", {})
            .get("seconds", 0)
        )
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > pause, name
    assert scaled.keys() <= {item["metadata"]["name"] for item in by_kind(objects, "Deployment")}


@every_case
def test_network_policies(objects: list[Object], case: Case) -> None:
    """Every pod is covered by a policy for both ways, unless the values say otherwise; whoever asks a name may ask DNS."""
    policies = by_kind(objects, "NetworkPolicy")
    if not policies:
        assert "networkPolicy" in case.values.read_text(), "policies are on by default"
        return
    for owner, metadata, _spec in pods(objects):
        assert any(matches(item["spec"]["podSelector"]["matchLabels"], metadata["labels"]) for item in policies), owner
    for item in policies:
        assert set(item["spec"]["policyTypes"]) == {"Ingress", "Egress"}, title(item)
        ports = [port["port"] for rule in item["spec"]["egress"] for port in rule.get("ports", [])]
        assert not item["spec"]["egress"] or ports.count(53) == 2, title(item)
        assert {} not in item["spec"]["egress"], title(item)
        assert {} not in item["spec"]["ingress"], title(item)


@every_case
def test_configuration_holds_no_secret(objects: list[Object]) -> None:
    """No ConfigMap and no plain variable has a secret's name or a URL with a password in it."""
    plain = [(title(item), key, value) for item in by_kind(objects, "ConfigMap") for key, value in item["data"].items()]
    plain += [
        (owner, entry["name"], entry.get("value", "")) for owner, each in containers(objects) for entry in each["env"]
    ]
    for owner, key, value in plain:
        assert isinstance(value, str), (owner, key)
        assert not re.search(r"://[^/\s:]+:[^@\s]+@", value), (owner, key)
        if value:
            assert not re.search(r"(SECRET|PASSWORD|TOKEN|PRIVATE|API_KEY|DATABASE_URL)", key), (owner, key)


@every_case
def test_references_lead_somewhere(objects: list[Object], case: Case) -> None:
    """Accounts, ConfigMaps and Secrets that pods refer to are in the release, or the values name them as existing ones."""
    present = {title(item) for item in objects}
    existing = case.values.read_text() + (CHARTS / case.chart / "values.yaml").read_text()
    for owner, _metadata, spec in pods(objects):
        assert f"ServiceAccount/{spec['serviceAccountName']}" in present, owner
        for container in spec["containers"]:
            for source in container.get("envFrom", []):
                kind, reference = next(
                    ("ConfigMap", source[key]) if key == "configMapRef" else ("Secret", source[key]) for key in source
                )
                name = reference["name"]
                assert f"{kind}/{name}" in present or re.search(rf"\b{re.escape(name)}\b", existing), (
                    owner,
                    kind,
                    name,
                )


@every_case
def test_hooks_need_nothing_made_later(objects: list[Object]) -> None:
    """A hook that runs before the release's objects uses none of them: only other hooks that come before it."""
    released = {title(item) for item in objects if not hook(item)}
    jobs = [item for item in by_kind(objects, "Job") if "pre-install" in hook(item)]
    for job in jobs:
        spec = job["spec"]["template"]["spec"]
        needs = {f"ServiceAccount/{spec['serviceAccountName']}"}
        for source in spec["containers"][0].get("envFrom", []):
            needs |= {f"{'ConfigMap' if key == 'configMapRef' else 'Secret'}/{source[key]['name']}" for key in source}
        assert not needs & released, title(job)
        for item in objects:
            if title(item) in needs:
                assert hook(item) == hook(job), title(item)
                assert weight(item) < weight(job), title(item)


# Cases of charts that migrate nothing by default.
MIGRATES = {"component-everything-values"}


@every_case
def test_migrations(objects: list[Object], case: Case) -> None:
    """Migration Jobs are bounded hooks that stay when they fail; the release's own database is there before they run."""
    database = by_kind(objects, "StatefulSet")
    jobs = by_kind(objects, "Job")
    migrates = case.chart in ("backend", "todo-app") or case.name in MIGRATES
    assert len(jobs) == int(migrates), [title(job) for job in jobs]
    for job in jobs:
        annotations = job["metadata"]["annotations"]
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert annotations["helm.sh/hook-weight"] == "-5"
        assert hook(job) == {"post-install" if database else "pre-install", "pre-upgrade"}
        assert job["spec"]["backoffLimit"] == 3
        assert job["spec"]["activeDeadlineSeconds"] > 0
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


# --- single promises ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chart", APPLICATIONS)
def test_suites(charts: Path, chart: str) -> None:
    """The chart's own suites pass."""
    result = run(binary("HELM_UNITTEST", "helm-unittest"), "--strict", str(charts / chart), check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"Tests:\s+[1-9]\d* passed", result.stdout), "no test was run"


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value that is not a dictionary with something in it."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, (*path, str(key)))
    else:
        yield path


def set_by_suites(chart: str) -> set[tuple[str, ...]]:
    """Return the path of every value that a case of the chart's suites sets, by itself or with a values file."""
    found: set[tuple[str, ...]] = set()
    for file in (CHARTS / chart / "tests").glob("*_test.yaml"):
        suite = yaml.safe_load(file.read_text())
        for case in [suite, *suite["tests"]]:
            for key, value in (case.get("set") or {}).items():
                way = tuple(re.sub(r"\[\d+\]", "", key).split("."))
                found |= set(leaves(value, way))
            for values in case.get("values", []):
                found |= set(leaves(yaml.safe_load((file.parent / values).read_text())))
    return found


@pytest.mark.parametrize("chart", ["component", "postgresql", "todo-app"])
def test_every_value_has_a_case(chart: str) -> None:
    """Whatever values.yaml offers is switched by some case of the chart's suites; subcharts' values by those of the subchart."""
    tried = set_by_suites(chart)
    elsewhere = {item["name"] for item in dependencies(chart)} | {"client"}
    offered = leaves(yaml.safe_load((CHARTS / chart / "values.yaml").read_text()))
    missing = [
        ".".join(path)
        for path in offered
        if path[0] not in elsewhere and not any(way[: len(path)] == path or path[: len(way)] == way for way in tried)
    ]
    assert not missing


@pytest.mark.parametrize("chart", APPLICATIONS)
def test_dependencies_need_no_network(chart: str) -> None:
    """Every dependency is a neighbouring directory, pinned in the lock at the version that is there."""
    locked = {
        item["name"]: item["version"]
        for item in yaml.safe_load((CHARTS / chart / "Chart.lock").read_text())["dependencies"]
    }
    for item in dependencies(chart):
        assert item["repository"].startswith("file://../"), item
        there = yaml.safe_load((CHARTS / chart / item["repository"].removeprefix("file://") / "Chart.yaml").read_text())
        assert item["version"] == locked[item["name"]] == there["version"], item


CHANGES = {
    "configuration": (["--set", "config.LOG_LEVEL=debug"], True),
    "a Secret of the chart": (["--set", "existingSecret=,secret.TOKEN=other"], True),
    "an existing Secret": (["--set-string", "secretChecksum=43"], True),
    "a label of objects only": (["--set", "service.annotations.a=b"], False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_pods_follow_their_configuration(helm: str, charts: Path, change: str) -> None:
    """What pods read only when they start restarts them, and nothing else does."""
    arguments, restarts = CHANGES[change]
    values = ["-f", str(CHARTS / "backend/ci/default-values.yaml")]
    before, after = (
        by_kind(render(helm, charts, "backend", *values, *more), "Deployment")[0]["spec"]["template"]
        for more in ([], arguments)
    )
    assert (before != after) == restarts


REFUSED = {
    "no tag": ("component", ["--set", "image.tag="], "image.tag is empty"),
    "tag latest": ("component", ["--set", "image.tag=latest"], 'image.tag is "latest"'),
    "tag with a slash": ("component", ["--set", "image.tag=a/b"], "/image/tag"),
    "misspelt key": ("component", ["--set", "replica=2"], "additional properties 'replica' not allowed"),
    "misspelt inner key": (
        "component",
        ["--set", "service.nodeport=30000"],
        "additional properties 'nodeport' not allowed",
    ),
    "port out of range": ("component", ["--set", "service.port=70000"], "/service/port"),
    "node port out of range": (
        "component",
        ["--set", "service.type=NodePort,service.nodePort=80"],
        "/service/nodePort",
    ),
    "unknown Service type": ("component", ["--set", "service.type=ExternalName"], "/service/type"),
    "root": ("component", ["--set", "securityContext.runAsUser=0"], "/securityContext/runAsUser"),
    "no memory limit": ("component", ["--set", "resources.limits.memory=null"], "/resources/limits"),
    "unknown way in": ("component", ["--set", "ingress.kind=route"], "/ingress/kind"),
    "component label of a hook": ("component", ["--set", "component=migration"], "/component"),
    "hook that does not exist": ("backend", ["--set", "migration.hooks=before"], "/migration/hooks"),
    "text for a number": ("backend", ["--set-string", "replicas=2"], "/replicas"),
    "backend's address without a scheme": ("frontend", ["--set", "backendUrl=backend:8000"], "/backendUrl"),
    "unknown component of a path": (
        "todo-app",
        ["--set", "ingress.paths[0].path=/,ingress.paths[0].component=x"],
        "/ingress/paths/0/component",
    ),
    "misspelt key of a subchart": (
        "todo-app",
        ["--set", "backend.replica=2"],
        "additional properties 'replica' not allowed",
    ),
    "version with a blank": (
        "component",
        ["--set", "appVersion=1.0 beta"],
        "at '/appVersion': '1.0 beta' does not match",
    ),
    "value of a label with a blank": (
        "component",
        ["--set", "podLabels.team=a b"],
        "at '/podLabels/team': 'a b' does not match",
    ),
    "application with a blank": (
        "todo-app",
        ["--set", "global.partOf=a b"],
        "at '/global/partOf': 'a b' does not match",
    ),
    "number that loses digits": (
        "component",
        ["--set-json", "config.ID=123456789012345678"],
        "at '/config/ID': maximum",
    ),
    "negative number that loses digits": ("component", ["--set-json", "secret.ID=-1e300"], "at '/secret/ID': minimum"),
    "label of the chart": (
        "component",
        ["--set", r"podLabels.app\.kubernetes\.io/name=other"],
        "podLabels sets app.kubernetes.io/name, which the chart sets itself",
    ),
    "label of the chart, of a database": (
        "postgresql",
        ["--set", r"existingSecret=x,podLabels.app\.kubernetes\.io/instance=other"],
        "podLabels sets app.kubernetes.io/instance, which the chart sets itself",
    ),
    "variable twice": (
        "component",
        ["--set", "extraEnv[0].name=A,extraEnv[1].name=B,extraEnv[2].name=A"],
        "component: extraEnv sets A twice",
    ),
    "/tmp again": (
        "component",
        ["--set", "writableDirs={/tmp/}"],
        "writableDirs names /tmp/, which can be written to already",
    ),
    "directory twice": ("component", ["--set", "writableDirs={/a,/b,/a}"], "writableDirs names /a, which"),
    "mount over a directory": (
        "component",
        ["--set", "writableDirs={/a},extraVolumeMounts[0].name=v,extraVolumeMounts[0].mountPath=/a"],
        "extraVolumeMounts mounts something at /a, where something is mounted already",
    ),
    "volume twice": (
        "component",
        ["--set", "extraVolumes[0].name=tmp"],
        "extraVolumes has a volume tmp, and there is another one of that name",
    ),
    "no password": ("postgresql", ["--set", "existingSecret="], "there is no password"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_named(helm: str, charts: Path, mistake: str) -> None:
    """A wrong value is refused, and the message says which."""
    chart, arguments, message = REFUSED[mistake]
    values = CHARTS / chart / "ci/default-values.yaml"
    result = run(
        helm, "template", RELEASE, str(charts / chart), "-f", str(values), *KUBERNETES, *arguments, check=False
    )
    assert result.returncode != 0
    assert message in result.stderr, result.stderr


def schema(chart: str) -> Object:
    """Return a chart's values.schema.json."""
    found: Object = json.loads((CHARTS / chart / "values.schema.json").read_text())
    return found


def described(node: Object, place: str) -> Iterator[str]:
    """Yield the properties of a schema that have no description of their own."""
    for name, child in node.get("properties", {}).items():
        if node.get("additionalProperties") is False and "description" not in child and "$ref" not in child:
            yield f"{place}.{name}"
        yield from described(child, f"{place}.{name}")


@pytest.mark.parametrize("chart", APPLICATIONS)
def test_schema_and_values_agree(chart: str) -> None:
    """Every value with a default is in the schema, and the schema explains what it knows."""
    properties = schema(chart)["properties"]
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    assert values.keys() <= properties.keys()
    assert properties.keys() - values.keys() <= {"global", "common", "enabled"}, "a value without a default"
    assert schema(chart)["additionalProperties"] is False
    assert not list(described(schema(chart), chart))


@pytest.mark.parametrize("chart", ["backend", "component", "frontend"])
def test_a_component_has_one_template(chart: str) -> None:
    """Every template exists once, in the library: a component's chart includes all of its objects, and its notes."""
    files = {path.name: path.read_text() for path in (CHARTS / chart / "templates").rglob("*") if path.is_file()}
    assert files == {
        "manifests.yaml": '{{ include "common.manifests" . }}\n',
        "NOTES.txt": '{{ include "common.notes" . }}\n',
    }


class Answers(http.server.BaseHTTPRequestHandler):
    """A component that says it is the build `right`, under the key that is its path."""

    def do_GET(self) -> None:
        """Answer as a health endpoint does."""
        body = json.dumps({"status": "ok", self.path.lstrip("/"): "right"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of a server that answers as the build `right`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("key", ["image_tag", "digest"])  # the second is the former name
@pytest.mark.parametrize("tag", ["right", "wrong"])
@pytest.mark.parametrize("chart", ["backend", "frontend"])
def test_the_test_pod_tells_right_from_wrong(
    helm: str, charts: Path, chart: str, tag: str, key: str, answering: str
) -> None:
    """The command of `helm test` passes for the deployed build and fails, saying why, for another one."""
    pod = by_kind(render(helm, charts, chart, "-f", str(CHARTS / chart / "ci/default-values.yaml")), "Pod")[0]
    program, flag, code = pod["spec"]["containers"][0]["command"]
    found = sys.executable if program == "python" else shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is not on PATH. What to do: run tests/run.sh charts, which takes it from .venv.", False)
    # The patience of a minute is for a cluster.
    hasty = code.replace("monotonic() + 60", "monotonic()").replace("Date.now() + 60000", "Date.now()")
    assert hasty != code
    environment = {"PATH": os.environ["PATH"], "TEST_URL": f"{answering}/{key}", "APP_IMAGE_TAG": tag}
    result = subprocess.run(
        [found, flag, hasty], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert (result.returncode == 0) == (tag == "right"), result.stdout + result.stderr
    assert ("ok" in result.stdout) if tag == "right" else ("answers as right, not wrong" in result.stderr)
