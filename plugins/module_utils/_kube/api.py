# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the code that decides needs of a cluster, and how asking fails. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML as well
# Answers to requests that the API server took but cannot carry out just now.
_PASSING = frozenset({429, 500, 502, 503, 504})


class KubernetesError(Exception):
    """The cluster cannot be used: a sentence of cause and one of what to do. C(passing) says that it may well answer soon."""

    passing = False


class UnreachableError(KubernetesError):
    """There is no cluster to talk to: nobody answers, or not in time."""

    passing = True


class KubeconfigError(UnreachableError):
    """There is no kubeconfig, no such context, or nobody can log in with it."""

    passing = False


class MalformedKubeconfigError(KubeconfigError):
    """There is a kubeconfig, but it is not written as one is: no sign that the cluster is still to be made."""


class ApiError(KubernetesError):
    """The API answered with an error. C(reason) is its short word, such as NotFound."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        self.passing = status in _PASSING
        super().__init__(message)


class Api(Protocol):
    """What is needed of a cluster. Objects are dictionaries as the API returns them."""

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
    ) -> Any: ...

    def items(self, path: str, **query: str) -> list[dict[str, Any]]: ...

    def ask(self, path: str, timeout: float = 3.0) -> tuple[int, str]: ...


def find(api: Api, path: str) -> dict[str, Any] | None:
    """Return the object at a path of the API, None when there is none. Raises KubernetesError for every other failure."""
    try:
        return dict(api.request("GET", path))
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def items_if_readable(api: Api, path: str) -> list[dict[str, Any]] | None:
    """Return the objects of a list; None where this user may not read it or the cluster does not know it. Raises KubernetesError otherwise."""
    try:
        return api.items(path)
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        return None
