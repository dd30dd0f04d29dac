# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that Helm keeps of its releases, without Helm. Private to the collection.

Helm 3 and 4 keep every revision in a Secret of type helm.sh/release.v1 whose C(release) is JSON, packed with gzip and
encoded twice with base64, once by Helm and once by Kubernetes.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._kube.api import Api
from ansible_collections.slipway.kube.plugins.module_utils._kube.objects import fields

TYPE = "helm.sh/release.v1"
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
_IMAGE = re.compile(r"""^[ \t-]*image:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)
INTERRUPTED = "Interrupted before it ended; marked as failed so that the release can be changed again"


def decode(secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of one revision. Raises ValueError when the Secret holds none."""
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        if packed[:2] == b"\x1f\x8b":
            packed = gzip.decompress(packed)
        record: dict[str, Any] = dict(json.loads(packed))
    except (KeyError, TypeError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{secret.get('metadata', {}).get('name')} holds no record of a release: {error}") from None
    return record


def encode(record: Mapping[str, Any]) -> str:
    """Return a record as the C(data.release) of its Secret."""
    packed = gzip.compress(json.dumps(record, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()


def revision_of(secret: Mapping[str, Any]) -> int:
    """Return the revision that a Secret's labels name, 0 without one."""
    version = str(secret.get("metadata", {}).get("labels", {}).get("version", "0"))
    return int(version) if version.isdigit() else 0


def group(secrets: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the Secrets of each release by its name, oldest revision first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for secret in secrets:
        labels = secret.get("metadata", {}).get("labels", {})
        if secret.get("type") == TYPE and labels.get("name"):
            found.setdefault(str(labels["name"]), []).append(secret)
    for revisions in found.values():
        revisions.sort(key=revision_of)
    return found


def status_of(secret: Mapping[str, Any]) -> str:
    """Return the status that a Secret's labels name: deployed, superseded, failed, pending-install and so on."""
    return str(secret.get("metadata", {}).get("labels", {}).get("status", "unknown"))


def describe(revisions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of one release from its Secrets, oldest first; only the newest is unpacked."""
    newest = revisions[-1]
    record = decode(newest)
    chart = (record.get("chart") or {}).get("metadata") or {}
    info = record.get("info") or {}
    deployed = [revision_of(secret) for secret in revisions if status_of(secret) == "deployed"]
    if not deployed and status_of(newest) not in ("uninstalled", "uninstalling"):
        # Helm was killed between replacing the old revision and declaring the new one: the old one is the last that was good.
        deployed = [revision_of(secret) for secret in revisions[:-1] if status_of(secret) == "superseded"]
    return {
        "revision": revision_of(newest),
        "status": status_of(newest),
        "deployed_revision": max(deployed, default=0),
        "chart_name": str(chart.get("name", "")),
        "chart_version": str(chart.get("version", "")),
        "app_version": str(chart.get("appVersion", "")),
        "updated": str(info.get("last_deployed", "")),
        "description": str(info.get("description", "")),
        "images": sorted(set(_IMAGE.findall(str(record.get("manifest") or "")))),
        "values": record.get("config") or {},
        "manifest": str(record.get("manifest") or ""),
        "history": [{"revision": revision_of(secret), "status": status_of(secret)} for secret in revisions],
    }


def is_marked(record: Mapping[str, Any]) -> bool:
    """Tell whether a revision has the values that Slipway adds. C(record) is what C(decode) returns."""
    return "slipway" in fields(record, "config", "global")


def application_of(values: Any) -> str:
    """Return the application that a release's values name, empty when they name none: Slipway 0.1 did not write it."""
    return str(fields({"values": values}, "values", "global", "slipway").get("application") or "")


@dataclass(frozen=True)
class InService:
    """The revision of a release that is in service: its manifest, and the names of its chart and application, empty without one.

    C(is_newest): Helm would upgrade it without further ado. C(by_server): Helm writes its objects by server-side apply.
    """

    manifest: str = ""
    is_newest: bool = False
    chart: str = ""
    by_server: bool = True
    application: str = ""


def in_service(api: Api, namespace: str, name: str) -> InService:
    """Return what is in service of a release, by one list call. Raises KubernetesError, and ValueError for a damaged record."""
    query = {"fieldSelector": f"type={TYPE}", "labelSelector": f"owner=helm,name={name}"}
    revisions = group(api.items(f"/api/v1/namespaces/{namespace}/secrets", **query)).get(name, [])
    if not revisions:
        return InService()
    facts = describe(revisions)
    current = facts["deployed_revision"]
    record = decode(next((secret for secret in revisions if revision_of(secret) == current), revisions[-1]))
    there = facts["status"] != "uninstalled"
    return InService(
        str(record.get("manifest") or ""),
        status_of(revisions[-1]) == "deployed",
        facts["chart_name"] if there else "",
        by_server(record),
        application_of(facts["values"]) if there else "",
    )


def by_server(record: Mapping[str, Any]) -> bool:
    """Tell whether Helm 4 writes a revision's objects by server-side apply; Helm 3 merges them itself. C(record) is what C(decode) returns."""
    return record.get("apply_method") == "ssa"


def images_of(record: Mapping[str, Any]) -> list[str]:
    """Return the images that the objects and hooks of a revision name, sorted. C(record) is what C(decode) returns."""
    hooks = (hook.get("manifest") for hook in record.get("hooks") or ())
    manifests = [str(manifest or "") for manifest in (record.get("manifest"), *hooks)]
    return sorted({image for manifest in manifests for image in _IMAGE.findall(manifest)})


def failed(secret: Mapping[str, Any], why: str = INTERRUPTED) -> dict[str, Any]:
    """Return the merge patch that turns a revision into a failed one.

    Helm refuses every change of a release whose newest revision is pending; after a failed one it goes on from the last
    that was deployed. The patch names the resourceVersion, so that it fails when the record has changed in the meantime.
    """
    record = decode(secret)
    info = dict(record.get("info") or {})
    info.update(status="failed", description=why)
    return {
        "metadata": {
            "resourceVersion": secret["metadata"]["resourceVersion"],
            "labels": {"status": "failed"},
        },
        "data": {"release": encode({**record, "info": info})},
    }


def age(secret: Mapping[str, Any], now: datetime) -> float:
    """Return the seconds since Helm began a revision; a record without a time is as old as can be."""
    started = str((decode(secret).get("info") or {}).get("last_deployed", ""))
    try:
        # Python reads six digits of a second, Helm writes nine.
        return (
            now - datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", started).replace("Z", "+00:00"))
        ).total_seconds()
    except (TypeError, ValueError):
        return float("inf")


def previous(history: Sequence[Mapping[str, Any]], description: str) -> int:
    """Return the revision before the one in service, 0 when there is none.

    C(history) holds number and status, oldest first. Revisions that failed do not count, and what a rollback has left behind
    does not either: before "Rollback to 3" comes what came before 3.
    """
    current = max((entry["revision"] for entry in history if entry["status"] == "deployed"), default=0)
    back = re.fullmatch(r"Rollback to (\d+)", description)
    current = int(back.group(1)) if back else current
    earlier = (
        entry["revision"] for entry in history if entry["status"] == "superseded" and entry["revision"] < current
    )
    return max(earlier, default=0)


def difference(before: Any, after: Any, place: str = "") -> list[str]:
    """Return the dotted paths at which two sets of values differ, without the values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[str] = []
        for key in sorted({*before, *after}, key=str):
            where = f"{place}.{key}" if place else str(key)
            if key not in before or key not in after:
                found.append(where)
            else:
                found.extend(difference(before[key], after[key], where))
        return found
    # In Python True equals 1, in YAML it does not.
    same = before == after and isinstance(before, bool) == isinstance(after, bool)
    return [] if same else [place]


def need(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return what has to be done to a release - install, upgrade or none - and why."""
    if found is None or found["status"] == "uninstalled":
        return "install", "it is not installed"
    if found["status"] in PENDING:
        return "upgrade", f"an interrupted run left it {found['status']}"
    if found["status"] != "deployed":
        return "upgrade", f"its last revision is {found['status']}"
    for key, word in (("chart_name", "chart"), ("chart_version", "chart version")):
        if wanted.get(key) and wanted[key] != found[key]:
            return "upgrade", f"the {word} changes from {found[key]} to {wanted[key]}"
    paths = [] if wanted.get("values") is None else difference(found["values"], wanted["values"])
    if paths:
        more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
        return "upgrade", f"these values change: {', '.join(paths[:4])}{more}"
    return "none", "it is deployed as wanted"
