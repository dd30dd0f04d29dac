# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See that Helm can write the objects of a release, before it begins. Private to the collection.

First everything is looked at, and what cannot be done is refused while nothing has been changed. Then the way is made: fields are taken
back from people, volumes grow, objects that may be recreated are deleted. Helm does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._helm import (
    drift,
    foretelling,
    immutable,
    live,
    managed_fields,
    manifest,
)
from ansible_collections.slipway.kube.plugins.module_utils._helm.live import Pair
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    MERGE_PATCH,
    Api,
    ApiError,
    KubernetesError,
    find,
    items_if_readable,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields, meta, rows
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import CODES

_RELEASE = "meta.helm.sh/release-name"
_NAMESPACE = "meta.helm.sh/release-namespace"
_GONE_SECONDS = 60.0


class RefusedError(KubernetesError):
    """An upgrade that is not tried: why, and what to do. C(result) is part of a module's, with the diagnosis."""

    def __init__(self, code: str, item: str, namespace: str, causes: Sequence[str], ways: Sequence[str]) -> None:
        cause, suggestion = " ".join(dict.fromkeys(causes)), " ".join(dict.fromkeys(ways))
        diagnosis = {"code": code, "cause": cause, "suggestion": suggestion, "namespace": namespace, "object": item}
        self.result = {"diagnosis": {**diagnosis, "container": "", "log": [], "events": []}}
        super().__init__(f"{code}: {cause}\nWhat to do: {suggestion}\nNothing was changed.")


@dataclass(frozen=True)
class Permissions:
    """What a person allows. C(conflicts) is take or fail; C(added) says whether fields that people have added go as well; C(adopt) and
    C(recreate) are objects as C(Kind/name).
    """

    conflicts: str = "take"
    added: bool = True
    adopt: Collection[str] = ()
    recreate: Collection[str] = ()


# Documented by the fragments slipway.kube.permissions and slipway.kube.permissions.upgrade.
PERMISSIONS: dict[str, dict[str, Any]] = {
    "conflicts": {"type": "str", "choices": ["take", "fail"], "default": "take"},
    "recreate": {"type": "list", "elements": "str", "default": []},
}
UPGRADE_PERMISSIONS: dict[str, dict[str, Any]] = {
    **PERMISSIONS,
    "drift": {"type": "str", "choices": ["repair", "report", "ignore"], "default": "repair"},
    "adopt_objects": {"type": "list", "elements": "str", "default": []},
}


def permissions_of(options: Mapping[str, Any]) -> Permissions:
    """Return what a module's options allow."""
    return Permissions(
        options["conflicts"],
        options.get("drift", "repair") == "repair",
        options.get("adopt_objects", ()),
        options["recreate"],
    )


@dataclass
class Preparation:
    """What is to be done before Helm writes; nothing of it is a change that C(find_out) has made."""

    pairs: list[Pair] = field(default_factory=list)
    adopted: list[Pair] = field(default_factory=list)
    recreated: list[Pair] = field(default_factory=list)
    replaced: list[Pair] = field(default_factory=list)
    grown: list[immutable.Growth] = field(default_factory=list)
    replicas: list[Pair] = field(default_factory=list)
    taken: list[tuple[Pair, drift.Drift]] = field(default_factory=list)
    restored: list[Pair] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return a sentence for each thing that is done besides Helm's own work."""
        masker = Masker()
        said = [f"Takes back {differs.as_result(masker)['text']}." for _pair, differs in self.taken]
        said += [f"Adopts {_name(pair)}, which belonged to no release." for pair in self.adopted]
        said += [f"Deletes {_name(pair)} and creates it again." for pair in self.recreated]
        return said + [one.text() for one in self.grown]


def _name(pair: Pair) -> str:
    return f"{pair.declared.get('kind')}/{meta(pair.declared, 'name')}"


class Preparer:
    """Prepares one release for another manifest. Raises RefusedError, KubernetesError and ValueError."""

    def __init__(
        self,
        api: Api,
        release: str,
        namespace: str,
        permissions: Permissions,
        by_server: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """C(by_server): Helm writes by server-side apply, so that what others manage is in its way."""
        self._api = api
        self._release = release
        self._namespace = namespace
        self._permissions = permissions
        self._by_server = by_server
        self._sleep = sleep

    def find_out(self, deployed: str, wanted: str, back: bool = False) -> Preparation:
        """Return what is to be done before Helm goes from one manifest to another; C(back) for a rollback."""
        own = {(key[0], key[2]) for key in manifest.objects(deployed)}
        found = Preparation(live.look(self._api, wanted, self._release, self._namespace))
        there = [pair for pair in found.pairs if pair.live is not None]
        self._adoptions(found, there, own)
        self._node_ports(found.pairs)
        self._immutable(found, there, back)
        if not back:
            self._foretold(found)  # what was in service before was served
        self._conflicts(found, [pair for pair in there if pair not in found.recreated], deployed)
        return found

    def apply(self, found: Preparation) -> None:
        """Make the way for Helm."""
        for pair in found.recreated:
            self._delete(pair, "Background")
        for growth in found.grown:
            for claim in growth.claims:
                path = f"/api/v1/namespaces/{growth.namespace}/persistentvolumeclaims/{claim}"
                body = {"spec": {"resources": {"requests": {"storage": growth.size}}}}
                self._api.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        for pair in found.replaced:
            self._delete(pair, "Orphan")
        for pair in [*found.restored, *found.adopted]:
            live.repair(self._api, pair)
        done = [*found.recreated, *found.replaced, *found.adopted]
        for pair in found.pairs:
            if pair not in done:
                live.take(self._api, pair, self._permissions.added)
        for pair in found.replicas:
            live.take_replicas(self._api, pair)

    def repair(self, deployed: str, dry_run: bool = False) -> list[drift.Drift]:
        """Make the objects of a manifest as it declares them, and return which were not. With C(dry_run), only look."""
        found = live.drifts(self._api, live.look(self._api, deployed, self._release, self._namespace))
        people = [
            (pair, replace(differs, differences=theirs))
            for pair, differs in found
            if (theirs := self._of_people(differs))
        ]
        self._refuse_people(people)
        for pair, _differs in [] if dry_run else found:
            if pair.live is not None and immutable.is_recreated(pair.declared, pair.live, self._permissions.recreate):
                self._delete(pair, "Orphan" if pair.declared.get("kind") == "StatefulSet" else "Background")
                pair = replace(pair, live=None)
            live.repair(self._api, pair)
        return [differs for _pair, differs in found]

    # ------------------------------------------------------------ finding out
    def _adoptions(self, found: Preparation, there: Iterable[Pair], own: Collection[tuple[str, str]]) -> None:
        foreign = []
        for pair in there:
            if (str(pair.declared.get("kind")), meta(pair.declared, "name")) in own:
                continue
            notes = fields(pair.live, "metadata", "annotations")
            owner = f"{notes.get(_NAMESPACE)}/{notes.get(_RELEASE)}" if notes.get(_RELEASE) else ""
            if owner == f"{self._namespace}/{self._release}":
                continue
            if not owner and _name(pair) in self._permissions.adopt:
                found.adopted.append(pair)
            else:
                foreign.append((pair, owner))
        if foreign:
            causes = [
                f"{_name(pair)} in namespace {meta(pair.declared, 'namespace')} exists already and belongs to "
                + (f"the release {owner}." if owner else "no release.")
                for pair, owner in foreign
            ]
            free = [_name(pair) for pair, owner in foreign if not owner]
            ways = ["Give it another name in the values of the release."]
            ways += [f"Or make it the release's with helm_release_adopt: [{', '.join(free)}]."] if free else []
            raise self._refused("foreign_object", foreign[0][0], causes, ways)

    def _foretold(self, found: Preparation) -> None:
        """Raise RefusedError when something is certain to go wrong."""
        findings = list(foretelling.foretell(self._api, found.pairs))
        if findings:
            first = findings[0]
            causes = [one.cause for one in findings if one.code == first.code]
            raise RefusedError(first.code, first.object, first.namespace, causes, [CODES[first.code].suggestion])

    def _node_ports(self, pairs: Sequence[Pair]) -> None:
        """Raise RefusedError when a Service of somebody else has a port of the nodes that a Service of the release names."""
        wanted = {
            port["nodePort"]: pair
            for pair in pairs
            if pair.declared.get("kind") == "Service"
            for port in rows(pair.declared, "spec", "ports")
            if port.get("nodePort")
        }
        own = {pair.path for pair in pairs}
        taken = []
        # Where they may not be listed, the API server refuses a port itself.
        for service in (items_if_readable(self._api, "/api/v1/services") or ()) if wanted else ():
            namespace, name = meta(service, "namespace"), meta(service, "name")
            if f"/api/v1/namespaces/{namespace}/services/{name}" not in own:
                ports = [port.get("nodePort") for port in rows(service, "spec", "ports")]
                taken += [(wanted[port], port, f"{namespace}/{name}") for port in ports if port in wanted]
        if taken:
            causes = [
                f"Port {port} of the nodes, which {_name(pair)} names, belongs to the Service {whose}."
                for pair, port, whose in taken
            ]
            ways = [
                "Choose another nodePort, leave it out so that Kubernetes chooses one, or remove that application first."
            ]
            raise self._refused("node_port_taken", taken[0][0], causes, ways)

    def _immutable(self, found: Preparation, there: Sequence[Pair], back: bool) -> None:
        sets = [pair for pair in there if pair.declared.get("kind") == "StatefulSet"]
        claims, classes = self._volumes(sets)
        refused: list[tuple[Pair, immutable.Fixed]] = []
        for pair in there:
            if pair in found.adopted or pair.live is None:
                continue
            if immutable.is_recreated(pair.declared, pair.live, self._permissions.recreate):
                if pair.declared.get("kind") == "StatefulSet":
                    found.replaced.append(pair)  # its pods and volumes stay
                else:
                    found.recreated.append(pair)
            elif immutable.resized(pair.declared, pair.live) and back:
                # An earlier revision may name a smaller volume: the claims stay as large as they are.
                found.replaced.append(pair)
            elif immutable.resized(pair.declared, pair.live):
                growths = list(immutable.growth(pair.declared, pair.live, claims, classes))
                found.grown += [one for one in growths if isinstance(one, immutable.Growth)]
                found.replaced.append(pair)
            refusals = immutable.refusals(pair.declared, pair.live, self._permissions.recreate, claims, classes)
            for one in refusals:
                size = one.field.startswith("The size")
                if not (back and size) and (size or one.code != "immutable_field" or self._is_refused(pair)):
                    refused.append((pair, one))
        if refused:
            code = (
                "database_version"
                if any(one.code == "database_version" for _pair, one in refused)
                else "immutable_field"
            )
            chosen = [(pair, one) for pair, one in refused if one.code == code]
            raise self._refused(
                code, chosen[0][0], [one.cause() for _pair, one in chosen], [one.ways for _pair, one in chosen]
            )

    def _volumes(self, sets: Sequence[Pair]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return claims and storage classes, where a StatefulSet with volumes changes."""
        if not any(drift.compare(pair.declared, pair.live) for pair in sets):
            return [], []
        claims = self._api.items(f"/api/v1/namespaces/{self._namespace}/persistentvolumeclaims")
        return claims, self._api.items("/apis/storage.k8s.io/v1/storageclasses")

    def _is_refused(self, pair: Pair) -> bool:
        """Ask the API server whether it refuses a change: it may only be of the form."""
        try:
            live.try_out(self._api, pair)
        except ApiError as error:
            return error.status in (400, 422)
        return False

    def _conflicts(self, found: Preparation, there: Sequence[Pair], deployed: str) -> None:
        others = self._other_autoscalers(there, deployed)
        people: list[tuple[Pair, drift.Drift]] = []
        kept: list[tuple[Pair, managed_fields.Path]] = []
        for pair in there:
            differs = pair.drift()
            if differs and pair not in found.adopted and (theirs := self._of_people(differs)):
                people.append((pair, replace(differs, differences=theirs)))
            if not self._by_server or pair.live is None:
                continue
            for path in drift.kept_by_controllers(pair.declared, pair.live):
                if path == drift.REPLICAS and (pair.scaled or _key(pair) in others):
                    kept.append((pair, path))
                elif path == drift.REPLICAS and drift.is_scaled(pair.live):
                    found.replicas.append(pair)
                elif live.is_in_conflict(self._api, pair):
                    kept.append((pair, path))
        self._refuse_people(people)
        if kept:
            causes = []
            for pair, path in kept:
                manager = managed_fields.manager_of(path, managed_fields.managers(pair.live or {}))
                causes.append(
                    f"{managed_fields.text_of(path)} of {_name(pair)} is set by {manager.name if manager else 'a controller'}."
                )
            ways = [
                "Remove the field from the chart if the controller is to set it, or turn the controller off for this object."
            ]
            raise self._refused("field_conflict", kept[0][0], causes, ways)
        found.taken = people
        if people and not self._by_server:
            # Helm 3 does not remove what it has not written: the revision that is deployed is restored first.
            before = live.look(self._api, deployed, self._release, self._namespace)
            found.restored = [pair for pair, differs in live.drifts(self._api, before) if not differs.missing]

    def _refuse_people(self, people: Sequence[tuple[Pair, drift.Drift]]) -> None:
        """Raise RefusedError when people have changed something and their changes are not to be taken back."""
        if not people or self._permissions.conflicts == "take":
            return
        masker = Masker()
        causes = [f"{differs.as_result(masker)['text']}." for _pair, differs in people]
        ways = ["Undo it with kubectl, put it into the values of the release, or set helm_release_conflicts to take."]
        raise self._refused("field_conflict", people[0][0], causes, ways)

    def _of_people(self, differs: drift.Drift) -> tuple[drift.Difference, ...]:
        """Return what people have set and Helm would not; what they have added is in nobody's way."""
        added = self._permissions.added and self._permissions.conflicts == "take"
        return tuple(one for one in differs.differences if one.by and (added or one.wanted is not drift.ABSENT))

    def _other_autoscalers(self, there: Sequence[Pair], deployed: str) -> set[tuple[str, str]]:
        """Return the workloads that an autoscaler of somebody else scales."""
        if not any(drift.is_scaled(pair.live or {}) for pair in there):
            return set()
        own = {key[2] for key in manifest.objects(deployed) if key[0] == "HorizontalPodAutoscaler"}
        path = f"/apis/autoscaling/v2/namespaces/{self._namespace}/horizontalpodautoscalers"
        return drift.scaled_by(one for one in self._api.items(path) if meta(one, "name") not in own)

    @staticmethod
    def _refused(code: str, pair: Pair, causes: Sequence[str], ways: Sequence[str]) -> RefusedError:
        return RefusedError(code, _name(pair), meta(pair.declared, "namespace"), causes, ways)

    # ------------------------------------------------------------ making the way
    def _delete(self, pair: Pair, policy: str) -> None:
        """Delete an object and wait until it is gone; with the policy Orphan, what it has made stays."""
        uid = meta(pair.live or {}, "uid")
        body = {"propagationPolicy": policy, **({"preconditions": {"uid": uid}} if uid else {})}
        self._api.request("DELETE", pair.path, body=body)
        left = _GONE_SECONDS
        while (found := find(self._api, pair.path)) is not None and meta(found, "uid") == uid:
            if left <= 0:
                raise KubernetesError(
                    f"{_name(pair)} is still there {_GONE_SECONDS:.0f} s after it was deleted: "
                    f"{', '.join(map(str, dig(found, 'metadata', 'finalizers') or ['nothing says why']))}. Look at it, and deploy again."
                )
            self._sleep(0.2)
            left -= 0.2


def _key(pair: Pair) -> tuple[str, str]:
    return str(pair.declared.get("kind")), meta(pair.declared, "name")
