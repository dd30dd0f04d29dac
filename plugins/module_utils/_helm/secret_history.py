# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which contents of Secrets the revisions of Helm releases were made for. Private to the collection.

The values of a revision hold the checksums of the Secrets that its pods use, which C(_kube.secret_copies) keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._helm import manifest, releases
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, labels, meta
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import Target

_CHECKSUM = re.compile(r"[0-9a-f]{32}")
_INSTANCE = "app.kubernetes.io/instance"
# Where a pod's template names a Secret: by the key of the reference, the key that holds the name.
_REFERENCES = {"secretKeyRef": "name", "secretRef": "name", "secret": "secretName"}

Key = tuple[str, str]


class SecretHistory:
    """The revisions of an application's releases, as far as Secrets go. Helm's records are read once, when they are asked for."""

    def __init__(self, api: Api, wanted: Sequence[Mapping[str, Any]]) -> None:
        """C(wanted) are the releases, with name, namespace and perhaps secret_checksums."""
        self._api = api
        self._wanted = wanted
        self._namespaces = list(dict.fromkeys(str(release["namespace"]) for release in wanted))

    @cached_property
    def _records(self) -> dict[Key, list[Mapping[str, Any]]]:
        """The Secrets of each release in the namespaces, also of others' releases, by namespace and name, the oldest first."""
        found: dict[Key, list[Mapping[str, Any]]] = {}
        for namespace in self._namespaces:
            listed = self._api.items(f"/api/v1/namespaces/{namespace}/secrets", fieldSelector=f"type={releases.TYPE}")
            for name, revisions in releases.group(listed).items():
                found[namespace, name] = revisions
        return found

    def kept(self) -> set[str]:
        """Return the checksums in the values of every revision that Helm keeps. Raises ValueError for a record that cannot be read."""
        records = (record for revisions in self._records.values() for record in revisions)
        return {sum_ for record in records for sum_ in checksums_in(releases.decode(record).get("config"))}

    def in_service(self) -> dict[str, str]:
        """Return the checksums in the values of the revisions in service, each with words for its revision."""
        found: dict[str, str] = {}
        for release in self._wanted:
            number, record = self._current(release["namespace"], release["name"])
            for sum_ in checksums_in(record.get("config")):
                found.setdefault(sum_, words(release["name"], number))
        return found

    def claim_of(self, namespace: str, secret: str) -> str:
        """Return the name of a claim of the releases whose data may need what a lost Secret held, empty if there is none.

        A release that is not installed any more may have used the Secret; one that is, says so in its manifest.
        """
        for place in self._namespaces:
            for claim in self._api.items(f"/api/v1/namespaces/{place}/persistentvolumeclaims"):
                owner = (place, str(labels(claim).get(_INSTANCE)))
                if owner not in self._keys or dig(claim, "status", "phase") == "Pending":
                    continue
                if owner not in self._records or secret in self._used(namespace):
                    return meta(claim, "name")
        return ""

    def targets(self, revisions: Mapping[str, int]) -> list[Target]:
        """Return what revisions, by C(namespace/release), say of Secrets. Raises ValueError for a record that cannot be read."""
        found = []
        for release in self._wanted:
            namespace, name = str(release["namespace"]), str(release["name"])
            number = revisions.get(f"{namespace}/{name}", 0)
            record = next(
                (one for one in self._revisions(namespace, name) if releases.revision_of(one) == number), None
            )
            if record is None:
                continue
            values = releases.decode(record).get("config") or {}
            named = {
                secret: str(dig(values, *path.split(".")) or "")
                for secret, path in (release.get("secret_checksums") or {}).items()
            }
            named = {secret: sum_ if _CHECKSUM.fullmatch(sum_) else "" for secret, sum_ in named.items()}
            found.append(Target(words(name, number), frozenset(checksums_in(values)), named))
        return found

    @property
    def _keys(self) -> set[Key]:
        return {(str(release["namespace"]), str(release["name"])) for release in self._wanted}

    def _revisions(self, namespace: str, name: str) -> list[Mapping[str, Any]]:
        return self._records.get((namespace, name), [])

    def _current(self, namespace: str, name: str) -> tuple[int, dict[str, Any]]:
        """Return number and record of what is in service of a release, of the newest revision if nothing is, or nothing."""
        revisions = self._revisions(namespace, name)
        if not revisions:
            return 0, {}
        number = releases.describe(revisions)["deployed_revision"]
        chosen = next((one for one in revisions if releases.revision_of(one) == number), revisions[-1])
        return releases.revision_of(chosen), releases.decode(chosen)

    def _used(self, namespace: str) -> set[str]:
        """Return the Secrets that the pods of the releases in a namespace use."""
        names = [name for place, name in self._keys if place == namespace]
        manifests = [str(self._current(namespace, name)[1].get("manifest") or "") for name in names]
        return {secret for text in manifests for secret in used_by(list(manifest.objects(text).values()))}


def words(release: str, revision: int) -> str:
    """Return how a revision is called in a sentence."""
    return f"revision {revision} of release {release}"


def checksums_in(values: Any) -> Iterator[str]:
    """Yield the texts among values that have the form of a Secret's checksum."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from checksums_in(value)
    elif isinstance(values, str) and _CHECKSUM.fullmatch(values):
        yield values


def used_by(item: Any) -> Iterator[str]:
    """Yield the names of the Secrets that objects refer to, in environments and in volumes."""
    if isinstance(item, list):
        for one in item:
            yield from used_by(one)
    elif isinstance(item, Mapping):
        for key, value in item.items():
            if key in _REFERENCES and isinstance(value, Mapping):
                # In a projected volume, the name is called so too.
                yield from (str(value[one]) for one in {_REFERENCES[key], "name"} if value.get(one))
            yield from used_by(value)
