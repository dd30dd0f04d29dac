# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an application's specification to its plan. Private to the collection.

Every mistake is collected with its place, so that a person meets all of them in one run.
"""

from __future__ import annotations

import copy
import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.dependencies import CircularDependencyError, order
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import ManifestError
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import ChartError, digest_chart, read_chart
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerfiles import base_images, made_here
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import ContextError
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    digest_context,
    digest_paths,
    read_context,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    CircularTemplatesError,
    TemplateError,
    references,
    resolve_reference,
    template_order,
)

# The variables of the specification; everything else that begins with application_ is a mistake in writing.
VARIABLES = (
    "name",
    "namespace",
    "hosts",
    "entry",
    "project_dir",
    "components",
    "releases",
    "secrets",
    "checks",
    "journey",
)
NOT_SPECIFICATION = ("plan", "secrets_needed")
TAG_LENGTH = 16

_COMPONENT_KEYS = ("source", "dockerfile", "build_args", "repository", "migrations")
_COMPONENT_FACTS = ("tag", "digest", "image", "repository")
_RELEASE_KEYS = ("name", "namespace", "chart", "values", "images", "migrations", "secret_checksums", "wait")
_SECRET_KEYS = ("name", "namespace", "keys")
_SOURCES = ("env", "generate", "template", "value")
_ENTRIES = ("ingress", "node_port", "load_balancer", "none")
_ENTRY_KEYS = ("kind", "service", "namespace", "port")

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_KEY = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_REPOSITORY = re.compile(
    r"^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$"
)
_PATH = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
_ENVIRONMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
# The dot tells them from the variables of health_check, and $${ is health_check's own way to write ${.
_PLACEHOLDER = re.compile(r"(?<!\$)\$\{((?:application|components)\.[^{}]*)\}")


@dataclass
class Problems:
    """What is wrong with the specification, in the order in which it was found."""

    found: list[str] = field(default_factory=list)

    def add(self, place: str, what: str, remedy: str) -> None:
        """Note one mistake: where it is, what is wrong, and what to do."""
        self.found.append(f"{place}: {what}; {remedy}.")


class SpecificationError(ValueError):
    """The specification is wrong. C(problems) holds one sentence for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        head = (
            "The application's specification has a mistake" if count == 1 else f"The specification has {count} mistakes"
        )
        super().__init__(f"{head}. Nothing was changed.\n" + "\n".join(f"- {problem}" for problem in self.problems))


@dataclass(frozen=True)
class Plan:
    """The plan as a plain dictionary, and what a person should be told about it."""

    data: dict[str, Any]
    warnings: tuple[str, ...]


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    for kind, name in names.items():
        if isinstance(value, kind):
            return name
    return "a dictionary" if isinstance(value, Mapping) else "a list"


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}" if close else f"known are {', '.join(known)}"


class _Checker:
    """Looks at values and notes what is wrong with them."""

    def __init__(self) -> None:
        self.problems = Problems()

    def keys(self, place: str, value: Mapping[Any, Any], known: Sequence[str]) -> None:
        for key in value:
            if key not in known:
                self.problems.add(f"{place}.{key}", "this key is unknown", _near(str(key), known))

    def mapping(self, place: str, value: Any) -> Mapping[Any, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.problems.add(place, f"it is {_kind(value)}", "write a dictionary")
        return {}

    def items(self, place: str, value: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """Yield the dictionaries of a list with their places, and note whatever is not one."""
        if value is None:
            return
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            self.problems.add(place, f"it is {_kind(value)}", "write a list")
            return
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield f"{place}[{index}]", item
            else:
                self.problems.add(f"{place}[{index}]", f"it is {_kind(item)}", "write a dictionary")

    def text(self, place: str, value: Any, default: str = "", example: str = "") -> str:
        if value is None and default:
            return default
        if isinstance(value, str) and value:
            return value
        what = "it is missing" if value is None else "it is empty" if value == "" else f"it is {_kind(value)}"
        self.problems.add(place, what, f"write a text, such as {example}" if example else "write a text")
        return ""

    def label(self, place: str, value: Any, default: str = "", longest: int = 63) -> str:
        text = self.text(place, value, default, "todo")
        if text and not (_LABEL.match(text) and len(text) <= longest):
            self.problems.add(
                place,
                f"{text!r} is no valid Kubernetes name",
                f"use at most {longest} lower-case letters, digits and hyphens, with a letter or digit at both ends",
            )
        return text

    def host(self, place: str, value: Any) -> str:
        text = self.text(place, value, example="todo.localhost")
        labels = text.removeprefix("*.").split(".")
        if text and (len(text) > 253 or not all(_LABEL.match(label) and len(label) <= 63 for label in labels)):
            self.problems.add(
                place, f"{text!r} is no valid host name", "use labels of a-z, 0-9 and hyphens with dots between"
            )
        return text


def build_plan(specification: Mapping[str, Any], base: Path) -> Plan:
    """Check a specification and compute its plan.

    The keys of C(specification) are VARIABLES, and C(given), the names of all variables that begin with C(application_).
    Secrets come outlined: in place of a C(value) is V(true), and C(available) tells whether an environment variable is
    set. C(base) is what a relative project_dir starts from. Raises SpecificationError with every mistake found.
    """
    check = _Checker()
    for name in specification.get("given") or ():
        short = str(name).removeprefix("application_")
        if short not in VARIABLES and short not in NOT_SPECIFICATION:
            known = [f"application_{one}" for one in VARIABLES]
            check.problems.add(str(name), "this variable is unknown", _near(str(name), known))
    name = check.label("application_name", specification.get("name"), longest=53)
    namespace = specification.get("namespace") or name
    if namespace != name:  # otherwise a wrong name would be reported twice
        namespace = check.label("application_namespace", namespace)
    hosts = _hosts(check, specification.get("hosts"))
    project = (base / str(specification.get("project_dir") or "")).resolve()
    if not project.is_dir():
        check.problems.add("application_project_dir", f"there is no directory {project}", "correct it")
    warnings: list[str] = []
    recipes = _known_bases(check, specification.get("distribution"))
    components = _components(check, specification.get("components"), project, name, recipes, warnings)
    _deliver(components, specification.get("releases"))
    entry = _entry(check, specification.get("entry"), namespace)
    secrets = _secrets(check, specification.get("secrets"), namespace)
    releases = _releases(check, specification.get("releases"), project, namespace, components, secrets)
    facts = {"name": name, "namespace": namespace, "hosts": hosts, "components": components}
    checks = _checks(check, "application_checks", specification.get("checks"), facts)
    journey = _checks(check, "application_journey", specification.get("journey"), facts)
    if check.problems.found:
        raise SpecificationError(check.problems.found)
    data = {
        "name": name,
        "namespace": namespace,
        "project_dir": str(project),
        "hosts": hosts,
        "entry": entry,
        "components": components,
        "releases": releases,
        "secrets": [
            {"name": item["name"], "namespace": item["namespace"], "keys": sorted(item["keys"])} for item in secrets
        ],
        "checks": checks,
        "journey": journey,
    }
    return Plan(data, tuple(warnings))


def _hosts(check: _Checker, given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        check.problems.add("application_hosts", f"it is {_kind(given)}", "write a list of host names")
        return []
    hosts = [check.host(f"application_hosts[{index}]", host) for index, host in enumerate(given)]
    _no_twice(check, "application_hosts", hosts)
    return hosts


def _entry(check: _Checker, given: Any, namespace: str) -> dict[str, Any]:
    """Return how the application is reached from outside the cluster."""
    place = "application_entry"
    fields = check.mapping(place, given)
    check.keys(place, fields, _ENTRY_KEYS)
    kind = fields.get("kind") or "ingress"
    if kind not in _ENTRIES:
        check.problems.add(f"{place}.kind", f"{kind!r} is unknown", _near(str(kind), _ENTRIES))
    if kind not in ("node_port", "load_balancer"):
        for key in set(fields) - {"kind"}:
            check.problems.add(f"{place}.{key}", f"it does not go with kind {kind}", "remove it")
        return {"kind": kind}
    port = fields.get("port")
    if isinstance(port, bool) or not isinstance(port, (int, str, type(None))):
        check.problems.add(f"{place}.port", f"it is {_kind(port)}", "write the Service port's name or number")
    return {
        "kind": kind,
        "service": check.label(f"{place}.service", fields.get("service")),
        "namespace": check.label(f"{place}.namespace", fields.get("namespace"), default=namespace),
        "port": str(port or ""),
    }


def _no_twice(check: _Checker, place: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name and name in names[:index]:
            check.problems.add(f"{place}[{index}]", f"{name!r} is there twice", "remove or rename one of them")


def _known_bases(check: _Checker, distribution: Any) -> Mapping[str, str]:
    """Return the digests of base images that are made on the machine, by name: a change of one changes all built on it."""
    if not distribution:
        return {}
    try:
        return made_here(Path(str(distribution)))
    except ManifestError as error:
        check.problems.add("distribution", str(error), "correct it")
        return {}


def _components(
    check: _Checker, given: Any, project: Path, application: str, known: Mapping[str, str], warnings: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the components in the order of building: one that another is built from comes before it."""
    found: dict[str, dict[str, Any]] = {}
    for key, item in check.mapping("application_components", given).items():
        place = f"application_components.{key}"
        name = check.label(place, key)
        found[name] = _component(check, place, item, project, f"{application}-{name}")
    # One with a mistake stays empty: what uses it has no mistake of its own.
    components: dict[str, dict[str, Any]] = {name: {} for name in found}
    for name in _build_order(check, found):
        component = found[name]
        del components[name]  # to come at its place in the order
        if component and not all(components[one] for one in component["needs"]):
            component = {}
        if component:
            component = _digested(check, f"application_components.{name}", component, components, known, warnings)
        components[name] = component
    return components


def _component(check: _Checker, place: str, item: Any, project: Path, repository: str) -> dict[str, Any]:
    """Return what is known of one component before its digest, empty when it has a mistake."""
    before = len(check.problems.found)
    fields = check.mapping(place, item)
    if len(check.problems.found) > before:
        return {}
    check.keys(place, fields, _COMPONENT_KEYS)
    source = check.text(f"{place}.source", fields.get("source"), example="src/backend")
    dockerfile = check.text(f"{place}.dockerfile", fields.get("dockerfile"), default="Dockerfile")
    repository = check.text(f"{place}.repository", fields.get("repository"), default=repository)
    if fields.get("repository") is not None and repository and not _REPOSITORY.match(repository):
        check.problems.add(
            f"{place}.repository", f"{repository!r} is no image repository", "write it like todo-backend, without a tag"
        )
    arguments = _build_args(check, f"{place}.build_args", fields.get("build_args"))
    migrations = fields.get("migrations") or []
    if not isinstance(migrations, list) or not all(isinstance(path, str) and path for path in migrations):
        check.problems.add(f"{place}.migrations", "it is no list of paths", "write it like [alembic/versions]")
    directory = Path(os.path.normpath(project / source))
    file = Path(os.path.normpath(directory / dockerfile))
    if source and not directory.is_dir():
        check.problems.add(
            f"{place}.source",
            f"there is no directory {directory}",
            "correct it; it starts from application_project_dir",
        )
    elif source and not file.is_file():
        check.problems.add(f"{place}.dockerfile", f"there is no file {file}", "correct it; it starts from the source")
    if len(check.problems.found) > before:
        return {}
    words = [word for value in arguments.values() for word in _PLACEHOLDER.findall(value)]
    needs = [word.removeprefix("components.").rpartition(".")[0] for word in words if word.startswith("components.")]
    return {
        "source": str(directory),
        "dockerfile": dockerfile,
        "build_args": arguments,
        "repository": repository,
        "needs": sorted(set(needs)),
        "migrations": migrations,
    }


def _build_order(check: _Checker, components: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names so that each comes after those it is built from, otherwise in the order given."""
    graph: dict[str, list[str]] = {}
    for name, component in components.items():
        graph[name] = []
        for need in component.get("needs", ()):
            if need in components:
                graph[name].append(need)
            else:
                check.problems.add(
                    f"application_components.{name}.build_args",
                    f"there is no component {need}",
                    _near(need, components),
                )
                return []
    try:
        return order(graph)
    except CircularDependencyError as error:
        check.problems.add(
            "application_components",
            f"they are built from each other: {error}",
            "take the image out of one build_args",
        )
        return []


def _digested(
    check: _Checker,
    place: str,
    component: Mapping[str, Any],
    components: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, str],
    warnings: list[str],
) -> dict[str, Any]:
    """Return a component with its names, which come from the digest of all it is made of."""
    directory = Path(component["source"])
    arguments = _filled(check, f"{place}.build_args", component["build_args"], {"components": components})
    file = Path(os.path.normpath(directory / component["dockerfile"]))
    try:
        context = read_context(directory, component["dockerfile"])
        bases = base_images(file.read_text(encoding="utf-8", errors="replace"), arguments)
        digest = digest_context(context, file, arguments, {name: known[name] for name in bases if name in known})
    except ContextError as error:
        check.problems.add(f"{place}.source", "the build context cannot be read", str(error))
        return {}
    try:
        migrations = f"sha256:{digest_paths(context, component['migrations'])}" if component["migrations"] else ""
    except ContextError as error:
        check.problems.add(f"{place}.migrations", str(error), "correct the path; it starts from the source")
        return {}
    warnings.extend(f"{place}: {warning}" for warning in context.warnings)
    # Letters first: a tag of digits alone, or with one e among them, is a number to a YAML reader.
    tag = f"sha-{digest[:TAG_LENGTH]}"
    return {
        **component,
        "build_args": arguments,
        "tag": tag,
        "image": f"{component['repository']}:{tag}",
        "digest": f"sha256:{digest}",
        "migrations": migrations,
    }


def _deliver(components: Mapping[str, dict[str, Any]], releases: Any) -> None:
    """Note which images the node needs: not those that are there only to build others from."""
    used = {
        name
        for release in (releases if isinstance(releases, Sequence) else ())
        if isinstance(release, Mapping) and isinstance(release.get("images"), Mapping)
        for name in release["images"]
    }
    bases = {need for component in components.values() for need in component.get("needs", ())}
    for name, component in components.items():
        if component:
            component["deliver"] = name in used or name not in bases


def _build_args(check: _Checker, place: str, given: Any) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for key, value in check.mapping(place, given).items():
        if not isinstance(key, str) or not _ENVIRONMENT.match(key):
            check.problems.add(f"{place}.{key}", "this is no name of a build argument", "use letters, digits and _")
        elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
            check.problems.add(f"{place}.{key}", f"it is {_kind(value)}", "write a text")
        else:
            arguments[key] = str(value)
    return arguments


def _secrets(check: _Checker, given: Any, namespace: str) -> list[dict[str, Any]]:
    secrets: list[dict[str, Any]] = []
    for place, item in check.items("application_secrets", given):
        check.keys(place, item, _SECRET_KEYS)
        name = check.text(f"{place}.name", item.get("name"), example="todo-backend")
        if name and not all(_LABEL.match(part) for part in name.split(".")):
            check.problems.add(
                f"{place}.name", f"{name!r} is no valid Kubernetes name", "use a-z, 0-9, hyphens and dots"
            )
        place_of = check.label(f"{place}.namespace", item.get("namespace"), default=namespace)
        keys: dict[str, Mapping[str, Any]] = {}
        fields = check.mapping(f"{place}.keys", item.get("keys"))
        if not fields:
            check.problems.add(
                f"{place}.keys", "there is no key", "name at least one, such as PASSWORD: {generate: 32}"
            )
        for key, source in fields.items():
            if not _KEY.match(str(key)):
                check.problems.add(
                    f"{place}.keys.{key}", "this is no valid key", "use letters, digits, '-', '_' and '.'"
                )
            _source(check, f"{place}.keys.{key}", source)
            keys[str(key)] = source if isinstance(source, Mapping) else {}
        secrets.append({"name": name, "namespace": place_of, "keys": keys})
    _no_twice(check, "application_secrets", [item["name"] for item in secrets])
    _templates(check, secrets)
    return secrets


def _source(check: _Checker, place: str, given: Any, nested: bool = False) -> None:
    if not isinstance(given, Mapping):
        check.problems.add(
            place, f"it is {_kind(given)}", "say where it comes from, such as {env: NAME} or {generate: 32}"
        )
        return
    known = (*_SOURCES, "otherwise", "required") if "env" in given else _SOURCES
    check.keys(place, {key: None for key in given if key != "available"}, known)
    named = [key for key in _SOURCES if key in given]
    if len(named) != 1:
        what = f"{' and '.join(named)} are given" if named else "no source is given"
        check.problems.add(place, what, f"give exactly one of {', '.join(_SOURCES)}")
        return
    if "env" in given:
        _environment(check, place, given)
    elif "generate" in given:
        length = given["generate"]
        if isinstance(length, bool) or not isinstance(length, int) or not 16 <= length <= 1024:
            check.problems.add(f"{place}.generate", f"{length!r} is no length", "write a number from 16 to 1024")
    elif "template" in given:
        check.text(f"{place}.template", given["template"], example="postgresql://todo:{PASSWORD}@db/todo")
    elif given["value"] is not True:
        check.problems.add(f"{place}.value", "it is no text", "write a text or number, best from a vault")


def _environment(check: _Checker, place: str, given: Mapping[str, Any]) -> None:
    name = check.text(f"{place}.env", given["env"], example="DATABASE_URL")
    if name and not _ENVIRONMENT.match(name):
        check.problems.add(
            f"{place}.env", f"{name!r} is no name of an environment variable", "use letters, digits and _"
        )
    required = given.get("required", "otherwise" not in given)
    if not isinstance(required, bool):
        check.problems.add(f"{place}.required", f"it is {_kind(required)}", "write true or false")
    elif "otherwise" in given and given.get("required"):
        check.problems.add(place, "required and otherwise are both given", "remove one of them")
    elif required and "otherwise" not in given and given.get("available") is False:
        check.problems.add(
            place,
            f"the environment variable {name} is not set",
            "set it, or say 'required: false' or what to take otherwise",
        )
    if "otherwise" in given:
        _source(check, f"{place}.otherwise", given["otherwise"])


def _alternatives(source: Any) -> Iterator[Mapping[str, Any]]:
    while isinstance(source, Mapping):
        yield source
        source = source.get("otherwise")


def _templates(check: _Checker, secrets: Sequence[Mapping[str, Any]]) -> None:
    """Note references that lead nowhere or to several keys, and circles of them."""
    keys = {item["name"]: list(item["keys"]) for item in secrets}
    edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
    places: dict[tuple[str, str], str] = {}
    for index, item in enumerate(secrets):
        for key, source in item["keys"].items():
            node = (item["name"], key)
            places[node] = f"application_secrets[{index}].keys.{key}"
            edges[node] = set()
            for alternative in _alternatives(source):
                template = alternative.get("template")
                if not isinstance(template, str):
                    continue
                for reference in references(template):
                    try:
                        edges[node].add(resolve_reference(reference, item["name"], keys))
                    except TemplateError as error:
                        check.problems.add(f"{places[node]}.template", str(error), "correct the name in braces")
    try:
        template_order(edges)
    except CircularTemplatesError as error:
        check.problems.add(places[error.circle[0]], str(error), "let one of them be a value of its own")


def _releases(
    check: _Checker,
    given: Any,
    project: Path,
    namespace: str,
    components: Mapping[str, Mapping[str, Any]],
    secrets: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    releases: list[dict[str, Any]] = []
    for place, item in check.items("application_releases", given):
        check.keys(place, item, _RELEASE_KEYS)
        name = check.label(f"{place}.name", item.get("name"), longest=53)
        where = check.label(f"{place}.namespace", item.get("namespace"), default=namespace)
        chart = check.text(f"{place}.chart", item.get("chart"), example="charts/todo-app")
        path = Path(os.path.normpath(project / chart))
        version = digest = title = ""
        if chart:
            try:
                found = read_chart(path)
                title, version, digest = found.name, found.version, digest_chart(path)
            except (ChartError, OSError) as error:
                check.problems.add(f"{place}.chart", str(error), "the path starts from application_project_dir")
        values = copy.deepcopy(dict(check.mapping(f"{place}.values", item.get("values"))))
        for component, target in check.mapping(f"{place}.images", item.get("images")).items():
            _fact(check, f"{place}.images.{component}", values, str(component), target, components, _image)
        for component, target in check.mapping(f"{place}.migrations", item.get("migrations")).items():
            _fact(check, f"{place}.migrations.{component}", values, str(component), target, components, _migrations)
        wait = item.get("wait", False)
        if not isinstance(wait, bool):
            check.problems.add(f"{place}.wait", f"it is {_kind(wait)}", "write true or false")
        sums = check.mapping(f"{place}.secret_checksums", item.get("secret_checksums"))
        for secret, target in sums.items():
            if secret not in [one["name"] for one in secrets]:
                check.problems.add(
                    f"{place}.secret_checksums.{secret}",
                    "there is no such secret",
                    _near(str(secret), [one["name"] for one in secrets])
                    if secrets
                    else "declare it in application_secrets",
                )
            _value_path(check, f"{place}.secret_checksums.{secret}", target)
        releases.append(
            {
                "name": name,
                "namespace": where,
                "chart": str(path),
                "chart_name": title,
                "chart_version": version,
                "chart_digest": digest,
                "values": values,
                "secret_checksums": dict(sums),
                "wait": wait,
            }
        )
    _no_twice(check, "application_releases", [f"{item['namespace']}/{item['name']}" for item in releases])
    return releases


def _value_path(check: _Checker, place: str, target: Any) -> bool:
    if isinstance(target, str) and _PATH.match(target):
        return True
    check.problems.add(place, f"{target!r} is no path inside the values", "write it like backend.image")
    return False


def _image(component: Mapping[str, Any]) -> dict[str, str]:
    return {key: component[key] for key in ("repository", "tag")}


def _migrations(component: Mapping[str, Any]) -> str:
    if not component["migrations"]:
        raise ValuesError("the component names no migrations")
    return str(component["migrations"])


def _fact(
    check: _Checker,
    place: str,
    values: dict[str, Any],
    component: str,
    target: Any,
    components: Mapping[str, Mapping[str, Any]],
    fact: Callable[[Mapping[str, Any]], Any],
) -> None:
    """Put what is known of a component into the values."""
    if component not in components:
        check.problems.add(
            place,
            f"there is no component {component}",
            _near(component, components) if components else "declare it in application_components",
        )
        return
    if not _value_path(check, place, target) or not components[component]:
        return
    try:
        set_path(values, target, fact(components[component]))
    except ValuesError as error:
        check.problems.add(place, str(error), "correct the path or the release's values")


class ValuesError(ValueError):
    """A path that does not fit the values. The text names the path."""


def set_path(values: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path, in place; a dictionary is merged into one that is there.

    Raises ValuesError when something on the way is no dictionary.
    """
    parts = path.split(".")
    last = parts.pop()
    place = values
    for count, part in enumerate(parts, start=1):
        place = _below(place, part, ".".join(parts[:count]))
    if isinstance(value, Mapping):
        _below(place, last, path).update(value)
    else:
        place[last] = value


def _below(values: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    below = values.setdefault(key, {})
    if not isinstance(below, dict):
        raise ValuesError(f"{path} in the values is no dictionary")
    return below


def _checks(check: _Checker, place: str, given: Any, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    checks = []
    for where, item in check.items(place, given):
        check.text(f"{where}.name", item.get("name"), example="page")
        checks.append({str(key): _filled(check, f"{where}.{key}", value, facts) for key, value in item.items()})
    _no_twice(check, place, [str(item.get("name", "")) for item in checks])
    return checks


def _filled(check: _Checker, place: str, value: Any, facts: Mapping[str, Any]) -> Any:
    """Replace the placeholders that the plan knows; those of health_check itself stay."""
    if isinstance(value, Mapping):
        return {str(key): _filled(check, f"{place}.{key}", item, facts) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_filled(check, f"{place}[{index}]", item, facts) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        word = found.group(1)
        if word == "application.url":
            return found.group(0)  # known when the application runs
        if word in ("application.name", "application.namespace") and word.removeprefix("application.") in facts:
            return str(facts[word.removeprefix("application.")])
        if word == "application.host" and "hosts" in facts:
            if not facts["hosts"]:
                check.problems.add(
                    place, f"${{{word}}} is the first of application_hosts, which is empty", "name a host"
                )
            return str(facts["hosts"][0]) if facts["hosts"] else ""
        component, _dot, key = word.removeprefix("components.").rpartition(".")
        if component not in facts["components"] or key not in _COMPONENT_FACTS:
            known = [f"application.{one}" for one in ("name", "namespace", "host", "url") if "name" in facts]
            known += [f"components.{one}.tag" for one in facts["components"]]
            check.problems.add(place, f"${{{word}}} names nothing", _near(word, known))
            return ""
        return str(facts["components"][component].get(key, ""))

    return _PLACEHOLDER.sub(replace, value)
