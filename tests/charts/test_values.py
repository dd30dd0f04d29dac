# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values keep their type: what is given as text is read as the same text, wherever it stands and whoever reads.

Kubernetes and Helm read YAML with sigs.k8s.io/yaml, which is YAML 1.1 with parts of 1.2. Here every rendering is read by it
(Helm's ``fromYaml``), by a reader of YAML 1.1 and by one of YAML 1.2. Random texts are put into all places of a chart at once,
because a rendering takes longer than everything else. ``SLIPWAY_EXAMPLES=random`` looks for new ones.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rendering import CHARTS, KUBERNETES, TAGS, Object, by_kind, render, run, title

Read = Callable[[str], list[Object]]
# A path into an object, and what is to be found there.
Expected = dict[str, list[tuple[tuple[str | int, ...], Any]]]

RANDOM = os.environ.get("SLIPWAY_EXAMPLES", "same") == "random"
examples = settings(
    max_examples=100 if RANDOM else 5,
    deadline=None,
    derandomize=not RANDOM,
    database=None,
    # A smaller example takes minutes of renderings, and the message names the place and the value anyway.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# What a reader of YAML takes for something else unless it is quoted, or reads to another end.
TEXTS = [
    "2048",
    "12e45",
    "on",
    "y",
    "null",
    "1.10",
    "1234567890123456789",
    " blanks around ",
    "a #b",
    "{{ .Values.image.tag }}",
    "a\nb\n\n",
]
# The same for texts that are rarer; they are tried together.
RARE = ["no", "True", "~", "0x1F", "0o17", "017", "1_000", "12:30:45", ".5", ".inf", "-.NaN", "+1", "1e3", "2026-01-31"]
RARE += [
    "=",
    "<<",
    "-",
    "---",
    "...",
    " ",
    "\ttab\t",
    "#",
    "a: b",
    "- a",
    "{a: b}",
    "[a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
]
RARE += ["|", ">-", "'", '"', '"$user", app', "\\n", "\n", "\n\n a\n  b\n", "a\r\nb", "a\n---\nb"]
RARE += ["\x00\x07\x1b\x7f", "\x85\u2028\u2029\ufeff\ufffe", "\u00a0é 🚢"]
# Each of these can be a name or the value of a label.
NAMES = ["2048", "12e45", "on", "y", "null", "1234567890123456789", "0x1f", "017"]
LABELS = ["1.10", "2048", "12e45", "on", "y", "null", "1_000", "1234567890123456789"]

texts = st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=20, unique=True)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True)
labels = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,18}[A-Za-z0-9])?", fullmatch=True)


# --- readers --------------------------------------------------------------------------------------------------------------------


class Core(yaml.CSafeLoader):
    """PyYAML, which knows YAML 1.1, with the plain scalars of YAML 1.2's core schema."""


Core.yaml_implicit_resolvers = {}
for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None)


class Quoted(yaml.SafeDumper):
    """A writer of values files that quotes every text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@pytest.fixture(scope="session")
def kubernetes(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Kubernetes' own reader, which Helm has built in."""
    chart = tmp_path_factory.mktemp("reader")
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: reader\nversion: 0.1.0\n")
    (chart / "templates/read.yaml").write_text(
        'kind: Documents\ndocuments:\n{{- range .Files.Lines "documents" }}\n'
        "- {{ . | b64dec | fromYaml | toJson | b64enc }}\n{{- end }}\n"
    )

    def read(output: str) -> list[Object]:
        documents = re.split(r"(?m)^---$", output)
        (chart / "documents").write_text("\n".join(base64.b64encode(each.encode()).decode() for each in documents))
        (answer,) = yaml.safe_load_all(run(helm, "template", "reader", str(chart)).stdout)
        return [json.loads(base64.b64decode(each)) for each in answer["documents"]]

    return read


@pytest.fixture(scope="session")
def readers(kubernetes: Read) -> dict[str, Read]:
    """Whoever may read a rendering."""

    def by(loader: type[yaml.CSafeLoader]) -> Read:
        return lambda output: list(yaml.load_all(output, Loader=loader))

    return {"YAML 1.1": by(yaml.CSafeLoader), "YAML 1.2": by(Core), "Kubernetes": kubernetes}


Check = Callable[[str, Object, Expected, str, str], None]


@pytest.fixture(scope="session")
def check(helm: str, charts: Path, readers: dict[str, Read]) -> Check:
    """Render a chart as a release in a namespace and hold it against what is expected of its objects."""

    def rendered(chart: str, values: Object, expected: Expected, release: str, namespace: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            yaml.dump(values, file, Dumper=Quoted, width=10**6)
            file.flush()
            output = run(
                helm, "template", release, str(charts / chart), "-n", namespace, *KUBERNETES, "-f", file.name
            ).stdout
        for reader, read in readers.items():
            objects = {title(item): item for item in read(output) if item}
            for item in objects.values():
                assert item["metadata"]["namespace"] == namespace, (reader, title(item))
                assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == release, (reader, title(item))
            for name, facts in expected.items():
                for path, wanted in facts:
                    found = at(objects[name], path)
                    if isinstance(wanted, dict) and isinstance(found, dict):
                        found = {key: each for key, each in found.items() if key in wanted}
                    assert same(found, wanted), (reader, name, path, found, wanted)

    return rendered


def at(item: Any, path: tuple[str | int, ...]) -> Any:
    """Return what is at a path of an object."""
    for key in path:
        item = item[key]
    return item


def same(found: Any, wanted: Any) -> bool:
    """Tell whether two values are equal and of one type, inside lists and mappings too."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


# --- values, and where they are to be found -----------------------------------------------------------------------------------


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


def texts_of_a_component(some: list[str]) -> tuple[Object, Expected]:
    """Return values with these texts wherever component takes any text, and where they stand; single values take the first one."""
    first = some[0]
    keyed = {f"K{index}": text for index, text in enumerate(some)}
    annotations = {f"example.org/{index}": text for index, text in enumerate(some)} | {text: text for text in some}
    paths = [f"/{text}" for text in some]
    # The schema refuses line breaks here.
    asked = re.sub(r"\n", " ", paths[0])
    # Kubernetes takes a directory once, and the chart tells directories that are written in two ways.
    directories = [f"/{index}/_{text}" for index, text in enumerate(some)]
    tree = {"deep": [{text: [text, {"a": text}]} for text in some], first: {}, "empty": [], "number": 1.5, "none": None}
    requirement = {"key": "k", "operator": "In", "values": some}
    values: Object = {
        "image": {"tag": "a"},
        "fullnameOverride": "it",
        "command": some,
        "args": some,
        "service": {
            "type": "LoadBalancer",
            "port": 80,
            "annotations": annotations,
            "loadBalancerClass": first,
        },
        "config": keyed,
        "secret": keyed,
        "secretChecksum": first,
        "extraEnv": [{"name": text, "value": text} for text in some],
        "extraEnvFrom": [{"prefix": text, "configMapRef": {"name": text}} for text in some],
        "podAnnotations": annotations,
        "probes": {kind: {"enabled": True, "path": asked} for kind in ("startup", "readiness", "liveness")},
        "writableDirs": directories,
        "extraVolumes": [{"name": f"v{text}", "configMap": {"name": text}} for text in some],
        "extraVolumeMounts": [
            {"name": f"v{text}", "mountPath": f"/v{path}"} for text, path in zip(some, directories, strict=True)
        ],
        "imagePullSecrets": [{"name": text} for text in some],
        "serviceAccount": {"create": True, "annotations": annotations},
        "topologySpread": {"enabled": True, "keys": some, "whenUnsatisfiable": "DoNotSchedule"},
        "tolerations": [{"key": text, "value": text} for text in some],
        "affinity": tree,
        "priorityClassName": first,
        "autoscaling": {"enabled": True, "behavior": tree},
        "networkPolicy": {
            "enabled": True,
            "egressTo": [{"podSelector": {"matchExpressions": [requirement]}}],
            "extraIngress": [tree],
            "extraEgress": [tree],
            "database": {"enabled": True, "to": [tree]},
        },
        "ingress": {"kind": "ingress", "annotations": annotations, "paths": [{"path": path} for path in paths]},
        "migration": {"enabled": True, "command": some, "podAnnotations": annotations},
        "test": {"enabled": True, "path": paths[0], "command": some},
    }
    everything = {**tree, "empty": []}
    expected: Expected = {
        "ConfigMap/it-config": [(("data",), keyed)],
        "ConfigMap/it-migration": [(("data",), keyed)],
        "Secret/it-secrets": [(("stringData",), keyed)],
        "Secret/it-migration": [(("stringData",), keyed)],
        "ServiceAccount/it": [(("metadata", "annotations"), annotations)],
        "Service/it": [(("metadata", "annotations"), annotations), (("spec", "loadBalancerClass"), first)],
        "Ingress/it": [
            (("metadata", "annotations"), annotations),
            *((("spec", "rules", 0, "http", "paths", index, "path"), path) for index, path in enumerate(paths)),
        ],
        "HorizontalPodAutoscaler/it": [(("spec", "behavior"), everything)],
        "NetworkPolicy/it": [
            (("spec", "egress", 2, "to", 0, "podSelector", "matchExpressions"), [requirement]),
            (("spec", "egress", 3, "to", 0), everything),
            (("spec", "egress", -1), everything),
            (("spec", "ingress", -1), everything),
        ],
        "Deployment/it": [
            (("spec", "template", "metadata", "annotations"), annotations | {"checksum/secret": first}),
            ((*POD, "imagePullSecrets"), values["imagePullSecrets"]),
            ((*POD, "priorityClassName"), first),
            ((*POD, "tolerations"), values["tolerations"]),
            ((*POD, "affinity"), everything),
            *(((*POD, "topologySpreadConstraints", index, "topologyKey"), key) for index, key in enumerate(some)),
            ((*POD, "volumes", -1), values["extraVolumes"][-1]),
            ((*CONTAINER, "command"), some),
            ((*CONTAINER, "args"), some),
            *(((*CONTAINER, "env", index - len(some)), each) for index, each in enumerate(values["extraEnv"])),
            *(((*CONTAINER, "envFrom", index + 2), each) for index, each in enumerate(values["extraEnvFrom"])),
            *(((*CONTAINER, f"{kind}Probe", "httpGet", "path"), asked) for kind in values["probes"]),
            *(((*CONTAINER, "volumeMounts", index + 1, "mountPath"), each) for index, each in enumerate(directories)),
            ((*CONTAINER, "volumeMounts", -1), values["extraVolumeMounts"][-1]),
        ],
        "Job/it-migration": [
            (("spec", "template", "metadata", "annotations"), annotations),
            ((*CONTAINER, "command"), some),
        ],
        "Pod/it-test": [
            (("spec", "containers", 0, "command"), some),
            (("spec", "containers", 0, "env", 0, "value"), f"http://it:80{paths[0]}"),
        ],
    }
    return values, expected


def names_of_a_component(name: str, label: str, tag: str) -> tuple[Object, Expected]:
    """Return values with a name, a label's value and a tag wherever component takes one, and where they stand."""
    values: Object = {
        "image": {"repository": name, "tag": tag},
        "nameOverride": name,
        "fullnameOverride": name,
        "partOf": label,
        "appVersion": tag,
        "component": name,
        "service": {"type": "ClusterIP", "port": 80, "name": name},
        "config": {"on": "a", "y": "b", "null": "c", "e5": "d"},
        "existingSecret": name,
        "podLabels": {label: label, "on": label, f"example.org/{label}": label},
        "nodeSelector": {label: label},
        "serviceAccount": {"create": True, "name": name},
        "tmpSizeLimit": "2048",
        "networkPolicy": {
            "enabled": True,
            "ingressNamespaces": [name],
            "ingressFrom": [{"podSelector": {"matchLabels": {label: label}}}],
        },
        "ingress": {
            "kind": "ingress",
            "className": name,
            "hosts": [name],
            "tls": [{"secretName": name, "hosts": [name]}],
            "paths": [{"path": "/"}],
        },
        "test": {"enabled": True, "command": ["a"]},
    }
    selector = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": name}
    pod_labels = {**selector, **values["podLabels"], "app.kubernetes.io/part-of": label}
    backend = {"service": {"name": name, "port": {"number": 80}}}
    expected: Expected = {
        f"ConfigMap/{name}-config": [(("data",), values["config"])],
        f"ServiceAccount/{name}": [(("metadata", "labels"), {**selector, "app.kubernetes.io/part-of": label})],
        f"Service/{name}": [(("spec", "selector"), selector)],
        f"Ingress/{name}": [
            (("spec", "ingressClassName"), name),
            (("spec", "tls"), values["ingress"]["tls"]),
            (("spec", "rules", 0, "host"), name),
            (("spec", "rules", 0, "http", "paths", 0, "backend"), backend),
        ],
        f"NetworkPolicy/{name}": [
            (("spec", "podSelector", "matchLabels"), {"app.kubernetes.io/name": name}),
            (("spec", "ingress", 0, "from", 1, "namespaceSelector", "matchExpressions", 0, "values"), [name]),
            (("spec", "ingress", 0, "from", 2), values["networkPolicy"]["ingressFrom"][0]),
        ],
        f"Deployment/{name}": [
            (("spec", "selector", "matchLabels"), selector),
            (("spec", "template", "metadata", "labels"), pod_labels),
            (
                ("spec", "template", "metadata", "labels", "app.kubernetes.io/version"),
                tag.replace("+", "_").strip("-_."),
            ),
            ((*POD, "serviceAccountName"), name),
            ((*POD, "nodeSelector"), values["nodeSelector"]),
            ((*POD, "volumes", 0, "emptyDir", "sizeLimit"), "2048"),
            ((*CONTAINER, "name"), name),
            ((*CONTAINER, "image"), f"{name}:{tag}"),
            ((*CONTAINER, "env", 0), {"name": "APP_DIGEST", "value": tag}),
            ((*CONTAINER, "env", 1), {"name": "APP_IMAGE_TAG", "value": tag}),
            ((*CONTAINER, "env", 2), {"name": "APP_VERSION", "value": tag}),
            ((*CONTAINER, "envFrom", 0, "configMapRef", "name"), f"{name}-config"),
            ((*CONTAINER, "envFrom", 1, "secretRef", "name"), name),
        ],
        f"Pod/{name}-test": [
            (("metadata", "labels"), values["podLabels"]),
            (("spec", "containers", 0, "env", 0, "value"), f"http://{name}:80/"),
        ],
    }
    return values, expected


def values_of_a_database(some: list[str], name: str) -> tuple[Object, Expected]:
    """Return values with these texts and this name wherever postgresql takes them, and where they stand."""
    annotations = {f"example.org/{index}": text for index, text in enumerate(some)}
    # Kubernetes replaces what begins with $( or $$: that has a test of its own, next to the chart.
    settings_ = {f"s{index:02}": text for index, text in enumerate(some) if not re.search(r"\$[$(]", text)}
    user = "null" if name[0].isdigit() or "-" in name else name
    values: Object = {
        "fullnameOverride": name,
        "user": user,
        "database": user,
        "secret": {"POSTGRES_PASSWORD": some[0]},
        "service": {"name": name, "port": 5432},
        "storage": {"size": "2048", "className": name},
        "parameters": settings_,
        "podAnnotations": annotations,
        "serviceAccount": {"create": True, "name": name, "annotations": annotations},
        "priorityClassName": some[0],
        "networkPolicy": {"enabled": True, "clients": some, "sameRelease": True},
    }
    claim = ("spec", "volumeClaimTemplates", 0, "spec")
    expected: Expected = {
        f"Secret/{name}-secrets": [(("stringData",), {"POSTGRES_PASSWORD": some[0]})],
        f"ServiceAccount/{name}": [(("metadata", "annotations"), annotations)],
        f"NetworkPolicy/{name}": [
            (("spec", "ingress", 0, "from", 0, "podSelector", "matchExpressions", 0, "values"), some),
        ],
        f"StatefulSet/{name}": [
            (("spec", "serviceName"), f"{name}-headless"),
            (("spec", "template", "metadata", "annotations"), annotations),
            ((*POD, "priorityClassName"), some[0]),
            ((*CONTAINER, "env", 0, "value"), user),
            ((*CONTAINER, "env", 2, "valueFrom", "secretKeyRef", "name"), f"{name}-secrets"),
            ((*CONTAINER, "livenessProbe", "exec", "command", -1), f"--dbname={user}"),
            ((*claim, "storageClassName"), name),
            ((*claim, "resources", "requests", "storage"), "2048"),
        ],
    }
    if settings_:
        arguments = [part for key, text in settings_.items() for part in ("-c", f"{key}={text}")]
        expected[f"StatefulSet/{name}"].append(((*CONTAINER, "args"), arguments))
    return values, expected


# --- the tests ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("some", [*([text] for text in TEXTS), RARE, TEXTS[::-1]], ids=lambda some: ascii(some[0]))
def test_texts_that_look_like_something_else(check: Check, some: list[str]) -> None:
    """Numbers, words and signs of YAML stay the text that they are, in every place that takes a text."""
    check("component", *texts_of_a_component(some), "shop", "market")
    check("postgresql", *values_of_a_database(some, "it"), "shop", "market")


@pytest.mark.parametrize(("name", "label"), [*zip(NAMES, LABELS, strict=True)])
def test_names_that_look_like_something_else(check: Check, name: str, label: str) -> None:
    """Names, namespaces, labels and tags that look like numbers or words of YAML stay the text that they are."""
    check("component", *names_of_a_component(name, label, label), name, name)
    check("postgresql", *values_of_a_database(TEXTS, name), name, name)


@examples
@given(texts, names)
def test_random_texts_are_read_as_they_were_given(check: Check, some: list[str], name: str) -> None:
    """Any text comes out of the charts as it went in."""
    check("component", *texts_of_a_component(some), "shop", "market")
    check("postgresql", *values_of_a_database(some, name), name, "market")


@examples
@given(names, labels, labels)
def test_random_names_are_read_as_they_were_given(check: Check, name: str, label: str, tag: str) -> None:
    """Any name, label and tag comes out of the charts as it went in."""
    check("component", *names_of_a_component(name, label, tag), name, name)


@pytest.mark.parametrize("text", ["12e45", "on", "a #b", "{{ a }}", 'a"b\\'])
def test_routes_and_addresses(check: Check, text: str) -> None:
    """A route's path and its Gateways, and the address of a backend, are what the values say."""
    route: Object = {"image": {"tag": "a"}, "fullnameOverride": "it"}
    route["ingress"] = {"kind": "httproute", "parentRefs": [{"name": text}], "paths": [{"path": f"/{text}"}]}
    check(
        "component",
        route,
        {
            "HTTPRoute/it": [
                (("spec", "parentRefs"), [{"name": text}]),
                (("spec", "rules", 0, "matches", 0, "path", "value"), f"/{text}"),
            ]
        },
        "shop",
        "market",
    )
    url = f"http://backend/{text}"
    expected: Expected = {"Deployment/it": [((*CONTAINER, "env", 3), {"name": "BACKEND_URL", "value": url})]}
    check("frontend", {"image": {"tag": "a"}, "fullnameOverride": "it", "backendUrl": url}, expected, "shop", "market")


NUMBERS = {
    "1": 1,
    "10000000": 10000000,
    "9007199254740991": 2**53 - 1,
    "0.25": 0.25,
    "1234567.5": 1234567.5,
    "true": True,
}


def test_numbers_become_text_without_an_exponent(check: Check) -> None:
    """Numbers and truth values of config are written as a person would."""
    config = {f"K{text}": number for text, number in NUMBERS.items()}
    expected: Expected = {"ConfigMap/it-config": [(("data",), {f"K{text}": text for text in NUMBERS})]}
    check("component", {"image": {"tag": "a"}, "fullnameOverride": "it", "config": config}, expected, "shop", "market")


@pytest.mark.parametrize("chart", ["component", "todo-app"])
def test_long_releases_have_objects_of_their_own(helm: str, charts: Path, chart: str) -> None:
    """No two releases make an object of one name, up to Helm's limit of 53 characters for a release's name."""
    start = "shop-of-the-market-in-the-old-town-by-the-harbour-"
    assert len(start) == 50
    found = []
    for release in (f"{start}1", f"{start}12", f"{start}124"):
        objects = render(
            helm,
            charts,
            chart,
            "-f",
            str(CHARTS / chart / "ci/default-values.yaml"),
            *TAGS.get(chart, []),
            release=release,
        )
        assert by_kind(objects, "Deployment")
        assert all(len(item["metadata"]["name"]) <= 63 for item in objects)
        # A Service with a fixed name is one that others are told of.
        found += [title(item) for item in objects if item["kind"] != "Service"]
    assert len(found) == len(set(found)), found


TEMPLATES = [
    file
    for file in sorted(CHARTS.glob("*/templates/*"))
    if file.name not in {"_values.tpl", "_validate.tpl", "_notes.tpl", "NOTES.txt"}
]


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: f"{file.parts[-3]}-{file.name}")
def test_templates_write_values_through_the_helper(file: Path) -> None:
    """No template writes a value of its own accord: it is a number by int, or goes through common.quote or common.yaml."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        for expression in re.findall(r"(?:: |- |=)\{\{-? (.+?) -?\}\}", line):
            assert re.match(r'int |int64 |include "common\.(quote|yaml)" ', expression), (number, line)
        assert "| quote" not in line, (number, line)
        assert "toYaml" not in line or "$annotations = toYaml" in line, (number, line)
