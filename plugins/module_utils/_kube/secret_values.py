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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "slipway"
SALT = "slipway.kube/checksum-salt"
# Letters and digits only: such a value needs no quoting in an address, a shell or a configuration file.
_ALPHABET = string.ascii_letters + string.digits
_REFERENCE = re.compile(r"\{([A-Za-z0-9_-]+(?:[./][A-Za-z0-9_.-]+)?)(\|url)?\}")

Node = tuple[str, str]


class TemplateError(ValueError):
    """A template that cannot be filled. The text names keys, never values."""


@dataclass(frozen=True)
class Source:
    """Where one key's value comes from: exactly one field is set."""

    value: bytes | None = None
    generate: int | None = None
    template: str | None = None


@dataclass(frozen=True)
class Wanted:
    """One Secret as it should be."""

    name: str
    namespace: str
    keys: Mapping[str, Source]
    type: str = "Opaque"


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


def find_cycle(edges: Mapping[Node, set[Node]]) -> list[Node]:
    """Return one circle of references, first node repeated at the end, or nothing."""
    done: set[Node] = set()

    def visit(node: Node, way: list[Node]) -> list[Node]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for following in sorted(edges.get(node, ())):
            found = visit(following, [*way, node])
            if found:
                return found
        done.add(node)
        return []

    for start in sorted(edges):
        found = visit(start, [])
        if found:
            return found
    return []


def generate(length: int) -> bytes:
    """Return C(length) random letters and digits, of nearly six bits each."""
    return "".join(secrets.choice(_ALPHABET) for _index in range(length)).encode()


def resolve(
    wanted: Sequence[Wanted],
    existing: Mapping[tuple[str, str], Mapping[str, bytes]],
    make: Callable[[int], bytes] = generate,
) -> dict[tuple[str, str], dict[str, bytes]]:
    """Return the data of every wanted Secret by (namespace, name).

    C(existing) is the data that the cluster holds, by the same key. What is to be generated is taken from there when it
    is there. Raises TemplateError.
    """
    by_name = {item.name: item for item in wanted}
    keys = {item.name: list(item.keys) for item in wanted}
    known: dict[Node, bytes] = {}

    def value_of(node: Node, way: tuple[Node, ...]) -> bytes:
        if node in known:
            return known[node]
        if node in way:
            names = " -> ".join(f"{secret}.{key}" for secret, key in (*way[way.index(node) :], node))
            raise TemplateError(f"the templates go in a circle: {names}")
        name, key = node
        item = by_name[name]
        source = item.keys[key]
        if source.value is not None:
            result = source.value
        elif source.generate is not None:
            kept = existing.get((item.namespace, name), {}).get(key)
            result = kept if kept else make(source.generate)
        else:
            result = _fill(source.template or "", name, keys, lambda other: value_of(other, (*way, node)))
        known[node] = result
        return result

    return {
        (item.namespace, item.name): {key: value_of((item.name, key), ()) for key in sorted(item.keys)}
        for item in wanted
    }


def _fill(template: str, secret: str, keys: Mapping[str, Sequence[str]], value_of: Callable[[Node], bytes]) -> bytes:
    def parts() -> Iterator[bytes]:
        position = 0
        for found in _REFERENCE.finditer(template):
            yield template[position : found.start()].encode()
            value = value_of(resolve_reference(found.group(1), secret, keys))
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
