# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON schemas of Kubernetes' kinds for kubeconform, made of the API's own descriptions.

Kubernetes' kinds come from the OpenAPI document of k8s.io/kubernetes, HTTPRoute from its CRD in sigs.k8s.io/gateway-api: both
are files of Go modules that the distribution pins with a checksum, so no schema host is needed.

The schemas are stricter than the API server, which drops unknown fields: a field that does not exist is refused, and so are
null, numbers out of range and quantities that are none.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml

Schema = dict[str, t.Any]

# What an object is called in kubeconform's template {{.ResourceKind}}{{.KindSuffix}}.
FILE = "{kind}-{group}{version}.json"
_INTEGERS = {"int32": 2**31, "int64": 2**63}
_INT_OR_STRING: Schema = {"type": ["integer", "string"]}
_QUANTITY: Schema = {
    "type": ["number", "string"],
    "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
_KEPT = ("type", "enum", "required", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


class SchemaError(Exception):
    """A description that no schema can be made of: a sentence of cause."""


class Pin(t.NamedTuple):
    """A Go module as a go.mod and its go.sum pin it."""

    module: str
    version: str
    sum: str


def pin(directory: pathlib.Path, module: str) -> Pin:
    """Return how the Go module in C(directory) pins another one. Raises SchemaError when it does not."""
    required = re.search(rf"^\s*{re.escape(module)} (\S+)", (directory / "go.mod").read_text(), re.MULTILINE)
    version = required.group(1) if required else ""
    summed = re.search(
        rf"^{re.escape(module)} {re.escape(version)} (h1:\S+)$", (directory / "go.sum").read_text(), re.MULTILINE
    )
    if not summed:
        raise SchemaError(f"{directory} does not pin {module} with a checksum.")
    return Pin(module, version, summed.group(1))


def strict(node: Schema, reference: t.Callable[[str], Schema]) -> Schema:
    """Return a JSON schema for an OpenAPI schema (version 2, or 3 as in a CRD).

    C(reference) returns what stands for the name behind a C($ref). Descriptions are left out.
    """
    if "$ref" in node:
        return reference(node["$ref"].rpartition("/")[2])
    if node.get("x-kubernetes-int-or-string") or node.get("format") == "int-or-string":
        return dict(_INT_OR_STRING)
    made: Schema = {key: node[key] for key in _KEPT if key in node}
    if node.get("format") in _INTEGERS:
        limit = _INTEGERS[node["format"]]
        made.setdefault("minimum", -limit)
        made.setdefault("maximum", limit - 1)
    if "items" in node:
        made["items"] = strict(node["items"], reference)
    if "properties" in node:
        made["properties"] = {name: strict(child, reference) for name, child in node["properties"].items()}
        made["additionalProperties"] = bool(node.get("x-kubernetes-preserve-unknown-fields"))
    if isinstance(node.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(node["additionalProperties"], reference)
    for word in ("allOf", "anyOf", "oneOf"):
        if word in node:
            made[word] = [strict(child, reference) for child in node[word]]
    return made


def definitions(openapi: Schema) -> dict[str, Schema]:
    """Return the JSON schema of every definition of an OpenAPI 2 document, which refer to each other by C(#/definitions)."""

    def reference(name: str) -> Schema:
        return {"$ref": f"#/definitions/{name}"}

    made = {}
    for name, node in openapi["definitions"].items():
        made[name] = dict(_QUANTITY) if name.endswith(".resource.Quantity") else strict(node, reference)
        # A field that a definition only describes, such as an arbitrary object, must stay free.
        if node.keys() <= {"description"}:
            made[name] = {}
    return made


def reached(node: t.Any, known: dict[str, Schema], found: dict[str, Schema]) -> dict[str, Schema]:
    """Add to C(found) every definition that a schema needs, and return it."""
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).removeprefix("#/definitions/") if isinstance(node.get("$ref"), str) else ""
        if name and name not in found:
            found[name] = known[name]
            reached(known[name], known, found)
        for child in node.values():
            reached(child, known, found)
    elif isinstance(node, list):
        for child in node:
            reached(child, known, found)
    return found


def named(schema: Schema, group: str, version: str, kind: str) -> Schema:
    """Return a kind's schema that demands the kind's own name and version."""
    properties = {
        **schema["properties"],
        "apiVersion": {"const": f"{group}/{version}" if group else version},
        "kind": {"const": kind},
    }
    required = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"} & properties.keys())
    return {**schema, "properties": properties, "required": required}


def file_name(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's file as kubeconform looks for it."""
    # kubeconform keeps the group up to its first dot.
    prefix = f"{group.partition('.')[0]}-" if group else ""
    return FILE.format(kind=kind.lower(), group=prefix, version=version)


def kinds(openapi: Schema) -> dict[str, Schema]:
    """Return the schema of every kind of an OpenAPI 2 document by its file's name, each complete in itself."""
    known = definitions(openapi)
    made = {}
    for name, node in openapi["definitions"].items():
        for identity in node.get("x-kubernetes-group-version-kind", []):
            if "metadata" not in node.get("properties", {}):  # options of requests, which are no objects
                continue
            group, version, kind = identity["group"], identity["version"], identity["kind"]
            schema = named(known[name], group, version, kind)
            made[file_name(group, version, kind)] = {**schema, "definitions": reached(schema, known, {})}
    return made


def custom(crd: Schema, openapi: Schema) -> dict[str, Schema]:
    """Return the schemas of a CustomResourceDefinition's versions by file name; metadata is Kubernetes' own."""

    def reference(name: str) -> Schema:
        raise SchemaError(f"A CRD refers to {name}, which no CRD may.")

    known = definitions(openapi)
    metadata = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    made = {}
    for version in crd["spec"]["versions"]:
        schema = named(strict(version["schema"]["openAPIV3Schema"], reference), group, version["name"], kind)
        schema["properties"]["metadata"] = metadata
        made[file_name(group, version["name"], kind)] = {**schema, "definitions": reached(metadata, known, {})}
    return made


def read_crd(path: pathlib.Path) -> Schema:
    """Read the one CustomResourceDefinition of a file."""
    (found,) = [each for each in yaml.safe_load_all(path.read_text()) if each]
    return dict(found)
