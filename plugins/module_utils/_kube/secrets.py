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
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import SHORTEST
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, Api, ApiError, find
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    APPLICATION,
    MANAGED_BY,
    MANAGER,
    SALT,
    DesiredSecret,
    Source,
    application_of,
    checksum,
    differences,
    is_owned,
    resolve,
)

# Helm's records of releases are Secrets too, and by far the largest ones.
_NOT_HELM = "type!=helm.sh/release.v1"


class SecretError(ValueError):
    """A Secret that cannot be brought to what is declared: a sentence of cause and one of what to do."""


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


class SecretManager:
    """Compares Secrets with the cluster and applies the differences."""

    def __init__(
        self, cluster: Api | None, check_mode: bool = False, adopt: bool = False, application: str = ""
    ) -> None:
        """Without a cluster, which only makes sense in check mode, everything counts as missing. The Secrets are C(application)'s."""
        self._cluster = cluster
        self._check = check_mode or cluster is None
        self._adopt = adopt
        self._application = application

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
        found = self._found(wanted, places)
        for item in wanted:
            self._refuse(item, found.get((item.namespace, item.name)))
        existing = {key: _data(secret) for key, secret in found.items()}
        data = resolve(wanted, existing)
        made, labelled = self._namespaces(places, labels)
        results = [self._apply(item, found.get((item.namespace, item.name)), data) for item in wanted]
        changed = [result for result in results if result["state"] != "unchanged"]
        lines = [
            f"{result['namespace']}/{result['name']}: {key} {what}"
            for result in changed
            for key, what in result["differences"].items()
        ]
        return {
            "changed": bool(made or labelled or changed),
            "secrets": results,
            "checksums": {result["name"]: result["checksum"] for result in results},
            "namespaces": made,
            "labels": labelled,
            "reachable": self._cluster is not None,
            "diff": {
                "prepared": "".join(
                    f"{line}\n"
                    for line in [
                        *(f"namespace {one} added" for one in made),
                        *(
                            f"namespace {one}: {key}={text}"
                            for one, new in labelled.items()
                            for key, text in new.items()
                        ),
                        *lines,
                    ]
                )
            },
        }

    def _found(self, wanted: Sequence[DesiredSecret], places: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
        names = {(item.namespace, item.name) for item in wanted}
        found = {}
        for place in places if self._cluster else ():
            for secret in self._api.items(f"/api/v1/namespaces/{place}/secrets", fieldSelector=_NOT_HELM):
                key = (place, str(secret["metadata"]["name"]))
                if key in names:
                    found[key] = secret
        return found

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
        present = _data(found).keys()
        wanted = {key for key, source in item.keys.items() if not source.keep or key in present}
        if found.get("immutable") and present != wanted:
            raise SecretError(f"{where} is immutable. Remove it first if it shall change.")

    def _namespaces(
        self, places: Sequence[str], labels: Mapping[str, Mapping[str, str]]
    ) -> tuple[list[str], dict[str, dict[str, str]]]:
        """Make the namespaces that are missing and set the labels that others lack; returns both."""
        made: list[str] = []
        labelled: dict[str, dict[str, str]] = {}
        for place in places:
            wanted = dict(labels.get(place) or {})
            found = self._namespace(place)
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
        if self._cluster is None:
            return None
        found = find(self._cluster, f"/api/v1/namespaces/{name}")
        if found and (found.get("status") or {}).get("phase") == "Terminating":
            raise SecretError(f"Namespace {name} is being deleted. Wait until it is gone, then run this again.")
        return found

    def _apply(
        self,
        item: DesiredSecret,
        found: Mapping[str, Any] | None,
        data: Mapping[tuple[str, str], Mapping[str, bytes]],
    ) -> dict[str, Any]:
        after = data[item.namespace, item.name]
        metadata = (found or {}).get("metadata") or {}
        salt = (metadata.get("annotations") or {}).get(SALT) or secrets.token_hex(16)
        before = _data(found) if found else None
        changes = differences(before, after)
        stamped = is_owned(found or {}) and SALT in (metadata.get("annotations") or {})
        stamped = stamped and (not self._application or application_of(found or {}) == self._application)
        state = "created" if found is None else "changed" if changes or not stamped else "unchanged"
        if state != "unchanged" and not self._check:
            self._write(item, found, after, changes, salt)
        unknown = self._check and state != "unchanged"
        return {
            "name": item.name,
            "namespace": item.namespace,
            "state": state,
            "key_names": sorted(after),
            "differences": changes,
            "checksum": "" if unknown else checksum(after, salt),
        }

    def _write(
        self,
        item: DesiredSecret,
        found: Mapping[str, Any] | None,
        after: Mapping[str, bytes],
        changes: Mapping[str, str],
        salt: str,
    ) -> None:
        labels = {MANAGED_BY: MANAGER, **({APPLICATION: self._application} if self._application else {})}
        metadata: dict[str, Any] = {"labels": labels, "annotations": {SALT: salt}}
        path = f"/api/v1/namespaces/{item.namespace}/secrets"
        try:
            if found is None:
                metadata["name"] = item.name
                body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "type": item.type, "metadata": metadata}
                body["data"] = {key: _encoded(value) for key, value in after.items()}
                self._api.request("POST", path, body=body)
            else:
                # Fails instead of overwriting when somebody else changed it after it was read.
                metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
                patch = {key: None if what == "removed" else _encoded(after[key]) for key, what in changes.items()}
                self._api.request(
                    "PATCH", f"{path}/{item.name}", body={"metadata": metadata, "data": patch}, content_type=MERGE_PATCH
                )
        except ApiError as error:
            # The API's own message may quote what was sent.
            raise SecretError(
                f"The Kubernetes API refused to write Secret {item.name} in namespace {item.namespace} "
                f"({error.status} {error.reason}). Check the names of its keys and the right to write Secrets."
            ) from None

    @property
    def _api(self) -> Api:
        if self._cluster is None:
            raise AssertionError("without a cluster, everything is only checked")
        return self._cluster


def _data(secret: Mapping[str, Any]) -> dict[str, bytes]:
    return {key: base64.b64decode(value or "") for key, value in (secret.get("data") or {}).items()}


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
