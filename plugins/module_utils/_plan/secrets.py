# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secrets of a specification: where each key comes from, without any value. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    TemplateCycleError,
    TemplateError,
    references,
    resolve_reference,
    template_order,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Secret, SecretSource
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import ENVIRONMENT, LABEL, Validator

_SECRET_KEYS = ("name", "namespace", "keys")
_SOURCES = ("env", "generate", "template", "value")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def read_secrets(validator: Validator, given: Any, namespace: str) -> list[Secret]:
    """Return the Secrets; C(given) is outlined, so that in place of a value is V(true)."""
    secrets: list[Secret] = []
    for place, item in validator.items("application_secrets", given):
        validator.keys(place, item, _SECRET_KEYS)
        name = validator.text(f"{place}.name", item.get("name"), example="todo-backend")
        if name and not all(LABEL.fullmatch(part) for part in name.split(".")):
            validator.error(
                f"{place}.name", f"{name!r} is not a valid Kubernetes name", "use a-z, 0-9, hyphens and dots"
            )
        place_of = validator.namespace(f"{place}.namespace", item.get("namespace"), default=namespace)
        keys: dict[str, SecretSource | None] = {}
        fields = validator.mapping(f"{place}.keys", item.get("keys"))
        if not fields:
            validator.error(f"{place}.keys", "there is no key", "name at least one, such as PASSWORD: {generate: 32}")
        for key, source in fields.items():
            if not _KEY.fullmatch(str(key)):
                validator.error(
                    f"{place}.keys.{key}", "this is not a valid key", "use letters, digits, '-', '_' and '.'"
                )
            keys[str(key)] = _source(validator, f"{place}.keys.{key}", source)
        secrets.append(Secret(name, place_of, keys))
    validator.no_twice("application_secrets", [secret.name for secret in secrets])
    _templates(validator, secrets)
    return secrets


def _source(validator: Validator, place: str, given: Any) -> SecretSource | None:
    """Return where a key comes from, None when that cannot be told."""
    if not isinstance(given, Mapping):
        validator.error(
            place, f"it is {kind_of(given)}", "say where it comes from, such as {env: NAME} or {generate: 32}"
        )
        return None
    known = (*_SOURCES, "fallback", "required") if "env" in given else _SOURCES
    validator.keys(place, {key: None for key in given if key not in ("available", "flaw")}, known)
    named = [key for key in _SOURCES if key in given]
    if len(named) != 1:
        what = f"{' and '.join(named)} are given" if named else "no source is given"
        validator.error(place, what, f"give exactly one of {', '.join(_SOURCES)}")
        return None
    if "env" in given:
        return _environment(validator, place, given)
    if "generate" in given:
        length = given["generate"]
        if isinstance(length, bool) or not isinstance(length, int) or not 16 <= length <= 1024:
            validator.error(f"{place}.generate", f"{length!r} is not a valid length", "write a number from 16 to 1024")
            return None
        return SecretSource("generate", length)
    if "template" in given:
        example = "postgresql://todo:{PASSWORD}@db/todo"
        return SecretSource("template", validator.text(f"{place}.template", given["template"], example=example))
    if given["value"] is not True:
        what = given["value"] or "it is not a string"
        validator.error(f"{place}.value", what, "write a string or number, preferably from Ansible Vault")
    return SecretSource("value")


def _environment(validator: Validator, place: str, given: Mapping[str, Any]) -> SecretSource:
    name = validator.text(f"{place}.env", given["env"], example="DATABASE_URL")
    if name and not ENVIRONMENT.fullmatch(name):
        validator.error(
            f"{place}.env", f"{name!r} is not a valid name of an environment variable", "use letters, digits and _"
        )
    if given.get("flaw"):
        validator.error(
            place, f"the environment variable {name} cannot be meant: {given['flaw']}", "set it anew, or unset it"
        )
    required = given.get("required", "fallback" not in given)
    if not isinstance(required, bool):
        validator.error(f"{place}.required", f"it is {kind_of(required)}", "write true or false")
    elif "fallback" in given and given.get("required"):
        validator.error(place, "required and fallback are both given", "remove one of them")
    elif required and "fallback" not in given and given.get("available") is False:
        validator.error(
            place,
            f"the environment variable {name} is not set",
            "set it, or add 'required: false' or a fallback",
        )
    fallback = _source(validator, f"{place}.fallback", given["fallback"]) if "fallback" in given else None
    return SecretSource("env", name, bool(required), fallback)


def _templates(validator: Validator, secrets: Sequence[Secret]) -> None:
    """Note references that lead nowhere or to several keys, and cycles of them."""
    keys = {secret.name: list(secret.keys) for secret in secrets}
    edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
    places: dict[tuple[str, str], str] = {}
    for index, secret in enumerate(secrets):
        for key, source in secret.keys.items():
            node = (secret.name, key)
            places[node] = f"application_secrets[{index}].keys.{key}"
            edges[node] = set()
            templates = [one.argument for one in source.alternatives() if one.kind == "template"] if source else []
            for reference in (reference for template in templates for reference in references(str(template))):
                try:
                    edges[node].add(resolve_reference(reference, secret.name, keys))
                except TemplateError as error:
                    validator.error(f"{places[node]}.template", str(error), "correct the name in braces")
    try:
        template_order(edges)
    except TemplateCycleError as error:
        validator.error(places[error.cycle[0]], str(error), "let one of them be a value of its own")
