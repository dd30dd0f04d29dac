# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Secret has held before, so that a version that goes back gets the Secret that it had. Private to the collection.

Every content of a Secret is kept beside it, in an immutable Secret of a type of its own with the content's checksum as a label. The values of
a Helm revision name that checksum, so they choose the copy.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import MERGE_PATCH, Api, ApiError
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import fields, labels, meta
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_values import (
    APPLICATION,
    MANAGED_BY,
    MANAGER,
    SALT,
    application_of,
    checksum,
    differences,
    is_owned,
)

TYPE = "slipway.kube/secret-copy"
# Helm's records of releases are Secrets too, and by far the largest ones.
NOT_HELM = "type!=helm.sh/release.v1"
# A label, by which people can find them. The Secret's name is an annotation, because it may be longer than a label.
_CHECKSUM = "slipway.kube/checksum"
_COPY_OF = "slipway.kube/copy-of"
_TYPE = "slipway.kube/secret-type"
_LONGEST_NAME = 253
_DIGITS = 12

Object = Mapping[str, Any]
# Does what has to be done before a Secret changes: namespace, name, what it holds and what it will hold. Raises SecretError.
Prepare = Callable[[str, str, Mapping[str, bytes], Mapping[str, bytes]], None]


class SecretError(ValueError):
    """A Secret that cannot be brought to what is declared: a sentence of cause and one of what to do."""


@dataclass(frozen=True)
class Content:
    """What a Secret holds, with the salt of its checksum. Its text never shows a value."""

    data: Mapping[str, bytes]
    salt: str
    type: str = "Opaque"
    created: str = ""  # when it was copied, as the API tells it

    @property
    def checksum(self) -> str:
        """The sum that the values of a release name."""
        return checksum(self.data, self.salt)

    def __repr__(self) -> str:
        return f"Content({sorted(self.data)})"


class History(Protocol):
    """What is known of the releases that use the Secrets."""

    def kept(self) -> Collection[str]:
        """Return the checksums that any revision that Helm keeps names. Raises ValueError for a record that cannot be read."""

    def in_service(self) -> Mapping[str, str]:
        """Return the checksums that the revisions in service name, each with words for its revision. Raises ValueError likewise."""

    def claim_of(self, namespace: str, secret: str) -> str:
        """Return the name of a volume claim whose data may need what a lost Secret held, empty if there is none."""


def data_of(secret: Object) -> dict[str, bytes]:
    """Return the data of a Secret, decoded."""
    return {key: base64.b64decode(value or "") for key, value in (secret.get("data") or {}).items()}


def encoded(value: bytes) -> str:
    """Return a value as the API takes it."""
    return base64.b64encode(value).decode()


def is_copy(secret: Object) -> bool:
    """Tell whether a Secret is a copy of another one's content."""
    return secret.get("type") == TYPE and is_owned(secret)


def copy_of(secret: Object) -> str:
    """Return the name of the Secret whose content a copy holds, empty for a Secret that is no copy."""
    return str(fields(secret, "metadata", "annotations").get(_COPY_OF) or "") if is_copy(secret) else ""


def copy_name(name: str, content_checksum: str) -> str:
    """Return the name of a copy: the Secret's, as far as there is room for it, and digits of the checksum."""
    return f"{name[: _LONGEST_NAME - _DIGITS - 1].rstrip('.-')}-{content_checksum[:_DIGITS]}"


def content_of(secret: Object) -> Content | None:
    """Return what a Secret of ours holds, None if it has no checksum yet."""
    salt = fields(secret, "metadata", "annotations").get(SALT)
    return (
        Content(data_of(secret), str(salt), str(secret.get("type") or "Opaque")) if salt and is_owned(secret) else None
    )


def by_secret(secrets: Iterable[Object]) -> dict[str, list[Content]]:
    """Return the copies among a namespace's Secrets by the name of the Secret whose content they hold, the oldest first.

    One whose content is not what its checksum says is left out.
    """
    found: dict[str, list[Content]] = {}
    for secret in sorted(secrets, key=lambda one: (meta(one, "creationTimestamp"), meta(one, "name"))):
        name, notes = copy_of(secret), fields(secret, "metadata", "annotations")
        if not name:
            continue
        content = Content(
            data_of(secret), str(notes.get(SALT)), str(notes.get(_TYPE)), meta(secret, "creationTimestamp")
        )
        if content.checksum == labels(secret).get(_CHECKSUM):
            found.setdefault(name, []).append(content)
    return found


class SecretWriter:
    """Writes one Secret, and keeps and removes copies of its content."""

    def __init__(self, api: Api, namespace: str, name: str, application: str = "") -> None:
        """C(application) is the one that the Secret is of, if any."""
        self._api = api
        self._labels = {MANAGED_BY: MANAGER, **({APPLICATION: application} if application else {})}
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._where = f"Secret {name} in namespace {namespace}"
        self._name = name

    def keep(self, content: Content) -> None:
        """Make a copy of a content. Raises SecretError."""
        metadata = {
            "name": copy_name(self._name, content.checksum),
            "labels": {**self._labels, _CHECKSUM: content.checksum},
            "annotations": {SALT: content.salt, _COPY_OF: self._name, _TYPE: content.type},
        }
        data = {key: encoded(value) for key, value in content.data.items()}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "immutable": True,
            "metadata": metadata,
            "data": data,
        }
        try:
            self._api.request("POST", self._path, body=body)
        except ApiError as error:
            raise _refused(error, f"a copy of {self._where}, {metadata['name']}") from None

    def forget(self, content_checksum: str) -> None:
        """Remove a copy; one that is gone already is no error."""
        try:
            self._api.request("DELETE", f"{self._path}/{copy_name(self._name, content_checksum)}")
        except ApiError as error:
            if error.status != 404:
                raise

    def put(self, content: Content, found: Object | None) -> None:
        """Let the Secret hold a content. C(found) is the Secret as it was read, None if it is missing. Raises SecretError.

        Fails instead of overwriting when somebody else has changed it since.
        """
        metadata: dict[str, Any] = {"labels": self._labels, "annotations": {SALT: content.salt}}
        data: dict[str, str | None] = {key: encoded(value) for key, value in content.data.items()}
        try:
            if found is None:
                body = {"apiVersion": "v1", "kind": "Secret", "type": content.type, "data": data}
                self._api.request("POST", self._path, body={**body, "metadata": {"name": self._name, **metadata}})
                return
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
            changes = differences(data_of(found), content.data)
            patch = {key: None if what == "removed" else data[key] for key, what in changes.items()}
            body = {"metadata": metadata, "data": patch}
            self._api.request("PATCH", f"{self._path}/{self._name}", body=body, content_type=MERGE_PATCH)
        except ApiError as error:
            raise _refused(error, self._where) from None


def _refused(error: ApiError, what: str) -> SecretError:
    """Return the error for a write that the API refused, without the API's own message, which may quote what was sent."""
    return SecretError(
        f"The Kubernetes API refused to write {what} ({error.status} {error.reason}). "
        "Check the names of its keys and the right to write Secrets."
    )


# ------------------------------------------------------------ going back
@dataclass(frozen=True)
class Target:
    """A revision to go back to.

    C(checksums) are all that its values hold; C(named) is the one at the place that is declared for a Secret, by its name, empty if there is
    none.
    """

    words: str  # such as: revision 3 of release todo
    checksums: Collection[str]
    named: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """What becomes of a Secret: the content to restore, or why it stays; neither if it is as it was."""

    content: Content | None = None
    words: str = ""


def choose(
    name: str, current: str, copies: Sequence[Content], targets: Sequence[Target], has_sum: bool, check: bool = False
) -> Choice:
    """Choose the content of a Secret that belongs to the revisions to go back to.

    C(current) is the checksum of what it holds now. C(has_sum) tells whether any release of the application has its checksum in its values:
    then a target without a place for it has nothing to do with it.
    """
    known = {copy.checksum: copy for copy in copies}
    naming = {sum_: target for target in targets for sum_ in target.checksums if sum_ in (*known, current)}
    naming |= {target.named[name]: target for target in targets if target.named.get(name)}
    if set(naming) == {current}:
        return Choice()
    stays = f"Secret {name} stays as it is, because"
    if len(naming) > 1:
        words = " and ".join(dict.fromkeys(target.words for target in naming.values()))
        return Choice(words=f"{stays} it had more than one content in {words}.")
    for sum_, target in naming.items():
        if sum_ in known:
            return Choice(known[sum_], f"Secret {name} {'would be' if check else 'is'} as in {target.words} again.")
        return Choice(words=f"{stays} no copy of what it held in {target.words} is left.")
    concerned = [target for target in targets if name in target.named or not has_sum]
    if concerned and any(sum_ != current for sum_ in known):
        return Choice(words=f"{stays} the values of {concerned[0].words} do not say what it held then.")
    return Choice()


def roll_back(
    api: Api,
    wanted: Sequence[tuple[str, str]],
    targets: Sequence[Target],
    listed: Collection[str],
    application: str = "",
    check: bool = False,
    prepare: Prepare | None = None,
) -> dict[str, Any]:
    """Give Secrets the content that belongs to revisions, with one list call for each namespace; returns a module's result.

    C(wanted) are namespace and name of each, C(listed) the names of those whose checksum any release has in its values. Those that are not
    C(application)'s stay, and all of them if one cannot be prepared.
    """
    restored: list[tuple[str, str, Content, dict[str, Any] | None]] = []
    notes: list[str] = []
    secrets = {
        place: api.items(f"/api/v1/namespaces/{place}/secrets", fieldSelector=NOT_HELM)
        for place in dict.fromkeys(place for place, _name in wanted)
    }
    copies = {place: by_secret(there) for place, there in secrets.items()}
    for place, name in wanted:
        found = next((one for one in secrets[place] if meta(one, "name") == name and not is_copy(one)), None)
        if found is not None and not (is_owned(found) and application_of(found) in ("", application)):
            continue
        held = content_of(found) if found else None
        choice = choose(
            name, held.checksum if held else "", copies[place].get(name, []), targets, name in listed, check
        )
        notes += [choice.words] if choice.words else []
        if choice.content is not None:
            restored.append((place, name, choice.content, found))
    if not check:
        try:
            for place, name, content, found in restored:
                if prepare and found is not None:
                    prepare(place, name, data_of(found), content.data)
        except SecretError as error:
            return {"changed": False, "restored": [], "notes": [f"The Secrets stay as they are. {error}"]}
        for place, name, content, found in restored:
            SecretWriter(api, place, name, application).put(content, found)
    return {
        "changed": bool(restored),
        "restored": [
            {"name": name, "namespace": place, "checksum": content.checksum}
            for place, name, content, _found in restored
        ],
        "notes": notes,
    }
