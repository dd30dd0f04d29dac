# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring Secrets in a cluster to what is declared. Private to the collection.

Values stay inside: results and errors hold names only.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import SHORTEST
from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, Api, ApiError, find
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import dig, fields, rows
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import (
    NOT_HELM,
    Content,
    History,
    Prepare,
    SecretError,
    SecretWriter,
    by_secret,
    content_of,
    copy_of,
    data_of,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    MANAGED_BY,
    MANAGER,
    SALT,
    DesiredSecret,
    Source,
    application_of,
    differences,
    is_owned,
    resolve,
)

# A namespace that is being deleted is given so long to go, in seconds.
_DELETION = 60


def read_wanted(given: Sequence[Mapping[str, Any]]) -> list[DesiredSecret]:
    """Turn the module's option into typed Secrets.

    Raises SecretError for what cannot be or is too short to be hidden, and TemplateError for a template that could never be filled.
    """
    wanted: list[DesiredSecret] = []
    for item in given:
        if any(item["name"] == other.name for other in wanted):
            raise SecretError(f"Secret {item['name']} is declared twice. Give every Secret a unique name.")
        keys: dict[str, Source] = {}
        for key in item["keys"]:
            if key["name"] in keys:
                raise SecretError(f"Key {key['name']} of Secret {item['name']} is declared twice. Remove one of them.")
            keys[key["name"]] = _source(item["name"], key)
        wanted.append(DesiredSecret(item["name"], item["namespace"], keys, item.get("type") or "Opaque"))
    # What is to be kept may be there.
    kept = {
        (one.namespace, one.name): {key: bytes(SHORTEST) for key, source in one.keys.items() if source.keep}
        for one in wanted
    }
    for (_namespace, name), data in resolve(wanted, kept, make=bytes).items():
        for key, value in data.items():
            if _too_short(value):
                raise SecretError(
                    f"The value of key {key} of Secret {name} is shorter than {SHORTEST} characters, so it cannot be hidden in logs. "
                    "Give it a longer one, or declare what is no secret in the configuration of the component."
                )
    return wanted


def _too_short(value: bytes) -> bool:
    """Tell whether a text is too short to be hidden; other bytes are in no log."""
    try:
        return len(value.decode().strip()) < SHORTEST
    except UnicodeDecodeError:
        return False


def read_labels(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the labels of each namespace as texts. Raises SecretError when there is something else than labels."""
    labels: dict[str, dict[str, str]] = {}
    for namespace, wanted in given.items():
        if not isinstance(wanted, Mapping):
            raise SecretError(f"The labels of namespace {namespace} are no dictionary. Write each as name: text.")
        labels[namespace] = {str(key): str(text) for key, text in wanted.items()}
    return labels


def _source(secret: str, key: Mapping[str, Any]) -> Source:
    if key.get("data") is not None:
        try:
            return Source(value=base64.b64decode(key["data"], validate=True))
        except (binascii.Error, ValueError):
            raise SecretError(
                f"The data of key {key['name']} of Secret {secret} is not base64. Encode it as base64."
            ) from None
    if key.get("value") is not None:
        return Source(value=str(key["value"]).encode())
    if key.get("generate") is not None:
        if not 16 <= key["generate"] <= 1024:
            raise SecretError(f"generate of key {key['name']} of Secret {secret} must be from 16 to 1024. Correct it.")
        return Source(generate=key["generate"])
    if key.get("keep"):
        return Source(keep=True)
    return Source(template=key["template"])


@dataclass(frozen=True)
class Change:
    """What becomes of a Secret. C(found) is as it was read, C(before) what it held if Slipway has written that.

    C(marked) tells whether it has all that marks it as the application's.
    """

    item: DesiredSecret
    found: Mapping[str, Any] | None
    before: Content | None
    after: Content
    marked: bool
    differences: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.item.namespace, self.item.name

    @property
    def state(self) -> str:
        """What is done: created, changed or unchanged."""
        if self.found is None:
            return "created"
        return "changed" if self.differences or not self.marked else "unchanged"

    @property
    def contents(self) -> dict[str, Content]:
        """What has to be kept of it, by the checksum."""
        return {content.checksum: content for content in (self.before, self.after) if content}

    def as_result(self, check: bool) -> dict[str, Any]:
        """Return the shape of a result: a checksum that is not known before a value is generated is left out in check mode."""
        return {
            "name": self.item.name,
            "namespace": self.item.namespace,
            "state": self.state,
            "key_names": sorted(self.after.data),
            "differences": self.differences,
            "checksum": "" if check and self.state != "unchanged" else self.after.checksum,
        }


@dataclass(frozen=True)
class Existing:
    """The Secrets that are there, by namespace and name, and what they have held, the oldest first."""

    secrets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    copies: dict[tuple[str, str], list[Content]] = field(default_factory=dict)


class SecretManager:
    """Compares Secrets with the cluster and applies the differences."""

    def __init__(
        self,
        cluster: Api | None,
        check_mode: bool = False,
        adopt: bool = False,
        application: str = "",
        history: History | None = None,
        prepare: Prepare | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Without a cluster, which only makes sense in check mode, everything counts as missing. The Secrets are C(application)'s.

        Without C(history), lost Secrets are restored from their newest copy, no claim is looked for, and no copy is removed.
        """
        self._cluster = cluster
        self._check = check_mode or cluster is None
        self._sleep = sleep
        self._adopt = adopt
        self._application = application
        self._history = history
        self._prepare = prepare

    def ensure(
        self,
        wanted: Sequence[DesiredSecret],
        namespaces: Sequence[str] = (),
        labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Apply the differences and return the module's result. C(labels) are those to keep, by namespace.

        Everything is read and judged before the first change, so that a Secret of somebody else stops all of it.
        """
        labels = labels or {}
        places = list(dict.fromkeys([*namespaces, *labels, *(item.namespace for item in wanted)]))
        existing = {place: self._namespace(place) for place in places}
        there = self._look(wanted, places)
        for item in wanted:
            self._refuse(item, there.secrets.get((item.namespace, item.name)))
        changes, notes = self._compare(wanted, there)
        made, labelled = self._namespaces(existing, labels)
        copied = [change for change in changes if change.contents.keys() - self._sums(change, there)]
        if not self._check:
            self._write_all(changes, there)
        changed = [change for change in changes if change.state != "unchanged"]
        lines = [f"namespace {one} added" for one in made]
        lines += [f"namespace {one}: {key}={text}" for one, new in labelled.items() for key, text in new.items()]
        lines += [
            f"{change.item.namespace}/{change.item.name}: {key} {what}"
            for change in changed
            for key, what in change.differences.items()
        ]
        results = [change.as_result(self._check) for change in changes]
        return {
            "changed": bool(made or labelled or changed),
            "secrets": results,
            "checksums": {result["name"]: result["checksum"] for result in results},
            "copied": [change.item.name for change in copied],
            "namespaces": made,
            "labels": labelled,
            "notes": notes,
            "reachable": self._cluster is not None,
            "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        }

    def _look(self, wanted: Sequence[DesiredSecret], places: Sequence[str]) -> Existing:
        names = {(item.namespace, item.name) for item in wanted}
        there = Existing()
        for place in places if self._cluster else ():
            listed = self._api.items(f"/api/v1/namespaces/{place}/secrets", fieldSelector=NOT_HELM)
            there.copies.update({(place, name): contents for name, contents in by_secret(listed).items()})
            for secret in listed:
                key = (place, str(secret["metadata"]["name"]))
                if key in names and not copy_of(secret):
                    there.secrets[key] = secret
        return there

    def _compare(self, wanted: Sequence[DesiredSecret], there: Existing) -> tuple[list[Change], list[str]]:
        """Return what becomes of each Secret, and a sentence for each that is not made anew but taken from a copy."""
        held, lost = {}, {}
        for item in wanted:
            key = (item.namespace, item.name)
            present = data_of(there.secrets[key]) if key in there.secrets else None
            copy = self._copy_for(item, present, there.copies.get(key, []))
            if copy:
                lost[key] = copy
            held[key] = _completed(item, present, copy)
        data = resolve(wanted, held)
        changes = [self._change(item, there, data, lost) for item in wanted]
        notes = [self._note(change, lost[change.key]) for change in changes if change.key in lost]
        return changes, [note for note in notes if note]

    def _change(
        self,
        item: DesiredSecret,
        there: Existing,
        data: Mapping[tuple[str, str], Mapping[str, bytes]],
        lost: Mapping[tuple[str, str], Content],
    ) -> Change:
        key = (item.namespace, item.name)
        found, copy = there.secrets.get(key), lost.get(key)
        before = content_of(found) if found else None
        # With the salt of a copy, the releases see that nothing has changed.
        salt = fields(found, "metadata", "annotations").get(SALT) or (copy.salt if copy else secrets.token_hex(16))
        marked = before is not None and self._application in ("", application_of(found or {}))
        changes = differences(data_of(found) if found else None, data[key])
        return Change(item, found, before, Content(data[key], salt, item.type), marked, changes)

    def _copy_for(
        self, item: DesiredSecret, present: Mapping[str, bytes] | None, copies: Sequence[Content]
    ) -> Content | None:
        """Return the copy from which generated keys are taken that a Secret lacks, None if they are to be generated.

        Raises SecretError if there is no copy of a lost Secret, but data that may need what it held.
        """
        lacking = _lacking(item, present)
        if present is not None:
            copies = [copy for copy in copies if any(copy.data.get(key) for key in lacking)]
        if copies:
            known = self._history.in_service() if self._history else {}
            return next((copy for copy in copies if copy.checksum in known), copies[-1])
        if present is None and lacking and self._history:
            claim = self._history.claim_of(item.namespace, item.name)
            if claim:
                raise SecretError(
                    f"Secret {item.name} in namespace {item.namespace} is missing and no copy of it is left, but PersistentVolumeClaim {claim} "
                    f"may hold data that needs what was generated for {', '.join(lacking)}. Nothing was changed. Put the Secret back with "
                    f"kubectl, with the label {MANAGED_BY}={MANAGER}; a pod that still runs may have the values in its environment. "
                    "Otherwise remove the application with its data by 'make undeploy', deploy it and restore a backup."
                )
        return None

    def _note(self, change: Change, copy: Content) -> str:
        """Say what of a Secret is taken from a copy."""
        found = change.found
        keys = ", ".join(_lacking(change.item, data_of(found) if found else None))
        whole = found is not None or change.after.checksum == copy.checksum
        if not (whole or keys):
            return ""  # all of it is declared, and so made again
        known = self._history.in_service() if self._history else {}
        source = f"as in {known[copy.checksum]}" if copy.checksum in known else "from its newest copy"
        is_missing, lacks, restored = (
            ("is missing", "lacks", "to be restored") if self._check else ("was missing", "lacked", "restored")
        )
        return (
            f"Secret {change.item.name} {is_missing if found is None else f'{lacks} {keys}'}; "
            f"{'' if whole else f'{keys} '}{restored} {source}."
        )

    @staticmethod
    def _sums(change: Change, there: Existing) -> set[str]:
        return {copy.checksum for copy in there.copies.get(change.key, [])}

    def _write_all(self, changes: Sequence[Change], there: Existing) -> None:
        """Write copies first: what the API refuses of one it would refuse of the Secret, of which none is changed yet."""
        for change in changes:
            writer = self._writer(*change.key)
            for sum_ in change.contents.keys() - self._sums(change, there):
                writer.keep(change.contents[sum_])
        changed = [change for change in changes if change.state != "unchanged"]
        for change in changed:
            if self._prepare and change.found is not None:
                self._prepare(*change.key, data_of(change.found), change.after.data)
        for change in changed:
            self._writer(*change.key).put(change.after, change.found)
        self._collect(changes, there)

    def _writer(self, namespace: str, name: str) -> SecretWriter:
        return SecretWriter(self._api, namespace, name, self._application)

    def _collect(self, changes: Sequence[Change], there: Existing) -> None:
        """Remove the copies that no revision needs any more."""
        older = {
            change.key: self._sums(change, there) - change.contents.keys()
            for change in changes
            if change.state != "unchanged"
        }
        if self._history is None or not any(older.values()):
            return
        try:
            kept = set(self._history.kept())
        except ValueError:
            return  # a revision that cannot be read may need any of them
        for (namespace, name), sums in older.items():
            for sum_ in sums - kept:
                self._writer(namespace, name).forget(sum_)

    def _refuse(self, item: DesiredSecret, found: Mapping[str, Any] | None) -> None:
        if found is None:
            return
        where = f"Secret {item.name} in namespace {item.namespace}"
        if not is_owned(found) and not self._adopt:
            owner = (found["metadata"].get("labels") or {}).get(MANAGED_BY)
            raise SecretError(
                f"{where} was not created by Slipway{f' but by {owner}' if owner else ''} and is not changed. "
                "Rename the declared Secret, or set adopt to take it over."
            )
        other = application_of(found)
        if other and self._application and other != self._application and not self._adopt:
            raise SecretError(
                f"{where} belongs to the application {other} and is not changed. Rename the declared Secret, deploy to another namespace, "
                "or set adopt to take it over."
            )
        if found.get("type", "Opaque") != item.type:
            raise SecretError(
                f"{where} has type {found.get('type')}, which cannot change. Delete it, or declare that type."
            )
        present = data_of(found).keys()
        wanted = {key for key, source in item.keys.items() if not source.keep or key in present}
        if found.get("immutable") and present != wanted:
            raise SecretError(f"{where} is immutable. Remove it first if it shall change.")

    def _namespaces(
        self, existing: Mapping[str, Mapping[str, Any] | None], labels: Mapping[str, Mapping[str, str]]
    ) -> tuple[list[str], dict[str, dict[str, str]]]:
        """Make the namespaces that are missing, which are None, and set the labels that others lack; returns both."""
        made: list[str] = []
        labelled: dict[str, dict[str, str]] = {}
        for place, found in existing.items():
            wanted = dict(labels.get(place) or {})
            if found is None:
                made.append(place)
            present = ((found or {}).get("metadata") or {}).get("labels") or {}
            missing = {key: text for key, text in wanted.items() if present.get(key) != text}
            if missing:
                labelled[place] = missing
            if self._check:
                continue
            path = "/api/v1/namespaces"
            if found is None:
                metadata = {"name": place, "labels": {MANAGED_BY: MANAGER, **wanted}}
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
                try:
                    self._api.request("POST", path, body=body)
                except ApiError as error:
                    if error.status != 409:  # another run was faster
                        raise
            elif missing:
                patch = {"metadata": {"labels": missing}}
                self._api.request("PATCH", f"{path}/{place}", body=patch, content_type=MERGE_PATCH)
        return made, labelled

    def _namespace(self, name: str) -> dict[str, Any] | None:
        """Return a namespace, None where there is none. One that is being deleted is waited for."""
        if self._cluster is None:
            return None
        path = f"/api/v1/namespaces/{name}"
        found = find(self._cluster, path)
        left = _DELETION
        while found and dig(found, "status", "phase") == "Terminating":
            if left <= 0:
                raise SecretError(
                    f"Namespace {name} is being deleted, and is not gone after {_DELETION} s.{_held_by(found)} "
                    "Wait until it is gone, then run this again."
                )
            self._sleep(1.0)
            left -= 1
            found = find(self._cluster, path)
        return found

    @property
    def _api(self) -> Api:
        if self._cluster is None:
            raise AssertionError("without a cluster, everything is only checked")
        return self._cluster


def _held_by(namespace: Mapping[str, Any]) -> str:
    """Return what Kubernetes says that a namespace still holds, as sentences that begin with a blank."""
    kinds = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure")
    conditions = rows(namespace, "status", "conditions")
    told = [
        sentence(one.get("message")) for one in conditions if one.get("type") in kinds and one.get("status") == "True"
    ]
    return "".join(f" {words}" for words in told)


def _lacking(item: DesiredSecret, present: Mapping[str, bytes] | None) -> list[str]:
    """Return the generated keys of a Secret that it does not hold. C(present) is what it holds, None if it is missing."""
    return [key for key, source in item.keys.items() if source.generate is not None and not (present or {}).get(key)]


def _completed(item: DesiredSecret, present: Mapping[str, bytes] | None, copy: Content | None) -> Mapping[str, bytes]:
    """Return what a Secret holds, with what it lacks from a copy: all of it if it is missing, otherwise its generated keys."""
    if present is None or copy is None:
        return (present if copy is None else copy.data) or {}
    return {**present, **{key: copy.data[key] for key in _lacking(item, present) if copy.data.get(key)}}
