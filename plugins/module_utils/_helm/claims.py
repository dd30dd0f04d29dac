# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and paths that Ingresses claim, and those that another application serves already. Private to the collection.

Which of two Ingresses with the same host and path answers is up to the controller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

# https://kubernetes.io/docs/concepts/services-networking/ingress/#deprecated-annotation
_OLD_CLASS = "kubernetes.io/ingress.class"
_RELEASE = "meta.helm.sh/release-name"  # Helm writes it on everything that it creates


def claims(ingress: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each host and path of an Ingress; a host that is empty stands for all."""
    for rule in (ingress.get("spec") or {}).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            yield str(rule.get("host") or ""), str(path.get("path") or "/").rstrip("/") or "/"


def of_others(
    ingresses: Iterable[Mapping[str, Any]], namespace: str, releases: Collection[str]
) -> list[Mapping[str, Any]]:
    """Return the Ingresses that are not an application's, whose C(releases) are in C(namespace).

    In its namespace these are those of other releases: what no release has made may be its own, made by hand.
    """
    found = []
    for ingress in ingresses:
        metadata = ingress.get("metadata") or {}
        release = _release_of(metadata)
        if metadata.get("namespace") != namespace or (release and release not in releases):
            found.append(ingress)
    return found


def taken(own: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each host and path of own Ingresses that one of others has already.

    Ingresses of different classes are served by different controllers.
    """
    wanted = [(ingress, set(claims(ingress))) for ingress in own]
    found: dict[str, None] = {}
    for other in others:
        metadata = other.get("metadata") or {}
        release = _release_of(metadata)
        whose = f"{metadata.get('namespace')}/{metadata.get('name')}{f' of the release {release}' if release else ''}"
        for ingress, places in wanted:
            for host, path in claims(other):
                if (host, path) in places and _same_class(ingress, other):
                    found[f"{host or 'Every host'}{path} is served by the Ingress {whose} already."] = None
    return list(found)


def _release_of(metadata: Mapping[str, Any]) -> str:
    return str((metadata.get("annotations") or {}).get(_RELEASE) or "")


def _same_class(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    first, second = _class(one), _class(other)
    return not first or not second or first == second


def _class(ingress: Mapping[str, Any]) -> str:
    annotations = (ingress.get("metadata") or {}).get("annotations") or {}
    return str((ingress.get("spec") or {}).get("ingressClassName") or annotations.get(_OLD_CLASS) or "")
