# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which value a key of a Secret gets, without a cluster. Private to the collection.

No text that is raised or returned for display here holds a value.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.slipway.kube.plugins.module_utils._common.dependencies import DependencyCycleError, order

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "slipway"
# On Secrets: the name of the application that they are of. Slipway 0.1 did not write it.
APPLICATION = "slipway.kube/application"
SALT = "slipway.kube/checksum-salt"
# Letters and digits only: such a value needs no quoting in an address, a shell or a configuration file.
_ALPHABET = string.ascii_letters + string.digits
_REFERENCE = re.compile(r"\{([A-Za-z0-9_-]+(?:[./][A-Za-z0-9_.-]+)?)(\|url)?\}")

Node = tuple[str, str]


class TemplateError(ValueError):
    """A template that cannot be filled. The text names keys, never values."""


class TemplateCycleError(TemplateError):
    """Templates that use each other: C(cycle) holds each before the one that it uses, the first repeated at the end."""

    def __init__(self, cycle: Sequence[Node]) -> None:
        self.cycle = cycle
        way = " -> ".join(f"{secret}.{key}" for secret, key in cycle)
        super().__init__(f"the templates go in a circle: {way}")


@dataclass(frozen=True)
class Source:
    """Where one key's value comes from: exactly one field is set. With C(keep), the key stays as it is, or is left out."""

    value: bytes | None = None
    generate: int | None = None
    template: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class DesiredSecret:
    """One Secret as it should be."""

    name: str
    namespace: str
    keys: Mapping[str, Source]
    type: str = "Opaque"


def is_owned(item: Mapping[str, Any]) -> bool:
    """Tell whether Slipway made an object of the Kubernetes API: only such a one is ever changed or removed."""
    return bool(((item.get("metadata") or {}).get("labels") or {}).get(MANAGED_BY) == MANAGER)


def application_of(item: Mapping[str, Any]) -> str:
    """Return the application that an object of the Kubernetes API is of, empty when it does not say."""
    return str(((item.get("metadata") or {}).get("labels") or {}).get(APPLICATION) or "")


def references(template: str) -> list[str]:
    """Return the keys that a template names, in their order: C(KEY) or C(secret/KEY)."""
    return [found.group(1) for found in _REFERENCE.finditer(template)]


def resolve_reference(reference: str, secret: str, keys: Mapping[str, Sequence[str]]) -> Node:
    """Return the (secret, key) that a reference stands for.

    C(KEY) is one of the same Secret, or else of the only other Secret that has it; C(secret/KEY) names both.
    """
    if "/" in reference:
        name, _slash, key = reference.partition("/")
        if key not in keys.get(name, ()):
            raise TemplateError(f"{{{reference}}} names no declared key")
        return name, key
    if reference in keys.get(secret, ()):
        return secret, reference
    holders = sorted(name for name, known in keys.items() if reference in known)
    if len(holders) == 1:
        return holders[0], reference
    if holders:
        choices = " or ".join(f"{{{name}/{reference}}}" for name in holders)
        raise TemplateError(f"{{{reference}}} is a key of several secrets, write {choices}")
    raise TemplateError(f"{{{reference}}} names no declared key")


def template_order(uses: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Return the (secret, key)s so that each comes after those that its template uses; raises TemplateCycleError."""
    try:
        return order({node: sorted(others) for node, others in uses.items()})
    except DependencyCycleError as error:
        raise TemplateCycleError(error.cycle) from None


def generate(length: int) -> bytes:
    """Return C(length) random letters and digits, of nearly six bits each."""
    return "".join(secrets.choice(_ALPHABET) for _index in range(length)).encode()


def resolve(
    wanted: Sequence[DesiredSecret],
    existing: Mapping[tuple[str, str], Mapping[str, bytes]],
    make: Callable[[int], bytes] = generate,
) -> dict[tuple[str, str], dict[str, bytes]]:
    """Return the data of every wanted Secret by (namespace, name).

    C(existing) is the data that the cluster holds, by the same key. What is to be generated or kept is taken from there when it
    is there. Raises TemplateError.
    """
    keys = {item.name: list(item.keys) for item in wanted}
    sources = {(item.name, key): (item, item.keys[key]) for item in wanted for key in sorted(item.keys)}
    uses = {
        node: {resolve_reference(reference, node[0], keys) for reference in references(source.template or "")}
        for node, (_item, source) in sources.items()
    }
    known: dict[Node, bytes] = {}
    for node in template_order(uses):
        item, source = sources[node]
        if source.value is not None:
            known[node] = source.value
        elif source.keep:
            if (held := existing.get((item.namespace, item.name), {}).get(node[1])) is not None:
                known[node] = held
        elif source.generate is not None:
            kept = existing.get((item.namespace, item.name), {}).get(node[1])
            known[node] = kept if kept else make(source.generate)
        else:
            known[node] = _fill(source.template or "", item.name, keys, known)
    return {
        (item.namespace, item.name): {
            key: known[item.name, key] for key in sorted(item.keys) if (item.name, key) in known
        }
        for item in wanted
    }


def _fill(template: str, secret: str, keys: Mapping[str, Sequence[str]], known: Mapping[Node, bytes]) -> bytes:
    def parts() -> Iterator[bytes]:
        position = 0
        for found in _REFERENCE.finditer(template):
            yield template[position : found.start()].encode()
            node = resolve_reference(found.group(1), secret, keys)
            if node not in known:
                raise TemplateError(
                    f"{{{found.group(1)}}} has no value: its variable is not set, and the cluster has none"
                )
            value = known[node]
            yield quote(value, safe="").encode() if found.group(2) else value
            position = found.end()
        yield template[position:].encode()

    return b"".join(parts())


def checksum(data: Mapping[str, bytes], salt: str) -> str:
    """Return a sum that changes when the data does, for annotations of pods.

    It is keyed with a random salt that lies beside the data, where only those can read it who can read the data:
    without it nobody can find a weak password by trying.
    """
    digest = hmac.new(salt.encode(), digestmod=hashlib.sha256)
    for key, value in sorted(data.items()):
        for part in (key.encode(), value):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:32]


def differences(before: Mapping[str, bytes] | None, after: Mapping[str, bytes]) -> dict[str, str]:
    """Return what happens to each key: added, changed or removed. Unchanged keys are left out."""
    old = before or {}
    result = {key: "removed" for key in old if key not in after}
    for key, value in after.items():
        if key not in old:
            result[key] = "added"
        elif not hmac.compare_digest(old[key], value):
            result[key] = "changed"
    return dict(sorted(result.items()))
